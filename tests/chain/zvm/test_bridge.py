"""Calls between the two machines: who acts, what is undone, what gas goes where, and what a transaction shares."""

import itertools

import pytest
from coincurve import PrivateKey

from tests.chain.chain_fixtures import ALICE, KEYS
from tests.chain.vm.support import CONTRACT, ETHER, SENDER, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    RELAY_MAKERS,
    RELAYS,
    TARGET,
    accounts_of,
    code_gas,
    contract,
    entry_gas,
    evm_relay,
    evm_returning,
    executor,
    invoke,
    measured,
    measuring,
    path,
    relay_accounts,
    request_to,
    returning,
    send,
    slots,
    unwrapped,
    wasm_relay,
    word,
)
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.types import AccessListEntry, Authorization, Log, TransactionType
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.storage import rlp
from zevm.storage.keccak import keccak256

MACHINES = ["evm", "wasm"]
PAIRS = list(itertools.product(MACHINES, repeat=2))
TRIPLES = list(itertools.product(MACHINES, repeat=3))
KINDS = ["CALL", "DELEGATECALL", "STATICCALL"]

# What a frame knows of itself, in either machine: address, caller, value, origin

WASM_WHO = returning(
    invoke("contract_address", 12) + invoke("msg_sender", 44) + invoke("msg_value", 64) + invoke("tx_origin", 108),
    128,
)
EVM_WHO = evm_returning("ADDRESS", "CALLER", "CALLVALUE", "ORIGIN")
WHO = {"evm": EVM_WHO, "wasm": WASM_WHO}

# Adds its call data, a word, to slot 1, logs it and returns 1 word; with a word of 0 it reverts with what it has done

WASM_ADDER = contract(
    f"""{invoke("read_args", 0)} {invoke("storage_load_bytes32", 64, 96)}
    {invoke("math_add_mod", 96, 0, 128)} {invoke("storage_cache_bytes32", 64, 96)} {invoke("storage_flush_cache", 0)}
    {invoke("emit_log", 0, 32, 1)} {invoke("write_result", 0, 32)}
    (if (i32.eqz (i32.load8_u (i32.const 31))) (then {invoke("exit_early", 1)}))""",
    data={64: word(1), 128: b"\xff" * 32},
)
_STORE_AND_LOG = "0 CALLDATALOAD DUP1 1 SLOAD ADD 1 SSTORE 0 MSTORE 0 MLOAD 0 0 LOG1 32 0 0 MLOAD"
_END = len(assemble(f"{_STORE_AND_LOG} 0 JUMPI REVERT"))
EVM_ADDER = assemble(f"{_STORE_AND_LOG} {_END} JUMPI REVERT JUMPDEST RETURN")
ADDER = {"evm": EVM_ADDER, "wasm": WASM_ADDER}


def runner_of(codes: dict[bytes, bytes], **options: object) -> Executor:
    return executor(relay_accounts() | accounts_of(codes), **options)


def call(runner: Executor, *way: bytes, payload: bytes = b"", **request: object) -> tuple[list[int], bytes]:
    """eth_call through relays to the last address: the relays' success words and the last output."""
    outcome = runner.call(request_to(way[0], path(*way[1:], payload=payload), **request))
    assert outcome.error is None, outcome.error
    return unwrapped(outcome.output, len(way) - 1)


def addresses(output: bytes) -> tuple[bytes, bytes, int, bytes]:
    return output[12:32], output[44:64], int.from_bytes(output[64:96], "big"), output[108:128]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("machine", "target"), PAIRS)
def test_the_callee_knows_who_acts(machine: str, target: str, kind: str) -> None:
    relay = RELAYS[machine, kind]
    runner = runner_of({TARGET: WHO[target]})
    words, output = call(runner, relay, TARGET, value=7)
    expected = {
        "CALL": (TARGET, relay, 7, SENDER),
        "DELEGATECALL": (relay, SENDER, 7, SENDER),
        "STATICCALL": (TARGET, relay, 0, SENDER),
    }[kind]
    assert (words, addresses(output)) == ([1], expected)


