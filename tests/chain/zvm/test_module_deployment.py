"""Deployment: the three forms, constructors, prices, refusals, and what stays the EVM's."""

import brotli
import pytest

from tests.chain.chain_fixtures import open_chain
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, assemble, environment_of, rules_of
from tests.chain.zvm.contracts import (
    OTHER,
    TARGET,
    accounts_of,
    contract,
    deployed,
    executor,
    invoke,
    machine,
    module,
    request_to,
    returning,
    send,
    word,
)
from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.call import GasEstimation, call
from zevm.chain.calls.call import call as call_off_chain
from zevm.chain.calls.overrides import CallOverrides, StateOverride
from zevm.chain.errors import ExecutionFailedError, ExecutionRevertedError, TransactionError
from zevm.chain.rules.genesis import Genesis, GenesisAccount
from zevm.chain.types import Log
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import STYLUS, ZVM

CREATED = contract_address(SENDER, 0)
PREFIX = b"\xef\xf0\x00\x00"
ANSWER = returning("", data={0: word(42)})
PACKED = PREFIX + brotli.compress(ANSWER)

# Tells what its constructor got: caller, value, call data; afterwards it returns slot 0
NEWBORN = contract(
    f"""{invoke("read_args", 64)} {invoke("msg_sender", 0)} {invoke("msg_value", 32)}
    (if {invoke("is_constructing")} (then
      {invoke("emit_log", 0, "(i32.add (local.get $n) (i32.const 64))", 0)}
      {invoke("storage_cache_bytes32", 1_000, 32)} {invoke("storage_flush_cache", 0)}
      {invoke("write_result", 0, 64)} {invoke("exit_early", 0)}))
    {invoke("storage_load_bytes32", 1_000, 1_100)} {invoke("write_result", 1_100, 32)}"""
)


