"""Execution payloads of a consensus client, and their blocks.

Which version of a method takes which fork is one table. Source: execution-apis, src/engine/*.md; geth's texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.blocks.execution import BodyRoots, body_roots
from zevm.chain.engine.errors import InvalidParametersError, UnsupportedForkError
from zevm.chain.errors import ChainError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Block, Header, Transaction
from zevm.chain.types.block import Withdrawal
from zevm.chain.types.header import MAX_EXTRA_DATA_BYTES
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.executor import requests_hash
from zevm.storage.primitives import Address, Hash32
from zevm.storage.rlp import RlpError

NEW_PAYLOAD_FORKS = {
    3: (Fork.CANCUN, Fork.CANCUN, "newPayloadV3 must only be called for cancun payloads"),
    4: (Fork.PRAGUE, Fork.BPO2, "newPayloadV4 must only be called for prague/osaka payloads"),
}
"""Version -> first and last fork, and geth's text for another."""

_BLOOM_BYTES = 256


class PayloadError(ChainError):
    """The payload is no well-formed block, whatever its parent."""


class BlockHashError(PayloadError):
    """The payload's block has another hash than the payload says."""


@dataclass(frozen=True, slots=True)
class ExecutionPayload:
    """ExecutionPayloadV1 to V3; fields that the version lacks are None. Transactions are EIP-2718 bytes."""

    parent_hash: Hash32
    fee_recipient: Address
    state_root: Hash32
    receipts_root: Hash32
    logs_bloom: bytes
    prev_randao: bytes
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    base_fee_per_gas: int
    block_hash: Hash32
    transactions: tuple[bytes, ...]
    withdrawals: tuple[Withdrawal, ...] | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None


@dataclass(frozen=True, slots=True)
class PayloadCall:
    """The parameters of engine_newPayload, as they were given; None for those that were not."""

    version: int
    payload: ExecutionPayload
    versioned_hashes: tuple[bytes, ...] | None = None
    parent_beacon_block_root: bytes | None = None
    requests: tuple[bytes, ...] | None = None


def check_version(call: PayloadCall, fork: Fork) -> None:
    """Whether the parameters fit the method's version. Raises InvalidParametersError, UnsupportedForkError."""
    payload = call.payload
    if call.version <= 2:
        _check_old_version(call, fork)
        return
    needed: dict[str, object] = {
        "withdrawals post-shanghai": payload.withdrawals,
        "excessBlobGas post-cancun": payload.excess_blob_gas,
        "blobGasUsed post-cancun": payload.blob_gas_used,
        "versionedHashes post-cancun": call.versioned_hashes,
        "beaconRoot post-cancun": call.parent_beacon_block_root,
    }
    if call.version >= 4:
        needed["executionRequests post-prague"] = call.requests
    for name, value in needed.items():
        if value is None:
            raise InvalidParametersError(f"nil {name}")
    first, last, text = NEW_PAYLOAD_FORKS[call.version]
    if not first <= fork <= last:
        raise UnsupportedForkError(text)
    _check_requests(call.requests or ())


def _check_old_version(call: PayloadCall, fork: Fork) -> None:
    payload = call.payload
    if call.version == 1:
        if payload.withdrawals is not None:
            raise InvalidParametersError("withdrawals not supported in V1")
        return
    if fork >= Fork.CANCUN:
        raise UnsupportedForkError("can't use newPayloadV2 post-cancun")
    if fork >= Fork.SHANGHAI and payload.withdrawals is None:
        raise InvalidParametersError("nil withdrawals post-shanghai")
    if fork < Fork.SHANGHAI and payload.withdrawals is not None:
        raise InvalidParametersError("non-nil withdrawals pre-shanghai")
    if payload.excess_blob_gas is not None:
        raise InvalidParametersError("non-nil excessBlobGas pre-cancun")
    if payload.blob_gas_used is not None:
        raise InvalidParametersError("non-nil blobGasUsed pre-cancun")


def _check_requests(requests: Sequence[bytes]) -> None:
    """Requests are not empty, and ascend by type (EIP-7685)."""
    for index, request in enumerate(requests):
        if len(request) < 2:
            raise InvalidParametersError(f"empty request: 0x{request.hex()}")
        if index and request[0] <= requests[index - 1][0]:
            raise InvalidParametersError(f"invalid request order: 0x{request[:1].hex()}")


def roots_of(block: Block) -> BodyRoots:
    """The roots of the lists of a block that `to_block` has made."""
    return BodyRoots(block.header.transactions_root, block.header.withdrawals_root)


def to_block(call: PayloadCall) -> Block:
    """The block of a payload. Raises PayloadError for what no parent could make valid."""
    payload = call.payload
    transactions = tuple(_decode(index, data) for index, data in enumerate(payload.transactions))
    if len(payload.extra_data) > MAX_EXTRA_DATA_BYTES:
        raise PayloadError(f"invalid extradata length: {len(payload.extra_data)}")
    if len(payload.logs_bloom) != _BLOOM_BYTES:
        raise PayloadError(f"invalid logsBloom length: {len(payload.logs_bloom)}")
    _check_versioned_hashes(transactions, call.versioned_hashes or ())
    withdrawals = payload.withdrawals
    roots = body_roots(transactions, withdrawals)
    header = Header(
        parent_hash=payload.parent_hash,
        coinbase=payload.fee_recipient,
        state_root=payload.state_root,
        transactions_root=roots.transactions,
        receipts_root=payload.receipts_root,
        logs_bloom=payload.logs_bloom,
        number=payload.number,
        gas_limit=payload.gas_limit,
        gas_used=payload.gas_used,
        timestamp=payload.timestamp,
        extra_data=payload.extra_data,
        mix_hash=payload.prev_randao,
        base_fee_per_gas=payload.base_fee_per_gas,
        withdrawals_root=roots.withdrawals,
        blob_gas_used=payload.blob_gas_used,
        excess_blob_gas=payload.excess_blob_gas,
        parent_beacon_block_root=call.parent_beacon_block_root,
        requests_hash=None if call.requests is None else requests_hash(call.requests),
    )
    if header.hash != payload.block_hash:
        raise BlockHashError(f"blockhash mismatch, want {payload.block_hash.hex()}, got {header.hash.hex()}")
    return Block(header, transactions, withdrawals=withdrawals)


def _decode(index: int, data: bytes) -> Transaction:
    try:
        transaction = Transaction.decode(data)
        if transaction.sidecar is not None:
            raise PayloadError(f"invalid transaction {index}: blobs do not belong into a block")
        # what this node sends for impersonated accounts has no signature, and only development blocks hold it
        if transaction.is_impersonated:
            raise InvalidSignatureError
    except (RlpError, InvalidSignatureError) as error:
        raise PayloadError(f"invalid transaction {index}: {error}") from error
    return transaction


def _check_versioned_hashes(transactions: Sequence[Transaction], wanted: Sequence[bytes]) -> None:
    held = [item for transaction in transactions for item in transaction.blob_versioned_hashes]
    if len(held) != len(wanted):
        raise PayloadError(f"invalid number of versionedHashes: {_shown(wanted)} blobHashes: {_shown(held)}")
    for index, (have, want) in enumerate(zip(held, wanted, strict=True)):
        if have != want:
            raise PayloadError(f"invalid versionedHash at {index}: 0x{want.hex()} blobHash: 0x{have.hex()}")


def _shown(hashes: Sequence[bytes]) -> str:
    return "[" + " ".join(f"0x{item.hex()}" for item in hashes) + "]"
