"""A store over the chain that it is a fork of, and tries of which only some paths are known."""

from collections.abc import Sequence

import pytest

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff, StateReader
from zevm.storage.database import Database
from zevm.storage.errors import MissingNodeError, OriginError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.rlp import encode_int, encode_uint
from zevm.storage.schema import ACCOUNT, SLOT, Version, account_key, address_in, slot_in, slot_key
from zevm.storage.state_update import hashed, prepare, slot_hash
from zevm.storage.store import Batch

ALICE, BOB = b"a" * 20, b"b" * 20
SLOTS = {slot: slot + 100 for slot in range(1, 30)}


def _world() -> StateDiff:
    diff = StateDiff()
    diff.accounts[ALICE] = AccountChange(1, 10, EMPTY_KECCAK)
    diff.accounts[BOB] = AccountChange(0, 20, EMPTY_KECCAK)
    diff.storage[ALICE] = dict(SLOTS)
    return diff


class Toy:
    """An origin of two accounts that gives the nodes of what was read alone, and counts."""

    number = 7

    def __init__(self) -> None:
        self.update = prepare(lambda _: trie.by_hash({}), EMPTY_ROOT, _world())
        self.nodes: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.fails = False

    def record(self, key: bytes) -> bytes | None:
        if self.fails:
            raise OriginError("away")
        self.asked.append(key)
        address = address_in(key)
        self._learn(self.update.root, hashed(address))
        record = self.update.accounts.get(address)
        if key[:1] == ACCOUNT.prefix or record is None:
            return record if key[:1] == ACCOUNT.prefix else None
        if key[:1] != SLOT.prefix:
            return None
        self._learn(self.update.account(address).storage_root, slot_hash(slot_in(key)))
        value = self.update.storage.get(address, {}).get(slot_in(key), 0)
        return encode_int(value) if value else None

    def _learn(self, root: bytes, key: bytes) -> None:
        if root != EMPTY_ROOT:
            proof = trie.get_with_proof(trie.by_hash(self.update.nodes), root, key)[1]
            self.nodes.update((keccak256(raw), raw) for raw in proof)

    @property
    def is_proved(self) -> bool:
        return True

    def has_code(self, address: bytes, code_hash: bytes) -> None:
        raise NotImplementedError

    def node(self, _owner: bytes, _path: str, node_hash: bytes) -> bytes | None:
        return self.nodes.get(node_hash)

    def state(self, number: int, root: bytes) -> StateReader:
        raise NotImplementedError

    def log_blocks(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]
    ) -> Sequence[int]:
        raise NotImplementedError


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def database(toy: Toy) -> Database:
    database = Database.open(None, origin=toy)
    batch = Batch()
    toy.record(account_key(ALICE))
    database.state.begin_at(batch, toy.update.root)
    database.write(batch)
    return database


def _apply(database: Database, diff: StateDiff, version: tuple[int, int]) -> bytes:
    update = database.state.prepare(database.state.root(), diff)
    batch = Batch()
    database.state.apply(batch, update, version)
    database.write(batch)
    return update.root


def _change(slots: dict[int, int]) -> StateDiff:
    diff = StateDiff()
    diff.accounts[ALICE] = AccountChange(1, 10, EMPTY_KECCAK)
    diff.storage[ALICE] = slots
    return diff


def _rooted(slots: dict[int, int]) -> bytes:
    """The root of the world with some slots changed, all nodes known."""
    diff = _world()
    diff.storage[ALICE] = {slot: value for slot, value in (SLOTS | slots).items() if value}
    return prepare(lambda _: trie.by_hash({}), EMPTY_ROOT, diff).root


def test_what_the_fork_has_not_comes_from_the_origin_and_what_it_removed_does_not(database: Database, toy: Toy) -> None:
    reader = database.state.latest(database.snapshot(), toy.update.root)
    assert (reader.account(BOB).balance, reader.storage(ALICE, 3), reader.storage(ALICE, 99)) == (20, 103, 0)
    root = _apply(database, _change({3: 0, 4: 9}), Version(8))
    after = database.state.latest(database.snapshot(), root)
    assert [after.storage(ALICE, slot) for slot in (3, 4, 5)] == [0, 9, 105]
    before = database.state.at(database.snapshot(), Version(7), toy.update.root)
    assert [before.storage(ALICE, slot) for slot in (3, 4, 5)] == [103, 104, 105]
    assert list(database.state.slots(database.snapshot(), ALICE)) == [(4, 9)]


