"""Past states by what changed since, and trie nodes written behind the blocks, against models of every state."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.test_state import ADDRESSES, CODES, SLOTS, History, Model, account_diff, contract_diff, diffs
from zevm.storage import rebuilding, trie
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff, decode_account
from zevm.storage.errors import CorruptionError, NodesNotKeptError
from zevm.storage.history import value_at
from zevm.storage.keccak import keccak256
from zevm.storage.memory import MemoryStore
from zevm.storage.overlay import GroupedStore
from zevm.storage.rebuilding import MANY_SLOTS, rebuild, values_since
from zevm.storage.schema import (
    HISTORY,
    SLOT_NODE,
    STATE_NODE,
    UNDO,
    Version,
    account_key,
    history_key,
    range_of,
    slot_key,
    undo_key,
)
from zevm.storage.state import StateStore
from zevm.storage.state_nodes import NodeLimits, Written
from zevm.storage.store import Batch

TIGHT = NodeLimits(states=2, bytes=1 << 20, entries=4, blocks=3, rebuild_differences=3)
"""Nodes turn, and are written, every few states."""


class Grouping(GroupedStore):
    """A store in memory that takes batches alone and in groups."""

    def __init__(self) -> None:
        self.medium = MemoryStore()
        super().__init__(self.medium)

    def write(self, batch: Batch) -> None:
        """Apply a batch, or take it into the group."""
        if self.is_open_here:
            self.add(batch, sync=True)
        else:
            self.medium.write(batch)


class Behind(History):
    """A history whose store keeps nodes of the newest states alone, and that stops and starts."""

    def __init__(self, limits: NodeLimits = TIGHT) -> None:
        super().__init__(Grouping(), limits=limits)
        self._limits = limits

    def write(self, batch: Batch, reached: Version | None = None, *, fails_behind: bool = False) -> None:
        """As the canonical chain: nodes with the batch where it goes back behind the written ones, else after it."""
        version, root, _ = self.versions[-1]
        written = self.states.put_nodes_behind(batch, version if reached is None else reached, version, root)
        self.store.write(batch)
        written()
        self.settle(fails_behind)

    def settle(self, fails: bool) -> None:
        """Write nodes behind the last state, where it is time to. fails: the medium refuses."""
        version, root, _ = self.versions[-1]
        behind = self.states.settle(version, root)
        if behind is not None and not fails:
            self.store.write(behind)
            self.states.settled(version)

    def group(self, blocks: list[StateDiff], *, fails: bool) -> None:
        """Several blocks that share a sync, which succeeds or fails."""
        before = self.versions
        self.versions = [*before]
        self.store.begin()
        for diff in blocks:
            batch = Batch()
            self.add(batch, diff)
            self.store.write(batch)
        together, _ = self.store.taken()
        self.store.end()
        if fails:
            self.versions = before
            self.states.forget_cached()
        else:
            self.store.write(together)
            self.settle(fails=False)

    def grow(self, diff: StateDiff) -> None:
        """A block."""
        batch = Batch()
        self.add(batch, diff)
        self.write(batch)

    def rewind(self, back: int) -> None:
        """Go back by so many states."""
        reached, batch = self.versions[len(self.versions) - 1 - back][0], Batch()
        self.drop_after(reached)
        assert self.states.rewind(batch, reached) == self.root
        self.write(batch, reached)

    def restart(self) -> None:
        self.states = StateStore(self.store, limits=self._limits)
        if self.versions:
            self.states.recover(*self.versions[-1][:2])

    def check_past(self) -> None:
        view = self.store.snapshot()
        for _, root, model in self.versions:
            if self.states.holds(root):
                model.check(self.states.by_trie(root))
        for version, root, model in self.versions:
            reader = self.states.at(view, version, root)
            model.check(reader)
            assert reader.base == root
            model.check(self.states.by_trie(root))
            self.check_proofs(root, model)

    def check_proofs(self, root: bytes, model: Model) -> None:
        for address in ADDRESSES:
            proof = self.states.prove_account(root, address, SLOTS)
            record = trie.verify_proof(root, keccak256(address), proof.proof)
            assert (None if record is None else decode_account(record)) == proof.account
            assert (proof.account is None) == (address not in model.accounts)

    def check_all(self) -> None:
        if self.versions:
            self.check()
            self.check_past()
        self.check_written()

    def check_written(self) -> None:
        """The store holds exactly the nodes of the state that it says."""
        written = Written.read(self.store)
        held = {key for family in (STATE_NODE, SLOT_NODE) for key, _ in self.store.iterate(*range_of(family))}
        if written is None:
            assert not held
            return
        asked: set[bytes] = set()
        fresh = StateStore(self.store, limits=self._limits)
        for owner, root in [(b"", written.root), *_storage_roots(fresh, written.root)]:
            for _ in trie.iterate(_asking(fresh, owner, asked), root):
                pass
        assert asked == held


def _storage_roots(states: StateStore, root: bytes) -> Iterator[tuple[bytes, bytes]]:
    for key, account in states.accounts_at(root):
        yield key, account.storage_root


def _asking(states: StateStore, owner: bytes, asked: set[bytes]) -> trie.Nodes:
    def find(path: str, node_hash: bytes) -> bytes | None:
        asked.add((SLOT_NODE.prefix + owner if owner else STATE_NODE.prefix) + path.encode())
        return states.nodes(owner)(path, node_hash)

    return find


STEPS = st.lists(
    st.tuples(st.just("block"), diffs())
    | st.tuples(st.just("patch"), diffs())
    | st.tuples(st.just("rewind"), st.integers(0, 5))
    | st.tuples(st.just("reorganise"), st.tuples(st.integers(0, 3), st.lists(diffs(), min_size=1, max_size=3)))
    | st.tuples(st.just("unsettled"), diffs())
    | st.tuples(st.sampled_from(["group", "failed group"]), st.lists(diffs(), min_size=1, max_size=4))
    | st.tuples(st.just("restart"), st.none()),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@pytest.mark.parametrize("many_slots", [MANY_SLOTS, 1])
@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_every_past_state_reads_and_proves_as_its_model(many_slots: int, steps: list[tuple[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuilding, "MANY_SLOTS", many_slots)
        check_steps(steps)


def check_steps(steps: list[tuple[str, Any]]) -> None:
    history = Behind()
    for kind, argument in steps:
        batch, reached = Batch(), None
        if kind in ("block", "patch", "unsettled"):
            history.add(batch, argument, is_patch=kind == "patch")
        elif kind == "restart":
            history.restart()
            continue
        elif kind in ("group", "failed group"):
            history.group(argument, fails=kind == "failed group")
            history.check_all()
            continue
        elif history.versions:
            back, replacements = (argument, []) if kind == "rewind" else argument
            reached = history.versions[max(0, len(history.versions) - 1 - back)][0]
            history.drop_after(reached)
            assert history.states.rewind(batch, reached) == history.root
            base = None
            for diff in replacements:
                base = history.add(batch, diff, base)
        if not history.versions:
            continue
        history.write(batch, reached, fails_behind=kind == "unsettled")
        history.check_all()
    history.restart()
    if history.versions:
        history.check()
        history.check_past()


def grown(*balances: int, limits: NodeLimits = TIGHT) -> Behind:
    """A history of one account that has these balances one after another."""
    history = Behind(limits=limits)
    for balance in balances:
        history.grow(account_diff(a=balance))
    return history


def test_states_upon_one_of_before_the_last_turn_stay_whole() -> None:
    """A rewind goes back over a turn, and the chain on from there: what the old states had lives as long as the new."""
    history = Behind(limits=NodeLimits(states=4, entries=1 << 20, blocks=1 << 20))
    for number in range(4):
        history.grow(account_diff(**dict.fromkeys("abc", 10 * number + 1)))
    history.rewind(2)
    for number in range(4):
        history.grow(account_diff(**{"abc"[number % 3]: 100 + number}))
    held = [(root, model) for _, root, model in history.versions if history.states.holds(root)]
    assert len(held) >= 4
    for root, model in held:
        model.check(history.states.by_trie(root))


def test_states_that_were_made_again_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.storage.rebuilt_states.MOST_STATES", 3)
    history = grown(*range(1, 40))
    view = history.store.snapshot()
    for version, root, model in history.versions:
        assert history.states.at(view, version, root).base == root
        model.check(history.states.by_trie(root))
    newest = [history.states.holds(root) for _, root, _ in history.versions]
    assert newest[-2:] == [True, True]
    assert sum(newest) <= 3 + 2 * 2 + 1


def test_a_state_that_was_made_again_can_be_gone_back_to_and_built_upon() -> None:
    history = grown(*range(1, 20))
    (version, root, _), view = history.versions[4], history.store.snapshot()
    assert history.states.at(view, version, root).base == root
    history.rewind(14)
    for balance in range(50, 60):
        history.grow(account_diff(b=balance))
        history.check_past()
        history.check_written()
    history.restart()
    history.check()
    history.check_past()


def test_a_state_that_was_made_again_before_the_last_turn_stays_whole_once_it_is_gone_back_to() -> None:
    """What it shares with states of before the turn must live as long as what is built on it."""
    history = Behind(limits=NodeLimits(states=3, entries=1 << 20, blocks=1 << 20))
    names = [chr(97 + number) for number in range(26)]
    history.grow(account_diff(**dict.fromkeys(names, 1)))
    for balance in range(2, 9):
        history.grow(account_diff(a=balance))
    (version, root, _), view = history.versions[1], history.store.snapshot()
    assert history.states.at(view, version, root).base == root
    for balance in range(2):
        history.grow(account_diff(**dict.fromkeys(names[1:], 50 + balance)))
    assert history.states.holds(root)
    history.rewind(len(history.versions) - 2)
    for number in range(3):
        history.grow(account_diff(**dict.fromkeys(names[1:], 100 + number)))
        for _, held, model in history.versions:
            if history.states.holds(held):
                for address, (_, balance, _, _) in model.accounts.items():
                    assert history.states.by_trie(held).account(address).balance == balance


def test_nodes_of_an_unwritten_batch_are_found_without_the_cache() -> None:
    """A reorganisation to before `--proofs all`: it stands on a state that its own batch brings."""
    history = grown(*range(1, 12))
    history.states = StateStore(history.store, limits=NodeLimits(states=None), node_cache_bytes=0)
    recovered = history.states.recover(*history.versions[-1][:2])
    assert recovered is not None
    history.store.write(recovered)
    reached, batch = history.versions[3][0], Batch()
    history.drop_after(reached)
    assert history.states.rewind(batch, reached) == history.root
    base = history.add(batch, account_diff(b=7))
    history.add(batch, account_diff(c=8), base)
    history.write(batch, reached)
    history.check()
    for _, root, model in history.versions[-3:]:
        model.check(history.states.by_trie(root))


def test_a_state_whose_shared_nodes_have_gone_while_it_was_made_again_is_not_kept() -> None:
    """Two turns pass between the moment that a state's nodes are asked for and the moment that they are there."""
    history = grown(*range(1, 12))
    version, root, _ = history.versions[2]
    base, age = history.root, history.states._nodes.age(history.root)
    assert age is not None
    nodes = rebuild(history.states.nodes, base, {account_key(b"a".ljust(20, b"\x00")): b""}).nodes
    for balance in range(20, 30):
        history.grow(account_diff(a=balance))
    history.states._nodes.remember(root, nodes, base, age)
    assert not history.states.holds(root)
    reader = history.states.at(history.store.snapshot(), version, root)
    assert reader.base == root


