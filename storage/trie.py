"""Hexary Merkle-Patricia trie (Yellow Paper, appendix D), functional: nodes come in, new nodes go out.

A node is its RLP, a path is a string of hexadecimal digits (one C call each way), and a child stays
the encoded reference that its parent holds: nothing that does not change is decoded or encoded.
References: b"\\x80" for none, 0xa0 and the hash of a node of 32 bytes or more, else the node itself.
All functions are pure and may run in any thread. Keys of any length; an empty value deletes.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple, cast

from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError, MissingNodeError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import FIRST_KEY, Hash32, TrieKey
from zevm.storage.rlp import encode_bytes, encode_uint, wrap_list
from zevm.storage.trie_nodes import (
    BLANK,
    EXTENSION_FLAG,
    FULL_BRANCH_HEADERS,
    FULL_BRANCH_SIZE,
    LEAF_FLAG,
    decode_node,
    encode_extension,
    encode_leaf,
    encode_path,
    key_of,
    payload_of,
    read_path,
)

Nodes = Callable[[str, bytes], bytes | None]
"""Looks a node up by its path, in hexadecimal digits, and its 32-byte hash; None where it is not held."""

_EMPTY_BRANCH = [BLANK] * 17
_DIGITS = "0123456789abcdef"
_INDEX = {digit: index for index, digit in enumerate(_DIGITS)}
_AFTER = {digit: chr(ord(digit) + 1) for digit in _DIGITS}
_key_of = cast("Callable[[int], TrieKey]", encode_uint)
"""The key of an item of an ordered trie, by its index."""
_FIRST_PATH = encode_uint(0).hex()
"""Of the first item of an ordered trie."""


class TrieUpdate(NamedTuple):
    """The root after an update, and the RLP of every node that it made, by hash."""

    root: Hash32
    nodes: dict[bytes, bytes]


@replaced_by("trie_get")
def get(nodes: Nodes, root: Hash32, key: TrieKey) -> bytes | None:
    """The value at `key`, or None. Raises MissingNodeError, or CorruptionError for bytes that are no node."""
    if root == EMPTY_ROOT:
        return None
    path = key.hex()
    size = len(path)
    depth = 0
    raw = node_at(nodes, "", root)
    while True:
        if len(raw) == FULL_BRANCH_SIZE and depth < size and raw[3::33] == FULL_BRANCH_HEADERS:
            start = 4 + 33 * _INDEX[path[depth]]
            depth += 1
            raw = node_at(nodes, path[:depth], raw[start : start + 32])
            continue
        items = decode_node(raw)
        if len(items) == 17:
            if depth == size:
                return payload_of(items[16]) or None
            child = items[_INDEX[path[depth]]]
            depth += 1
        else:
            part, is_leaf = read_path(items[0])
            if is_leaf:
                return payload_of(items[1]) if part == path[depth:] else None
            if not path.startswith(part, depth):
                return None
            child = items[1]
            depth += len(part)
        if child == BLANK:
            return None
        raw = node_at(nodes, path[:depth], child[1:]) if len(child) == 33 else child


@replaced_by("trie_update", TrieUpdate._make)
def update(nodes: Nodes, root: Hash32, changes: Mapping[TrieKey, bytes]) -> TrieUpdate:
    """Apply all `changes` in one recursion; each node that changes is encoded and hashed once.

    The new root node is among the new nodes even when shorter than 32 bytes. Changes without effect
    give the same root and no nodes. Raises MissingNodeError and CorruptionError as `get`.
    """
    entries = {key.hex(): changes[key] for key in sorted(changes)}
    if not entries:
        return TrieUpdate(root, {})
    paths, values = list(entries), list(entries.values())
    return _updated(_Writer(nodes), root, paths, values)


def update_beside_unknown(nodes: Nodes, root: Hash32, changes: Mapping[TrieKey, bytes]) -> tuple[TrieUpdate, bool]:
    """As `update`, where nodes next to the changed paths may be absent; and whether the root is the true one.

    A branch that is left with one child merges with it. Where that child cannot be had, the branch stays as it is:
    every read finds what it should, and the root is the true one again once the branch has a second child.
    """
    entries = {key.hex(): changes[key] for key in sorted(changes)}
    writer = _TolerantWriter(nodes)
    done = _updated(writer, root, list(entries), list(entries.values())) if entries else TrieUpdate(root, {})
    return done, not writer.unknown


def _updated(writer: "_Writer", root: Hash32, paths: list[str], values: list[bytes]) -> TrieUpdate:
    top = BLANK if root == EMPTY_ROOT else node_at(writer.nodes, "", root)
    raw = writer.change(top, paths, values, 0, len(paths), 0)
    if raw is None:
        return TrieUpdate(root, {})
    if raw == BLANK:
        return TrieUpdate(EMPTY_ROOT, {})
    new_root = keccak256(raw)
    writer.fresh[new_root] = raw
    return TrieUpdate(new_root, writer.fresh)


@replaced_by("ordered_root")
def ordered_root(items: Iterable[bytes]) -> Hash32:
    """Root of the trie that holds each item under the RLP of its index: transactions, receipts, withdrawals."""
    listed = list(items)
    if len(listed) == 1 and listed[0]:
        return keccak256(encode_leaf(_FIRST_PATH, listed[0]))
    return update(by_hash({}), EMPTY_ROOT, {_key_of(i): item for i, item in enumerate(listed)}).root


@replaced_by("trie_get_with_proof")
def get_with_proof(nodes: Nodes, root: Hash32, key: TrieKey) -> tuple[bytes | None, list[bytes]]:
    """As `get`, with the nodes from the root towards `key` (EIP-1186), whether or not the trie holds it."""
    proof: list[bytes] = []

    def record(path: str, node_hash: bytes) -> bytes:
        proof.append(node_at(nodes, path, node_hash))
        return proof[-1]

    return get(record, root, key), proof


def verify_proof(root: Hash32, key: TrieKey, proof: Sequence[bytes]) -> bytes | None:
    """The value that `proof` shows at `key`, or None where it shows absence.

    Nodes count only under the hash of their own bytes. Raises MissingNodeError when the proof has a
    gap, CorruptionError when a proven node is malformed.
    """
    return get(by_hash({keccak256(raw): raw for raw in proof}), root, key)


def iterate(nodes: Nodes, root: Hash32, start: TrieKey = FIRST_KEY) -> Iterator[tuple[TrieKey, bytes]]:
    """Keys >= `start` and their values, in order of the keys."""
    return _walk(lambda path, node_hash: decode_node(node_at(nodes, path, node_hash)), root, start.hex())


def parts(path: str, raw: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Each path below the node at `path`, with a reference or the value there, and whether it is a value."""
    items = decode_node(raw)
    if len(items) == 17:
        for digit, item in zip(_DIGITS, items, strict=False):
            if item != BLANK:
                yield path + digit, item, False
        if items[16] != BLANK:
            yield path, payload_of(items[16]), True
        return
    part, is_leaf = read_path(items[0])
    yield path + part, payload_of(items[1]) if is_leaf else items[1], is_leaf


