"""The values that LevelStore was given last: every reader gets what LevelDB would give it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zevm.storage import leveldb
from zevm.storage.errors import StorageError
from zevm.storage.leveldb import LevelOptions, LevelStore
from zevm.storage.recent import RecentValues
from zevm.storage.store import Batch

KEYS = [b"a%d" % number for number in range(6)] + [b"x", b"d1"]
VALUES = st.one_of(st.none(), st.binary(max_size=4), st.just(bytes(300)))
SMALL = LevelOptions(recent_bytes=2_500)


def batch_of(*changes: tuple[bytes, bytes | None]) -> Batch:
    batch = Batch()
    batch.operations += changes
    return batch


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Keys that LevelDB was asked for."""
    keys: list[bytes] = []
    asked = leveldb._get

    def asking(gate: Any, source: Any, key: bytes, path: Path) -> bytes | None:
        keys.append(key)
        return asked(gate, source, key, path)

    monkeypatch.setattr(leveldb, "_get", asking)
    return keys


@pytest.mark.lengthy
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.tuples(st.sampled_from(KEYS), VALUES), st.sampled_from(["snapshot", "reopen"])), max_size=40)
)
def test_every_reader_gets_what_the_store_holds(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    store = LevelStore(tmp_path_factory.mktemp("store"), options=SMALL)
    model: dict[bytes, bytes | None] = {}
    frozen: list[tuple[Any, dict[bytes, bytes | None]]] = []
    since = 0  # the first of them that was taken after the last write
    for step in steps:
        if step == "snapshot":
            frozen.append((store.snapshot(), dict(model)))
        elif step == "reopen":
            store.reopen(lambda: None)
            frozen = frozen[since:]  # the older ones have ended
            since = 0
        else:
            store.write(batch_of(step), sync=False)
            model[step[0]] = step[1]
            since = len(frozen)
        for key in KEYS:
            assert store.get(key) == model.get(key)
    for view, then in frozen:
        for key in KEYS:
            assert view.get(key) == then.get(key)
        view.close()
    store.close()


def test_a_value_that_was_written_lately_asks_no_file(tmp_path: Path, looked_up: list[bytes]) -> None:
    store = LevelStore(tmp_path)
    store.write(batch_of((b"a1", b"1"), (b"a2", None), (b"h1", b"2")))
    view = store.snapshot()
    for reader in (store, view):
        assert [reader.get(key) for key in (b"a1", b"a2", b"h1", b"d1")] == [b"1", None, b"2", None]
    # an iterator looks for what a block seldom finds, but for a snapshot's
    assert looked_up == [b"h1", b"h1", b"d1"]
    store.write(batch_of((b"a1", b"3")))
    assert (view.get(b"a1"), store.get(b"a1")) == (b"1", b"3")
    assert looked_up[3:] == [b"a1"]
    store.close()
    for reader in (store, view):
        with pytest.raises(StorageError, match="closed"):
            reader.get(b"a1")


def test_a_write_that_failed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LevelStore(tmp_path)
    store.write(batch_of((b"a1", b"old")))
    monkeypatch.setattr(store._unsynced, "before_synced", lambda: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(StorageError):
        store.write(batch_of((b"a1", b"new")))
    assert store.get(b"a1") == b"old"
    store.reopen(lambda: None)
    store.write(batch_of((b"a2", b"1")))
    assert store.get(b"a1") == b"old"
    store.close()


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LevelStore(tmp_path)
    store.write(batch_of((b"a1", b"old")))
    with monkeypatch.context() as patched:
        patched.setattr(store._unsynced, "before_synced", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.write(batch_of((b"a1", b"new")))
    store.write(batch_of((b"a2", b"1")))
    assert store.get(b"a1") == b"old"
    store.close()


def test_no_reader_mixes_two_states(tmp_path: Path) -> None:
    """Pairs of keys are written together; one of each pair is kept, and the other one's file is asked."""
    store, stop, mixed = LevelStore(tmp_path, options=SMALL), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            view = store.snapshot()
            pair = view.get(b"a1"), view.get(b"x1")
            if pair[0] != pair[1]:
                mixed.append(pair)
            view.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(3_000):
        store.write(batch_of((b"a1", b"%d" % number), (b"x1", b"%d" % number), (b"a-%d" % number, b"")), sync=False)
    stop.set()
    for reader in readers:
        reader.join()
    store.close()
    assert not mixed, mixed[:5]


def test_its_memory_is_bounded() -> None:
    recent = RecentValues(100_000, frozenset((b"a",)))
    for number in range(10_000):
        recent.note(number, [(b"a%d" % number, bytes(32)), (b"a", b"again")])
        assert recent.find(b"a%d" % number) == (number, bytes(32))
        assert recent.find(b"a") == (number, b"again")
    assert len(recent._young) + len(recent._old) < 100_000 / 250
    assert recent.find(b"a5") is None