def creation_gas(initcode: bytes) -> int:
    """EIP-2028, 3860 and 2: what every creation with this data costs before anything runs."""
    data = sum(16 if byte else 4 for byte in initcode)
    return 21_000 + 32_000 + data + 2 * -(-len(initcode) // 32)


def create(initcode: bytes, *, schedule: str | None = "zvm", **changes: object) -> tuple[Outcome, bytes]:
    """A creation transaction and the code that is there afterwards."""
    runner = executor({}, schedule=schedule)
    outcome = send(runner, None, initcode, **changes)
    assert outcome.contract_address == CREATED
    return outcome, runner.state.get_code(CREATED)


FORMS = {
    "raw": (ANSWER, ANSWER),
    "compressed": (PACKED, PACKED),
    "EVM code that returns it raw": (deployed(ANSWER), ANSWER),
    "EVM code that returns it compressed": (deployed(PACKED), PACKED),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_store_what_was_deployed_and_run(form: str) -> None:
    initcode, stored = FORMS[form]
    runner = executor({})
    assert send(runner, None, initcode).error is None
    assert runner.state.get_code(CREATED) == stored
    assert runner.state.get_nonce(CREATED) == 1
    assert runner.call(request_to(CREATED)).output == word(42)


@pytest.mark.parametrize("schedule", ["stylus", "zvm"])
@pytest.mark.parametrize("form", ["raw", "compressed"])
def test_a_deployment_costs_its_activation_and_its_bytes(form: str, schedule: str) -> None:
    initcode, stored = FORMS[form]
    outcome, _ = create(initcode, schedule=schedule)
    # ANSWER is one function of two blocks: const, const, call, and const, end; two types name two values each
    activation = 30_000 + 4 * len(ANSWER) + 5 * 5 + 120 * 2 + 60 + 600 + 10 + 2 * 2 * 40
    assert prepare(ANSWER, STYLUS if schedule == "stylus" else ZVM).activation_gas == activation
    expected = creation_gas(initcode) + activation + 200 * len(stored)
    assert (outcome.error, outcome.gas_used) == (None, expected)


@pytest.mark.parametrize("form", FORMS)
def test_one_gas_less_is_too_little_and_leaves_nothing(form: str) -> None:
    initcode, _ = FORMS[form]
    needed = create(initcode)[0].gas_used_before_refund
    assert create(initcode, gas_limit=needed)[0].error is None
    outcome, code = create(initcode, gas_limit=needed - 1)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.CODE_STORE_OUT_OF_GAS
    assert (outcome.gas_used, code, outcome.output) == (needed - 1, b"", b"")


def test_too_little_gas_for_the_activation() -> None:
    base = creation_gas(ANSWER)
    for gas in (base, base + 29_999, base + 30_000 + 4 * len(ANSWER)):
        outcome, code = create(ANSWER, gas_limit=gas)
        assert outcome.error is not None
        assert (outcome.error.kind, outcome.gas_used, code) == (VmErrorKind.OUT_OF_GAS, gas, b"")


# Constructors


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_constructor_gets_its_arguments_creator_and_value(compress: bool, wrapped: bool) -> None:
    payload = constructor_payload(b"arguments")
    data = creation_data(NEWBORN, payload, compress=compress)
    runner = executor({})
    outcome = send(runner, None, deployed(data) if wrapped else data, value=7)
    assert outcome.error is None
    assert outcome.logs == (Log(CREATED, (), SENDER + bytes(12) + word(7) + payload),)
    assert payload[:4].hex() == "5585258d"
    assert runner.state.get_code(CREATED) == (data if compress else NEWBORN)
    assert outcome.output == (data if compress else NEWBORN)
    assert runner.call(request_to(CREATED)).output == word(7)
    assert runner.state.get_balance(CREATED) == 7


def test_the_init_section_is_not_stored_and_without_one_nothing_runs() -> None:
    runner = executor({})
    assert send(runner, None, NEWBORN).logs == ()
    assert runner.state.get_code(CREATED) == NEWBORN
    with_empty = creation_data(NEWBORN, b"")
    outcome = send(runner, None, with_empty)
    assert outcome.logs == (Log(contract_address(SENDER, 1), (), SENDER + bytes(12) + word(0)),)
    assert runner.state.get_code(contract_address(SENDER, 1)) == NEWBORN


@pytest.mark.parametrize(
    ("ending", "kind", "output", "burns"),
    [
        (invoke("write_result", 0, 4) + invoke("exit_early", 1), VmErrorKind.REVERT, b"oops", False),
        (invoke("write_result", 0, 4) + invoke("exit_early", 2), VmErrorKind.REVERT, b"oops", False),
        (invoke("write_result", 0, 4) + "(unreachable)", VmErrorKind.TRAP, b"", False),
        (invoke("write_result", 0, 4) + "(loop $l (br $l))", VmErrorKind.OUT_OF_GAS, b"", True),
    ],
)
def test_a_constructor_that_fails_undoes_the_creation(
    ending: str, kind: VmErrorKind, output: bytes, burns: bool
) -> None:
    body = invoke("storage_cache_bytes32", 0, 32) + invoke("storage_flush_cache", 0) + invoke("emit_log", 0, 4, 0)
    child = contract(body + ending, data={0: b"oops", 32: word(1)})
    runner = executor({})
    outcome = send(runner, None, creation_data(child, b""), value=3, gas_limit=2_000_000)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.output, outcome.logs) == (kind, output, ())
    assert (outcome.gas_used == 2_000_000) == burns
    state = runner.state
    assert not state.account_exists(CREATED)
    assert (state.get_nonce(SENDER), state.get_storage(CREATED, int.from_bytes(b"oops".ljust(32, b"\0"), "big"))) == (
        1,
        0,
    )


def test_a_constructor_may_call_back_into_the_new_contract() -> None:
    """Its code is there, so the call runs it as any later call would."""
    child = returning(
        f"""(if {invoke("is_constructing")} (then
          (drop {invoke("call_contract", 64, 0, 0, 128, -1, 200)}) {invoke("contract_address", 64)}
          (drop {invoke("call_contract", 64, 0, 0, 128, -1, 200)})
          (drop {invoke("read_return_data", 0, 0, 32)}) {invoke("emit_log", 0, 32, 0)} {invoke("exit_early", 0)}))
        (i32.store8 (i32.const 31) (i32.add (i32.const 10) {invoke("msg_reentrant")}))"""
    )
    outcome, _ = create(creation_data(child, b""))
    assert outcome.logs == (Log(CREATED, (), word(11)),)


# Refusals

LONG_NAME = "x" * 513
REFUSED = {
    "no module": b"\0asm\x01\0\0\0rubbish",
    "a cut module": ANSWER[:-1],
    "bytes behind": ANSWER + b"\x01",
    "no entry point": module(""),
    "floats": contract("(drop (f32.const 1))"),
    "unknown import": module(
        '(func (export "user_entrypoint") (param i32) (result i32) (i32.const 0))',
        imports='(import "env" "abort" (func))',
    ),
    "wrong type": module(
        '(func (export "user_entrypoint") (param i32) (result i32) (i32.const 0))',
        imports='(import "vm_hooks" "chainid" (func (result i32)))',
    ),
    "too much memory": contract("", memory="1025 1025"),
    "growth unpaid": contract("", memory="1 2"),
    "a long name": contract("", functions=f'(func (export "{LONG_NAME}"))'),
    "no compressed data": PREFIX,
    "compressed rubbish": PREFIX + b"rubbish rubbish",
    "cut compression": PACKED[:-2],
    "a dictionary": b"\xef\xf0\x00\x01" + PACKED[4:],
    "a bomb": PREFIX + brotli.compress(bytes(1 << 24), quality=4),
    "compressed twice": PREFIX + brotli.compress(PACKED),
    "only a prefix": b"\xef\xf0\x00",
}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_burns_all_gas_of_the_creation_and_nothing_else(reason: str, wrapped: bool) -> None:
    """The value goes back, the nonce stays used."""
    initcode = deployed(REFUSED[reason]) if wrapped else REFUSED[reason]
    runner = executor({})
    before = runner.state.get_balance(SENDER)
    outcome = send(runner, None, initcode, value=3, gas_limit=1_000_000)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.INVALID_MODULE
    assert outcome.error.message.startswith("invalid module (")
    assert (outcome.gas_used, outcome.output, outcome.logs) == (1_000_000, b"", ())
    state = runner.state
    assert (state.account_exists(CREATED), state.get_nonce(SENDER)) == (False, 1)
    assert before - state.get_balance(SENDER) == 1_000_000 * 2 * 10**9


def padded_module(size: int) -> bytes:
    """A module of exactly so many bytes: a custom section fills it."""
    rest = size - len(ANSWER) - 1 - 3
    leb = bytes((rest & 0x7F | 0x80, rest >> 7 & 0x7F | 0x80, rest >> 14))
    return ANSWER + b"\0" + leb + b"\x01p" + bytes(rest - 2)


@pytest.mark.parametrize(
    ("size", "kind"), [(128 * 1_024, None), (128 * 1_024 + 1, VmErrorKind.INVALID_MODULE)], ids=["limit", "above"]
)
def test_stored_code_has_a_limit_of_its_own(size: int, kind: VmErrorKind | None) -> None:
    """128 KiB: more than five times EIP-170's. A transaction cannot pay for it at once, a state without gas can."""
    outcome = executor({}).call(request_to(None, padded_module(size), gas_limit=60_000_000))
    assert (None if outcome.error is None else outcome.error.kind) == kind
    assert (len(outcome.output) == size) == (kind is None)


def test_creation_data_has_a_limit_of_its_own() -> None:
    """256 KiB with the constructor's section, checked before the transaction may begin."""
    overhead = len(creation_data(ANSWER, bytes(20_000))) - len(ANSWER) - 20_000
    largest = creation_data(ANSWER, bytes(256 * 1_024 - len(ANSWER) - overhead))
    assert len(largest) == 256 * 1_024
    runner = executor({})
    assert runner.call(request_to(None, largest, gas_limit=60_000_000)).error is None
    with pytest.raises(TransactionError, match="max initcode size exceeded: code size 262145 limit 262144"):
        runner.call(request_to(None, largest + b"\0", gas_limit=60_000_000))


# What stays the EVM's


@pytest.mark.parametrize("code", [b"\xef", b"\xef\x00", b"\xef\xf0", b"\xef\xf0\x01\x00", b"\xef\x01\x00" + bytes(20)])
@pytest.mark.parametrize("schedule", ["zvm", None])
def test_other_code_that_begins_with_ef_is_still_refused(code: bytes, schedule: str | None) -> None:
    outcome, stored = create(deployed(code), schedule=schedule)
    assert outcome.error is not None
    assert (outcome.error.kind, stored) == (VmErrorKind.INVALID_CODE, b"")
    assert outcome.gas_used == 10_000_000


def test_where_the_chain_has_no_webassembly_its_bytes_mean_what_they_always_did() -> None:
    outcome, code = create(PACKED, schedule=None)
    assert outcome.error is not None
    assert (outcome.error.kind, code) == (VmErrorKind.INVALID_OPCODE, b"")
    outcome, code = create(deployed(PACKED), schedule=None)
    assert outcome.error is not None
    assert (outcome.error.kind, code) == (VmErrorKind.INVALID_CODE, b"")
    # \0 is STOP: an empty contract; as returned code it is code like any other
    outcome, code = create(ANSWER, schedule=None)
    assert (outcome.error, code, outcome.gas_used) == (None, b"", creation_gas(ANSWER))
    outcome, code = create(deployed(ANSWER), schedule=None)
    assert (outcome.error, code) == (None, ANSWER)
    big = b"\0asm\x01\0\0\0" + bytes(24_576 - 8)
    assert create(deployed(big), schedule=None)[1] == big
    assert create(deployed(big + b"\0"), schedule=None)[0].error.kind is VmErrorKind.CODE_SIZE


@pytest.mark.parametrize("schedule", ["zvm", None])
def test_the_evms_code_keeps_its_limits(schedule: str | None) -> None:
    assert create(deployed(bytes(24_576)), schedule=schedule)[1] == bytes(24_576)
    outcome, _ = create(deployed(bytes(24_577)), schedule=schedule)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.CODE_SIZE
    with pytest.raises(TransactionError, match="code size 49153 limit 49152"):
        create(bytes(49_153), schedule=schedule)
    # the first four bytes decide: less or others are STOP
    for start in (b"\0as", b"\0asn\x01\0\0\0"):
        outcome, code = create(start + ANSWER[8:], schedule=schedule)
        assert (outcome.error, code) == (None, b"")


def test_a_configured_code_size_does_not_touch_modules() -> None:
    runner = executor({}, code_size_limit=100)
    assert send(runner, None, deployed(bytes(101))).error is not None
    big = padded_module(1_000)
    assert send(runner, None, big).error is None
    assert runner.state.get_code(contract_address(SENDER, 1)) == big


# Off chain


def frame(accounts: dict[bytes, FakeAccount] | None = None) -> CallFrame:
    reader = executor(accounts or {}).state.fork_reader()
    return CallFrame(environment_of(wasm_machine=machine()), reader)


@pytest.mark.parametrize(
    ("code", "expected"), [(ANSWER, None), (PACKED, None), (REFUSED["no module"], VmErrorKind.INVALID_MODULE)]
)
def test_state_overrides_may_put_a_module_anywhere(code: bytes, expected: VmErrorKind | None) -> None:
    overrides = CallOverrides({TARGET: StateOverride(code=code)})
    outcome = call_off_chain(frame(), request_to(TARGET), overrides=overrides)
    assert (None if outcome.error is None else outcome.error.kind) == expected
    assert outcome.output == (b"" if expected else word(42))


def test_a_call_may_create_and_returns_the_code() -> None:
    outcome = call_off_chain(frame(), request_to(None, creation_data(NEWBORN, b"x")))
    assert (outcome.error, outcome.output) == (None, NEWBORN)


@pytest.mark.parametrize("initcode", [ANSWER, PACKED, deployed(ANSWER), creation_data(NEWBORN, b"hello")])
def test_an_estimate_of_a_creation_suffices_and_is_close(initcode: bytes) -> None:
    estimate = GasEstimation(frame(), request_to(None, initcode), gas_cap=50_000_000).run()
    outcome, _ = create(initcode, gas_limit=estimate)
    assert outcome.error is None
    assert estimate <= outcome.gas_used_before_refund * 1.02 + 2_400
    least = create(initcode)[0].gas_used_before_refund
    assert create(initcode, gas_limit=least - 1)[0].error is not None


def test_an_estimate_tells_why_a_creation_fails() -> None:
    with pytest.raises(ExecutionFailedError, match=r"invalid module \(malformed\)"):
        GasEstimation(frame(), request_to(None, REFUSED["no module"]), gas_cap=50_000_000).run()
    failing = creation_data(contract(invoke("write_result", 0, 4), status=1, data={0: b"oops"}), b"")
    with pytest.raises(ExecutionRevertedError) as caught:
        GasEstimation(frame(), request_to(None, failing), gas_cap=50_000_000).run()
    assert caught.value.output == b"oops"
    trapping = creation_data(contract("(unreachable)"), b"")
    with pytest.raises(ExecutionFailedError, match="wasm trap"):
        GasEstimation(frame(), request_to(None, trapping), gas_cap=50_000_000).run()


def test_an_estimate_of_a_call_through_both_machines_suffices() -> None:
    forwarding = contract(
        f"(if {invoke('call_contract', 64, 0, 0, 128, -1, 200)} (then {invoke('exit_early', 1)}))", data={64: TARGET}
    )
    codes = {
        CONTRACT: forwarding,
        TARGET: assemble(f"1 1 SSTORE 0 0 0 0 0 0x{OTHER.hex()} GAS CALL ISZERO 60 JUMPI STOP"),
    }
    codes[OTHER] = contract(
        invoke("storage_cache_bytes32", 0, 64) + invoke("storage_flush_cache", 0), data={64: word(3)}
    )
    accounts = accounts_of(codes)
    estimate = GasEstimation(frame(accounts), request_to(CONTRACT), gas_cap=50_000_000).run()
    runner = executor(accounts)
    assert send(runner, CONTRACT, gas_limit=estimate).error is None
    assert [runner.state.get_storage(TARGET, 1), runner.state.get_storage(OTHER, 0)] == [1, 3]


def test_a_genesis_may_hold_webassembly() -> None:
    genesis = Genesis.default(accounts=(SENDER,))
    with_code: dict[bytes, GenesisAccount] = {
        **genesis.accounts,
        TARGET: GenesisAccount(nonce=1, code=ANSWER),
        OTHER: GenesisAccount(code=PACKED),
    }
    for zvm, expected in ((True, word(42)), (False, b"")):
        schedule = Genesis.default(zvm=zvm).schedule
        chain = open_chain(genesis=genesis.with_changes(accounts=with_code, schedule=schedule))
        try:
            assert call(chain.frame_at(LATEST), request_to(TARGET)).output == expected
            packed = call(chain.frame_at(LATEST), request_to(OTHER))
            assert (packed.output, packed.error is None) == (expected, zvm)
        finally:
            chain.close()


@pytest.mark.parametrize("code", [b"\0asm\x0d\0\1\0", b"\0asm\2\0\0\0" + bytes(20), b"\0asm"])
@pytest.mark.parametrize("returned", [False, True])
def test_z11_a_module_of_another_version_is_no_contract(code: bytes, returned: bool) -> None:
    """As the EVM's code it is STOP: a creation that does nothing and succeeds."""
    outcome, stored = create(deployed(code) if returned else code)
    assert outcome.error is not None
    assert (outcome.error.kind, stored) == (VmErrorKind.INVALID_MODULE, b"")
    plain = executor({}, schedule=None)
    assert (send(plain, None, code).error, plain.state.get_code(CREATED)) == (None, b"")


def test_z10_a_module_too_large_for_the_cap_on_transactions_is_refused_by_its_name() -> None:
    large = contract("", memory="2 2", data={0: bytes(range(256)) * 360})
    assert 90_000 < len(large) < 128 * 1_024
    with pytest.raises(ExecutionFailedError) as caught:
        GasEstimation(frame(), request_to(None, large, gas_limit=0), gas_cap=50_000_000).run()
    assert str(caught.value) == (
        "contract creation code storage out of gas: 16777216 gas is too little, and a transaction has at most 16777216"
        " on this chain (EIP-7825)"
    )
    rules = rules_of(unlimited_transaction_gas=True)
    lifted = CallFrame(environment_of(wasm_machine=machine(), rules=rules), frame().reader)
    assert (
        18_000_000 < GasEstimation(lifted, request_to(None, large, gas_limit=0), gas_cap=50_000_000).run() < 30_000_000
    )
