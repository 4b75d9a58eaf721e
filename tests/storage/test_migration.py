"""A database of the schema before becomes one of this, whenever it is interrupted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.test_state import ALL, Model, account_diff, contract_diff
from zevm.storage import directory, node_removal, schema
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.database import Database
from zevm.storage.errors import ForeignDatabaseError, StorageProblem
from zevm.storage.keccak import keccak256
from zevm.storage.migration import OLD_SCHEMA, migrate
from zevm.storage.schema import HISTORY, NODE, STATE_NODE, MetaName, Version, encode_number, range_of
from zevm.storage.store import Batch

BLOCKS = 40


def old_database(path: Path) -> list[tuple[bytes, Model]]:
    """A chain of states as schema 1 keeps it: every node under its hash, no index. Root and model of each state."""
    states: list[tuple[bytes, Model]] = []
    root, model = EMPTY_ROOT, Model()
    with Database.open(path, node_limits=ALL) as database:
        for number in range(BLOCKS):
            diff = contract_diff() if number == 0 else account_diff(**{"abc"[number % 3]: number})
            batch = Batch()
            update = database.state.prepare(root, diff)
            database.state.apply(batch, update, Version(number))
            for key, value in [*batch.operations]:
                if key.startswith(HISTORY.prefix):
                    batch.operations.remove((key, value))
            database.write(batch)
            root, model = update.root, model.after(diff)
            states.append((root, model))
    directory.write_format(path, OLD_SCHEMA)
    return states


def silent(_part: str, _done: int, _total: int) -> None:
    """No progress is told."""


def check(path: Path, states: list[tuple[bytes, Model]]) -> None:
    with Database.open(path) as database:
        database.state.recover(Version(BLOCKS - 1), states[-1][0])
        view = database.store.snapshot()
        for number, (root, model) in enumerate(states):
            reader = database.state.at(view, Version(number), root)
            model.check(reader)
            assert reader.base == root
            model.check(database.state.by_trie(root))
        assert database.state.verify(states[-1][0], view) == []
        # without blocks, every number is past the head
        assert [line for line in database.scrub() if "history" in line and "past the head" not in line] == []


def test_every_state_reads_as_before(tmp_path: Path) -> None:
    states = old_database(tmp_path / "data")
    with pytest.raises(ForeignDatabaseError, match="has schema 1") as caught:
        Database.open(tmp_path / "data")
    assert caught.value.problem is StorageProblem.OLDER_SCHEMA
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        migrate(database, silent)
        assert not list(database.store.iterate(*range_of(NODE)))
    check(tmp_path / "data", states)


def test_nodes_of_all_states_stay_where_they_are_asked_for(tmp_path: Path) -> None:
    states = old_database(tmp_path / "data")
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        migrate(database, silent, keep_nodes=True)
    with Database.open(tmp_path / "data", node_limits=ALL) as database:
        assert database.state.recover(Version(BLOCKS - 1), states[-1][0]) is None
        for root, model in states:
            assert database.state.holds(root)
            model.check(database.state.by_trie(root))
        assert not list(database.store.iterate(*range_of(STATE_NODE)))


def test_nodes_that_have_begun_to_go_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.storage.migration.STEP_OPERATIONS", 10)
    monkeypatch.setattr("zevm.storage.node_removal.STEP_NODES", 10)
    states = old_database(tmp_path / "data")
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        interrupted_writes(database, 16, monkeypatch)
        with pytest.raises(InterruptedMigrationError):
            migrate(database, silent)
        assert list(database.store.iterate(*range_of(HISTORY)))
        left = len(list(database.store.iterate(*range_of(NODE))))
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        assert 0 < left < 3 * BLOCKS
        migrate(database, silent, keep_nodes=True)
        assert not list(database.store.iterate(*range_of(NODE)))
    check(tmp_path / "data", states)


class InterruptedMigrationError(Exception):
    """The process ends here."""


def interrupted_writes(database: Database, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write, done = database.write, iter(range(after))

    def counted(batch: Batch, *, sync: bool = True) -> None:
        if next(done, None) is None:
            raise InterruptedMigrationError
        write(batch, sync=sync)

    monkeypatch.setattr(database, "write", counted)


def test_an_interrupted_migration_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each write in turn; the schema changes with the last."""
    monkeypatch.setattr("zevm.storage.migration.STEP_OPERATIONS", 10)
    monkeypatch.setattr("zevm.storage.node_removal.STEP_NODES", 10)
    states = old_database(tmp_path / "data")
    for after in _numbers():
        with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
            interrupted_writes(database, after, monkeypatch)
            try:
                migrate(database, silent)
            except InterruptedMigrationError:
                continue
        break
    assert after > 4
    check(tmp_path / "data", states)


