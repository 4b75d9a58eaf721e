"""Creations across the two machines, their addresses and nonces, and self-destruction by EIP-6780."""

import itertools

import pytest

from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    RELAY_MAKERS,
    TARGET,
    accounts_of,
    contract,
    deployed,
    executor,
    invoke,
    request_to,
    returning,
    send,
    wasm_relay,
    word,
)
from zevm.chain.types import Log
from zevm.chain.vm.calls import contract_address, salted_address
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import VmErrorKind
from zevm.chain.zvm.module.creation import creation_data

MACHINES = ["evm", "wasm"]
PAIRS = list(itertools.product(MACHINES, repeat=2))
SALT = 77

EVM_CHILD = assemble("42 0 MSTORE 32 0 RETURN")
WASM_CHILD = returning("", data={0: word(42)})
CHILD = {"evm": EVM_CHILD, "wasm": WASM_CHILD}
INITCODE = {"evm": deployed(EVM_CHILD), "wasm": WASM_CHILD}


def factory(machine: str, salted: bool, value: int = 0) -> bytes:
    """Creates an account from its call data and returns two words, its address and the size of the revert data."""
    if machine == "evm":
        salt = f"{SALT} " if salted else ""
        create = f"{salt}CALLDATASIZE 0 {value} {'CREATE2' if salted else 'CREATE'}"
        return assemble(
            f"CALLDATASIZE 0 0 CALLDATACOPY {create} 0 MSTORE RETURNDATASIZE 32 MSTORE"
            " RETURNDATASIZE 0 64 RETURNDATACOPY RETURNDATASIZE 64 ADD 0 RETURN"
        )
    arguments: list[int | str] = [4_096, "(local.get $n)", 512, *([544] if salted else []), 12, 600]
    return contract(
        f"""{invoke("read_args", 4_096)} {invoke("create2" if salted else "create1", *arguments)}
        (i32.store8 (i32.const 62) (i32.shr_u (i32.load (i32.const 600)) (i32.const 8)))
        (i32.store8 (i32.const 63) (i32.load (i32.const 600)))
        (drop {invoke("read_return_data", 64, 0, 200)})
        {invoke("write_result", 0, "(i32.add (i32.const 64) (i32.load (i32.const 600)))")}""",
        data={512: word(value), 544: word(SALT)},
    )


def made(runner: Executor, initcode: bytes, **changes: object) -> tuple[bytes, int, bytes]:
    """What a factory at CONTRACT answers, by eth_call on a state that keeps it: address, size and revert data."""
    outcome = runner.call(request_to(CONTRACT, initcode, **changes))
    assert outcome.error is None, outcome.error
    return outcome.output[12:32], int.from_bytes(outcome.output[32:64], "big"), outcome.output[64:]


@pytest.mark.parametrize("salted", [False, True], ids=["CREATE", "CREATE2"])
@pytest.mark.parametrize(("machine", "child"), PAIRS)
def test_either_machine_creates_either(machine: str, child: str, salted: bool) -> None:
    runner = executor({CONTRACT: FakeAccount(5, 10, factory(machine, salted, 3))})
    address, size, _ = made(runner, INITCODE[child])
    expected = salted_address(CONTRACT, SALT, INITCODE[child]) if salted else contract_address(CONTRACT, 5)
    assert (address, size) == (expected, 0)
    state = runner.state
    assert [state.get_nonce(CONTRACT), state.get_nonce(address)] == [6, 1]
    assert [state.get_balance(CONTRACT), state.get_balance(address)] == [7, 3]
    assert state.get_code(address) == CHILD[child]
    assert runner.call(request_to(address)).output == word(42)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_second_creation_with_the_same_salt_collides(machine: str) -> None:
    """The nonce goes up all the same, and all but a 64th of the gas is gone."""
    runner = executor({CONTRACT: FakeAccount(5, 0, factory(machine, True))})
    assert made(runner, WASM_CHILD)[0] != bytes(20)
    outcome = runner.call(request_to(CONTRACT, WASM_CHILD))
    assert outcome.output == bytes(64)
    assert runner.state.get_nonce(CONTRACT) == 7
    assert outcome.gas_used > 5_000_000 * 9 // 10


@pytest.mark.parametrize("salted", [False, True])
def test_want_of_balance_changes_nothing(salted: bool) -> None:
    for machine in MACHINES:
        runner = executor({CONTRACT: FakeAccount(5, 2, factory(machine, salted, 3))})
        outcome = runner.call(request_to(CONTRACT, WASM_CHILD))
        assert (outcome.output, runner.state.get_nonce(CONTRACT)) == (bytes(64), 5)
        assert outcome.gas_used < 200_000


REVERTING = {
    "evm": assemble("0xabcdef 0 MSTORE 3 29 REVERT"),
    "wasm": creation_data(contract(invoke("write_result", 0, 3), status=1, data={0: b"\xab\xcd\xef"}), b""),
}


