"""Solidity's types in text, as on a command line: signatures, arguments into bytes, results into words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from eth_abi.abi import decode, encode, is_encodable_type
from eth_abi.exceptions import ABITypeError, DecodingError, EncodingError, ParseError
from eth_abi.grammar import ABIType, TupleType, normalize, parse
from eth_utils.address import to_checksum_address

from zevm.contracts.errors import AbiTextError

NESTING_LIMIT = 32
"""Tuples and arrays within each other; the ABI's library descends into them without a bound."""

_OPENING, _CLOSING = "([", ")]"
_DIMENSIONS = re.compile(rf"(?:\[[0-9]*\]){{{NESTING_LIMIT + 1}}}")
_ADDRESS_BYTES = 20
_normalize: Callable[[str], str] = normalize


@dataclass(frozen=True, slots=True)
class Signature:
    """`balanceOf(address)(uint256)`: a name, the parameter types and the result types (None: not given)."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] | None

    @property
    def canonical(self) -> str:
        """The text whose hash gives the selector."""
        return f"{self.name}({','.join(self.inputs)})"


def parse_signature(text: str) -> Signature:
    """`name(types)` or `name(types)(types)`. Raises AbiTextError."""
    compact = text.replace(" ", "")
    name, opening, rest = compact.partition("(")
    groups = _groups(opening + rest)
    if not name or not 1 <= len(groups) <= 2:
        raise AbiTextError(f"{text}: not a signature; write it as balanceOf(address)(uint256)")
    inputs, *outputs = [split_types(group) for group in groups]
    return Signature(name, inputs, outputs[0] if outputs else None)


def split_types(text: str) -> tuple[str, ...]:
    """The types of a list as `uint256,(address,bool)[]`, in their canonical spelling. Raises AbiTextError."""
    types = tuple(_normalize(part.strip()) for part in _split(text))
    for item in types:
        _parse(item)
    return types


def split_values(text: str) -> tuple[str, ...]:
    """The arguments of a list as `5, "a, b", [1,2]`."""
    return tuple(part.strip() for part in _split(text))


def encode_arguments(types: Sequence[str], texts: Sequence[str], *, function: str = "") -> bytes:
    """ABI-encoded arguments. Raises AbiTextError for a wrong number, or a text that its type does not allow.

    function: its name, where errors shall say it.
    """
    if len(types) != len(texts):
        counts = f"{_counted(len(texts), 'argument')} for {_counted(len(types), 'parameter')}"
        raise AbiTextError(f"{function and function + ': '}{counts} ({', '.join(types) or 'none'})")
    values = [_value(_parse(item), text) for item, text in zip(types, texts, strict=True)]
    try:
        return encode(types, values)
    except (EncodingError, OverflowError) as error:
        raise AbiTextError(f"the arguments do not fit ({', '.join(types)}): {error}") from error


def decode_results(types: Sequence[str], data: bytes, *, quoted: bool = False) -> list[str]:
    """ABI-encoded results, each as text; strings in quotes inside of tuples and arrays, and everywhere if `quoted`.

    Raises AbiTextError where the data does not decode.
    """
    show = _part if quoted else _text
    try:
        return [show(_parse(item), value) for item, value in zip(types, decode(types, data), strict=True)]
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        raise AbiTextError(f"0x{data.hex()} is not ({', '.join(types)}): {error}") from error


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _parse(text: str) -> ABIType:
    if _depth(text) > NESTING_LIMIT or _DIMENSIONS.search(text):
        raise AbiTextError(f"{text[:40]}...: tuples and arrays nest deeper than {NESTING_LIMIT} levels")
    try:
        parsed: Any = parse(text)
        parsed.validate()
        if not is_encodable_type(text):
            raise ABITypeError
    except (ParseError, ABITypeError) as error:
        raise AbiTextError(f"{text}: not a type of Solidity's ABI") from error
    kind: ABIType = parsed
    return kind


def _depth(text: str) -> int:
    """The deepest nesting of tuples."""
    return max(accumulate((character == "(") - (character == ")") for character in text), default=0)


def _name(kind: Any) -> str:
    return str(kind.to_type_str())


def _groups(text: str) -> list[str]:
    """The contents of parentheses that follow one another."""
    groups, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if depth == 0:
            if character != "(":
                return []
            start = position + 1
        depth += (character == "(") - (character == ")")
        if depth == 0:
            groups.append(text[start:position])
    return groups if depth == 0 else []


def _split(text: str) -> list[str]:
    """The parts between the commas of the outermost level; quotes keep theirs."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        quoted ^= character == '"'
        if quoted:
            continue
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]] if text.strip() else []


