"""zvm_profile: gas and time of one execution by contract, function, line, opcode and host call."""

from zevm.analysis.profile.run import profile_call, profile_transaction
from zevm.chain.calls.overrides import NO_OVERRIDES
from zevm.chain.calls.place import StateContext
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.scalars import schema
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.support import tracing
from zevm.rpc.methods.support.filling import call_request
from zevm.rpc.methods.support.tracing import TraceConfig, run_trace
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32


@schema(oneOf=[{"type": "string"}, {"type": "object"}], title="Transaction hash, or call")
def _target(value: object) -> Hash32 | TransactionArguments:
    """A mined transaction's hash, or the object of a call as eth_call takes it."""
    return scalars.hash32(value) if isinstance(value, str) else objects.transaction_arguments(value)


def _refuse_call_options(block: BlockReference, config: TraceConfig) -> None:
    """Raises InvalidParamsError for what only calls take: a mined transaction has its block and its state."""
    given = {
        "block": block != LATEST,
        "stateOverrides": bool(config.overrides.state),
        "blockOverrides": config.overrides.block != NO_OVERRIDES.block,
        "txIndex": config.transaction_index is not None,
    }
    names = ", ".join(name for name, is_given in given.items() if is_given)
    if names:
        raise InvalidParamsError(f"{names}: only the profile of a call takes it, not that of a mined transaction")


@method(
    "zvm_profile",
    cost=Cost.EXECUTION,
    params=(
        Param("transaction", _target),
        Param("block", scalars.block_reference, default=LATEST),
        Param("config", tracing.trace_call_config, default=tracing.DEFAULT),
    ),
    result="{gasUsed, refundGas, status, error, nodes: [{parent, kind, name, contract, file, selfGas, selfNs, count}], "
    "lines: [{contract, file, line, selfGas, selfNs, count}]}",
)
def profile(
    services: Services,
    target: Hash32 | TransactionArguments,
    block: BlockReference,
    config: TraceConfig,
    *,
    deadline: Deadline,
) -> dict[str, object]:
    """Execute a mined transaction (by hash) or a call again, and tell where its gas and time went.

    block: of a call alone. config: {timeout, stateOverrides, blockOverrides, txIndex}, as for debug_traceCall; all but
    the first are of calls alone, and are invalid params with a transaction.
    """
    chain, catalogue = services.chain, services.catalogue
    if isinstance(target, bytes):
        _refuse_call_options(block, config)
        found = run_trace(
            services,
            deadline,
            lambda request: profile_transaction(chain, target, catalogue, request.deadline()),
            config,
        )
        return found.to_json()
    call = call_request(services, target, default_gas=services.limits.call_gas)
    context = StateContext(block, config.transaction_index)
    found = run_trace(
        services,
        deadline,
        lambda request: profile_call(chain, call, context, config.overrides, catalogue, request.deadline()),
        config,
    )
    return found.to_json()