def _numbers() -> Iterator[int]:
    yield from range(1, 1_000)


class Adopting:
    """A database of schema 1 that a state file was loaded into: earlier states are known by their tries alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: list[tuple[bytes, Model]] = []
        with Database.open(path, node_limits=ALL) as database:
            earlier, model = [], Model()
            for number in range(3):
                diff = contract_diff() if number == 0 else account_diff(a=number)
                model = model.after(diff)
                whole = StateDiff({}, {}, set(), dict(diff.code))
                for address, (nonce, balance, code, slots) in model.accounts.items():
                    whole.accounts[address] = AccountChange(nonce, balance, keccak256(code))
                    whole.code[keccak256(code)] = code
                    if slots:
                        whole.storage[address] = slots
                earlier.append((number, whole, model))
            batch = Batch()
            for number, whole, model in earlier:
                update = database.state.prepare(EMPTY_ROOT, whole)
                database.state.keep(batch, update)
                database.ledger.put_working_root(batch, number, update.root)
                self.states.append((update.root, model))
            database.state.apply_alone(batch, update, Version(2, 1))()
            database.ledger.put_meta(batch, MetaName.ADOPTED, encode_number(2) + encode_number(0))
            database.write(batch)
        directory.write_format(path, OLD_SCHEMA)

    def check(self) -> None:
        with Database.open(self.path) as database:
            database.state.recover(Version(2, 1), self.states[-1][0])
            view = database.store.snapshot()
            for number, (root, model) in enumerate(self.states):
                reader = database.state.at(view, Version(number, int(number == 2)), root)
                model.check(reader)
                assert reader.base == root


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_stop_around_the_change_of_the_schema_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A migration that begins anew finds no nodes any more of the states of a state file."""
    adopting = Adopting(tmp_path / "data")
    with Database.open_older(adopting.path, OLD_SCHEMA) as database, monkeypatch.context() as patched:
        mark = database.mark_migrated

        def interrupted() -> None:
            if place == "after":
                mark()
            raise InterruptedMigrationError

        patched.setattr(database, "mark_migrated", interrupted)
        with pytest.raises(InterruptedMigrationError):
            migrate(database, silent)
    if place == "before":
        with Database.open_older(adopting.path, OLD_SCHEMA) as database:
            migrate(database, silent)
    adopting.check()


@pytest.mark.lengthy
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_half_migrated_database_whose_format_is_lost_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Half an index would show states that never were."""
    monkeypatch.setattr("zevm.storage.migration.STEP_OPERATIONS", 10)
    states = old_database(tmp_path / "data")
    adopting = Adopting(tmp_path / "adopting")
    for path in (tmp_path / "data", adopting.path):
        with Database.open_older(path, OLD_SCHEMA) as database, monkeypatch.context() as patched:
            interrupted_writes(database, after, patched)
            with pytest.raises(InterruptedMigrationError):
                migrate(database, silent)
            is_indexed = node_removal.is_marked(database.store)
            assert list(database.store.iterate(*range_of(HISTORY)))
        (path / directory.FORMAT_NAME).unlink()
        Database.salvage(path).close()
        if is_indexed:
            continue
        with Database.open_older(path, OLD_SCHEMA) as database:
            migrate(database, silent)
    check(tmp_path / "data", states)
    adopting.check()


def test_a_migrated_database_is_not_migrated_again(tmp_path: Path) -> None:
    old_database(tmp_path / "data")
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        migrate(database, silent)
    with pytest.raises(ForeignDatabaseError):
        Database.open_older(tmp_path / "data", OLD_SCHEMA)
    assert schema.OLDEST_OPENED_VERSION == OLD_SCHEMA + 1


def test_the_first_state_of_an_empty_chain(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data", node_limits=ALL) as database:
        update, batch = database.state.prepare(EMPTY_ROOT, StateDiff()), Batch()
        database.state.apply(batch, update, Version(0))
        database.write(batch)
    directory.write_format(tmp_path / "data", OLD_SCHEMA)
    with Database.open_older(tmp_path / "data", OLD_SCHEMA) as database:
        migrate(database, silent)
    Database.open(tmp_path / "data").close()