def _value(kind: ABIType, text: str) -> Any:
    if kind.is_array:
        items = _split(_inner(kind, text, "[]"))
        if kind.arrlist[-1] not in ((), (len(items),)):
            raise AbiTextError(f"{text}: {_counted(len(items), 'value')} for {_name(kind)}")
        return [_value(kind.item_type, part) for part in items]
    if isinstance(kind, TupleType):
        parts = _split(_inner(kind, text, "()"))
        if len(parts) != len(kind.components):
            raise AbiTextError(f"{text}: {len(parts)} values for {_name(kind)}")
        return tuple(_value(item, part) for item, part in zip(kind.components, parts, strict=True))
    return _basic(kind, text)


def _inner(kind: ABIType, text: str, brackets: str) -> str:
    stripped = text.strip()
    if stripped[:1] != brackets[0] or stripped[-1:] != brackets[1]:
        raise AbiTextError(f"{text}: not {_one(kind)}; write it in {brackets}")
    return stripped[1:-1]


def _basic(kind: Any, text: str) -> Any:
    try:
        if kind.base == "string":
            stripped = text.strip()
            return stripped[1:-1] if len(stripped) > 1 and stripped[0] == stripped[-1] == '"' else text
        text = text.strip()
        if kind.base == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind.base in ("uint", "int"):
            return _integer(kind, text)
        if text[:2] != "0x":
            raise ValueError
        data = bytes.fromhex(text[2:])
    except AbiTextError:
        raise  # it says more
    except (ValueError, KeyError) as error:
        raise AbiTextError(f"{text}: not {_one(kind)}") from error
    if kind.base == "address":
        if len(data) != _ADDRESS_BYTES:
            raise AbiTextError(f"{text}: not an address (0x and 40 hex digits)")
        return text
    if isinstance(kind.sub, int) and len(data) > kind.sub:
        raise AbiTextError(f"{text}: not {_one(kind)}, it has {len(data)} bytes")
    return data


def _integer(kind: Any, text: str) -> int:
    value = int(text, 0)
    signed = kind.base == "int"
    width = kind.sub - signed
    lowest, highest = -(1 << width) if signed else 0, (1 << width) - 1
    if not lowest <= value <= highest:
        shown = f"{lowest} to {highest}" if width <= 64 else f"{'-2^' + str(width) if signed else 0} to 2^{width}-1"
        raise AbiTextError(f"{text}: not {_one(kind)} ({shown})")
    return value


def _one(kind: ABIType) -> str:
    name = _name(kind)
    return f"{'an' if name[0] in 'ai' else 'a'} {name}"


def _text(kind: ABIType, value: Any) -> str:
    if kind.is_array:
        return f"[{', '.join(_part(kind.item_type, item) for item in value)}]"
    if isinstance(kind, TupleType):
        return f"({', '.join(_part(item, part) for item, part in zip(kind.components, value, strict=True))})"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    if _name(kind) == "address":
        return str(to_checksum_address(value))
    return str(value)


def _part(kind: ABIType, value: Any) -> str:
    """The text of a value among others, where a string's comma or bracket would be taken for theirs."""
    return f'"{value}"' if isinstance(value, str) and _name(kind) == "string" else _text(kind, value)
