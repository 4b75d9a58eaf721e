"""debug_trace*: transactions and calls executed again under a tracer, at any block. See docs/tracing.md."""

from dataclasses import replace

from zevm.chain.calls.place import StateContext
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing import trace
from zevm.chain.tracing.encoded import Encoded
from zevm.chain.types import Block
from zevm.chain.types.block_reference import LATEST, BlockReference, BlockTag
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.support import tracing
from zevm.rpc.methods.support.bundles import BUNDLES, CONTEXT, BundleArguments, prepare_bundles
from zevm.rpc.methods.support.filling import traced_call
from zevm.rpc.methods.support.tracing import TraceConfig, run_trace
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError

CONFIG = Param("config", tracing.trace_config, default=tracing.DEFAULT)
CALL_CONFIG = Param("config", tracing.trace_call_config, default=tracing.DEFAULT)
TRACE = "trace"
NO_TRANSACTION = bytes(32)
"""Tools request the trace of this hash to detect tracing: an error would switch their tracing off."""
BLOCK_TRACE = "[{txHash, result}]"


@method(
    "debug_traceTransaction",
    cost=Cost.EXECUTION,
    params=(Param("transactionHash", scalars.hash32), CONFIG),
    result=f"{TRACE}; null for the hash of zeros",
)
def trace_transaction(
    services: Services, transaction_hash: Hash32, config: TraceConfig, *, deadline: Deadline
) -> Encoded | None:
    """Execute a mined transaction again under a tracer, on its original state."""
    if transaction_hash == NO_TRANSACTION:
        return None
    return run_trace(
        services, deadline, lambda request: trace.trace_transaction(services.chain, transaction_hash, request), config
    )


@method(
    "debug_traceCall",
    cost=Cost.EXECUTION,
    params=(
        Param("transaction", objects.transaction_arguments),
        Param("block", scalars.block_reference, default=LATEST),
        CALL_CONFIG,
    ),
    result=TRACE,
)
def trace_call(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    config: TraceConfig,
    *,
    deadline: Deadline,
) -> Encoded:
    """Execute a call under a tracer, on a block or (txIndex) within it, with overrides of state and block."""
    call, context = traced_call(services, arguments), StateContext(block, config.transaction_index)
    return run_trace(
        services,
        deadline,
        lambda request: trace.trace_call(services.chain, call, context, config.overrides, request),
        config,
    )


@method(
    "debug_traceBlockByNumber",
    cost=Cost.EXECUTION,
    params=(Param("block", scalars.block_number), CONFIG),
    result=BLOCK_TRACE,
)
def trace_block_by_number(
    services: Services, block: BlockReference, config: TraceConfig, *, deadline: Deadline
) -> Encoded:
    """Execute every transaction of a block again under a tracer."""
    chain = services.chain
    if block.tag is BlockTag.PENDING:
        return run_trace(services, deadline, lambda request: trace.trace_pending(chain, request), config)
    number = chain.number_of(block)
    found = chain.block_by_number(number) if number <= chain.head.number else None
    if found is None:
        raise ServerError(f"block #{number} not found")
    return _trace_block(services, found, config, deadline)


@method(
    "debug_traceBlockByHash",
    cost=Cost.EXECUTION,
    params=(Param("blockHash", scalars.hash32), CONFIG),
    result=BLOCK_TRACE,
)
def trace_block_by_hash(services: Services, block_hash: Hash32, config: TraceConfig, *, deadline: Deadline) -> Encoded:
    """Execute every transaction of a block again under a tracer, by the block's hash."""
    found = services.chain.block_by_hash(block_hash)
    if found is None:
        raise ServerError(f"block 0x{block_hash.hex()} not found")
    return _trace_block(services, found, config, deadline)


@method(
    "debug_traceBlock",
    cost=Cost.EXECUTION,
    params=(Param("rlp", scalars.data), CONFIG),
    result=BLOCK_TRACE,
)
def trace_block(services: Services, encoded: bytes, config: TraceConfig, *, deadline: Deadline) -> Encoded:
    """Execute every transaction of a block, given as RLP, under a tracer; the chain must have its parent."""
    try:
        block = Block.decode(encoded)
    except (RlpError, ValueError) as error:
        raise ServerError(f"could not decode block: {error}") from error
    return _trace_block(services, block, config, deadline)


@method(
    "debug_traceBadBlock",
    cost=Cost.EXECUTION,
    params=(Param("blockHash", scalars.hash32), CONFIG),
    result=BLOCK_TRACE,
)
def trace_bad_block(services: Services, block_hash: Hash32, config: TraceConfig, *, deadline: Deadline) -> Encoded:
    """Execute every transaction of a rejected block (debug_getBadBlocks) again under a tracer."""
    block = services.chain.bad_blocks.get(block_hash)
    if block is None:
        raise ServerError(f"bad block 0x{block_hash.hex()} not found")
    return _trace_block(services, block, config, deadline)


def _trace_block(services: Services, block: Block, config: TraceConfig, deadline: Deadline) -> Encoded:
    return run_trace(services, deadline, lambda request: trace.trace_block(services.chain, block, request), config)


@method(
    "debug_traceCallMany",
    cost=Cost.EXECUTION,
    params=(BUNDLES, CONTEXT, CALL_CONFIG),
    result="[[trace]]",
)
def trace_call_many(
    services: Services,
    bundles: list[BundleArguments],
    context: StateContext,
    config: TraceConfig,
    *,
    deadline: Deadline,
) -> Encoded:
    """Execute calls one after another under a tracer, bundle by bundle, each in a block as eth_callMany's."""
    if context.transaction_index is None:
        context = replace(context, transaction_index=config.transaction_index)
    prepared = prepare_bundles(services, bundles)
    return run_trace(
        services,
        deadline,
        lambda request: trace.trace_bundles(services.chain, prepared, context, config.overrides, request),
        config,
    )
