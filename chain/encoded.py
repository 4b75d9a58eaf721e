"""JSON that is ready to be sent, however large: made on a worker, in parts that nobody copies until the end.

One copy of a hundred megabytes holds up every other thread for a twentieth of a second, and so does freeing a million
small texts at once.
"""

from collections.abc import Iterable, Sequence
from io import BytesIO

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
