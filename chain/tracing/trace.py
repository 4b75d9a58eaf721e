"""Traces of transactions, blocks and calls, as encoded JSON; every function runs on a worker, under a deadline.

Geth gives each transaction its own time, and so do these.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from zevm.chain.blocks.context import CallFrame
from zevm.chain.blocks.replay import Replay
from zevm.chain.calls.bundles import CallBundle, run_bundles
from zevm.chain.calls.call import executor_in, state_over
from zevm.chain.calls.overrides import CallOverrides
from zevm.chain.calls.place import StateContext, frame_of, replay_of
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.tracing.encoded import Encoded, Parts, enclosed, size_of
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.settings import TRACE_BYTES_LIMIT, Budget, Options, TraceContext
from zevm.chain.types import Block
from zevm.chain.types.block_reference import BlockTag
from zevm.chain.view import ChainView
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.storage.primitives import Hash32


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """Which tracer, and for how long.

    tracer: None for struct logs, whose options then are `options`. timeout_seconds: for one transaction or call.
    request_deadline: when the whole request has had its time. reason_of: revert data in words.
    """

    reason_of: Callable[[bytes], str | None]
    timeout_seconds: float
    request_deadline: Deadline
    tracer: str | None = None
    options: Options | None = None

    def context(self, replay: Replay, deadline: Deadline | None = None) -> TraceContext:
        """The position of a replay's next transaction."""
        index, block = replay.next_index, replay.block
        return TraceContext(
            self.reason_of,
            block.hash,
            block.number,
            block.transactions[index].hash,
            index,
            replay.log_count,
            deadline,
        )

    def deadline(self) -> Deadline:
        """When a transaction that begins now has had its time."""
        return self.request_deadline.sooner(time.monotonic() + self.timeout_seconds)

    def check(self) -> None:
        """Raise ExecutionTimeoutError when the whole request has had its time."""
        self.request_deadline.check("execution timeout")


def trace_transaction(chain: ChainView, transaction_hash: Hash32, request: TraceRequest) -> Encoded:
    """A mined transaction. Raises TraceError, UnknownBlockError, ExecutionTimeoutError."""
    position = chain.find_transaction(transaction_hash)
    if position is None:
        raise TraceError("transaction not found")
    deadline = request.deadline()
    return Encoded(_trace_next(replay_before(chain, position, deadline), request, deadline))


def trace_block(chain: ChainView, block: Block, request: TraceRequest) -> Encoded:
    """Every transaction of a block: [{txHash, result}]. Raises as `trace_transaction`."""
    return trace_replay(replay_of(chain, block), request)


def trace_pending(chain: ChainView, request: TraceRequest) -> Encoded:
    """The same of the block that would be made now."""
    pending = chain.pending()
    head = chain.canonical.state_of(chain.head.header)
    return trace_replay(Replay(pending.environment, head, pending.block), request)


def trace_replay(replay: Replay, request: TraceRequest) -> Encoded:
    """Trace the rest of a replay."""
    budget, parts = Budget(2 * TRACE_BYTES_LIMIT), []
    for transaction in replay.block.transactions[replay.next_index :]:
        result = _trace_next(replay, request, request.deadline())
        part = enclosed(f'{{"txHash":"0x{transaction.hash.hex()}","result":'.encode(), (result,), b"}")
        budget.take(size_of(part))
        parts.append(part)
    return Encoded(enclosed(b"[", parts, b"]"))


def replay_before(chain: ChainView, position: TransactionPosition, deadline: Deadline) -> Replay:
    """A replay of a mined transaction's block that has come to it."""
    replay = replay_of(chain, position.block)
    replay.skip_to(position.index, deadline)
    return replay


def _trace_next(replay: Replay, request: TraceRequest, deadline: Deadline) -> Parts:
    with closing(make_tracer(request.tracer, request.options, request.context(replay, deadline))) as tracer:
        replay.run(tracer, deadline)
        return tracer.encode()


def trace_call(
    chain: ChainView, call: CallRequest, context: StateContext, overrides: CallOverrides, request: TraceRequest
) -> Encoded:
    """A call on a block, or on the state before one of its transactions. Raises as `trace_transaction`."""
    deadline = request.deadline()
    frame = traced_frame(chain, context, deadline)
    executor = executor_in(frame.environment, state_over(frame.reader, overrides), overrides)
    return Encoded(_trace_call(executor, call, request, deadline))


def traced_frame(chain: ChainView, context: StateContext, deadline: Deadline) -> CallFrame:
    """The block that a traced call sees and the state it begins with."""
    if context.block.tag is BlockTag.PENDING:
        raise TraceError("tracing on top of pending is not supported")
    return frame_of(chain, context, deadline)


def _trace_call(executor: Executor, call: CallRequest, request: TraceRequest, deadline: Deadline) -> Parts:
    context = TraceContext(request.reason_of, deadline=deadline)
    with closing(make_tracer(request.tracer, request.options, context)) as tracer:
        try:
            executor.call(call, deadline=deadline, tracer=tracer)
        except TransactionError as error:
            raise TraceError(f"tracing failed: {error.message}") from error
        return tracer.encode()


def trace_bundles(
    chain: ChainView,
    bundles: Sequence[CallBundle],
    context: StateContext,
    overrides: CallOverrides,
    request: TraceRequest,
) -> Encoded:
    """Calls one after another: a list of results for each bundle; see `run_bundles`. Raises as `trace_transaction`."""
    budget = Budget(2 * TRACE_BYTES_LIMIT)

    def run(executor: Executor, call: CallRequest) -> Parts:
        part = _trace_call(executor, call, request, request.deadline())
        budget.take(size_of(part))
        return part

    results = run_bundles(traced_frame(chain, context, request.deadline()), bundles, overrides, run)
    return Encoded(enclosed(b"[", [enclosed(b"[", result, b"]") for result in results], b"]"))
