"""Chain events as clients see them, encoded once for all listeners.

They feed subscriptions and filters, on the event loop, in the order of the chain's commits.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from operator import itemgetter

import orjson

from zevm.chain.events import BlockAndReceipts, HeadChanged
from zevm.chain.types import Header, Log, Transaction
from zevm.rpc.codec import results
from zevm.rpc.codec.hex_json import hex_json
from zevm.storage.primitives import Address, Hash32

Fragment = orjson.Fragment
ENTRY_BYTES = 1_024
"""Size of a header, a transaction or a log besides its data."""


class LogEvent:
    """One log that appeared or, after a reorganisation, disappeared."""

    __slots__ = ("__dict__", "_index", "_position", "_removed", "_transaction_hash", "header", "log")

    def __init__(
        self, log: Log, header: Header, transaction_hash: Hash32, position: int, index: int, removed: bool
    ) -> None:
        self.log = log
        self.header = header
        self._transaction_hash = transaction_hash
        self._position = position
        self._index = index
        self._removed = removed

    @cached_property
    def encoded(self) -> bytes:
        """The log object as JSON."""
        return hex_json(
            results.log_fields(
                self.log, self.header, self._transaction_hash, self._position, self._index, removed=self._removed
            )
        )


class HeadEvent:
    """A change of the canonical chain; everything that listeners may need is encoded at first use."""

    def __init__(self, event: HeadChanged) -> None:
        self.event = event

    @cached_property
    def size_bytes(self) -> int:
        """Approximate size: its blocks' transactions and logs, plain and encoded."""
        return sum(_size_of(item) for item in (*self.event.added, *self.event.removed))

    @cached_property
    def heads(self) -> list[bytes]:
        """The added headers as JSON, oldest first."""
        return [orjson.dumps(results.header(item.block.header)) for item in self.event.added]

    @cached_property
    def hashes(self) -> list[bytes]:
        """The added blocks' hashes as JSON strings."""
        return [orjson.dumps(results.hexadecimal(item.block.hash)) for item in self.event.added]

    @cached_property
    def logs(self) -> list[LogEvent]:
        """Removed logs, newest block first, then the new ones."""
        events: list[LogEvent] = []
        for item in self.event.removed:
            events.extend(_logs_of(item, removed=True))
        for item in self.event.added:
            events.extend(_logs_of(item, removed=False))
        return events

    @cached_property
    def logs_by_address(self) -> dict[Address, list[tuple[int, LogEvent]]]:
        """The logs of each address with their places in `logs`, which ascend."""
        found: dict[Address, list[tuple[int, LogEvent]]] = {}
        for place, item in enumerate(self.logs):
            found.setdefault(item.log.address, []).append((place, item))
        return found

    def logs_of(self, addresses: Collection[Address]) -> Iterable[LogEvent]:
        """The logs of these addresses, of all for none, in order."""
        if not addresses:
            return self.logs
        found = [self.logs_by_address.get(address, ()) for address in dict.fromkeys(addresses)]
        return [item for _, item in (found[0] if len(found) == 1 else heapq.merge(*found, key=itemgetter(0)))]

    @cached_property
    def all_receipts(self) -> list[bytes]:
        """All receipts of each added block with receipts, as one JSON array."""
        return [b"[" + b",".join(encoded for _, encoded in block) + b"]" for block in self.receipts if block]

    @cached_property
    def receipts(self) -> list[list[tuple[bytes, bytes]]]:
        """For every added block: (transaction hash, receipt as JSON)."""
        return [
            [
                (transaction.hash, orjson.dumps(receipt))
                for transaction, receipt in zip(
                    item.block.transactions, results.receipts(item.block, item.receipts), strict=True
                )
            ]
            for item in self.event.added
        ]


class TransactionEvent:
    """A transaction that entered the pool."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction

    @property
    def size_bytes(self) -> int:
        """Approximate size, plain and encoded."""
        return ENTRY_BYTES + 3 * len(self.transaction.data)

    @cached_property
    def hash(self) -> bytes:
        """Its hash as a JSON string."""
        return orjson.dumps(results.hexadecimal(self.transaction.hash))

    @cached_property
    def full(self) -> bytes:
        """The transaction object as JSON, with null block fields."""
        return orjson.dumps(results.transaction(self.transaction, None))


RpcEvent = HeadEvent | TransactionEvent


def _size_of(item: BlockAndReceipts) -> int:
    transactions = sum(ENTRY_BYTES + 3 * len(transaction.data) for transaction in item.block.transactions)
    logs = sum(ENTRY_BYTES + 3 * len(log.data) for receipt in item.receipts for log in receipt.logs)
    return ENTRY_BYTES + transactions + logs


def _logs_of(item: BlockAndReceipts, *, removed: bool) -> Iterator[LogEvent]:
    header = item.block.header
    index = 0
    for position, receipt in enumerate(item.receipts):
        transaction_hash = item.block.transactions[position].hash
        for log in receipt.logs:
            yield LogEvent(log, header, transaction_hash, position, index, removed)
            index += 1