def survey(nodes: Nodes, root: Hash32, report: Callable[[str, bytes, str], None]) -> Iterator[tuple[TrieKey, bytes]]:
    """As `iterate`, but checks every node against its hash, and goes on past the bad ones.

    `report` gets their path in hexadecimal digits, their hash, and what is wrong.
    """

    def load(path: str, node_hash: bytes) -> list[bytes] | None:
        try:
            raw = node_at(nodes, path, node_hash)
            if keccak256(raw) != node_hash:
                report(path, node_hash, "is damaged: its bytes have another hash")
                return None
            return decode_node(raw)
        except MissingNodeError:
            report(path, node_hash, "is missing")
        except CorruptionError as error:
            report(path, node_hash, f"is damaged: {error}")
        return None

    return _walk(load, root, "")


def _walk(
    load: Callable[[str, bytes], list[bytes] | None], root: Hash32, bound: str
) -> Iterator[tuple[TrieKey, bytes]]:
    """Values whose path is not below `bound`, in order; `load` gives the items of a node, or None to pass it."""
    pending: list[tuple[str, bytes]] = [] if root == EMPTY_ROOT else [("", b"\xa0" + root)]
    while pending:
        path, child = pending.pop()
        if path < bound and not bound.startswith(path):
            continue
        items = load(path, child[1:]) if len(child) == 33 else decode_node(child)
        if items is None:
            continue
        if len(items) == 17:
            pending += [(path + _DIGITS[i], items[i]) for i in range(15, -1, -1) if items[i] != BLANK]
            is_leaf, value = items[16] != BLANK, items[16]
        else:
            part, is_leaf = read_path(items[0])
            path, value = path + part, items[1]
            if not is_leaf:
                pending.append((path, value))
        if is_leaf and path >= bound:
            yield key_of(path), payload_of(value)


