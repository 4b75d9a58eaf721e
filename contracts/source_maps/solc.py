"""solc's source maps of EVM bytecode, which Vyper gives too, into those of `mappings`.

solc has one entry `start:length:file:jump:depth` for each instruction, where what is missing is as in the entry before
(https://docs.soliditylang.org/en/latest/internals/source_mappings.html). Functions are found in the sources' texts.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

_PUSH_1, _PUSH_32 = 0x60, 0x7F
_NAME_BYTES = 128
"""Of a function's own name; those of what is around it are in front of each."""
_NAMES_JOINED = 8
"""Most of a function's name and those in front."""


class SourceText(NamedTuple):
    """A source by its name in messages. content: its bytes, since solc's positions count bytes."""

    name: str
    content: bytes


class _Function(NamedTuple):
    """Piece of a source that is a function, by positions of bytes."""

    start: int
    stop: int
    name: str


class _Entry(NamedTuple):
    """An instruction's: start and length in bytes of the source's text, the source's number, what a jump does."""

    start: int
    length: int
    file: int
    jump: str


class _Lines:
    """Functions and lines of a source by position."""

    def __init__(self, source: SourceText) -> None:
        self.name, self.length = source.name, len(source.content)
        self._starts = [0, *(found.end() for found in re.finditer(rb"\n", source.content))]
        scan = _SCANS[".vy" if source.name.endswith((".vy", ".vyi")) else ".sol"]
        self._functions = sorted(scan(source.content))
        self._function_starts = [item.start for item in self._functions]
        self._around = _indices_around(self._functions)
        self._scopes: dict[tuple[int, int], Scope] = {}

    def line(self, position: int) -> int:
        """The line of a position, from 1."""
        return bisect_right(self._starts, position)

    def scope(self, start: int, stop: int) -> Scope:
        """The innermost function around a piece of text; outside of all the file."""
        found = self._scopes.get((start, stop))
        if found is None:
            index = bisect_right(self._function_starts, start) - 1
            while index >= 0 and self._functions[index].stop < stop:
                index = self._around[index]
            found = self._scopes[start, stop] = Scope(self._functions[index].name if index >= 0 else self.name)
        return found


def _indices_around(functions: Sequence[_Function]) -> list[int]:
    """For each function the index of the innermost one around it, -1 for none. By their starts; they may nest."""
    around: list[int] = []
    opened: list[int] = []
    for index, function in enumerate(functions):
        while opened and functions[opened[-1]].stop <= function.start:
            opened.pop()
        around.append(opened[-1] if opened else -1)
        opened.append(index)
    return around


def solc_source_map(code: bytes, source_map: str, sources: Mapping[int, SourceText]) -> dict[str, Any]:
    """The document of deployed bytecode. sources: by their number in the map; code of others has no place."""
    lines = {number: _Lines(source) for number, source in sources.items()}
    entries = list(zip(instruction_offsets(code), _entries(source_map), strict=False))

    def rows() -> Iterator[Mapped]:
        for offset, (start, length, file, _) in entries:
            found = lines.get(file)
            if found is None or not 0 <= start <= start + length <= found.length:
                yield Mapped(offset, None, "", 0)
            else:
                yield Mapped(offset, found.scope(start, start + length), found.name, found.line(start))

    jumps = {kind: [offset for offset, entry in entries if entry.jump == kind] for kind in ("i", "o")}
    return source_map_document(rows(), len(code), jumps)


def instruction_offsets(code: bytes) -> Iterator[int]:
    """The program counter of each instruction."""
    position = 0
    while position < len(code):
        yield position
        opcode = code[position]
        position += opcode - _PUSH_1 + 2 if _PUSH_1 <= opcode <= _PUSH_32 else 1


def _entries(source_map: str) -> Iterator[_Entry]:
    """The entry of each instruction. Raises ValueError for what is no map."""
    places, jump = [-1, -1, -1], "-"
    for text in source_map.split(";") if source_map else ():
        parts = text.split(":")
        for index, part in enumerate(parts[:3]):
            if part:
                places[index] = int(part)
        jump = parts[3] if len(parts) > 3 and parts[3] else jump
        yield _Entry(places[0], places[1], places[2], jump)


_SOLIDITY = re.compile(
    rb"""//(?:[^\n-\r\xe2]|\xe2(?!\x80[\xa8\xa9]))*|/\*.*?(?:\*/|\Z)"""
    rb"""|"(?:\\.|[^"\\\n-\r])*+"?|'(?:\\.|[^'\\\n-\r])*+'?"""
    rb"""|\b(?:contract|library|interface|function|modifier)\s+(?P<named>[\w$]+)"""
    rb"""|\b(?P<special>constructor|fallback|receive)\s*(?=\()|[{};]""",
    re.DOTALL,
)
"""Comments and strings, which end where solc has them end, the names of functions, and braces. An unclosed comment or
string is a token too: the search does not go through its rest again from each place where another may begin.
"""


def _solidity_functions(text: bytes) -> Iterator[_Function]:
    """Functions, modifiers and contracts, the names of what is around in front: `Token.transfer`."""
    open_braces: list[tuple[int, str] | None] = []
    names: list[str] = []
    announced: tuple[int, str] | None = None
    for token in _SOLIDITY.finditer(text):
        name = token["named"] or token["special"]
        word = token[0]
        if name is not None:
            own = name[:_NAME_BYTES].decode(errors="replace")
            announced = token.start(), f"{names[-1]}.{own}" if 0 < len(names) < _NAMES_JOINED else own
        elif word == b"{":
            open_braces.append(announced)
            names += [] if announced is None else [announced[1]]
            announced = None
        elif word == b"}" and open_braces:
            closed = open_braces.pop()
            if closed is not None:
                names.pop()
                yield _Function(closed[0], token.end(), closed[1])
        elif word == b";":
            announced = None


def _vyper_functions(text: bytes) -> Iterator[_Function]:
    """Functions from their `def`, or the decorators before it, to the next line that is not indented."""
    heads = [found.start() for found in re.finditer(rb"^(?=[^\s#)\]])", text, re.MULTILINE)]
    decorated: int | None = None
    for start, stop in pairwise([*heads, len(text)]):
        head = re.match(rb"def\s+(\w+)", text[start:stop])
        if head is not None:
            first = start if decorated is None else decorated
            yield _Function(first, stop, head[1][:_NAME_BYTES].decode(errors="replace"))
        is_decorator = text[start : start + 1] == b"@"
        decorated = (start if decorated is None else decorated) if is_decorator else None


_SCANS: dict[str, Callable[[bytes], Iterator[_Function]]] = {".sol": _solidity_functions, ".vy": _vyper_functions}
