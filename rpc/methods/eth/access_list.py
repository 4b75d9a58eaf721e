"""eth_createAccessList: which accounts and slots a transaction touches (EIP-2930)."""

from zevm.chain.calls.access_list import create_access_list
from zevm.chain.calls.overrides import CallOverrides, StateOverrides
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.simulated_calls import make_transaction
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import Json
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.eth.call import CALL, STATE_OVERRIDES
from zevm.rpc.methods.eth.simulate import simulated_call
from zevm.rpc.methods.support.filling import call_request
from zevm.rpc.methods.support.kinds import kind_of_message
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services


@method(
    "eth_createAccessList",
    cost=Cost.EXECUTION,
    kind=kind_of_message,
    params=(CALL, Param("block", scalars.block_reference, default=LATEST), STATE_OVERRIDES),
    result="{accessList, gasUsed, error}",
)
def access_list(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    state_overrides: StateOverrides,
    *,
    deadline: Deadline,
) -> Json:
    """The access list of a transaction, and the gas used with it; `error` reports a failed execution.

    As in eth_call, only the given fees are charged; gas of 0 counts as absent.
    """
    frame = services.chain.frame_at(block, deadline)
    if not arguments.gas:
        arguments = arguments._replace(gas=None)
    request = call_request(services, arguments, default_gas=services.limits.call_gas)
    try:
        result = create_access_list(
            frame, request, nonce=arguments.nonce, overrides=CallOverrides(state_overrides), deadline=deadline
        )
    except TransactionError as error:
        transaction_hash = _hash_of(services, arguments, request.gas_limit, frame.environment)
        raise ServerError(f"failed to apply transaction: 0x{transaction_hash.hex()} err: {error.message}") from error
    encoded: Json = {
        "accessList": results.access_list(result.entries),
        "gasUsed": hex(result.outcome.gas_used),
    }
    if result.outcome.error is not None:
        encoded["error"] = result.outcome.error.message
    return encoded


def _hash_of(
    services: Services, arguments: TransactionArguments, gas_limit: int, environment: BlockEnvironment
) -> bytes:
    """The hash of the unsigned transaction, which geth's error names."""
    call = simulated_call(services, arguments)
    return make_transaction(call, gas_limit, arguments.nonce or 0, environment).hash
