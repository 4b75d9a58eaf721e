"""The description that the Zig library makes of a contract: ABI, storage layout, whether there is a constructor.

It is JSON in the data of a module, whose address and length are two exported constants. Nothing runs to read it.
"""

import json
from dataclasses import dataclass
from typing import Any

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import GLOBAL, Module, Reader, decode
from zevm.contracts.errors import BuildError

TEXT = "zvm_description"
LENGTH = "zvm_description_length"


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
        found = json.loads(_data_at(decoded, _address(decoded, TEXT), length))
        layouts = found.get("storageLayout"), found.get("transientStorageLayout")
        return Description(str(found["name"]), list(found["abi"]), *layouts, bool(found["constructor"]))
    except (ModuleRefusedError, LookupError, ValueError, TypeError) as error:
        raise BuildError(f"the Zig library describes its contract in a form that is not known here: {error}") from error


def _address(module: Module, name: str) -> int:
    """The value of an exported constant."""
    targets = [item.target for item in module.exports if (item.name, item.kind) == (name, GLOBAL)]
    if not targets:
        raise LookupError(f"it does not export {name}")
    row = module.globals[targets[0]]  # its type, whether it may change, and i32.const
    return Reader(row, 3, len(row)).signed(32) & 0xFFFFFFFF


def _data_at(module: Module, address: int, length: int) -> bytes:
    """Initial memory. The linker may leave out zeros at the end of a segment."""
    for segment in module.data:
        start = address - segment.offset
        if 0 <= start < len(segment.content):
            return segment.content[start : start + length].ljust(length, b"\0")
    return bytes(length)
