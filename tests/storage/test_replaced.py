"""A database that another one replaces: what goes, what stays, what comes back, and when it is refused."""

from pathlib import Path

import pytest

from zevm.storage import replaced
from zevm.storage.database import Database
from zevm.storage.directory import write_format
from zevm.storage.errors import DatabaseLockedError, ForeignDatabaseError
from zevm.storage.schema import SCHEMA_VERSION, MetaName
from zevm.storage.store import Batch


def _fill(path: Path, value: bytes = b"old") -> None:
    with Database.open(path) as database:
        batch = Batch()
        database.ledger.put_meta(batch, MetaName.CHECKPOINTS, value)
        database.write(batch)


def _value(path: Path) -> bytes | None:
    with Database.open(path, create=False) as database:
        assert database.warnings == ()
        assert database.scrub() == []
        return database.ledger.meta(MetaName.CHECKPOINTS)


def _names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


@pytest.mark.lengthy
@pytest.mark.parametrize("state", ["sound", "damaged", "another schema"])
def test_a_new_database_begins_empty_and_the_earlier_one_comes_back(tmp_path: Path, state: str) -> None:
    _fill(tmp_path)
    (tmp_path / "keystore").mkdir()
    (tmp_path / "keystore" / "key").write_text("kept")
    mark = tmp_path / "FORMAT"
    whole = mark.read_bytes()
    if state == "damaged":
        mark.write_bytes(b"zEVM database\nschema")
    if state == "another schema":
        write_format(tmp_path, SCHEMA_VERSION + 1)
    replaced.set_aside(tmp_path)
    assert _names(tmp_path) == {"keystore", "zevm.lock", "replaced"}
    with Database.open(tmp_path) as database:
        assert database.ledger.meta(MetaName.CHECKPOINTS) is None
    replaced.put_back(tmp_path)
    mark.write_bytes(whole)
    assert _value(tmp_path) == b"old"
    assert "replaced" not in _names(tmp_path)
    assert (tmp_path / "keystore" / "key").read_text() == "kept"


def test_once_forgotten_it_is_gone(tmp_path: Path) -> None:
    _fill(tmp_path)
    replaced.set_aside(tmp_path)
    _fill(tmp_path, b"new")
    replaced.forget(tmp_path)
    replaced.put_back(tmp_path)
    assert _value(tmp_path) == b"new"
    assert not {name for name in _names(tmp_path) if name.startswith("replaced")}


class PowerFailureError(Exception):
    """The end of the process between two steps on the disk."""


def _fail_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let `steps` renames, removals and creations of folders happen, and none after them."""
    left = iter(range(steps))
    for name in ("rename", "rmdir", "mkdir", "unlink"):
        original = getattr(Path, name)

        def step(path: Path, *arguments: object, _original=original, **named: object) -> object:  # type: ignore[no-untyped-def]
            if next(left, None) is None:
                raise PowerFailureError
            return _original(path, *arguments, **named)

        monkeypatch.setattr(Path, name, step)


@pytest.mark.lengthy
@pytest.mark.parametrize("begun", [False, True], ids=["before the new one", "with a new one"])
def test_a_power_failure_at_any_step_loses_nothing(
    tmp_path: Path, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start has the earlier database: its replacement has not been told to anyone."""
    failures = 0
    for steps in range(40):
        path = tmp_path / str(steps)
        _fill(path)
        with monkeypatch.context() as patch:
            if begun:
                replaced.set_aside(path)
                _fill(path, b"new")
            _fail_after(patch, steps)
            try:
                replaced.put_back(path) if begun else replaced.set_aside(path)
            except PowerFailureError:
                failures += 1
            else:
                if steps > 12:
                    break
        replaced.put_back(path)
        assert _value(path) == b"old", steps
    assert failures > 5


def test_a_power_failure_while_the_earlier_one_is_forgotten_leaves_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the first step the earlier database comes back; from then on the new one stays."""
    for step, wanted in (("rename", b"old"), ("rmtree", b"new")):
        path = tmp_path / step
        _fill(path)
        replaced.set_aside(path)
        _fill(path, b"new")
        with monkeypatch.context() as patch:
            if step == "rename":
                _fail_after(patch, 0)
            else:
                patch.setattr("zevm.storage.replaced.shutil.rmtree", _fail)
            with pytest.raises(PowerFailureError):
                replaced.forget(path)
        replaced.put_back(path)
        assert _value(path) == wanted
        assert not {name for name in _names(path) if name.startswith("replaced")}


def _fail(*_: object, **__: object) -> None:
    raise PowerFailureError


def test_an_open_database_is_not_replaced(tmp_path: Path) -> None:
    _fill(tmp_path)
    with Database.open(tmp_path) as database:
        with pytest.raises(DatabaseLockedError):
            replaced.set_aside(tmp_path)
        assert database.ledger.meta(MetaName.CHECKPOINTS) == b"old"


@pytest.mark.parametrize("name", ["leveldb/CURRENT", "holiday.jpg"])
def test_a_strangers_folder_is_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("another program's")
    with pytest.raises(ForeignDatabaseError, match=name.partition("/")[0]):
        replaced.set_aside(tmp_path)
    assert (tmp_path / name).exists()


def test_nothing_to_replace(tmp_path: Path) -> None:
    for step in (replaced.set_aside, replaced.put_back, replaced.forget):
        step(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
