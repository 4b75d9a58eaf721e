"""GraphQL's account, log, transaction and block, over the chain's reads and the JSON-RPC encodings.

Each class reads lazily. `FIELDS` of a type names, for each of its fields, the function of the object (and of the
field's arguments) that returns its value; most read the object's JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from zevm.chain import types
from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.errors import UnknownBlockError
from zevm.chain.rules.fees import next_base_fee
from zevm.chain.types import Header, Receipt
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.types.transaction import encode_network_form
from zevm.rpc.codec import results
from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.codec.results import Json, hexadecimal, word
from zevm.rpc.graphql.context import Context, log_filter, reference_of
from zevm.rpc.methods.eth import filters
from zevm.rpc.methods.eth.state import next_nonce
from zevm.rpc.methods.support.reading import account_of, code_of, encode_mined, encode_receipt
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address

Fields = dict[str, Callable[..., Any]]


def recorded(key: str) -> Callable[[Any], Any]:
    """The field `key` of the object's JSON, or null."""
    return lambda source: source.record.get(key)


def item(key: str) -> Callable[[Json], Any]:
    """A field of a JSON object."""
    return lambda source: source[key]


class Account:
    """An account at a block."""

    def __init__(self, context: Context, address: Address, block: BlockReference) -> None:
        self._services = context.services
        self._address = address
        self._block = block

    @cached_property
    def _state(self) -> StateReader:
        return self._services.chain.state_at(self._block)

    def address(self) -> str:
        """The address."""
        return hexadecimal(self._address)

    def balance(self) -> str:
        """In wei."""
        return hex(account_of(self._state, self._address).balance)

    def transaction_count(self) -> str:
        """The nonce; in the pending state it counts the pool's transactions."""
        if self._block.tag is BlockTag.PENDING:
            return hex(next_nonce(self._services, self._address))
        return hex(account_of(self._state, self._address).nonce)

    def code(self) -> str:
        """The code."""
        return hexadecimal(code_of(self._state, self._address))

    def storage(self, slot: bytes) -> str:
        """One slot."""
        return word(self._state.storage(self._address, int.from_bytes(slot, "big")))


def account(context: Context, address: str | None, block: int | None) -> Account | None:
    """The account of an address in an object's JSON."""
    return None if address is None else Account(context, Address(bytes.fromhex(address[2:])), reference_of(block))