def test_callcode_runs_webassembly_on_the_callers_account() -> None:
    relay = RELAYS["evm", "CALLCODE"]
    words, output = call(runner_of({TARGET: WASM_WHO}), relay, TARGET, value=7)
    assert (words, addresses(output)) == ([1], (relay, relay, 7, SENDER))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_callee_knows_whose_code_it_is(machine: str, kind: str) -> None:
    """Also after two delegations, and in an account that delegates its code to a module."""
    relay = RELAYS[machine, kind]
    asking = returning(invoke("code_address", 12), 32)
    delegated = {OTHER: FakeAccount(1, 0, b"\xef\x01\x00" + TARGET)}
    runner = executor(relay_accounts() | accounts_of({TARGET: asking}) | delegated)
    for way in ((relay, TARGET), (RELAYS["evm", "DELEGATECALL"], relay, TARGET), (relay, OTHER)):
        words, output = call(runner, *way)
        assert (set(words), output[12:]) == ({1}, TARGET)
    assert runner.call(request_to(OTHER)).output[12:] == TARGET


@pytest.mark.parametrize(("first", "second", "target"), TRIPLES)
def test_two_delegations_keep_account_sender_and_value(first: str, second: str, target: str) -> None:
    way = RELAYS[first, "DELEGATECALL"], RELAYS[second, "DELEGATECALL"], TARGET
    words, output = call(runner_of({TARGET: WHO[target]}), *way, value=3)
    assert (words, addresses(output)) == ([1, 1], (way[0], SENDER, 3, SENDER))


@pytest.mark.parametrize("kind", ["CALL", "DELEGATECALL"])
@pytest.mark.parametrize(("machine", "target"), PAIRS)
def test_storage_and_logs_are_the_acting_accounts(machine: str, target: str, kind: str) -> None:
    relay = RELAYS[machine, kind]
    acting, resting = (TARGET, relay) if kind == "CALL" else (relay, TARGET)
    runner = runner_of({TARGET: ADDER[target]})
    for total in (5, 10):
        outcome = send(runner, relay, path(TARGET, payload=word(5)))
        assert outcome.error is None
        assert outcome.logs == (Log(acting, (word(5),), b""),)
        assert (slots(runner, acting, [1]), slots(runner, resting, [1])) == ([total], [0])


@pytest.mark.parametrize(("outer", "inner", "target"), TRIPLES)
def test_a_revert_undoes_its_own_frame_alone_and_its_data_comes_through(outer: str, inner: str, target: str) -> None:
    """outer calls inner, which calls a contract that stores, logs and reverts with a word of zeros."""
    runner = runner_of({TARGET: ADDER[target]})
    way = path(RELAYS[inner, "CALL"], TARGET, payload=word(0))
    assert call(runner, RELAYS[outer, "CALL"], RELAYS[inner, "CALL"], TARGET, payload=word(0)) == ([1, 0], bytes(32))
    outcome = send(runner, RELAYS[outer, "CALL"], way)
    assert (outcome.error, outcome.logs) == (None, ())
    assert slots(runner, TARGET, [1]) == [0]


REVERT_AFTER = {
    "evm": lambda: evm_relay("CALL")[:-1] + b"\xfd",
    "wasm": lambda: wasm_relay("CALL", after=invoke("exit_early", 9)),
}


@pytest.mark.parametrize(("middle", "target"), PAIRS)
def test_a_revert_takes_the_callees_of_the_frame_along(middle: str, target: str) -> None:
    """TARGET stores and logs, the frame above it reverts, the one above that goes on."""
    runner = runner_of({TARGET: ADDER[target], OTHER: REVERT_AFTER[middle]()})
    outcome = send(runner, RELAYS["evm", "CALL"], path(OTHER, TARGET, payload=word(5)))
    assert (outcome.error, outcome.logs, slots(runner, TARGET, [1])) == (None, (), [0])
    outcome = send(runner, RELAYS["wasm", "CALL"], path(OTHER, TARGET, payload=word(5)), value=6)
    assert (outcome.error, outcome.logs, slots(runner, TARGET, [1])) == (None, (), [0])
    assert [runner.state.get_balance(address) for address in (TARGET, OTHER)] == [0, 0]
    assert runner.state.get_balance(RELAYS["wasm", "CALL"]) == 6


@pytest.mark.parametrize("ending", ["(unreachable)", "(loop $l (br $l))", invoke("emit_log", 0, 0, 5)])
def test_a_callee_that_ends_badly_leaves_nothing_but_its_gas(ending: str) -> None:
    """A trap gives the rest of the gas back, running out takes all that was sent along."""
    body = invoke("storage_cache_bytes32", 64, 64) + invoke("storage_flush_cache", 0) + invoke("emit_log", 0, 0, 0)
    runner = runner_of({TARGET: contract(body + ending, data={64: word(1)}), OTHER: evm_relay("CALL", gas="100000")})
    outcome = send(runner, OTHER, path(TARGET))
    assert (outcome.error, outcome.logs, slots(runner, TARGET, [1])) == (None, (), [0])
    burnt = outcome.gas_used_before_refund > 21_000 + 100_000
    assert burnt == ending.startswith("(loop")
    assert call(runner, OTHER, TARGET) == ([0], b"")


