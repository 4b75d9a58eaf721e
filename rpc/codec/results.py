"""Result encoders: chain values to JSON objects with geth's fields, in one pass and without copies."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.tracing.encoded import Parts, use_up
from zevm.chain.types import AccessListEntry, Authorization, Block, Header, Log, Receipt, Transaction, TransactionType
from zevm.chain.types.block import Withdrawal
from zevm.rpc.codec.hex_json import Fields, hex_json, shown
from zevm.storage.primitives import Address, Hash32

Json = dict[str, Any]

SHORT_RECEIPT_LOGS = 64
SHORT_RECEIPT_BYTES = 32 * 1024
"""A receipt of more logs, or more data in them, is made into text in several steps."""


def hexadecimal(value: bytes) -> str:
    """Bytes as 0x-prefixed hex."""
    return "0x" + value.hex()


def optional_bytes(value: bytes | None) -> str | None:
    """Bytes as hex, None as null."""
    return None if value is None else "0x" + value.hex()


def word(value: int) -> str:
    """A storage value as 32 bytes of hex."""
    return f"0x{value:064x}"


def header(value: Header) -> Json:
    """A header in the form of eth_getHeaderByNumber and newHeads, without the fields that its fork lacks."""
    encoded = {
        "number": hex(value.number),
        "hash": "0x" + value.hash.hex(),
        "parentHash": "0x" + value.parent_hash.hex(),
        "nonce": "0x" + value.nonce.hex(),
        "mixHash": "0x" + value.mix_hash.hex(),
        "sha3Uncles": "0x" + value.uncles_hash.hex(),
        "logsBloom": "0x" + value.logs_bloom.hex(),
        "stateRoot": "0x" + value.state_root.hex(),
        "miner": "0x" + value.coinbase.hex(),
        "difficulty": hex(value.difficulty),
        "extraData": "0x" + value.extra_data.hex(),
        "gasLimit": hex(value.gas_limit),
        "gasUsed": hex(value.gas_used),
        "timestamp": hex(value.timestamp),
        "transactionsRoot": "0x" + value.transactions_root.hex(),
        "receiptsRoot": "0x" + value.receipts_root.hex(),
    }
    _add_fork_fields(encoded, value)
    return encoded


def _add_fork_fields(encoded: Json, value: Header) -> None:
    if value.base_fee_per_gas is not None:
        encoded["baseFeePerGas"] = hex(value.base_fee_per_gas)
    if value.withdrawals_root is not None:
        encoded["withdrawalsRoot"] = "0x" + value.withdrawals_root.hex()
    if value.blob_gas_used is not None:
        encoded["blobGasUsed"] = hex(value.blob_gas_used)
    if value.excess_blob_gas is not None:
        encoded["excessBlobGas"] = hex(value.excess_blob_gas)
    if value.parent_beacon_block_root is not None:
        encoded["parentBeaconBlockRoot"] = "0x" + value.parent_beacon_block_root.hex()
    if value.requests_hash is not None:
        encoded["requestsHash"] = "0x" + value.requests_hash.hex()


PENDING_NULLS = ("hash", "nonce", "miner")


def block(value: Block, *, full: bool, senders: Sequence[Address] | None = None, pending: bool = False) -> Json:
    """A block with transaction hashes, or with transaction objects when `full`.

    senders: of the transactions if known (from receipts); otherwise they are recovered.
    pending: hash, nonce and miner are null, as in geth, and its transactions have no block.
    """
    encoded = header(value.header)
    encoded["size"] = hex(value.size)
    if full:
        encoded["transactions"] = [
            transaction(
                item,
                None if pending else value.header,
                index,
                sender=None if senders is None else senders[index],
            )
            for index, item in enumerate(value.transactions)
        ]
    else:
        encoded["transactions"] = ["0x" + item.hash.hex() for item in value.transactions]
    encoded["uncles"] = ["0x" + uncle.hash.hex() for uncle in value.uncles]
    if value.withdrawals is not None:
        encoded["withdrawals"] = [withdrawal(item) for item in value.withdrawals]
    if pending:
        encoded.update(dict.fromkeys(PENDING_NULLS))
    return encoded


def withdrawal(value: Withdrawal) -> Json:
    """A withdrawal; the amount in gwei."""
    return {
        "index": hex(value.index),
        "validatorIndex": hex(value.validator_index),
        "address": "0x" + value.address.hex(),
        "amount": hex(value.amount_gwei),
    }


def access_list(entries: Iterable[AccessListEntry]) -> list[Json]:
    """[{address, storageKeys}]."""
    return [
        {"address": "0x" + entry.address.hex(), "storageKeys": ["0x" + key.hex() for key in entry.storage_keys]}
        for entry in entries
    ]


def _authorization(value: Authorization) -> Json:
    return {
        "chainId": hex(value.chain_id),
        "address": "0x" + value.address.hex(),
        "nonce": hex(value.nonce),
        "yParity": hex(value.y_parity),
        "r": hex(value.r),
        "s": hex(value.s),
    }


def transaction(value: Transaction, container: Header | None, index: int = 0, *, sender: Address | None = None) -> Json:
    """A transaction of the block with header `container`, or a pending one: then the block fields are null.

    sender: the 20-byte address if known; otherwise it is recovered from the signature.
    """
    kind = value.type
    encoded: Json = {
        "blockHash": "0x" + container.hash.hex() if container else None,
        "blockNumber": hex(container.number) if container else None,
        "blockTimestamp": hex(container.timestamp) if container else None,
        "from": "0x" + (value.sender if sender is None else sender).hex(),
        "gas": hex(value.gas_limit),
        "gasPrice": hex(value.max_fee_per_gas),
        "hash": "0x" + value.hash.hex(),
        "input": "0x" + value.data.hex(),
        "nonce": hex(value.nonce),
        "to": None if value.to is None else "0x" + value.to.hex(),
        "transactionIndex": hex(index) if container else None,
        "value": hex(value.value),
        "type": hex(kind),
        "v": hex(value.v),
        "r": hex(value.r),
        "s": hex(value.s),
    }
    if value.chain_id is not None:
        encoded["chainId"] = hex(value.chain_id)
    if kind is not TransactionType.LEGACY:
        _add_typed_fields(encoded, value, container)
    return encoded


def _add_typed_fields(encoded: Json, value: Transaction, container: Header | None) -> None:
    encoded["accessList"] = access_list(value.access_list)
    encoded["yParity"] = hex(value.y_parity)
    if value.type is TransactionType.ACCESS_LIST:
        return
    encoded["maxFeePerGas"] = hex(value.max_fee_per_gas)
    encoded["maxPriorityFeePerGas"] = hex(value.max_priority_fee_per_gas)
    if container is not None:
        encoded["gasPrice"] = hex(value.effective_gas_price(container.base_fee_per_gas))
    if value.type is TransactionType.BLOB:
        encoded["maxFeePerBlobGas"] = hex(value.max_fee_per_blob_gas)
        encoded["blobVersionedHashes"] = ["0x" + item.hex() for item in value.blob_versioned_hashes]
    elif value.type is TransactionType.SET_CODE:
        encoded["authorizationList"] = [_authorization(item) for item in value.authorization_list]


def log_fields(
    value: Log,
    container: Header,
    transaction_hash: Hash32,
    transaction_index: int,
    log_index: int,
    *,
    removed: bool = False,
) -> Fields:
    """A log, for hex_json; `log_index` counts within the block."""
    return {
        "address": value.address,
        "topics": value.topics,
        "data": value.data,
        "blockNumber": container.number,
        "transactionHash": transaction_hash,
        "transactionIndex": transaction_index,
        "blockHash": container.hash,
        "blockTimestamp": container.timestamp,
        "logIndex": log_index,
        "removed": removed,
    }


def _log_record(record: LogRecord) -> Fields:
    log = record.log
    return {
        "address": log.address,
        "topics": log.topics,
        "data": log.data,
        "blockNumber": record.block_number,
        "transactionHash": record.transaction_hash,
        "transactionIndex": record.transaction_index,
        "blockHash": record.block_hash,
        "blockTimestamp": record.block_timestamp,
        "logIndex": record.log_index,
        "removed": False,
    }


def log_record(record: LogRecord) -> Json:
    """A log that a search has found."""
    found: Json = shown(_log_record(record))
    return found


def encoded_log_record(record: LogRecord) -> bytes:
    """The same as JSON."""
    return hex_json(_log_record(record))


def receipt_fields(
    value: Receipt, container: Header, transaction: Transaction, transaction_index: int, first_log_index: int
) -> Fields:
    """A receipt, for hex_json. first_log_index: how many logs the block's earlier transactions have."""
    transaction_hash = transaction.hash
    place: Fields = {
        "blockNumber": container.number,
        "transactionHash": transaction_hash,
        "transactionIndex": transaction_index,
        "blockHash": container.hash,
        "blockTimestamp": container.timestamp,
    }
    fields: Fields = {
        "blockHash": container.hash,
        "blockNumber": container.number,
        "contractAddress": value.contract_address,
        "cumulativeGasUsed": value.cumulative_gas_used,
        "effectiveGasPrice": value.effective_gas_price,
        "from": value.sender,
        "gasUsed": value.gas_used,
        "logs": [
            {"address": log.address, "topics": log.topics, "data": log.data}
            | place
            | {"logIndex": first_log_index + position, "removed": False}
            for position, log in enumerate(value.logs)
        ],
        "logsBloom": value.bloom,
        "to": transaction.to,
        "transactionHash": transaction_hash,
        "transactionIndex": transaction_index,
        "type": value.type,
    }
    if value.status is None:
        fields["root"] = value.post_state
    else:
        fields["status"] = value.status
    if value.blob_gas_used is not None:
        fields["blobGasUsed"] = value.blob_gas_used
        fields["blobGasPrice"] = value.blob_gas_price or 0
    return fields


