"""Every way in which a run ends: its error and status, the gas that is left, and that the node goes on after it."""

import time

import pytest

from testing.speed import PATIENCE_SECONDS
from testing.wasm_modules import maths
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    OTHER,
    TARGET,
    accounts_of,
    contract,
    entry_gas,
    evm_relay,
    executor,
    invoke,
    machine,
    module,
    request_to,
    returning,
    send,
    unwrapped,
    wasm_relay,
    word,
)
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.functions import FunctionCall, FunctionResult, run_function
from zevm.chain.zvm.outcomes import Status, status_of

LIMIT = 3_000_000
ANSWER = returning("", data={0: word(42)})
RECURSION = "(func $down (param i32) (result i32) (call $down (local.get 0)))"
TABLE = """(table 2 funcref) (elem (i32.const 0) $number) (type $number (func (result i32)))
  (type $other (func (result i64))) (func $number (type $number) (i32.const 7))"""
GROWABLE = {"memory": "1"}
PAY = invoke("pay_for_memory_grow", 0)


def grow(pages: int) -> str:
    return f"{PAY} (drop (memory.grow (i32.const {pages})))"


ENDINGS: dict[str, tuple[bytes, VmErrorKind | None, Status, bool]] = {
    # name: contract, kind of error, status, whether all gas goes
    "success": (ANSWER, None, Status.SUCCESS, False),
    "exit with 0": (contract(invoke("exit_early", 0) + "(unreachable)"), None, Status.SUCCESS, False),
    "loop": (contract("(loop $l (br $l))"), VmErrorKind.OUT_OF_GAS, Status.OUT_OF_GAS, True),
    "recursion": (
        contract("(drop (call $down (i32.const 0)))", functions=RECURSION),
        VmErrorKind.OUT_OF_STACK,
        Status.OUT_OF_GAS,
        True,
    ),
    "instance's memory": (contract(grow(1_024), **GROWABLE), VmErrorKind.OUT_OF_MEMORY, Status.OUT_OF_MEMORY, True),
    "memory paid for by hand": (
        contract(invoke("pay_for_memory_grow", 1_024)),
        VmErrorKind.OUT_OF_MEMORY,
        Status.OUT_OF_MEMORY,
        True,
    ),
    "an instance's whole memory": (contract(grow(1_023), **GROWABLE), None, Status.SUCCESS, False),
    "status 1": (contract("", status=1), VmErrorKind.REVERT, Status.RUNTIME_ERROR, False),
    "status 2": (contract("", status=2), VmErrorKind.REVERT, Status.INVALID_FUNCTION, False),
    "status 3": (contract("", status=3), VmErrorKind.REVERT, Status.RUNTIME_ERROR, False),
    "exit with 2": (contract(invoke("exit_early", 2)), VmErrorKind.REVERT, Status.INVALID_FUNCTION, False),
    "unreachable": (contract("(unreachable)"), VmErrorKind.TRAP, Status.RUNTIME_ERROR, False),
    "division by zero": (
        contract("(drop (i32.div_u (local.get $n) (i32.const 0)))"),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "integer overflow": (
        contract("(drop (i64.div_s (i64.const -9223372036854775808) (i64.const -1)))"),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "memory out of bounds": (
        contract("(drop (i32.load (i32.const 65533)))"),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "fill out of bounds": (
        contract("(memory.fill (i32.const 65000) (i32.const 1) (i32.const 600))"),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "null function": (
        contract("(drop (call_indirect (type $number) (i32.const 1)))", functions=TABLE),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "no such entry of the table": (
        contract("(drop (call_indirect (type $number) (i32.const 2)))", functions=TABLE),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "another type": (
        contract("(drop (call_indirect (type $other) (i32.const 0)))", functions=TABLE),
        VmErrorKind.TRAP,
        Status.RUNTIME_ERROR,
        False,
    ),
    "a host function's pointer": (contract(invoke("msg_sender", -1)), VmErrorKind.TRAP, Status.RUNTIME_ERROR, False),
    "no module": (b"\0asm\x01\0\0\0?", VmErrorKind.INVALID_MODULE, Status.INVALID_MODULE, True),
}


@pytest.fixture(scope="module")
def runner() -> Executor:
    """One for all: what a run leaves behind would show in the next."""
    codes = {address_of(name): code for name, (code, _, _, _) in ENDINGS.items()}
    return executor(accounts_of(codes | {CONTRACT: ANSWER, OTHER: evm_relay("CALL"), TARGET: wasm_relay("CALL")}))


def address_of(name: str) -> bytes:
    return list(ENDINGS).index(name).to_bytes(20, "big").replace(b"\0", b"\x77", 1)


def goes_on(runner: Executor) -> None:
    """The executor is as good as new."""
    assert runner.call(request_to(CONTRACT)).output == word(42)


@pytest.mark.parametrize("name", ENDINGS)
def test_endings_of_a_transaction(runner: Executor, name: str) -> None:
    _, kind, status, burns = ENDINGS[name]
    outcome = send(runner, address_of(name), gas_limit=LIMIT)
    assert (None if outcome.error is None else outcome.error.kind) == kind
    assert status_of(outcome.error) is status
    assert (outcome.gas_used == LIMIT) == burns
    if not burns and name != "an instance's whole memory":
        assert outcome.gas_used < 22_000
    goes_on(runner)


@pytest.mark.parametrize("relay", [OTHER, TARGET], ids=["evm", "wasm"])
@pytest.mark.parametrize("name", ENDINGS)
def test_endings_below_another_frame(runner: Executor, name: str, relay: bytes) -> None:
    """The caller sees 0 or 1 and goes on with the gas that is left: a 64th of it where all was burnt."""
    _, kind, _, burns = ENDINGS[name]
    outcome = runner.call(request_to(relay, address_of(name), gas_limit=LIMIT))
    assert outcome.error is None
    assert unwrapped(outcome.output, 1)[0] == [int(kind is None)]
    assert (outcome.gas_used > LIMIT * 62 // 64) == burns
    goes_on(runner)


def test_a_traps_message_tells_why() -> None:
    messages = {
        "unreachable": "wasm trap: unreachable",
        "division by zero": "wasm trap: integer divide by zero",
        "memory out of bounds": "wasm trap: out of bounds memory access",
        "a host function's pointer": "wasm trap: memory access up to byte 4294967315, the memory has 65536",
    }
    runner = executor(accounts_of({address_of(name): ENDINGS[name][0] for name in messages}))
    for name, text in messages.items():
        error = runner.call(request_to(address_of(name))).error
        assert error is not None
        assert error.message == text


def test_messages_of_limits_have_their_figures() -> None:
    cases = {
        contract(grow(1_024), **GROWABLE): "out of wasm memory: 1025 pages in one instance, the limit is 1024",
        ENDINGS["recursion"][0]: "out of wasm stack: 65536 words are used up",
    }
    for code, text in cases.items():
        error = executor(accounts_of({CONTRACT: code})).call(request_to(CONTRACT)).error
        assert error is not None
        assert error.message == text


@pytest.mark.parametrize(("used", "failing"), [(0, False), (1, True)])
def test_what_is_left_after_a_trap_is_exact(used: int, failing: bool) -> None:
    """A trap costs the blocks that were entered, no more: the same as a return at the same place."""
    ends = contract("(if (local.get $n) (then (unreachable)))")
    runner = executor(accounts_of({CONTRACT: ends}), schedule="stylus")
    outcome = runner.call(request_to(CONTRACT, bytes(used)))
    ink = 2_450 + 75 + 765 + 2_450 + 1 + 1  # either the branch, unreachable and end, or what follows it
    assert (outcome.error is not None) == failing
    assert outcome.gas_used == 21_000 + 4 * used + entry_gas(ends, "stylus") + -(-ink // 10_000)


def test_the_transactions_memory_is_limited_over_all_frames() -> None:
    """Each frame takes 1,000 pages and calls itself: the fifth would have more than 4,096 open, and ends there."""
    code = returning(
        grow(999)
        + f"(drop {invoke('call_contract', 64, 0, 0, 128, -1, 200)}) (drop {invoke('read_return_data', 0, 0, 32)})"
        + invoke("math_add_mod", 0, 256, 288),
        memory="1",
        data={64: CONTRACT, 256: word(1), 288: b"\xff" * 32},
    )
    runner = executor(accounts_of({CONTRACT: code, OTHER: ANSWER}))
    outcome = on_thread(lambda: runner.call(request_to(CONTRACT, gas_limit=10**12)))
    assert isinstance(outcome, Outcome)
    assert (outcome.error, outcome.output) == (None, word(4))
    assert runner.call(request_to(OTHER)).output == word(42)


def test_an_instances_limit_counts_all_that_it_grew_by() -> None:
    for last, kind in ((24, None), (25, VmErrorKind.OUT_OF_MEMORY)):
        code = contract(grow(999) + grow(last - 1) + grow(1), **GROWABLE)
        error = executor(accounts_of({CONTRACT: code})).call(request_to(CONTRACT)).error
        assert (None if error is None else error.kind) == kind


def test_grown_pages_are_given_back_when_the_frame_ends() -> None:
    """A callee grows by 1,000 pages, six times in a row; more than 4,096 are never open."""
    call = f"(if {invoke('call_contract', 64, 0, 0, 128, -1, 200)} (then (unreachable)))"
    codes = {CONTRACT: contract(call * 6, data={64: TARGET}), TARGET: contract(grow(1_000), **GROWABLE)}
    outcome = executor(accounts_of(codes)).call(request_to(CONTRACT, gas_limit=50_000_000))
    assert outcome.error is None


def test_gas_beyond_what_ink_can_count_is_not_lost() -> None:
    """Ink has 64 bits; an estimate off chain may begin with more gas than that."""
    runner = executor(accounts_of({CONTRACT: ANSWER, OTHER: evm_relay("CALL"), TARGET: wasm_relay("CALL")}))
    for relay in (OTHER, TARGET):
        assert runner.call(request_to(relay, CONTRACT, gas_limit=10**16)).gas_used < 40_000


def test_memory_beyond_the_modules_own_maximum_is_refused_to_the_code() -> None:
    code = returning(
        f"{PAY} (i32.store (i32.const 0) (memory.grow (i32.const 2)))"
        "(i32.store (i32.const 4) (memory.grow (i32.const 1)))",
        8,
        memory="1 2",
    )
    outcome = executor(accounts_of({CONTRACT: code})).call(request_to(CONTRACT))
    assert (outcome.error, outcome.output) == (None, b"\xff\xff\xff\xff\x01\0\0\0")


# Call data


def test_call_data_over_a_mebibyte_ends_the_frame() -> None:
    for size, fails in ((1 << 20, False), ((1 << 20) + 1, True)):
        runner = executor(accounts_of({CONTRACT: ANSWER}))
        outcome = runner.call(request_to(CONTRACT, bytes(size), gas_limit=100_000_000))
        assert (outcome.error is not None) == fails
        if outcome.error is not None:
            assert outcome.error.kind is VmErrorKind.CALL_DATA_SIZE
            assert outcome.error.message.endswith("1048577 bytes, the limit is 1048576")
            assert status_of(outcome.error) is Status.RUNTIME_ERROR
            assert outcome.gas_used == 100_000_000
    caller = assemble(f"0 0 {(1 << 20) + 1} 0 0 0x{CONTRACT.hex()} 50000 CALL 0 MSTORE 32 0 RETURN")
    runner = executor(accounts_of({CONTRACT: ANSWER, OTHER: caller}))
    assert runner.call(request_to(OTHER, gas_limit=10_000_000)).output == word(0)


# Deadlines


@pytest.mark.parametrize(
    "spinning",
    [
        contract("(loop $l (br $l))"),
        contract(f"(loop $l (drop {invoke('chainid')}) (br $l))"),
        contract("(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))"),
    ],
    ids=["code", "host calls", "fill"],
)
@pytest.mark.parametrize("below", [None, "evm", "wasm"])
def test_a_deadline_ends_a_call_however_deep(spinning: bytes, below: str | None) -> None:
    relays = {"evm": evm_relay("CALL"), "wasm": wasm_relay("CALL")}
    codes = {CONTRACT: spinning, TARGET: ANSWER} | ({} if below is None else {OTHER: relays[below]})
    runner = executor(accounts_of(codes))
    request = request_to(CONTRACT if below is None else OTHER, CONTRACT, gas_limit=10**13)
    start = time.monotonic()
    with pytest.raises(ExecutionTimeoutError, match="execution aborted"):
        runner.call(request, deadline=Deadline.after(0.05))
    assert time.monotonic() - start < PATIENCE_SECONDS
    again = executor(accounts_of(codes)).call(request_to(TARGET), deadline=Deadline.after(60))
    assert again.output == word(42)


def test_a_deadline_that_has_passed_runs_nothing() -> None:
    runner = executor(accounts_of({CONTRACT: ANSWER}))
    with pytest.raises(ExecutionTimeoutError):
        runner.call(request_to(CONTRACT), deadline=Deadline.after(-1))


def test_an_output_that_is_dropped_costs_nothing() -> None:
    """A trap has no output, so there is none to pay memory for."""
    plain = contract("(unreachable)", memory="16 16")
    setting = contract(invoke("write_result", 0, 1 << 20) + "(unreachable)", memory="16 16")
    costs = []
    for code in (plain, setting):
        runner = executor(accounts_of({CONTRACT: code, OTHER: evm_relay("CALL")}), schedule="stylus")
        costs.append(runner.call(request_to(OTHER, CONTRACT)).gas_used - entry_gas(code, "stylus"))
    ink = 2 * 1 + 3_800 + 41_162 + 110 * ((1 << 20) - 32) + 2_450
    assert abs(costs[1] - costs[0] - ink // 10_000) <= 1


# Functions off chain


def function_of(code: bytes, **call: object) -> FunctionResult:
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code)})
    request = FunctionCall(**({"address": CONTRACT, "sender": SENDER} | call))
    return run_function(machine(), runner.environment, runner.state.fork_reader(), request, deadline=Deadline.after(60))


@pytest.mark.parametrize("name", ENDINGS)
def test_functions_have_the_same_statuses(name: str) -> None:
    code, _, status, burns = ENDINGS[name]
    result = function_of(code, gas_limit=LIMIT)
    assert result.status is status
    assert (result.gas_used == LIMIT) == burns
    assert (result.error is None) == (status is Status.SUCCESS)


@pytest.mark.parametrize(
    ("name", "integers"), [("gcd", [54, 24]), ("gcd", [54]), ("gcd", []), ("lcm", [1, 2]), ("gcd", [2**64 - 1, 3])]
)
def test_integers_packed_into_bytes_are_those_integers(name: str, integers: list[int]) -> None:
    packed = b"".join(number.to_bytes(8, "big") for number in integers)
    call = {"address": None, "module": maths(), "name": name}
    found = function_of(ANSWER, **call, arguments=packed, packs_integers=True)
    apart = function_of(ANSWER, **call, arguments=integers)
    assert (found.status, found.output, found.gas_used) == (apart.status, apart.output, apart.gas_used)
    assert (found.error or "").partition(" for ")[0] == (apart.error or "").partition(" for ")[0]


def test_bytes_stay_bytes_for_what_takes_bytes_and_where_they_are_no_integers() -> None:
    answer = function_of(ANSWER, name="user_entrypoint", arguments=bytes(16), packs_integers=True)
    assert (answer.status, answer.output) == (Status.SUCCESS, word(42))
    call = {"address": None, "module": maths(), "name": "gcd", "packs_integers": True}
    assert "for bytes" in (function_of(ANSWER, **call, arguments=bytes(15)).error or "")
    assert "for bytes" in (function_of(ANSWER, **(call | {"packs_integers": False}), arguments=bytes(16)).error or "")


def test_a_function_may_have_a_memory_limit_and_a_deadline() -> None:
    code = contract(grow(3), **GROWABLE)
    assert function_of(code, memory_limit_bytes=4 * 65_536).status is Status.SUCCESS
    assert function_of(code, memory_limit_bytes=4 * 65_536 - 1).status is Status.OUT_OF_MEMORY
    runner = executor(accounts_of({CONTRACT: contract("(loop $l (br $l))")}))
    late = run_function(
        machine(),
        runner.environment,
        runner.state.fork_reader(),
        FunctionCall(address=CONTRACT, gas_limit=10**13),
        deadline=Deadline.after(0.05),
    )
    assert (late.status, late.error) == (Status.TIMEOUT, "execution aborted")


def test_a_memory_limit_holds_for_a_library_that_does_not_pay_for_growth_itself() -> None:
    library = module('(func (export "grow") (result i32) (memory.grow (i32.const 3)))', memory="1")
    call = {"address": None, "module": library, "name": "grow", "arguments": []}
    assert function_of(ANSWER, **call).output == word(1)
    assert function_of(ANSWER, **call, memory_limit_bytes=4 * 65_536).output == word(1)
    limited = function_of(ANSWER, **call, memory_limit_bytes=3 * 65_536)
    assert limited.output == word(0xFFFFFFFF)


def test_statuses_are_numbered_in_the_guides_order() -> None:
    assert [status.number for status in Status] == list(range(8))
    assert status_of(None) is Status.SUCCESS
