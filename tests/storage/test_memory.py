"""MemoryStore, and that it cannot be told from LevelStore."""

import gc
import operator
import sys
import tempfile
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from zevm.storage.errors import StorageError
from zevm.storage.key_order import UNSORTED_LIMIT, KeyOrder
from zevm.storage.leveldb import LevelStore
from zevm.storage.memory import MemoryStore, _Change
from zevm.storage.store import Batch

keys = st.binary(min_size=1, max_size=3) | st.sampled_from([bytes([value]) for value in range(8)])
zeros = st.sampled_from([255, 256, 257, 700]).map(bytes)
starts = st.binary(max_size=5) | st.sampled_from([300, 65_279, 65_280, 65_281, 66_000]).map(b"\x01".__mul__)
values = st.binary(max_size=5) | st.builds(operator.concat, starts, zeros)
operations = st.lists(st.tuples(keys, values | st.none()), max_size=30)


def batch_of(pairs):
    batch = Batch()
    for key, value in pairs:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    return batch


class StoresAgree(RuleBasedStateMachine):
    """The same operations on both stores and on a dictionary; snapshots and half-read iterators stay alive."""

    views = Bundle("views")
    cursors = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores = (LevelStore(Path(self.folder.name)), MemoryStore())
        self.model = {}

    @rule(pairs=operations)
    def write(self, pairs) -> None:
        for store in self.stores:
            store.write(batch_of(pairs), sync=False)
        for key, value in pairs:
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(target=views)
    def take(self):
        return tuple(store.snapshot() for store in self.stores), dict(self.model)

    @rule(view=consumes(views))
    def free(self, view) -> None:
        for snapshot in view[0]:
            snapshot.close()
            with pytest.raises(StorageError):
                snapshot.get(b"\x00")

    @rule(view=consumes(views))
    def forget(self, view) -> None:
        del view

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert [store.get(key) for store in self.stores] == [self.model.get(key)] * 2

    @rule(view=views, key=keys)
    def get_from_view(self, view, key: bytes) -> None:
        snapshots, model = view
        assert [snapshot.get(key) for snapshot in snapshots] == [model.get(key)] * 2

    @rule(view=views, start=keys, stop=keys, reverse=st.booleans())
    def iterate_view(self, view, start, stop, reverse: bool) -> None:
        snapshots, model = view
        self.compare(snapshots, model, start, stop, reverse)

    @rule(start=keys, stop=keys, reverse=st.booleans())
    def iterate(self, start, stop, reverse: bool) -> None:
        self.compare(self.stores, self.model, start, stop, reverse)

    @rule(target=cursors, start=keys, reverse=st.booleans(), count=st.integers(0, 4))
    def begin(self, start, reverse: bool, count: int):
        expected = sorted(((k, v) for k, v in self.model.items() if start <= k < b"\xff\xff"), reverse=reverse)
        iterators = [store.iterate(start, b"\xff\xff", reverse=reverse) for store in self.stores]
        for iterator in iterators:
            assert list(islice(iterator, count)) == expected[:count]
        return iterators, expected[count:]

    @rule(cursor=consumes(cursors))
    def finish(self, cursor) -> None:
        iterators, expected = cursor
        for iterator in iterators:
            assert list(iterator) == expected

    @invariant()
    def whole(self) -> None:
        self.compare(self.stores, self.model, b"", b"\xff" * 4, False)

    def compare(self, readers, model, start, stop, reverse: bool) -> None:
        expected = sorted(((key, value) for key, value in model.items() if start <= key < stop), reverse=reverse)
        for reader in readers:
            assert list(reader.iterate(start, stop, reverse=reverse)) == expected

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()


StoresAgree.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStoresAgree = pytest.mark.lengthy(StoresAgree.TestCase)


