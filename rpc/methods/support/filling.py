"""Completion of a client's fields: call messages to execute and transactions to sign."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.call import GasEstimation
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.fees import BlockTips, suggested_tip
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.gas import TRANSACTION_GAS
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.block_reference import PENDING
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.interface import CallRequest
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.errors import ChainIdError, ServerError
from zevm.rpc.methods.eth.state import next_nonce
from zevm.rpc.methods.support.blob_arguments import carries_blobs, check_blobs, hashes_of, named_hashes, sidecar_of
from zevm.rpc.methods.support.reading import account_of, code_of
from zevm.rpc.services import Services
from zevm.storage.account import StateReader
from zevm.storage.primitives import ZERO_ADDRESS, Address

_RESERVED_ADDRESSES = 1 << 16
"""Lower addresses may be precompiles, whose gas an estimate must measure."""


def call_request(services: Services, arguments: TransactionArguments, *, default_gas: int) -> CallRequest:
    """The message that eth_call and eth_estimateGas execute, with `default_gas` if the client gives no gas."""
    if arguments.chain_id is not None:
        check_chain_id(services, arguments)
    price, most = arguments.gas_price, services.limits.call_gas
    gas_limit = default_gas if arguments.gas is None else arguments.gas
    return CallRequest(
        arguments.sender or ZERO_ADDRESS,
        arguments.to,
        gas_limit if gas_limit < most else most,
        arguments.value or 0,
        arguments.data,
        (arguments.max_fee_per_gas or 0) if price is None else price,
        (arguments.max_priority_fee_per_gas or 0) if price is None else price,
        arguments.access_list or (),
        arguments.authorization_list,
        named_hashes(services, arguments) if carries_blobs(arguments) else None,
        arguments.max_fee_per_blob_gas or 0,
    )


def traced_call(services: Services, arguments: TransactionArguments) -> CallRequest:
    """The call of a trace; it may use what every call may, unless it says how much. Raises as `call_request`."""
    return call_request(services, arguments, default_gas=services.limits.call_gas)


def check_chain_id(services: Services, arguments: TransactionArguments) -> None:
    """Refuse a transaction that names another chain, with geth's text."""
    want = services.chain.chain_id
    if arguments.chain_id is not None and arguments.chain_id != want:
        raise ChainIdError(f"chainId does not match node's (have={arguments.chain_id}, want={want})")


def priority_fee(services: Services) -> int:
    """The suggested tip in wei per gas: by the tips of the newest blocks after the chain's first one."""
    chain = services.chain

    def newest_first() -> Iterator[BlockTips]:
        # only these: what a fork pays is up to itself, and its origin's blocks are long to read
        block_hash, first = chain.head.header.hash, chain.genesis.number
        for _ in range(first, chain.head.number):
            tips = chain.records.tips(block_hash)
            if tips is None:
                return
            yield tips
            block_hash = tips.parent_hash

    return suggested_tip(
        newest_first(),
        minimum_wei=chain.options.minimum_suggested_tip_wei,
        ignore_unforced=chain.is_for_development,
    )


def gas_price(services: Services) -> int:
    """The suggested price in wei per gas: the next base fee and the suggested tip, or the minimum of the blocks."""
    return _price(services, services.chain.next_base_fee())


def _price(services: Services, base_fee: int | None) -> int:
    return max((base_fee or 0) + priority_fee(services), services.chain.settings.minimum_gas_price)


@dataclass(frozen=True, slots=True)
class Place:
    """The position where a transaction will execute, which determines its defaults.

    environment: of its block. nonce_of: the next nonce of an account. state: its initial state, None while preceding
    transactions are not executed; `frame` executes them.
    """

    environment: BlockEnvironment
    nonce_of: Callable[[Address], int]
    state: StateReader | None
    frame: Callable[[], CallFrame]


def next_place(services: Services, deadline: Deadline | None = None) -> Place:
    """The next block, after the pool's transactions. deadline: see ChainView.frame_at."""
    chain = services.chain
    return Place(
        environment=chain.next_context().environment,
        nonce_of=partial(next_nonce, services),
        state=None if chain.pool.executable_count else chain.head.state,
        frame=partial(chain.frame_at, PENDING, deadline),
    )


def place_in(frame: CallFrame) -> Place:
    """A block under construction, after its transactions."""
    return Place(
        environment=frame.environment,
        nonce_of=lambda sender: account_of(frame.reader, sender).nonce,
        state=frame.reader,
        frame=lambda: frame,
    )


def fill_transaction(
    services: Services, arguments: TransactionArguments, *, deadline: Deadline, place: Place | None = None
) -> Transaction:
    """The unsigned transaction with the client's omissions filled in: type, nonce, fees, and then gas.

    place: where it will execute; None for the next block. Estimates up to `deadline`, so it runs on
    a worker or on the writer. Raises ServerError with geth's texts, ExecutionRevertedError if the estimate reverts.
    """
    place = place or next_place(services, deadline)
    check_chain_id(services, arguments)
    check_blobs(arguments, place.environment.rules)
    _check_authorizations(arguments)
    _check_creation(arguments)
    sidecar = sidecar_of(arguments)
    arguments = arguments._replace(blob_versioned_hashes=hashes_of(arguments, sidecar))
    kind = _type_of(arguments, place.environment)
    arguments = _with_fees(services, arguments, kind, place.environment)
    gas = _gas_limit(services, arguments, place, deadline) if arguments.gas is None else arguments.gas
    price = arguments.gas_price
    return Transaction(
        type=kind,
        chain_id=_signed_chain_id(services, kind, place.environment),
        nonce=place.nonce_of(arguments.sender or ZERO_ADDRESS) if arguments.nonce is None else arguments.nonce,
        max_priority_fee_per_gas=(arguments.max_priority_fee_per_gas or 0) if price is None else price,
        max_fee_per_gas=(arguments.max_fee_per_gas or 0) if price is None else price,
        gas_limit=gas,
        to=arguments.to,
        value=arguments.value or 0,
        data=arguments.data,
        access_list=arguments.access_list or (),
        authorization_list=arguments.authorization_list or (),
        max_fee_per_blob_gas=arguments.max_fee_per_blob_gas or 0,
        blob_versioned_hashes=arguments.blob_versioned_hashes or (),
        sidecar=sidecar,
    )


