"""A flipped bit in any file is noticed or harmless, and every structural fault has its line."""

import os
import random
import shutil
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.storage.storage_toy import contents, grow, put_block, toy_block
from zevm.node.commands.database import WorkProgress
from zevm.storage import schema
from zevm.storage.checksums import (
    FileSum,
    live_tables,
    read_checksums,
    sum_directory,
    sum_file,
    surviving,
    verify_files,
    write_checksums,
)
from zevm.storage.database import Database
from zevm.storage.directory import read_sealed, write_sealed
from zevm.storage.errors import CorruptionError, ForeignDatabaseError, StorageError, StorageProblem
from zevm.storage.integrity import transaction_hashes
from zevm.storage.keccak import keccak256
from zevm.storage.store import Batch

HARMLESS_NAMES = {"LOG", "LOG.old", "LOCK", "zevm.lock"}
"""Text for people, and locks: nothing reads them."""

SIDE_NAMES = {"SEQUENCE", "CHECKSUMS"}
"""Made good, with a warning: what they tell is known twice."""


@pytest.fixture
def database():
    opened = Database.open(None)
    yield opened
    opened.close()


def prepare(path: Path):
    """A database with three tables and a log; its contents. Left open."""
    for salt in (b"a", b"b", b"c"):
        with Database.open(path) as database:
            grow(database, 30, salt)
    database = Database.open(path)
    grow(database, 20, b"d")
    return database


def flip(path: Path, generator):
    """Flip one bit of a file, at a place chosen evenly; False for an empty file."""
    data = bytearray(path.read_bytes())
    if not data:
        return False
    position = generator.randrange(len(data))
    data[position] ^= 1 << generator.randrange(8)
    path.write_bytes(data)
    return True


def outcome(path: Path, expected):
    """What becomes of a damaged database: refused, scrubbed, warned or harmless. Fails on a silent wrong answer."""
    try:
        database = Database.open(path)
    except StorageError as error:
        return "refused" if path.name in str(error) else f"refused without naming {path}: {error}"
    try:
        problems = database.scrub()
        if problems:
            return "scrubbed"
        found = contents(database.store)
    except CorruptionError:
        pytest.fail("a read found damage that scrub did not report")
    finally:
        database.close()
    assert found == expected, "silently wrong"
    return "warned" if database.warnings else "harmless"


def trial(source, folder: Path, name: str, generator, expected):
    shutil.copytree(source, folder)
    try:
        return outcome(folder, expected) if flip(folder / name, generator) else "empty"
    finally:
        shutil.rmtree(folder)


