"""Tries of the core against storage/trie.py: roots, nodes, look-ups, proofs, and errors."""

import random

import pytest

from tests.core.support import agree, agree_on_trie, needs_core
from zevm.core import CORE, references
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import MissingNodeError
from zevm.storage.keccak import keccak256

pytestmark = needs_core

SHAPES = [(1, 2), (2, 2), (2, 17), (3, 4), (3, 256), (32, 256), (64, 2)]
"""Longest key in bytes, and how many values a byte of a key has: few make prefixes, extensions and collapses."""


def random_changes(rng: random.Random, shape: tuple[int, int], known: list[bytes]) -> dict[bytes, bytes]:
    """Some of them deletions, of keys that are there and of others; values around what a parent can hold."""
    longest, width = shape
    changes = {}
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        size = longest if longest == 32 else rng.randint(0, longest)
        key = bytes(rng.choices(range(width), k=size))
        if known and rng.random() < 0.5:
            key = rng.choice(known)
        changes[key] = b"" if rng.random() < 0.4 else rng.randbytes(rng.randint(1, rng.choice((3, 40, 300))))
    return changes


def grown(
    rng: random.Random, shape: tuple[int, int], steps: int
) -> tuple[dict[bytes, bytes], bytes, dict[bytes, bytes]]:
    """Nodes, root and contents after changes on which both agree."""
    held: dict[bytes, bytes] = {}
    contents: dict[bytes, bytes] = {}
    root = EMPTY_ROOT
    for _ in range(steps):
        changes = random_changes(rng, shape, list(contents))
        update = agree_on_trie("trie_update", held, root, changes)
        held.update(update.nodes)
        root = update.root
        contents = {key: value for key, value in (contents | changes).items() if value}
        for key in [*changes, *contents][:60]:
            assert agree_on_trie("trie_get", held, root, key) == contents.get(key)
            agree_on_trie("trie_get_with_proof", held, root, key)
    return held, root, contents


@pytest.mark.parametrize("shape", SHAPES)
def test_random_changes_give_the_same_nodes_by_the_same_look_ups(shape: tuple[int, int]) -> None:
    for seed in range(3):
        held, root, contents = grown(random.Random(f"{shape} {seed}"), shape, 20)
        assert dict(trie.iterate(trie.by_hash(held), root)) == contents


@pytest.mark.lengthy
@pytest.mark.parametrize("shape", [(2, 2), (3, 256), (32, 256)])
def test_damaged_nodes_give_the_same_answers_and_errors(shape: tuple[int, int]) -> None:
    """Many of them still are nodes, of other tries or of none."""
    rng = random.Random(11)
    held, root, contents = grown(rng, shape, 12)
    keys = [*contents][:4] or [b""]
    for _ in range(600):
        name, raw = rng.choice(list(held.items()))
        place = rng.randrange(len(raw))
        damaged = rng.choice(
            (
                raw[:place],
                raw[:place] + rng.randbytes(1) + raw[place + 1 :],
                raw[:place] + bytes((raw[place] ^ 1 << rng.randrange(8),)) + raw[place + 1 :],
                raw[:place] + rng.randbytes(rng.randint(1, 3)) + raw[place:],
                rng.choice(list(held.values())),
            )
        )
        broken = held | {name: damaged}
        for key in keys:
            agree_on_trie("trie_get", broken, root, key)
        agree_on_trie("trie_update", broken, root, random_changes(rng, shape, keys))


def test_a_missing_node_is_named() -> None:
    held, root, contents = grown(random.Random(13), (32, 256), 6)
    for missing in list(held)[:40]:
        rest = {name: raw for name, raw in held.items() if name != missing}
        for key in list(contents)[:5]:
            agree_on_trie("trie_get", rest, root, key)
            agree_on_trie("trie_update", rest, root, {key: b""})
    assert agree_on_trie("trie_get", {}, root, b"k") == (MissingNodeError, f"missing trie node {root.hex()}")


def test_ordered_roots_and_empty_ones() -> None:
    rng = random.Random(17)
    for count in (0, 1, 2, 3, 15, 16, 17, 127, 128, 129, 255, 256, 257, 700):
        agree("ordered_root", [rng.randbytes(rng.choice((0, 1, 31, 32, 110, 500))) for _ in range(count)])
    agree("ordered_root", (b"a", b"b"))
    assert trie.ordered_root(iter([b"a", b"b"])) == trie.ordered_root([b"a", b"b"])
    assert trie.ordered_root([]) == EMPTY_ROOT
    agree("ordered_root", [b"a", 3])


