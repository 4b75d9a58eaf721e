"""Log queries: matching, ranges, limits, the index, and speed over 100,000 blocks."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.canonical.log_search import LogLimits, LogQuery, LogSearch, log_keys
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.errors import InvalidRequestError, UnknownBlockError
from zevm.chain.types import Block, Header, Log, Receipt, Transaction, TransactionType, logs_bloom
from zevm.storage.ledger import Ledger
from zevm.storage.memory import MemoryStore
from zevm.storage.store import Batch

ALICE, BOB, CAROL = (bytes([item]) * 20 for item in (1, 2, 3))
TRANSFER, APPROVAL, X, Y = (bytes([item]) * 32 for item in (0x11, 0x22, 0x33, 0x44))


def receipt(*logs: Log) -> Receipt:
    return Receipt(2, 1, 21_000, logs, logs_bloom(logs), ALICE, 21_000, 1)


class MemoryChain:
    """Blocks in lists; the index is the real one, over a memory store."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.all_receipts: dict[bytes, list[Receipt]] = {}
        self.by_hash: dict[bytes, Block] = {}
        self.store = MemoryStore()
        self.ledger = Ledger(self.store)
        self.headers_read = 0

    def append(self, *receipts: Receipt) -> Block:
        number = len(self.blocks)
        bloom = logs_bloom(log for item in receipts for log in item.logs)
        header = Header(bytes(32), number=number, timestamp=1000 + number, logs_bloom=bloom)
        transactions = [
            Transaction(TransactionType.DYNAMIC_FEE, 1, nonce=1000 * number + index, to=bytes(20)).impersonating(ALICE)
            for index in range(len(receipts))
        ]
        block = Block(header, tuple(transactions))
        self.blocks.append(block)
        self.by_hash[block.hash] = block
        self.all_receipts[block.hash] = list(receipts)
        batch = Batch()
        self.ledger.append(
            batch,
            number=number,
            block_hash=block.hash,
            transaction_hashes=[],
            log_keys=log_keys(receipts),
        )
        self.store.write(batch)
        return block

    def header_by_number(self, number: int) -> Header | None:
        self.headers_read += 1
        return self.blocks[number].header if number < len(self.blocks) else None

    def header_by_hash(self, block_hash: bytes) -> Header | None:
        block = self.by_hash.get(block_hash)
        return None if block is None else block.header

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        return self.by_hash.get(block_hash)

    def receipts(self, block_hash: bytes) -> Sequence[Receipt] | None:
        return self.all_receipts.get(block_hash)

    def search(
        self, deadline: Deadline | None = None, limits: LogLimits | None = None, **query: Any
    ) -> list[LogRecord]:
        searching = LogSearch(self, self.ledger, limits)
        return searching.search(LogQuery(**query), len(self.blocks) - 1, deadline=deadline)


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    """Block 0 empty; 1: two transactions with three logs; 2: none; 3: one log; 4: a log without topics."""
    chain = MemoryChain()
    chain.append()
    chain.append(
        receipt(Log(ALICE, (TRANSFER, X), b"a"), Log(BOB, (TRANSFER, Y), b"b")),
        receipt(Log(ALICE, (APPROVAL, X, Y), b"c")),
    )
    chain.append(receipt())
    chain.append(receipt(), receipt(Log(CAROL, (X, TRANSFER), b"d")))
    chain.append(receipt(Log(BOB, (), b"e")))
    return chain


def data(records: list[LogRecord]) -> str:
    return b"".join(record.log.data for record in records).decode()


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, "abcde"),
        ({"addresses": (ALICE,)}, "ac"),
        ({"addresses": (BOB, CAROL)}, "bde"),
        ({"topics": ((TRANSFER,),)}, "ab"),
        ({"topics": ((TRANSFER, APPROVAL),)}, "abc"),
        ({"topics": (None, (X,))}, "ac"),
        ({"topics": ((), (Y,))}, "b"),
        ({"topics": (None, None)}, "abcd"),
        ({"topics": (None, None, None)}, "c"),
        ({"topics": (None, None, None, None)}, ""),
        ({"topics": ((X,),)}, "d"),
        ({"addresses": (ALICE,), "topics": ((TRANSFER,), (Y,))}, ""),
        ({"addresses": (BOB,), "topics": ((TRANSFER,), (X, Y))}, "b"),
        ({"addresses": (bytes(20),)}, ""),
    ],
)
def test_criteria(chain: MemoryChain, criteria: dict[str, Any], expected: str) -> None:
    assert data(chain.search(first=0, last=4, **criteria)) == expected
    by_hash = [chain.search(block_hash=block.hash, **criteria) for block in chain.blocks]
    assert "".join(data(records) for records in by_hash) == expected


