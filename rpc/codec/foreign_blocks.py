"""Blocks of other nodes as JSON, as the chain's own objects: headers, transactions in several forms, logs, receipts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zevm.chain.types import Authorization, Block, Header, Log, Receipt, Transaction, TransactionType
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import decode_fields, require_fields
from zevm.rpc.codec.scalars import Decoder
from zevm.rpc.errors import InvalidParamsError

BlobPrice = Callable[[Header], int | None]
"""Wei per blob gas in the block of a header."""


_HEADER_FIELDS: dict[str, tuple[str, Decoder]] = {
    "parentHash": ("parent_hash", scalars.hash32),
    "sha3Uncles": ("uncles_hash", scalars.hash32),
    "ommersHash": ("uncles_hash", scalars.hash32),
    "miner": ("coinbase", scalars.address),
    "beneficiary": ("coinbase", scalars.address),
    "stateRoot": ("state_root", scalars.hash32),
    "transactionsRoot": ("transactions_root", scalars.hash32),
    "receiptsRoot": ("receipts_root", scalars.hash32),
    "logsBloom": ("logs_bloom", scalars.fixed_data(256, "types.Bloom")),
    "difficulty": ("difficulty", scalars.number),
    "number": ("number", scalars.number),
    "gasLimit": ("gas_limit", scalars.number),
    "gasUsed": ("gas_used", scalars.number),
    "timestamp": ("timestamp", scalars.number),
    "extraData": ("extra_data", scalars.data),
    "mixHash": ("mix_hash", scalars.hash32),
    "nonce": ("nonce", scalars.fixed_data(8, "types.BlockNonce")),
    "baseFeePerGas": ("base_fee_per_gas", scalars.number),
    "withdrawalsRoot": ("withdrawals_root", scalars.hash32),
    "blobGasUsed": ("blob_gas_used", scalars.number),
    "excessBlobGas": ("excess_blob_gas", scalars.number),
    "parentBeaconBlockRoot": ("parent_beacon_block_root", scalars.hash32),
    "requestsHash": ("requests_hash", scalars.hash32),
}


def header(value: object) -> Header:
    """A header of a block's or a header's members. Raises InvalidParamsError."""
    decoded = decode_fields(value, _HEADER_FIELDS)
    if "parent_hash" not in decoded:
        raise InvalidParamsError("missing required field 'parentHash' for Header")
    return Header(**decoded)


_TAGS = {
    "Legacy": TransactionType.LEGACY,
    "EIP2930": TransactionType.ACCESS_LIST,
    "EIP1559": TransactionType.DYNAMIC_FEE,
    "EIP4844": TransactionType.BLOB,
    "EIP7702": TransactionType.SET_CODE,
}
_AUTHORIZATION_FIELDS: dict[str, tuple[str, Decoder]] = {
    "chainId": ("chain_id", scalars.number),
    "address": ("address", scalars.address),
    "nonce": ("nonce", scalars.number),
    "v": ("y_parity", scalars.number),
    "yParity": ("y_parity", scalars.number),
    "r": ("r", scalars.number),
    "s": ("s", scalars.number),
}


def _authorization(value: object) -> Authorization:
    decoded = decode_fields(value, _AUTHORIZATION_FIELDS)
    require_fields(decoded, _AUTHORIZATION_FIELDS, "SetCodeAuthorization")
    return Authorization(**decoded)


_TRANSACTION_FIELDS: dict[str, tuple[str, Decoder]] = {
    "chainId": ("chain_id", scalars.number),
    "nonce": ("nonce", scalars.number),
    "gas": ("gas_limit", scalars.number),
    "gasLimit": ("gas_limit", scalars.number),
    "to": ("to", scalars.address),
    "value": ("value", scalars.number),
    "input": ("data", scalars.data),
    "accessList": ("access_list", scalars.tuple_of(objects.access_list_entry)),
    "maxFeePerBlobGas": ("max_fee_per_blob_gas", scalars.number),
    "blobVersionedHashes": ("blob_versioned_hashes", scalars.tuple_of(scalars.hash32)),
    "authorizationList": ("authorization_list", scalars.tuple_of(_authorization)),
    "r": ("r", scalars.number),
    "s": ("s", scalars.number),
}


def transaction(value: dict[str, Any]) -> Transaction:
    """A transaction of a block in any of the forms; an impersonated account's comes with its sender."""
    sender = value.get("impersonated_sender")
    fields, kind = _untagged(value.get("transaction", value))
    signature = fields.get("signature")
    fields = {**fields, **signature} if type(signature) is dict else fields
    decoded = decode_fields(fields, _TRANSACTION_FIELDS)
    legacy = kind in (TransactionType.LEGACY, TransactionType.ACCESS_LIST)
    prices = ("gasPrice", "gasPrice") if legacy else ("maxPriorityFeePerGas", "maxFeePerGas")
    tip, cap = [scalars.number(fields.get(name) or 0) for name in prices]
    parity, chain_id = _parity(kind, fields, decoded.pop("chain_id", None))
    transaction = Transaction(
        **decoded,
        type=kind,
        chain_id=chain_id,
        y_parity=parity,
        max_priority_fee_per_gas=tip,
        max_fee_per_gas=cap,
    )
    return transaction if sender is None else transaction.impersonating(scalars.address(sender))


