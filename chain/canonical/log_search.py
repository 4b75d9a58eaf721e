"""Finding logs over many blocks: the ledger's index names candidate blocks, blooms and exact matching decide.

The cost follows the number of candidate blocks, not the length of the range.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from zevm.chain.canonical.log_records import (
    RECENT_BLOCKS,
    BlockSource,
    LogRecord,
    Pace,
    RecentBlock,
    RecentLogs,
    records_of,
)
from zevm.chain.canonical.marks import Horizon
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError, UnknownBlockError
from zevm.chain.types import Log, Receipt, logs_bloom
from zevm.storage.ledger import log_key
from zevm.storage.origin import Origin
from zevm.storage.primitives import Address, Hash32

MAX_TOPIC_POSITIONS = 4
"""A log has at most four topics."""

_ANY_LOG = b""
"""The index item of every block that has a log at all."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Limits of one search; 0 lifts a limit."""

    max_results: int = 20_000
    """Logs in one answer."""
    max_block_range: int = 0
    """How far the last block may lie after the first."""
    max_blocks: int = 50_000
    """Blocks that are looked into since the index names them."""
    max_addresses: int = 1_000
    """Addresses of one query."""
    max_topics: int = 1_000
    """Alternatives for one topic position."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs: of one block by hash, or of the blocks `first` to `last` (None: the head).

    Empty `addresses` match any. topics: per position the alternatives; none, or None, match any topic there.
    """

    first: int | None = None
    last: int | None = None
    block_hash: Hash32 | None = None
    addresses: tuple[Address, ...] = ()
    topics: tuple[tuple[bytes, ...] | None, ...] = ()


class LogIndex(Protocol):
    """A search's view of the ledger's index."""

    def log_blocks(
        self, groups: Sequence[Sequence[bytes]], first: int, last: int, check: Callable[[], None] | None = None
    ) -> Iterator[int]:
        """Ascending numbers of blocks that have, for every group, at least one of its keys; `check` stops it."""
        ...


def log_keys(receipts: Iterable[Receipt]) -> list[bytes]:
    """The index keys under which the ledger files a block with these receipts, each once, as they come."""
    items: dict[bytes, None] = {}
    for receipt in receipts:
        for log in receipt.logs:
            items[log.address] = None
            items.update([(bytes((position,)) + topic, None) for position, topic in enumerate(log.topics)])
            items[_ANY_LOG] = None
    return [*dict.fromkeys(map(log_key, items))]


class _Matcher:
    """A query prepared for many comparisons."""

    def __init__(self, query: LogQuery) -> None:
        self._addresses = frozenset(query.addresses)
        self._topics = tuple([frozenset(alternatives or ()) for alternatives in query.topics])
        self._blooms: list[list[int]] | None = None

    def index_groups(self) -> list[list[bytes]]:
        """The query of the index: for every criterion, at least one alternative."""
        groups = [[log_key(address) for address in self._addresses]]
        for position, alternatives in enumerate(self._topics):
            groups.append([log_key(bytes((position,)) + topic) for topic in alternatives])
        return [group for group in groups if group] or [[log_key(_ANY_LOG)]]

    def may_be_in(self, bloom: bytes) -> bool:
        """Whether a block with this bloom can have a match."""
        if self._blooms is None:
            sought = [self._addresses, *self._topics]
            # A bloom holds an item when it has all bits of the item's own bloom.
            self._blooms = [[_bloom_of(item) for item in alternatives] for alternatives in sought if alternatives]
        bits = int.from_bytes(bloom, "big")
        return all(any(item & bits == item for item in alternatives) for alternatives in self._blooms)

    def matching(self, records: Iterable[LogRecord]) -> list[LogRecord]:
        """Those whose log fits exactly. It must have as many topics as the query has positions."""
        addresses = self._addresses
        found = [record for record in records if record.log.address in addresses] if addresses else [*records]
        return [record for record in found if self._fits(record.log.topics)] if self._topics else found

    def _fits(self, topics: Sequence[bytes]) -> bool:
        wanted = self._topics
        return len(topics) >= len(wanted) and all(
            not alternatives or topic in alternatives for alternatives, topic in zip(wanted, topics, strict=False)
        )


def _bloom_of(item: bytes) -> int:
    return int.from_bytes(logs_bloom([Log(Address(item), (), b"")]), "big")


