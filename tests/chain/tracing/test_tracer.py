"""Watching an execution changes nothing, and shows every frame and instruction."""

from tests.chain.vm.support import (
    CONTRACT,
    SENDER,
    FakeAccount,
    assemble,
    deploying,
    environment_of,
    state_of,
    transaction_of,
)
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.operations import OPCODE_NAMES
from zevm.chain.vm.tracer import WatchedFrame

OTHER = b"\x44" * 20


class Recorder(QuietTracer):
    """Keeps what it is shown."""

    wants_steps = True

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.gas: list[int] = []

    def on_enter(self, start: FrameStart) -> None:
        self.lines.append(f"{start.kind} depth {start.depth} to {start.address.hex()[:2]} value {start.value}")

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        self.lines.append(f"end {gas_used} {output.hex()} {'' if error is None else error.message}".strip())

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        assert len(frame.memory) % 32 == 0
        self.gas.append(frame.gas_left)
        self.lines.append(f"{program_counter} {OPCODE_NAMES[opcode]} {frame.msg.depth} {list(frame.stack)}")

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        assert frame.gas_left >= 0
        self.lines.append(f"fault {gas_cost} {error.message}")


def test_steps_and_frames() -> None:
    code = assemble(f"0 0 0 0 5 0x{OTHER.hex()} 5000 CALL POP")
    state = state_of({CONTRACT: FakeAccount(balance=9, code=code), OTHER: FakeAccount(code=assemble("1 ADD"))})
    recorder = Recorder()
    outcome = Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 100_000), tracer=recorder)
    assert outcome.error is None
    target = int.from_bytes(OTHER, "big")
    assert recorder.lines == [
        "CALL depth 0 to 33 value 0",
        "0 PUSH1 0 []",
        "2 PUSH1 0 [0]",
        "4 PUSH1 0 [0, 0]",
        "6 PUSH1 0 [0, 0, 0]",
        "8 PUSH1 0 [0, 0, 0, 0]",
        "10 PUSH20 0 [0, 0, 0, 0, 5]",
        f"31 PUSH2 0 [0, 0, 0, 0, 5, {target}]",
        f"34 CALL 0 [0, 0, 0, 0, 5, {target}, 5000]",
        "CALL depth 1 to 44 value 5",
        "0 PUSH1 1 []",
        "2 ADD 1 [1]",
        "fault 3 stack underflow (1 <=> 2)",
        "end 7300  stack underflow (1 <=> 2)",
        "35 POP 0 [0]",
        "36 STOP 0 []",
        f"end {outcome.gas_used - 21_000}",
    ]
    assert recorder.gas[:2] == [79_000, 78_997]


def test_a_watched_run_ends_as_an_unwatched_one() -> None:
    loop = "20 JUMPDEST 1 SWAP1 SUB DUP1 DUP1 SSTORE DUP1 0 MSTORE DUP1 2 JUMPI 0 0 LOG0 GAS 0 MSTORE 64 0 RETURN"
    outcomes, diffs = [], []
    for tracer in (None, Recorder()):
        state = state_of({CONTRACT: FakeAccount(code=assemble(loop))})
        executor = Executor(environment_of(), state)
        outcomes.append(executor.apply(transaction_of(), 10**7, tracer=tracer))
        diffs.append(state.diff())
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].succeeded
    assert diffs[0] == diffs[1]


def test_creations_are_frames() -> None:
    recorder = Recorder()
    Executor(environment_of(), state_of({})).call(
        CallRequest(SENDER, None, 200_000, data=deploying(b"")), tracer=recorder
    )
    assert recorder.lines[0].startswith("CREATE depth 0")


def test_kinds_of_frames() -> None:
    calls = " ".join(f"0 0 0 0 {value} 0x{OTHER.hex()} 100 {kind}" for kind, value in (("CALL", 0), ("CALLCODE", 0)))
    calls += " " + " ".join(f"0 0 0 0 0x{OTHER.hex()} 100 {kind}" for kind in ("DELEGATECALL", "STATICCALL"))
    code = assemble(f"{calls} 0 0 0 CREATE 0 0 0 0 CREATE2")
    recorder = Recorder()
    state = state_of({CONTRACT: FakeAccount(code=code)})
    Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 200_000), tracer=recorder)
    kinds = [line.split()[0] for line in recorder.lines if " depth 1 " in line]
    assert kinds == ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2"]


class Frames(QuietTracer):
    """Does not want instructions, and must not be shown any."""

    def __init__(self) -> None:
        self.entered = 0

    def on_enter(self, start: FrameStart) -> None:
        assert start.gas_limit
        self.entered += 1

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        raise AssertionError(f"instruction {opcode:#x} at {program_counter}, {frame.gas_left} gas left")


def test_a_tracer_that_wants_no_steps_is_shown_none() -> None:
    tracer = Frames()
    code = assemble(f"0 0 0 0 0 0x{OTHER.hex()} 5000 CALL 1 ADD ADD")
    state = state_of({CONTRACT: FakeAccount(code=code), OTHER: FakeAccount(code=assemble("1 1 ADD"))})
    Executor(environment_of(), state).call(CallRequest(SENDER, CONTRACT, 100_000), tracer=tracer)
    assert tracer.entered == 2
