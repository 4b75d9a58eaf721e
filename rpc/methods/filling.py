"""From what a client gives to what can be executed or signed: call messages and complete transactions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chain.blobs import make_sidecar, versioned_hash
from chain.fees import suggested_tip
from chain.references import PENDING
from chain.types import BlobSidecar, Header, Receipt, Transaction, TransactionType
from chain.vm.interface import CallRequest
from rpc.codec_objects import TransactionArguments
from rpc.errors import ChainIdError, ServerError
from rpc.methods.eth_state import next_nonce
from rpc.methods.reading import code_of
from rpc.services import Services

PLAIN_TRANSFER_GAS = 21_000
_RESERVED_ADDRESSES = 1 << 16
"""Addresses below may be precompiles, whose price an estimate has to find."""


def call_request(services: Services, arguments: TransactionArguments, *, default_gas: int) -> CallRequest:
    """The message that eth_call and eth_estimateGas execute. `default_gas` where the client gives none."""
    check_chain_id(services, arguments)
    price = arguments.gas_price
    gas_limit = default_gas if arguments.gas is None else arguments.gas
    return CallRequest(
        sender=arguments.sender or bytes(20),
        to=arguments.to,
        gas_limit=min(gas_limit, services.limits.call_gas),
        value=arguments.value or 0,
        data=arguments.data,
        max_fee_per_gas=(arguments.max_fee_per_gas or 0) if price is None else price,
        max_priority_fee_per_gas=(arguments.max_priority_fee_per_gas or 0) if price is None else price,
        access_list=arguments.access_list or (),
        authorization_list=arguments.authorization_list or (),
        blob_versioned_hashes=arguments.blob_versioned_hashes or (),
        max_fee_per_blob_gas=arguments.max_fee_per_blob_gas or 0,
    )


def check_chain_id(services: Services, arguments: TransactionArguments) -> None:
    """Refuse a transaction that names another chain, in geth's words."""
    want = services.chain.chain_id
    if arguments.chain_id is not None and arguments.chain_id != want:
        raise ChainIdError(f"chainId does not match node's (have={arguments.chain_id}, want={want})")


def priority_fee(services: Services) -> int:
    """The suggested tip in wei per gas."""
    chain = services.chain
    head = chain.head.header

    def newest_first() -> Iterator[tuple[Header, Sequence[Receipt]]]:
        header = head
        while True:
            yield header, chain.receipts(header.hash) or ()
            parent = chain.header_by_hash(header.parent_hash)
            if parent is None:
                return
            header = parent

    return suggested_tip(newest_first(), minimum_wei=chain.options.minimum_suggested_tip_wei)


def gas_price(services: Services) -> int:
    """The suggested price in wei per gas: the next base fee and the suggested tip."""
    return (services.chain.next_base_fee() or 0) + priority_fee(services)


def fill_transaction(services: Services, arguments: TransactionArguments, *, deadline: float) -> Transaction:
    """The unsigned transaction with what the client left out: type, nonce, fees, gas limit.

    Estimates up to `deadline` (time.monotonic()), so it runs on a worker or on the writer. Raises ServerError
    with geth's texts, ExecutionRevertedError where the estimate reverts.
    """
    check_chain_id(services, arguments)
    _check_creation(arguments)
    kind = _type_of(services, arguments)
    cap, tip = _fees(services, arguments, kind)
    sender = arguments.sender or bytes(20)
    arguments = replace(
        arguments,
        nonce=next_nonce(services, sender) if arguments.nonce is None else arguments.nonce,
        gas=_gas_limit(services, arguments, deadline) if arguments.gas is None else arguments.gas,
    )
    sidecar = _sidecar(arguments)
    return Transaction(
        type=kind,
        chain_id=services.chain.chain_id,
        nonce=arguments.nonce or 0,
        max_priority_fee_per_gas=tip,
        max_fee_per_gas=cap,
        gas_limit=arguments.gas or 0,
        to=arguments.to,
        value=arguments.value or 0,
        data=arguments.data,
        access_list=arguments.access_list or (),
        authorization_list=arguments.authorization_list or (),
        max_fee_per_blob_gas=_blob_fee(services, arguments),
        blob_versioned_hashes=_blob_hashes(arguments, sidecar),
        sidecar=sidecar,
    )


def _check_creation(arguments: TransactionArguments) -> None:
    if arguments.to is not None:
        return
    if not arguments.data:
        raise ServerError("contract creation without any data provided")
    if arguments.blob_versioned_hashes or arguments.blobs:
        raise ServerError('missing "to" in blob transaction')
    if arguments.authorization_list is not None:
        raise ServerError("EIP-7702 transaction cannot be used to create contract")


