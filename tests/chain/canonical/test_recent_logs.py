"""Logs of the newest blocks are kept from one search to the next, whatever becomes of the chain."""

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from zevm.chain.canonical import log_records
from zevm.chain.canonical.log_records import RECENT_BLOCKS, LogRecord, records_of
from zevm.chain.canonical.log_search import LogLimits, LogQuery, LogSearch, log_keys
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.errors import InvalidRequestError
from zevm.chain.types import Block, Header, Log, Receipt, Transaction, TransactionType, logs_bloom
from zevm.storage.ledger import Ledger
from zevm.storage.memory import MemoryStore
from zevm.storage.store import Batch

ADDRESSES = [bytes([item]) * 20 for item in (1, 2, 3)]
TOPICS = [bytes([item]) * 32 for item in (0x11, 0x22)]


class Branches:
    """A chain whose newest blocks are exchanged; the index is the real one, over a memory store."""

    def __init__(self) -> None:
        self.canonical: list[Block] = []
        self.by_hash: dict[bytes, Block] = {}
        self.by_block: dict[bytes, Sequence[Receipt]] = {}
        self.store = MemoryStore()
        self.ledger = Ledger(self.store)
        self.read = 0

    def append(self, logs: Sequence[Log], salt: int = 0, gas_used: int = 21_000) -> None:
        number, parent = len(self.canonical), self.canonical[-1].hash if self.canonical else bytes(32)
        header = Header(parent, number=number, timestamp=salt, gas_used=gas_used, logs_bloom=logs_bloom(logs))
        transaction = Transaction(TransactionType.DYNAMIC_FEE, 1, nonce=number, to=bytes(20)).impersonating(bytes(20))
        block = Block(header, (transaction,))
        receipts = [Receipt(2, 1, 21_000, tuple(logs), logs_bloom(logs), bytes(20), 21_000, 1)]
        self.canonical.append(block)
        self.by_hash[block.hash], self.by_block[block.hash] = block, receipts
        self.change(block, receipts, remove=False)

    def remove_head(self) -> None:
        block = self.canonical.pop()
        self.change(block, self.by_block[block.hash], remove=True)

    def change(self, block: Block, receipts: Sequence[Receipt], *, remove: bool) -> None:
        batch, number = Batch(), block.header.number
        keys = log_keys(receipts)
        if remove:
            self.ledger.remove_head(
                batch,
                number=number,
                block_hash=block.hash,
                parent_hash=block.header.parent_hash,
                transaction_hashes=[],
                log_keys=keys,
            )
        else:
            self.ledger.append(batch, number=number, block_hash=block.hash, transaction_hashes=[], log_keys=keys)
        self.store.write(batch)

    def header_by_number(self, number: int) -> Header | None:
        return self.canonical[number].header if number < len(self.canonical) else None

    def header_by_hash(self, block_hash: bytes) -> Header | None:
        block = self.by_hash.get(block_hash)
        return None if block is None else block.header

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        return self.by_hash.get(block_hash)

    def receipts(self, block_hash: bytes) -> Sequence[Receipt] | None:
        self.read += 1
        return self.by_block.get(block_hash)

    def by_hand(self, query: LogQuery) -> Iterator[LogRecord]:
        """What a search is to find, by looking at every log."""
        last = len(self.canonical) - 1 if query.last is None else query.last
        for block in self.canonical[query.first or 0 : last + 1]:
            for record in records_of(self, block.header):
                wanted = [alternatives or () for alternatives in query.topics]
                fits = len(record.log.topics) >= len(wanted) and all(
                    not some or topic in some for some, topic in zip(wanted, record.log.topics, strict=False)
                )
                if fits and (not query.addresses or record.log.address in query.addresses):
                    yield record


def random_logs(chance: random.Random) -> list[Log]:
    return [
        Log(chance.choice(ADDRESSES), tuple(chance.choices(TOPICS, k=chance.randrange(3))), b"")
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 5)))
    ]


def random_query(chance: random.Random, head: int) -> LogQuery:
    first, last = sorted(chance.randrange(head + 1) for _ in range(2))
    if chance.random() < 0.5:
        first, last = max(0, head - chance.randrange(40)), head
    addresses = tuple(chance.sample(ADDRESSES, chance.randrange(3)))
    topics = tuple(chance.choice((None, (TOPICS[0],), tuple(TOPICS))) for _ in range(chance.randrange(3)))
    return LogQuery(first, last, None, addresses, topics)


