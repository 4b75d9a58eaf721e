"""B8: the number of the last acknowledged write is kept twice, apart; without it an unclean database is not trusted."""

import random
import shutil
from pathlib import Path

import pytest

from tests.storage.storage_toy import contents, grow, write_marks
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageProblem

BLOCKS = 30
MARKS = ("SEQUENCE", "marks/SEQUENCE")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A database as a kill leaves it: thirty acknowledged blocks, all of them in LevelDB's log."""
    path = tmp_path_factory.mktemp("killed")
    with Database.open(path / "data") as database:
        grow(database, BLOCKS)
        shutil.copytree(path / "data", path / "copy")
    return path / "copy"


@pytest.fixture
def copy(killed, tmp_path: Path):
    return shutil.copytree(killed, tmp_path / "copy")


def log_of(path: Path) -> Path:
    return next((path / "leveldb").glob("*.log"))


def halve_log(path: Path) -> None:
    log = log_of(path)
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def garble(file: Path) -> None:
    file.write_bytes(random.Random(3).randbytes(file.stat().st_size))


@pytest.mark.parametrize("damage", [remove, empty, zero, garble])
def test_b8_half_a_log_and_no_mark_are_refused_with_a_way_out_that_deletes_nothing(copy, damage) -> None:
    halve_log(copy)
    for name in MARKS:
        damage(copy / name)
    held = log_of(copy).read_bytes()
    for _ in range(2):
        with pytest.raises(CorruptionError, match="cannot be told whether acknowledged blocks are missing") as caught:
            Database.open(copy)
        assert caught.value.problem is StorageProblem.LAST_WRITE_UNKNOWN
        assert log_of(copy).read_bytes() == held
    with Database.open(copy, accept=True) as database:
        head = database.ledger.head()[0]
        assert 10 < head < BLOCKS
        assert database.scrub() == []
        assert not any("never acknowledged" in warning for warning in database.warnings)
    torn = [file.read_bytes() for file in (copy / "torn").iterdir()]
    assert all(piece and held.endswith(piece) for piece in torn)
    with Database.open(copy) as database:
        assert database.warnings == ()


@pytest.mark.parametrize("damage", [remove, empty, zero, garble])
@pytest.mark.parametrize("name", MARKS)
def test_b8_one_mark_is_enough_to_notice_what_is_lost(copy, damage, name: str) -> None:
    damage(copy / name)
    intact = shutil.copytree(copy, copy.parent / "intact")
    with Database.open(intact) as database:
        assert database.ledger.head()[0] == BLOCKS - 1
        assert any(str(intact / name) in warning for warning in database.warnings)
    halve_log(copy)
    with pytest.raises(CorruptionError, match="acknowledged"):
        Database.open(copy)


@pytest.mark.lengthy
def test_b8_double_damage_is_never_a_silent_loss(killed, tmp_path: Path) -> None:
    """Every kind of damage to the marks, together with the log cut anywhere: refused, or nothing is missing."""
    generator = random.Random(8)
    with Database.open(shutil.copytree(killed, tmp_path / "whole")) as database:
        expected = contents(database.store)
    size = log_of(killed).stat().st_size
    outcomes = []
    for trial in range(40):
        path = shutil.copytree(killed, tmp_path / f"trial-{trial}")
        for name in generator.choice([(), MARKS[:1], MARKS[1:], MARKS]):
            generator.choice([remove, empty, zero, garble])(path / name)
        log = log_of(path)
        log.write_bytes(log.read_bytes()[: generator.choice([size, generator.randrange(size)])])
        try:
            with Database.open(path) as database:
                assert contents(database.store) == expected, "silently lost"
                outcomes.append("whole")
        except CorruptionError:
            outcomes.append("refused")
        shutil.rmtree(path)
    assert {"whole", "refused"} == set(outcomes)


def test_b8_a_clean_database_needs_no_mark(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        grow(database, 3)
    write_marks(tmp_path, b"")
    with Database.open(tmp_path) as database:
        assert database.ledger.head()[0] == 2
        assert len(database.warnings) == 2
    with Database.open(tmp_path) as database:
        assert database.warnings == ()


def test_b8_a_database_of_an_earlier_version_with_one_mark_opens(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        grow(database, 3)
        shutil.copytree(tmp_path, tmp_path.parent / "copy")
    shutil.rmtree(tmp_path.parent / "copy" / "marks")
    with Database.open(tmp_path.parent / "copy") as database:
        assert database.ledger.head()[0] == 2


def test_b8_without_the_record_of_the_machines_start_unsynced_writes_count(tmp_path: Path) -> None:
    """CHECKSUMS tells whether the machine was restarted; where it is gone too, the stricter reading holds."""
    with Database.open(tmp_path / "data", sync=False) as database:
        grow(database, 5)
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
    (tmp_path / "copy" / "CHECKSUMS").unlink()
    halve_log(tmp_path / "copy")
    with pytest.raises(CorruptionError, match="acknowledged"):
        Database.open(tmp_path / "copy")


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "*.ldb", "*.log"])
def test_b8_no_file_of_leveldb_goes_missing_unnoticed(tmp_path: Path, pattern: str) -> None:
    """Tables and a log, as a kill leaves them. Without CURRENT LevelDB reads the log and deletes the tables."""
    with Database.open(tmp_path / "data") as database:
        grow(database, 10)
    with Database.open(tmp_path / "data") as database:
        grow(database, 5)
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
    missing = sorted((tmp_path / "copy" / "leveldb").glob(pattern))
    assert missing
    for file in missing:
        file.unlink()
    # what a lost log held is what `accept` goes on without; a lost table is damage
    for accept in (False,) if pattern == "*.log" else (False, True):
        with pytest.raises(CorruptionError), Database.open(tmp_path / "copy", accept=accept):
            pass


def test_b8_a_missing_current_is_repaired(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database:
        grow(database, 10)
    with Database.open(tmp_path / "data") as database:
        grow(database, 5)
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        expected = contents(database.store)
    (tmp_path / "copy" / "leveldb" / "CURRENT").unlink()
    with Database.salvage(tmp_path / "copy") as database:
        assert contents(database.store) == expected