def _untagged(value: object) -> tuple[dict[str, Any], TransactionType]:
    fields = scalars.json_object(value)
    tag = next((tag for tag in _TAGS if tag in fields), None)
    if tag is not None:
        inner = scalars.json_object(fields[tag])
        return scalars.json_object(inner.get("tx", inner)), _TAGS[tag]
    number = scalars.number(fields.get("type") or 0)
    if number not in tuple(TransactionType):
        raise InvalidParamsError(f"transaction type {number} is not supported")
    return fields, TransactionType(number)


def _parity(kind: TransactionType, fields: dict[str, Any], chain_id: int | None) -> tuple[int, int | None]:
    """The signature's parity and the chain id, which a legacy transaction encodes in `v`."""
    given = fields.get("v", fields.get("yParity"))
    v = scalars.number(0 if given is None else given)
    if kind is not TransactionType.LEGACY:
        return v & 1, chain_id
    if v >= 35:
        return (v - 35) & 1, (v - 35) // 2
    return (v - 27) & 1 if v >= 27 else v, None


_LOG_FIELDS: dict[str, tuple[str, Decoder]] = {
    "address": ("address", scalars.address),
    "topics": ("topics", scalars.tuple_of(scalars.hash32)),
    "data": ("data", scalars.data),
}


def log(value: object) -> Log:
    """A log. Raises InvalidParamsError."""
    return Log(**{"topics": (), "data": b""} | decode_fields(value, _LOG_FIELDS))


def completed(block: Block, receipts: Sequence[Receipt], blob_price: BlobPrice) -> Iterator[Receipt]:
    """The receipts with the values that derive from the block: each one's own gas, prices."""
    before = 0
    for transaction, receipt in zip(block.transactions, receipts, strict=True):
        has_blobs = transaction.type is TransactionType.BLOB
        yield Receipt(
            type=transaction.type,
            status=receipt.status,
            cumulative_gas_used=receipt.cumulative_gas_used,
            logs=receipt.logs,
            bloom=receipt.bloom,
            sender=receipt.sender,
            gas_used=receipt.cumulative_gas_used - before,
            effective_gas_price=transaction.effective_gas_price(block.header.base_fee_per_gas),
            contract_address=receipt.contract_address,
            blob_gas_used=transaction.blob_gas if has_blobs else None,
            blob_gas_price=blob_price(block.header) if has_blobs else None,
            post_state=receipt.post_state,
        )
        before = receipt.cumulative_gas_used
