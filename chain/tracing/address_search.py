"""Which transactions touch an address: as sender, receiver, or in any frame within.

No index tells that, and keeping one would cost every block. Blocks without transactions are stepped over
(chain.tracing.filled_blocks). A block of plain transfers tells it by its receipts; any other is executed again, once:
what its transactions touched is kept in a bounded cache, since a block never changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from zevm.chain.calls.place import replay_of
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.rules.gas import TRANSACTION_GAS
from zevm.chain.tracing.call_tree import caller_of
from zevm.chain.tracing.filled_blocks import FilledBlocks
from zevm.chain.tracing.settings import RECORDING
from zevm.chain.tracing.trace import TraceRequest
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import Block, Receipt, Transaction
from zevm.chain.view import ChainView
from zevm.chain.vm.message import FrameStart
from zevm.storage.cache import ByteCache
from zevm.storage.primitives import Address

CACHE_BYTES = 32 * 1024 * 1024
_ADDRESS_BYTES = 20
_COUNT_BYTES = 4

Touched = list[frozenset[bytes]]
"""For each transaction of a block, the addresses in it."""


class TouchTracer(QuietTracer):
    """The addresses that call and are called."""

    recording = RECORDING

    def __init__(self) -> None:
        self.addresses: set[bytes] = set()

    def on_enter(self, start: FrameStart) -> None:
        """Both ends of a frame."""
        self.addresses.add(caller_of(start))
        self.addresses.add(start.target)


@dataclass(slots=True)
class Match:
    """A block with transactions that touch the address, by their index."""

    block: Block
    receipts: tuple[Receipt, ...]
    indexes: list[int]


@dataclass(slots=True)
class SearchResult:
    """Whole blocks, in the order of the search. is_complete: nothing is left of the range that would match."""

    matches: list[Match] = field(default_factory=list)
    is_complete: bool = True


class SearchLimitError(Exception):
    """A search has executed as many blocks as it may, or had its time, and found nothing.

    number: the block it came to. is_late: whether it was the time.
    """

    def __init__(self, number: int, *, is_late: bool = False) -> None:
        super().__init__(f"stopped at block {number}")
        self.number = number
        self.is_late = is_late


class AddressSearch:
    """Searches one chain. Safe to use from any thread."""

    def __init__(self, chain: ChainView) -> None:
        self._chain = chain
        self._cache = ByteCache(CACHE_BYTES)
        self._filled = FilledBlocks(chain)

    def search(
        self,
        address: Address,
        numbers: range,
        page_size: int,
        block_limit: int,
        until: Deadline,
        request: TraceRequest,
    ) -> SearchResult:
        """Transactions in the blocks of these heights, until `page_size` are exceeded by another block with a match.

        numbers: neighbours, ascending or descending. block_limit: blocks that are executed again. until: no block but
        the first starts after it, so that every continuation makes progress. Past either, the search ends with its
        results so far. Raises SearchLimitError if there are none, ExecutionTimeoutError if one block takes the
        request's time.
        """
        result, count = SearchResult(), 0
        try:
            for match in self._matches(address, numbers, block_limit, until, request):
                if count >= page_size:
                    result.is_complete = False
                    break
                count += len(match.indexes)
                result.matches.append(match)
        except (ExecutionTimeoutError, SearchLimitError):
            if not count:
                raise
            result.is_complete = False
        return result

    def _matches(
        self, address: Address, numbers: range, block_limit: int, until: Deadline, request: TraceRequest
    ) -> Iterator[Match]:
        """The blocks with transactions that touch the address. Raises SearchLimitError, ExecutionTimeoutError."""
        executions = 0

        def check(number: int) -> None:
            request.check()
            if number != numbers[0] and until.expired():
                raise SearchLimitError(number, is_late=True)

        for number in self._filled.within(numbers, check):
            check(number)
            record = self._record(number)
            if record is None:
                continue
            touched = self._known(*record)
            if touched is None:
                if executions == block_limit:
                    raise SearchLimitError(number)
                executions += 1
                touched = self._execute(record[0], request)
            indexes = [index for index, addresses in enumerate(touched) if address in addresses]
            if indexes:
                yield Match(*record, indexes)

    def _record(self, number: int) -> tuple[Block, tuple[Receipt, ...]] | None:
        block_hash = self._chain.records.canonical_hash(number)
        link = None if block_hash is None else self._chain.records.link_of(block_hash)
        if block_hash is None or link is None or link.is_empty:
            return None
        block, receipts = self._chain.block_by_hash(block_hash), self._chain.receipts(block_hash)
        return None if block is None or not receipts else (block, receipts)

    def _known(self, block: Block, receipts: tuple[Receipt, ...]) -> Touched | None:
        pairs = list(zip(block.transactions, receipts, strict=True))
        if all(_is_transfer(transaction, receipt) for transaction, receipt in pairs):
            return [frozenset((receipt.sender, transaction.to or b"")) for transaction, receipt in pairs]
        encoded = self._cache.get(block.hash)
        return None if encoded is None else list(_decode(encoded))

    def _execute(self, block: Block, request: TraceRequest) -> Touched:
        replay, touched = replay_of(self._chain, block), []
        for _ in block.transactions:
            tracer = TouchTracer()
            replay.run(tracer, request.deadline())
            touched.append(frozenset(tracer.addresses))
        self._cache.put(block.hash, _encode(touched))
        return touched


def _is_transfer(transaction: Transaction, receipt: Receipt) -> bool:
    """Whether no frame but the outermost can have been there."""
    return transaction.to is not None and not transaction.data and receipt.gas_used == TRANSACTION_GAS


def _encode(touched: Touched) -> bytes:
    parts = []
    for addresses in touched:
        parts += [len(addresses).to_bytes(_COUNT_BYTES, "big"), *sorted(addresses)]
    return b"".join(parts)


def _decode(encoded: bytes) -> Iterator[frozenset[bytes]]:
    position = 0
    while position < len(encoded):
        start = position + _COUNT_BYTES
        position = start + _ADDRESS_BYTES * int.from_bytes(encoded[position:start], "big")
        bounds = range(start, position + 1, _ADDRESS_BYTES)
        yield frozenset(encoded[first:last] for first, last in pairwise(bounds))