def _type_of(services: Services, arguments: TransactionArguments) -> TransactionType:
    """The type asked for, or the one that the fields call for."""
    if arguments.authorization_list is not None:
        return TransactionType.SET_CODE
    if arguments.blob_versioned_hashes or arguments.blobs:
        return TransactionType.BLOB
    if arguments.type in (TransactionType.LEGACY, TransactionType.ACCESS_LIST) and not _has_dynamic_fee(arguments):
        return TransactionType(arguments.type)
    if arguments.gas_price is None and services.chain.next_base_fee() is not None:
        return TransactionType.DYNAMIC_FEE
    if _has_dynamic_fee(arguments):
        raise ServerError("maxFeePerGas and maxPriorityFeePerGas are not valid before London is active")
    return TransactionType.LEGACY if arguments.access_list is None else TransactionType.ACCESS_LIST


def _has_dynamic_fee(arguments: TransactionArguments) -> bool:
    return arguments.max_fee_per_gas is not None or arguments.max_priority_fee_per_gas is not None


def _fees(services: Services, arguments: TransactionArguments, kind: TransactionType) -> tuple[int, int]:
    """(cap, tip) in wei per gas; for types 0 and 1 both are the price."""
    if arguments.gas_price is not None:
        return arguments.gas_price, arguments.gas_price
    if kind in (TransactionType.LEGACY, TransactionType.ACCESS_LIST):
        price = gas_price(services)
        return price, price
    cap, tip = arguments.max_fee_per_gas, arguments.max_priority_fee_per_gas
    if cap == 0:
        raise ServerError("maxFeePerGas must be non-zero")
    if tip is None:
        suggested = priority_fee(services)
        tip = suggested if cap is None else min(suggested, cap)
    if cap is None:
        cap = tip + 2 * (services.chain.next_base_fee() or 0)
    return cap, tip


def execution_deadline(services: Services) -> float:
    """When an execution that begins now has to end, as a value of time.monotonic()."""
    return time.monotonic() + services.limits.evm_timeout_seconds


def _gas_limit(services: Services, arguments: TransactionArguments, deadline: float) -> int:
    if _is_plain_transfer(services, arguments):
        return PLAIN_TRANSFER_GAS
    request = call_request(services, arguments, default_gas=0)
    return services.chain.estimate_gas(request, PENDING, gas_cap=services.limits.call_gas, deadline=deadline)


def _is_plain_transfer(services: Services, arguments: TransactionArguments) -> bool:
    """Whether the gas is known without an execution: ether to an account that has no code."""
    to = arguments.to
    return (
        to is not None
        and int.from_bytes(to, "big") >= _RESERVED_ADDRESSES
        and not arguments.data
        and not arguments.access_list
        and not arguments.authorization_list
        and not services.chain.pool.executable_count
        and not code_of(services.chain.head.state, to)
    )


def _blob_fee(services: Services, arguments: TransactionArguments) -> int:
    """The cap on the blob fee in wei per blob gas: twice the next block's where the client gives none."""
    if arguments.max_fee_per_blob_gas is not None:
        return arguments.max_fee_per_blob_gas
    if not (arguments.blob_versioned_hashes or arguments.blobs):
        return 0
    return 2 * (services.chain.next_blob_base_fee() or 1)


def _sidecar(arguments: TransactionArguments) -> BlobSidecar | None:
    """The client's blobs with their commitments and proofs, computed where they are missing.

    The chain checks what the client gives when the transaction is sent.
    """
    blobs, commitments, proofs = arguments.blobs, arguments.commitments, arguments.proofs
    if blobs is None:
        return None
    if commitments is None and proofs is None:
        return make_sidecar(blobs)
    if commitments is None or proofs is None:
        raise ServerError("blob commitments and proofs are given together, or neither")
    return BlobSidecar(0 if len(proofs) == len(blobs) else 1, blobs, commitments, proofs)


def _blob_hashes(arguments: TransactionArguments, sidecar: BlobSidecar | None) -> tuple[bytes, ...]:
    given = arguments.blob_versioned_hashes
    if sidecar is None:
        return given or ()
    computed = tuple(versioned_hash(commitment) for commitment in sidecar.commitments)
    if given is not None and given != computed:
        raise ServerError("blobVersionedHashes do not match the blobs")
    return computed
