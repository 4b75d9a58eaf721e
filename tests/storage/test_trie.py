"""The trie against py-trie, by random sequences of batches."""

from contextlib import suppress

import pytest
import rlp as pyrlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError, MissingNodeError
from zevm.storage.keccak import keccak256
from zevm.storage.trie import by_hash

# Few keys of few distinct bytes: shared prefixes, keys that are prefixes of others, collapses and merges are common.
FEW_BYTES = st.sampled_from([0x00, 0x01, 0x10, 0x11])
SHORT_KEYS = st.lists(FEW_BYTES, min_size=1, max_size=3).map(bytes) | st.binary(min_size=1, max_size=4)
PAIR_KEYS = st.lists(FEW_BYTES, min_size=2, max_size=2).map(bytes)
HASHED_KEYS = st.integers(0, 40).map(lambda number: keccak256(bytes((number,))))
# Sizes around 32 bytes, where a node goes from embedded to hashed.
VALUES = st.integers(1, 40).map(lambda size: b"v" * size) | st.binary(min_size=60, max_size=600)
DELETE = st.just(b"")


def batches(keys):
    return st.lists(st.dictionaries(keys, VALUES | DELETE | DELETE, min_size=1, max_size=12), min_size=1, max_size=8)


class Pair:
    """Our trie and py-trie's, changed alike."""

    def __init__(self) -> None:
        self.nodes = {}
        self.root = EMPTY_ROOT
        self.model = {}
        self.reference = HexaryTrie({})

    def apply(self, changes):
        update = trie.update(by_hash(self.nodes), self.root, changes)
        for node_hash, raw in update.nodes.items():
            assert keccak256(raw) == node_hash
        self.nodes.update(update.nodes)
        self.root = update.root
        for key, value in changes.items():
            if value:
                self.reference[key] = value
                self.model[key] = value
            else:
                del self.reference[key]
                self.model.pop(key, None)
        return update

    def check(self) -> None:
        assert self.root == self.reference.root_hash
        assert list(trie.iterate(by_hash(self.nodes), self.root)) == sorted(self.model.items())
        for key in self.model:
            assert trie.get(by_hash(self.nodes), self.root, key) == self.model[key]


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(batches(SHORT_KEYS) | batches(HASHED_KEYS))
def test_batches_give_the_roots_of_the_reference(sequence: list[dict[bytes, bytes | None]]) -> None:
    pair = Pair()
    for changes in sequence:
        pair.apply(changes)
        pair.check()


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (
            "1100 1101",
            {"1100": 0, "12": 0},
        ),  # an extension splits in vain, its branch collapses
        ("1100 1101", {"1100": 9, "12": 0}),
        ("1100 1101", {"1100": 0, "1101": 0, "12": 0}),
        ("1100 1101", {"1100": 0, "1101": 0, "12": 5}),
        ("110000 110001", {"110000": 0, "12": 0, "1111": 5}),
        ("11 1100", {"11": 0}),  # a branch loses its value, one child is left
        ("11 1100", {"1100": 0}),  # a branch loses its children, the value is left
        ("11 1100 1101", {"11": 0}),
        ("11 1100 1110 1111", {"11": 0, "1100": 0}),
        ("00 01 10 11", {"00": 0, "01": 0, "10": 0}),
        ("00 0100 0101 10", {"00": 0, "10": 0}),  # what is left of the branch merges with the extension below
    ],
)
@pytest.mark.parametrize("size", [1, 28, 29, 30, 31, 32, 60])
def test_deletions_leave_the_canonical_shape(before, changes, size: int) -> None:
    pair = Pair()
    pair.apply({bytes.fromhex(key): b"v" * size for key in before.split()})
    pair.apply({bytes.fromhex(key): b"w" * count for key, count in changes.items()})
    pair.check()


@pytest.mark.parametrize("size", range(20, 36))
def test_nodes_around_the_embedding_size(size: int) -> None:
    pair = Pair()
    keys = [bytes.fromhex(key) for key in ("1000", "1001", "1110", "20")]
    for value in (b"v" * size, b"w" * size, b"w" * (size + 1), b"w" * (size - 1)):
        for key in keys:
            pair.apply({key: value})
        pair.check()
        pair.apply(dict.fromkeys(keys, value + b"!"))
        pair.check()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(batches(PAIR_KEYS), st.lists(PAIR_KEYS, max_size=5))