def test_a_rebuild_of_which_the_base_has_passed_says_so() -> None:
    """A reader keeps the view of long ago, of which the trie has passed."""
    history = grown(1, 2, 3, 4, 5)
    version, root, _ = history.versions[0]
    reader = history.states.at(history.store.snapshot(), version, root)
    for balance in range(6, 20):
        history.grow(account_diff(a=balance))
    with pytest.raises(NodesNotKeptError, match="after block 0 is not kept, and the chain grew too fast"):
        _ = reader.base


def test_a_rebuild_ends_at_its_deadline() -> None:
    history = grown(*range(1, 20), limits=TIGHT._replace(rebuild_seconds=0))
    version, root, model = history.versions[2]
    reader = history.states.at(history.store.snapshot(), version, root)
    with pytest.raises(
        NodesNotKeptError, match=r"after block 2 is not kept, and making it again .* takes more than 0 s"
    ):
        _ = reader.base
    model.check(reader)


def test_a_rebuild_from_too_many_values_is_refused() -> None:
    history = Behind(limits=TIGHT._replace(rebuild_values=2))
    for number in range(12):
        history.grow(account_diff(**dict.fromkeys("abc", number + 1)))
    version, root, _ = history.versions[2]
    with pytest.raises(NodesNotKeptError, match="more than 2 accounts and slots have changed since"):
        _ = history.states.at(history.store.snapshot(), version, root).base