class _Writer:
    """One update: `fresh` gathers the nodes it makes.

    Entries are two parallel lists, hexadecimal paths in ascending order and values; the methods work
    on [low, high), whose paths agree in their first `depth` digits.
    """

    __slots__ = ("fresh", "nodes")

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.fresh: dict[bytes, bytes] = {}

    def refer(self, raw: bytes) -> bytes:
        """The reference to a node, which is kept when it is to be found by hash."""
        if len(raw) < 32:
            return raw
        node_hash = keccak256(raw)
        self.fresh[node_hash] = raw
        return b"\xa0" + node_hash

    def build(self, paths: list[str], values: list[bytes], low: int, high: int, depth: int) -> bytes:
        """A subtrie made of the entries alone, none of them a deletion."""
        first = paths[low]
        if high - low == 1:
            return encode_leaf(first[depth:], values[low])
        last = paths[high - 1]
        stop = depth
        while first[stop : stop + 1] == last[stop : stop + 1]:
            stop += 1
        children = _EMPTY_BRANCH.copy()
        if len(first) == stop:
            children[16] = encode_bytes(values[low])
            low += 1
        fresh = self.fresh
        while low < high:
            digit = paths[low][stop]
            end = low + 1
            if end < high and paths[end][stop] == digit:
                end = bisect_left(paths, paths[low][:stop] + _AFTER[digit], end + 1, high)
                raw = self.build(paths, values, low, end, stop + 1)
            else:
                raw = encode_leaf(paths[low][stop + 1 :], values[low])
            if len(raw) >= 32:
                node_hash = keccak256(raw)
                fresh[node_hash] = raw
                raw = b"\xa0" + node_hash
            children[_INDEX[digit]] = raw
            low = end
        raw = wrap_list(b"".join(children))
        return raw if stop == depth else encode_extension(first[depth:stop], self.refer(raw))

    def change(
        self, child: bytes, paths: list[str], values: list[bytes], low: int, high: int, depth: int
    ) -> bytes | None:
        """The node that replaces `child` (a reference or a node), or None when nothing changes."""
        if child == BLANK:
            return self._join(None, paths, values, low, high, depth)
        is_reference = len(child) == 33 and child[0] == 0xA0
        raw = node_at(self.nodes, paths[low][:depth], child[1:]) if is_reference else child
        items = decode_node(raw)
        if len(items) == 17:
            if high - low == 1 and len(paths[low]) > depth:
                return self._change_child(items, paths, values, low, depth)
            return self._change_branch(items, paths, values, low, high, depth, None)
        part, is_leaf = read_path(items[0])
        if not is_leaf:
            return self._change_extension(part, items[1], paths, values, low, high, depth)
        if high - low == 1 and paths[low].endswith(part) and len(paths[low]) == depth + len(part):
            new = encode_leaf(part, values[low]) if values[low] else BLANK
        else:
            leaf = (paths[low][:depth] + part, payload_of(items[1]))
            joined = self._join(leaf, paths, values, low, high, depth)
            if joined is None:
                return BLANK
            new = joined
        return None if new == raw else new

    def _join(
        self,
        leaf: tuple[str, bytes] | None,
        paths: list[str],
        values: list[bytes],
        low: int,
        high: int,
        depth: int,
    ) -> bytes | None:
        """A subtrie of the entries and a leaf that stands in their place; None when they leave nothing."""
        if leaf is not None or b"" in values[low:high]:
            entries = {} if leaf is None else dict((leaf,))
            entries.update(zip(paths[low:high], values[low:high], strict=True))
            paths = sorted(path for path, value in entries.items() if value)
            values = [entries[path] for path in paths]
            low, high = 0, len(paths)
        return self.build(paths, values, low, high, depth) if low < high else None

    def _change_child(
        self, children: list[bytes], paths: list[str], values: list[bytes], low: int, depth: int
    ) -> bytes | None:
        """As `_change_branch`, for one entry below an old branch: what most branches of an update are changed by."""
        index = _INDEX[paths[low][depth]]
        raw = self.change(children[index], paths, values, low, low + 1, depth + 1)
        if raw is None:
            return None
        children[index] = raw
        if raw == BLANK:
            if children.count(BLANK) >= 16:
                return self._collapse(children, paths[low][:depth])
        elif len(raw) >= 32 and raw[0] != 0xA0:
            children[index] = self.refer(raw)
        return wrap_list(b"".join(children))

    def _change_branch(
        self,
        children: list[bytes],
        paths: list[str],
        values: list[bytes],
        low: int,
        high: int,
        depth: int,
        split: int | None,
    ) -> bytes | None:
        """Change a branch given by its items. `split`: it is new, and this child alone is in it so far."""
        prefix = paths[low][:depth]
        changed = [] if split is None else [split]
        touched = False
        may_collapse = split is not None
        if len(paths[low]) == depth:
            value = encode_bytes(values[low])
            touched = value != children[16]
            children[16] = value
            may_collapse = may_collapse or value == BLANK
            low += 1
        while low < high:
            digit = paths[low][depth]
            end = low + 1
            if end < high and paths[end][depth] == digit:
                end = bisect_left(paths, paths[low][:depth] + _AFTER[digit], end + 1, high)
            index = _INDEX[digit]
            raw = self.change(children[index], paths, values, low, end, depth + 1)
            low = end
            if raw is not None:
                touched = True
                children[index] = raw
                changed.append(index)
                if raw == BLANK:
                    may_collapse = True
        if not touched:
            return None
        if may_collapse and children.count(BLANK) >= 16:
            return self._collapse(children, prefix)
        fresh = self.fresh
        for index in changed:
            raw = children[index]
            if len(raw) >= 32 and raw[0] != 0xA0:
                node_hash = keccak256(raw)
                fresh[node_hash] = raw
                children[index] = b"\xa0" + node_hash
        return wrap_list(b"".join(children))

    def _collapse(self, children: list[bytes], path: str) -> bytes:
        """The remainder of the branch at `path`, which has one item or none."""
        if children[16] != BLANK:
            return wrap_list(b"\x20" + children[16])
        for index, child in enumerate(children):
            if child != BLANK:
                return self._prepend(path, _DIGITS[index], child)
        return BLANK

    def _prepend(self, path: str, prefix: str, child: bytes) -> bytes:
        """The node at `path` for `child` (a reference or a new node), which stood `prefix` further down."""
        is_reference = len(child) == 33 and child[0] == 0xA0
        items = decode_node(node_at(self.nodes, path + prefix, child[1:]) if is_reference else child)
        if len(items) == 17:
            return encode_extension(prefix, child if is_reference else self.refer(child))
        part, is_leaf = read_path(items[0])
        return wrap_list(encode_path(prefix + part, LEAF_FLAG if is_leaf else EXTENSION_FLAG) + items[1])

    def _change_extension(
        self, part: str, child: bytes, paths: list[str], values: list[bytes], low: int, high: int, depth: int
    ) -> bytes | None:
        stop = depth + len(part)
        first, last = paths[low], paths[high - 1]
        if first.startswith(part, depth) and last.startswith(part, depth):
            raw = self.change(child, paths, values, low, high, stop)
            return raw if raw is None or raw == BLANK else self._prepend(first[:depth], part, raw)
        shared = min(_shared(part, first, depth), _shared(part, last, depth))
        children = _EMPTY_BRANCH.copy()
        index = _INDEX[part[shared]]
        children[index] = encode_extension(part[shared + 1 :], child) if shared + 1 < len(part) else child
        raw = self._change_branch(children, paths, values, low, high, depth + shared, index)
        return raw if raw is None or raw == BLANK or not shared else self._prepend(first[:depth], part[:shared], raw)


class _TolerantWriter(_Writer):
    """One update that leaves a branch with one child where nothing is known of the child."""

    __slots__ = ("unknown",)

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(nodes)
        self.unknown = 0

    def _collapse(self, children: list[bytes], path: str) -> bytes:
        try:
            return super()._collapse(children, path)
        except MissingNodeError:
            self.unknown += 1
            return wrap_list(b"".join(children))


def by_hash(held: Mapping[bytes, bytes]) -> Nodes:
    """Look nodes up by their hash alone."""
    return lambda _path, node_hash: held.get(node_hash)


def node_at(nodes: Nodes, path: str, node_hash: bytes) -> bytes:
    """The node with this hash. Raises MissingNodeError."""
    raw = nodes(path, node_hash)
    if raw is None:
        raise MissingNodeError(node_hash)
    return raw


def _shared(part: str, path: str, depth: int) -> int:
    """Number of digits of `part` that the path has at `depth`."""
    pairs = zip(part, path[depth : depth + len(part)], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
