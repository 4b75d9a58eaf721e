"""Frames that the core records, against those that tracers see live: every kind of frame, and how each may end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import assemble, deploying, environment_of
from tests.core.support import needs_core
from tests.core.test_evm_transactions import CALLER, DYING, EMPTY, FREE, KINDS, NAMER, NAMING, PAID, B, accounts
from verification.differential.engines import run_nest
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing import call_tracers
from zevm.chain.tracing.address_search import TouchTracer
from zevm.chain.tracing.errors import TraceMemoryError
from zevm.chain.tracing.frame_list import FrameList
from zevm.chain.tracing.memory import TraceMemory
from zevm.chain.tracing.parity_tracers import ReplayTracer
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.settings import RECORDING, TraceContext
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.interface import CallRequest
from zevm.chain.vm.tracer import Recording, Tracer
from zevm.contracts.revert_reasons import Decoder
from zevm.storage.account import StateDiff
from zevm.storage.primitives import Address

pytestmark = needs_core

CONTEXT = TraceContext(Decoder().revert_reason, b"\xbb" * 32, 7, b"\xcc" * 32, 3, first_log_index=5)
TRACERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "calls": ("callTracer", {}),
    "calls with logs": ("callTracer", {"withLog": True}),
    "the outermost call": ("callTracer", {"onlyTopCall": True, "withLog": True}),
    "frames in a row": ("flatCallTracer", {"includePrecompiles": True}),
    "selectors": ("4byteTracer", {}),
    "nothing": ("noopTracer", {}),
    "accounts before": ("prestateTracer", {"includeEmpty": True}),
    "accounts before, without storage": ("prestateTracer", {"disableStorage": True}),
    "what changes": ("prestateTracer", {"diffMode": True}),
    "several": ("muxTracer", {"callTracer": {"withLog": True}, "flatCallTracer": {"convertParityErrors": True}}),
}
ENDING = {
    "stack underflow": "ADD",
    "stack overflow": "1 " * 1_025,
    "no instruction": "0xfe INVALID",
    "bad jump": "3 JUMP",
    "no gas": "JUMPDEST 0 JUMP",
    "no gas for the stipend": "1 1 SSTORE",
    "return data": "32 0 0 RETURNDATACOPY",
    "a reason": "0x08c379a0 224 SHL 0 MSTORE 32 4 MSTORE 1 36 MSTORE 65 248 SHL 68 MSTORE 100 0 REVERT",
    "a creation twice at one address": "0 0 0 0 CREATE2 POP 0 0 0 0 CREATE2",
    "a creation of what is not code": "0x60ef60005360016000f3 176 SHL 0 MSTORE 10 0 0 CREATE",
    "a creation that fails": "0xfe 248 SHL 0 MSTORE 1 0 0 CREATE",
}
MAKER = Address(b"\x9a" * 20)
"""Calls each account of the list below in all ways."""
ENDINGS = {Address(bytes((0xA0 + place,)) * 20): source for place, source in enumerate(ENDING.values())}
MAKING = " ".join(
    [
        *(f"0 0 0 0 0 0x{address.hex()} {gas} CALL POP" for address in ENDINGS for gas in (2_200, 90_000)),
        *(f"0 0 2 0 0 0x{address.hex()} 9000 CALLCODE POP" for address in (B, DYING)),
        *(f"0 0 2 0 0x{address.hex()} 9000 DELEGATECALL POP" for address in (B, EMPTY)),
        *(f"0 0 2 0 0x{address.hex()} 9000 STATICCALL POP" for address in (B, DYING)),
        # precompiles: identity, BLAKE2F without its input, alt_bn128 with a point that is none
        *(f"0 0 64 0 0 {number} 9000 CALL POP" for number in (4, 9)),
        "1 0 MSTORE 0 0 128 0 0 6 9000 CALL POP 0 0 0 0 99999 4 9000 CALL POP 0 0 99999 CREATE POP",
        f"77 32 0 LOG1 0 0 0 0 0 0x{CALLER.hex()} 90000 CALL POP 78 32 0 LOG1 0 0 0 0 0 0x{DYING.hex()} GAS CALL",
    ]
)
RECURSIVE = Address(b"\x9b" * 20)


def world() -> dict[Address, MemoryAccount]:
    """The accounts of the whole transactions' tests, and those that end in each way."""
    more = {address: MemoryAccount(nonce=1, balance=3, code=assemble(source)) for address, source in ENDINGS.items()}
    return (
        accounts()
        | more
        | {
            MAKER: MemoryAccount(nonce=1, balance=50, code=assemble(MAKING)),
            NAMER: MemoryAccount(nonce=1, code=assemble(NAMING)),
            RECURSIVE: MemoryAccount(nonce=1, code=assemble("0 0 0 0 0 ADDRESS 1000 GAS SUB CALL 0 0 LOG1")),
        }
    )