def _signed_chain_id(services: Services, kind: TransactionType, environment: BlockEnvironment) -> int | None:
    """The chain id that the signature covers; None of a legacy transaction before EIP-155."""
    if kind is TransactionType.LEGACY and environment.rules.fork < Fork.SPURIOUS_DRAGON:
        return None
    return services.chain.chain_id


def _check_authorizations(arguments: TransactionArguments) -> None:
    if arguments.authorization_list is None:
        return
    if arguments.to is None:
        raise ServerError("EIP-7702 transaction cannot be used to create contract")
    if not arguments.authorization_list:
        raise ServerError("EIP-7702 transaction with empty auth list")


def _check_creation(arguments: TransactionArguments) -> None:
    if arguments.to is not None:
        return
    if carries_blobs(arguments):
        raise ServerError('missing "to" in blob transaction')
    if not arguments.data:
        raise ServerError("contract creation without any data provided")


def _type_of(arguments: TransactionArguments, environment: BlockEnvironment) -> TransactionType:
    """The requested type, or the one that the fields imply."""
    if arguments.authorization_list is not None:
        return TransactionType.SET_CODE
    if carries_blobs(arguments):
        return TransactionType.BLOB
    if arguments.type in (TransactionType.LEGACY, TransactionType.ACCESS_LIST) and not _has_dynamic_fee(arguments):
        return TransactionType(arguments.type)
    if arguments.gas_price is None and environment.base_fee_per_gas is not None:
        return TransactionType.DYNAMIC_FEE
    if _has_dynamic_fee(arguments):
        raise ServerError("maxFeePerGas and maxPriorityFeePerGas are not valid before London is active")
    return TransactionType.LEGACY if arguments.access_list is None else TransactionType.ACCESS_LIST


def _has_dynamic_fee(arguments: TransactionArguments) -> bool:
    return arguments.max_fee_per_gas is not None or arguments.max_priority_fee_per_gas is not None


def _with_fees(
    services: Services, arguments: TransactionArguments, kind: TransactionType, environment: BlockEnvironment
) -> TransactionArguments:
    """The arguments with every fee, in wei per gas: a price for types 0 and 1, else fee cap and tip."""
    if carries_blobs(arguments) and arguments.max_fee_per_blob_gas is None:
        arguments = arguments._replace(max_fee_per_blob_gas=2 * (environment.blob_base_fee or 1))
    if arguments.gas_price is not None:
        return arguments
    base_fee = environment.base_fee_per_gas or 0
    if kind in (TransactionType.LEGACY, TransactionType.ACCESS_LIST):
        return arguments._replace(gas_price=_price(services, base_fee))
    cap, tip = arguments.max_fee_per_gas, arguments.max_priority_fee_per_gas
    if cap == 0 and base_fee:
        raise ServerError("maxFeePerGas must be non-zero")
    if tip is None:
        suggested = priority_fee(services)
        tip = suggested if cap is None else min(suggested, cap)
    cap = max(tip + 2 * base_fee, services.chain.settings.minimum_gas_price) if cap is None else cap
    return arguments._replace(max_fee_per_gas=cap, max_priority_fee_per_gas=tip)


def execution_deadline(services: Services) -> Deadline:
    """When an execution that begins now has to end."""
    return Deadline.after(services.limits.evm_timeout_seconds)


def _gas_limit(services: Services, arguments: TransactionArguments, place: Place, deadline: Deadline) -> int:
    if _is_plain_transfer(arguments, place.state):
        return TRANSACTION_GAS
    frame = place.frame()
    request = _payable(call_request(services, arguments, default_gas=0), frame)
    return GasEstimation(frame, request, gas_cap=services.limits.call_gas, deadline=deadline).run()


def _payable(request: CallRequest, frame: CallFrame) -> CallRequest:
    """The message to estimate. If it cannot pay now, the pool decides; the estimate omits the fees."""
    environment, balance_wei = frame.environment, account_of(frame.reader, request.sender).balance
    fee_wei = TRANSACTION_GAS * request.max_fee_per_gas
    if request.max_fee_per_gas < (environment.base_fee_per_gas or 0) or balance_wei < fee_wei:
        request = request._replace(max_fee_per_gas=0, max_priority_fee_per_gas=0)
    if request.max_fee_per_blob_gas < (environment.blob_base_fee or 0) or balance_wei < fee_wei:
        request = request._replace(max_fee_per_blob_gas=0)
    return request


def _is_plain_transfer(arguments: TransactionArguments, state: StateReader | None) -> bool:
    """Whether the gas is known without an execution: ether to an account without code."""
    to = arguments.to
    return (
        to is not None
        and state is not None
        and int.from_bytes(to, "big") >= _RESERVED_ADDRESSES
        and not arguments.data
        and not arguments.access_list
        and not arguments.authorization_list
        and not code_of(state, to)
    )
