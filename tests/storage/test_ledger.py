import random
import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.storage_toy import ToyBlock, grow, put_block, toy_block
from zevm.storage import schema
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.ledger import Ledger, log_key
from zevm.storage.leveldb import LevelStore
from zevm.storage.memory import MemoryStore
from zevm.storage.schema import MetaName
from zevm.storage.store import Batch


@pytest.fixture(params=["memory", "disk"])
def database(request, tmp_path: Path):
    opened = Database.open(None if request.param == "memory" else tmp_path)
    yield opened
    opened.close()


def remove(database: Database, batch, block: ToyBlock, parent_hash) -> None:
    database.ledger.remove_head(
        batch,
        number=block.number,
        block_hash=block.hash,
        parent_hash=parent_hash,
        transaction_hashes=block.transaction_hashes,
        log_keys=block.log_keys,
    )


def test_an_empty_ledger(database: Database) -> None:
    ledger = database.ledger
    assert ledger.head() is None
    assert ledger.header(bytes(32)) is None
    assert ledger.canonical_hash(0) is None
    assert ledger.number_of(bytes(32)) is None
    assert ledger.transaction_position(bytes(32)) is None
    assert ledger.meta(MetaName.CHECKPOINTS) is None
    assert list(ledger.pooled()) == []


def test_a_block_is_found_by_every_way_to_it(database: Database) -> None:
    blocks = grow(database, 5)
    ledger = database.ledger
    assert ledger.head() == (4, blocks[4].hash)
    for block in blocks:
        assert ledger.canonical_hash(block.number) == block.hash
        assert ledger.number_of(block.hash) == block.number
        assert ledger.header(block.hash) == block.header
        assert ledger.body(block.hash) == block.body
        assert ledger.receipts(block.hash) == block.receipts
        for index, transaction_hash in enumerate(block.transaction_hashes):
            assert ledger.transaction_position(transaction_hash) == (block.number, index)


def test_a_reorganisation_is_one_batch(database: Database) -> None:
    old = grow(database, 10)
    batch = Batch()
    for block in reversed(old[6:]):
        remove(database, batch, block, old[block.number - 1].hash)
    new, parent = [], old[5].hash
    for number in range(6, 12):
        new.append(toy_block(number, parent, b"new"))
        put_block(database, batch, new[-1])
        parent = new[-1].hash
    assert database.ledger.head() == (9, old[9].hash)
    database.write(batch)
    assert database.ledger.head() == (11, new[-1].hash)
    assert database.scrub() == []
    for block in old[6:]:
        assert database.ledger.header(block.hash) is None
        assert database.ledger.number_of(block.hash) is None
        assert database.ledger.transaction_position(block.transaction_hashes[0]) is None
    assert list(database.ledger.log_blocks([[new[0].log_keys[0]]], 0, 20)) == [6]


def test_a_removed_block_takes_its_log_postings_along(database: Database) -> None:
    blocks = grow(database, 15)
    key = blocks[14].log_keys[0]
    assert list(database.ledger.log_blocks([[key]], 0, 100)) == [0, 7, 14]
    batch = Batch()
    remove(database, batch, blocks[14], blocks[13].hash)
    database.write(batch)
    assert list(database.ledger.log_blocks([[key]], 0, 100)) == [0, 7]
    assert database.ledger.head() == (13, blocks[13].hash)


def test_genesis_stays(database: Database) -> None:
    (genesis,) = grow(database, 1)
    with pytest.raises(ValueError, match="genesis"):
        remove(database, Batch(), genesis, bytes(32))


def test_meta_and_pool(database: Database) -> None:
    ledger = database.ledger
    batch = Batch()
    ledger.put_meta(batch, MetaName.CHECKPOINTS, b"\x01")
    for number in (3, 1, 2):
        ledger.put_pooled(batch, bytes([number]) * 32, b"transaction %d" % number)
    database.write(batch)
    assert ledger.meta(MetaName.CHECKPOINTS) == b"\x01"
    assert list(ledger.pooled()) == [(bytes([number]) * 32, b"transaction %d" % number) for number in (1, 2, 3)]
    batch = Batch()
    ledger.delete_pooled(batch, bytes([2]) * 32)
    ledger.delete_meta(batch, MetaName.CHECKPOINTS)
    database.write(batch)
    assert [data for _, data in ledger.pooled()] == [b"transaction 1", b"transaction 3"]
    assert ledger.meta(MetaName.CHECKPOINTS) is None


