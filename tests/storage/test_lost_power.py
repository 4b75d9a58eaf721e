"""Files as a loss of power leaves them: pages of unsynced writes in any order, files begun and not finished.

verification.crash.power makes such files at random; these are the kinds of fault that it has found.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.storage.storage_toy import contents, grow, put_block, toy_block, write_marks
from zevm.storage import log_tail
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageError
from zevm.storage.schema import MetaName, meta_key
from zevm.storage.store import Batch

SYNCED, UNSYNCED = 3, 6
PAGE_BYTES = 4096


def head_number(database: Database) -> int:
    head = database.ledger.head()
    assert head is not None
    return head[0]


def write_block(database: Database, *, sync: bool) -> None:
    """A block in a record that is larger than a block of LevelDB's log."""
    head = database.ledger.head()
    assert head is not None
    number, parent = head
    batch = Batch()
    put_block(database, batch, toy_block(number + 1, parent))
    batch.put(meta_key(MetaName.INSTANCE_ID), random.Random(number).randbytes(40_000))
    database.write(batch, sync=sync)


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a database with synced and then unsynced blocks, whose machine has started anew."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, SYNCED)
        mark = (path / "SEQUENCE").read_bytes()
        for _ in range(UNSYNCED):
            write_block(database, sync=False)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    return copy


def log_of(path: Path) -> Path:
    return next((path / "leveldb").glob("*.log"))


def ends_of(log: Path) -> list[int]:
    return [end for end, _ in log_tail.records(log.read_bytes())]


def zero_page(log: Path, near: int) -> None:
    data = bytearray(log.read_bytes())
    start = near - near % PAGE_BYTES + PAGE_BYTES
    data[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
    log.write_bytes(data)


def test_a_page_that_is_missing_amid_unsynced_writes_takes_those_behind_it(lost: Path) -> None:
    log = log_of(lost)
    zero_page(log, ends_of(log)[SYNCED + 1])
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + 1
        assert "cut an unfinished" in database.warnings[0]
        assert database.scrub() == []
        write_block(database, sync=True)
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + 2


def test_a_page_that_is_missing_in_front_of_what_was_written_after_a_sync_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path) as database:
        grow(database, SYNCED)
        mark = (path / "SEQUENCE").read_bytes()
        for sync in (False, False, True, False):
            write_block(database, sync=sync)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    log = log_of(copy)
    zero_page(log, ends_of(log)[SYNCED])
    data = log.read_bytes()
    with pytest.raises(CorruptionError, match=rf"{log.name} is damaged at byte \d+$"):
        Database.open(copy)
    assert log.read_bytes() == data


def first_record_damaged(path: Path, copy: Path, syncs: tuple[bool, ...]) -> tuple[Path, bytes]:
    """A copy whose newest log begins with an unreadable write, and marks from before it; the log and its content."""
    with Database.open(path) as database:
        grow(database, SYNCED)
    with Database.open(path) as database:
        mark = (path / "SEQUENCE").read_bytes()
        for sync in syncs:
            write_block(database, sync=sync)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    log = log_of(copy)
    zero_page(log, 0)
    return log, log.read_bytes()


def test_damage_at_a_logs_begin_in_front_of_what_was_written_after_a_sync_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, data = first_record_damaged(tmp_path / "data", tmp_path / "copy", (True, True))
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    with pytest.raises(CorruptionError, match=rf"{log.name} is damaged at byte 0$"):
        Database.open(tmp_path / "copy")
    assert log.read_bytes() == data


def test_a_write_that_a_cut_one_knows_to_be_synced_is_missed_at_every_later_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_record_damaged(tmp_path / "data", tmp_path / "copy", (True, False, False, False))
    # the second record would tell it without doubt; the last one is the first that can be read now
    log = log_of(tmp_path / "copy")
    data, (start, end) = log.read_bytes(), ends_of(log_of(tmp_path / "data"))[:2]
    log.write_bytes(data[:start] + bytes(end - start) + data[end:])
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    for _ in range(2):
        with pytest.raises(CorruptionError, match=r"ends at write 3, but write 4 was acknowledged"):
            Database.open(tmp_path / "copy")


def test_unsynced_writes_alone_in_a_log_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_record_damaged(tmp_path / "data", tmp_path / "copy", (False, False, False))
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    with Database.open(tmp_path / "copy") as database:
        assert head_number(database) == SYNCED - 1
        assert database.scrub() == []


