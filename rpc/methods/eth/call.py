"""eth_: executions without lasting effects."""

from zevm.chain.calls.call import GasEstimation, failure_of
from zevm.chain.calls.call import call as execute_call
from zevm.chain.calls.overrides import NO_OVERRIDES, BlockOverrides, CallOverrides, StateOverrides, overrides_of
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.types.block_reference import LATEST, PENDING, BlockReference
from zevm.chain.vm.interface import Outcome
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.support.filling import call_request
from zevm.rpc.methods.support.kinds import kind_of_message
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

CALL = Param("transaction", objects.transaction_arguments)
STATE_OVERRIDES = Param("stateOverrides", objects.state_overrides, default=NO_OVERRIDES.state)
BLOCK_OVERRIDES = Param("blockOverrides", objects.block_overrides, default=NO_OVERRIDES.block)


def execute(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    overrides: CallOverrides = NO_OVERRIDES,
    *,
    deadline: Deadline,
) -> Outcome:
    """The result of a message at a block, failed or not. Raises ServerError if it cannot start."""
    request = call_request(services, arguments, default_gas=services.limits.call_gas)
    try:
        return execute_call(services.chain.frame_at(block, deadline), request, overrides=overrides, deadline=deadline)
    except TransactionError as error:
        raise ServerError(f"err: {error.message} (supplied gas {request.gas_limit})") from error


@method(
    "eth_call",
    cost=Cost.EXECUTION,
    kind=kind_of_message,
    params=(CALL, Param("block", scalars.block_reference, default=LATEST), STATE_OVERRIDES, BLOCK_OVERRIDES),
    result="returned data",
)
def call(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    state_overrides: StateOverrides,
    block_overrides: BlockOverrides,
    *,
    deadline: Deadline,
) -> str:
    """Execute a message at a block and return its data."""
    overrides = overrides_of(state_overrides, block_overrides)
    outcome = execute(services, arguments, block, overrides, deadline=deadline)
    if outcome.error is not None and (failure := failure_of(outcome)) is not None:
        raise failure
    return hexadecimal(outcome.output)


@method(
    "eth_estimateGas",
    cost=Cost.EXECUTION,
    kind=kind_of_message,
    params=(CALL, Param("block", scalars.block_reference, default=PENDING), STATE_OVERRIDES, BLOCK_OVERRIDES),
    result="gas",
)
def estimate_gas(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    state_overrides: StateOverrides,
    block_overrides: BlockOverrides,
    *,
    deadline: Deadline,
) -> str:
    """The gas limit with which a transaction succeeds, found by trial executions, by default at the pending block."""
    estimation = GasEstimation(
        services.chain.frame_at(block, deadline),
        call_request(services, arguments, default_gas=0),
        overrides=overrides_of(state_overrides, block_overrides),
        gas_cap=services.limits.call_gas,
        deadline=deadline,
    )
    return hex(estimation.run())