REQUESTS = {name: request for name, (_, request) in KINDS.items()} | {
    "ways to end": PAID._replace(to=MAKER, gas_limit=5_000_000),
    "few ways to end": PAID._replace(to=MAKER, gas_limit=120_000),
    "names": PAID._replace(to=NAMER),
    "a creation of what is not code": PAID._replace(to=None, data=deploying(b"\xef\1")),
    "a payment that nobody can make": FREE._replace(sender=EMPTY, value=0, to=RECURSIVE, gas_limit=2_000_000),
}
SINCE = {name: fork for name, (fork, _) in KINDS.items()} | {"ways to end": Fork.CONSTANTINOPLE}


def traced(engine: Engine, fork: Fork, request: CallRequest, tracer: Any) -> tuple[Any, StateDiff]:
    """The outcome and the state's change."""
    state = BlockState(MemoryReader(world()))
    outcome = Executor(environment_of(fork, engine=engine), state).call(request, tracer=tracer)
    return outcome, state.diff()


def told(engine: Engine, fork: Fork, request: CallRequest, name: str) -> tuple[bytes, Any]:
    """A tracer's JSON, and the rest."""
    tracer = make_tracer(*TRACERS[name], CONTEXT)
    rest = traced(engine, fork, request, tracer)
    return b"".join(tracer.encode()), rest


@pytest.mark.lengthy
@pytest.mark.parametrize("name", TRACERS)
def test_a_tracer_is_told_what_it_would_have_seen(name: str) -> None:
    for kind, request in REQUESTS.items():
        for fork in (Fork.BYZANTIUM, Fork.ISTANBUL, Fork.OSAKA):
            if fork < SINCE.get(kind, Fork.FRONTIER):
                continue
            before = Counter(choice.messages)
            recorded = told(Engine.NATIVE, fork, request, name)
            assert Counter(choice.messages) - before == {"native": 1}, (kind, fork)
            assert recorded == told(Engine.PY_EVM, fork, request, name), (kind, fork)
            assert recorded == told(Engine.CHECK, fork, request, name), (kind, fork)


def test_the_ways_to_end_are_all_there() -> None:
    text = told(Engine.NATIVE, Fork.OSAKA, REQUESTS["ways to end"], "calls with logs")[0].decode()
    errors = (
        "stack underflow (0 <=> 2)",
        "stack limit reached 1024",
        "invalid opcode",
        "invalid jump destination",
        "not enough gas for reentrancy sentry",
        "return data out of bounds",
        '"revertReason":"A"',
        "write protection",
        "invalid input length",
        "insufficient balance for transfer",
        "contract address collision",
        "must not begin with 0xef",
        '"type":"SELFDESTRUCT"',
        '"type":"CREATE2"',
        '"logs":[{',
    )
    assert [error for error in errors if error not in text] == []


def test_the_depth_limit_is_shown() -> None:
    request = PAID._replace(to=RECURSIVE, gas_limit=3_000_000)
    recorded = told(Engine.NATIVE, Fork.HOMESTEAD, request, "calls with logs")
    assert recorded == told(Engine.PY_EVM, Fork.HOMESTEAD, request, "calls with logs")
    assert (recorded[0].count(b'"type"'), recorded[0].count(b"max call depth exceeded")) == (1_026, 1)


@pytest.mark.parametrize("tracer", [FrameList, TouchTracer])
def test_lists_of_frames_are_the_same(tracer: Any) -> None:
    seen = []
    for engine in (Engine.NATIVE, Engine.PY_EVM, Engine.CHECK):
        watching = tracer()
        traced(engine, Fork.OSAKA, REQUESTS["ways to end"], watching)
        seen.append(watching.rows if isinstance(watching, FrameList) else watching.addresses)
    assert seen[0]
    assert seen[0] == seen[1] == seen[2]


def test_a_replay_is_recorded_but_for_its_instructions() -> None:
    for kinds, count in ((("trace",), 1), (("trace", "stateDiff"), 1), (("trace", "vmTrace"), 0), ((), 0)):
        parts = []
        for engine in (Engine.NATIVE, Engine.PY_EVM):
            tracer, before = ReplayTracer(kinds, CONTEXT), Counter(choice.messages)
            traced(engine, Fork.OSAKA, PAID, tracer)
            parts.append(tracer.encode())
            if engine is Engine.NATIVE:
                assert (Counter(choice.messages) - before)["native"] == count
        assert parts[0] == parts[1], kinds


