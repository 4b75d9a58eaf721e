"""Encoded JSON of any size: made on a worker, in parts that are not copied until the end.

One copy of a hundred megabytes holds up every other thread for a twentieth of a second, and so does freeing a million
small texts at once.
"""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import orjson

Parts = list[bytes]
"""JSON text in UTF-8, cut anywhere."""


class Encoded:
    """A value as JSON text in parts, to be taken once."""

    __slots__ = ("parts",)

    def __init__(self, parts: Parts) -> None:
        self.parts = parts


def enclosed(head: bytes, items: Iterable[Sequence[bytes]], tail: bytes) -> Parts:
    """head, the items with commas between, tail."""
    parts = [head]
    for item in items:
        parts += item
        parts.append(b",")
    if len(parts) > 1:
        parts.pop()
    parts.append(tail)
    return parts


def size_of(parts: Parts) -> int:
    """Bytes of a text in parts."""
    return sum(map(len, parts))


def take_text(parts: Parts) -> bytes:
    """The text in one; `parts` is used up. Other threads have their turn between two parts."""
    buffer = BytesIO()
    parts.reverse()
    while parts:
        buffer.write(parts.pop())
    return buffer.getvalue()


VALUES_TOGETHER = 2_000
"""JSON values that are encoded in one step, which no other thread can interrupt; with about 40 bytes each."""

_BYTES_PER_VALUE = 40
_SMALL_TEXT = (VALUES_TOGETHER - 1) * _BYTES_PER_VALUE
"""Shorter texts are small."""


def is_small(value: Any) -> bool:
    """Whether a JSON value is encoded, and freed, in one short step."""
    if type(value) is str:
        return len(value) < _SMALL_TEXT
    return _weight(value, VALUES_TOGETHER) < VALUES_TOGETHER


def use_up(value: Any) -> Parts:
    """The JSON text of a value in parts; lists and dicts are emptied on the way, so that nothing large is left to free.

    Raises TypeError, ValueError for what is not JSON.
    """
    parts: Parts = []
    _encode(value, parts)
    return parts


def dumps(value: Any) -> bytes:
    """The JSON text of a small value. Raises TypeError, ValueError for what is not JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # an integer beyond 64 bits, which orjson does not write
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _weight(value: Any, enough: int) -> int:
    """About how many values there are within one; no further than `enough`."""
    kind = type(value)
    if kind is str:
        return 1 + len(value) // _BYTES_PER_VALUE
    if kind is not dict and kind is not list and kind is not tuple:
        return 1
    weight = 1 + len(value)
    for item in value.values() if kind is dict else value:
        if weight >= enough:
            return weight
        if type(item) in (str, dict, list, tuple):
            weight += _weight(item, enough - weight)
    return weight


def _encode(value: Any, parts: Parts) -> None:
    kind = type(value)
    if kind is Encoded:
        parts += value.parts
    elif (kind is dict or kind is list or kind is tuple) and not is_small(value):
        _encode_members(value, parts) if kind is dict else _encode_items(value, parts)
    else:
        parts.append(dumps(value))


def _encode_members(value: dict[str, Any], parts: Parts) -> None:
    separator = b"{"
    for name in list(value):
        parts.append(b"%b%b:" % (separator, orjson.dumps(name)))
        _encode(value.pop(name), parts)
        separator = b","
    parts.append(b"}" if separator == b"," else b"{}")


def _encode_items(value: Sequence[Any], parts: Parts) -> None:
    items = deque(value)
    if isinstance(value, list):
        value.clear()
    separator = b"["
    while items:
        together: list[Any] = []
        weight = 0
        while items and weight < VALUES_TOGETHER:
            if together and type(items[0]) is Encoded:
                break
            together.append(items.popleft())
            weight += _weight(together[-1], VALUES_TOGETHER)
        parts.append(separator)
        if len(together) == 1:
            _encode(together[0], parts)
        else:
            parts.append(dumps(together)[1:-1])
        separator = b","
    parts.append(b"]")
