"""How frames end: geth's text for every fault, the depth limit, the deadline, gas before refunds."""

import threading
import time

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.vm.support import (
    CONTRACT,
    SENDER,
    FakeAccount,
    assemble,
    deploying,
    environment_of,
    returning,
    run_code,
    state_of,
)
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.concurrency.threads import start_with_deep_stack
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, VmErrorKind

OTHER = b"\x44" * 20
OVERFLOW = "DUP1 " * 1024


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("INVALID", VmErrorKind.INVALID_OPCODE, "invalid opcode: INVALID"),
        ("1 JUMP", VmErrorKind.INVALID_JUMP, "invalid jump destination"),
        ("1 1 JUMPI", VmErrorKind.INVALID_JUMP, "invalid jump destination"),
        ("0x5b00 1 JUMP", VmErrorKind.INVALID_JUMP, "invalid jump destination"),
        ("ADD", VmErrorKind.STACK_UNDERFLOW, "stack underflow (0 <=> 2)"),
        ("1 2 ADD ADD", VmErrorKind.STACK_UNDERFLOW, "stack underflow (1 <=> 2)"),
        ("1 SWAP2", VmErrorKind.STACK_UNDERFLOW, "stack underflow (1 <=> 3)"),
        (f"1 {OVERFLOW}", VmErrorKind.STACK_OVERFLOW, "stack limit reached 1024 (1023)"),
        ("1 0 MSTORE JUMPDEST 5 JUMP", VmErrorKind.OUT_OF_GAS, "out of gas"),
        ("1 0xffffffff MSTORE", VmErrorKind.OUT_OF_GAS, "out of gas"),
        ("1 0 0 RETURNDATACOPY", VmErrorKind.RETURN_DATA_OUT_OF_BOUNDS, "return data out of bounds"),
        ("0 0 REVERT", VmErrorKind.REVERT, "execution reverted"),
    ],
)
def test_texts(source: str, kind: VmErrorKind, message: str) -> None:
    outcome = run_code(assemble(source))
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.message) == (kind, message)
    assert (outcome.gas_used == 1_000_000) == (kind is not VmErrorKind.REVERT)


def test_undefined_opcode() -> None:
    outcome = run_code(b"\x0c")
    assert outcome.error is not None
    assert outcome.error.message == "invalid opcode: opcode 0xc not defined"


def test_revert_keeps_data_and_gas() -> None:
    outcome = run_code(assemble("0x0102 240 SHL 0 MSTORE 2 0 REVERT"))
    assert outcome.output == b"\x01\x02"
    assert outcome.gas_used < 22_000


@pytest.mark.parametrize(
    "source", ["1 0 SSTORE", "1 0 TSTORE", "0 0 LOG0", "0 0 0 CREATE", "0 SELFDESTRUCT", "0 0 0 0 1 0x4444 99 CALL"]
)
def test_static_frames_write_nothing(source: str) -> None:
    state = state_of(
        {
            CONTRACT: FakeAccount(code=returning(f"0 0 0 0 0x{OTHER.hex()} 60000 STATICCALL")),
            OTHER: FakeAccount(balance=5, code=assemble(source)),
        }
    )
    outcome = Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 1_000_000))
    assert outcome.error is None
    assert int.from_bytes(outcome.output, "big") == 0
    assert state.diff().accounts.keys() == {SENDER}


def recursion(fork: Fork) -> tuple[int, int]:
    """Storage counts the frames of a contract that calls itself with all its gas until it cannot."""
    code = assemble("0 SLOAD 1 ADD 0 SSTORE 0 0 0 0 0 ADDRESS GAS CALL 1 SSTORE")
    state = state_of({CONTRACT: FakeAccount(nonce=1, code=code)})
    outcome = Executor(environment_of(fork), state).call(CallRequest(SENDER, CONTRACT, 10**14))
    assert outcome.error is None
    return state.get_storage(CONTRACT, 0), outcome.gas_used


@pytest.mark.parametrize("fork", [Fork.BYZANTIUM, Fork.BERLIN, Fork.OSAKA])
def test_1024_nested_calls(fork: Fork) -> None:
    results: list[tuple[int, int]] = []
    thread = threading.Thread(target=lambda: results.append(recursion(fork)))
    start_with_deep_stack(thread)
    thread.join()
    assert results
    assert results[0][0] == 1025


def test_1024_nested_creations() -> None:
    """Creation code that creates itself: CODECOPY all, CREATE, keep the count in transient storage."""
    code = assemble("CODESIZE 0 0 CODECOPY CODESIZE 0 0 CREATE DUP1 0 MSTORE 32 0 RETURN")
    outcomes = []
    state = state_of({})

    def run() -> None:
        request = CallRequest(SENDER, None, 10**15, data=code)
        outcomes.append(Executor(environment_of(code_size_limit=2**20), state).call(request))

    thread = threading.Thread(target=run)
    start_with_deep_stack(thread)
    thread.join()
    assert outcomes
    assert outcomes[0].error is None
    assert sum(1 for change in state.diff().accounts.values() if change is not None and change.nonce == 2) == 1024


@pytest.mark.parametrize(
    "source",
    [
        "JUMPDEST 0 JUMP",
        "JUMPDEST 0 0 0 0 0 0x77 GAS CALL POP 0 JUMP",
    ],
)
def test_deadline_ends_a_loop(source: str) -> None:
    state = state_of({CONTRACT: FakeAccount(code=assemble(source))})
    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 10**13), deadline=Deadline.after(0.1))
    assert time.monotonic() - started < PATIENCE_SECONDS


def test_deadline_in_a_child_is_no_failed_call() -> None:
    state = state_of(
        {
            CONTRACT: FakeAccount(code=returning(f"0 0 0 0 0 0x{OTHER.hex()} GAS CALL")),
            OTHER: FakeAccount(code=assemble("JUMPDEST 0 JUMP")),
        }
    )
    with pytest.raises(ExecutionTimeoutError):
        Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 10**13), deadline=Deadline.after(0))


def creation_error(code: bytes, fork: Fork = Fork.OSAKA, gas_limit: int = 10_000_000) -> str:
    outcome = Executor(environment_of(fork), state_of({})).call(CallRequest(SENDER, None, gas_limit, data=code))
    return "" if outcome.error is None else outcome.error.message


def test_creations_that_fail() -> None:
    assert creation_error(deploying(bytes(24_576))) == ""
    assert creation_error(deploying(bytes(24_577))) == "max code size exceeded"
    assert creation_error(deploying(b"\xef\x00")) == "invalid code: must not begin with 0xef"
    assert creation_error(deploying(b"\xef\x00"), Fork.BERLIN) == ""
    assert creation_error(deploying(bytes(1000)), gas_limit=150_000) == "contract creation code storage out of gas"


def test_code_size_limit_can_be_raised() -> None:
    executor = Executor(environment_of(code_size_limit=100_000), state_of({}))
    request = CallRequest(SENDER, None, 50_000_000, data=deploying(bytes(60_000)))
    outcome = executor.call(request)
    assert outcome.error is None
    assert len(outcome.output) == 60_000