def file_names(path: Path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


@pytest.mark.slow
def test_a_flipped_bit_after_a_clean_stop_is_always_noticed(tmp_path: Path) -> None:
    database = prepare(tmp_path / "data")
    expected = contents(database.store)
    database.close()
    generator = random.Random(2)
    for name in file_names(tmp_path / "data"):
        base = name.rpartition("/")[2]
        found = Counter(
            trial(tmp_path / "data", tmp_path / f"trial-{attempt}", name, generator, expected) for attempt in range(8)
        )
        if base in HARMLESS_NAMES:
            assert set(found) <= {"harmless", "empty"}, name
        elif base in SIDE_NAMES:
            assert set(found) == {"warned"}, name
        else:
            assert set(found) == {"refused"}, (name, found)


@pytest.mark.slow
def test_a_flipped_bit_after_a_kill_is_noticed_or_harmless(tmp_path: Path) -> None:
    database = prepare(tmp_path / "open")
    try:
        expected = contents(database.store)
        shutil.copytree(tmp_path / "open", tmp_path / "data")
    finally:
        database.close()
    assert outcome(shutil.copytree(tmp_path / "data", tmp_path / "whole"), expected) == "harmless"
    generator = random.Random(3)
    found = {}
    for name in file_names(tmp_path / "data"):
        attempts = 40 if name.endswith(".log") else 12
        found[name.rpartition("/")[2]] = Counter(
            trial(tmp_path / "data", tmp_path / f"trial-{attempt}", name, generator, expected)
            for attempt in range(attempts)
        )
    logs = [count for name, count in found.items() if name.endswith(".log")]
    assert [set(count) for count in logs] == [{"refused"}]
    for name, count in found.items():
        if name.endswith(".ldb"):
            assert count["refused"] + count["scrubbed"] > 8, (name, count)
        if name.startswith("MANIFEST"):
            assert count["refused"] > 8, count
    assert set(found["SEQUENCE"]) == {"warned"}
    assert set(found["FORMAT"]) == {"refused"}


@pytest.mark.lengthy
def test_every_bit_of_the_lengths_at_the_end_of_a_log(tmp_path: Path) -> None:
    """The last records of a log are where LevelDB takes damage for an unfinished write."""
    database = Database.open(tmp_path / "open")
    try:
        grow(database, 3)
        log = next((tmp_path / "open" / "leveldb").glob("*.log")).name
        start = (tmp_path / "open" / "leveldb" / log).stat().st_size
        grow(database, 1)
        expected = contents(database.store)
        shutil.copytree(tmp_path / "open", tmp_path / "data")
    finally:
        database.close()
    for bit in range(7 * 8):
        copy = shutil.copytree(tmp_path / "data", tmp_path / f"trial-{bit}")
        data = bytearray((copy / "leveldb" / log).read_bytes())
        data[start + bit // 8] ^= 1 << bit % 8
        (copy / "leveldb" / log).write_bytes(data)
        assert outcome(copy, expected) == "refused", bit


def rewrite(database: Database, *pairs) -> None:
    batch = Batch()
    for key, value in pairs:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    database.write(batch)


FAULTS = {
    "no canonical hash": lambda block: (schema.canonical_key(block.number), None),
    "no header": lambda block: (schema.header_key(block.hash), None),
    "no body": lambda block: (schema.body_key(block.hash), None),
    "no receipts": lambda block: (schema.receipts_key(block.hash), None),
    "no number": lambda block: (schema.number_key(block.hash), None),
    "is filed under number": lambda block: (schema.number_key(block.hash), schema.encode_number(1)),
    "has another hash": lambda block: (schema.header_key(block.hash), block.header + b"\x00"),
    "is filed under None": lambda block: (schema.position_key(block.transaction_hashes[1]), None),
    "of block 7 is filed under (7, 1)": lambda block: (
        schema.position_key(block.transaction_hashes[0]),
        schema.encode_number(7) + (1).to_bytes(4, "big"),
    ),
    "rlp:": lambda block: (schema.body_key(block.hash), b"\xc5\x01"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_of_one_block_is_reported(database: Database, text: str) -> None:
    blocks = grow(database, 10)
    assert database.scrub() == database.recent_check() == []
    rewrite(database, FAULTS[text](blocks[7]))
    assert any(text in problem for problem in database.scrub()), database.scrub()
    if text != "has another hash":
        assert any(text in problem for problem in database.recent_check())
    assert database.recent_check(1) == []


WRONG_KEYS = {
    "trie nodes: the value under": (schema.node_key(bytes(32)), b"node"),
    "code: the value under": (schema.code_key(bytes(32)), b"code"),
    "past the head 9": (schema.canonical_key(10), bytes(32)),
    "log index: key": (schema.log_posting_key(bytes(8), 10), b""),
    "reverse state diffs: key": (schema.undo_key(schema.Version(10)), b""),
    "has 3 bytes, want 21": (b"axx", b""),
    "history index: 21 entries are kept, the reverse state diffs have 20": (
        schema.history_key(schema.account_key(bytes(20)), schema.Version(3)),
        bytes(4),
    ),
    "belongs to no family": (b"z", b""),
    "transaction positions: 21 are kept, 20 belong": (schema.position_key(bytes(32)), bytes(12)),
    "which is not the canonical one": (schema.meta_key(schema.MetaName.HEAD), schema.encode_number(9) + bytes(32)),
}


@pytest.mark.parametrize("text", WRONG_KEYS)
def test_a_key_that_should_not_be_is_reported(database: Database, text: str) -> None:
    grow(database, 10)
    rewrite(database, WRONG_KEYS[text])
    assert [problem for problem in database.scrub() if text in problem]


@pytest.mark.parametrize("offset", [None, bytes(4)])
def test_an_old_value_that_the_index_misses_is_reported(database: Database, offset: bytes | None) -> None:
    blocks = grow(database, 5)
    posting = schema.history_key(schema.account_key(blocks[3].hash[:20]), schema.Version(3))
    assert database.store.get(posting) is not None
    batch = Batch()
    batch.operations.append((posting, offset))
    database.write(batch)
    assert f"history index: {posting.hex()} does not lead to block 3, patch 0" in database.scrub()


def test_a_chain_with_a_foreign_parent_is_reported(database: Database) -> None:
    blocks = grow(database, 5)
    batch = Batch()
    stranger = toy_block(5, blocks[3].hash)
    put_block(database, batch, stranger)
    database.write(batch)
    for problems in (database.scrub(), database.recent_check()):
        assert problems == [f"block 5 {stranger.hash.hex()}: its parent is not canonical block 4"]


def test_blocks_that_nothing_leads_to_are_reported(database: Database) -> None:
    blocks = grow(database, 5)
    rewrite(database, (schema.header_key(keccak256(b"stray")), b"stray"))
    assert database.scrub() == ["headers: 6 are kept, the chain from 0 to 4 has 5"]
    rewrite(database, (schema.header_key(keccak256(b"stray")), None), (schema.canonical_key(0), None))
    assert any("the chain from 1 to 4 has 4" in problem for problem in database.scrub()), blocks


def test_a_missing_head_pointer_is_reported(database: Database) -> None:
    grow(database, 2)
    rewrite(database, (schema.meta_key(schema.MetaName.HEAD), None))
    assert "there are blocks, but no head pointer" in database.scrub()


def test_many_problems_are_counted_not_listed(database: Database) -> None:
    grow(database, 300)
    rewrite(database, *((schema.canonical_key(number), None) for number in range(300)))
    problems = database.scrub()
    assert len(problems) == 101
    assert problems[-1].startswith("and ")


def test_the_same_transaction_in_a_later_block_is_no_problem(database: Database) -> None:
    blocks = grow(database, 3)
    repeated = toy_block(3, blocks[2].hash)
    header = repeated.header
    batch = Batch()
    block_hash = keccak256(header)
    database.ledger.put_block(batch, block_hash=block_hash, header=header, body=blocks[1].body, receipts=b"")
    database.ledger.append(
        batch,
        number=3,
        block_hash=block_hash,
        transaction_hashes=blocks[1].transaction_hashes,
        log_keys=(),
    )
    database.write(batch)
    assert database.scrub() == []


def test_transaction_hashes_cover_both_encodings() -> None:
    block = toy_block(1, bytes(32))
    assert tuple(transaction_hashes(block.body)) == block.transaction_hashes


def test_s10_progress_names_the_parts_and_how_far_they_are(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.storage.integrity.TOLD_EVERY_BYTES", 1_000)
    monkeypatch.setattr("zevm.storage.integrity.TOLD_EVERY_BLOCKS", 5)
    grow(database, 30)
    told = []
    database.scrub(lambda *progress: told.append(progress))
    assert len({part for part, _, _ in told}) == len(schema.FAMILIES) + 2
    bodies = [(done, total) for part, done, total in told if part == "bodies"]
    assert bodies[0][0] == 0
    assert len(bodies) > 2
    assert bodies == sorted(bodies)
    assert all(0 <= done <= total for _, done, total in told)
    assert [done for part, done, _ in told if part == "canonical chain"] == list(range(0, 30, 5))


def test_s10_a_check_says_how_long_it_still_takes(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 4.0, 5.0])
    progress = WorkProgress("checking", clock=lambda: next(times))
    for done in (0, 100, 250, 300):
        progress("headers", done, 1_000)
    assert capsys.readouterr().err.splitlines() == ["checking headers", "checking headers: 25%, about 12 s left"]


@pytest.mark.lengthy
def test_300_megabytes_are_verified_as_fast_as_they_are_read(tmp_path: Path) -> None:
    """Not much longer than reading and summing takes on this machine: processor time is what is measured."""
    files = {}
    content = random.Random(1).randbytes(4 * 1024 * 1024)
    for number in range(75):
        name = f"{number:06d}.ldb"
        (tmp_path / name).write_bytes(content)
        files[name] = FileSum(len(content), 0)
    crc = zlib.crc32(content)
    write_checksums(tmp_path, {name: FileSum(entry.size, crc) for name, entry in files.items()}, 1)
    recorded = read_checksums(tmp_path)
    begin = time.process_time()
    for name in files:
        assert zlib.crc32((tmp_path / name).read_bytes()) == crc
    plain = time.process_time()
    assert set(verify_files(tmp_path, recorded)) == set(files)
    assert time.process_time() - plain < 0.2 + 3 * (plain - begin)


def test_old_tables_past_the_limit_are_left_to_leveldb(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number:06d}.ldb").write_bytes(b"x" * 10)
    files = {f"{number:06d}.ldb": FileSum(10, 0) for number in (1, 2, 3)}
    write_checksums(tmp_path, files, 1)
    recorded = read_checksums(tmp_path)
    assert len(verify_files(tmp_path, recorded, limit_bytes=9)) == 3
    with pytest.raises(CorruptionError, match=r"000003.ldb is damaged"):
        verify_files(tmp_path, recorded, limit_bytes=10)


def test_a_table_number_that_was_given_away_again_is_forgotten(tmp_path: Path) -> None:
    """LevelDB deletes tables that no version lists, and may write another under such a number."""
    tables = {}
    for number in (1, 2, 3):
        path = tmp_path / f"{number:06d}.ldb"
        path.write_bytes(b"x" * 10)
        tables[path.name] = sum_file(path)
    (tmp_path / "000002.ldb").unlink()
    (tmp_path / "000003.ldb").write_bytes(b"y" * 10)
    os.utime(tmp_path / "000003.ldb", ns=(0, tables["000003.ldb"].changed_ns + 1))
    assert surviving(tmp_path, tables) == {"000001.ldb": tables["000001.ldb"]}


def test_only_tables_in_use_are_summed_and_known_ones_not_again(tmp_path: Path) -> None:
    for name in ("000001.ldb", "000002.ldb", "000003.ldb", "000004.log", "CURRENT", "LOG", "LOCK"):
        (tmp_path / name).write_bytes(name.encode())
    known = {"000001.ldb": FileSum(10, 7), "000009.ldb": FileSum(10, 9)}
    sums = sum_directory(tmp_path, known, {1, 2})
    assert set(sums) == {"000001.ldb", "000002.ldb", "000004.log", "CURRENT"}
    assert sums["000001.ldb"] == known["000001.ldb"]
    assert sums["CURRENT"].crc == zlib.crc32(b"CURRENT")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        grow(database, 3)
    next((tmp_path / "data" / "leveldb").glob("*.log")).unlink()
    with pytest.raises(CorruptionError, match=r"\.log is missing$"):
        Database.open(tmp_path / "data")


def test_table_numbers_are_read_from_leveldbs_report(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        grow(database, 50)
        database.store.compact()
        numbers = live_tables(database.store.get_property("leveldb.sstables"))
    assert numbers == {int(path.stem) for path in (tmp_path / "leveldb").glob("*.ldb")} != set()


FOREIGN = ["CURRENT (copy)", "000005 (copy).ldb", "backup.ldb", "000006 (copy).log", "a\nb", "\udcff.log"]


@pytest.mark.parametrize("name", FOREIGN, ids=ascii)
def test_foreign_files_among_leveldbs_stop_nothing(tmp_path: Path, name: str) -> None:
    """Somebody's copies and backups have names that LevelDB passes over; none of them is summed or missed."""
    path = tmp_path / "data"
    with Database.open(path) as database:
        grow(database, 2)
        stranger = path / "leveldb" / name
        stranger.write_bytes(b"another program's")
    for present in (True, False):
        with Database.open(path) as database:
            assert database.warnings == ()
            assert not database.unclean_stop
            grow(database, 1)
        assert stranger.exists() == present
        stranger.unlink(missing_ok=True)


def test_names_that_an_older_program_has_summed_are_none_of_the_database(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with Database.open(path) as database:
        grow(database, 2)
    lines = read_sealed(path / "CHECKSUMS")
    assert lines is not None
    write_sealed(path / "CHECKSUMS", [*lines, "CURRENT (copy) 16 0a0b0c0d", "backup.log 3 0a0b0c0d"])
    with Database.open(path) as database:
        assert not database.unclean_stop


def test_a_database_without_its_mark_of_ownership_is_damaged_not_another_programs(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with Database.open(path) as database:
        grow(database, 2)
    (path / "FORMAT").unlink()
    with pytest.raises(CorruptionError, match=r"FORMAT is missing$") as damage:
        Database.open(path)
    assert damage.value.problem is StorageProblem.FORMAT_DAMAGED
    (path / "letters").touch()
    with pytest.raises(ForeignDatabaseError, match="files that are not zEVM's"):
        Database.open(path)
    (path / "letters").unlink()
    Database.salvage(path).close()
    with Database.open(path) as database:
        assert database.scrub() == []