# Value


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("balance", "succeeds"), [(7, 1), (6, 0)])
def test_value_needs_the_callers_balance(machine: str, balance: int, succeeds: int) -> None:
    relay = RELAY_MAKERS[machine]("CALL", 7)
    accounts = {CONTRACT: FakeAccount(1, balance, relay), TARGET: FakeAccount(1, 0, WASM_WHO)}
    runner = executor(accounts)
    words, _ = unwrapped(runner.call(request_to(CONTRACT, path(TARGET))).output, 1)
    assert words == [succeeds]
    send(runner, CONTRACT, path(TARGET))
    expected = [balance - 7, 7] if succeeds else [balance, 0]
    assert [runner.state.get_balance(address) for address in (CONTRACT, TARGET)] == expected


def test_a_call_without_balance_gives_the_stipend_and_the_gas_back_in_both_machines() -> None:
    """CALL refused for want of balance costs 9,000 less the stipend, and its account access."""
    costs = []
    for balance in (7, 6):
        code = wasm_relay("CALL", 7)
        runner = executor({CONTRACT: FakeAccount(1, balance, code), OTHER: FakeAccount(balance=1)}, schedule="stylus")
        costs.append(send(runner, CONTRACT, path(OTHER)).gas_used_before_refund)
    assert costs[0] == costs[1]