class Block:
    """A block with a known header. An ommer has no body."""

    def __init__(self, context: Context, header: Header) -> None:
        self.context = context
        self.header = header

    @property
    def reference(self) -> BlockReference:
        """The block by its hash, so that a reorganisation cannot change it between two fields."""
        return BlockReference(hash=self.header.hash)

    @cached_property
    def record(self) -> Json:
        """The header as JSON."""
        return results.header(self.header)

    @cached_property
    def body(self) -> types.Block | None:
        """The whole block."""
        return self.context.services.chain.block_by_hash(self.header.hash)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...] | None:
        """The receipts."""
        return self.context.services.chain.receipts(self.header.hash)

    def parent(self) -> Block | None:
        """The block before."""
        header = self.context.services.chain.header_by_hash(self.header.parent_hash)
        return None if header is None else Block(self.context, header)

    def next_base_fee(self) -> str | None:
        """The base fee of a block that follows."""
        header, schedule = self.header, self.context.services.chain.schedule
        fee = next_base_fee(header, schedule.rules(header.number + 1, header.timestamp))
        return None if fee is None else hex(fee)

    def miner(self, block: int | None = None) -> Account | None:
        """The account that the block pays."""
        return account(self.context, self.record["miner"], block)

    def transaction_count(self) -> str | None:
        """The number of transactions."""
        return None if self.body is None else hex(len(self.body.transactions))

    def transactions(self) -> list[Transaction] | None:
        """All of them."""
        if self.body is None:
            return None
        return [Transaction(self.context, each, self, index) for index, each in enumerate(self.body.transactions)]

    def transaction_at(self, index: int) -> Transaction | None:
        """One of them."""
        if self.body is None or not 0 <= index < len(self.body.transactions):
            return None
        return Transaction(self.context, self.body.transactions[index], self, index)

    def ommer_count(self) -> str | None:
        """The number of ommers."""
        return None if self.body is None else hex(len(self.body.uncles))

    def ommers(self) -> list[Block] | None:
        """All of them."""
        return None if self.body is None else [Block(self.context, header) for header in self.body.uncles]

    def ommer_at(self, index: int) -> Block | None:
        """One of them."""
        if self.body is None or not 0 <= index < len(self.body.uncles):
            return None
        return Block(self.context, self.body.uncles[index])

    def logs(self, criteria: dict[str, Any]) -> list[Log]:
        """The matching logs."""
        return find_logs(self.context, log_filter(criteria, block_hash=self.header.hash))

    def account(self, address: Address) -> Account:
        """An account after this block."""
        return Account(self.context, address, self.reference)

    def call(self, data: dict[str, Any]) -> Json:
        """A call after this block."""
        return self.context.call(data, self.reference)

    def estimate_gas(self, data: dict[str, Any]) -> str:
        """An estimate after this block."""
        return self.context.estimate_gas(data, self.reference)

    def raw_header(self) -> str:
        """The header's RLP."""
        return hexadecimal(self.header.encode())

    def raw(self) -> str:
        """The block's RLP."""
        if self.body is None:
            raise UnknownBlockError("block not found")
        return hexadecimal(self.body.encode())

    def withdrawals(self) -> list[Json] | None:
        """As JSON."""
        if self.body is None or self.body.withdrawals is None:
            return None
        return [results.withdrawal(each) for each in self.body.withdrawals]


class Transaction:
    """A transaction, mined into `block` at `index` or waiting."""

    def __init__(
        self, context: Context, transaction: types.Transaction, block: Block | None = None, index: int = 0
    ) -> None:
        self.context = context
        self.block = block
        self._transaction = transaction
        self._index = index

    @cached_property
    def record(self) -> Json:
        """The transaction as JSON."""
        if self.block is None or self.block.body is None:
            return results.transaction(self._transaction, None)
        return encode_mined(self.context.services, self.block.body, self._index)

    @cached_property
    def receipt(self) -> Json:
        """The receipt as JSON; empty while the transaction waits."""
        block = self.block
        if block is None or block.body is None or block.receipts is None:
            return {}
        return encode_receipt(block.body, block.receipts, self._index)

    def sender(self, block: int | None = None) -> Account | None:
        """The sender."""
        return account(self.context, self.record["from"], block)

    def recipient(self, block: int | None = None) -> Account | None:
        """The recipient."""
        return account(self.context, self.record["to"], block)

    def created_contract(self, block: int | None = None) -> Account | None:
        """The created contract."""
        return account(self.context, self.receipt.get("contractAddress"), block)

    def effective_tip(self) -> str | None:
        """The priority fee that the block's producer got, in wei per gas."""
        if self.block is None:
            return None
        base_fee = self.block.header.base_fee_per_gas
        return hex(self._transaction.effective_gas_price(base_fee) - (base_fee or 0))

    def logs(self) -> list[Log] | None:
        """The logs in its receipt."""
        records = self.receipt.get("logs")
        return None if records is None else [Log(self.context, record, self) for record in records]

    def access_list(self) -> list[Json]:
        """Empty for a transaction of a type without one."""
        return self.record.get("accessList") or []

    def raw(self) -> str:
        """Its encoding."""
        transaction = self._transaction
        return hexadecimal(encode_network_form(transaction) if self.block is None else transaction.encoded)

    def raw_receipt(self) -> str:
        """Its receipt's encoding."""
        receipts = None if self.block is None else self.block.receipts
        return "0x" if receipts is None else hexadecimal(receipts[self._index].encode())