def test_a_rebuild_waits_for_another_no_longer_than_its_deadline() -> None:
    history = grown(*range(1, 20), limits=TIGHT._replace(rebuild_seconds=0.01))
    version, root, _ = history.versions[2]
    with history.states._rebuilding, pytest.raises(NodesNotKeptError, match=r"takes more than 0\.01 s"):
        _ = history.states.at(history.store.snapshot(), version, root).base


def test_many_small_blocks_are_read_at_each_height() -> None:
    """Sixty states: the values at each, and the index that leads there."""
    history = Behind()
    for number in range(60):
        batch = Batch()
        history.add(batch, account_diff(**{"abc"[number % 3]: number + 1}))
        history.write(batch)
    history.check_past()
    history.check_written()
    view = history.store.snapshot()
    a = account_key(b"a".ljust(20, b"\x00"))
    balances = [decode_account(value_at(view, a, Version(number)) or b"").balance for number in range(60)]
    assert balances == [number - number % 3 + 1 for number in range(60)]
    assert sum(1 for _ in view.iterate(*range_of(HISTORY))) == 60


def test_states_before_the_first_have_nothing() -> None:
    history = Behind()
    batch = Batch()
    history.add(batch, contract_diff())
    history.write(batch)
    view = history.store.snapshot()
    assert value_at(view, account_key(ADDRESSES[2]), Version(0)) is not None
    assert next(iter(view.iterate(*range_of(UNDO))))[0] == undo_key(Version(0))


