"""The end of a block in the core against storage's functions in Python: states, flat records, ways back."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.core.support import Looked, agree, needs_core, outcome
from zevm.core import references
from zevm.storage import preimages, state_update, trie
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff, decode_account
from zevm.storage.flat_state import FLAT_ROOT_KEY, flat_operations
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.ledger import index_operations
from zevm.storage.primitives import Address, Hash32, Wei
from zevm.storage.rlp import item_at
from zevm.storage.schema import Version, slot_key, undo_key
from zevm.storage.state_update import StateUpdate, for_every_owner, state_after

pytestmark = needs_core

Nodes = dict[bytes, bytes]
account_of = partial(tuple.__new__, Account)
SIZES = (0, 1, 8, 63, 64, 65, 255, 256)
"""Bits of random integers."""


def random_integer(rng: random.Random, bits: int) -> int:
    return rng.getrandbits(min(bits, rng.choice(SIZES))) if rng.random() < 0.9 else (1 << bits) - 1


def random_diff(rng: random.Random, addresses: list[Address], update: StateUpdate | None) -> StateDiff:
    """Accounts that come, change and go, with slots of which some are deleted; storage that is wiped."""
    diff = StateDiff()
    for address in rng.sample(addresses, rng.choice((1, 1, 3, 8))):
        if rng.random() < 0.1:
            diff.accounts[address] = None
            diff.wiped.add(address)
            continue
        code_hash = Hash32(rng.randbytes(32)) if rng.random() < 0.3 else EMPTY_KECCAK
        diff.accounts[address] = AccountChange(random_integer(rng, 64), Wei(random_integer(rng, 256)), code_hash)
        if rng.random() < 0.6:
            slots = [
                random_integer(rng, 256) if rng.random() < 0.2 else rng.randrange(12) for _ in range(rng.randint(0, 6))
            ]
            diff.storage[address] = {slot: rng.choice((0, 1, random_integer(rng, 256))) for slot in slots}
        if rng.random() < 0.1:
            diff.wiped.add(address)
        account = None if update is None else update.decoded.get(address)
        if account is not None and rng.random() < 0.7:
            diff.storage_roots[address] = account.storage_root
    return diff


def agree_on_state(held: Nodes, root: bytes, diff: StateDiff, known: tuple[Nodes, ...] = ()) -> Any:
    """What both engines' functions make of a difference, by the same look-ups in the same tries."""
    assert state_after is not references["state_after"]
    outcomes, asked = [], []
    for function in (references["state_after"], state_after):
        looked: dict[bytes, Looked] = {}

        def nodes_of(owner: bytes, looked: dict[bytes, Looked] = looked) -> Looked:
            return looked.setdefault(owner, Looked(held))

        outcomes.append(
            outcome(
                function, nodes_of, known, root, diff.accounts, diff.storage, diff.wiped, diff.storage_roots, account_of
            )
        )
        asked.append({owner: set(nodes.asked) for owner, nodes in looked.items() if nodes.asked})
    wanted, found = outcomes
    assert found == wanted
    if not isinstance(wanted[0], type):
        assert [*map(list, found[1:3])] == [*map(list, wanted[1:3])]
        assert {type(account) for account in found[2].values()} <= {Account, type(None)}
        assert asked[0] == asked[1]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_random_differences_give_the_same_records_roots_and_nodes(seed: int) -> None:
    rng = random.Random(seed)
    addresses = [Address(rng.randbytes(20)) for _ in range(rng.choice((8, 12, 60)))]
    held: Nodes = {}
    root, known = EMPTY_ROOT, None
    for _ in range(60):
        diff = random_diff(rng, addresses, known)
        new_root, records, decoded, nodes = agree_on_state(held, root, diff)
        assert decoded == {address: decode_account(record) if record else None for address, record in records.items()}
        known = state_update.prepare(for_every_owner(trie.by_hash(held)), root, diff)
        assert (known.root, known.accounts, known.decoded, known.nodes) == (new_root, records, decoded, nodes)
        held.update(nodes)
        root = new_root


def grown(rng: random.Random, addresses: list[Address]) -> tuple[Nodes, bytes]:
    """A state's nodes and root."""
    held: Nodes = {}
    root = EMPTY_ROOT
    for _ in range(12):
        update = state_update.prepare(for_every_owner(trie.by_hash(held)), root, random_diff(rng, addresses, None))
        held.update(update.nodes)
        root = update.root
    return held, root


