"""Logs with their place in the chain; those of the newest blocks are kept, as most searches are for these."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types import Block, Header, Log, Receipt
from zevm.storage.primitives import Hash32

RECENT_BLOCKS = 256
"""Blocks at the chain's end whose logs are kept."""

RECENT_BLOCK_GAS = 1_000_000
RECENT_BLOCK_LOGS = 256
RECENT_BLOCK_BYTES = 65_536
"""A block that used more gas, or has more logs or data, is read again by each search that its bloom fits."""

RECENT_LOGS = 16_384
"""Logs of all kept blocks, of some 550 bytes each without their data: the newest blocks' are kept."""

BRIEF_BLOCK_GAS = 250_000
"""Gas of a block whose receipts are read and looked through within a few hundred microseconds."""

_NO_BLOOM = bytes(256)


class LogRecord(NamedTuple):
    """A log and where it was found. log_index counts within the block."""

    log: Log
    block_hash: Hash32
    block_number: int
    block_timestamp: int
    transaction_hash: Hash32
    transaction_index: int
    log_index: int


class BlockSource(Protocol):
    """A search's view of blocks. Any thread may call; None for an absent block."""

    def header_by_number(self, number: int) -> Header | None:
        """The canonical header at a height."""
        ...

    def header_by_hash(self, block_hash: Hash32) -> Header | None:
        """The header with this hash."""
        ...

    def block_by_hash(self, block_hash: Hash32) -> Block | None:
        """The block with this hash."""
        ...

    def receipts(self, block_hash: Hash32) -> Sequence[Receipt] | None:
        """The block's receipts in transaction order."""
        ...


def records_of(source: BlockSource, header: Header) -> Iterator[LogRecord]:
    """A block's logs; none where the block has just been removed."""
    if header.logs_bloom == _NO_BLOOM:
        return
    block, receipts = source.block_by_hash(header.hash), source.receipts(header.hash)
    if block is None or receipts is None:
        return
    log_index = 0
    for transaction_index, receipt in enumerate(receipts):
        for log in receipt.logs:
            yield LogRecord(
                log=log,
                block_hash=header.hash,
                block_number=header.number,
                block_timestamp=header.timestamp,
                transaction_hash=block.transactions[transaction_index].hash,
                transaction_index=transaction_index,
                log_index=log_index,
            )
            log_index += 1


class Pace:
    """The time that one search has; None for any.

    Its methods raise ExecutionTimeoutError past it, and NotBriefError under a BriefDeadline that they may outlast.
    """

    def __init__(self, deadline: Deadline | None) -> None:
        self._deadline = deadline

    def check(self) -> None:
        """Look at the clock."""
        if self._deadline is not None:
            self._deadline.check("the search for logs took too long; ask for fewer blocks")

    def before_reading(self, header: Header) -> None:
        """A block's receipts are going to be read."""
        self.check()
        if self._deadline is not None:
            self._deadline.bound(header.gas_used, BRIEF_BLOCK_GAS)

    def before_waiting(self) -> None:
        """Another search is going to be waited for, which may read many blocks."""
        if self._deadline is not None:
            self._deadline.bound(1, 0)


class RecentBlock(NamedTuple):
    """A block with its logs; None where they are not kept."""

    header: Header
    records: tuple[LogRecord, ...] | None


class RecentLogs:
    """The newest blocks below the head of the last call, each the parent of the next. For any thread.

    Whatever has happened to the chain in between, they are found again by their hashes, from the head down.
    """

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._blocks: list[RecentBlock] = []

    def down_to(self, lowest: int, head: Header, pace: Pace) -> list[RecentBlock]:
        """The blocks from `lowest` to the head, in order, without the first ones of a longer range. Raises as Pace."""
        lowest = max(lowest, head.number - RECENT_BLOCKS + 1)
        if not self._lock.acquire(blocking=False):
            pace.before_waiting()
            self._lock.acquire()
        try:
            self._blocks = self._with(head, lowest, pace)
            return self._blocks[max(0, lowest - self._blocks[0].header.number) :]
        finally:
            self._lock.release()

    def _with(self, head: Header, lowest: int, pace: Pace) -> list[RecentBlock]:
        """The blocks to keep: at least those from `lowest` to the head, as far as they are there."""
        newer = self._read(head, lowest, pace)
        kept = self._blocks
        if newer:
            first = newer[-1].header
            below = first.number - kept[0].header.number if kept else 0
            is_linked = 0 < below <= len(kept) and kept[below - 1].header.hash == first.parent_hash
            kept = [*(kept[:below] if is_linked else ()), *reversed(newer)]
        else:
            kept = kept[: head.number - kept[0].header.number + 1]
        below_kept = self._read_below(kept[0].header, lowest, pace) if kept[0].header.number > lowest else []
        if below_kept:
            kept = [*reversed(below_kept), *kept]
        return _newest_logs(kept[-RECENT_BLOCKS:]) if newer or below_kept else kept

    def _read_below(self, header: Header, lowest: int, pace: Pace) -> list[RecentBlock]:
        parent = self._source.header_by_hash(header.parent_hash)
        return [] if parent is None else self._read(parent, lowest, pace)

    def _read(self, head: Header, lowest: int, pace: Pace) -> list[RecentBlock]:
        """The blocks from a head down to `lowest`, or to one that is kept, which is not among them."""
        read: list[RecentBlock] = []
        header: Header | None = head
        while header is not None and header.number >= lowest and not self._keeps(header):
            pace.before_reading(header)
            read.append(RecentBlock(header, self._small(header)))
            header = self._source.header_by_hash(header.parent_hash)
        return read

    def _small(self, header: Header) -> tuple[LogRecord, ...] | None:
        """A block's logs if they may be kept."""
        if header.gas_used > RECENT_BLOCK_GAS:
            return None
        records = tuple(islice(records_of(self._source, header), RECENT_BLOCK_LOGS + 1))
        if not records and header.logs_bloom != _NO_BLOOM:
            # removed meanwhile: the same block may come back, with its logs
            return None
        size = sum([len(record.log.data) for record in records])
        return records if len(records) <= RECENT_BLOCK_LOGS and size <= RECENT_BLOCK_BYTES else None

    def _keeps(self, header: Header) -> bool:
        if not self._blocks:
            return False
        index = header.number - self._blocks[0].header.number
        return 0 <= index < len(self._blocks) and self._blocks[index].header.hash == header.hash


def _newest_logs(blocks: list[RecentBlock]) -> list[RecentBlock]:
    """The same blocks, of which the newest ones alone keep their logs where they have too many."""
    left = RECENT_LOGS
    for index in range(len(blocks) - 1, -1, -1):
        left -= len(blocks[index].records or ())
        if left < 0:
            older = [block._replace(records=None) if block.records else block for block in blocks[: index + 1]]
            return older + blocks[index + 1 :]
    return blocks
