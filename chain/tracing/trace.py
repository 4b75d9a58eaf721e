"""Traces of transactions, blocks and calls, as encoded JSON; every function runs on a worker, under a deadline.

Geth gives each transaction its own time, and so do these.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from zevm.chain.calls.bundles import CallBundle, environments_from
from zevm.chain.calls.call import apply_state_overrides, moved_precompiles, override_environment
from zevm.chain.calls.overrides import BlockOverrides, StateOverrides
from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.tracing.encoded import Encoded, Parts, enclosed, size_of
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.replay import Replay, parent_state
from zevm.chain.tracing.settings import TRACE_BYTES_LIMIT, Budget, TraceContext
from zevm.chain.types import Block, Header
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.storage.account import StateReader
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
    options: Mapping[str, Any] | None = None

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


@dataclass(frozen=True, slots=True)
class CallOverrides:
    """The overrides of a traced call. transaction_index: None for the state after the whole block."""

    state: StateOverrides | None = None
    block: BlockOverrides | None = None
    transaction_index: int | None = None


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


def replay_of(chain: ChainView, block: Block) -> Replay:
    """A replay of a block that stands on a known one."""
    state = parent_state(chain.canonical, block, chain.genesis.number)
    return Replay(chain.environment_of(block.header), state, block)


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
    chain: ChainView, call: CallRequest, reference: BlockReference, overrides: CallOverrides, request: TraceRequest
) -> Encoded:
    """A call on a block, or on the state before one of its transactions. Raises as `trace_transaction`."""
    deadline = request.deadline()
    environment, reader = call_place(chain, reference, overrides.transaction_index, deadline)
    state = BlockState(reader)
    apply_state_overrides(state, overrides.state)
    executor = call_executor(environment, state, overrides)
    return Encoded(_trace_call(executor, call, request, deadline))


def call_place(
    chain: ChainView, reference: BlockReference, transaction_index: int | None, deadline: Deadline
) -> tuple[BlockEnvironment, StateReader]:
    """The block that a traced call sees and the state it begins with."""
    if reference.tag is BlockTag.PENDING:
        raise TraceError("tracing on top of pending is not supported")
    header = chain.resolve(reference)
    environment = chain.environment_of(header)
    if transaction_index is None:
        return environment, chain.canonical.state_of(header)
    return environment, _state_within(chain, header, transaction_index, deadline)


def _state_within(chain: ChainView, header: Header, index: int, deadline: Deadline) -> StateReader:
    """The state before a block's transaction."""
    block = chain.block_by_hash(header.hash)
    if block is None or index > len(block.transactions):
        raise TraceError(f"transaction index {index} out of range for block 0x{header.hash.hex()}")
    replay = replay_of(chain, block)
    replay.skip_to(index, deadline)
    return replay.state.fork_reader()


def call_executor(environment: BlockEnvironment, state: ExecutionState, overrides: CallOverrides) -> Executor:
    """The executor of calls on `state`, with overridden block fields and moved precompiles."""
    environment = override_environment(environment, overrides.block)
    return Executor(environment, state, moved_precompiles=moved_precompiles(overrides.state, environment))


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
    reference: BlockReference,
    overrides: CallOverrides,
    request: TraceRequest,
) -> Encoded:
    """Calls in sequence: a list of results for each bundle; the bundles' blocks are consecutive.

    Raises as `trace_transaction`.
    """
    environment, reader = call_place(chain, reference, overrides.transaction_index, request.deadline())
    state = BlockState(reader)
    apply_state_overrides(state, overrides.state)
    budget = Budget(2 * TRACE_BYTES_LIMIT)

    def run(bundle: CallBundle, environment: BlockEnvironment) -> Iterator[Parts]:
        own = replace(overrides, block=bundle.block_overrides or overrides.block)
        executor = call_executor(environment, state, own)
        for call in bundle.calls:
            part = _trace_call(executor, call, request, request.deadline())
            budget.take(size_of(part))
            yield part

    results = [
        enclosed(b"[", run(bundle, of_bundle), b"]")
        for bundle, of_bundle in zip(bundles, environments_from(environment), strict=False)
    ]
    return Encoded(enclosed(b"[", results, b"]"))
