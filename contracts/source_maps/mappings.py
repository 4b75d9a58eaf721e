"""Source maps of deployed code, in the form of ECMA-426 (Source Map v3): what artifacts keep as `sourceMapV3`.

The generated line is 1. The generated column is an offset: of WebAssembly in the bytes of the deployed module, as its
decompressed file has it, before the chain adds metering; of EVM bytecode the program counter. `names` are functions.
The extension `x_zvm_callers` has one item for each of them: null, or for an inlined function [name, source, line], the
indices of the function that called it and of that one's file, and the line of the call, from 1. `x_evm_jumps` has the
offsets of jumps into functions, "i", and out of them, "o".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_MAPPING_CHARACTERS = 16 << 20
"""Of a document that is read; a module of the chain's largest size has a tenth of it."""

MEMBER = "sourceMapV3"
"""The artifact's member: of the deployed code."""

CREATION_MEMBER = "creationSourceMapV3"
"""The same of EVM creation code, for its constructor."""

CALLERS = "x_zvm_callers"
JUMPS = "x_evm_jumps"

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NUMBER_BITS = 35
"""Of the digits of a number of ECMA-426: 32 and a sign."""
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, or an inlined copy of one with the scope and the place of the call."""

    function: str
    caller: "Scope | None" = None
    file: str = ""
    line: int = 0


class Mapped(NamedTuple):
    """From an offset up to the next one: the innermost scope, its file and line. scope: None for code of no source."""

    offset: int
    scope: Scope | None
    file: str
    line: int


def source_map_document(
    rows: Iterable[Mapped], end: int, jumps: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Any]:
    """The document of places in the order of their offsets; behind `end` is no code. Equal neighbours become one."""
    sources: dict[str, int] = {}
    scopes: dict[Scope, int] = {}
    callers: list[list[int] | None] = []

    def source_index(file: str) -> int:
        return sources.setdefault(file, len(sources))

    def scope_index(scope: Scope) -> int:
        if scope not in scopes:
            caller = None
            if scope.caller is not None:
                caller = [scope_index(scope.caller), source_index(scope.file), scope.line]
            scopes[scope] = len(scopes)
            callers.append(caller)
        return scopes[scope]

    parts: list[str] = []
    before: tuple[int, int, int] | None = None
    place, last_offset = (0, 0, 0), 0
    for row in [*rows, Mapped(end, None, "", 0)]:
        now = None if row.scope is None else (source_index(row.file), row.line - 1, scope_index(row.scope))
        if now == before:
            continue
        part = _encoded(row.offset - last_offset)
        if now is not None:
            source, line, name = (new - old for new, old in zip(now, place, strict=True))
            part += _encoded(source) + _encoded(line) + _encoded(0) + _encoded(name)
            place = now
        parts.append(part)
        before, last_offset = now, row.offset
    document = {
        "version": 3,
        "sources": list(sources),
        "names": [scope.function for scope in scopes],
        "mappings": ",".join(parts),
        CALLERS: callers,
    }
    return document if jumps is None else document | {JUMPS: {kind: list(found) for kind, found in jumps.items()}}


def _encoded(value: int) -> str:
    """Base64 VLQ: the sign in the lowest bit, five bits a digit, lowest first."""
    rest = -value << 1 | 1 if value < 0 else value << 1
    out = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        out += _DIGITS[digit | 32 if rest else digit]
        if not rest:
            return out


def decoded_mappings(mappings: str) -> Iterator[tuple[int, int, int, int]]:
    """(offset, source, line from 1, name) of each segment; source and name -1 where there is none."""
    if len(mappings) > MOST_MAPPING_CHARACTERS:
        raise ValueError(f"{len(mappings)} characters of mappings, the limit is {MOST_MAPPING_CHARACTERS}")
    if ";" in mappings:
        raise ValueError("mappings of more than one line; code has one, whose columns are offsets")
    offset = source = line = name = 0
    for segment in mappings.split(",") if mappings else ():
        deltas = list(_numbers(segment))
        offset += deltas[0]
        if len(deltas) == 1:
            yield offset, -1, 0, -1
            continue
        source, line = source + deltas[1], line + deltas[2]
        name += deltas[4]
        yield offset, source, line + 1, name


def _numbers(segment: str) -> Iterator[int]:
    value = shift = 0
    for digit in segment:
        part = _VALUES[digit]
        value |= (part & 31) << shift
        shift += 5
        if shift > _NUMBER_BITS:
            raise ValueError("a number in the mappings has more than 32 bits")
        if not part & 32:
            yield -(value >> 1) if value & 1 else value >> 1
            value = shift = 0
    if shift:
        raise ValueError("the mappings end in the middle of a number")
