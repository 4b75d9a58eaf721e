"""ABI-encoded values of any sender: decoded within a budget, and written as Foundry's traces write them.

The types may come from a module on the chain and the data from anyone, so that neither decides how long it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from eth_abi.exceptions import ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, parse
from eth_utils.address import to_checksum_address

from zevm.analysis.printable import printable

VALUES_LIMIT: Final = 4_096
"""Single values, of one set of arguments; with more of them the arguments are shown as bytes."""
SHOWN_BYTES: Final = 128
"""Bytes of one value that are shown."""
SHOWN_ITEMS: Final = 32
"""Items of one array that are shown."""
_WORD = 32
_NESTING_LIMIT = 32

Label = Callable[[bytes], str | None]
"""The name of a 20-byte address, None where it has none."""


class UndecodableError(ValueError):
    """The data are not of these types, or of too many values."""


def decode_values(types: Sequence[str], data: bytes) -> list[Any]:
    """The values of ABI-encoded arguments: int, bool, str, bytes (an address too), list. Raises UndecodableError."""
    try:
        parsed = [parse(kind) for kind in types]
    except (ParseError, ValueError, RecursionError) as error:
        raise UndecodableError(f"no ABI types: {error}") from None
    return _Reader(data).sequence(parsed, 0, 0)


class _Reader:
    """Reads values out of data until the budget is used."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = VALUES_LIMIT

    def sequence(self, kinds: Sequence[ABIType], base: int, depth: int) -> list[Any]:
        """A tuple whose head begins at `base`, to which its offsets are relative."""
        if depth > _NESTING_LIMIT:
            raise UndecodableError("nested too deeply")
        values, position = [], base
        for kind in kinds:
            self._take()
            if kind.is_dynamic:
                values.append(self._value(kind, base + self._unsigned(position), depth))
                position += _WORD
            else:
                values.append(self._value(kind, position, depth))
                position += _static_bytes(kind)
        return values

    def _value(self, kind: ABIType, position: int, depth: int) -> Any:
        if kind.is_array:
            return self._array(kind, position, depth)
        if isinstance(kind, TupleType):
            return self.sequence(kind.components, position, depth + 1)
        if isinstance(kind, BasicType):
            return self._basic(kind, position)
        raise UndecodableError(f"no type of the ABI: {kind}")

    def _array(self, kind: ABIType, position: int, depth: int) -> list[Any]:
        assert kind.arrlist is not None
        dimension = kind.arrlist[-1]
        item = kind.item_type
        if dimension:
            count = dimension[0]
        else:
            count = self._unsigned(position)
            position += _WORD
        if count > self._left:
            raise UndecodableError(f"{count} items")
        return self.sequence([item] * count, position, depth + 1)

    def _basic(self, kind: BasicType, position: int) -> Any:
        base, size = kind.base, kind.sub
        if base in ("bytes", "string") and size is None:
            length = self._unsigned(position)
            content = self._bytes(position + _WORD, length)
            return content if base == "bytes" else content.decode("utf-8", errors="replace")
        word = self._bytes(position, _WORD)
        if base == "bytes":
            return word[: int(size)]
        if base == "address":
            return word[12:]
        if base == "bool":
            return any(word)
        if base == "function":
            return word[:24]
        return int.from_bytes(word, "big", signed=base in ("int", "fixed"))

    def _take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise UndecodableError(f"more than {VALUES_LIMIT} values")

    def _unsigned(self, position: int) -> int:
        value = int.from_bytes(self._bytes(position, _WORD), "big")
        if value > len(self._data):
            raise UndecodableError(f"an offset or a length of {value}")
        return value

    def _bytes(self, position: int, length: int) -> bytes:
        end = position + length
        if end > len(self._data):
            raise UndecodableError(f"{end} bytes, {len(self._data)} given")
        return self._data[position:end]


def _static_bytes(kind: ABIType) -> int:
    """Length of a static type's encoding."""
    if kind.is_array:
        assert kind.arrlist is not None
        return int(kind.arrlist[-1][0]) * _static_bytes(kind.item_type)
    if isinstance(kind, TupleType):
        return sum(_static_bytes(component) for component in kind.components)
    return _WORD


def show_values(types: Sequence[str], values: Sequence[Any], label: Label) -> list[str]:
    """Each value as text."""
    return [show_value(parse(kind), value, label) for kind, value in zip(types, values, strict=True)]


def show_value(kind: ABIType, value: Any, label: Label) -> str:
    """A value as Foundry writes it: numbers with their power of ten, addresses with their names, structs in ()."""
    if kind.is_array:
        return f"[{_listed([kind.item_type] * len(value), value, label)}]"
    if isinstance(kind, TupleType):
        return f"({_listed(kind.components, value, label)})"
    base = kind.base if isinstance(kind, BasicType) else ""
    shower = _SHOW.get(base)
    if shower is not None:
        return shower(value)
    if base == "address":
        return show_address(value, label)
    return show_bytes(value) if isinstance(value, bytes) else show_number(value)


def _listed(kinds: Sequence[ABIType], values: Sequence[Any], label: Label) -> str:
    pairs = list(zip(kinds, values, strict=True))
    parts = [show_value(kind, value, label) for kind, value in pairs[:SHOWN_ITEMS]]
    return ", ".join(parts + ([f"... {len(pairs) - SHOWN_ITEMS} more"] if len(pairs) > SHOWN_ITEMS else []))


def show_bytes(value: bytes) -> str:
    """Hex with 0x; of long ones the beginning and the length."""
    if len(value) <= SHOWN_BYTES:
        return "0x" + value.hex()
    return f"0x{value[:SHOWN_BYTES].hex()}... ({len(value):,} bytes)"


def show_number(value: int) -> str:
    """`1000000000000000000 [1e18]`: from a thousand on with its power of ten, where three digits suffice."""
    text = str(value)
    digits = text.lstrip("-").rstrip("0")
    power = len(text.lstrip("-")) - 1
    if power < 3 or len(digits) > 4:
        return text
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{text} [{'-' if value < 0 else ''}{mantissa}e{power}]"


def show_text(value: str) -> str:
    """A string in quotes; whatever a terminal could obey is escaped."""
    cut = value if len(value) <= 4 * SHOWN_BYTES else value[: 4 * SHOWN_BYTES] + "..."
    quoted = cut.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(quoted)}"'


def show_address(address: bytes, label: Label) -> str:
    """`Token: [0x5FbD...]`, or the address alone."""
    name = label(address)
    text = str(to_checksum_address(address))
    return text if name is None else f"{name}: [{text}]"


_SHOW: Mapping[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "string": show_text,
}