class LogSearch:
    """Searches over one chain. Safe to use from any thread."""

    def __init__(
        self,
        source: BlockSource,
        index: LogIndex,
        limits: LogLimits | None = None,
        origin: Origin | None = None,
        horizon: Horizon | None = None,
    ) -> None:
        """origin: knows the blocks before its number, which the index has not. horizon: of a chain that is pruned."""
        self._origin = origin
        self._horizon = horizon or Horizon()
        self._source = source
        self._index = index
        self._recent = RecentLogs(source)
        self.limits = limits or LogLimits()

    def search(self, query: LogQuery, head_number: int, *, deadline: Deadline | None = None) -> list[LogRecord]:
        """Matching logs in the order of the chain.

        Raises InvalidRequestError past a limit or for a wrong range, PrunedHistoryError,
        UnknownBlockError for an unknown block hash, ExecutionTimeoutError past the deadline.
        """
        self._check_criteria(query)
        matcher, pace = _Matcher(query), Pace(deadline)
        found: list[LogRecord] = []
        kept: list[LogRecord] = []
        looked_into = 0
        for header, records in self._candidates(query, matcher, head_number, pace):
            if records is not None:
                # they are few in all (RECENT_LOGS), and compared together
                kept += records
                continue
            found += matcher.matching(kept)
            kept.clear()
            pace.before_reading(header)
            if 0 < self.limits.max_blocks <= looked_into:
                raise self._too_many(query, header.number, f"max blocks {self.limits.max_blocks}")
            looked_into += 1
            if matcher.may_be_in(header.logs_bloom):
                found += matcher.matching(records_of(self._source, header))
                self._check_results(query, found)
        found += matcher.matching(kept)
        self._check_results(query, found)
        return found

    def _check_results(self, query: LogQuery, found: Sequence[LogRecord]) -> None:
        limit = self.limits.max_results
        if 0 < limit < len(found):
            raise self._too_many(query, found[limit].block_number, f"max results {limit}")

    def _check_criteria(self, query: LogQuery) -> None:
        if len(query.topics) > MAX_TOPIC_POSITIONS:
            raise InvalidRequestError("exceed max topics")
        longest = max([len(alternatives or ()) for alternatives in query.topics], default=0)
        if 0 < self.limits.max_addresses < len(query.addresses) or 0 < self.limits.max_topics < longest:
            raise InvalidRequestError("exceed max addresses or topics per search position")

    def _candidates(self, query: LogQuery, matcher: _Matcher, head_number: int, pace: Pace) -> Iterator[RecentBlock]:
        """The blocks that can have a match, in order: old ones by the index, then the newest ones."""
        if query.block_hash is not None:
            header = self._source.header_by_hash(query.block_hash)
            if header is None:
                raise UnknownBlockError("unknown block")
            yield RecentBlock(header, None)
            return
        first, last = self._range(query, head_number)
        recent = self._recent_blocks(first, last, head_number, pace)
        last_old = recent[0].header.number - 1 if recent else last
        if first <= last_old:
            for number in self._numbers(query, matcher, first, last_old, pace):
                header = self._source.header_by_number(number)
                # A block that a reorganisation has just removed is none of the answer.
                if header is not None:
                    yield RecentBlock(header, None)
        yield from recent

    def _numbers(self, query: LogQuery, matcher: _Matcher, first: int, last: int, pace: Pace) -> Iterator[int]:
        """Ascending numbers of blocks that can have a match, those before a fork first."""
        origin = self._origin
        if origin is not None and first < origin.number:
            yield from origin.log_blocks(first, min(last, origin.number - 1), query.addresses, query.topics)
            first = origin.number
        if first <= last:
            numbers = self._index.log_blocks(matcher.index_groups(), first, last, pace.check)
            # it reads as of now: the blocks may have been pruned since the range was looked at
            self._horizon.refuse(first)
            yield from numbers

    def _recent_blocks(self, first: int, last: int, head_number: int, pace: Pace) -> list[RecentBlock]:
        """The newest blocks of a range whose logs need no index, where the limit on blocks admits them all."""
        if self._origin is not None:
            first = max(first, self._origin.number)
        if first > last or last <= head_number - RECENT_BLOCKS or 0 < self.limits.max_blocks < RECENT_BLOCKS:
            return []
        head = self._source.header_by_number(head_number)
        recent = [] if head is None else self._recent.down_to(first, head, pace)
        return recent[: max(0, len(recent) - (head_number - last))]

    def _range(self, query: LogQuery, head_number: int) -> tuple[int, int]:
        first = head_number if query.first is None else query.first
        last = head_number if query.last is None else query.last
        if first > last:
            raise InvalidRequestError("invalid block range params")
        if last > head_number:
            raise InvalidRequestError("block range extends beyond current head block")
        if 0 < self.limits.max_block_range < last - first:
            raise InvalidRequestError(f"exceed maximum block range {self.limits.max_block_range}")
        self._horizon.refuse(first)
        return first, last

    @staticmethod
    def _too_many(query: LogQuery, reached: int, limit: str) -> InvalidRequestError:
        text = f"query exceeds {limit}"
        if query.block_hash is None and query.first is not None and reached > query.first:
            text += f", retry with the range {query.first}-{reached - 1}"
        return InvalidRequestError(text)
