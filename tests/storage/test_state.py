"""The state store: every state three ways (flat, trie, unwritten), against a plain model and py-trie."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import rlp as pyrlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff, decode_account, encode_account
from zevm.storage.cache import ByteCache
from zevm.storage.errors import CorruptionError, MissingNodeError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.leveldb import LevelStore
from zevm.storage.memory import MemoryStore
from zevm.storage.primitives import Address, TrieKey
from zevm.storage.schema import LAST_PATCH, Version, account_key, code_key, node_key, slot_key, undo_key
from zevm.storage.state import StateStore
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Batch

ADDRESSES = [bytes((number,)) * 20 for number in (0, 1, 2, 0x7F, 0xFF)] + [bytes(19) + b"\x01"]
SLOTS = [0, 1, 2, 5, 2**255, 2**256 - 1]
CODES = [b"\x00", b"\x60\x00" * 20, b"\xfe" * 500]
VALUES = st.sampled_from([0, 0, 1, 0x7F, 0x80, 2**64, 2**256 - 1])


class Model:
    """A state as plain dictionaries: address -> (nonce, balance, code, slots)."""

    def __init__(self, accounts=None) -> None:
        self.accounts = accounts or {}

    def after(self, diff):
        accounts = dict(self.accounts)
        codes = {keccak256(code): code for code in (b"", *CODES)}
        for address, change in diff.accounts.items():
            if change is None:
                accounts.pop(address, None)
                continue
            old = {} if address in diff.wiped or address not in accounts else accounts[address][3]
            slots = {**old, **diff.storage.get(address, {})}
            slots = {slot: value for slot, value in slots.items() if value}
            accounts[address] = (change.nonce, change.balance, codes[change.code_hash], slots)
        return Model(accounts)

    def root(self):
        """The state root by py-trie alone."""
        top = HexaryTrie({})
        for address, (nonce, balance, code, slots) in self.accounts.items():
            storage = HexaryTrie({})
            for slot, value in slots.items():
                storage[keccak256(slot.to_bytes(32, "big"))] = pyrlp.encode(value)
            top[keccak256(address)] = pyrlp.encode([nonce, balance, storage.root_hash, keccak256(code)])
        return top.root_hash

    def check(self, reader) -> None:
        for address in ADDRESSES:
            account = reader.account(address)
            if address not in self.accounts:
                assert account is None
                assert [reader.storage(address, slot) for slot in SLOTS] == [0] * len(SLOTS)
                continue
            nonce, balance, code, slots = self.accounts[address]
            assert (account.nonce, account.balance, reader.code(account.code_hash)) == (nonce, balance, code)
            assert [reader.storage(address, slot) for slot in SLOTS] == [slots.get(slot, 0) for slot in SLOTS]


@st.composite
def diffs(draw):
    diff = StateDiff()
    for address in draw(st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=4)):
        kind = draw(st.sampled_from(["change", "change", "change", "delete", "wipe"]))
        if kind == "delete":
            diff.accounts[address] = None
            continue
        code = draw(st.sampled_from([b"", *CODES]))
        diff.accounts[address] = AccountChange(draw(st.integers(0, 300)), draw(VALUES), keccak256(code))
        if code:
            diff.code[keccak256(code)] = code
        if kind == "wipe":
            diff.wiped.add(address)
        slots = draw(st.dictionaries(st.sampled_from(SLOTS), VALUES, max_size=4))
        if slots:
            diff.storage[address] = slots
    return diff


ALL = NodeLimits(states=None)
"""Every node of every state is kept."""


class History:
    """A state store and the models of all versions that it should be able to show."""

    def __init__(self, store=None, **options) -> None:
        self.store = MemoryStore() if store is None else store
        self.states = StateStore(self.store, node_cache_bytes=4096, **options)
        self.versions = []
        self.past = [(EMPTY_ROOT, Model())]

    @property
    def root(self):
        return self.versions[-1][1] if self.versions else EMPTY_ROOT

    @property
    def model(self):
        return self.versions[-1][2] if self.versions else Model()

    def next_version(self, is_patch: bool):
        if not self.versions:
            return Version(0)
        number, patch = self.versions[-1][0]
        return Version(number, patch + 1) if is_patch else Version(number + 1)

    def add(self, batch, diff, base=None, is_patch: bool = False):
        version = self.next_version(is_patch)
        update = self.states.prepare(self.root if base is None else base, diff)
        model = self.model.after(diff)
        self.states.apply(batch, update, version)
        self.versions.append((version, update.root, model))
        self.past.append((update.root, model))
        return update

    def drop_after(self, version) -> None:
        self.versions = [entry for entry in self.versions if entry[0] <= version]

    def check(self) -> None:
        view = self.store.snapshot()
        assert self.states.root() == self.root == self.model.root()
        self.model.check(self.states.latest(view, self.root))
        self.model.check(self.states.by_trie(self.root))
        accounts = dict(self.states.accounts(view))
        assert list(accounts) == sorted(self.model.accounts)
        for address, account in accounts.items():
            slots = list(self.states.slots(view, address))
            assert slots == sorted(self.model.accounts[address][3].items())
            assert sorted(self.states.slots_at(keccak256(address), account.storage_root)) == sorted(
                (TrieKey(keccak256(slot.to_bytes(32, "big"))), value) for slot, value in slots
            )
        assert list(self.states.accounts_at(self.root)) == sorted(
            (TrieKey(keccak256(address)), account) for address, account in accounts.items()
        )
        assert self.states.verify(self.root, view) == []


STEPS = st.lists(
    st.tuples(st.just("block"), diffs())
    | st.tuples(st.just("patch"), diffs())
    | st.tuples(st.just("rewind"), st.integers(0, 5))
    | st.tuples(st.just("reorganise"), st.tuples(st.integers(0, 3), st.lists(diffs(), min_size=1, max_size=3))),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_blocks_patches_rewinds_and_reorganisations_keep_flat_and_trie_as_a_fresh_replay(steps) -> None:
    history = History(limits=ALL)
    for kind, argument in steps:
        batch = Batch()
        if kind in ("block", "patch"):
            update = history.states.prepare(history.root, argument)
            history.model.after(argument).check(history.states.reader_over(update))
            history.add(batch, argument, is_patch=kind == "patch")
        elif history.versions:
            back, replacements = (argument, []) if kind == "rewind" else argument
            target = history.versions[max(0, len(history.versions) - 1 - back)][0]
            history.drop_after(target)
            assert history.states.rewind(batch, target) == history.root
            base = None
            for diff in replacements:
                base = history.add(batch, diff, base)
                history.model.check(history.states.reader_over(base))
        history.store.write(batch)
        history.check()
    for root, model in history.past:
        model.check(StateStore(history.store, limits=ALL).by_trie(root))
        assert history.states.verify(root) == []
        assert history.states.holds(root)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1), st.binary(min_size=32, max_size=32))
def test_account_records_are_the_rlp_of_the_reference(nonce: int, balance: int, some_hash) -> None:
    account = Account(nonce, balance, some_hash, some_hash[::-1])
    data = encode_account(account)
    assert data == pyrlp.encode(list(account))
    assert decode_account(data) == account
    wrong_size = data[:1] + bytes((data[1] ^ 1,)) + data[2:]
    for damaged in (data[:-1], data + b"\x00", b"\xf7" + data[1:], wrong_size, data[:2] + b"\xb7" + data[3:], b""):
        if damaged != data:
            with pytest.raises(CorruptionError):
                decode_account(damaged)


def account_diff(**balances):
    return StateDiff(
        {
            Address(name.encode().ljust(20, b"\x00")): AccountChange(0, value, EMPTY_KECCAK)
            for name, value in balances.items()
        }
    )


def written(*diffs_of_blocks, limits=None):
    """A history with one block for each difference."""
    history = History(limits=limits)
    for diff in diffs_of_blocks:
        batch = Batch()
        history.add(batch, diff)
        history.store.write(batch)
    return history


def contract_diff():
    """A contract at 0x02.. with two slots, beside fifty plain accounts."""
    diff = StateDiff(
        {Address(bytes((number,)) * 20): AccountChange(1, number, EMPTY_KECCAK) for number in range(3, 53)}
    )
    diff.accounts[ADDRESSES[2]] = AccountChange(1, 5, keccak256(CODES[1]))
    diff.code[keccak256(CODES[1])] = CODES[1]
    diff.storage[ADDRESSES[2]] = {1: 7, 2**255: 2**200, 5: 3}
    return diff


def test_a_reader_of_the_latest_state_stays_at_its_snapshot() -> None:
    history = written(account_diff(a=1, b=1))
    reader = history.states.latest(history.store.snapshot(), history.root)
    batch = Batch()
    history.add(batch, account_diff(a=2, b=2, c=2))
    history.store.write(batch)
    assert reader.account(b"a".ljust(20, b"\x00")).balance == 1
    assert reader.account(b"c".ljust(20, b"\x00")) is None
    with pytest.raises(CorruptionError, match="latest state has root"):
        history.states.latest(history.store.snapshot(), reader.root)


@pytest.mark.lengthy
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sets(st.sampled_from(ADDRESSES)), diffs()), min_size=1, max_size=5))
def test_a_reader_that_follows_updates_reads_what_a_fresh_one_does(
    steps: list[tuple[set[Address], StateDiff]],
) -> None:
    history = written(account_diff(a=1))
    reader = history.states.latest(history.store.snapshot(), history.root)
    for read, diff in steps:
        before, model = reader, history.model
        for address in read:
            reader.account(address)
        batch = Batch()
        update = history.add(batch, diff)
        history.store.write(batch)
        reader = history.states.latest_after(history.store.snapshot(), reader, update)
        assert reader.root == history.root
        # the addresses that were read before the update, first of all
        history.model.check(reader)
        model.check(before)


def test_a_reader_follows_no_update_of_another_state_or_without_decoded_accounts_wrongly() -> None:
    history = written(account_diff(a=1), account_diff(a=2))
    reader = history.states.latest(history.store.snapshot(), history.root)
    name = b"a".ljust(20, b"\x00")
    assert reader.account(name).balance == 2
    batch = Batch()
    update = replace(history.add(batch, account_diff(a=3)), decoded={})
    history.store.write(batch)
    view = history.store.snapshot()
    assert history.states.latest_after(view, reader, update).account(name).balance == 3
    stray = replace(update, base=history.versions[0][1])
    with pytest.raises(ValueError, match="update stands on root"):
        history.states.latest_after(view, reader, stray)


def test_updates_that_do_not_stand_on_the_latest_state_are_refused() -> None:
    history = written(account_diff(a=1), account_diff(a=2))
    first_root = history.versions[0][1]
    stale = history.states.prepare(first_root, account_diff(b=1))
    with pytest.raises(ValueError, match="update stands on root"):
        history.states.apply(Batch(), stale, Version(2))
    good = history.states.prepare(history.root, account_diff(b=1))
    with pytest.raises(ValueError, match="block 1, patch 0 is already written"):
        history.states.apply(Batch(), good, Version(1))
    with pytest.raises(ValueError, match="update stands on root"):
        history.states.reader_over(good, history.states.by_trie(first_root))
    with pytest.raises(ValueError, match="without an account change"):
        history.states.prepare(history.root, StateDiff(storage={ADDRESSES[1]: {1: 1}}))


def test_preparing_writes_nothing_and_leaves_the_difference_alone() -> None:
    history = written(contract_diff())
    before = list(history.store.iterate(b"\x00", b"\xff"))
    diff = StateDiff({ADDRESSES[2]: AccountChange(9, 9, EMPTY_KECCAK)}, {ADDRESSES[2]: {1: 0, 3: 3}})
    update = history.states.prepare(history.root, diff)
    diff.storage[ADDRESSES[2]][1] = 1
    assert list(history.store.iterate(b"\x00", b"\xff")) == before
    assert history.states.reader_over(update).storage(ADDRESSES[2], 1) == 0


def test_last_patch_counts_the_patches_of_one_block() -> None:
    history = written(account_diff(a=1), account_diff(a=2))
    assert history.states.last_patch(1) == 0
    for balance in (3, 4):
        batch = Batch()
        history.add(batch, account_diff(a=balance), is_patch=True)
        history.store.write(batch)
    assert [history.states.last_patch(number) for number in (0, 1, 2)] == [0, 2, 0]
    batch = Batch()
    assert history.states.rewind(batch, Version(1, LAST_PATCH)) == history.root


def test_one_batch_may_rewind_twice() -> None:
    history = written(account_diff(a=1), account_diff(b=2), account_diff(a=3))
    batch = Batch()
    assert history.states.rewind(batch, Version(1)) == history.versions[1][1]
    assert history.states.rewind(batch, Version(0)) == history.versions[0][1]
    history.store.write(batch)
    history.drop_after(Version(0))
    history.check()


def test_a_broken_way_back_is_refused() -> None:
    history = written(account_diff(a=1), account_diff(a=2), account_diff(a=3))
    for record, message in (
        (None, "reverse state diff of block 1, patch 0 leads back from"),
        (b"\xc1", "damaged"),
        (pyrlp.encode([bytes(32), history.root, b"key"]), "damaged"),
        (pyrlp.encode([bytes(32), [history.root]]), "damaged"),
    ):
        broken = Batch()
        if record is None:
            broken.delete(undo_key(Version(2)))
        else:
            broken.put(undo_key(Version(2)), record)
        history.store.write(broken)
        with pytest.raises(CorruptionError, match=message):
            history.states.rewind(Batch(), Version(0))


def test_proofs_of_accounts_and_slots_hold() -> None:
    history = written(contract_diff())
    address = ADDRESSES[2]
    proof = history.states.prove_account(history.root, address, [1, 2**255, 77])
    record = trie.verify_proof(history.root, keccak256(address), proof.proof)
    assert decode_account(record) == proof.account
    assert [(slot.slot, slot.value) for slot in proof.slots] == [(1, 7), (2**255, 2**200), (77, 0)]
    for slot in proof.slots:
        value = trie.verify_proof(proof.account.storage_root, keccak256(slot.slot.to_bytes(32, "big")), slot.proof)
        assert (0 if value is None else pyrlp.decode(value, pyrlp.sedes.big_endian_int)) == slot.value
    absent = history.states.prove_account(history.root, b"\xee" * 20, [1])
    assert absent.account is None
    assert trie.verify_proof(history.root, keccak256(b"\xee" * 20), absent.proof) is None
    assert [(slot.value, slot.proof) for slot in absent.slots] == [(0, [])]


def test_a_state_that_was_never_written_is_not_held() -> None:
    states = written(account_diff(a=1)).states
    assert not states.holds(bytes(32))
    assert states.holds(EMPTY_ROOT)
    with pytest.raises(MissingNodeError):
        states.by_trie(bytes(32)).account(ADDRESSES[0])
    with pytest.raises(CorruptionError, match="code 0101"):
        states.by_trie(EMPTY_ROOT).code(b"\x01" * 32)


def test_verification_names_each_kind_of_damage() -> None:
    """Each fault in turn, on a sound state of 51 accounts, is found and named; undone, nothing is found."""
    history = written(contract_diff(), limits=ALL)
    contract, plain = ADDRESSES[2], bytes((9,)) * 20
    storage_root = history.states.by_trie(history.root).account(contract).storage_root
    inner = history.states.prove_account(history.root, plain, []).proof[1]
    name = f"account 0x{contract.hex()}"
    faults = [
        (node_key(history.root), None, "state trie: node .* at path \\(root\\) is missing"),
        (node_key(keccak256(inner)), inner[:-1] + b"\x01", "state trie: node .* at path .* is damaged"),
        (node_key(storage_root), None, f"storage trie of {name}: node {storage_root.hex()} .* is missing"),
        (code_key(keccak256(CODES[1])), None, f"code .* of {name} is missing"),
        (code_key(keccak256(CODES[1])), b"\x00", f"code .* of {name} is damaged"),
        (account_key(plain), None, f"key hash {keccak256(plain).hex()} is in the trie, not in the flat state"),
        (account_key(plain), encode_account(Account(1, 10**18)), f"0x{plain.hex()}: flat record differs"),
        (account_key(b"\xee" * 20), encode_account(Account()), "0xee.* is in the flat state, not in the trie"),
        (slot_key(contract, 1), None, f"{name}: slot with key hash .* is in the trie, not in the flat state"),
        (slot_key(contract, 1), b"\x08", f"{name}: slot 0x0+1 differs"),
        (slot_key(contract, 9), b"\x08", f"{name}: slot 0x0+9 is in the flat state, not in the trie"),
        (slot_key(plain, 9), b"\x08", f"0x{plain.hex()}: slot 0x0+9 is in the flat state, not in the trie"),
        (slot_key(b"\x00" * 20, 9), b"\x08", "flat slots of 0x0+ have no account"),
        (slot_key(b"\xff" * 20, 9), b"\x08", "flat slots of 0xf+ have no account"),
        (b"mstate root", bytes(32), "flat state belongs to root 0+, not to"),
    ]
    for key, value, message in faults:
        before = history.store.get(key)
        put(history.store, key, value)
        problems = history.states.verify(history.root, history.store.snapshot())
        assert len(problems) == 1, problems
        assert re.search(message, problems[0]), problems
        put(history.store, key, before)
        assert history.states.verify(history.root, history.store.snapshot()) == []


def put(store, key: bytes, value: bytes) -> None:
    batch = Batch()
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
    store.write(batch)


class Unreadable:
    """A view of a store in which one key fails its checksum."""

    def __init__(self, store, key: bytes) -> None:
        self.store = store
        self.key = key

    def get(self, key: bytes):
        if key == self.key:
            raise CorruptionError("block checksum mismatch")
        return self.store.get(key)

    def iterate(self, start, stop):
        for key, value in self.store.iterate(start, stop):
            if key == self.key:
                raise CorruptionError("block checksum mismatch")
            yield key, value


def test_verification_reports_what_cannot_be_read_and_goes_on() -> None:
    history = written(contract_diff(), limits=ALL)
    contract, plain = ADDRESSES[2], bytes((9,)) * 20
    storage_root = history.states.by_trie(history.root).account(contract).storage_root
    expected = {
        node_key(history.root): "state trie: node .* is damaged: block checksum mismatch",
        node_key(storage_root): "storage trie of account 0x02.* is damaged: block checksum mismatch",
        code_key(keccak256(CODES[1])): "code .* is damaged: block checksum mismatch",
        account_key(plain): "flat accounts after key .*0808 are unreadable: block checksum mismatch",
        slot_key(contract, 5): "flat slots after key .*01 are unreadable: block checksum mismatch",
        b"mstate root": "the check could not go on: block checksum mismatch",
    }
    for key, message in expected.items():
        problems = history.states.verify(history.root, Unreadable(history.store, key))
        assert re.search(message, problems[0]), problems


def test_the_state_survives_a_restart_on_disk(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "state")
    history = History(store)
    for diff in (contract_diff(), account_diff(a=1), account_diff(a=2, b=3)):
        batch = Batch()
        history.add(batch, diff)
        store.write(batch)
    history.states.by_trie(history.root).account(ADDRESSES[2])
    store.close()
    history.store = LevelStore(tmp_path / "state")
    history.states = StateStore(history.store)
    history.states.recover(*history.versions[-1][:2])
    view = history.store.snapshot()
    assert history.states.root() == history.root == history.model.root()
    assert history.states.verify(history.root, view) == []
    history.model.check(history.states.latest(view, history.root))
    batch = Batch()
    assert history.states.rewind(batch, Version(0)) == history.versions[0][1]
    history.store.write(batch)
    assert history.states.verify(history.versions[0][1], history.store.snapshot()) == []
    history.model.check(history.states.by_trie(history.root))
    view.close()
    history.store.close()


def test_a_failed_write_leaves_no_state_behind() -> None:
    history = written(account_diff(a=1), limits=ALL)
    update = history.states.prepare(history.root, account_diff(a=2))
    history.states.apply(Batch(), update, Version(1))
    assert not history.states.holds(update.root)
    assert history.states.root() == history.root
    retried = Batch()
    history.add(retried, account_diff(a=2))
    history.store.write(retried)
    assert history.states.holds(update.root)
    assert history.states.verify(update.root, history.store.snapshot()) == []


def test_verification_without_flat_state_checks_nodes_and_code() -> None:
    history = written(contract_diff(), account_diff(a=1), limits=ALL)
    first_root = history.versions[0][1]
    account = history.states.by_trie(first_root).account(ADDRESSES[2])
    assert history.states.verify(first_root) == []
    put(history.store, code_key(account.code_hash), None)
    put(history.store, node_key(account.storage_root), b"\x80")
    problems = history.states.verify(first_root)
    assert len(problems) == 2
    assert "is missing" in problems[0]
    assert "is damaged" in problems[1]


def test_verification_stops_at_its_limit() -> None:
    history = written(contract_diff())
    for number in range(20):
        put(history.store, slot_key(b"\xff" * 19 + bytes((number,)), 1), b"\x01")
    problems = history.states.verify(history.root, history.store.snapshot(), limit=5)
    assert len(problems) == 6
    assert problems[-1].startswith("more than 5 problems")


def test_the_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = ByteCache(100_000)
    used = b"used".ljust(32)
    cache.put(used, b"value")
    for number in range(5_000):
        cache.put(number.to_bytes(32, "big"), bytes(100))
        assert cache.get(used) == b"value"
    assert len(cache) <= 100_000 // 332 + 2
    assert cache.get((0).to_bytes(32, "big")) is None
    cache.put(b"large", bytes(60_000))
    assert cache.get(b"large") is None