def test_a_run_past_its_recording_is_shown_live(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = told(Engine.PY_EVM, Fork.OSAKA, REQUESTS["ways to end"], "calls")
    sizes: list[int] = []
    monkeypatch.setattr(call_tracers.CallTracer, "hold", lambda _, size: sizes.append(size))
    assert told(Engine.NATIVE, Fork.OSAKA, REQUESTS["ways to end"], "calls") == wanted
    assert sizes == [sizes[0], -sizes[0]]
    for less, engine in ((0, "native"), (1, "py-evm")):
        monkeypatch.setattr(call_tracers, "RECORDING", Recording(sizes[0] - less))
        before = Counter(choice.messages)
        assert told(Engine.NATIVE, Fork.OSAKA, REQUESTS["ways to end"], "calls") == wanted
        assert Counter(choice.messages) - before == {engine: 1}
    assert sizes[0] < RECORDING.limit_bytes


def test_what_is_recorded_counts_as_memory_of_traces() -> None:
    tracer = make_tracer("noopTracer", {}, CONTEXT)
    memory = TraceMemory(1_000)
    with memory.share(), pytest.raises(TraceMemoryError):
        traced(Engine.NATIVE, Fork.OSAKA, PAID, tracer)
    assert memory.taken == 0


def test_a_tracer_s_fault_leaves_the_state_as_it_was() -> None:
    class Failing(call_tracers.NoopTracer):
        def on_exit(self, *_: object) -> None:
            raise OSError("no more room")

    state = BlockState(MemoryReader(world()))
    with pytest.raises(OSError, match="no more room"):
        Executor(environment_of(engine=Engine.NATIVE), state).call(PAID, tracer=Failing({}, CONTEXT))
    assert state.diff() == StateDiff()


def test_the_deadline_holds_while_frames_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(call_tracers.NoopTracer):
        def on_enter(self, _: object) -> None:
            deadline.cancellation.cancel()

    deadline = Deadline.after(600)
    monkeypatch.setattr("zevm.chain.vm.engines.telling.EVENTS_BETWEEN_LOOKS", 1)
    with pytest.raises(ExecutionTimeoutError):
        Executor(environment_of(engine=Engine.NATIVE), BlockState(MemoryReader(world()))).call(
            PAID, tracer=Slow({}, CONTEXT), deadline=deadline
        )


def test_a_frame_that_the_engines_show_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer: Tracer = make_tracer("callTracer", {}, CONTEXT)
    show = native.error_of

    def other(frames: type[Frame], status: int, detail: Any) -> Any:
        error = show(frames, status, detail)
        return None if error is None else replace(error, message=error.message + "!")

    monkeypatch.setattr("zevm.chain.vm.engines.telling.error_of", other)
    with pytest.raises(EngineDifferenceError, match="frame event"):
        traced(Engine.CHECK, Fork.OSAKA, REQUESTS["ways to end"], tracer)


def test_trees_of_calls_and_creations_are_told_the_same() -> None:
    for seed in range(1, 40, 2):
        run_nest(seed)


_FAULTING = {
    "return data": "32 1 32 RETURNDATACOPY",
    "return data and memory": "9 1 999 RETURNDATACOPY",
    "a log": "32 640 LOG0",
    "a log with topics": "1 2 3 4 32 960 LOG4",
    "transient storage": "1 1 TSTORE",
    "storage": "1 1 SSTORE",
    "a creation": "64 0 0 CREATE",
    "a payment": "0 0 0 0 1 ADDRESS 0 CALL",
    "a destruction": "ADDRESS SELFDESTRUCT",
    "no instruction": "0xfe INVALID",
    "a bad jump": "3 JUMP",
    "a stack underflow": "CALLER 1 1 SWAP5",
}


@pytest.mark.parametrize("name", _FAULTING)
def test_a_fault_has_the_same_name_at_every_gas_limit(name: str) -> None:
    """Gas that ends before the instruction, at it, and behind it; in code that may not write."""
    faulting = assemble(f"1 500 MSTORE {_FAULTING[name]} {'CALLER POP ' * 30} 5000 MLOAD")
    watched = assemble(f"0 0 0 0 0x{MAKER.hex()} 0 CALLDATALOAD STATICCALL")
    state = world() | {
        Address(CALLER): MemoryAccount(nonce=1, code=watched),
        MAKER: MemoryAccount(nonce=1, code=faulting),
    }
    first = 360 if "LOG" in _FAULTING[name] else 0  # the constant gas of a log
    for gas in range(first, first + 280):
        environment = environment_of(Fork.OSAKA, engine=Engine.CHECK)
        executor = Executor(environment, BlockState(MemoryReader(state)))
        tracer = make_tracer("callTracer", {}, CONTEXT)
        executor.call(PAID._replace(to=CALLER, data=gas.to_bytes(32, "big"), gas_limit=100_000), tracer=tracer)
