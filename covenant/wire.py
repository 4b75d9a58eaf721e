"""Requests and results as bytes: RLP of the version 1 and the fields in order."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from zevm.covenant.errors import InvalidParameters
from zevm.covenant.values import checked_data
from zevm.storage import rlp

VERSION = 1
_LONG_BYTES = 8
LONG_MASK = (1 << 64) - 1
MAXIMUM_INTEGERS = 255
"""Maximum of arguments."""


class Kind(NamedTuple):
    """A field's value as an RLP item, and back. `decode` raises ValueError."""

    encode: Callable[[Any], rlp.Item]
    decode: Callable[[rlp.Item], Any]


def _string(item: rlp.Item) -> bytes:
    if not isinstance(item, bytes):
        raise rlp.RlpError("rlp: expected input string or byte")
    return item


def _encode_arguments(value: bytes | tuple[int, ...]) -> rlp.Item:
    return value if isinstance(value, bytes) else [number.to_bytes(_LONG_BYTES, "big") for number in value]


def _decode_arguments(item: rlp.Item) -> bytes | tuple[int, ...]:
    if isinstance(item, bytes):
        return item
    words = [_string(word) for word in item]
    if any(len(word) != _LONG_BYTES for word in words):
        raise rlp.RlpError(f"an integer argument has {_LONG_BYTES} bytes")
    return tuple(int.from_bytes(word, "big") for word in words)


NUMBER = Kind(rlp.encode_int, rlp.decode_int)
BYTES = Kind(bytes, _string)
TEXT = Kind(str.encode, lambda item: _string(item).decode())
ARGUMENTS = Kind(_encode_arguments, _decode_arguments)
"""Bytes, or a list of integers of 64 bits."""


def serialize(value: object, fields: Mapping[str, Kind]) -> bytes:
    """The bytes of an object with these fields."""
    return rlp.encode([rlp.encode_int(VERSION), *(kind.encode(getattr(value, name)) for name, kind in fields.items())])


def deserialize(data: bytes, fields: Mapping[str, Kind], name: str) -> dict[str, Any]:
    """The fields' values. name: of the object. Raises InvalidParameters for bytes that `serialize` does not make."""
    try:
        items = rlp.decode_list(checked_data(data, name))
        if len(items) != len(fields) + 1:
            raise rlp.RlpError(f"{len(items)} items, expected are {len(fields) + 1}")
        version = rlp.decode_int(items[0])
        if version != VERSION:
            raise rlp.RlpError(f"version {version}, known is {VERSION}")
        return {field: kind.decode(item) for (field, kind), item in zip(fields.items(), items[1:], strict=True)}
    except ValueError as error:
        raise InvalidParameters(f"not a serialized {name}: {error}") from error