def receipt(
    value: Receipt, container: Header, transaction: Transaction, transaction_index: int, first_log_index: int
) -> Json:
    """A receipt. first_log_index: how many logs the block's earlier transactions have."""
    made: Json = shown(receipt_fields(value, container, transaction, transaction_index, first_log_index))
    return made


def receipt_parts(fields: Fields, logs: Sequence[Log]) -> Parts:
    """A receipt of these logs as JSON text: at once where it is short, else some of its values at a time."""
    is_short = len(logs) <= SHORT_RECEIPT_LOGS and sum([len(log.data) for log in logs]) <= SHORT_RECEIPT_BYTES
    return [hex_json(fields)] if is_short else use_up(shown(fields))


def receipts(value: Block, items: Sequence[Receipt]) -> Iterator[Json]:
    """All receipts of a block in the form of eth_getBlockReceipts, one by one."""
    return map(shown, _all_receipts(value, items))


def encoded_receipts(value: Block, items: Sequence[Receipt]) -> Iterator[Parts]:
    """The same as JSON text."""
    for fields, item in zip(_all_receipts(value, items), items, strict=True):
        yield receipt_parts(fields, item.logs)


def _all_receipts(value: Block, items: Sequence[Receipt]) -> Iterator[Fields]:
    logs_before = 0
    for index, (item, transaction) in enumerate(zip(items, value.transactions, strict=True)):
        yield receipt_fields(item, value.header, transaction, index, logs_before)
        logs_before += len(item.logs)
