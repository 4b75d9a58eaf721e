"""Transactions, blocks and receipts in the two forms between which the backend stands: eth-tester's and the chain's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zevm.chain.types import Block, Header, Log, Receipt, Transaction
from zevm.chain.types.transaction import AccessListEntry, Authorization, TransactionType
from zevm.storage.primitives import Address

DEFAULT_FEE_WEI = 10**9
"""Fee cap and tip of a transaction that names no fee, as eth-tester's own backend has it."""

LEAST_V_WITH_CHAIN_ID = 35
"""Of a legacy transaction's signature (EIP-155)."""

_DYNAMIC = ("max_fee_per_gas", "max_priority_fee_per_gas")
_SIGNATURE = ("y_parity", "r", "s")


def transaction_from(given: Mapping[str, Any], *, chain_id: int, nonce: int, base_fee_wei: int) -> Transaction:
    """A transaction from eth-tester's fields, unsigned where they have no signature; `nonce` where they have none."""
    kind = type_of(given)
    is_protected = kind != TransactionType.LEGACY or given.get("v", 0) >= LEAST_V_WITH_CHAIN_ID
    fields: dict[str, Any] = {
        "type": kind,
        "chain_id": given.get("chain_id", chain_id if is_protected else None),
        "nonce": given.get("nonce", nonce),
        "gas_limit": given["gas"],
        "to": Address(given["to"]) if given.get("to") else None,
        "value": given.get("value", 0),
        "data": bytes(given.get("data", b"")),
        **_fees(given, base_fee_wei),
    }
    if kind >= TransactionType.ACCESS_LIST:
        fields["access_list"] = tuple(
            AccessListEntry(Address(address), tuple(key.to_bytes(32, "big") for key in keys))
            for address, keys in given.get("access_list", ())
        )
    if kind == TransactionType.SET_CODE:
        fields["authorization_list"] = tuple(_authorization(item) for item in given["authorization_list"])
    return _signed(Transaction(**fields), given)


def type_of(given: Mapping[str, Any]) -> TransactionType:
    """The type that the fields ask for; without any fee, one of dynamic fees."""
    if "authorization_list" in given:
        return TransactionType.SET_CODE
    if "gas_price" not in given:
        return TransactionType.DYNAMIC_FEE
    return TransactionType.ACCESS_LIST if "access_list" in given else TransactionType.LEGACY


def _fees(given: Mapping[str, Any], base_fee_wei: int) -> dict[str, int]:
    if "gas_price" in given:
        return dict.fromkeys(_DYNAMIC, given["gas_price"])
    if not any(name in given for name in _DYNAMIC):
        return dict.fromkeys(_DYNAMIC, DEFAULT_FEE_WEI)
    tip = given.get("max_priority_fee_per_gas", 0)
    return {"max_priority_fee_per_gas": tip, "max_fee_per_gas": given.get("max_fee_per_gas", tip + 2 * base_fee_wei)}


def _authorization(item: Mapping[str, Any]) -> Authorization:
    return Authorization(
        item["chain_id"], Address(item["address"]), item["nonce"], item["y_parity"], item["r"], item["s"]
    )


def _signed(unsigned: Transaction, given: Mapping[str, Any]) -> Transaction:
    if "r" not in given:
        return unsigned
    v = given["v"]
    # 27 and 28 in legacy transactions without a chain id, from 35 on in those with one; in typed ones the parity itself
    parity = v if v < 2 else (v - 27 if v < LEAST_V_WITH_CHAIN_ID else (v - LEAST_V_WITH_CHAIN_ID) % 2)
    return unsigned.with_signature(parity, given["r"], given["s"])


def transaction_to(transaction: Transaction, container: Block | None, index: int | None) -> dict[str, Any]:
    """eth-tester's fields of a transaction; container: None for a pending one, whose block fields are None."""
    header = None if container is None else container.header
    kind = transaction.type
    told: dict[str, Any] = {
        "type": int(kind),
        "hash": bytes(transaction.hash),
        "nonce": transaction.nonce,
        "block_hash": None if header is None else bytes(header.hash),
        "block_number": None if header is None else header.number,
        "transaction_index": index,
        "from": bytes(transaction.sender),
        "to": bytes(transaction.to or b""),
        "value": transaction.value,
        "gas": transaction.gas_limit,
        "data": transaction.data,
        "gas_price": _price(transaction, header),
        "v": transaction.v,
        "r": transaction.r,
        "s": transaction.s,
    }
    for member in (name for least, names in _OF_TYPE.items() if kind >= least for name in names):
        told[member] = _MEMBERS[member](transaction)
    if kind != TransactionType.BLOB:
        for member in _OF_BLOBS:
            told.pop(member, None)
    return told


def _price(transaction: Transaction, header: Header | None) -> int:
    if header is None or transaction.type < TransactionType.DYNAMIC_FEE:
        return transaction.max_fee_per_gas
    return transaction.effective_gas_price(header.base_fee_per_gas)


_OF_BLOBS = ("max_fee_per_blob_gas", "blob_versioned_hashes")
_OF_TYPE: Mapping[TransactionType, Sequence[str]] = {
    TransactionType.ACCESS_LIST: ("chain_id", "access_list", "y_parity"),
    TransactionType.DYNAMIC_FEE: _DYNAMIC,
    TransactionType.BLOB: _OF_BLOBS,
    TransactionType.SET_CODE: ("authorization_list",),
}
"""The least type that has the members; SET_CODE has none of the blobs'."""