def test_keys_come_in_order_however_many_came_and_went_unread() -> None:
    store, model = MemoryStore(), {}
    for number in range(3 * UNSORTED_LIMIT):
        key = (number * 7919 % 9973).to_bytes(2, "big")
        value = None if number % 3 == 2 else b"%d" % number
        store.write(batch_of([(key, value)]))
        model.pop(key, None)
        if value is not None:
            model[key] = value
    assert list(store.iterate(b"", b"\xff" * 3)) == sorted(model.items())
    assert len(store._order) == len(model)


def test_removed_keys_leave_the_order_once_they_are_many() -> None:
    present: dict[bytes, None] = {}
    order = KeyOrder(present)
    for round_number in range(3):
        added = [b"%d-%06d" % (round_number, number) for number in range(2 * UNSORTED_LIMIT)]
        for key in added:
            present[key] = None
        order.add(added)
        for key in added[1:]:
            del present[key]
            order.remove(key)
        assert order.first(b"", b"z", 10, reverse=False) == sorted(present)
        assert order.first(b"", b"z", 2, reverse=True) == sorted(present, reverse=True)[:2]
        assert len(order) == len(present)
        assert sum(len(run) for run in order._runs) <= UNSORTED_LIMIT + len(present) + 1
    for key in added[1:3]:
        present[key] = None
        order.add([key])
    assert order.first(b"2", b"z", 3, reverse=False) == added[:3]
    assert order.first(added[1], added[2], 3, reverse=True) == [added[1]]


def test_a_snapshot_survives_the_rewriting_of_everything() -> None:
    store = MemoryStore()
    store.write(batch_of([(b"%04d" % number, b"old") for number in range(2000)]))
    view = store.snapshot()
    forward = view.iterate(b"", b"\xff")
    backward = view.iterate(b"", b"\xff", reverse=True)
    first, last = next(forward), next(backward)
    store.write(batch_of([(b"%04d" % number, None) for number in range(0, 2000, 2)]))
    store.write(batch_of([(b"%04d" % number, b"new") for number in range(1, 3000, 2)]))
    expected = [(b"%04d" % number, b"old") for number in range(2000)]
    assert [first, *forward] == expected
    assert [last, *backward] == expected[::-1]
    assert store.get(b"0001") == b"new"


def changes_held() -> int:
    """Of those made since the garbage collector last froze all there is."""
    gc.collect()
    return sum(type(item) is _Change for item in gc.get_objects())


@pytest.mark.lengthy
def test_what_only_dropped_or_closed_snapshots_could_see_is_forgotten() -> None:
    gc.freeze()  # millions of objects of other tests
    store = MemoryStore()
    before = changes_held()
    views = []
    for number in range(100):
        store.snapshot()
        views.append(store.snapshot())
        store.write(batch_of([(b"key", bytes([number]))]))
    assert changes_held() == before + 100
    assert [view.get(b"key") for view in views] == [None, *(bytes([number]) for number in range(99))]
    # a view that was read holds what it needs itself
    assert changes_held() == before
    views = [store.snapshot()]
    for _ in range(50_000):
        store.write(batch_of([(b"key", b"value")]))
    assert changes_held() == before + 50_000
    views[0].close()
    assert changes_held() == before + 1


def test_closed_is_closed() -> None:
    store = MemoryStore()
    view, pairs = store.snapshot(), store.iterate(b"", b"\xff")
    store.close()
    for call in (lambda: store.get(b"x"), lambda: view.get(b"x"), lambda: list(pairs), store.snapshot):
        with pytest.raises(StorageError, match="closed"):
            call()


def test_a_header_without_logs_takes_less_memory_than_its_bytes() -> None:
    store, value = MemoryStore(), b"\x01" * 300 + bytes(256) + b"\x01" * 50
    store.write(batch_of([(b"one", value), (b"one", None), (b"two", value)]))
    (kept,) = store._data.values()
    assert kept is not None
    assert sys.getsizeof(kept) < sys.getsizeof(value) - 230
    assert (store.get(b"one"), store.get(b"two")) == (None, value)
