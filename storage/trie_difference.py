"""Keys at which two tries differ, found from their roots down: what both have under one hash is never read."""

from collections.abc import Iterator
from typing import NamedTuple

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError


class _Place(NamedTuple):
    """A spot of a trie: digits that lead on to a node's reference, or to a leaf's value."""

    digits: str
    item: bytes
    is_leaf: bool


_Opened = _Place | list[bytes] | None
"""A spot with digits or at a value; the items of a branch; None where there is nothing."""


def differing_keys(nodes: trie.Nodes, one: bytes, other: bytes) -> Iterator[bytes]:
    """Keys that have a value in one trie alone, or another one in each, ascending. All keys are of one length.

    Raises MissingNodeError and CorruptionError.
    """
    pending: list[tuple[str, _Place | None, _Place | None]] = [("", _root_place(one), _root_place(other))]
    while pending:
        path, left, right = pending.pop()
        if left == right:
            continue
        opened_left, opened_right = _opened(nodes, left), _opened(nodes, right)
        if opened_left == opened_right:
            continue
        if _at_value(opened_left) or _at_value(opened_right):
            yield bytes.fromhex(path)
            continue
        below_left, below_right = _below(opened_left), _below(opened_right)
        for digit in sorted(below_left.keys() | below_right.keys(), reverse=True):
            pending.append((path + digit, below_left.get(digit), below_right.get(digit)))


def _root_place(root: bytes) -> _Place | None:
    return None if root == EMPTY_ROOT else _Place("", trie.reference_to(root), False)


def _opened(nodes: trie.Nodes, place: _Place | None) -> _Opened:
    """The content there, after any nodes other than branches."""
    if place is None or place.digits or place.is_leaf:
        return place
    items = trie.items_of(nodes, place.item)
    if len(items) == trie.BRANCH_ITEMS:
        return items
    digits, is_leaf = trie.read_path(items[0])
    if not digits and not is_leaf:
        raise CorruptionError("trie has an extension without a path")
    return _Place(digits, items[1], is_leaf)


def _at_value(opened: _Opened) -> bool:
    return isinstance(opened, _Place) and not opened.digits


def _below(opened: _Opened) -> dict[str, _Place]:
    if opened is None:
        return {}
    if isinstance(opened, _Place):
        return {opened.digits[0]: opened._replace(digits=opened.digits[1:])}
    return {
        digit: _Place("", item, False)
        for digit, item in zip(trie.DIGITS, opened, strict=False)
        if item != trie.NO_REFERENCE
    }
