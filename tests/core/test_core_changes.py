"""The difference between two tries, by the core and by storage/node_changes.py."""

import random
from itertools import pairwise

import pytest

from tests.core.support import agree, needs_core
from tests.core.test_core_trie import SHAPES, random_changes
from zevm.core import CORE, references
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import MissingNodeError
from zevm.storage.keccak import keccak256
from zevm.storage.node_changes import trie_changes
from zevm.storage.primitives import Hash32
from zevm.storage.schema import path_key

pytestmark = needs_core

OWNERS = [b"", keccak256(b"owner")]


def states(rng: random.Random, shape: tuple[int, int], steps: int) -> tuple[dict[bytes, bytes], list[Hash32]]:
    """Nodes by hash of some states, and their roots."""
    held: dict[bytes, bytes] = {}
    roots, known = [EMPTY_ROOT], []
    for _ in range(steps):
        changes = random_changes(rng, shape, known)
        known += changes
        update = trie.update(trie.by_hash(held), roots[-1], changes)
        held |= update.nodes
        roots.append(update.root)
    return held, roots


@pytest.mark.parametrize("shape", SHAPES)
def test_random_tries_have_the_same_differences(shape: tuple[int, int]) -> None:
    for seed in range(4):
        rng = random.Random(f"{shape} {seed}")
        held, roots = states(rng, shape, 12)
        known = dict(rng.sample(list(held.items()), len(held) // 2))
        for _ in range(12):
            before, after, owner = rng.choice(roots), rng.choice(roots), rng.choice(OWNERS)
            agree("trie_changes", trie.by_hash(held), [known, {}], owner, before, after)


def test_the_difference_leads_from_one_trie_to_the_other() -> None:
    """By path: what is removed and put makes the nodes of the old trie those of the new one."""
    held, roots = states(random.Random(3), (32, 256), 30)
    nodes = trie.by_hash(held)
    by_path: dict[bytes, bytes | None] = {}
    for before, after in pairwise(roots):
        removed, entries, _, values = trie_changes(nodes, (), b"", before, after)
        assert all(keccak256(raw) == name for name, raw in removed.items())
        by_path |= entries
        found = {key: raw for key, raw in by_path.items() if raw is not None}
        assert found == trie_changes(nodes, (), b"", EMPTY_ROOT, after)[1]
        assert values.items() <= dict(trie.iterate(nodes, after)).items()
        if after != EMPTY_ROOT:
            assert found[path_key(b"", "")] == held[after]


def test_what_is_known_is_not_asked_for() -> None:
    held, roots = states(random.Random(5), (32, 256), 6)
    assert trie_changes is not references["trie_changes"]
    for function in (trie_changes, references["trie_changes"]):
        found = function(lambda _path, _hash: pytest.fail("was asked"), [{}, held], b"", EMPTY_ROOT, roots[-1])
        assert len(found[1]) > 10


def test_a_missing_node_is_named() -> None:
    held, roots = states(random.Random(7), (32, 256), 6)
    missing = next(name for name in trie_changes(trie.by_hash(held), (), b"", EMPTY_ROOT, roots[-1])[1] if name != b"A")
    raw = trie_changes(trie.by_hash(held), (), b"", EMPTY_ROOT, roots[-1])[1][missing]
    assert raw is not None
    rest = {name: node for name, node in held.items() if name != keccak256(raw)}
    with pytest.raises(MissingNodeError):
        trie_changes(trie.by_hash(rest), (), b"", EMPTY_ROOT, roots[-1])
    agree("trie_changes", trie.by_hash(rest), (), b"", EMPTY_ROOT, roots[-1])


def test_well_formed_tries_are_the_cores_own() -> None:
    held, roots = states(random.Random(9), (32, 256), 6)
    bound = CORE.library.bind("trie_changes", None, None)
    try:
        assert CORE.library.trie_changes(trie.by_hash(held), (), b"", roots[2], roots[-1])[1]
        with pytest.raises(CORE.library.RefusedError):
            CORE.library.trie_changes(trie.by_hash({}), (), b"", roots[2], roots[-1])
    finally:
        CORE.library.bind("trie_changes", bound, None)
