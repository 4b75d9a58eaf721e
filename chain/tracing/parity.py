"""The trace_ methods' work: frames with their places, replays, calls; on a worker, under a deadline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from zevm.chain.blocks.replay import Replay
from zevm.chain.calls.place import StateContext, replay_of
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.parity_tracers import ParityTracer, ReplayTracer
from zevm.chain.tracing.settings import TRACE_BYTES_LIMIT, Budget, TraceContext
from zevm.chain.tracing.trace import TraceRequest, replay_before, traced_frame
from zevm.chain.types import Block, Transaction
from zevm.chain.types.block_reference import BlockReference
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest

Kinds = Sequence[str]
Frames = list[dict[str, Any]]


def transaction_frames(chain: ChainView, position: TransactionPosition, request: TraceRequest) -> Frames:
    """The frames of a mined transaction. Raises TraceError, ExecutionTimeoutError, as all here."""
    deadline = request.deadline()
    return _next_frames(replay_before(chain, position, deadline), request, deadline)


def block_frames(chain: ChainView, block: Block, request: TraceRequest) -> Iterator[dict[str, Any]]:
    """The frames of all transactions of a block, none for the chain's first."""
    if not block.transactions:
        return
    replay = replay_of(chain, block)
    for _ in block.transactions:
        yield from _next_frames(replay, request, request.deadline())


def _next_frames(replay: Replay, request: TraceRequest, deadline: Deadline) -> Frames:
    tracer = ParityTracer(request.context(replay))
    replay.run(tracer, deadline)
    return tracer.frames()


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """Which frames of which blocks, both included. Empty addresses are any.

    intersection: with addresses of both kinds, both must match, not either. after: number of frames to skip; count:
    maximum of frames, None for all.
    """

    first: int
    last: int
    senders: frozenset[bytes] = frozenset()
    receivers: frozenset[bytes] = frozenset()
    intersection: bool = False
    after: int = 0
    count: int | None = None

    def matches(self, frame: dict[str, Any]) -> bool:
        """Whether a frame's addresses fit."""
        action, result = frame["action"], frame.get("result") or {}
        sender = action.get("from", action.get("address"))
        receiver = action.get("to", action.get("refundAddress", result.get("address")))
        by_sender = self._fits(sender, self.senders)
        by_receiver = self._fits(receiver, self.receivers)
        if self.intersection or not (self.senders and self.receivers):
            return by_sender and by_receiver
        return by_sender or by_receiver

    @staticmethod
    def _fits(address: str | None, wanted: frozenset[bytes]) -> bool:
        return not wanted or (address is not None and bytes.fromhex(address[2:]) in wanted)


def filter_frames(chain: ChainView, wanted: FrameFilter, request: TraceRequest) -> Frames:
    """Frames in order that fit a filter."""
    found: Frames = []
    passed, budget = 0, Budget(2 * TRACE_BYTES_LIMIT)
    for number in range(wanted.first, wanted.last + 1):
        request.check()
        block = chain.block_by_number(number)
        if block is None:
            break
        for frame in block_frames(chain, block, request):
            if not wanted.matches(frame):
                continue
            passed += 1
            if passed <= wanted.after:
                continue
            if len(found) == wanted.count:
                return found
            budget.take(len(orjson.dumps(frame)))
            found.append(frame)
    return found


def replay_transaction(
    chain: ChainView, position: TransactionPosition, kinds: Kinds, request: TraceRequest
) -> dict[str, Any]:
    """{output, stateDiff, trace, vmTrace} of a mined transaction."""
    deadline = request.deadline()
    return _replay_next(replay_before(chain, position, deadline), kinds, request, deadline)


def replay_block(chain: ChainView, block: Block, kinds: Kinds, request: TraceRequest) -> orjson.Fragment:
    """The same of each transaction of a block, with its `transactionHash`."""
    if not block.transactions:
        return orjson.Fragment(b"[]")
    replay, budget, parts = replay_of(chain, block), Budget(2 * TRACE_BYTES_LIMIT), []
    for transaction in block.transactions:
        found = _replay_next(replay, kinds, request, request.deadline())
        part = orjson.dumps(found | {"transactionHash": "0x" + transaction.hash.hex()})
        budget.take(len(part))
        parts.append(part)
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")


def _replay_next(replay: Replay, kinds: Kinds, request: TraceRequest, deadline: Deadline) -> dict[str, Any]:
    tracer = ReplayTracer(kinds, TraceContext(request.reason_of))
    replay.run(tracer, deadline)
    return tracer.parts()


def trace_calls(
    chain: ChainView, calls: Sequence[tuple[CallRequest, Kinds]], reference: BlockReference, request: TraceRequest
) -> list[dict[str, Any]]:
    """Calls one after another, on a block."""
    frame = traced_frame(chain, StateContext(reference), request.deadline())
    executor, results = Executor(frame.environment, BlockState(frame.reader)), []
    for call, kinds in calls:
        tracer = ReplayTracer(kinds, TraceContext(request.reason_of))
        try:
            executor.call(call, deadline=request.deadline(), tracer=tracer)
        except TransactionError as error:
            raise TraceError(f"tracing failed: {error.message}") from error
        results.append(tracer.parts())
    return results


def trace_signed(chain: ChainView, transaction: Transaction, kinds: Kinds, request: TraceRequest) -> dict[str, Any]:
    """A signed transaction as if it were the first of the next block; nothing is kept."""
    head, environment = chain.head, chain.next_context().environment
    block = Block(chain.next_header(), (transaction,))
    replay = Replay(environment, head.state, block)
    return _replay_next(replay, kinds, request, request.deadline())
