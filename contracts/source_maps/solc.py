"""solc's source maps of EVM bytecode, which Vyper gives too, into those of `mappings`.

solc has one entry `start:length:file:jump:depth` for each instruction, where what is missing is as in the entry before
(https://docs.soliditylang.org/en/latest/internals/source_mappings.html). Functions are found in the sources' texts.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

_PUSH_1, _PUSH_32 = 0x60, 0x7F


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
        self._scopes: dict[tuple[int, int], Scope] = {}

    def line(self, position: int) -> int:
        """The line of a position, from 1."""
        return bisect_right(self._starts, position)

    def scope(self, start: int, stop: int) -> Scope:
        """The innermost function around a piece of text; outside of all the file."""
        found = self._scopes.get((start, stop))
        if found is None:
            around = [item for item in self._functions if item.start <= start and stop <= item.stop]
            found = Scope(around[-1].name if around else self.name)
            self._scopes[start, stop] = found
        return found


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
    rb"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    rb"""|\b(?:contract|library|interface|function|modifier)\s+(?P<named>[\w$]+)"""
    rb"""|\b(?P<special>constructor|fallback|receive)\s*(?=\()|[{};]""",
    re.DOTALL,
)


def _solidity_functions(text: bytes) -> Iterator[_Function]:
    """Functions, modifiers and contracts, the names of what is around in front: `Token.transfer`."""
    open_braces: list[tuple[int, str] | None] = []
    announced: tuple[int, str] | None = None
    for token in _SOLIDITY.finditer(text):
        name = token["named"] or token["special"]
        word = token[0]
        if name is not None:
            around = [item[1] for item in open_braces if item is not None][-1:]
            announced = token.start(), ".".join([*around, name.decode(errors="replace")])
        elif word == b"{":
            open_braces.append(announced)
            announced = None
        elif word == b"}" and open_braces:
            closed = open_braces.pop()
            if closed is not None:
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
            yield _Function(first, stop, head[1].decode(errors="replace"))
        is_decorator = text[start : start + 1] == b"@"
        decorated = (start if decorated is None else decorated) if is_decorator else None


_SCANS: dict[str, Callable[[bytes], Iterator[_Function]]] = {".sol": _solidity_functions, ".vy": _vyper_functions}
