"""ArbWasm, the precompile that Stylus' tools ask before and after they deploy."""

import pytest
from eth_abi.abi import encode

from tests.chain.vm.support import CONTRACT, ETHER, SENDER, FakeAccount
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    path,
    request_to,
    send,
    unwrapped,
    wasm_relay,
    word,
)
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.precompiles import ARBWASM_ADDRESS
from zevm.chain.zvm.price_table import STYLUS, ZVM
from zevm.storage.keccak import keccak256

PROGRAM = contract(invoke("write_result", 0, 0), memory="3 3", data={0: bytes(640)})
RUNNER_CODES = {TARGET: PROGRAM, OTHER: b"\x5f\x5f\xfd", CONTRACT: evm_relay("CALL")}
BROKEN = b"\0asm\x01\0\0\0rubbish"
NOT_WASM, NOT_ACTIVATED = (keccak256(name)[:4] for name in (b"ProgramNotWasm()", b"ProgramNotActivated()"))


def asking(signature: str, *values: object) -> bytes:
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    shown = ["0x" + value.hex() if isinstance(value, bytes) and len(value) == 20 else value for value in values]
    return keccak256(signature.encode())[:4] + encode(types, shown)


def ask(signature: str, *values: object, schedule: str = "zvm", **request: object) -> Outcome:
    runner = executor(accounts_of(RUNNER_CODES), schedule=schedule)
    return runner.call(request_to(ARBWASM_ADDRESS, asking(signature, *values), **request))


def numbers(outcome: Outcome) -> list[int]:
    assert outcome.error is None, outcome
    return [int.from_bytes(outcome.output[at : at + 32], "big") for at in range(0, len(outcome.output), 32)]


def test_selectors_are_those_that_tools_send() -> None:
    assert asking("activateProgram(address)", TARGET)[:4].hex() == "58c780c2"
    assert int.from_bytes(ARBWASM_ADDRESS, "big") == 0x71


@pytest.mark.parametrize(
    ("signature", "stylus", "zvm"),
    [
        ("stylusVersion()", [2], [2]),
        ("inkPrice()", [10_000], [10_000]),
        ("maxStackDepth()", [65_536], [65_536]),
        ("freePages()", [2], [2]),
        ("pageGas()", [1_000], [1_000]),
        ("pageLimit()", [128], [1_024]),
        ("minInitGas()", [352, 352], [700, 700]),
        ("expiryDays()", [65_535], [65_535]),
        ("pageRamp()", [620_674_314], [0]),
        ("initCostScalar()", [100], [100]),
        ("keepaliveDays()", [0], [0]),
        ("blockCacheSize()", [0], [0]),
        ("activationGas()", [30_000], [30_000]),
    ],
)
def test_the_chains_numbers(signature: str, stylus: list[int], zvm: list[int]) -> None:
    assert numbers(ask(signature, schedule="stylus")) == stylus
    assert numbers(ask(signature)) == zvm


VIEWS = {
    (): "stylusVersion inkPrice maxStackDepth freePages pageGas pageRamp pageLimit minInitGas initCostScalar"
    " expiryDays keepaliveDays blockCacheSize activationGas",
    ("bytes32",): "codehashVersion codehashAsmSize",
    ("address",): "programVersion programInitGas programMemoryFootprint programTimeLeft",
}
VALUES = {"bytes32": keccak256(PROGRAM), "address": TARGET}


def test_z15_every_view_of_arbwasm_answers() -> None:
    for types, names in VIEWS.items():
        for name in names.split():
            outcome = ask(f"{name}({','.join(types)})", *(VALUES[kind] for kind in types))
            assert outcome.error is None or outcome.output == NOT_ACTIVATED, name


def gas_of(signature: str, *values: object, schedule: str = "zvm") -> int:
    runner = executor(accounts_of(RUNNER_CODES), schedule=schedule)
    return runner.call_alone(request_to(ARBWASM_ADDRESS, asking(signature, *values))).gas_used


def test_answers_cost_a_read() -> None:
    assert gas_of("stylusVersion()") == 3 + 800
    assert gas_of("minInitGas()") == 3 + 800
    assert gas_of("codehashKeepalive(bytes32)", keccak256(PROGRAM)) == 2 * 3 + 800
    assert gas_of("programVersion(address)", TARGET) == 2 * 3 + 800 + 2_600
    assert gas_of("programTimeLeft(address)", TARGET) == 2 * 3 + 800 + 2_600


def test_a_programs_figures_cost_its_activation() -> None:
    for schedule, prices in (("stylus", STYLUS), ("zvm", ZVM)):
        activation = prepare(PROGRAM, prices).activation_gas
        for name in ("activateProgram", "programInitGas", "programMemoryFootprint"):
            assert gas_of(f"{name}(address)", TARGET, schedule=schedule) == 2 * 3 + 2_600 + activation


