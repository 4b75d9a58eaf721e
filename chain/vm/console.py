"""Hardhat's console.log: calls to a code-less address whose input says what to print."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from zevm.chain.types.selectors import signature_selector

CONSOLE_BYTES = 256 * 1024
"""Maximum bytes that one transaction or call prints; the rest is dropped. The lines stay until the block's report."""
CONSOLE_CALL_BYTES = 64
"""Bytes that one line counts in addition to its length."""
CONSOLE_CUT = bytes.fromhex("41304fac") + encode(
    ["string"], [f"(console output past {CONSOLE_BYTES // 1024} KiB of one transaction is left out)"]
)
"""The call log(string) that replaces the omitted lines."""

_ARGUMENTS = ("uint256", "string", "bool", "address")
_NAMED = {
    "logInt": "int256",
    "logUint": "uint256",
    "logString": "string",
    "logBool": "bool",
    "logAddress": "address",
    "logBytes": "bytes",
} | {f"logBytes{size}": f"bytes{size}" for size in range(1, 33)}


def _signatures() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every function of console.sol: log of up to four values of four types, and the typed ones."""
    for count in range(5):
        for types in product(_ARGUMENTS, repeat=count):
            yield "log", types
            if "uint256" in types:
                # early versions of console.sol hashed the alias `uint`
                yield "log", tuple(kind.replace("uint256", "uint") for kind in types)
    yield "log", ("int256",)
    yield "log", ("string", "int256")
    yield "log", ("bytes",)
    yield from (("log", (f"bytes{size}",)) for size in range(1, 33))
    yield from ((name, (kind,)) for name, kind in _NAMED.items())


def _table() -> dict[bytes, tuple[str, ...]]:
    table = {}
    for name, types in _signatures():
        selector = signature_selector(f"{name}({','.join(types)})")
        table[selector] = tuple("uint256" if kind == "uint" else kind for kind in types)
    return table


_SIGNATURES: Mapping[bytes, tuple[str, ...]] = MappingProxyType(_table())
"""Selector -> argument types."""


def _show_bytes(value: bytes) -> str:
    return "0x" + value.hex()


_SHOW: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "address": to_checksum_address,
    "string": str,
    "uint256": str,
    "int256": str,
}


def decode_console(data: bytes) -> str:
    """The line that a console call prints; what is no console function is shown as hex."""
    types = _SIGNATURES.get(data[:4])
    if types is None:
        return f"unknown console call {_show_bytes(data)}"
    try:
        values = decode(types, data[4:])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return f"malformed console call {_show_bytes(data)}"
    shown = [_SHOW.get(kind, _show_bytes)(value) for kind, value in zip(types, values, strict=True)]
    return _format(shown) if types[:1] == ("string",) else " ".join(shown)


def _format(values: list[str]) -> str:
    """Fill the first string's %s, %d, %i, %o, %O with the values after it, as Hardhat does; the rest is appended."""
    template, rest = values[0], values[1:]
    parts, position = [], 0
    while (mark := template.find("%", position)) >= 0 and mark + 1 < len(template):
        verb = template[mark + 1]
        parts.append(template[position:mark])
        if verb == "%":
            parts.append("%")
        elif verb in "sdioO" and rest:
            parts.append(rest.pop(0))
        else:
            parts.append(template[mark : mark + 2])
        position = mark + 2
    parts.append(template[position:])
    return " ".join(["".join(parts), *rest])