def test_proofs_hold_for_the_reference_and_show_absence(sequence: list[dict[bytes, bytes | None]], others) -> None:
    pair = Pair()
    for changes in sequence:
        pair.apply(changes)
    for key in [*sequence[-1], *others]:
        proof = trie.get_with_proof(by_hash(pair.nodes), pair.root, key)[1]
        expected = pair.model.get(key)
        assert trie.verify_proof(pair.root, key, proof) == expected
        if pair.root != EMPTY_ROOT:
            nodes = [pyrlp.decode(raw) for raw in proof]
            assert HexaryTrie.get_from_proof(pair.root, key, nodes) == (expected or b"")


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(batches(SHORT_KEYS), SHORT_KEYS)
def test_iteration_starts_at_a_key(sequence: list[dict[bytes, bytes | None]], start) -> None:
    pair = Pair()
    for changes in sequence:
        pair.apply(changes)
    expected = sorted(item for item in pair.model.items() if item[0] >= start)
    assert list(trie.iterate(by_hash(pair.nodes), pair.root, start)) == expected


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(batches(SHORT_KEYS | HASHED_KEYS))
def test_an_update_makes_no_node_that_its_root_does_not_reach(sequence: list[dict[bytes, bytes | None]]) -> None:
    pair = Pair()
    for changes in sequence:
        update = pair.apply(changes)
        reached = set()

        def record(_path, node_hash, reached=reached):
            reached.add(node_hash)
            return pair.nodes.get(node_hash)

        list(trie.iterate(record, pair.root))
        assert update.nodes.keys() <= reached


def test_changes_without_effect_give_the_same_root_and_no_nodes() -> None:
    pair = Pair()
    pair.apply({keccak256(bytes((i,))): b"value" * 10 for i in range(50)})
    present, absent = keccak256(b"\x07"), keccak256(b"absent")
    assert trie.update(by_hash(pair.nodes), pair.root, {present: b"value" * 10, absent: b""}) == (pair.root, {})
    assert trie.update(by_hash(pair.nodes), pair.root, {}) == (pair.root, {})
    assert trie.update(by_hash({}), EMPTY_ROOT, {absent: b""}) == (EMPTY_ROOT, {})


def test_a_short_root_node_is_kept_and_an_emptied_trie_has_the_empty_root() -> None:
    update = trie.update(by_hash({}), EMPTY_ROOT, {b"\x01": b"\x02"})
    assert list(update.nodes) == [update.root]
    assert len(update.nodes[update.root]) < 32
    assert trie.get(by_hash(update.nodes), update.root, b"\x01") == b"\x02"
    assert trie.update(by_hash(update.nodes), update.root, {b"\x01": b""}) == (EMPTY_ROOT, {})
    assert trie.get_with_proof(by_hash({}), EMPTY_ROOT, b"\x01")[1] == []
    assert trie.verify_proof(EMPTY_ROOT, b"\x01", []) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=700), max_size=40))
def test_ordered_root_is_that_of_items_by_index(items) -> None:
    reference = HexaryTrie({})
    for index, item in enumerate(items):
        reference[pyrlp.encode(index)] = item
    assert trie.ordered_root(items) == reference.root_hash


def test_ordered_root_of_many_items() -> None:
    items = [b"transaction %d" % index * (index % 9 + 1) for index in range(300)]
    reference = HexaryTrie({})
    with reference.squash_changes() as batch:
        for index, item in enumerate(items):
            batch[pyrlp.encode(index)] = item
    assert trie.ordered_root(items) == reference.root_hash


def filled(count: int = 120):
    pair = Pair()
    pair.apply({keccak256(number.to_bytes(4, "big")): b"some value %d" % number * 4 for number in range(count)})
    return pair