def test_ranges(chain: MemoryChain) -> None:
    assert data(chain.search(first=1, last=3)) == "abcd"
    assert data(chain.search(first=2)) == "de"
    assert data(chain.search()) == "e"
    assert data(chain.search(first=2, last=2)) == ""


def test_records_say_where_they_were_found(chain: MemoryChain) -> None:
    block = chain.blocks[1]
    records = chain.search(block_hash=block.hash)
    assert [record.log for record in records] == [log for item in chain.all_receipts[block.hash] for log in item.logs]
    assert records[2] == LogRecord(
        log=Log(ALICE, (APPROVAL, X, Y), b"c"),
        block_hash=block.hash,
        block_number=1,
        block_timestamp=1001,
        transaction_hash=block.transactions[1].hash,
        transaction_index=1,
        log_index=2,
    )
    assert [record.log_index for record in records] == [0, 1, 2]
    assert chain.search(first=1, last=1, topics=((APPROVAL,),))[0].log_index == 2


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"first": 3, "last": 2}, "invalid block range params"),
        ({"first": 5}, "invalid block range params"),
        ({"first": 0, "last": 5}, "block range extends beyond current head block"),
        ({"first": 0, "topics": (None,) * 5}, "exceed max topics"),
        ({"addresses": (ALICE,) * 1001}, "exceed max addresses or topics per search position"),
        ({"topics": (None, (X,) * 1001)}, "exceed max addresses or topics per search position"),
    ],
)
def test_refusals(chain: MemoryChain, criteria: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        chain.search(**criteria)
    assert caught.value.message == message


def test_criteria_at_their_limits(chain: MemoryChain) -> None:
    addresses = (*[number.to_bytes(20, "big") for number in range(999)], BOB)
    topics = (*[number.to_bytes(32, "big") for number in range(999)], TRANSFER)
    assert data(chain.search(first=0, addresses=addresses)) == "be"
    assert data(chain.search(first=0, topics=(topics, None))) == "ab"
    lifted = LogLimits(max_addresses=0, max_topics=0)
    assert data(chain.search(first=0, limits=lifted, addresses=(*addresses, ALICE), topics=((*topics, X),))) == "ab"


def test_unknown_block(chain: MemoryChain) -> None:
    with pytest.raises(UnknownBlockError, match="unknown block"):
        chain.search(block_hash=b"\x99" * 32)


def test_results_at_and_past_the_limit(chain: MemoryChain) -> None:
    assert len(chain.search(first=0, limits=LogLimits(max_results=5))) == 5
    with pytest.raises(InvalidRequestError, match=r"^query exceeds max results 4, retry with the range 0-3$"):
        chain.search(first=0, limits=LogLimits(max_results=4))
    with pytest.raises(InvalidRequestError, match=r"^query exceeds max results 2$"):
        chain.search(first=1, last=4, limits=LogLimits(max_results=2))
    assert len(chain.search(first=0, limits=LogLimits(max_results=0))) == 5


def test_block_range_at_and_past_the_limit(chain: MemoryChain) -> None:
    limits = LogLimits(max_block_range=3)
    assert data(chain.search(first=1, last=4, limits=limits)) == "abcde"
    with pytest.raises(InvalidRequestError, match=r"^exceed maximum block range 3$"):
        chain.search(first=0, last=4, limits=limits)


@pytest.mark.lengthy
def test_default_result_limit() -> None:
    chain = MemoryChain()
    chain.append()
    full = receipt(*[Log(ALICE, (), bytes(1))] * 10_000)
    chain.append(full)
    chain.append(full)
    assert len(chain.search(first=0)) == 20_000
    chain.append(receipt(Log(ALICE, (), b"")))
    with pytest.raises(InvalidRequestError, match=r"^query exceeds max results 20000, retry with the range 0-2$"):
        chain.search(first=0)


def test_deadline(chain: MemoryChain) -> None:
    assert data(chain.search(deadline=Deadline.after(60), first=0)) == "abcde"
    with pytest.raises(ExecutionTimeoutError, match="took too long"):
        chain.search(deadline=Deadline.after(-1), first=0)


def test_blocks_removed_while_searching_are_left_out() -> None:
    chain = MemoryChain()
    for number in range(3):
        chain.append(receipt(Log(ALICE, (), str(number).encode())))
    removed = chain.blocks[1]
    chain.all_receipts.pop(removed.hash)
    assert data(chain.search(first=0)) == "02"
    chain.blocks.pop()
    found = LogSearch(chain, chain.ledger).search(LogQuery(first=0), 2)
    assert data(found) == "0"


def test_digest_collisions_do_not_reach_the_answer(chain: MemoryChain) -> None:
    class EveryBlock:
        def log_blocks(self, groups: Any, first: int, last: int, check: Any = None) -> Iterator[int]:  # noqa: ARG002
            return iter(range(first, last + 1))

    found = LogSearch(chain, EveryBlock()).search(LogQuery(0, 4, None, (ALICE,), ((APPROVAL,),)), 4)
    assert data(found) == "c"


def test_index_keys_separate_positions_and_addresses() -> None:
    keys = log_keys([receipt(Log(ALICE, (X, Y), b"")), receipt(Log(ALICE, (Y, X), b""))])
    assert len(keys) == 1 + 1 + 4
    assert log_keys([receipt()]) == []


@pytest.mark.slow
def test_searches_over_100_000_blocks_are_fast() -> None:
    """In processor time, each is a small part of what it took to append the blocks."""
    chain = MemoryChain()
    rare = receipt(Log(BOB, (APPROVAL, Y), b"!"))
    common = receipt(Log(ALICE, (TRANSFER, X), b"."))
    began = time.process_time()
    for number in range(100_000):
        chain.append(*((rare,) if number % 10_000 == 9_999 else (common,) if number % 20 == 0 else ()))
    appended_seconds = time.process_time() - began
    chain.headers_read = 0
    for criteria, count in (
        ({"addresses": (BOB,)}, 10),
        ({"addresses": (ALICE,), "topics": ((APPROVAL,),)}, 0),
        ({"topics": (None, (Y,))}, 10),
        ({}, 5_010),
    ):
        started = time.process_time()
        assert len(chain.search(first=0, last=99_999, **criteria)) == count
        assert time.process_time() - started < appended_seconds
    assert chain.headers_read <= 10 + 10 + 5_010 + 4, "the head of each search, and the blocks that the index names"


def test_s7_blocks_that_are_looked_into_are_bounded_not_the_range() -> None:
    chain = MemoryChain()
    for number in range(60):
        chain.append(*([receipt(Log(ALICE, (TRANSFER,), b"x"))] if number % 6 == 0 else []))
    limits = LogLimits(max_blocks=10)
    assert len(chain.search(first=0, last=59, limits=limits, addresses=(ALICE,))) == 10
    assert LogLimits().max_block_range == 0
    with pytest.raises(InvalidRequestError, match=r"^query exceeds max blocks 9, retry with the range 0-53$"):
        chain.search(first=0, last=59, limits=LogLimits(max_blocks=9), addresses=(ALICE,))
    assert len(chain.search(first=0, last=53, limits=LogLimits(max_blocks=9), addresses=(ALICE,))) == 9


def test_s7_the_deadline_is_looked_at_between_candidates() -> None:
    """Two groups of many blocks each that have none in common."""
    chain = MemoryChain()
    for number in range(2_000):
        log = Log(ALICE if number % 2 else BOB, (X if number % 2 else Y,), b"")
        chain.append(receipt(log))
    with pytest.raises(ExecutionTimeoutError):
        chain.search(first=0, addresses=(ALICE,), topics=((Y,),), deadline=Deadline.after(-1))
    assert chain.search(first=0, addresses=(ALICE,), topics=((Y,),), deadline=Deadline.after(100)) == []