def test_a_start_that_finds_other_records_than_the_root_says_is_refused() -> None:
    history = Behind(limits=NodeLimits())
    for diff in (contract_diff(), account_diff(a=1)):
        batch = Batch()
        history.add(batch, diff)
        history.write(batch)
    lost = Batch()
    lost.delete(account_key(b"a".ljust(20, b"\x00")))
    history.store.write(lost)
    with pytest.raises(CorruptionError, match="lead to"):
        history.restart()


def with_slots(**slots: int) -> StateDiff:
    """Slots of the contract of `contract_diff`, by their numbers behind a letter."""
    diff = account_diff()
    diff.accounts[ADDRESSES[2]] = AccountChange(1, 5, keccak256(CODES[1]))
    diff.storage[ADDRESSES[2]] = {int(name[1:]): value for name, value in slots.items()}
    return diff


@pytest.mark.parametrize(
    ("changes", "is_whole"),
    [({"s5": 0, "s6": 9}, True), ({"s5": 0, "s1": 0}, True), ({"s6": 9}, False)],
    ids=["as many have changed", "few are left", "most have not changed"],
)
def test_a_trie_of_which_most_slots_have_changed_is_made_of_all_of_them(
    changes: dict[str, int], is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No written node of it is read; and a slot that is missing is found out."""
    monkeypatch.setattr(rebuilding, "MANY_SLOTS", 1)
    history = Behind(limits=NodeLimits())
    history.grow(contract_diff())
    last = Batch()
    written = history.states.put_last_nodes(last, *history.versions[-1][:2])
    assert written is not None
    history.store.write(last)
    written()
    history.grow(with_slots(**changes))
    since = values_since(history.store, Version(0))
    assert since.whole == ({ADDRESSES[2]} if is_whole else set())
    history.restart()
    history.check()
    history.check_past()
    if not is_whole:
        return
    hidden = Batch()
    for key, _ in history.store.iterate(*range_of(SLOT_NODE)):
        hidden.delete(key)
    history.store.write(hidden)
    history.restart()
    history.check()
    lost = Batch()
    lost.delete(slot_key(ADDRESSES[2], 2**255))
    history.store.write(lost)
    with pytest.raises(CorruptionError, match="do not fit its account"):
        history.restart()


@pytest.mark.parametrize("damage", [None, b"\xc1", b"\xc0"], ids=["missing", "cut", "empty"])
def test_a_damaged_difference_is_told_where_a_read_meets_it(damage: bytes | None) -> None:
    history = Behind()
    for balance in (1, 2, 3):
        batch = Batch()
        history.add(batch, account_diff(a=balance))
        history.write(batch)
    broken = Batch()
    broken.operations.append((undo_key(Version(2)), damage))
    history.store.write(broken)
    reader = history.states.at(history.store.snapshot(), Version(1), history.versions[1][1])
    with pytest.raises(CorruptionError, match=r"block 2, patch 0 is (missing|damaged)"):
        reader.account(b"a".ljust(20, b"\x00"))


def test_written_nodes_of_a_later_state_are_made_again_from_the_records() -> None:
    """What an offline rewind leaves: the records of an earlier state, and no nodes."""
    history = Behind()
    for balance in range(1, 12):
        batch = Batch()
        history.add(batch, account_diff(a=balance))
        history.write(batch)
    assert Written.read(history.store) is not None
    for step in history.states.nodes_beyond(Version(2)):
        history.store.write(step.batch)
    assert Written.read(history.store) is None
    batch = Batch()
    root = history.states.rewind_records(batch, Version(2))
    history.store.write(batch)
    history.drop_after(Version(2))
    history.restart()
    assert history.states.by_trie(root).account(b"a".ljust(20, b"\x00")).balance == 3
    history.check()
    history.check_past()
    assert history.states.root() != EMPTY_ROOT
    assert history.store.get(history_key(account_key(b"a".ljust(20, b"\x00")), Version(3))) is None


def asked_keys(history: Behind, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys that the store is asked for from now on."""
    asked: list[bytes] = []
    get = history.store.get

    def noted(key: bytes) -> bytes | None:
        asked.append(key)
        return get(key)

    monkeypatch.setattr(history.store, "get", noted)
    return asked


def test_nodes_that_were_written_last_are_found_without_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    history = Behind(limits=NodeLimits(states=2, entries=20, blocks=1 << 20))
    names = [chr(97 + number) for number in range(26)]
    history.grow(account_diff(**dict.fromkeys(names, 1)))
    for balance in range(2, 9):
        history.grow(account_diff(a=balance))
    assert Written.read(history.store) is not None
    asked = asked_keys(history, monkeypatch)
    history.grow(account_diff(**dict.fromkeys(names, 2)))
    assert asked
    assert not [key for key in asked if key[:1] in (STATE_NODE.prefix, SLOT_NODE.prefix)]
    history.check_all()


def test_a_version_beyond_all_others_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    history = grown(1, 2, 3)
    history.restart()
    asked = asked_keys(history, monkeypatch)
    history.grow(account_diff(a=9))
    assert asked
    assert not [key for key in asked if key.startswith(UNDO.prefix)]
    history.rewind(2)
    history.grow(account_diff(a=10))
    assert [key for key in asked if key.startswith(UNDO.prefix)], "another one may have been there"
    history.check_all()
