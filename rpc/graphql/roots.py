"""The roots of queries: the fields of Query, Pending and Mutation."""

from typing import Any

from zevm.chain.errors import UnknownBlockError
from zevm.chain.types.block_reference import PENDING, BlockReference
from zevm.rpc.codec.results import Json
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.graphql.context import Context, log_filter, reference_of
from zevm.rpc.graphql.objects import Account, Block, Fields, Log, Transaction, find_logs
from zevm.rpc.methods.eth import fees, sending
from zevm.rpc.methods.node import net_web3
from zevm.rpc.methods.support.reading import on_writer
from zevm.storage.primitives import Address, Hash32


class Pending:
    """The pending state."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def transaction_count(self) -> str:
        """The number of transactions that could be mined now."""
        return hex(self._context.services.chain.pool.executable_count)

    def transactions(self) -> list[Transaction]:
        """The transactions that could be mined now."""
        executable = self._context.services.chain.pool.pending()
        return [Transaction(self._context, each) for waiting in executable.values() for each in waiting]

    def account(self, address: Address) -> Account:
        """An account in the pending state."""
        return Account(self._context, address, PENDING)

    def call(self, data: dict[str, Any]) -> Json:
        """A call in the pending state."""
        return self._context.call(data, PENDING)

    def estimate_gas(self, data: dict[str, Any]) -> str:
        """An estimate in the pending state."""
        return self._context.estimate_gas(data, PENDING)


class Root:
    """The root of queries and mutations."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._services = context.services

    def block(self, number: int | None = None, block_hash: Hash32 | None = None) -> Block | None:
        """A block by number, by hash, or the latest; None if it is unknown."""
        by_hash = number is None and block_hash is not None
        try:
            reference = BlockReference(hash=block_hash) if by_hash else reference_of(number)
            return Block(self._context, self._services.chain.resolve(reference))
        except UnknownBlockError:
            return None

    def blocks(self, first: int, last: int | None = None) -> list[Block]:
        """The existing blocks from `first` to `last`."""
        chain = self._services.chain
        head = chain.head.number
        end = head if last is None else last
        if first < 0 or end < first:
            raise InvalidParamsError(f"invalid from and to block combination: from {first} > to {end}")
        numbers = range(first, min(end, head) + 1)
        self._context.budget.require_items(len(numbers))
        headers = (chain.header_by_number(number) for number in numbers)
        return [Block(self._context, header) for header in headers if header is not None]

    def pending(self) -> Pending:
        """The pending state."""
        return Pending(self._context)

    def transaction(self, transaction_hash: Hash32) -> Transaction | None:
        """A transaction, mined or waiting."""
        chain = self._services.chain
        found = chain.find_transaction(transaction_hash)
        if found is not None:
            return Transaction(self._context, found.transaction, Block(self._context, found.block.header), found.index)
        waiting = chain.pool.get(transaction_hash)
        return None if waiting is None else Transaction(self._context, waiting)

    def logs(self, criteria: dict[str, Any]) -> list[Log]:
        """The matching logs of a range of blocks."""
        bounds = {name: reference_of(criteria.get(name)) for name in ("from_block", "to_block")}
        return find_logs(self._context, log_filter(criteria, **bounds))

    def gas_price(self) -> str:
        """As eth_gasPrice."""
        return fees.gas_price(self._services)

    def max_priority_fee_per_gas(self) -> str:
        """As eth_maxPriorityFeePerGas."""
        return fees.max_priority_fee_per_gas(self._services)

    def syncing(self) -> object:
        """As eth_syncing, with null for false."""
        return net_web3.syncing(self._services) or None

    def chain_id(self) -> str:
        """As eth_chainId."""
        return net_web3.chain_id(self._services)

    async def send_raw_transaction(self, data: bytes) -> str:
        """As eth_sendRawTransaction, on the chain writer."""
        return await on_writer(self._services, sending.send_raw_transaction, self._services, data)


PENDING_FIELDS: Fields = {
    "transactionCount": Pending.transaction_count,
    "transactions": Pending.transactions,
    "account": Pending.account,
    "call": Pending.call,
    "estimateGas": Pending.estimate_gas,
}

QUERY: Fields = {
    "block": Root.block,
    "blocks": Root.blocks,
    "pending": Root.pending,
    "transaction": Root.transaction,
    "logs": Root.logs,
    "gasPrice": Root.gas_price,
    "maxPriorityFeePerGas": Root.max_priority_fee_per_gas,
    "syncing": Root.syncing,
    "chainID": Root.chain_id,
}

MUTATION: Fields = {"sendRawTransaction": Root.send_raw_transaction}