_MEMBERS: Mapping[str, Callable[[Transaction], Any]] = {
    "chain_id": lambda item: item.chain_id,
    "access_list": lambda item: tuple(
        (bytes(entry.address), tuple(int.from_bytes(key, "big") for key in entry.storage_keys))
        for entry in item.access_list
    ),
    "y_parity": lambda item: item.y_parity,
    "max_fee_per_gas": lambda item: item.max_fee_per_gas,
    "max_priority_fee_per_gas": lambda item: item.max_priority_fee_per_gas,
    "max_fee_per_blob_gas": lambda item: item.max_fee_per_blob_gas,
    "blob_versioned_hashes": lambda item: item.blob_versioned_hashes,
    "authorization_list": lambda item: [
        {
            "chain_id": entry.chain_id,
            "address": bytes(entry.address),
            "nonce": entry.nonce,
            **{name: getattr(entry, name) for name in _SIGNATURE},
        }
        for entry in item.authorization_list
    ],
}


def block_to(block: Block, *, full: bool, pending: bool) -> dict[str, Any]:
    """eth-tester's fields of a block, with its transactions or their hashes."""
    header = block.header
    told: dict[str, Any] = {
        "number": header.number,
        "hash": bytes(header.hash),
        "parent_hash": bytes(header.parent_hash),
        "nonce": header.nonce,
        "sha3_uncles": bytes(header.uncles_hash),
        "logs_bloom": int.from_bytes(header.logs_bloom, "big"),
        "transactions_root": bytes(header.transactions_root),
        "receipts_root": bytes(header.receipts_root),
        "state_root": bytes(header.state_root),
        "coinbase": bytes(header.coinbase),
        "difficulty": header.difficulty,
        "total_difficulty": header.difficulty,
        "mix_hash": bytes(header.mix_hash),
        "size": block.size,
        "extra_data": header.extra_data.rjust(32, b"\0"),
        "gas_limit": header.gas_limit,
        "gas_used": header.gas_used,
        "timestamp": header.timestamp,
        "transactions": [
            (transaction_to(item, None if pending else block, None if pending else index) if full else bytes(item.hash))
            for index, item in enumerate(block.transactions)
        ],
        "uncles": [bytes(uncle.hash) for uncle in block.uncles],
    }
    if block.withdrawals is not None:
        told["withdrawals"] = [
            {
                "index": item.index,
                "validator_index": item.validator_index,
                "address": bytes(item.address),
                "amount": item.amount_gwei,
            }
            for item in block.withdrawals
        ]
    later = {name: getattr(header, name) for name in _OF_FORKS}
    return {**told, **{name: value for name, value in later.items() if value is not None}}


_OF_FORKS = (
    "base_fee_per_gas",
    "withdrawals_root",
    "parent_beacon_block_root",
    "blob_gas_used",
    "excess_blob_gas",
    "requests_hash",
)


def receipt_to(block: Block, receipts: Sequence[Receipt], index: int, *, pending: bool) -> dict[str, Any]:
    """eth-tester's fields of the receipt of one transaction of a block."""
    receipt, transaction, header = receipts[index], block.transactions[index], block.header
    place = {
        "transaction_index": None if pending else index,
        "transaction_hash": bytes(transaction.hash),
        "block_hash": None if pending else bytes(header.hash),
        "block_number": None if pending else header.number,
    }
    first_log = sum(len(earlier.logs) for earlier in receipts[:index])
    told: dict[str, Any] = {
        **place,
        "contract_address": None if receipt.contract_address is None else bytes(receipt.contract_address),
        "cumulative_gas_used": receipt.cumulative_gas_used,
        "effective_gas_price": receipt.effective_gas_price,
        "from": bytes(receipt.sender),
        "gas_used": receipt.gas_used,
        "logs": [_log(item, first_log + offset, place, pending=pending) for offset, item in enumerate(receipt.logs)],
        "state_root": b"\x01" if receipt.status else b"",
        "status": receipt.status or 0,
        "to": bytes(transaction.to or b""),
        "type": int(receipt.type),
    }
    if receipt.blob_gas_used is not None:
        told |= {"blob_gas_used": receipt.blob_gas_used, "blob_gas_price": receipt.blob_gas_price}
    return told


def _log(log: Log, index: int, place: Mapping[str, Any], *, pending: bool) -> dict[str, Any]:
    return {
        **place,
        "type": "pending" if pending else "mined",
        "log_index": index,
        "address": bytes(log.address),
        "data": log.data,
        "topics": [bytes(topic) for topic in log.topics],
    }


def call_from(given: Mapping[str, Any]) -> dict[str, Any]:
    """The object of eth_call and eth_estimateGas."""
    told: dict[str, Any] = {"from": _hexadecimal(given["from"])}
    if given.get("to"):
        told["to"] = _hexadecimal(given["to"])
    if given.get("data"):
        told["input"] = _hexadecimal(given["data"])
    for name, member in _CALL_NUMBERS.items():
        if name in given:
            told[member] = hex(given[name])
    if given.get("access_list"):
        told["accessList"] = [
            {"address": _hexadecimal(address), "storageKeys": [f"0x{key:064x}" for key in keys]}
            for address, keys in given["access_list"]
        ]
    return told


_CALL_NUMBERS = {
    "gas": "gas",
    "gas_price": "gasPrice",
    "max_fee_per_gas": "maxFeePerGas",
    "max_priority_fee_per_gas": "maxPriorityFeePerGas",
    "value": "value",
    "nonce": "nonce",
}


def _hexadecimal(value: bytes) -> str:
    return "0x" + bytes(value).hex()
