"""Erasing a database: what goes, what stays, and when it is refused."""

from pathlib import Path

import pytest

from zevm.storage.database import Database
from zevm.storage.errors import DatabaseLockedError, ForeignDatabaseError
from zevm.storage.schema import MetaName
from zevm.storage.store import Batch


def _filled(path: Path) -> None:
    with Database.open(path) as database:
        batch = Batch()
        database.ledger.put_meta(batch, MetaName.CHECKPOINTS, b"value")
        database.write(batch)


def test_an_erased_database_is_empty_and_the_keystore_stays(tmp_path: Path) -> None:
    _filled(tmp_path)
    (tmp_path / "keystore").mkdir()
    (tmp_path / "keystore" / "key").write_text("kept")
    Database.erase(tmp_path)
    with Database.open(tmp_path) as database:
        assert database.ledger.meta(MetaName.CHECKPOINTS) is None
    assert (tmp_path / "keystore" / "key").read_text() == "kept"


def test_an_open_database_is_not_erased(tmp_path: Path) -> None:
    _filled(tmp_path)
    with Database.open(tmp_path) as database:
        with pytest.raises(DatabaseLockedError):
            Database.erase(tmp_path)
        assert database.ledger.meta(MetaName.CHECKPOINTS) == b"value"


def test_a_strangers_folder_is_not_erased(tmp_path: Path) -> None:
    (tmp_path / "leveldb").mkdir()
    (tmp_path / "leveldb" / "CURRENT").write_text("another program's")
    with pytest.raises(ForeignDatabaseError):
        Database.erase(tmp_path)
    assert (tmp_path / "leveldb" / "CURRENT").exists()


def test_another_schema_version_can_be_erased(tmp_path: Path) -> None:
    _filled(tmp_path)
    mark = tmp_path / "FORMAT"
    mark.write_text(mark.read_text().replace("schema 1", "schema 99"))
    Database.erase(tmp_path)
    assert not mark.exists()


def test_nothing_to_erase(tmp_path: Path) -> None:
    Database.erase(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
