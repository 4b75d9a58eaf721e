"""EIP-712: the hashes of typed structured data, in time proportional to the request.

A type is hashed once, and only if a value of that type occurs: with a thousand types that refer to each other, the
hashed texts would otherwise be far longer than the request. A value that a verifier would hash differently (a missing
field, an array of another length, a number out of range) is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.codec.scalars import kind_of
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256

WORD_BYTES = 32
NULL_STRUCT = bytes(WORD_BYTES)
"""The hash of a null struct, such as the end of a list of nested structs."""

DOMAIN_TYPE = "EIP712Domain"
DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
"""The domain's fields in the order of EIP-712; without a definition of the domain's type, the given ones."""

STEPS_BETWEEN_LOOKS = 256
_DIMENSIONS = re.compile(r"(?:\[\d{0,9}\])*")
_DIMENSION = re.compile(r"\[(\d*)\]")
_DECIMAL = re.compile(r"-?\d{1,78}")
_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,64}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A field's type. lengths: of its dimensions, the innermost first; None for a dynamic length."""

    base: str
    lengths: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Struct:
    """A type of the request. text: as its own part of encodeType. names: the types that its fields refer to."""

    text: str
    fields: tuple[tuple[str, _Kind], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypedDataHashes:
    """The 32 bytes each that EIP-712 signs together: keccak256(0x1901 || domain_separator || struct_hash)."""

    domain_separator: bytes
    struct_hash: bytes


def hash_typed_data(typed: Mapping[str, Any], limits: Limits, deadline: Deadline) -> TypedDataHashes:
    """The hashes of {types, primaryType, domain, message}. Raises InvalidParamsError, ExecutionTimeoutError."""
    for member, kind in (("types", dict), ("primaryType", str), ("domain", dict), ("message", dict)):
        if not isinstance(typed.get(member), kind):
            raise _refusal(f"{member}: expected {_JSON_NAMES[kind]}, got {kind_of(typed.get(member))}")
    domain, types = typed["domain"], typed["types"]
    if DOMAIN_TYPE not in types:
        types = types | {DOMAIN_TYPE: _domain_type(domain)}
    encoder = _Encoder(types, limits, deadline)
    separator = encoder.hash_struct(DOMAIN_TYPE, domain)
    if typed["primaryType"] == DOMAIN_TYPE:
        raise _refusal(f"primaryType: {DOMAIN_TYPE} is the domain's type, not a message's")
    return TypedDataHashes(separator, encoder.hash_struct(typed["primaryType"], typed["message"]))


_JSON_NAMES: dict[type, str] = {dict: "an object", str: "a string"}


def _domain_type(domain: Mapping[str, Any]) -> list[dict[str, str]]:
    for name in domain:
        if name not in DOMAIN_FIELDS:
            raise _refusal(f"domain: {name!r} is not a field of a domain")
    return [{"name": name, "type": kind} for name, kind in DOMAIN_FIELDS.items() if name in domain]


def _refusal(reason: str) -> InvalidParamsError:
    return InvalidParamsError(f"invalid typed data: {reason}")


class _Encoder:
    """encodeType, encodeData and hashStruct of EIP-712 over the types of one request."""

    def __init__(self, types: Mapping[str, Any], limits: Limits, deadline: Deadline) -> None:
        self._types = types
        self._maximum_types, self._maximum_depth = limits.typed_data_types, limits.typed_data_depth
        self._deadline = deadline
        self._steps = 0
        self._structs: dict[str, _Struct] = {}
        self._type_hashes: dict[str, bytes] = {}

    def hash_struct(self, name: str, value: Mapping[str, Any], depth: int = 1) -> bytes:
        """The hash of a value of the type `name`."""
        if depth > self._maximum_depth:
            raise _refusal(f"values are nested deeper than {self._maximum_depth} (--rpc-typed-data-depth)")
        words = [self._type_hash(name)]
        for field_name, kind in self._struct(name).fields:
            if field_name not in value:
                raise _refusal(f"missing value for field {field_name!r} of type {name}")
            try:
                words.append(self._encode(kind, len(kind.lengths), value[field_name], depth + 1))
            except _WrongValueError as error:
                raise _refusal(f"field {field_name!r} of type {name}: {error}") from None
        return keccak256(b"".join(words))

    def _encode(self, kind: _Kind, dimensions: int, value: object, depth: int) -> bytes:
        """encodeData of a value with this number of dimensions: one word."""
        self._look_at_clock()
        if dimensions:
            return self._encode_array(kind, dimensions, value, depth)
        atomic = _ATOMIC.get(kind.base)
        if kind.base not in self._types and atomic is not None:
            return atomic(value)
        if value is None:
            return NULL_STRUCT
        if not isinstance(value, dict):
            raise _WrongValueError(f"expected an object of type {kind.base}, got {kind_of(value)}")
        return self.hash_struct(kind.base, value, depth)

    def _encode_array(self, kind: _Kind, dimensions: int, value: object, depth: int) -> bytes:
        if not isinstance(value, list):
            raise _WrongValueError(f"expected an array, got {kind_of(value)}")
        length = kind.lengths[dimensions - 1]
        if length is not None and len(value) != length:
            raise _WrongValueError(f"expected an array of {length} items, got {len(value)}")
        if depth > self._maximum_depth:
            raise _refusal(f"values are nested deeper than {self._maximum_depth} (--rpc-typed-data-depth)")
        return keccak256(b"".join([self._encode(kind, dimensions - 1, item, depth + 1) for item in value]))

    def _type_hash(self, name: str) -> bytes:
        known = self._type_hashes.get(name)
        if known is None:
            others = sorted(self._reachable(name) - {name})
            text = "".join([self._struct(item).text for item in (name, *others)])
            known = self._type_hashes[name] = keccak256(text.encode("utf-8", errors="surrogatepass"))
        return known

    def _reachable(self, name: str) -> set[str]:
        found, wanted = {name}, [name]
        while wanted:
            self._look_at_clock()
            for other in self._struct(wanted.pop()).names:
                if other not in found:
                    found.add(other)
                    wanted.append(other)
        return found

    def _struct(self, name: str) -> _Struct:
        known = self._structs.get(name)
        if known is None:
            if len(self._structs) >= self._maximum_types:
                raise _refusal(f"more than {self._maximum_types} types (--rpc-typed-data-types)")
            known = self._structs[name] = self._read_struct(name)
        return known

    def _read_struct(self, name: str) -> _Struct:
        definition = self._types.get(name)
        if not isinstance(definition, list):
            raise _refusal(f"type {name} is not defined by a list of fields")
        fields, parts, names = [], [], []
        for item in definition:
            self._look_at_clock()
            field_name, text = (item.get("name"), item.get("type")) if isinstance(item, dict) else (None, None)
            if not isinstance(field_name, str) or not isinstance(text, str):
                raise _refusal(f"type {name}: expected fields {{name, type}}, both of them strings")
            kind = _read_kind(text)
            if kind.base in self._types:
                names.append(kind.base)
            elif kind.base not in _ATOMIC:
                raise _refusal(f"field {field_name!r} of type {name}: type {kind.base!r} is not defined")
            fields.append((field_name, kind))
            parts.append(f"{text} {field_name}")
        return _Struct(f"{name}({','.join(parts)})", tuple(fields), tuple(dict.fromkeys(names)))

    def _look_at_clock(self) -> None:
        self._steps += 1
        if not self._steps % STEPS_BETWEEN_LOOKS:
            self._deadline.check()


def _read_kind(text: str) -> _Kind:
    base, bracket, rest = text.partition("[")
    if _DIMENSIONS.fullmatch(bracket + rest) is None:
        raise _refusal(f"{text!r} is not a type")
    lengths = [int(digits) if digits else None for digits in _DIMENSION.findall(bracket + rest)]
    return _Kind(base, tuple(lengths))


# Values of the types that Solidity has itself


class _WrongValueError(Exception):
    """A value of the wrong type for its field."""


def _hex_bytes(value: object) -> bytes:
    if isinstance(value, str) and value[:2] in ("0x", "0X"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise _WrongValueError(f"expected 0x-prefixed hex, got {_shown(value)}")


def _shown(value: object) -> str:
    return repr(value[:80]) if isinstance(value, str) else kind_of(value)


def _number(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):
            return int(value)
        if _HEX_NUMBER.fullmatch(value):
            return int(value, 16)
    if isinstance(value, float):
        raise _WrongValueError("a JSON number with a fraction, or beyond 64 bits, is not exact: give it as a string")
    raise _WrongValueError(f"expected a number, got {_shown(value)}")


def _encode_integer(bits: int, signed: bool, value: object) -> bytes:
    number = _number(value)
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= number < high:
        raise _WrongValueError(f"{number} is out of the range of {'int' if signed else 'uint'}{bits}")
    return number.to_bytes(WORD_BYTES, "big", signed=signed)


def _encode_fixed_bytes(size: int, value: object) -> bytes:
    data = _hex_bytes(value)
    if len(data) != size:
        raise _WrongValueError(f"expected {size} bytes, got {len(data)}")
    return data.ljust(WORD_BYTES, b"\0")


def _encode_address(value: object) -> bytes:
    data = _hex_bytes(value)
    if len(data) != 20:
        raise _WrongValueError(f"expected an address of 20 bytes, got {len(data)}")
    return data.rjust(WORD_BYTES, b"\0")


_TRUTH: Mapping[object, bool] = {True: True, False: False, "true": True, "false": False}
"""1 and 0 are among the keys: they equal True and False."""


def _encode_boolean(value: object) -> bytes:
    truth = _TRUTH.get(value) if isinstance(value, bool | int | str) else None
    if truth is None:
        raise _WrongValueError(f"expected true or false, got {_shown(value)}")
    return truth.to_bytes(WORD_BYTES, "big")


def _encode_string(value: object) -> bytes:
    if not isinstance(value, str):
        raise _WrongValueError(f"expected a string, got {kind_of(value)}")
    return keccak256(value.encode("utf-8", errors="surrogatepass"))


def _encode_bytes(value: object) -> bytes:
    return keccak256(_hex_bytes(value))


def _atomic_types() -> dict[str, Callable[[object], bytes]]:
    sizes: Sequence[int] = range(8, 257, 8)
    return {
        "address": _encode_address,
        "bool": _encode_boolean,
        "string": _encode_string,
        "bytes": _encode_bytes,
        "int": partial(_encode_integer, 256, True),
        "uint": partial(_encode_integer, 256, False),
        **{f"int{bits}": partial(_encode_integer, bits, True) for bits in sizes},
        **{f"uint{bits}": partial(_encode_integer, bits, False) for bits in sizes},
        **{f"bytes{size}": partial(_encode_fixed_bytes, size) for size in range(1, WORD_BYTES + 1)},
    }


_ATOMIC = _atomic_types()
