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
from rpc.methods.filling import call_request, priority_fee
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
    """The access list of a transaction, and the gas that it uses with it; `error` tells of a run that failed."""
    frame = services.chain.frame_at(block)
    arguments = _with_fees(services, arguments, frame.environment)
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


def _with_fees(
    services: Services, arguments: TransactionArguments, environment: BlockEnvironment
) -> TransactionArguments:
    """The arguments with the fees that geth adds: the suggested tip, and room for a base fee twice the block's.

    Raises ServerError, with geth's texts, for fees that contradict themselves or the fork.
    """
    cap, tip, base_fee = arguments.max_fee_per_gas, arguments.max_priority_fee_per_gas, environment.base_fee_per_gas
    if arguments.max_fee_per_blob_gas == 0:
        raise ServerError("maxFeePerBlobGas, if specified, must be non-zero")
    if arguments.blob_versioned_hashes is not None and arguments.max_fee_per_blob_gas is None:
        arguments = replace(arguments, max_fee_per_blob_gas=2 * (environment.blob_base_fee or 0))
    if arguments.gas_price is not None:
        if arguments.authorization_list is not None:
            raise ServerError("both gasPrice and authorizationList specified")
        if not arguments.gas_price and base_fee is not None:
            raise ServerError("gasPrice must be non-zero after london fork")
        return arguments
    if base_fee is None:
        if cap is not None or tip is not None:
            raise ServerError("maxFeePerGas and maxPriorityFeePerGas are not valid before London is active")
        return replace(arguments, gas_price=priority_fee(services))
    if cap == 0 and tip is not None:
        raise ServerError("maxFeePerGas must be non-zero")
    tip = priority_fee(services) if tip is None else tip
    cap = tip + 2 * base_fee if cap is None else cap
    if cap < tip:
        raise ServerError(f"maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})")
    return replace(arguments, max_fee_per_gas=cap, max_priority_fee_per_gas=tip)