def test_a_head_pointer_of_the_wrong_size_is_corruption() -> None:
    store = MemoryStore()
    batch = Batch()
    batch.put(schema.meta_key(MetaName.HEAD), b"short")
    store.write(batch)
    with pytest.raises(CorruptionError, match="head pointer has 5 bytes") as caught:
        Ledger(store).head()
    assert caught.value.problem is StorageProblem.FILES_DAMAGED


def index_of(store, postings):
    """Write the log index of {key: numbers}."""
    batch = Batch()
    for key, numbers in postings.items():
        for number in numbers:
            batch.put(schema.log_posting_key(key, number), b"")
    store.write(batch, sync=False)
    return Ledger(store)


KEYS = [log_key(bytes([number]) * 20) for number in range(6)]


@pytest.mark.lengthy
@settings(max_examples=150, deadline=None)
@given(
    postings=st.dictionaries(st.sampled_from(KEYS), st.sets(st.integers(0, 120)), max_size=6),
    groups=st.lists(st.lists(st.sampled_from(KEYS), max_size=4), max_size=4),
    first=st.integers(0, 130),
    last=st.integers(0, 130),
)
def test_log_blocks_equals_set_algebra(postings, groups, first, last) -> None:
    ledger = index_of(MemoryStore(), postings)
    expected = set(range(first, last + 1))
    for group in groups:
        expected &= set().union(*(postings.get(key, set()) for key in group))
    assert list(ledger.log_blocks(groups, first, last)) == sorted(expected)


def test_log_blocks_reads_the_moment_of_the_call() -> None:
    store = MemoryStore()
    ledger = index_of(store, {KEYS[0]: range(10)})
    found = ledger.log_blocks([[KEYS[0]]], 0, 100)
    assert next(found) == 0
    index_of(store, {KEYS[0]: range(10, 20)})
    assert list(found) == list(range(1, 10))


def test_log_blocks_up_to_the_last_number_there_is() -> None:
    ledger = index_of(MemoryStore(), {KEYS[0]: [5, 2**64 - 1]})
    assert list(ledger.log_blocks([[KEYS[0]]], 0, 2**64 - 1)) == [5, 2**64 - 1]


@pytest.mark.slow
def test_log_blocks_over_100_000_blocks(tmp_path: Path) -> None:
    """A sparse search and the begin of a dense one take a small part of what all blocks take on this machine."""
    dense, sparse, other = KEYS[:3]
    rare = random.Random(1).sample(range(100_000), 20)
    store = LevelStore(tmp_path)
    ledger = index_of(store, {dense: range(100_000), sparse: rare, other: range(0, 100_000, 2)})
    store.compact()
    try:
        assert list(ledger.log_blocks([[dense], [sparse]], 0, 99_999)) == sorted(rare)
        assert sum(1 for _ in ledger.log_blocks([[dense, other]], 0, 99_999)) == 100_000
        whole = fastest(lambda: sum(1 for _ in ledger.log_blocks([[dense, other]], 0, 99_999)))
        assert fastest(lambda: list(ledger.log_blocks([[dense], [sparse]], 0, 99_999))) < whole / 5
        assert fastest(lambda: list(ledger.log_blocks([[sparse], [dense], [other]], 0, 99_999))) < whole / 5
        assert fastest(lambda: list(islice(ledger.log_blocks([[dense], [other]], 0, 99_999), 10))) < whole / 20
    finally:
        store.close()


def fastest(call, times=5):
    durations = []
    for _ in range(times):
        begin = time.thread_time()
        call()
        durations.append(time.thread_time() - begin)
    return min(durations)


def test_a_side_block_that_becomes_canonical_is_none_any_more(database: Database) -> None:
    block = toy_block(1, grow(database, 1)[0].hash)
    arguments = {"number": 1, "block_hash": block.hash, "transaction_hashes": (), "log_keys": ()}
    removal = (schema.side_key(1, block.hash), None)
    batch = Batch()
    database.ledger.append(batch, **arguments)
    assert removal not in batch.operations
    batch = Batch()
    database.ledger.put_side(batch, number=1, block_hash=block.hash, update=b"update")
    database.write(batch)
    for ledger in (database.ledger, Ledger(database.store)):
        batch = Batch()
        ledger.append(batch, **arguments)
        assert removal in batch.operations
