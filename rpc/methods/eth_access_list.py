"""eth_createAccessList: which accounts and slots a transaction touches (EIP-2930)."""

from dataclasses import replace

from chain.access_list import create_access_list
from chain.errors import TransactionError
from chain.overrides import StateOverrides
from chain.references import LATEST, BlockReference
from chain.simulation import SimulatedCall, make_transaction
from chain.vm.interface import BlockEnvironment, CallRequest
from rpc import codec, encoding
from rpc.codec_objects import TransactionArguments
from rpc.encoding import Json
from rpc.errors import ServerError
from rpc.methods.eth_call import CALL, STATE_OVERRIDES
from rpc.methods.eth_simulate import unsigned_type
from rpc.methods.filling import call_request
from rpc.registry import Cost, Param, method
from rpc.services import Services


@method(
    "eth_createAccessList",
    cost=Cost.EXECUTION,
    params=(CALL, Param("block", codec.block_reference, default=LATEST), STATE_OVERRIDES),
    result="{accessList, gasUsed, error}",
)
def access_list(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,
    state_overrides: StateOverrides | None,
    *,
    deadline: float,
) -> Json:
    """The access list of a transaction, and the gas that it uses with it; `error` tells of a run that failed.

    As eth_call it is charged only the fees that it names; gas of 0 is none named.
    """
    frame = services.chain.frame_at(block)
    if not arguments.gas:
        arguments = replace(arguments, gas=None)
    request = call_request(services, arguments, default_gas=services.limits.call_gas)
    try:
        result = create_access_list(
            frame, request, nonce=arguments.nonce, state_overrides=state_overrides, deadline=deadline
        )
    except TransactionError as error:
        transaction_hash = _hash_of(arguments, request, frame.environment)
        raise ServerError(f"failed to apply transaction: 0x{transaction_hash.hex()} err: {error.message}") from error
    encoded: Json = {
        "accessList": encoding.access_list(result.entries),
        "gasUsed": hex(result.outcome.gas_used),
    }
    if result.outcome.error is not None:
        encoded["error"] = result.outcome.error.message
    return encoded


def _hash_of(arguments: TransactionArguments, request: CallRequest, environment: BlockEnvironment) -> bytes:
    """The hash of the unsigned transaction, which geth's error names."""
    call = SimulatedCall(request, type=unsigned_type(arguments))
    return make_transaction(call, request, arguments.nonce or 0, environment).hash
