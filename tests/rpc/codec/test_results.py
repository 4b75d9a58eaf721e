"""Result encoders: geth's field sets, fork by fork and type by type."""

from typing import Any

import pytest

from zevm.chain.types import (
    AccessListEntry,
    Authorization,
    Block,
    Header,
    Log,
    Receipt,
    Transaction,
    TransactionType,
    Withdrawal,
)
from zevm.rpc.codec import results

A, B = bytes.fromhex("aa" * 20), bytes.fromhex("bb" * 20)
H = bytes.fromhex("11" * 32)

HEADER_FIELDS = {
    "number",
    "hash",
    "parentHash",
    "nonce",
    "mixHash",
    "sha3Uncles",
    "logsBloom",
    "stateRoot",
    "miner",
    "difficulty",
    "extraData",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "transactionsRoot",
    "receiptsRoot",
}
FORK_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"base_fee_per_gas": 7}, "baseFeePerGas"),
    ({"withdrawals_root": H}, "withdrawalsRoot"),
    ({"blob_gas_used": 1}, "blobGasUsed"),
    ({"excess_blob_gas": 2}, "excessBlobGas"),
    ({"parent_beacon_block_root": H}, "parentBeaconBlockRoot"),
    ({"requests_hash": H}, "requestsHash"),
]
BLOCK_FIELDS = {"size", "transactions", "uncles"}
LEGACY_FIELDS = {
    "blockHash",
    "blockNumber",
    "blockTimestamp",
    "from",
    "gas",
    "gasPrice",
    "hash",
    "input",
    "nonce",
    "to",
    "transactionIndex",
    "value",
    "type",
    "v",
    "r",
    "s",
}
TYPE_FIELDS = {
    TransactionType.LEGACY: {"chainId"},
    TransactionType.ACCESS_LIST: {"chainId", "accessList", "yParity"},
    TransactionType.DYNAMIC_FEE: {"chainId", "accessList", "yParity", "maxFeePerGas", "maxPriorityFeePerGas"},
}
TYPE_FIELDS[TransactionType.BLOB] = TYPE_FIELDS[TransactionType.DYNAMIC_FEE] | {
    "maxFeePerBlobGas",
    "blobVersionedHashes",
}
TYPE_FIELDS[TransactionType.SET_CODE] = TYPE_FIELDS[TransactionType.DYNAMIC_FEE] | {"authorizationList"}


def make(kind: TransactionType, **fields: Any) -> Transaction:
    return Transaction(
        type=kind,
        chain_id=31337,
        nonce=1,
        max_priority_fee_per_gas=2,
        max_fee_per_gas=100,
        gas_limit=21_000,
        to=B,
        value=3,
        data=b"\x04",
        access_list=() if kind is TransactionType.LEGACY else (AccessListEntry(B, (H,)),),
        max_fee_per_blob_gas=5 if kind is TransactionType.BLOB else 0,
        blob_versioned_hashes=(H,) if kind is TransactionType.BLOB else (),
        authorization_list=(Authorization(1, A, 2, 1, 3, 4),) if kind is TransactionType.SET_CODE else (),
        **fields,
    ).impersonating(A)


def test_headers_gain_fields_with_their_forks() -> None:
    values: dict[str, Any] = {}
    expected = set(HEADER_FIELDS)
    assert set(results.header(Header(parent_hash=H))) == expected
    for fields, name in FORK_FIELDS:
        values |= fields
        expected.add(name)
        assert set(results.header(Header(parent_hash=H, **values))) == expected


def test_header_values() -> None:
    header = Header(parent_hash=H, coinbase=A, number=255, gas_limit=30_000_000, extra_data=b"\x05", difficulty=0)
    encoded = results.header(header)
    assert encoded["hash"] == "0x" + header.hash.hex()
    assert (encoded["number"], encoded["difficulty"], encoded["extraData"]) == ("0xff", "0x0", "0x05")
    assert (encoded["miner"], encoded["gasLimit"]) == ("0x" + A.hex(), "0x1c9c380")
    assert len(encoded["logsBloom"]) == 514
    assert encoded["nonce"] == "0x0000000000000000"


def test_blocks_with_hashes_and_with_objects() -> None:
    header = Header(parent_hash=H, number=5, base_fee_per_gas=10)
    first, second = make(TransactionType.DYNAMIC_FEE), make(TransactionType.LEGACY)
    item = Block(header, (first, second), (Header(parent_hash=H),), (Withdrawal(1, 2, A, 3),))
    short = results.block(item, full=False)
    assert set(short) == HEADER_FIELDS | BLOCK_FIELDS | {"baseFeePerGas", "withdrawals"}
    assert short["transactions"] == ["0x" + first.hash.hex(), "0x" + second.hash.hex()]
    assert short["uncles"] == ["0x" + item.uncles[0].hash.hex()]
    assert short["withdrawals"] == [
        {"index": "0x1", "validatorIndex": "0x2", "address": "0x" + A.hex(), "amount": "0x3"}
    ]
    assert int(short["size"], 16) == len(item.encode())
    full = results.block(item, full=True, senders=[B, B])
    assert [entry["transactionIndex"] for entry in full["transactions"]] == ["0x0", "0x1"]
    assert {entry["from"] for entry in full["transactions"]} == {"0x" + B.hex()}
    assert "withdrawals" not in results.block(Block(header), full=True)