def test_a_program_is_always_active() -> None:
    assert numbers(ask("activateProgram(address)", TARGET)) == [2, 0]
    assert numbers(ask("programVersion(address)", TARGET)) == [2]
    size = prepare(PROGRAM, ZVM).activation_gas // 256
    assert numbers(ask("programInitGas(address)", TARGET)) == [700 + 640 // 64 + size] * 2
    assert numbers(ask("programInitGas(address)", TARGET, schedule="stylus")) == [352 + size] * 2
    assert numbers(ask("programMemoryFootprint(address)", TARGET)) == [3]
    assert numbers(ask("programTimeLeft(address)", TARGET)) == [2**64 - 1]


@pytest.mark.parametrize("address", [OTHER, NOBODY, SENDER])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("activateProgram", NOT_WASM),
        ("programInitGas", NOT_WASM),
        ("programMemoryFootprint", NOT_WASM),
        ("programVersion", NOT_ACTIVATED),
        ("programTimeLeft", NOT_ACTIVATED),
    ],
)
def test_what_is_no_program_is_a_revert_with_its_error(name: str, error: bytes, address: bytes) -> None:
    outcome = ask(f"{name}(address)", address)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.output) == (VmErrorKind.REVERT, error)
    assert outcome.gas_used < 30_000


def test_programs_are_not_known_by_their_hashes() -> None:
    for name in ("codehashVersion", "codehashAsmSize"):
        assert ask(f"{name}(bytes32)", keccak256(PROGRAM)).output == NOT_ACTIVATED
    assert numbers(ask("codehashKeepalive(bytes32)", keccak256(PROGRAM))) == []


def test_a_stored_module_that_is_refused_tells_why() -> None:
    runner = executor(accounts_of({TARGET: BROKEN}))
    outcome = runner.call(request_to(ARBWASM_ADDRESS, asking("activateProgram(address)", TARGET)))
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.REVERT
    assert outcome.output[:4].hex() == "08c379a0"
    assert b"invalid module (malformed)" in outcome.output


def test_the_activations_value_goes_back() -> None:
    """Arbitrum takes a data fee and returns the rest; here nothing is due."""
    runner = executor(accounts_of(RUNNER_CODES))
    before = runner.state.get_balance(SENDER)
    outcome = send(runner, ARBWASM_ADDRESS, asking("activateProgram(address)", TARGET), value=ETHER)
    assert outcome.error is None
    assert runner.state.get_balance(ARBWASM_ADDRESS) == 0
    assert before - runner.state.get_balance(SENDER) == outcome.gas_used * 2 * 10**9


@pytest.mark.parametrize(("maker", "kind"), [(evm_relay, "CALL"), (evm_relay, "CALLCODE"), (wasm_relay, "CALL")])
def test_the_value_goes_back_to_a_contract_as_well(maker, kind: str) -> None:
    runner = executor(accounts_of(RUNNER_CODES) | {CONTRACT: FakeAccount(1, 0, maker(kind))})
    payload = path(ARBWASM_ADDRESS, payload=asking("activateProgram(address)", TARGET))
    outcome = runner.call(request_to(CONTRACT, payload, value=9))
    assert unwrapped(outcome.output, 1) == ([1], word(2) + word(0))
    assert [runner.state.get_balance(address) for address in (CONTRACT, ARBWASM_ADDRESS)] == [9, 0]


@pytest.mark.parametrize(("maker", "kind"), [(evm_relay, "DELEGATECALL"), (wasm_relay, "DELEGATECALL")])
def test_a_delegation_moves_no_value(maker, kind: str) -> None:
    runner = executor(accounts_of(RUNNER_CODES) | {CONTRACT: FakeAccount(1, 0, maker(kind))})
    payload = path(ARBWASM_ADDRESS, payload=asking("activateProgram(address)", TARGET))
    before = runner.state.get_balance(SENDER)
    runner.call(request_to(CONTRACT, payload, value=9))
    assert (runner.state.get_balance(CONTRACT), before - runner.state.get_balance(SENDER)) == (9, 9)


@pytest.mark.parametrize("data", [b"", b"\0" * 4, asking("activateProgram(address)", TARGET)[:-1]])
def test_what_it_does_not_know_burns_the_gas_of_the_call(data: bytes) -> None:
    outcome = executor({}).call(request_to(ARBWASM_ADDRESS, data, gas_limit=100_000))
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.gas_used) == (VmErrorKind.PRECOMPILE, 100_000)


def test_it_is_one_of_the_precompiles_only_where_there_is_webassembly() -> None:
    runner = executor(accounts_of(RUNNER_CODES), schedule=None)
    outcome = runner.call(request_to(ARBWASM_ADDRESS, asking("stylusVersion()")))
    assert (outcome.error, outcome.output) == (None, b"")
