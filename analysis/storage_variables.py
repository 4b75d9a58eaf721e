"""Variables of a contract read from its storage, by solc's layout.

The form is solc's `storageLayout` (https://docs.soliditylang.org/en/latest/internals/layout_in_storage.html), which
artifacts of Foundry and of `zevm contract build` have. Values of mappings cannot be listed: storage has no keys.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from eth_utils.address import to_checksum_address

from zevm.storage.keccak import keccak256

DEPTH_LIMIT: Final = 16
"""Structs and arrays within each other; deeper ones are not shown."""
STEPS_LIMIT: Final = 20_000
"""Types that are visited for one list, as some have nothing to show."""
_WORD: Final = 32
_SLOTS: Final = 1 << 256
_NAME_CHARACTERS: Final = 128
"""Of a variable's or a member's own name: each place within it has it in front."""
_TEXT_SLOTS: Final = 64
"""Slots of one text or byte string that are read."""
_ARRAY_LENGTH = re.compile(r"\[(\d{1,30})\]$")
_SIGNED = re.compile(r"int\d*$")
_UNSIGNED = re.compile(r"uint\d*$")
_BYTES = re.compile(r"bytes\d+$")
Read = Callable[[int], int]
"""The value of a slot."""


class LayoutError(ValueError):
    """A document is no storage layout."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, or a member or an element of one. offset: of its lowest byte in the slot, from the right."""

    name: str
    kind: str
    slot: int
    offset: int
    value: str


def variables(layout: Mapping[str, Any], read: Read, most: int) -> list[Variable]:
    """At most this number of variables, in the order of the layout. Raises LayoutError."""
    try:
        return list(islice(_Reader(layout["types"], read).all(list(layout["storage"])), most))
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise LayoutError(f"not a storage layout: {error!r}") from None


class _Reader:
    def __init__(self, types: Mapping[str, Mapping[str, Any]] | None, read: Read) -> None:
        self._types = types or {}
        self._read = read
        self._steps_left = STEPS_LIMIT

    def all(self, listed: list[Mapping[str, Any]]) -> Iterator[Variable]:
        for entry in listed:
            name = str(entry["label"])[:_NAME_CHARACTERS]
            yield from self._of(name, str(entry["type"]), int(entry["slot"]), int(entry["offset"]), 0)

    def _of(self, name: str, type_name: str, slot: int, offset: int, depth: int) -> Iterator[Variable]:
        if depth > DEPTH_LIMIT or self._steps_left <= 0:
            return
        self._steps_left -= 1
        slot %= _SLOTS
        kind = self._types[type_name]
        encoding, label = kind["encoding"], str(kind["label"])
        if encoding == "mapping":
            yield Variable(name, label, slot, offset, "")
        elif encoding == "bytes":
            yield Variable(name, label, slot, offset, self._text(slot, is_text=label == "string"))
        elif encoding == "dynamic_array":
            length = self._read(slot)
            yield Variable(name, label, slot, offset, f"{length:,} elements")
            first = int.from_bytes(keccak256(slot.to_bytes(_WORD, "big")), "big")
            yield from self._elements(name, str(kind["base"]), first, length, depth)
        elif "members" in kind:
            for member in kind["members"]:
                inner = f"{name}.{member['label']!s:.{_NAME_CHARACTERS}}"
                yield from self._of(
                    inner, str(member["type"]), slot + int(member["slot"]), int(member["offset"]), depth + 1
                )
        elif "base" in kind:
            found = _ARRAY_LENGTH.search(label)
            yield from self._elements(name, str(kind["base"]), slot, int(found[1]) if found else 0, depth)
        else:
            word, size = self._read(slot), int(kind["numberOfBytes"])
            if not 1 <= size <= _WORD:
                raise LayoutError(f"{label} has {size} bytes")
            number = word >> 8 * offset & (1 << 8 * size) - 1
            yield Variable(name, label, slot, offset, _shown(label, number, size))

    def _elements(self, name: str, base: str, slot: int, length: int, depth: int) -> Iterator[Variable]:
        """Elements of an array: several small ones share a slot, none lies across two."""
        size = int(self._types[base]["numberOfBytes"])
        if size < 1:
            raise LayoutError(f"{base} has {size} bytes")
        in_slot = max(1, _WORD // size) if size <= _WORD else 1
        slots = -(-size // _WORD)
        for index in range(min(length, STEPS_LIMIT)):
            place = slot + (index // in_slot) * slots
            yield from self._of(f"{name}[{index}]", base, place, index % in_slot * size, depth + 1)

    def _text(self, slot: int, *, is_text: bool) -> str:
        """A string or byte string: up to 31 bytes with their length, longer ones in slots of their own."""
        word = self._read(slot)
        if word & 1:
            length = (word - 1) // 2
            first = int.from_bytes(keccak256(slot.to_bytes(_WORD, "big")), "big")
            count = min(-(-length // _WORD), _TEXT_SLOTS)
            data = b"".join(self._read((first + index) % _SLOTS).to_bytes(_WORD, "big") for index in range(count))
        else:
            length = (word & 0xFF) // 2
            data = word.to_bytes(_WORD, "big")
        found = data[: min(length, len(data))]
        rest = "…" if length > len(found) else ""
        return (found.decode(errors="replace") if is_text else f"0x{found.hex()}") + rest


def _shown(label: str, number: int, size: int) -> str:
    """A value as Solidity writes it; of a type without a form here as hex."""
    if label == "bool":
        return "true" if number else "false"
    if label.startswith(("address", "contract ")):
        return str(to_checksum_address(number.to_bytes(20, "big")))
    if _BYTES.match(label):
        return f"0x{number.to_bytes(size, 'big').hex()}"
    if _UNSIGNED.match(label) or label.startswith("enum "):
        return str(number)
    if _SIGNED.match(label):
        return str(number - (1 << 8 * size) if number >> 8 * size - 1 else number)
    return hex(number)