def test_pending_blocks_have_no_identity_yet() -> None:
    item = Block(Header(parent_hash=H, number=5), (make(TransactionType.LEGACY),))
    encoded = results.block(item, full=True, pending=True)
    assert [encoded[name] for name in ("hash", "nonce", "miner")] == [None] * 3
    assert encoded["logsBloom"] == "0x" + bytes(256).hex()
    assert encoded["number"] == "0x5"
    assert encoded["transactions"][0]["blockHash"] is None


@pytest.mark.parametrize("kind", list(TransactionType))
def test_transactions_of_every_type(kind: TransactionType) -> None:
    transaction = make(kind)
    header = Header(parent_hash=H, number=7, timestamp=9, base_fee_per_gas=10)
    mined = results.transaction(transaction, header, 3)
    assert set(mined) == LEGACY_FIELDS | TYPE_FIELDS[kind]
    assert mined["from"] == "0x" + A.hex()
    assert mined["gasPrice"] == hex(12 if kind >= TransactionType.DYNAMIC_FEE else 100)
    assert (mined["blockNumber"], mined["transactionIndex"], mined["blockTimestamp"]) == ("0x7", "0x3", "0x9")
    waiting = results.transaction(transaction, None)
    assert set(waiting) == set(mined)
    assert waiting["gasPrice"] == hex(100)
    names = ("blockHash", "blockNumber", "blockTimestamp", "transactionIndex")
    assert [waiting[name] for name in names] == [None] * 4


def test_transaction_details() -> None:
    encoded = results.transaction(make(TransactionType.SET_CODE), None)
    assert encoded["accessList"] == [{"address": "0x" + B.hex(), "storageKeys": ["0x" + H.hex()]}]
    assert encoded["authorizationList"] == [
        {"chainId": "0x1", "address": "0x" + A.hex(), "nonce": "0x2", "yParity": "0x1", "r": "0x3", "s": "0x4"}
    ]
    assert results.transaction(make(TransactionType.BLOB), None)["blobVersionedHashes"] == ["0x" + H.hex()]
    creation = Transaction(gas_limit=1).impersonating(A)
    encoded = results.transaction(creation, None)
    assert encoded["to"] is None
    assert encoded["v"] == "0x1b"
    assert "chainId" not in encoded


RECEIPT_FIELDS = {
    "blockHash",
    "blockNumber",
    "contractAddress",
    "cumulativeGasUsed",
    "effectiveGasPrice",
    "from",
    "gasUsed",
    "logs",
    "logsBloom",
    "to",
    "transactionHash",
    "transactionIndex",
    "type",
}


def test_receipts_and_the_numbering_of_their_logs() -> None:
    header = Header(parent_hash=H, number=7, timestamp=8)
    creation = Transaction(gas_limit=1).impersonating(A)
    transactions = (make(TransactionType.DYNAMIC_FEE), creation, make(TransactionType.BLOB))
    logs = tuple(Log(A, (H,), bytes((number,))) for number in range(4))
    receipts = (
        Receipt(2, 1, 100, logs[:3], bytes(256), A, 100, 5),
        Receipt(0, None, 250, (), bytes(256), A, 150, 6, contract_address=B, post_state=H),
        Receipt(3, 0, 300, logs[3:], bytes(256), A, 50, 7, blob_gas_used=131_072, blob_gas_price=0),
    )
    first, second, third = results.receipts(Block(header, transactions), receipts)
    assert set(first) == RECEIPT_FIELDS | {"status"}
    assert [entry["logIndex"] for entry in first["logs"]] == ["0x0", "0x1", "0x2"]
    assert (first["status"], first["contractAddress"], first["cumulativeGasUsed"]) == ("0x1", None, "0x64")
    assert set(second) == RECEIPT_FIELDS | {"root"}
    assert (second["root"], second["contractAddress"], second["to"]) == ("0x" + H.hex(), "0x" + B.hex(), None)
    assert set(third) == RECEIPT_FIELDS | {"status", "blobGasUsed", "blobGasPrice"}
    assert (third["status"], third["blobGasUsed"], third["blobGasPrice"]) == ("0x0", "0x20000", "0x0")
    assert third["logs"] == [
        {
            "address": "0x" + A.hex(),
            "topics": ["0x" + H.hex()],
            "data": "0x03",
            "blockNumber": "0x7",
            "transactionHash": "0x" + transactions[2].hash.hex(),
            "transactionIndex": "0x2",
            "blockHash": "0x" + header.hash.hex(),
            "blockTimestamp": "0x8",
            "logIndex": "0x3",
            "removed": False,
        }
    ]