GAS_TELLER = returning(f"(i64.store (i32.const 0) {invoke('evm_gas_left')})", 8)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_stipend_reaches_a_webassembly_callee(machine: str) -> None:
    """2,300 gas, less the entry, the first block, and 2 where the callee's page is the second one open."""
    relay = evm_relay("CALL", 1, "0") if machine == "evm" else wasm_relay("CALL", 1, 0)
    runner = executor({CONTRACT: FakeAccount(1, 5, relay), TARGET: FakeAccount(1, 0, GAS_TELLER)})
    words, output = unwrapped(runner.call(request_to(CONTRACT, path(TARGET))).output, 1)
    assert words == [1]
    page = 2 if machine == "wasm" else 0
    assert int.from_bytes(output, "little") == 2_300 - entry_gas(GAS_TELLER) - page - -(
        -(2_450 + 1 + 3_800 + 38_400) // 10_000
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_a_callee_gets_all_but_a_64th(machine: str) -> None:
    """Both relays ask for more than there is; the callee reports what it got."""
    relay = RELAYS[machine, "CALL"]
    runner = runner_of({TARGET: assemble("GAS 0 MSTORE 32 0 RETURN")})
    _, output = call(runner, relay, TARGET, gas_limit=1_000_000)
    got = int.from_bytes(output, "big") + 2
    spent_before = 1_000_000 - 21_000 - 20 * 16 - got * 64 // 63
    assert 2_600 < spent_before < 3_600, "the relay's own work and the cold account"
    limited = evm_relay("CALL", gas="5000") if machine == "evm" else wasm_relay("CALL", gas=5_000)
    runner.state.set_code(OTHER, limited)
    _, output = call(runner, OTHER, TARGET)
    assert int.from_bytes(output, "big") == 5_000 - 2


def test_gas_that_a_callee_leaves_comes_back_in_whole() -> None:
    """The fraction of a gas that the caller's ink holds survives the call."""
    steps = f"(local.set $x {invoke('evm_ink_left')})" + (
        f"(drop {invoke('static_call_contract', 64, 0, 0, -1, 0)}) (local.set $y {invoke('evm_ink_left')})"
        "(i64.store (i32.const 0) (i64.sub (local.get $x) (local.get $y)))"
    )
    code = returning(steps, 8, data={64: TARGET})
    runner = runner_of({CONTRACT: code, TARGET: b"\x5b" * 77}, schedule="stylus")
    ink = int.from_bytes(runner.call(request_to(CONTRACT)).output, "little")
    around = 2_450 + 210 + 5 + 3_800 + 2_450 + 9 + 3_800 + 8_400
    assert ink == around + 115_955 + (2_600 + 77) * 10_000


# Depth


@pytest.mark.lengthy
def test_the_call_depth_is_1024_through_both_machines() -> None:
    """An EVM and a WebAssembly contract call each other until the chain refuses; each level adds one."""
    wasm = returning(
        f"(drop {invoke('call_contract', 64, 0, 0, 128, -1, 200)}) (drop {invoke('read_return_data', 0, 0, 32)})"
        + invoke("math_add_mod", 0, 256, 288),
        data={64: TARGET, 256: word(1), 288: b"\xff" * 32},
    )
    evm = assemble(f"32 0 0 0 0 0x{CONTRACT.hex()} GAS CALL POP 0 MLOAD 1 ADD 0 MSTORE 32 0 RETURN")
    runner = runner_of({CONTRACT: wasm, TARGET: evm})
    gas = 10**15
    outcome = on_thread(lambda: runner.call(request_to(CONTRACT, gas_limit=gas)))
    assert outcome.error is None, outcome  # type: ignore[attr-defined]
    assert outcome.output == word(1_025)  # type: ignore[attr-defined]
    again = on_thread(lambda: runner.call(request_to(TARGET, gas_limit=gas)))
    assert again.output == word(1_025)  # type: ignore[attr-defined]


def test_the_call_depth_is_1024_through_webassembly_alone() -> None:
    wasm = returning(
        f"(drop {invoke('call_contract', 64, 0, 0, 128, -1, 200)}) (drop {invoke('read_return_data', 0, 0, 32)})"
        + invoke("math_add_mod", 0, 256, 288),
        data={64: CONTRACT, 256: word(1), 288: b"\xff" * 32},
    )
    runner = runner_of({CONTRACT: wasm})
    outcome = on_thread(lambda: runner.call(request_to(CONTRACT, gas_limit=10**15)))
    assert outcome.error is None, outcome  # type: ignore[attr-defined]
    assert outcome.output == word(1_025)  # type: ignore[attr-defined]


# Others' code


def test_precompiles_and_empty_accounts_answer_webassembly() -> None:
    runner = runner_of({})
    assert call(runner, RELAYS["wasm", "CALL"], precompile_address(4), payload=b"hello") == ([1], b"hello")
    digest = call(runner, RELAYS["wasm", "STATICCALL"], precompile_address(2), payload=b"abc")[1]
    assert digest.hex().startswith("ba7816bf")
    assert call(runner, RELAYS["wasm", "CALL"], NOBODY, payload=b"hello") == ([1], b"")
    failing = call(runner, RELAYS["wasm", "CALL"], precompile_address(9), payload=b"short")
    assert failing == ([0], b"")


@pytest.mark.parametrize("output_size", [0, 100_000])
def test_output_costs_what_the_evm_would_pay_for_its_memory(output_size: int) -> None:
    """write_result is cheap by the byte; a callee pays at least for the EVM's memory of that size."""
    code = contract(invoke("write_result", 0, output_size), memory="2 2")
    runner = runner_of({TARGET: code, OTHER: assemble(f"0 0 0 0 0 0x{TARGET.hex()} GAS CALL POP")}, schedule="stylus")
    used = code_gas(send(runner, OTHER)) - (3 * 6 + 2 + 2 + 2_600) - entry_gas(code, "stylus")
    words = -(-output_size // 32)
    ink = 2 * 2_450 + 2 + 3_800 + 1 + 41_162 + 1 + 110 * max(0, output_size - 32)
    assert used == max(3 * words + words * words // 512, -(-ink // 10_000))
    alone = code_gas(send(runner, TARGET)) - entry_gas(code, "stylus")
    assert alone == -(-ink // 10_000)


# EIP-2929


def test_warm_accounts_and_slots_are_one_set_for_both_machines() -> None:
    """WebAssembly reads a slot and a balance, then delegates to EVM code that reads them, and the other way round."""
    evm = assemble(f"GAS 1 SLOAD POP 0x{OTHER.hex()} BALANCE POP GAS SWAP1 SUB 0 MSTORE 32 0 RETURN")
    touch = invoke("storage_load_bytes32", 64, 96) + invoke("account_balance", 128, 96)
    delegate = (
        f"(drop {invoke('delegate_call_contract', 160, 0, 0, -1, 200)}) (drop {invoke('read_return_data', 0, 0, 32)})"
    )
    data = {64: word(1), 128: OTHER, 160: TARGET}
    costs = []
    for body in (delegate, touch + delegate):
        runner = runner_of({CONTRACT: returning(body, data=data), TARGET: evm})
        costs.append(int.from_bytes(runner.call(request_to(CONTRACT)).output, "big"))
    assert costs[0] - costs[1] == 2_000 + 2_500
    reader = contract(touch, data=data)
    costs = []
    for before in ("", f"1 SLOAD POP 0x{OTHER.hex()} BALANCE POP"):
        code = assemble(
            f"{before} GAS 0 0 0 0 0x{TARGET.hex()} GAS DELEGATECALL POP GAS SWAP1 SUB 0 MSTORE 32 0 RETURN"
        )
        runner = runner_of({CONTRACT: code, TARGET: reader})
        costs.append(int.from_bytes(runner.call(request_to(CONTRACT)).output, "big"))
    assert costs[0] - costs[1] == 2_000 + 2_500


def test_a_revert_makes_what_it_warmed_cold_again() -> None:
    touching = contract(invoke("account_balance", 128, 96), status=1, data={128: OTHER})
    code = assemble(
        f"0 0 0 0 0 0x{TARGET.hex()} GAS CALL POP GAS 0x{OTHER.hex()} BALANCE POP GAS SWAP1 SUB 0 MSTORE 32 0 RETURN"
    )
    output = runner_of({CONTRACT: code, TARGET: touching}).call(request_to(CONTRACT)).output
    assert int.from_bytes(output, "big") == 2_600 + 3 + 2 + 2


def test_a_storage_key_of_the_access_list_is_warm_to_webassembly_below_the_evm() -> None:
    listed = (AccessListEntry(TARGET, (word(1),)),)
    runner = runner_of({TARGET: contract(invoke("storage_load_bytes32", 64, 96), data={64: word(1)})})
    way = RELAYS["evm", "CALL"], TARGET
    plain = runner.call(request_to(way[0], path(TARGET))).gas_used
    warmed = runner.call(request_to(way[0], path(TARGET), access_list=listed)).gas_used
    assert plain - warmed == 2_000 + 2_500 - 2_400 - 1_900


# EIP-7702


@pytest.mark.parametrize("caller", [None, ("evm", "CALL"), ("wasm", "CALL")])
def test_an_account_may_delegate_to_webassembly(caller: tuple[str, str] | None) -> None:
    delegated = {OTHER: FakeAccount(1, ETHER, b"\xef\x01\x00" + TARGET)}
    runner = executor(relay_accounts() | accounts_of({TARGET: WASM_WHO}) | delegated)
    way = [OTHER] if caller is None else [RELAYS[caller], OTHER]
    words, output = call(runner, *way)
    sender = SENDER if caller is None else RELAYS[caller]
    assert (words, addresses(output)) == ([1] * (len(way) - 1), (OTHER, sender, 0, SENDER))


def test_an_authorization_in_the_transaction_gives_the_sender_a_contract() -> None:
    runner = runner_of({TARGET: WASM_ADDER})
    unsigned = [rlp.encode_int(31_337), TARGET, b""]
    digest = keccak256(b"\x05" + rlp.encode(unsigned))
    signature = PrivateKey(KEYS[0]).sign_recoverable(digest, hasher=None)
    numbers = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    signed, authority = Authorization(31_337, TARGET, 0, signature[64], *numbers), ALICE
    outcome = send(runner, authority, word(4), authorization_list=(signed,), type=TransactionType.SET_CODE)
    assert outcome.error is None
    assert (outcome.logs, slots(runner, authority, [1])) == ((Log(authority, (word(4),), b""),), [4])


def test_a_delegation_costs_the_access_of_both_accounts() -> None:
    steps = [f"(drop {invoke('call_contract', 0, 64, 0, 64, -1, 200)})"] * 2
    code = measuring(steps, data={0: OTHER})
    delegated = {OTHER: FakeAccount(1, 0, b"\xef\x01\x00" + TARGET)}
    runner = executor(accounts_of({CONTRACT: code, TARGET: b"\0"}) | delegated, schedule="stylus")
    output = runner.call(request_to(CONTRACT)).output
    assert measured(output, steps) == [115_955 + gas * 10_000 for gas in (5_200, 200)]


def test_delegation_is_not_followed_twice() -> None:
    """An account that delegates to a delegated account runs the designation, which is no code of either machine."""
    delegated = {
        OTHER: FakeAccount(1, 0, b"\xef\x01\x00" + NOBODY),
        NOBODY: FakeAccount(1, 0, b"\xef\x01\x00" + TARGET),
    }
    runner = executor(relay_accounts() | accounts_of({TARGET: WASM_WHO}) | delegated)
    assert call(runner, RELAYS["wasm", "CALL"], OTHER) == ([0], b"")
    assert call(runner, RELAYS["wasm", "CALL"], NOBODY)[0] == [1]
