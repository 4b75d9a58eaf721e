"""A store under unwritten changes, against a dictionary; and a group of writes, which one thread alone reads."""

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.memory import MemoryStore
from zevm.storage.overlay import GroupedStore, Overlay
from zevm.storage.store import Batch

Seen = TypeVar("Seen")
KEYS = st.binary(min_size=1, max_size=2)
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=12)


def batch_of(changes: dict[bytes, bytes | None]) -> Batch:
    batch = Batch()
    batch.operations = list(changes.items())
    return batch


def on_another_thread(read: Callable[[], Seen]) -> Seen:
    seen: list[Seen] = []
    thread = threading.Thread(target=lambda: seen.append(read()))
    thread.start()
    thread.join()
    return seen[0]


@pytest.mark.lengthy
@settings(max_examples=60, deadline=None)
@given(written=CHANGES, changes=CHANGES, start=KEYS, stop=KEYS, reverse=st.booleans())
def test_an_overlay_reads_as_the_changed_store_does(
    written: dict[bytes, bytes | None], changes: dict[bytes, bytes | None], start: bytes, stop: bytes, reverse: bool
) -> None:
    store, changed = MemoryStore(), MemoryStore()
    for batch in (written, changes):
        changed.write(batch_of(batch))
    store.write(batch_of(written))
    overlay = Overlay(store, changes)
    assert {key: overlay.get(key) for key in written | changes} == {key: changed.get(key) for key in written | changes}
    assert list(overlay.iterate(start, stop, reverse=reverse)) == list(changed.iterate(start, stop, reverse=reverse))


def test_one_thread_alone_reads_a_group_of_writes() -> None:
    store = MemoryStore()
    store.write(batch_of({b"a": b"1", b"b": b"1"}))
    group = GroupedStore(store)
    group.begin()
    group.add(batch_of({b"a": None, b"c": b"2"}), sync=True)
    frozen = group.snapshot()
    group.add(batch_of({b"d": b"3"}), sync=False)

    def read() -> tuple[bytes | None, list[bytes], list[bytes]]:
        view = group.snapshot()
        every = b"", b"z"
        return group.get(b"c"), [key for key, _ in group.iterate(*every)], [key for key, _ in view.iterate(*every)]

    assert read() == (b"2", [b"b", b"c", b"d"], [b"b", b"c", b"d"])
    assert on_another_thread(read) == (None, [b"a", b"b"], [b"a", b"b"])
    assert [key for key, _ in frozen.iterate(b"", b"z")] == [b"b", b"c"]
    assert not on_another_thread(lambda: group.is_open_here)
    batch, sync = group.taken()
    assert sync
    store.write(batch)
    group.end()
    assert read() == on_another_thread(read) == (b"2", [b"b", b"c", b"d"], [b"b", b"c", b"d"])
    frozen.close()
    with pytest.raises(StorageError):
        frozen.get(b"c")


def test_a_second_group_at_the_same_time_is_refused() -> None:
    group = GroupedStore(MemoryStore())
    group.begin()
    with pytest.raises(StorageError, match="under way already"):
        group.begin()


def test_a_group_is_one_write_with_one_number() -> None:
    store = MemoryStore()
    database = Database(store, None, sync=True)
    database.begin_group()
    for value in (b"1", b"2"):
        database.write(batch_of({b"key": value}))
    assert (database.sequence, store.get(b"key")) == (0, None)
    database.write_group()
    database.end_group()
    assert (database.sequence, store.get(b"key")) == (1, b"2")
    database.begin_group()
    database.write_group()
    database.end_group()
    assert database.sequence == 1, "an empty group is no write"


def test_where_nothing_is_synced_there_are_no_groups() -> None:
    assert not Database(MemoryStore(), None, sync=False).takes_groups
    assert Database(MemoryStore(), None, sync=True).takes_groups