@pytest.mark.parametrize("missing", ["end", "all"])
def test_a_log_that_lost_its_end_takes_the_next_one_with_it(lost: Path, missing: str) -> None:
    """LevelDB begins another log without a sync of the last one, and would read on in it."""
    log = log_of(lost)
    data, ends = log.read_bytes(), ends_of(log)
    # a log of its own begins at a block: there the fragments are whole again
    later = rewritten(data[ends[SYNCED + 2] :], ends[SYNCED + 2])
    log.with_name("000099.log").write_bytes(later)
    log.write_bytes(data[: ends[SYNCED + 1] - (100 if missing == "end" else 0)])
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + (0 if missing == "end" else 1)
        assert database.scrub() == []


@pytest.mark.parametrize("syncs", [(False,) * 4, (False, False, True, False)], ids=["unsynced", "behind a sync"])
def test_an_empty_log_takes_the_next_one_with_it(
    syncs: tuple[bool, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power may take all of a log that LevelDB has left for another one: no write in it was synced."""
    first_record_damaged(tmp_path / "data", tmp_path / "copy", syncs)
    log, whole = log_of(tmp_path / "copy"), log_of(tmp_path / "data")
    data, end = whole.read_bytes(), ends_of(whole)[0]
    log.with_name("000099.log").write_bytes(rewritten(data[end:], end))
    log.write_bytes(b"")
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    if True in syncs:
        with pytest.raises(CorruptionError, match=r"000099.log is damaged at byte 0$"):
            Database.open(tmp_path / "copy")
        return
    with Database.open(tmp_path / "copy") as database:
        assert head_number(database) == SYNCED - 1
        assert database.scrub() == []


@pytest.mark.parametrize("is_synced", [True, False])
def test_a_lone_write_behind_a_gap_tells_whether_what_is_missing_was_synced(
    lost: Path, tmp_path: Path, is_synced: bool
) -> None:
    """The gap lies between two logs that are whole each, so that no record in either of them is unreadable."""
    mark = (lost / "SEQUENCE").read_bytes()
    path, copy = tmp_path / "more", tmp_path / "more copy"
    with Database.open(path) as database:
        grow(database, SYNCED)
        for sync in (is_synced, False):
            write_block(database, sync=sync)
        shutil.copytree(path, copy)
    write_marks(copy, mark)
    log = log_of(copy)
    data, ends = log.read_bytes(), ends_of(log)
    log.with_name("000099.log").write_bytes(rewritten(data[ends[-2] :], ends[-2]))
    log.write_bytes(data[: ends[-3]])
    if is_synced:
        with pytest.raises(CorruptionError, match=r"000099.log is damaged at byte 0$"):
            Database.open(copy)
        return
    with Database.open(copy) as database:
        assert head_number(database) == SYNCED - 1
        assert database.scrub() == []


def rewritten(data: bytes, offset: int) -> bytes:
    """Records of a log from `offset` on as a log of their own: one fragment for each part of a block."""
    padded = bytes(offset) + data
    records: list[bytes] = []
    for fragment in log_tail._fragments(padded, offset):
        if fragment.kind in (log_tail._FULL, log_tail._FIRST):
            records.append(b"")
        records[-1] += fragment.payload
    content = b""
    for record in records:
        content += as_fragments(record, len(content))
    return content


def as_fragments(record: bytes, position: int) -> bytes:
    content, is_first = b"", True
    while record or is_first:
        left = log_tail._BLOCK_SIZE - (position + len(content)) % log_tail._BLOCK_SIZE
        if left < log_tail._HEADER_SIZE:
            content += bytes(left)
            continue
        part, record = record[: left - log_tail._HEADER_SIZE], record[left - log_tail._HEADER_SIZE :]
        kind = {(True, False): log_tail._FULL, (True, True): log_tail._FIRST, (False, True): log_tail._MIDDLE}.get(
            (is_first, bool(record)), log_tail._LAST
        )
        body = bytes((kind,)) + part
        content += log_tail._masked_crc32c(body).to_bytes(4, "little") + len(part).to_bytes(2, "little") + body
        is_first = False
    return content


def test_the_unfinished_end_of_a_manifest_is_cut_where_nothing_is_gone(lost: Path) -> None:
    """It was written for a table that LevelDB has begun, and what the table replaces is still there."""
    before = contents_of(lost)
    manifest = next((lost / "leveldb").glob("MANIFEST-*"))
    manifest.write_bytes(manifest.read_bytes() + as_fragments(bytes(60), manifest.stat().st_size)[:-20])
    with Database.open(lost) as database:
        assert f"off {manifest}" in database.warnings[0]
        assert contents(database.store) == before
        assert database.scrub() == []


def contents_of(path: Path) -> dict[bytes, bytes]:
    copy = shutil.copytree(path, path.with_name("another"))
    with Database.open(copy) as database:
        return contents(database.store)


def test_the_unfinished_end_of_a_manifest_is_refused_where_a_log_is_gone(lost: Path) -> None:
    manifest = next((lost / "leveldb").glob("MANIFEST-*"))
    manifest.write_bytes(manifest.read_bytes() + bytes(9))
    log_of(lost).unlink()
    with pytest.raises(CorruptionError, match=rf"{manifest.name} breaks off within a record$"):
        Database.open(lost)


def test_a_new_database_whose_files_were_never_finished_is_made_again(tmp_path: Path) -> None:
    """LevelDB does not sync the first MANIFEST before CURRENT names it."""
    path, copy = tmp_path / "data", tmp_path / "copy"
    with Database.open(path):
        shutil.copytree(path, copy)
    for manifest in (copy / "leveldb").glob("MANIFEST-*"):
        manifest.unlink()
    (copy / "leveldb" / "MANIFEST-000001").touch()
    (copy / "leveldb" / "CURRENT").write_text("MANIFEST-000001\n")
    with Database.open(copy) as database:
        grow(database, 2)
    with Database.open(copy) as database:
        assert head_number(database) == 1


def test_a_clean_stop_syncs_what_it_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsynced writes are in the log, whose sum would tell of damage if power took them."""
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    database = Database.open(tmp_path / "data")
    grow(database, 1)
    write_block(database, sync=False)
    log = log_of(tmp_path / "data").name
    monkeypatch.setattr(os, "fsync", noted)
    database.close()
    assert log in synced[: synced.index("CHECKSUMS.new")]
    assert "leveldb" in synced[: synced.index("CHECKSUMS.new")]


def test_a_missing_log_is_told_before_leveldb_goes_on_in_the_next_one(lost: Path) -> None:
    """LevelDB misses tables only; once it has opened, a log that is put back is not read any more."""
    log = log_of(lost)
    data, ends = log.read_bytes(), ends_of(log)
    log.with_name("000099.log").write_bytes(rewritten(data[ends[SYNCED + 1] :], ends[SYNCED + 1]))
    log.unlink()
    with pytest.raises(CorruptionError, match=rf"{log.name} is missing$"):
        Database.open(lost)
    log.write_bytes(data[: ends[SYNCED + 1]])
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + UNSYNCED - 1
        assert database.scrub() == []


def test_what_a_cut_write_knows_to_be_synced_is_not_missed_where_the_loss_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_record_damaged(tmp_path / "data", tmp_path / "copy", (True, False, False, False))
    log = log_of(tmp_path / "copy")
    data, (start, end) = log.read_bytes(), ends_of(log_of(tmp_path / "data"))[:2]
    log.write_bytes(data[:start] + bytes(end - start) + data[end:])
    monkeypatch.setattr("zevm.storage.checksums.boot_id", lambda: "another")
    with Database.open(tmp_path / "copy", accept=True) as database:
        assert head_number(database) == SYNCED - 1
    with Database.open(tmp_path / "copy") as database:
        assert database.scrub() == []


@pytest.mark.parametrize("content", [b"", b"x" * 300 + b"\n", b"../../..\n", b"MANIFEST-000004", bytes(16)])
def test_a_current_that_names_no_manifest_is_damage(lost: Path, content: bytes) -> None:
    (lost / "leveldb" / "CURRENT").write_bytes(content)
    with pytest.raises(CorruptionError, match=r"CURRENT names no MANIFEST$"):
        Database.open(lost)
    Database.salvage(lost).close()
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + UNSYNCED - 1
        assert database.scrub() == []


def test_what_is_no_file_is_an_error_of_the_storage(lost: Path) -> None:
    current = lost / "leveldb" / "CURRENT"
    current.unlink()
    current.mkdir()
    with pytest.raises(StorageError, match=r"cannot read .*CURRENT: Is a directory$"):
        Database.open(lost)


def test_a_log_whose_name_is_no_number_is_none(lost: Path) -> None:
    (lost / "leveldb" / "²³.log").write_bytes(b"x")
    with Database.open(lost) as database:
        assert head_number(database) == SYNCED + UNSYNCED - 1
