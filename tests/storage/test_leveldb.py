import errno
import gc
import os
import random
import threading
from pathlib import Path

import pytest

from zevm.storage.errors import CorruptionError, DatabaseLockedError, StorageError, StorageProblem
from zevm.storage.leveldb import LevelOptions, LevelStore, repair
from zevm.storage.store import Batch
from zevm.storage.unsynced_logs import LOOK_BYTES, UnsyncedLogs


def fill(store, count: int, size: int = 100, *, start=0) -> None:
    batch = Batch()
    for number in range(start, start + count):
        batch.put(b"%06d" % number, b"%06d" % number * (size // 6))
    store.write(batch)


def damage(path: Path, position: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)


@pytest.fixture
def store(tmp_path: Path):
    opened = LevelStore(tmp_path)
    yield opened
    opened.close()


def test_a_batch_is_ordered(store) -> None:
    batch = Batch()
    batch.put(b"a", b"1")
    batch.delete(b"a")
    batch.put(b"b", b"1")
    batch.put(b"b", b"2")
    batch.delete(b"absent")
    store.write(batch)
    assert (store.get(b"a"), store.get(b"b"), store.get(b"absent")) == (None, b"2", None)


def test_long_ranges_are_read_whole_in_both_directions(store) -> None:
    fill(store, 5000)
    expected = [b"%06d" % number for number in range(100, 4900)]
    assert [key for key, _ in store.iterate(b"000100", b"004900")] == expected
    assert [key for key, _ in store.iterate(b"000100", b"004900", reverse=True)] == expected[::-1]
    assert list(store.iterate(b"004900", b"000100")) == []
    assert list(store.iterate(b"004900", b"000100", reverse=True)) == []


def test_large_values_are_read_in_small_chunks(store) -> None:
    fill(store, 20, size=200_000)
    assert [len(value) for _, value in store.iterate(b"", b"\xff")] == [199_998] * 20


def test_the_second_store_on_a_directory_is_refused(tmp_path: Path, store) -> None:
    with pytest.raises(DatabaseLockedError):
        LevelStore(tmp_path)
    assert store.get(b"x") is None


def test_a_fault_of_the_medium_is_no_lock_of_another_process(tmp_path: Path) -> None:
    """Whatever the folder's name, and where the file of the lock cannot be made."""
    for folder, file in (("blockchain", "MANIFEST-000001"), ("data", "LOCK")):
        (tmp_path / folder / file).mkdir(parents=True)
        with pytest.raises(StorageError, match=f"{file}: Is a directory") as fault:
            LevelStore(tmp_path / folder)
        assert not isinstance(fault.value, DatabaseLockedError)


def test_absent_without_create(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        LevelStore(tmp_path / "none", create=False)


def test_a_damaged_block_never_ends_a_range_in_silence(tmp_path: Path) -> None:
    """plyvel's own iterator would: it takes an iterator made invalid by damage for one that is through."""
    store = LevelStore(tmp_path)
    fill(store, 5000)
    store.compact()
    store.close()
    table = max(tmp_path.glob("*.ldb"), key=lambda path: path.stat().st_size)
    damage(table, table.stat().st_size // 2)
    store = LevelStore(tmp_path)
    try:
        for reverse in (False, True):
            with pytest.raises(CorruptionError, match="is damaged") as caught:
                list(store.iterate(b"", b"\xff", reverse=reverse))
            assert caught.value.problem is StorageProblem.FILES_DAMAGED
        outcomes = []
        for number in range(5000):
            try:
                assert store.get(b"%06d" % number) == b"%06d" % number * 16
                outcomes.append("right")
            except CorruptionError:
                outcomes.append("refused")
        assert 0 < outcomes.count("refused") < 200
    finally:
        store.close()


def test_repair_saves_what_is_not_damaged(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    fill(store, 5000)
    store.compact()
    store.close()
    (tmp_path / "CURRENT").write_bytes(b"nonsense")
    table = max(tmp_path.glob("*.ldb"), key=lambda path: path.stat().st_size)
    damage(table, table.stat().st_size // 2)
    with pytest.raises(CorruptionError):
        LevelStore(tmp_path)
    repair(tmp_path)
    store = LevelStore(tmp_path)
    pairs = dict(store.iterate(b"", b"\xff"))
    store.close()
    assert 4800 < len(pairs) < 5000
    assert all(value == key * 16 for key, value in pairs.items())


def test_a_flipped_bit_in_the_log_refuses_to_open(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    for number in range(50):
        fill(store, 10, start=number)
    store.close()
    log = next(tmp_path.glob("*.log"))
    damage(log, log.stat().st_size // 2)
    with pytest.raises(CorruptionError, match="checksum mismatch"):
        LevelStore(tmp_path)


def test_after_a_failed_write_no_further_one_is_taken(store, monkeypatch: pytest.MonkeyPatch) -> None:
    """LevelDB would append behind what may be half a record."""
    fill(store, 3)

    def raise_no_space() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store._unsynced, "before_synced", raise_no_space)
        with pytest.raises(StorageError, match="No space left"):
            fill(store, 1, start=3)
    with pytest.raises(StorageError, match=r"writes are stopped since one failed \(.*No space left"):
        fill(store, 1, start=4)
    assert [key for key, _ in store.iterate(b"", b"\xff")] == [b"000000", b"000001", b"000002"]


@pytest.mark.parametrize("freed", [True, False])
def test_snapshots_are_freed_by_close_and_by_the_garbage_collector(tmp_path: Path, freed) -> None:
    """A living snapshot keeps the values that were overwritten since: the size of the tables tells."""
    store = LevelStore(tmp_path)
    generator = random.Random(1)
    kept = []
    for number in range(300):
        batch = Batch()
        batch.put(b"key", generator.randbytes(2000))
        store.write(batch, sync=False)
        view = store.snapshot()
        if number % 2:
            view.close()
        if not freed:
            kept.append(store.snapshot())
    del view
    store.compact()
    fill(store, 1)
    store.write(batch)
    store.compact()  # the first time it may only have moved the write buffer to a table
    (size,) = store.approximate_sizes([(b"", b"\xff")])
    assert size < 10_000 if freed else size > 500_000
    assert len({snapshot.get(b"key") for snapshot in kept}) == (0 if freed else 300)
    store.close()


def test_a_snapshot_may_outlive_its_store(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    fill(store, 10)
    view = store.snapshot()
    store.close()
    with pytest.raises(StorageError, match="closed"):
        view.get(b"000003")
    del view
    gc.collect()


def test_a_snapshot_can_be_closed_while_others_read_from_it(store) -> None:
    fill(store, 1000)
    for _ in range(30):
        view = store.snapshot()
        ready = threading.Barrier(4)
        wrong = []

        def read(view=view, ready=ready, wrong=wrong) -> None:
            ready.wait()
            try:
                while True:
                    if view.get(b"000007") != b"000007" * 16:
                        wrong.append("value")
            except StorageError as error:
                if "the snapshot is closed" not in str(error):
                    wrong.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        ready.wait()
        view.close()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_writers_in_many_threads_take_turns(store) -> None:
    def write(start) -> None:
        for number in range(start, start + 100):
            fill(store, 1, start=number)

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [key for key, _ in store.iterate(b"", b"\xff")] == [b"%06d" % number for number in range(800)]


def test_figures(tmp_path: Path) -> None:
    store = LevelStore(tmp_path, options=LevelOptions(write_buffer_bytes=64 * 1024))
    fill(store, 5000)
    store.compact()
    low, high = store.approximate_sizes([(b"", b"002500"), (b"002500", b"\xff")])
    assert 1000 < low < 5000 * 106
    assert 1000 < high < 5000 * 106
    assert "Compactions" in store.get_property("leveldb.stats")
    assert store.get_property("leveldb.nonsense") == ""
    store.close()


@pytest.fixture
def fsynced(monkeypatch: pytest.MonkeyPatch):
    """Names of the files that our own code makes durable."""
    names = []

    def record(descriptor) -> None:
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(os, "fsync", record)
    return names


def test_unsynced_writes_become_durable_before_a_synced_one(tmp_path: Path, fsynced) -> None:
    store = LevelStore(tmp_path)
    assert fsynced == [tmp_path.name]
    fsynced.clear()
    fill(store, 1)
    assert fsynced == []
    batch = Batch()
    batch.put(b"key", b"value")
    store.write(batch, sync=False)
    assert fsynced == []
    store.write(batch)
    store.write(batch)
    assert fsynced == [path.name for path in tmp_path.glob("*.log")]
    store.close()


def test_logs_that_leveldb_leaves_become_durable(tmp_path: Path, fsynced) -> None:
    """Unsynced, LevelDB goes on to the next log without fsync: a power failure could then take out the middle."""
    logs = UnsyncedLogs(tmp_path)
    (tmp_path / "000003.log").write_bytes(b"")
    (tmp_path / "000004.ldb").write_bytes(b"")
    logs.after_unsynced(LOOK_BYTES)
    assert fsynced == []
    (tmp_path / "000005.log").write_bytes(b"")
    logs.after_unsynced(LOOK_BYTES - 1)
    assert fsynced == []
    logs.after_unsynced(1)
    assert fsynced == ["000003.log"]
    logs.before_synced()
    assert sorted(fsynced) == ["000003.log", "000003.log", "000005.log"]
    logs.before_synced()
    assert len(fsynced) == 3