class Log:
    """A log of a mined transaction."""

    def __init__(self, context: Context, record: Json, transaction: Transaction) -> None:
        self.context = context
        self.record = record
        self.transaction = transaction

    def account(self, block: int | None = None) -> Account | None:
        """The contract."""
        return account(self.context, self.record["address"], block)


def find_logs(context: Context, criteria: LogFilter) -> list[Log]:
    """The logs that match a filter; logs of one block share the block object."""
    blocks: dict[bytes, Block] = {}
    return [_found(context, record, blocks) for record in filters.find(context.services, criteria, context.deadline)]


def _found(context: Context, record: LogRecord, blocks: dict[bytes, Block]) -> Log:
    block = blocks.get(record.block_hash)
    if block is None:
        header = context.services.chain.header_by_hash(record.block_hash)
        if header is None:
            raise UnknownBlockError
        block = blocks[record.block_hash] = Block(context, header)
    transaction = block.transaction_at(record.transaction_index)
    if transaction is None:
        raise UnknownBlockError
    return Log(context, results.log_record(record), transaction)


ACCOUNT: Fields = {
    "address": Account.address,
    "balance": Account.balance,
    "transactionCount": Account.transaction_count,
    "code": Account.code,
    "storage": Account.storage,
}

LOG: Fields = {
    "index": recorded("logIndex"),
    "account": Log.account,
    "topics": recorded("topics"),
    "data": recorded("data"),
    "transaction": lambda source: source.transaction,
}

TRANSACTION: Fields = {
    **{
        name: recorded(name)
        for name in (
            "hash",
            "nonce",
            "value",
            "gasPrice",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "maxFeePerBlobGas",
            "gas",
            "r",
            "s",
            "v",
            "yParity",
            "type",
            "blobVersionedHashes",
        )
    },
    "index": recorded("transactionIndex"),
    "inputData": recorded("input"),
    "from": Transaction.sender,
    "to": Transaction.recipient,
    "block": lambda source: source.block,
    **{
        name: lambda source, key=name: source.receipt.get(key)
        for name in (
            "status",
            "gasUsed",
            "cumulativeGasUsed",
            "effectiveGasPrice",
            "blobGasUsed",
            "blobGasPrice",
        )
    },
    "effectiveTip": Transaction.effective_tip,
    "createdContract": Transaction.created_contract,
    "logs": Transaction.logs,
    "accessList": Transaction.access_list,
    "raw": Transaction.raw,
    "rawReceipt": Transaction.raw_receipt,
}

BLOCK: Fields = {
    **{
        name: recorded(name)
        for name in (
            "number",
            "hash",
            "nonce",
            "transactionsRoot",
            "stateRoot",
            "receiptsRoot",
            "extraData",
            "gasLimit",
            "gasUsed",
            "baseFeePerGas",
            "timestamp",
            "logsBloom",
            "mixHash",
            "difficulty",
            "withdrawalsRoot",
            "blobGasUsed",
            "excessBlobGas",
        )
    },
    "ommerHash": recorded("sha3Uncles"),
    "parent": Block.parent,
    "nextBaseFeePerGas": Block.next_base_fee,
    "miner": Block.miner,
    "transactionCount": Block.transaction_count,
    "transactions": Block.transactions,
    "transactionAt": Block.transaction_at,
    "ommerCount": Block.ommer_count,
    "ommers": Block.ommers,
    "ommerAt": Block.ommer_at,
    "logs": Block.logs,
    "account": Block.account,
    "call": Block.call,
    "estimateGas": Block.estimate_gas,
    "rawHeader": Block.raw_header,
    "raw": Block.raw,
    "withdrawals": Block.withdrawals,
}

ACCESS_TUPLE: Fields = {name: item(name) for name in ("address", "storageKeys")}
CALL_RESULT: Fields = {name: item(name) for name in ("data", "gasUsed", "status")}
SYNC_STATE: Fields = {name: item(name) for name in ("startingBlock", "currentBlock", "highestBlock")}
WITHDRAWAL: Fields = {name: item(name) for name in ("index", "address", "amount")} | {
    "validator": item("validatorIndex")
}
