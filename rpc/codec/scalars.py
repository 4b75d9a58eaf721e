"""Parameter decoders: JSON values in, chain values out. Every decoder raises InvalidParamsError.

A decoder is a plain function of one JSON value; `SCHEMAS` holds its JSON schema for the method table.
Objects (calls, filters, overrides) are decoded in `rpc.codec.objects`.
"""

import re
from binascii import unhexlify
from collections.abc import Callable
from typing import Any, TypeVar

from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.rpc.errors import InvalidParamsError
from zevm.storage.primitives import Address, Hash32

Decoder = Callable[[Any], Any]
AnyDecoder = TypeVar("AnyDecoder", bound=Decoder)

SCHEMAS: dict[Decoder, dict[str, object]] = {}
"""Decoder -> JSON schema of what it accepts."""

MAX_UINT64 = (1 << 64) - 1
MAX_UINT256 = (1 << 256) - 1
HEX_DIGITS = re.compile(r"[0-9a-fA-F]*\Z")
_DECIMAL_DIGITS = re.compile(r"[0-9]{1,78}\Z")
_QUANTITY_SCHEMA: dict[str, object] = {"type": "string", "pattern": "^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$"}


def schema(**keywords: object) -> Callable[[AnyDecoder], AnyDecoder]:
    """Record the JSON schema of a decoder."""

    def register(decoder: AnyDecoder) -> AnyDecoder:
        SCHEMAS[decoder] = keywords
        return decoder

    return register


def kind_of(value: object) -> str:
    """The JSON type of a decoded value, for error messages."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), "number")


def _hex_digits(value: object) -> str:
    if type(value) is not str:
        raise InvalidParamsError(f"expected a hex string, got {kind_of(value)}")
    if not value:
        raise InvalidParamsError("empty hex string")
    if value[:2] not in ("0x", "0X"):
        raise InvalidParamsError("hex string without 0x prefix")
    return value[2:]


@schema(type="string", pattern="^0x([0-9a-fA-F]{2})*$")
def data(value: object) -> bytes:
    """Bytes of any length from 0x-prefixed hex."""
    if type(value) is str and value[:2] == "0x":
        try:
            return unhexlify(value[2:])
        except ValueError:
            pass  # what is wrong is told below
    digits = _hex_digits(value)
    if len(digits) & 1:
        raise InvalidParamsError("hex string of odd length")
    if not HEX_DIGITS.match(digits):
        raise InvalidParamsError("invalid hex string")
    return bytes.fromhex(digits)


def _fixed(value: object, size: int, name: str) -> bytes:
    decoded = data(value)
    if len(decoded) != size:
        raise InvalidParamsError(f"hex string has length {2 * len(decoded)}, want {2 * size} for {name}")
    return decoded


@schema(type="string", pattern="^0x[0-9a-fA-F]{40}$")
def address(value: object) -> Address:
    """A 20-byte address; mixed case is not checked against the checksum, as in geth."""
    decoded = data(value)
    return Address(decoded if len(decoded) == 20 else _fixed(value, 20, "common.Address"))


@schema(type="string", pattern="^0x[0-9a-fA-F]{64}$")
def hash32(value: object) -> Hash32:
    """A 32-byte hash."""
    decoded = data(value)
    return Hash32(decoded if len(decoded) == 32 else _fixed(value, 32, "common.Hash"))


def _quantity(value: object, bits: int) -> int:
    digits = _hex_digits(value)
    if not digits:
        raise InvalidParamsError('hex string "0x"')
    if digits[0] == "0" and len(digits) > 1:
        raise InvalidParamsError("hex number with leading zero digits")
    if not HEX_DIGITS.match(digits):
        raise InvalidParamsError("invalid hex string")
    if len(digits) > bits // 4:
        raise InvalidParamsError(f"hex number > {bits} bits")
    return int(digits, 16)


@schema(**_QUANTITY_SCHEMA)
def quantity(value: object) -> int:
    """An integer of up to 256 bits from hex without leading zeros."""
    return _quantity(value, 256)


@schema(**_QUANTITY_SCHEMA)
def uint64(value: object) -> int:
    """An integer of up to 64 bits from hex without leading zeros."""
    return _quantity(value, 64)


@schema(anyOf=[_QUANTITY_SCHEMA, {"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}])
def number(value: object) -> int:
    """An integer of up to 256 bits: hex with or without leading zeros, a JSON number, or a decimal string.

    For the development methods, where Anvil and Hardhat accept all three.
    """
    if type(value) is int:
        if value < 0:
            raise InvalidParamsError(f"invalid number {value}: must not be negative")
        return _bounded(value)
    if type(value) is str and _DECIMAL_DIGITS.match(value):
        return _bounded(int(value))
    digits = _hex_digits(value)
    if not HEX_DIGITS.match(digits) or len(digits) > 66:
        raise InvalidParamsError("invalid hex string")
    return _bounded(int(digits or "0", 16))


def _bounded(value: int) -> int:
    if value > MAX_UINT256:
        raise InvalidParamsError("number > 256 bits")
    return value


@schema(type="boolean")
def boolean(value: object) -> bool:
    """A JSON boolean."""
    if type(value) is not bool:
        raise InvalidParamsError(f"expected a boolean, got {kind_of(value)}")
    return value


@schema(type="string")
def string(value: object) -> str:
    """Any JSON string."""
    if type(value) is not str:
        raise InvalidParamsError(f"expected a string, got {kind_of(value)}")
    return value


@schema()
def anything(value: object) -> object:
    """Any JSON value, unchanged."""
    return value


@schema(type="object")
def json_object(value: object) -> dict[str, Any]:
    """Any JSON object, unchanged."""
    if type(value) is not dict:
        raise InvalidParamsError(f"expected an object, got {kind_of(value)}")
    return value


@schema(type="string", pattern="^0x[0-9a-fA-F]{1,64}$")
def storage_slot(value: object) -> int:
    """A storage slot: up to 32 bytes of hex, shorter ones padded on the left, odd lengths too (geth's decodeHash)."""
    if type(value) is not str:
        raise InvalidParamsError(f"expected a hex string, got {kind_of(value)}")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    if not HEX_DIGITS.match(digits):
        raise InvalidParamsError("invalid hex string")
    if len(digits) > 64:
        raise InvalidParamsError(f"hex string too long, want at most 32 bytes, have {(len(digits) + 1) // 2} bytes")
    return int(digits or "0", 16)


@schema(type="string", pattern="^0x[0-9a-fA-F]{64}$")
def word(value: object) -> int:
    """A storage key or value: exactly 32 bytes of hex."""
    return int.from_bytes(hash32(value), "big")


def _bare(decoder: Decoder) -> Decoder:
    """The decoder, which also takes hex without 0x."""

    @schema(**SCHEMAS[decoder])
    def decode(value: object) -> Any:
        is_bare = type(value) is str and value != "" and value[:2] not in ("0x", "0X")
        return decoder(f"0x{value}" if is_bare else value)

    return decode


bare_data, bare_address, bare_hash32, bare_word = map(_bare, (data, address, hash32, word))
"""For the development methods, where Anvil does without 0x; the schemas keep to the form with it."""


def fixed_data(size: int, name: str) -> Decoder:
    """A decoder of exactly `size` bytes; the error for another length names `name`, as geth names its type."""

    @schema(type="string", pattern=f"^0x[0-9a-fA-F]{{{2 * size}}}$")
    def decode(value: object) -> bytes:
        return _fixed(value, size, name)

    return decode


_TAGS = {tag.value: BlockReference(tag=tag) for tag in BlockTag}
_TAG_SCHEMA = {"type": "string", "enum": [tag.value for tag in BlockTag]}
_HASH_SCHEMA = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}