def test_a_rewind_gives_the_origins_values_again(database: Database, toy: Toy) -> None:
    _apply(database, _change({3: 0, 4: 9, 1000: 1}), Version(8))
    batch = Batch()
    assert database.state.rewind(batch, Version(7)) == toy.update.root
    database.write(batch)
    reader = database.state.latest(database.snapshot(), toy.update.root)
    assert [reader.storage(ALICE, slot) for slot in (3, 4, 1000)] == [103, 104, 0]


def test_an_emptied_storage_hides_the_origins_slots_from_then_on(database: Database, toy: Toy) -> None:
    diff = StateDiff()
    diff.accounts[ALICE] = AccountChange(1, 10, EMPTY_KECCAK)
    diff.wiped.add(ALICE)
    diff.storage[ALICE] = {1: 5}
    root = _apply(database, diff, Version(8))
    reader = database.state.latest(database.snapshot(), root)
    assert [reader.storage(ALICE, slot) for slot in (1, 2)] == [5, 0]
    assert database.state.at(database.snapshot(), Version(7), toy.update.root).storage(ALICE, 2) == 102
    batch = Batch()
    database.state.rewind(batch, Version(7))
    database.write(batch)
    assert database.state.latest(database.snapshot(), toy.update.root).storage(ALICE, 2) == 102


def test_what_cannot_be_had_is_an_error(database: Database, toy: Toy) -> None:
    reader = database.state.latest(database.snapshot(), toy.update.root)
    toy.fails = True
    with pytest.raises(OriginError):
        reader.account(BOB)
    with pytest.raises(OriginError):
        reader.storage(ALICE, 2)
    with pytest.raises(OriginError):
        database.state.prepare(toy.update.root, _change({2: 1}))


def test_what_no_proof_leads_to_is_not_listed(database: Database, toy: Toy) -> None:
    known = database.state.slots_at(hashed(ALICE), toy.update.account(ALICE).storage_root)
    with pytest.raises(OriginError, match="cannot be listed"):
        list(known)


def test_the_root_is_the_true_one_wherever_the_nodes_beside_it_are_known(database: Database, toy: Toy) -> None:
    assert _apply(database, _change({3: 7, 40: 1}), Version(8)) == _rooted({3: 7, 40: 1})
    # every slot has been read: nothing lacks
    for slot in SLOTS:
        toy.record(slot_key(ALICE, slot))
    gone = dict.fromkeys(range(1, 20), 0)
    assert _apply(database, _change(gone), Version(9)) == _rooted({3: 7, 40: 1} | gone)


def test_a_branch_beside_which_nothing_is_known_keeps_all_values_and_heals(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Slots go one after another until a branch is left with an unknown child; put back, the root is true again."""
    removed: dict[int, int] = {}
    for number, slot in enumerate(SLOTS, 8):
        removed[slot] = 0
        root = _apply(database, _change({slot: 0}), Version(number))
        if root != _rooted(removed):
            break
    else:
        pytest.fail("no branch was left with an unknown child")
    assert "is not what the forked chain would have" in caplog.text
    reader = database.state.latest(database.snapshot(), root)
    by_trie = database.state.by_trie(root)
    for slot, value in SLOTS.items():
        want = removed.get(slot, value)
        assert reader.storage(ALICE, slot) == want
        assert by_trie.storage(ALICE, slot) == want
    last = max(removed)
    assert _apply(database, _change({last: SLOTS[last]}), Version(100)) == _rooted(removed | {last: SLOTS[last]})


def test_a_tolerant_update_is_an_update_where_all_is_known() -> None:
    entries = {keccak256(bytes((number,))): encode_uint(number + 1) for number in range(64)}
    whole = trie.update(trie.by_hash({}), EMPTY_ROOT, entries)
    gone = dict.fromkeys(list(entries)[:60], b"")
    assert trie.update_beside_unknown(trie.by_hash(whole.nodes), whole.root, gone) == (
        trie.update(trie.by_hash(whole.nodes), whole.root, gone),
        True,
    )
    with pytest.raises(MissingNodeError):
        trie.update_beside_unknown(trie.by_hash({}), whole.root, gone)
