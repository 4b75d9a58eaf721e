"""Preimages of the tries' keys: with every state, beside the chain, and for databases of older programs (S6)."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.database import Database
from zevm.storage.directory import check_ownership, write_format
from zevm.storage.errors import ForeignDatabaseError, StorageError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.preimage_fill import is_complete
from zevm.storage.schema import META, OLDEST_OPENED_VERSION, PREIMAGE, SCHEMA_VERSION, Version, preimage_key, range_of
from zevm.storage.store import Batch

CHANGE = AccountChange(1, 1, EMPTY_KECCAK)
ADDRESSES = [bytes((number,)) * 20 for number in range(1, 7)]


def diff_of(address: bytes, *slots: int, value: int = 1) -> StateDiff:
    return StateDiff(accounts={address: CHANGE}, storage={address: dict.fromkeys(slots, value)})


def advance(database: Database, number: int, diff: StateDiff) -> None:
    batch = Batch()
    database.state.apply(batch, database.state.prepare(database.state.root(), diff), Version(number))
    database.write(batch)


def words(*slots: int) -> list[bytes]:
    return [slot.to_bytes(32, "big") for slot in slots]


def known(database: Database, plain: Iterable[bytes]) -> list[bool]:
    return [database.state.preimage(keccak256(item)) == item for item in plain]


def age(database: Database) -> None:
    """Make the database one that an older program has written."""
    batch = Batch()
    for family in (PREIMAGE, META):
        for key, _ in database.store.iterate(*range_of(family)):
            if family is PREIMAGE or key == b"mpreimages root":
                batch.delete(key)
    database.write(batch)


def old_database() -> Database:
    """Two accounts with slots, of which one is deleted since."""
    database = Database.open(None)
    advance(database, 0, diff_of(ADDRESSES[0], 1, 2))
    advance(database, 1, diff_of(ADDRESSES[1], 3))
    advance(database, 2, StateDiff(accounts={ADDRESSES[1]: None}, wiped={ADDRESSES[1]}))
    age(database)
    return database


OLD = [*ADDRESSES[:2], *words(1, 2, 3)]


def test_s6_preimages_are_written_with_the_records_they_name() -> None:
    with Database.open(None) as database:
        advance(database, 0, diff_of(ADDRESSES[0], 1))
        advance(database, 1, diff_of(ADDRESSES[1], 2, 2**256 - 1))
        advance(database, 2, diff_of(ADDRESSES[1], 2, value=0))
        plain = [*ADDRESSES[:2], *words(1, 2, 2**256 - 1)]
        assert all(known(database, plain))
        assert database.state.preimage(keccak256(ADDRESSES[2])) is None
        batch = Batch()
        database.state.rewind(batch, Version(0))
        database.write(batch)
        assert all(known(database, plain)), "what was, is still known"
        assert is_complete(database.store)
        # nothing new, nothing written but the mark
        before = len(list(database.store.iterate(*range_of(PREIMAGE))))
        advance(database, 1, diff_of(ADDRESSES[0], 1, value=7))
        assert len(list(database.store.iterate(*range_of(PREIMAGE)))) == before


def test_s6_states_beside_the_chain_have_preimages() -> None:
    with Database.open(None) as database:
        advance(database, 0, diff_of(ADDRESSES[0], 1))
        batch = Batch()
        database.state.keep(batch, database.state.prepare(EMPTY_ROOT, diff_of(ADDRESSES[4], 9)))
        database.write(batch)
        assert all(known(database, [ADDRESSES[4], *words(9)]))


def test_s6_an_older_database_is_filled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.storage.preimage_fill._KEYS_IN_STEP", 2)
    with old_database() as database:
        assert not any(known(database, OLD))
        # new states do not hide what is missing
        advance(database, 3, diff_of(ADDRESSES[2], 4))
        assert not is_complete(database.store)
        database.fill_preimages()
        assert all(known(database, [*OLD, ADDRESSES[2], *words(4)]))
        assert is_complete(database.store)
        written = database.sequence
        advance(database, 4, diff_of(ADDRESSES[3], 5))
        database.fill_preimages()
        assert database.sequence == written + 1
        assert all(known(database, [ADDRESSES[3], *words(5)]))


def test_s6_a_fill_that_is_cut_short_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.storage.preimage_fill._KEYS_IN_STEP", 1)
    with old_database() as database:
        write, count = database.write, 0

        def refuse_third(batch: Batch, *, sync: bool = True) -> None:
            nonlocal count
            count += 1
            if count == 3:
                raise StorageError("full")
            write(batch, sync=sync)

        monkeypatch.setattr(database, "write", refuse_third)
        with pytest.raises(StorageError):
            database.fill_preimages()
        assert not is_complete(database.store)
        database.fill_preimages()
        assert all(known(database, OLD))
        assert is_complete(database.store)


def test_s6_an_older_program_in_between_is_noticed() -> None:
    with Database.open(None) as database:
        advance(database, 0, diff_of(ADDRESSES[0], 1))
        mark = database.store.get(b"mpreimages root")
        assert mark is not None
        advance(database, 1, diff_of(ADDRESSES[1], 2))
        age(database)
        batch = Batch()
        batch.put(b"mpreimages root", mark)
        database.write(batch)
        assert not is_complete(database.store)
        database.fill_preimages()
        assert all(known(database, [*ADDRESSES[:2], *words(1, 2)]))


DAMAGED = {
    "another preimage": (preimage_key(keccak256(ADDRESSES[0]), ADDRESSES[1]), b""),
    "no preimage": (preimage_key(keccak256(ADDRESSES[0]), b""), b""),
    "another preimage in the form of schema 2": (b"k" + keccak256(ADDRESSES[0]), ADDRESSES[1]),
    "no preimage in the form of schema 2": (b"k" + keccak256(ADDRESSES[0]), b""),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_s6_a_damaged_preimage_is_reported_and_passed_over(kind: str) -> None:
    with Database.open(None) as database:
        advance(database, 0, diff_of(ADDRESSES[0], 1))
        assert not [problem for problem in database.scrub() if "preimages" in problem]
        batch = Batch()
        batch.put(*DAMAGED[kind])
        database.write(batch)
        assert [problem for problem in database.scrub() if "preimages" in problem]
        assert all(known(database, [ADDRESSES[0], *words(1)]))


def test_preimages_of_schema_2_stay_known(tmp_path: Path) -> None:
    """A database of the version before is opened as it is; after that the version before opens it no more."""
    path = tmp_path / "data"
    with Database.open(path) as database:
        advance(database, 0, diff_of(ADDRESSES[0], 1, 2**256 - 1))
        plain = [ADDRESSES[0], *words(1, 2**256 - 1)]
        batch = Batch()
        for key, _ in database.store.iterate(*range_of(PREIMAGE)):
            batch.delete(key)
        batch.put_all([(b"k" + keccak256(item), item) for item in plain])
        database.write(batch)
    write_format(path, OLDEST_OPENED_VERSION)
    with Database.open(path) as database:
        assert check_ownership(path)
        with pytest.raises(ForeignDatabaseError, match=f"has schema {SCHEMA_VERSION}"):
            check_ownership(path, OLDEST_OPENED_VERSION)
        assert is_complete(database.store)
        database.state.recover(Version(0), database.state.root())
        advance(database, 1, diff_of(ADDRESSES[1], 3))
        assert all(known(database, [*plain, ADDRESSES[1], *words(3)]))
        assert not [problem for problem in database.scrub() if "preimages" in problem]