def test_a_missing_node_is_named() -> None:
    pair = filled()
    key = keccak256((7).to_bytes(4, "big"))
    lost = keccak256(trie.get_with_proof(by_hash(pair.nodes), pair.root, key)[1][1])
    nodes = {node_hash: raw for node_hash, raw in pair.nodes.items() if node_hash != lost}
    for act in (
        lambda: trie.get(by_hash(nodes), pair.root, key),
        lambda: trie.update(by_hash(nodes), pair.root, {key: b"new"}),
        lambda: trie.get_with_proof(by_hash(nodes), pair.root, key)[1],
        lambda: list(trie.iterate(by_hash(nodes), pair.root)),
    ):
        with pytest.raises(MissingNodeError) as caught:
            act()
        assert caught.value.node_hash == lost


def test_an_extension_without_a_path_is_refused_wherever_it_is_met() -> None:
    """It may lead back to itself, for ever: at the root, and below a branch."""
    name = b"\x11" * 32
    circle = pyrlp.encode([b"\x00", name])
    branch = pyrlp.encode([b"", name, *[b""] * 15])
    for held, root in (({name: circle}, name), ({name: circle, b"\x22" * 32: branch}, b"\x22" * 32)):
        nodes = trie.by_hash(held)
        for attempt in (
            lambda nodes=nodes, root=root: trie.get(nodes, root, b"\x10"),
            lambda nodes=nodes, root=root: trie.get_with_proof(nodes, root, b"\x10"),
            lambda nodes=nodes, root=root: trie.update(nodes, root, {b"\x10": b"v"}),
            lambda nodes=nodes, root=root: list(trie.iterate(nodes, root)),
        ):
            with pytest.raises(CorruptionError, match="an extension without a path"):
                attempt()
    with pytest.raises(CorruptionError, match="an extension without a path"):
        list(trie.parts("", circle))


def test_a_changed_bit_anywhere_breaks_a_proof() -> None:
    pair = filled()
    key = keccak256((7).to_bytes(4, "big"))
    proof = trie.get_with_proof(by_hash(pair.nodes), pair.root, key)[1]
    assert len(proof) >= 3
    for number, raw in enumerate(proof):
        for position in range(0, len(raw), 7):
            damaged = bytearray(raw)
            damaged[position] ^= 0x10
            with pytest.raises(MissingNodeError):
                trie.verify_proof(pair.root, key, [*proof[:number], bytes(damaged), *proof[number + 1 :]])
    with pytest.raises(MissingNodeError):
        trie.verify_proof(pair.root, key, proof[:-1])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc0",
        b"\xc1\x80",
        b"\xc5\x20\x01",  # announces more than it has
        b"\xc3\x20\x01\x02",
        b"\xc2\x20",
        b"\xc2\x40\x01",  # unknown path flag
        b"\xc2\x80\x01",  # no path
        b"\xc3\x20\x83\x01",  # value cut short
        b"\xd0" + b"\x80" * 16,
        b"\xf8\x11" + b"\x80" * 16,
        b"\xf9\x02\x11" + b"\xa0" * 528,
    ],
)
def test_bytes_that_are_no_node_are_refused(raw: bytes) -> None:
    root = keccak256(raw)
    with pytest.raises(CorruptionError):
        trie.verify_proof(root, b"\x20\x01", [raw])
    with pytest.raises(CorruptionError):
        trie.update(by_hash({root: raw}), root, {b"\x20\x01": b"value"})


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 60), st.integers(1, 255))
def test_any_damage_of_a_node_raises_a_storage_error_or_reads_a_value(noise, position: int, mask) -> None:
    """Never an IndexError or another stray exception, whatever the bytes."""
    pair = filled(30)
    raw = bytearray(pair.nodes[pair.root])
    raw[position % len(raw)] ^= mask
    ended = 0
    for damaged in (bytes(raw), noise):
        nodes = {**pair.nodes, pair.root: damaged}
        for act in (
            lambda nodes=nodes: trie.get(by_hash(nodes), pair.root, keccak256(b"\x00\x00\x00\x07")),
            lambda nodes=nodes: trie.update(by_hash(nodes), pair.root, {keccak256(b"\x00\x00\x00\x07"): b"new"}),
            lambda nodes=nodes: list(trie.iterate(by_hash(nodes), pair.root)),
        ):
            with suppress(CorruptionError, MissingNodeError):
                act()
            ended += 1
    assert ended == 6