def test_unusual_arguments_are_the_references() -> None:
    nodes = {}
    assert trie.update(trie.by_hash(nodes), EMPTY_ROOT, {bytes(200): b"value"}).nodes  # a key beyond the core's
    for changes in ({b"a": 3}, {"a": b"b"}, {}, {b"": b""}, {b"": b"x"}):
        agree_on_trie("trie_update", nodes, EMPTY_ROOT, changes)
    for root in (b"", bytes(31), None):
        agree_on_trie("trie_get", nodes, root, b"a")
    agree_on_trie("trie_get", {bytes(32): 3}, bytes(32), b"a")


class Separate(bytes):
    """Bytes that are equal to themselves alone: a dict may hold the same key more than once."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


@pytest.mark.parametrize("size", [0, 1, 32])
def test_keys_of_the_same_bytes_count_once(size: int) -> None:
    keys = [Separate(size), Separate(size), bytes(size)]
    changes = {key: bytes((index + 1,)) * 40 for index, key in enumerate(keys)}
    for more in ({}, {b"\x01" * 32: b"v"}):
        update = agree_on_trie("trie_update", {}, EMPTY_ROOT, {**changes, **more})
        assert trie.get(trie.by_hash(update.nodes), update.root, bytes(size)) == b"\x03" * 40


def test_an_exception_of_the_look_up_goes_through_once() -> None:
    asked = []

    def nodes(path: str, node_hash: bytes) -> bytes:
        asked.append((path, node_hash))
        raise PermissionError("stop")

    for call in (lambda: trie.get(nodes, bytes(32), b"a"), lambda: trie.update(nodes, bytes(32), {b"a": b"b"})):
        asked.clear()
        with pytest.raises(PermissionError, match="stop"):
            call()
        assert len(asked) == 1


def test_a_look_up_that_empties_the_changes_harms_nothing() -> None:
    held, root, contents = grown(random.Random(19), (32, 256), 4)
    changes = {key: bytes((index,)) * 90 for index, key in enumerate(contents)}
    wanted = trie.update(trie.by_hash(held), root, dict(changes))

    def nodes(_path: str, node_hash: bytes) -> bytes | None:
        changes.clear()
        return bytes(bytearray(held[node_hash]))

    assert trie.update(nodes, root, changes) == wanted
    assert not changes


def test_what_the_core_allocates_is_counted_bounded_and_given_back() -> None:
    library = CORE.library
    held = library.memory()[0]  # codes, of earlier runs
    changes = {keccak256(bytes((index, 1))): bytes(100) for index in range(256)}
    wanted = references["trie_update"](trie.by_hash({}), EMPTY_ROOT, changes)
    before = library.memory()[2]
    try:
        for limit in (0, 1, 1_000, 50_000, 200_000):
            library.limit_memory(limit)
            assert trie.update(trie.by_hash({}), EMPTY_ROOT, changes) == wanted
            assert library.memory()[0] == held
    finally:
        library.limit_memory(before)
    # of the whole process, so that other tests count too
    assert 0 < library.memory()[1] <= before


def test_well_formed_input_is_the_cores_own() -> None:
    """Nothing of the usual kinds is handed to the references: they are unbound, and it is not missed."""
    library = CORE.library
    names = ("rlp_encode", "rlp_decode", "rlp_split", "trie_get", "trie_get_with_proof", "trie_update", "ordered_root")
    bound = {name: library.bind(name, None, None) for name in names}
    try:
        changes = {keccak256(bytes((index,))): bytes((index,)) * (1 + index) for index in range(1, 200)}
        root, nodes = library.trie_update(trie.by_hash({}), EMPTY_ROOT, changes)
        for key, value in changes.items():
            assert library.trie_get(trie.by_hash(nodes), root, key) == value
        assert len(library.trie_get_with_proof(trie.by_hash(nodes), root, key)[1]) > 1
        assert library.trie_update(trie.by_hash(nodes), root, dict.fromkeys(changes, b"")) == (EMPTY_ROOT, {})
        item = [b"", b"a", [b"b" * 60, []], b"c" * 70_000]
        assert library.rlp_decode(library.rlp_encode(item)) == item
        assert len(library.rlp_split(library.rlp_encode(item))) == 4
        assert library.ordered_root([b"a"] * 300) != library.ordered_root([b"a"] * 301)
        for call in (
            lambda: library.rlp_decode(b"\x81\x01"),
            lambda: library.rlp_encode(3),
            lambda: library.trie_get(trie.by_hash({}), root, key),
            lambda: library.ordered_root(3),
            library.rlp_decode,
        ):
            with pytest.raises(library.RefusedError):
                call()
    finally:
        for name, reference in bound.items():
            library.bind(name, reference, trie.TrieUpdate._make if name == "trie_update" else None)