def test_nodes_that_are_known_are_not_asked_for() -> None:
    rng = random.Random(9)
    addresses = [Address(rng.randbytes(20)) for _ in range(30)]
    held, root = grown(rng, addresses)
    for _ in range(40):
        diff = random_diff(rng, addresses, None)
        wanted = agree_on_state(held, root, diff)
        names = rng.sample(sorted(held), len(held) // 2)
        parts = ({name: held[name] for name in names[::2]}, {name: held[name] for name in names[1::2]})
        rest = {name: raw for name, raw in held.items() if name not in names}
        assert agree_on_state(rest, root, diff, parts) == wanted
        assert agree_on_state({}, root, diff, (rest, *parts)) == wanted
    for known in ((3,), 3, (dict.fromkeys(held, b""),), (dict.fromkeys(held, 3),)):
        agree_on_state(held, root, diff, known)  # type: ignore[arg-type]


def test_missing_and_damaged_nodes_are_the_same_errors() -> None:
    rng = random.Random(3)
    addresses = [Address(rng.randbytes(20)) for _ in range(20)]
    held, root = grown(rng, addresses)
    kinds = set()
    for name in held:
        for changed in ({}, {name: held[name][:-1]}, {name: b""}, {name: rng.choice(list(held.values()))}):
            broken = {key: raw for key, raw in held.items() if key != name} | changed
            found = agree_on_state(broken, root, random_diff(rng, addresses, None))
            kinds.add(found[0] if isinstance(found[0], type) else bytes)
    assert {kind.__name__ for kind in kinds} >= {"MissingNodeError", "CorruptionError", "bytes"}


UNUSUAL: list[Callable[[StateDiff, Address], None]] = [
    lambda diff, address: diff.accounts.update({address: AccountChange(1 << 64, Wei(0), EMPTY_KECCAK)}),
    lambda diff, address: diff.accounts.update({address: AccountChange(-1, Wei(0), EMPTY_KECCAK)}),
    lambda diff, address: diff.accounts.update({address: AccountChange(0, Wei(1 << 256), EMPTY_KECCAK)}),
    lambda diff, address: diff.accounts.update({address: AccountChange(0, Wei(0), Hash32(b"short"))}),
    lambda diff, address: diff.storage.update({address: {1 << 256: 1}}),
    lambda diff, address: diff.storage.update({address: {-1: 1}}),
    lambda diff, address: diff.storage.update({address: {1: 1 << 300}}),
    lambda diff, address: diff.storage_roots.update({address: keccak256(b"elsewhere")}),
    lambda diff, _address: diff.accounts.clear(),
    lambda diff, address: diff.accounts.update({Address(b"any bytes"): diff.accounts[address]}),
]


@pytest.mark.parametrize("index", range(len(UNUSUAL)))
def test_unusual_differences_are_the_references(index: int) -> None:
    rng = random.Random(index)
    addresses = [Address(rng.randbytes(20)) for _ in range(8)]
    held, root = grown(rng, addresses)
    diff = StateDiff({addresses[0]: AccountChange(1, Wei(2), EMPTY_KECCAK)}, {addresses[0]: {5: 6}})
    agree_on_state(held, root, diff)
    UNUSUAL[index](diff, addresses[0])
    agree_on_state(held, root, diff)


def test_the_functions_in_use_are_the_cores() -> None:
    assert flat_operations is not references["flat_operations"]
    assert index_operations is not references["index_operations"]


def test_random_updates_give_the_same_operations_for_the_database() -> None:
    """Records that come, change, stay and go, over a store that has some of them; and the way back."""
    rng = random.Random(23)
    addresses = [Address(rng.randbytes(20)) for _ in range(12)]
    store: dict[bytes, bytes] = {}
    seen = set()
    for number in range(300):
        accounts = {address: rng.choice((b"", b"record", rng.randbytes(70))) for address in rng.sample(addresses, 4)}
        storage = {
            address: {rng.choice((number % 7, random_integer(rng, 256))): random_integer(rng, 256) for _ in range(4)}
            for address in rng.sample(addresses, 2)
        }
        flat = sorted(key for key in store if key[:1] in b"as")
        removed = rng.sample(flat, min(len(flat), rng.randrange(3)))
        operations, old_values = agree("flat_changes", store.get, accounts, storage, removed)
        assert old_values == [(key, store.get(key, b"")) for key, _ in operations if key[:1] in b"as"]
        seen |= {(value is None, key in store) for key, value in operations}
        for key, value in operations:
            store.pop(key, None) if value is None else store.update({key: value})
        way_back = agree("difference_operations", undo_key(Version(number)), rng.randbytes(32), EMPTY_ROOT, old_values)
        assert [item_at(way_back[0][1], int.from_bytes(offset, "big")) for _, offset in way_back[1:]] == [
            old for _, old in old_values
        ]
    assert seen == {(True, True), (False, True), (False, False)}


@pytest.mark.parametrize("seed", range(3))
def test_random_updates_give_the_same_list_of_operations(seed: int) -> None:
    """All of a version at once: records, preimages, roots and the way back, on states with and without a mark."""
    rng = random.Random(seed)
    addresses = [Address(rng.randbytes(20)) for _ in range(12)]
    store: dict[bytes, bytes] = {}
    root, ends = EMPTY_ROOT, set()
    for number in range(1, 120):
        if rng.random() < 0.1:
            store[preimages.ROOT_KEY] = rng.randbytes(32)
        elif rng.random() < 0.2:
            store[preimages.ROOT_KEY] = root
        accounts = {address: rng.choice((b"", b"record", rng.randbytes(70))) for address in rng.sample(addresses, 4)}
        storage = {address: {number % 7: random_integer(rng, 256)} for address in rng.sample(addresses, 2)}
        slot_keys = sorted(flat_key for flat_key in store if flat_key[:1] == b"s")
        removed = rng.sample(slot_keys, min(len(slot_keys), rng.randrange(3)))
        key, base, after = (
            undo_key(Version(number - rng.randrange(2), rng.randrange(2))),
            root,
            Hash32(rng.randbytes(32)),
        )
        if rng.random() < 0.1:
            base = Hash32(rng.randbytes(32))
        found = agree("flat_operations", store.get, key, base, after, accounts, storage, removed)
        ends.add(found[1].split()[0] if isinstance(found, tuple) else len(found) > 8)
        if isinstance(found, list):
            for flat_key, value in found:
                store.pop(flat_key, None) if value is None else store.update({flat_key: value})
            root = after
            assert store[FLAT_ROOT_KEY] == after
    assert ends >= {"update", True}


def test_random_blocks_have_the_same_indexes() -> None:
    rng = random.Random(4)
    for count in (0, 1, 300):
        hashes = [rng.randbytes(32) for _ in range(count)]
        keys = [rng.randbytes(8) for _ in range(count * 2)]
        for number in (0, 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -1):
            agree("index_operations", number, rng.randbytes(32), hashes, keys)
            agree("index_operations", number, rng.randbytes(32), tuple(hashes), tuple(keys))
    for arguments in ((1, 2, [], []), (1, b"", [3], []), (1, b"", [], ["text"]), ("1", b"", [], []), (1, b"", 1, [])):
        agree("index_operations", *arguments)


def test_long_ways_back_have_the_same_index() -> None:
    old_values = [(slot_key(bytes(20), slot), bytes((slot % 256,)) * (slot % 90)) for slot in range(3_000)]
    assert len(agree("difference_operations", undo_key(Version(1, 2)), bytes(32), bytes(32), old_values)) == 3_001
    agree("difference_operations", undo_key(Version(1)), bytes(32), bytes(32), ())


def test_unusual_records_are_the_references() -> None:
    address = Address(bytes(20))

    def fails(_key: bytes) -> bytes | None:
        raise OSError("the medium fails")

    for get in (fails, lambda _key: 3, lambda _key: "text"):
        agree("flat_changes", get, {address: b"record"}, {}, [])
    for accounts, storage, removed in (
        ({b"short": b"record"}, {}, []),
        ({}, {b"short": {1: 2}}, ()),
        ({}, {address: {1 << 256: 1}}, []),
        ({}, {address: {1: -1}}, []),
        ({}, {}, ["text"]),
        ({address: None}, {}, []),
    ):
        agree("flat_changes", {}.get, accounts, storage, removed)
    for arguments in (
        (b"key", b"", b"", []),
        (undo_key(Version(1)), b"", b"", [(b"a",)]),
        (undo_key(Version(1)), 1, b"", []),
    ):
        agree("difference_operations", *arguments)