@pytest.mark.parametrize("salted", [False, True])
@pytest.mark.parametrize(("machine", "child"), PAIRS)
def test_revert_data_of_a_constructor_reaches_its_creator(machine: str, child: str, salted: bool) -> None:
    runner = executor({CONTRACT: FakeAccount(5, 0, factory(machine, salted))})
    assert made(runner, REVERTING[child]) == (bytes(20), 3, b"\xab\xcd\xef")
    assert runner.state.get_nonce(CONTRACT) == 6


def test_a_constructor_of_webassembly_acts_as_the_new_account() -> None:
    """From an EVM factory: who calls, with what, whose storage; the code is there while it runs."""
    child = contract(
        f"""{invoke("read_args", 0)} {invoke("contract_address", 64)} {invoke("msg_sender", 84)}
        {invoke("msg_value", 104)}
        (i32.store8 (i32.const 136) {invoke("is_constructing")})
        (i32.store (i32.const 137) {invoke("account_code_size", 64)})
        {invoke("code_address", 141)}
        {invoke("storage_cache_bytes32", 200, 104)} {invoke("storage_flush_cache", 0)}
        {invoke("emit_log", 64, 97, 0)} {invoke("emit_log", 0, "(local.get $n)", 0)}"""
    )
    runner = executor({CONTRACT: FakeAccount(5, 10, factory("evm", True, 3))})
    initcode = creation_data(child, b"arguments")
    outcome = send(runner, CONTRACT, initcode)
    address = salted_address(CONTRACT, SALT, initcode)
    shown = address + CONTRACT + word(3) + b"\x01" + len(child).to_bytes(4, "little") + address
    assert outcome.logs == (Log(address, (), shown), Log(address, (), b"arguments"))
    assert runner.state.get_storage(address, 0) == 3
    assert runner.state.get_code(address) == child
    again = send(runner, address)
    assert again.logs[0].data[72:73] == b"\0", "it is not constructing any more"


def test_a_module_may_create_itself_again_by_compressed_code() -> None:
    initcode = creation_data(WASM_CHILD, compress=True)
    runner = executor({CONTRACT: FakeAccount(5, 0, factory("wasm", False))})
    address, _, _ = made(runner, initcode)
    assert runner.state.get_code(address) == initcode
    assert runner.call(request_to(address)).output == word(42)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_refused_module_burns_the_creations_gas_alone(machine: str) -> None:
    """The creator keeps its 64th and goes on."""
    runner = executor({CONTRACT: FakeAccount(5, 0, factory(machine, False))})
    outcome = runner.call(request_to(CONTRACT, b"\0asm\x01\0\0\0rubbish", gas_limit=1_000_000))
    assert (outcome.error, outcome.output) == (None, bytes(64))
    assert 1_000_000 * 62 // 64 < outcome.gas_used < 1_000_000
    assert runner.state.get_nonce(CONTRACT) == 6


@pytest.mark.parametrize(("static", "machine"), PAIRS)
def test_nothing_is_created_in_a_static_call(static: str, machine: str) -> None:
    relay = RELAY_MAKERS[static]("STATICCALL")
    runner = executor(accounts_of({CONTRACT: factory(machine, False), OTHER: relay}))
    outcome = runner.call(request_to(OTHER, CONTRACT + WASM_CHILD))
    assert outcome.output == word(0)
    assert runner.state.get_nonce(CONTRACT) == 1


def test_creation_code_over_the_limits_ends_the_creator() -> None:
    """EIP-3860 for the EVM's, 256 KiB for modules, in both machines: all gas of the creating frame."""
    for machine, size, prefix, fails in (
        ("evm", 49_153, b"\0", True),
        ("wasm", 49_153, b"\0", True),
        ("evm", 49_152, b"\0", False),
        ("wasm", 49_152, b"\0", False),
    ):
        pages = returning_factory(machine, size, prefix)
        runner = executor({CONTRACT: FakeAccount(5, 0, pages)})
        outcome = runner.call(request_to(CONTRACT))
        assert (outcome.error is not None) == fails
        if outcome.error is not None:
            assert (outcome.error.kind, outcome.gas_used) == (
                VmErrorKind.INITCODE_SIZE if machine == "evm" else VmErrorKind.OUT_OF_GAS,
                5_000_000,
            )


def returning_factory(machine: str, size: int, prefix: bytes) -> bytes:
    """Creates from so many bytes of memory."""
    if machine == "evm":
        return assemble(f"{size} 0 0 CREATE 0 MSTORE 32 0 RETURN")
    return contract(invoke("create1", 0, size, 65_000, 65_100, 65_200), data={0: prefix})


# Self-destruction

