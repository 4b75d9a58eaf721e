"""The difference between the nodes of two states, path by path; what both have is never read.

A subtree keeps its path while a branch above it appears or goes, so that nodes of both tries meet where they agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from zevm.core import replaced_by
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, decode_account
from zevm.storage.primitives import STATE_TRIE, Hash32, TrieKey
from zevm.storage.schema import path_key
from zevm.storage.state_update import NodesOf, over
from zevm.storage.trie_nodes import key_of

_HASH_REFERENCE_SIZE = 33


@dataclass(slots=True)
class NodeChanges:
    """removed: hash -> node that the new state does not have where the old one had it.

    entries: key of the store -> new node, or None where there is none any more.
    """

    removed: dict[bytes, bytes] = field(default_factory=dict)
    entries: dict[bytes, bytes | None] = field(default_factory=dict)


def node_changes(
    nodes: NodesOf, *, old_root: Hash32, new_root: Hash32, known: Sequence[dict[bytes, bytes]] = ()
) -> NodeChanges:
    """The way from a state to another. Raises MissingNodeError and CorruptionError.

    known: nodes by hash, looked into before `nodes` is asked.
    """
    changes = NodeChanges()

    def between(owner: TrieKey, before: Hash32, after: Hash32) -> tuple[dict[TrieKey, bytes], dict[TrieKey, bytes]]:
        removed, entries, old_values, new_values = trie_changes(nodes(owner), known, owner, before, after)
        changes.removed |= removed
        changes.entries |= entries
        return old_values, new_values

    old_accounts, new_accounts = between(STATE_TRIE, old_root, new_root)
    for key in old_accounts.keys() | new_accounts.keys():
        before, after = _storage_root(old_accounts.get(key)), _storage_root(new_accounts.get(key))
        if before != after:
            between(key, before, after)
    return changes


@replaced_by("trie_changes")
def trie_changes(
    nodes: trie.Nodes, known: Sequence[dict[bytes, bytes]], owner: TrieKey, old_root: Hash32, new_root: Hash32
) -> tuple[dict[bytes, bytes], dict[bytes, bytes | None], dict[TrieKey, bytes], dict[TrieKey, bytes]]:
    """One trie's part: what NodeChanges holds, and the values of the leaves that were met in the old and new trie.

    owner: as in NodesOf. Raises as `node_changes`.
    """
    changes = NodeChanges()
    walk = _TrieChanges(over(lambda _owner: nodes, known)(owner), owner, changes)
    walk.run(old_root, new_root)
    return changes.removed, changes.entries, walk.old_values, walk.new_values


def _storage_root(record: bytes | None) -> Hash32:
    return EMPTY_ROOT if record is None else decode_account(record).storage_root


class _TrieChanges:
    """One trie's part. Shallow paths come first, so that both sides of a path are known when it is opened."""

    def __init__(self, nodes: trie.Nodes, owner: TrieKey, changes: NodeChanges) -> None:
        self._nodes = nodes
        self._owner = owner
        self._changes = changes
        self._waiting: dict[str, list[bytes | None]] = {}
        self._order: list[tuple[int, str]] = []
        self.old_values: dict[TrieKey, bytes] = {}
        self.new_values: dict[TrieKey, bytes] = {}

    def run(self, old_root: Hash32, new_root: Hash32) -> None:
        """Gather the changes, and the values of the leaves that were opened on either side."""
        for side, root in enumerate((old_root, new_root)):
            if root != EMPTY_ROOT:
                self._expect("", side, b"\xa0" + root)
        while self._order:
            path = heappop(self._order)[1]
            old, new = self._waiting.pop(path)
            if old == new:
                continue
            before = None if old is None else self._open(path, old, 0, self.old_values)
            after = None if new is None else self._open(path, new, 1, self.new_values)
            if before is not None:
                self._changes.removed[before[0]] = before[1]
            if before is not None or after is not None:
                key = path_key(self._owner, path)
                self._changes.entries[key] = None if after is None else after[1]

    def _expect(self, path: str, side: int, reference: bytes) -> None:
        sides = self._waiting.get(path)
        if sides is None:
            self._waiting[path] = sides = [None, None]
            heappush(self._order, (len(path), path))
        sides[side] = reference

    def _open(self, path: str, reference: bytes, side: int, values: dict[TrieKey, bytes]) -> tuple[bytes, bytes] | None:
        """Hash and bytes of a node, None where it lies within its parent; what it leads to waits for its turn."""
        held = None
        if len(reference) == _HASH_REFERENCE_SIZE:
            held = reference[1:], trie.node_at(self._nodes, path, reference[1:])
        for below, item, is_value in trie.parts(path, reference if held is None else held[1]):
            if is_value:
                values[key_of(below)] = item
            else:
                self._expect(below, side, item)
        return held


def nodes_of_state(nodes: NodesOf, root: Hash32) -> Iterator[tuple[bytes, bytes | None]]:
    """Key of the store and bytes of every node of a state."""
    yield from node_changes(nodes, old_root=EMPTY_ROOT, new_root=root).entries.items()