@pytest.mark.parametrize("most_logs", [8, 16_384])
@pytest.mark.parametrize("seed", range(6))
def test_searches_find_what_is_there(seed: int, most_logs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_records, "RECENT_LOGS", most_logs)
    monkeypatch.setattr(log_records, "RECENT_BLOCKS", 16)
    monkeypatch.setattr("zevm.chain.canonical.log_search.RECENT_BLOCKS", 16)
    monkeypatch.setattr(log_records, "RECENT_BLOCK_LOGS", 4)
    chance, chain = random.Random(seed), Branches()
    search = LogSearch(chain, chain.ledger)
    chain.append([])
    for step in range(300):
        act = chance.random()
        if act < 0.5 or len(chain.canonical) < 3:
            chain.append(random_logs(chance), step, chance.choice((21_000, 21_000, 2_000_000)))
        elif act < 0.6:
            for _ in range(chance.randrange(min(30, len(chain.canonical) - 1))):
                chain.remove_head()
        else:
            head = len(chain.canonical) - 1
            query = random_query(chance, head)
            assert search.search(query, head) == list(chain.by_hand(query)), query


def test_what_was_read_is_not_read_again() -> None:
    chain = Branches()
    search = LogSearch(chain, chain.ledger)
    for _ in range(2 * RECENT_BLOCKS):
        chain.append([Log(ADDRESSES[0], (), b"")])
    head = len(chain.canonical) - 1
    query = LogQuery(head - RECENT_BLOCKS + 1, None, None, (ADDRESSES[0],))
    assert len(search.search(query, head)) == RECENT_BLOCKS
    before = chain.read
    for _ in range(3):
        assert len(search.search(query, head)) == RECENT_BLOCKS
        assert not search.search(replace(query, addresses=(ADDRESSES[1],)), head)
    assert chain.read == before
    chain.remove_head()
    chain.append([Log(ADDRESSES[1], (), b"")], salt=1)
    assert len(search.search(replace(query, addresses=(ADDRESSES[1],)), head)) == 1
    assert chain.read == before + 1


def test_logs_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_records, "RECENT_LOGS", 100)
    chain = Branches()
    search = LogSearch(chain, chain.ledger)
    for _ in range(60):
        chain.append([Log(ADDRESSES[0], (), b"")] * 3)
        assert len(search.search(LogQuery(0, None), len(chain.canonical) - 1)) == 3 * len(chain.canonical)
    kept = [block for block in search._recent._blocks if block.records is not None]
    assert [block.header.number for block in kept] == [*range(60 - 100 // 3, 60)]
    before = chain.read
    search.search(LogQuery(60 - 100 // 3, None), 59)
    assert chain.read == before


def test_limits_hold() -> None:
    chain = Branches()
    for _ in range(40):
        chain.append([Log(ADDRESSES[0], (), b"")] * 3)
    for limits, text in (
        (LogLimits(max_results=30), "query exceeds max results 30, retry with the range 10-19"),
        (LogLimits(max_blocks=5), "query exceeds max blocks 5, retry with the range 10-14"),
        (LogLimits(max_block_range=20), "exceed maximum block range 20"),
    ):
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match=f"^{text}$"):
                LogSearch(chain, chain.ledger, limits).search(LogQuery(10, None), 39)


def test_what_takes_long_is_not_begun_where_others_wait() -> None:
    chain = Branches()
    chain.append([])
    chain.append([Log(ADDRESSES[0], (), b"")], gas_used=30_000_000)
    search = LogSearch(chain, chain.ledger)
    brief = BriefDeadline(Deadline.after(60).at, Cancellation())
    with pytest.raises(NotBriefError):
        search.search(LogQuery(0, None), 1, deadline=brief)
    assert len(search.search(LogQuery(0, None), 1)) == 1


def test_a_block_that_is_removed_while_it_is_read_has_its_logs_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where evm_revert takes a block while another thread searches, and a replay makes the same one again."""
    chain = Branches()
    chain.append([])
    chain.append([Log(ADDRESSES[0], (), b"")])
    search = LogSearch(chain, chain.ledger)
    with monkeypatch.context() as patch:
        patch.setattr(chain, "block_by_hash", lambda _: None)
        assert not search.search(LogQuery(0, None), 1)
    assert len(search.search(LogQuery(0, None), 1)) == 1


def test_a_search_that_others_wait_for_does_not_wait_for_one_that_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Branches()
    chain.append([])
    chain.append([Log(ADDRESSES[0], (), b"")])
    search = LogSearch(chain, chain.ledger)
    reads, goes_on, found = threading.Event(), threading.Event(), []

    def receipts(block_hash: bytes) -> Sequence[Receipt] | None:
        reads.set()
        goes_on.wait(60)  # then a search that does wait is told
        return chain.by_block.get(block_hash)

    monkeypatch.setattr(chain, "receipts", receipts)
    reader = threading.Thread(target=lambda: found.append(search.search(LogQuery(0, None), 1)))
    reader.start()
    assert reads.wait(60)
    with pytest.raises(NotBriefError):
        search.search(LogQuery(0, None), 1, deadline=BriefDeadline(Deadline.after(60).at, Cancellation()))
    goes_on.set()
    reader.join()
    assert len(found[0]) == 1
    assert search.search(LogQuery(0, None), 1) == found[0]