WASM_DESTRUCTOR = contract(invoke("selfdestruct", 0) + "(unreachable)", data={0: NOBODY})
EVM_DESTRUCTOR = assemble(f"0x{NOBODY.hex()} SELFDESTRUCT")
DESTRUCTOR = {"evm": EVM_DESTRUCTOR, "wasm": WASM_DESTRUCTOR}


@pytest.mark.parametrize("machine", MACHINES)
def test_an_old_account_keeps_its_code_and_gives_its_balance(machine: str) -> None:
    runner = executor({CONTRACT: FakeAccount(1, 9, DESTRUCTOR[machine], {1: 1})})
    outcome = send(runner, CONTRACT)
    assert (outcome.error, outcome.output) == (None, b"")
    state = runner.state
    assert [state.get_balance(address) for address in (CONTRACT, NOBODY)] == [0, 9]
    assert (state.get_code(CONTRACT), state.get_storage(CONTRACT, 1)) == (DESTRUCTOR[machine], 1)


def create_and_call(address: bytes) -> bytes:
    """EVM code that creates with 5 wei from its call data and calls the new account in the same transaction."""
    return assemble(
        f"CALLDATASIZE 0 0 CALLDATACOPY {SALT} CALLDATASIZE 0 5 CREATE2 POP 0 0 0 0 0 0x{address.hex()} GAS CALL"
        " 0 MSTORE 32 0 RETURN"
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_an_account_of_the_same_transaction_goes(machine: str) -> None:
    initcode = {"evm": deployed(EVM_DESTRUCTOR), "wasm": WASM_DESTRUCTOR}[machine]
    address = salted_address(CONTRACT, SALT, initcode)
    runner = executor({CONTRACT: FakeAccount(1, 10, create_and_call(address))})
    assert send(runner, CONTRACT, initcode).error is None
    state = runner.state
    assert not state.account_exists(address)
    assert [state.get_balance(account) for account in (CONTRACT, NOBODY)] == [5, 5]


def test_a_constructor_may_destroy_its_account() -> None:
    initcode = creation_data(WASM_DESTRUCTOR, b"")
    runner = executor({})
    outcome = send(runner, None, initcode, value=5)
    assert outcome.error is None
    assert outcome.contract_address == contract_address(SENDER, 0)
    assert not runner.state.account_exists(outcome.contract_address)
    assert runner.state.get_balance(NOBODY) == 5


@pytest.mark.parametrize(("machine", "target"), PAIRS)
def test_a_delegation_destroys_the_caller(machine: str, target: str) -> None:
    """Where Arbitrum reverts, ZVM does as the EVM: the acting account gives its balance."""
    relay = RELAY_MAKERS[machine]("DELEGATECALL")
    runner = executor({CONTRACT: FakeAccount(1, 9, relay), TARGET: FakeAccount(1, 4, DESTRUCTOR[target])})
    outcome = runner.call(request_to(CONTRACT, TARGET))
    assert outcome.output == word(1)
    assert [runner.state.get_balance(address) for address in (CONTRACT, TARGET, NOBODY)] == [0, 4, 9]


@pytest.mark.parametrize("target", MACHINES)
def test_a_new_account_goes_when_it_delegates_to_a_destructor(target: str) -> None:
    initcode = wasm_relay("DELEGATECALL")
    address = salted_address(CONTRACT, SALT, initcode)
    creator = assemble(
        f"CALLDATASIZE 0 0 CALLDATACOPY {SALT} CALLDATASIZE 0 5 CREATE2 POP"
        f" 0x{TARGET.hex()} 96 SHL 0 MSTORE 0 0 20 0 0 0x{address.hex()} GAS CALL 0 MSTORE 32 0 RETURN"
    )
    runner = executor({CONTRACT: FakeAccount(1, 10, creator), TARGET: FakeAccount(1, 0, DESTRUCTOR[target])})
    assert send(runner, CONTRACT, initcode).error is None
    assert not runner.state.account_exists(address)
    assert runner.state.get_balance(NOBODY) == 5


def test_a_revert_undoes_a_self_destruction() -> None:
    code = contract(f"(drop {invoke('delegate_call_contract', 64, 0, 0, -1, 100)})", status=1, data={64: TARGET})
    runner = executor({CONTRACT: FakeAccount(1, 9, code), TARGET: FakeAccount(1, 0, WASM_DESTRUCTOR)})
    assert send(runner, CONTRACT).error is not None
    assert [runner.state.get_balance(address) for address in (CONTRACT, NOBODY)] == [9, 0]


def test_the_contract_ends_with_self_destruction_and_its_output_goes() -> None:
    code = contract(
        invoke("write_result", 0, 4) + invoke("selfdestruct", 0) + invoke("emit_log", 0, 0, 0), data={0: NOBODY}
    )
    outcome = send(executor({CONTRACT: FakeAccount(1, 0, code)}), CONTRACT)
    assert (outcome.error, outcome.output, outcome.logs) == (None, b"", ())
