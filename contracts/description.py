"""The description that the Zig library makes of a contract: ABI, storage layout, whether there is a constructor.

It is JSON in the data of a module, whose address and length are two exported constants. Nothing runs to read it. A
source may export constants of these names itself, so that nothing here is taken on trust.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import GLOBAL, Module, Reader, decode
from zevm.chain.zvm.module.limits import LIMITS
from zevm.contracts.errors import BuildError

TEXT = "zvm_description"
LENGTH = "zvm_description_length"

_ENTRIES = ("constructor", "error", "event", "fallback", "function", "receive")
_UNNAMED = ("constructor", "fallback", "receive")
_BITS = "|".join(str(bits) for bits in range(8, 257, 8))
_TYPE = re.compile(
    rf"(?P<base>tuple|bool|address|string|bytes([1-9]|[12]\d|3[0-2])?|u?int({_BITS}))" r"(\[([1-9]\d{0,9})?\]){0,32}"
)
"""Types that the library can write: a decoder may loop for as long as it likes over arrays of nothing."""


@dataclass(frozen=True, slots=True)
class Description:
    """name: the contract's. abi and the layouts: as solc writes them; transient_layout: None without such state."""

    name: str
    abi: list[dict[str, Any]]
    storage_layout: dict[str, Any] | None
    transient_layout: dict[str, Any] | None
    has_constructor: bool


def read_description(module: bytes) -> Description | None:
    """The description in a module; None where its source defines no contract. Raises BuildError for another form."""
    try:
        decoded = decode(module)
        if not any(item.name == TEXT for item in decoded.exports):
            return None
        length = int.from_bytes(_data_at(decoded, _address(decoded, LENGTH), 4), "little")
        found = orjson.loads(_data_at(decoded, _address(decoded, TEXT), length))
        if not found["name"].isidentifier():
            raise ValueError(f"{found['name'][:80]!r} is no name of a contract")
        for entry in found["abi"]:
            check_entry(entry)
        layouts = found.get("storageLayout"), found.get("transientStorageLayout")
        return Description(found["name"], found["abi"], *layouts, bool(found["constructor"]))
    except (ModuleRefusedError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(f"the Zig library describes its contract in a form that is not known here: {error}") from error


def _address(module: Module, name: str) -> int:
    """The value of an exported constant."""
    targets = [item.target for item in module.exports if (item.name, item.kind) == (name, GLOBAL)]
    if not targets:
        raise LookupError(f"it does not export {name}")
    row = module.globals[targets[0]]  # its type, whether it may change, and i32.const
    return Reader(row, 3, len(row)).signed(32) & 0xFFFFFFFF


def check_entry(entry: dict[str, Any]) -> None:
    """Raise ValueError, or what a wrong shape raises, for an entry of an ABI that is none."""
    if entry["type"] not in _ENTRIES:
        raise ValueError(f"an entry of the type {str(entry['type'])[:80]!r}")
    if entry["type"] not in _UNNAMED and not entry["name"].isidentifier():
        raise ValueError(f"{entry['name'][:80]!r} is no name of an entry")
    _check_parameters(entry.get("inputs", []))
    _check_parameters(entry.get("outputs", []))
    if entry["type"] == "constructor":
        entry["inputs"]  # what reads arguments asks for it


def _check_parameters(parameters: list[dict[str, Any]]) -> None:
    for parameter in parameters:
        found = _TYPE.fullmatch(parameter["type"])
        if found is None or not isinstance(parameter["name"], str):
            raise ValueError(f"a parameter of the type {parameter['type'][:80]!r}")
        if found["base"] == "tuple":
            _check_parameters(parameter["components"])
            if not parameter["components"]:
                raise ValueError("a tuple of nothing")


def _data_at(module: Module, address: int, length: int) -> bytes:
    """Initial memory. The linker may leave out zeros at the end of a segment. Raises LookupError for too much."""
    if length > LIMITS["module bytes"]:
        raise LookupError(f"{length} bytes of it, which no module has")
    for segment in module.data:
        start = address - segment.offset
        if 0 <= start < len(segment.content):
            return segment.content[start : start + length].ljust(length, b"\0")
    return bytes(length)