@schema(anyOf=[_QUANTITY_SCHEMA, _TAG_SCHEMA])
def block_number(value: object) -> BlockReference:
    """A block number or tag. JSON numbers are accepted too, as in Anvil."""
    if type(value) is int:
        if not 0 <= value <= MAX_UINT64 >> 1:
            raise InvalidParamsError(f"block number {value} is out of range")
        return BlockReference(number=value)
    if type(value) is not str:
        raise InvalidParamsError(f"expected a block number or tag, got {kind_of(value)}")
    tag = _TAGS.get(value)
    if tag is not None:
        return tag
    height = _quantity(value, 64)
    if height > MAX_UINT64 >> 1:
        raise InvalidParamsError("block number larger than int64")
    return BlockReference(number=height)


@schema(
    anyOf=[
        _QUANTITY_SCHEMA,
        _TAG_SCHEMA,
        _HASH_SCHEMA,
        {
            "type": "object",
            "properties": {
                "blockNumber": _QUANTITY_SCHEMA,
                "blockHash": _HASH_SCHEMA,
                "requireCanonical": {"type": "boolean"},
            },
        },
    ]
)
def block_reference(value: object) -> BlockReference:
    """A block by number, tag, 32-byte hash, or EIP-1898 object."""
    if type(value) is str and value in _TAGS:
        return _TAGS[value]
    if type(value) is dict:
        return _eip1898(value)
    if type(value) is str and len(value) == 66:
        return BlockReference(hash=hash32(value))
    return block_number(value)


def _eip1898(value: dict[str, Any]) -> BlockReference:
    height, block_hash = value.get("blockNumber"), value.get("blockHash")
    if height is not None and block_hash is not None:
        raise InvalidParamsError("cannot specify both BlockHash and BlockNumber, choose one or the other")
    if height is not None:
        return block_number(height)
    if block_hash is None:
        raise InvalidParamsError("invalid arguments; neither block nor hash specified")
    return BlockReference(hash=hash32(block_hash), require_canonical=boolean(value.get("requireCanonical") or False))


def array_of(decoder: Decoder, limit: int | None = None) -> Decoder:
    """A decoder of JSON arrays of at most `limit` items, each decoded by `decoder`."""

    @schema(type="array", items=SCHEMAS.get(decoder, {}))
    def decode(value: object) -> list[Any]:
        if type(value) is not list:
            raise InvalidParamsError(f"expected an array, got {kind_of(value)}")
        if limit is not None and len(value) > limit:
            raise InvalidParamsError(f"too many items: have {len(value)}, want at most {limit}")
        return [decoder(item) for item in value]

    return decode


def tuple_of(decoder: Decoder, limit: int | None = None) -> Decoder:
    """As `array_of`; the items come as a tuple."""
    items = array_of(decoder, limit)

    @schema(**SCHEMAS[items])
    def decode(value: object) -> tuple[Any, ...]:
        return tuple(items(value))

    return decode


@schema(type="number")
def percentile(value: object) -> float:
    """A reward percentile; the user of the value checks its range, with geth's text."""
    if type(value) is bool or not isinstance(value, int | float):
        raise InvalidParamsError(f"expected a number, got {kind_of(value)}")
    return float(value)
