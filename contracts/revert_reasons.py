"""Reverts and calls as text: Error(string), Panic(uint256), and custom errors by name.

The names of custom errors and functions come from compiled artifacts: directories of Foundry (`out/`) or Hardhat
(`artifacts/`, with or without build-info). The decoder finds new artifacts while the node runs: an unknown selector
makes it read them again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import orjson
from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError, ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, parse
from eth_utils.address import to_checksum_address

from zevm.chain.types.selectors import signature_selector

ERROR_SELECTOR = bytes.fromhex("08c379a0")
PANIC_SELECTOR = bytes.fromhex("4e487b71")
RESCAN_INTERVAL_SECONDS = 2.0
MAX_ARTIFACT_BYTES = 256 * 1024 * 1024
_UNDECODABLE = (DecodingError, ParseError, OverflowError, ValueError)

PANIC_REASONS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
"""Solidity's panic codes with geth's texts."""


@dataclass(frozen=True, slots=True)
class AbiEntry:
    """A custom error or function of an artifact: its name and the canonical types of its parameters."""

    name: str
    types: tuple[str, ...]

    @property
    def signature(self) -> str:
        """The canonical signature, e.g. `transfer(address,uint256)`."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def selector(self) -> bytes:
        """The first four bytes of the signature's hash."""
        return signature_selector(self.signature)

    def format_arguments(self, data: bytes) -> str | None:
        """`Name(argument, ...)` for ABI-encoded arguments, or None if they do not match the types."""
        try:
            values = abi_decode(self.types, data, strict=False)
        except _UNDECODABLE:
            return None
        parts = (_format_value(parse(kind), value) for kind, value in zip(self.types, values, strict=True))
        return f"{self.name}({', '.join(parts)})"


class Decoder:
    """Turns revert data and call data into text. Safe to use from any thread."""

    def __init__(self, *folders: Path) -> None:
        """`folders`: searched for *.json at every depth; none for Solidity's own errors only."""
        self._folders = folders
        self._lock = Lock()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._next_scan = 0.0
        self._errors: dict[bytes, AbiEntry] = {}
        self._functions: dict[bytes, AbiEntry] = {}
        self.refresh()

    def revert_reason(self, output: bytes) -> str | None:
        """The reason in revert data, or None if there is none.

        `nope` for Error("nope"), geth's text for a Panic, `Custom(7, "bad")` for a known custom error.
        """
        selector, arguments = output[:4], output[4:]
        if selector == ERROR_SELECTOR:
            return _decode_error_string(arguments)
        if selector == PANIC_SELECTOR:
            return _decode_panic(arguments)
        if len(selector) < 4:
            return None
        entry = self._lookup(self._errors, selector)
        return None if entry is None else entry.format_arguments(arguments)

    def call(self, data: bytes) -> str | None:
        """`name(argument, ...)` of call data whose function an artifact declares, or None."""
        if len(data) < 4:
            return None
        entry = self._lookup(self._functions, data[:4])
        return None if entry is None else entry.format_arguments(data[4:])

    def _lookup(self, table: dict[bytes, AbiEntry], selector: bytes) -> AbiEntry | None:
        entry = table.get(selector)
        if entry is None and self._folders and time.monotonic() >= self._next_scan:
            self.refresh()
            entry = table.get(selector)
        return entry

    def refresh(self) -> None:
        """Read the new and changed artifacts. Unreadable files are ignored."""
        if not self._folders:
            return
        with self._lock:
            for path in (path for folder in self._folders for path in sorted(folder.rglob("*.json"))):
                stamp = _stamp(path)
                if stamp is not None and self._seen.get(path) != stamp:
                    self._seen[path] = stamp
                    self._read(path)
            self._next_scan = time.monotonic() + RESCAN_INTERVAL_SECONDS

    def _read(self, path: Path) -> None:
        try:
            document = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return
        tables = {"error": self._errors, "function": self._functions}
        for item in _abi_items(document):
            table = tables.get(item.get("type", "function"))
            entry = None if table is None else _parse_entry(item)
            if table is not None and entry is not None:
                table.setdefault(entry.selector, entry)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status.st_size <= MAX_ARTIFACT_BYTES else None


def _abi_items(document: Any) -> Iterator[dict[str, Any]]:
    """The ABI items of a Foundry or Hardhat artifact, or of every contract of a build-info file."""
    if not isinstance(document, dict):
        return
    abis = [document.get("abi")]
    output = document.get("output")
    sources = output.get("contracts") if isinstance(output, dict) else None
    for contracts in sources.values() if isinstance(sources, dict) else ():
        if isinstance(contracts, dict):
            abis.extend(contract.get("abi") for contract in contracts.values() if isinstance(contract, dict))
    for abi in abis:
        if isinstance(abi, list):
            yield from (item for item in abi if isinstance(item, dict))


def _parse_entry(item: dict[str, Any]) -> AbiEntry | None:
    name, inputs = item.get("name"), item.get("inputs")
    if not isinstance(name, str) or not isinstance(inputs, list):
        return None
    types = [_canonical_type(parameter) for parameter in inputs]
    known = tuple(kind for kind in types if kind is not None)
    return AbiEntry(name, known) if len(known) == len(types) else None


def _canonical_type(parameter: Any) -> str | None:
    """The type in a selector's spelling: `tuple[2]` becomes `(uint256,address)[2]`."""
    kind = parameter.get("type") if isinstance(parameter, dict) else None
    if not isinstance(kind, str):
        return None
    if not kind.startswith("tuple"):
        return kind
    components = parameter.get("components")
    if not isinstance(components, list):
        return None
    parts = [_canonical_type(component) for component in components]
    known = [part for part in parts if part is not None]
    return f"({','.join(known)}){kind[5:]}" if len(known) == len(parts) else None


def _decode_error_string(arguments: bytes) -> str | None:
    try:
        (raw,) = abi_decode(["bytes"], arguments, strict=False)
    except _UNDECODABLE:
        return None
    return bytes(raw).decode("utf-8", errors="replace")


def _decode_panic(arguments: bytes) -> str | None:
    if len(arguments) < 32:
        return None
    code = int.from_bytes(arguments[:32], "big")
    return PANIC_REASONS.get(code, f"unknown panic code: {code:#x}")


def _format_value(kind: ABIType, value: Any) -> str:
    """A decoded value as Solidity would write it: strings in quotes, addresses with checksums, lists in []."""
    if kind.is_array:
        return f"[{', '.join(_format_value(kind.item_type, item) for item in value)}]"
    if isinstance(kind, TupleType):
        pairs = zip(kind.components, value, strict=True)
        return f"({', '.join(_format_value(component, item) for component, item in pairs)})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    base = kind.base if isinstance(kind, BasicType) else ""
    if base == "address":
        return to_checksum_address(value)
    return f'"{value}"' if base == "string" else str(value)
