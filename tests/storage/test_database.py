import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.storage.storage_toy import append_block, contents, grow, put_block, toy_block, toy_database, write_marks
from zevm.storage import directory, schema
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, DatabaseLockedError, ForeignDatabaseError, StorageError, StorageProblem
from zevm.storage.leveldb import LevelStore
from zevm.storage.store import Batch


def run_python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    return process


def test_everything_is_there_after_a_clean_stop(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        blocks = grow(database, 20)
        before = contents(database.store)
        assert not database.unclean_stop
    with Database.open(tmp_path / "data") as database:
        assert contents(database.store) == before
        assert database.ledger.head() == (19, blocks[-1].hash)
        assert not database.unclean_stop
        assert database.warnings == ()
        assert database.scrub() == []
        assert database.recent_check() == []


def test_in_memory_there_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Database.open(None) as database:
        grow(database, 3)
        assert database.scrub() == []
        assert database.stats(count_keys=True).blocks == 3
        assert not database.unclean_stop
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_database_reports_the_unclean_stop(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        grow(database, 5)
        shutil.copytree(tmp_path / "data", tmp_path / "abandoned")
    with Database.open(tmp_path / "abandoned") as database:
        assert database.unclean_stop
        assert database.ledger.head()[0] == 4
    with Database.open(tmp_path / "abandoned") as database:
        assert not database.unclean_stop


def test_without_create_there_must_be_a_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database at"):
        Database.open(tmp_path / "data", create=False)
    assert not (tmp_path / "data").exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(ForeignDatabaseError, match=r"holds files that are not zEVM's \(holiday.jpg\)"):
        Database.open(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x")
    with pytest.raises(ForeignDatabaseError, match="is a file"):
        Database.open(tmp_path / "data")


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    toy_database(tmp_path / "data", 1)
    newer = schema.SCHEMA_VERSION + 1
    directory.write_format(tmp_path / "data", newer)
    with pytest.raises(ForeignDatabaseError, match=rf"has schema {newer}, this program reads") as caught:
        Database.open(tmp_path / "data")
    assert caught.value.problem is StorageProblem.OTHER_SCHEMA


def test_a_keystore_may_be_there_first(tmp_path: Path) -> None:
    (tmp_path / "keystore").mkdir()
    assert len(toy_database(tmp_path, 1)) == 1
    assert (tmp_path / "keystore").is_dir()


def test_a_second_opener_in_this_process_is_refused_with_the_process_id(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        with pytest.raises(DatabaseLockedError, match=str(os.getpid())):
            Database.open(tmp_path / "data")
        grow(database, 1)
    toy_database(tmp_path / "data", 1)


HOLDER = """
import sys
from pathlib import Path
from zevm.storage.database import Database
database = Database.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.lengthy
def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    holder = run_python(HOLDER, tmp_path / "data", stdin=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DatabaseLockedError, match=f"in use by process {holder.pid}$"):
            Database.open(tmp_path / "data")
    finally:
        holder.kill()
        holder.communicate()
    assert (tmp_path / "data" / "zevm.lock").read_text() == str(holder.pid)
    with Database.open(tmp_path / "data") as database:
        grow(database, 1)


WRITER = """
import sys
from pathlib import Path
from zevm.storage.database import Database
from tests.storage.storage_toy import append_block, toy_block
database = Database.open(Path(sys.argv[1]))
head = database.ledger.head()
number, parent = (0, bytes(32)) if head is None else (head[0] + 1, head[1])
while True:
    block = toy_block(number, parent)
    append_block(database, block)
    print(number, flush=True)
    number, parent = number + 1, block.hash
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """One directory, twenty kills: after an uneven number of acknowledged blocks, and so often within a write."""
    path = tmp_path / "data"
    acknowledged = -1
    for kill in range(20):
        writer = run_python(WRITER, path)
        try:
            for _ in range(1 + kill * 7 % 40):
                line = writer.stdout.readline()
                assert line, writer.stderr.read()
                acknowledged = int(line)
        finally:
            writer.send_signal(signal.SIGKILL)
            rest, errors = writer.stdout.read(), writer.stderr.read()
            writer.communicate()
        assert errors == ""
        acknowledged = max([acknowledged, *map(int, rest.split())])
        with Database.open(path) as database:
            assert database.unclean_stop
            head = database.ledger.head()[0]
            assert acknowledged <= head <= acknowledged + 1
            assert database.scrub() == []
            acknowledged = head
        # Every second time the next kill comes after an unclean stop, every other time after a clean one.
        if kill % 2:
            with Database.open(path) as database:
                shutil.copytree(path, tmp_path / "copy")
            shutil.rmtree(path)
            (tmp_path / "copy").rename(path)
    assert acknowledged > 100


def test_lost_acknowledged_writes_are_noticed(tmp_path: Path) -> None:
    """A log record whose length was damaged at the log's end is what LevelDB calls the trace of a crash."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, 5)
        shutil.copytree(path, copy)
    log = next((copy / "leveldb").glob("*.log"))
    whole = log.read_bytes()
    log.write_bytes(whole[:-10])
    with pytest.raises(
        CorruptionError,
        match=r"writes 5 to 5 were acknowledged and are lost$",
    ):
        Database.open(copy)
    log.write_bytes(whole)
    with Database.open(copy) as database:
        assert database.ledger.head()[0] == 4


def test_an_older_copy_of_the_data_is_noticed(tmp_path: Path) -> None:
    """The sequence mark is compared with the store itself too: here every file of LevelDB is whole, but old."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, 2)
        shutil.copytree(path, copy)
        grow(database, 1)
        shutil.copy(path / "SEQUENCE", copy / "SEQUENCE")
    with pytest.raises(CorruptionError, match="ends at write 2, but write 3 was acknowledged"):
        Database.open(copy)


def test_a_manifest_that_breaks_off_is_refused_before_leveldb_deletes_tables(tmp_path: Path) -> None:
    """LevelDB would open without the last entry, and delete the table that it names together with its blocks."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    toy_database(path, 5)
    with Database.open(path) as database:
        grow(database, 2)
        shutil.copytree(path, copy)
    manifest = next((copy / "leveldb").glob("MANIFEST-*"))
    manifest.write_bytes(manifest.read_bytes()[:-3])
    before = {file.name: file.read_bytes() for file in (copy / "leveldb").iterdir()}
    with pytest.raises(
        CorruptionError,
        match=rf"{manifest.name} breaks off within a record$",
    ):
        Database.open(copy)
    assert {file.name: file.read_bytes() for file in (copy / "leveldb").iterdir()} == before
    with Database.salvage(copy) as database:
        assert database.ledger.head()[0] == 6
        assert database.scrub() == []


def test_a_kill_while_opening_raises_no_false_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LevelDB has begun a new log and a new MANIFEST, and nothing else has happened yet."""
    toy_database(tmp_path / "data", 5)

    def open_and_copy(path: Path):
        store = LevelStore(path)
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        return store

    with monkeypatch.context() as patch:
        patch.setattr("zevm.storage.database_files.LevelStore", open_and_copy)
        database = Database.open(tmp_path / "data")
    database.close()
    with Database.open(tmp_path / "copy") as database:
        assert database.unclean_stop
        assert database.ledger.head()[0] == 4
        assert database.scrub() == []


@pytest.mark.lengthy
@pytest.mark.parametrize("tail", ["zeroed", "cut", "garbage"])
def test_an_unacknowledged_torn_write_is_cut_off(tmp_path: Path, tail) -> None:
    """What a power failure leaves: the last write was never acknowledged and is half there."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, 5)
        mark = (path / "SEQUENCE").read_bytes()
        log = next((path / "leveldb").glob("*.log"))
        sound = log.stat().st_size
        append_block(database, toy_block(5, database.ledger.head()[1]))
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    log = copy / "leveldb" / log.name
    data = bytearray(log.read_bytes())
    if tail == "cut":
        del data[-100:]
    else:
        data[sound + 64 :] = (b"\x00" if tail == "zeroed" else b"\xa5") * (len(data) - sound - 64)
    log.write_bytes(data)
    with Database.open(copy) as database:
        assert database.ledger.head()[0] == 4
        assert "cut an unfinished" in database.warnings[0]
        assert database.damages == ()
        assert database.scrub() == []
        grow(database, 3)
    with Database.open(copy) as database:
        assert database.ledger.head()[0] == 7
    assert [entry.name for entry in (copy / "torn").iterdir()] == [f"{log.name}.{sound}"]


@pytest.mark.slow
def test_a_power_failure_at_any_byte_of_the_last_write_leaves_it_whole_or_absent(tmp_path: Path) -> None:
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, 3)
        mark = (path / "SEQUENCE").read_bytes()
        log = next((path / "leveldb").glob("*.log"))
        sound = log.stat().st_size
        # larger than a block of the log, so that the record has several fragments
        batch = Batch()
        put_block(database, batch, toy_block(3, database.ledger.head()[1]))
        batch.put(schema.meta_key(schema.MetaName.GENESIS), random.Random(1).randbytes(70_000))
        database.write(batch)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    data = (copy / "leveldb" / log.name).read_bytes()
    near = {boundary + offset for boundary in (sound, 32_768, 65_536, len(data)) for offset in range(-9, 10, 3)}
    for end in sorted(end for end in near | set(range(sound, len(data), 9000)) if sound <= end <= len(data)):
        for tail in (b"", bytes(len(data) - end)):
            trial = shutil.copytree(copy, tmp_path / "trial")
            (trial / "leveldb" / log.name).write_bytes(data[:end] + tail)
            with Database.open(trial) as database:
                whole = database.ledger.meta(schema.MetaName.GENESIS) is not None
                assert whole or end < len(data)
                assert database.ledger.head()[0] == (3 if whole else 2), end
                assert database.scrub() == []
            shutil.rmtree(trial)


def test_damage_in_front_of_sound_records_is_no_torn_write(tmp_path: Path) -> None:
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, 1)
        mark = (path / "SEQUENCE").read_bytes()
        grow(database, 4)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    log = next((copy / "leveldb").glob("*.log"))
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    with pytest.raises(CorruptionError, match=rf"{log.name} is damaged at byte \d+"):
        Database.open(copy)
    assert log.read_bytes() == data


def test_one_damaged_copy_of_the_sequence_is_made_good(tmp_path: Path) -> None:
    toy_database(tmp_path, 3)
    data = bytearray((tmp_path / "SEQUENCE").read_bytes())
    data[3] ^= 4
    (tmp_path / "SEQUENCE").write_bytes(data)
    with Database.open(tmp_path) as database:
        assert "was damaged" in database.warnings[0]
        assert database.damages == database.warnings
        assert database.sequence == 3
    with Database.open(tmp_path) as database:
        assert database.warnings == ()


def test_both_damaged_copies_after_a_kill_are_refused(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        grow(database, 3)
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
    write_marks(tmp_path / "copy", bytes(24))
    with pytest.raises(CorruptionError, match="cannot be told whether acknowledged blocks are missing"):
        Database.open(tmp_path / "copy")


DISK_FULL = """
import resource, sys
from pathlib import Path
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from tests.storage.storage_toy import contents, grow
database = Database.open(Path(sys.argv[1]))
grow(database, 50)
log = next((Path(sys.argv[1]) / "leveldb").glob("*.log"))
limit = log.stat().st_size + 5000
# of an import importlib would keep what the limit cuts off
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    grow(database, 50)
except StorageError as error:
    print(error)
head = database.ledger.head()[0]
view = database.store.snapshot()
assert database.fault is not None
try:
    grow(database, 1)
except StorageError as error:
    print(error)
assert database.ledger.head()[0] == head
assert database.scrub() == []
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
before = contents(view)
grow(database, 1)
assert database.fault is None
assert contents(view) == before, "a reader's view goes on"
assert database.ledger.head()[0] == head + 1
assert database.scrub() == []
database.close()
print(head + 1)
"""


@pytest.mark.lengthy
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY, reason="file sizes are limited here"
)
def test_b7_a_full_disk_stops_writes_but_not_reads_and_they_go_on_once_there_is_space(tmp_path: Path) -> None:
    process = run_python(DISK_FULL, tmp_path / "data")
    output, errors = process.communicate()
    assert "Traceback" not in errors
    first, second, head = output.splitlines()
    assert "File too large" in first
    assert "writing goes on by itself" in first
    assert "File too large" in second
    assert 49 < int(head) < 99
    with Database.open(tmp_path / "data") as database:
        assert not database.unclean_stop
        assert int(head) == database.ledger.head()[0]
        assert database.scrub() == []
        grow(database, 10)


def test_nothing_works_after_close_and_nothing_crashes(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    grow(database, 10)
    view = database.store.snapshot()
    pairs = database.store.iterate(b"", b"\xff" * 40)
    next(pairs)
    database.close()
    database.close()
    calls = [
        lambda: database.store.get(b"x"),
        lambda: view.get(b"x"),
        lambda: list(pairs),
        lambda: list(view.iterate(b"", b"z")),
        lambda: database.store.snapshot(),
        lambda: database.write(Batch()),
        lambda: database.store.write(Batch()),
    ]
    for call in calls:
        with pytest.raises(StorageError, match="closed"):
            call()
    view.close()


def test_close_waits_for_readers(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    grow(database, 200)
    started, failures = threading.Barrier(5), []

    def read() -> None:
        started.wait()
        try:
            while True:
                view = database.store.snapshot()
                assert sum(1 for _ in view.iterate(b"h", b"i")) == 200
                assert database.store.get(b"absent") is None
        except StorageError as error:
            if "closed" not in str(error):
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    database.close()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.lengthy
def test_salvage_reads_what_is_left_of_a_damaged_database(tmp_path: Path) -> None:
    blocks = toy_database(tmp_path, 200)
    with Database.open(tmp_path) as database:
        database.store.compact()
    table = max((tmp_path / "leveldb").glob("*.ldb"), key=lambda path: path.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) * 92 // 100] ^= 16  # among the transaction positions, which come last
    table.write_bytes(data)
    with pytest.raises(CorruptionError, match=rf"{table.name} is damaged") as caught:
        Database.open(tmp_path)
    assert caught.value.problem is StorageProblem.FILES_DAMAGED
    with Database.salvage(tmp_path) as database:
        assert database.unclean_stop
        assert database.scrub() != []
        found = sum(database.ledger.header(block.hash) == block.header for block in blocks)
        assert found > 100
    with Database.open(tmp_path) as database:
        assert database.scrub() != []


def abandoned(path: Path, copy, *, synced, unsynced) -> None:
    """A copy of an open database whose newest writes were not synced, with its log cut before the last of them."""
    with Database.open(path) as database:
        grow(database, synced)
        for _ in range(unsynced):
            database.write(Batch(), sync=False)
        shutil.copytree(path, copy)
    log = next((copy / "leveldb").glob("*.log"))
    log.write_bytes(log.read_bytes()[:-10])


def test_unsynced_writes_may_be_lost_with_the_machine_but_not_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned(tmp_path / "data", tmp_path / "copy", synced=3, unsynced=2)
    with pytest.raises(CorruptionError, match="writes 5 to 5 were acknowledged and are lost"):
        Database.open(tmp_path / "copy")
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    with Database.open(tmp_path / "copy") as database:
        assert database.sequence == 4


def test_synced_writes_are_missed_after_a_restart_of_the_machine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned(tmp_path / "data", tmp_path / "copy", synced=3, unsynced=0)
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    with pytest.raises(CorruptionError, match="writes 3 to 3 were acknowledged and are lost"):
        Database.open(tmp_path / "copy")


def test_salvage_makes_no_database_out_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database at"):
        Database.salvage(tmp_path)


def test_a_chain_may_begin_at_any_number(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        parent = bytes(32)
        for number in range(1000, 1010):
            block = toy_block(number, parent)
            append_block(database, block)
            parent = block.hash
        assert database.scrub() == database.recent_check() == []


def test_stats(tmp_path: Path) -> None:
    toy_database(tmp_path, 50)
    with Database.open(tmp_path) as database:
        database.store.compact()
        stats = database.stats(count_keys=True)
        counts = {family.name: family.keys for family in stats.families}
        assert (stats.blocks, stats.sequence) == (50, 50)
        assert counts["headers"] == counts["receipts"] == 50
        assert counts["transaction positions"] == 100
        assert counts["trie nodes"] == 200
        assert stats.size_bytes == sum(path.stat().st_size for path in (tmp_path / "leveldb").iterdir())
        assert sum(family.size_bytes for family in stats.families) > 10_000
        assert all(family.keys is None for family in database.stats().families)
