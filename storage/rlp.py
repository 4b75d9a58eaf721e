"""Recursive Length Prefix (Yellow Paper, appendix B): bytes and nested lists, canonical only."""

from collections.abc import Sequence
from typing import TypeAlias

from zevm.core import replaced_by

Item: TypeAlias = "bytes | list[Item]"
Field: TypeAlias = "bytes | int | tuple[Field, ...]"
"""A string, a non-negative integer, or a list of these."""


_STRING_HEADERS = tuple(bytes((0x80 + size,)) for size in range(56))
_SMALL_INTEGERS = (b"\x80", *(bytes((value,)) for value in range(1, 0x80)))
_LIST_HEADERS = (
    *(bytes((0xC0 + size,)) for size in range(56)),
    *(b"\xf8" + bytes((size,)) for size in range(56, 256)),
    *(b"\xf9" + size.to_bytes(2, "big") for size in range(256, 1024)),
)
"""Prefixes of payloads by size; precomputed for the sizes of nodes, receipts and headers."""

EMPTY_LIST = b"\xc0"
"""The encoding of a list without items."""


class RlpError(ValueError):
    """The bytes are not canonical RLP; the message says why, with geth's text if it has one."""


def encode_int(value: int) -> bytes:
    """A non-negative integer as its shortest big-endian bytes; b"" for zero."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def encode_uint(value: int) -> bytes:
    """The RLP string of a non-negative integer: `encode_bytes(encode_int(value))` in one step."""
    if value < 0x80:
        return _SMALL_INTEGERS[value] if value >= 0 else encode_bytes(encode_int(value))
    data = value.to_bytes((value.bit_length() + 7) >> 3, "big")
    size = len(data)
    return _STRING_HEADERS[size] + data if size < 56 else encode_bytes(data)


def encode_bytes(data: bytes) -> bytes:
    """The RLP string of `data`."""
    size = len(data)
    if size == 1 and data[0] < 0x80:
        return data
    if size < 56:
        return _STRING_HEADERS[size] + data
    length = encode_int(size)
    return bytes((0xB7 + len(length),)) + length + data


@replaced_by("fields_rlp")
def encode_fields(values: Sequence["Field | None"]) -> bytes:
    """The RLP list of fields. None is the empty string, and left out at the end."""
    items = list(values)
    while items and items[-1] is None:
        items.pop()
    return wrap_list(b"".join([b"\x80" if item is None else _encode_field(item) for item in items]))


def _encode_field(field: Field) -> bytes:
    if isinstance(field, tuple):
        return wrap_list(b"".join(map(_encode_field, field)))
    return encode_bytes(field) if isinstance(field, bytes) else encode_uint(field)


@replaced_by("fields_fit")
def fields_fit(values: Sequence[bytes | int | None], sizes: Sequence[int]) -> bool:
    """Whether each value but None has its size: a positive one in bytes, a negative one in bits at most, 0 for any."""
    return all(
        value is None or size == 0 or (value.bit_length() <= -size if isinstance(value, int) else len(value) == size)
        for value, size in zip(values, sizes, strict=True)
    )


def wrap_list(payload: bytes) -> bytes:
    """The RLP list whose already encoded items are `payload`."""
    size = len(payload)
    if size < 1024:
        return _LIST_HEADERS[size] + payload
    length = encode_int(size)
    return bytes((0xF7 + len(length),)) + length + payload


def wrapped_size(size: int) -> int:
    """How long an RLP list is whose items take `size` bytes, or a string of that size, 2 bytes at least."""
    return size + 1 if size < 56 else size + 1 + (size.bit_length() + 7 >> 3)


def _encode(item: "bytes | list[Item] | tuple[Item, ...]") -> bytes:
    """Encode bytes or nested lists of bytes."""
    if isinstance(item, bytes):
        return encode_bytes(item)
    return wrap_list(b"".join([encode_bytes(part) if isinstance(part, bytes) else _encode(part) for part in item]))


# its recursion stays in Python: through the core it would take the native stack
encode = replaced_by("rlp_encode")(_encode)


@replaced_by("rlp_decode")
def decode(data: bytes, max_depth: int = 64) -> Item:
    """Decode one item that spans all of `data`.

    Raises RlpError on trailing bytes, non-canonical sizes, truncation, or nesting over `max_depth`.
    """
    item, end = _decode_at(data, 0, len(data), max_depth)
    if end != len(data):
        raise RlpError("rlp: input contains more than one value")
    return item


def decode_list(data: bytes) -> list[Item]:
    """Decode one item that must be a list."""
    item = decode(data)
    if isinstance(item, bytes):
        raise RlpError("rlp: expected input list")
    return item


def decode_int(data: Item) -> int:
    """An RLP string as a non-negative integer; leading zeros are refused."""
    if not isinstance(data, bytes):
        raise RlpError("rlp: expected input string or byte")
    if data[:1] == b"\x00":
        raise RlpError("rlp: non-canonical integer (leading zero bytes)")
    return int.from_bytes(data, "big")


@replaced_by("rlp_split")
def split_list(data: bytes, *, least_bytes: int = 1, most_items: int | None = None) -> list[bytes]:
    """The still encoded items of the list that spans `data`. Raises RlpError at a smaller item, or one too many."""
    start, end = _list_bounds(data)
    items: list[bytes] = []
    while start < end:
        _, stop = _item_bounds(data, start, end)[1:]
        if stop - start < least_bytes or len(items) == most_items:
            raise RlpError(f"rlp: item {len(items)} has {stop - start} bytes, or is one too many")
        items.append(data[start:stop])
        start = stop
    return items


def item_at(data: bytes, position: int) -> bytes:
    """The string whose encoding begins at `position`. Raises RlpError."""
    is_list, start, stop = _item_bounds(data, position, len(data))
    if is_list:
        raise RlpError("rlp: expected input string or byte")
    return data[start:stop]


def _list_bounds(data: bytes) -> tuple[int, int]:
    if not data or data[0] < 0xC0:
        raise RlpError("rlp: expected input list")
    start, stop = _item_bounds(data, 0, len(data))[1:]
    if stop != len(data):
        raise RlpError("rlp: input contains more than one value")
    return start, stop


def _item_bounds(data: bytes, position: int, end: int) -> tuple[bool, int, int]:
    """Whether the item at `position` is a list, and where its payload starts and stops."""
    if position >= end:
        raise RlpError("rlp: value size exceeds available input length")
    prefix = data[position]
    if prefix < 0x80:
        return False, position, position + 1
    is_list = prefix >= 0xC0
    base = 0xC0 if is_list else 0x80
    start = position + 1
    size = prefix - base
    if size >= 56:
        length_size = size - 55
        length = data[start : start + length_size]
        size = int.from_bytes(length, "big")
        if len(length) != length_size or size < 56 or length[0] == 0:
            raise RlpError("rlp: non-canonical size information")
        start += length_size
    stop = start + size
    if stop > end:
        raise RlpError("rlp: value size exceeds available input length")
    if not is_list and size == 1 and data[start] < 0x80:
        raise RlpError("rlp: non-canonical size information")
    return is_list, start, stop


def _decode_at(data: bytes, position: int, end: int, depth: int) -> tuple[Item, int]:
    is_list, start, stop = _item_bounds(data, position, end)
    if not is_list:
        return data[start:stop], stop
    if depth == 0:
        raise RlpError("rlp: list nested too deeply")
    items: list[Item] = []
    while start < stop:
        prefix = data[start]
        if prefix < 0x80:
            items.append(data[start : start + 1])
            start += 1
        elif 0x81 < prefix < 0xB8 and start + prefix - 0x7F <= stop:
            # a short string costs no call
            items.append(data[start + 1 : start + prefix - 0x7F])
            start += prefix - 0x7F
        else:
            item, start = _decode_at(data, start, stop, depth - 1)
            items.append(item)
    return items, stop
