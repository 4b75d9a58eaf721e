"""The look-up of an offset in deployed code: its function, file and line."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from zevm.contracts.source_maps.compiled import compiled_source_map
from zevm.contracts.source_maps.mappings import CALLERS, JUMPS, decoded_mappings


class Place(NamedTuple):
    """A place in a source. function: as its language qualifies it. file: relative. line: from 1."""

    function: str
    file: str
    line: int


class HasSourceMap(Protocol):
    """The part of an artifact that leads to its map: see Artifact."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def source_map(self) -> Mapping[str, Any] | None: ...
    @property
    def file(self) -> Path | None: ...


class SourceMap:
    """The look-up in one document. Raises ValueError for a document that is none of ECMA-426."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        try:
            self._sources = [str(name) for name in document["sources"]]
            self._names = [str(name) for name in document["names"]]
            self._callers: list[Any] = list(document.get(CALLERS) or [None] * len(self._names))
            self._rows = list(decoded_mappings(document["mappings"]))
            self._offsets = [row[0] for row in self._rows]
            self._jumps: dict[int, str] = {
                offset: kind for kind, found in (document.get(JUMPS) or {}).items() for offset in found
            }
            self._check()
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"not a source map of ECMA-426 with one line: {error!r}") from None

    @classmethod
    def from_artifact(cls, artifact: HasSourceMap) -> "SourceMap | None":
        """The map of an artifact's deployed code; None where its compiler gave none, or its sources have changed.

        Of a file that forge wrote, the map is made from solc's and the sources, which takes milliseconds: keep it.
        """
        document = artifact.source_map
        if document is None and artifact.file is not None:
            document = compiled_source_map(artifact.file, artifact.source, artifact.name)
        return None if document is None else cls(document)

    @classmethod
    def of_creation(cls, artifact: HasSourceMap, document: Mapping[str, Any] | None) -> "SourceMap | None":
        """The same of its creation code. document: the map of an artifact without a file."""
        if document is None and artifact.file is not None:
            document = compiled_source_map(artifact.file, artifact.source, artifact.name, creation=True)
        return None if document is None else cls(document)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the code comes from."""
        return tuple(self._sources)

    def places(self) -> Iterator[Place]:
        """The places of all code, in the order of offsets; some come several times."""
        for _, source, line, name in self._rows:
            if name >= 0:
                yield Place(self._names[name], self._sources[source], line)

    def at(self, offset: int) -> Place | None:
        """The innermost place at an offset; None in front of the code and behind it."""
        row = self._row(offset)
        return None if row is None else Place(self._names[row[3]], self._sources[row[1]], row[2])

    def frames(self, offset: int) -> tuple[Place, ...]:
        """The place at an offset, then those of the calls that were inlined around it, innermost first."""
        row = self._row(offset)
        if row is None:
            return ()
        name, found = row[3], [Place(self._names[row[3]], self._sources[row[1]], row[2])]
        while (caller := self._callers[name]) is not None:
            name, source, line = caller
            found.append(Place(self._names[name], self._sources[source], line))
        return tuple(found)

    @property
    def has_jumps(self) -> bool:
        """Whether the compiler told which jumps enter functions and return from them."""
        return bool(self._jumps)

    def jump(self, offset: int) -> str:
        """The role of a jump at an offset: "i" enters a function, "o" returns from one, "-" neither (EVM bytecode)."""
        return self._jumps.get(offset, "-")

    def _row(self, offset: int) -> tuple[int, int, int, int] | None:
        index = bisect_right(self._offsets, offset) - 1
        row = self._rows[index] if index >= 0 else None
        return None if row is None or row[3] < 0 else row

    def _check(self) -> None:
        """Every index exists, and a caller stands in front of what it calls, so that chains end."""
        sources, names = len(self._sources), len(self._names)
        for _, source, _, name in self._rows:
            if not (name == -1 or (0 <= source < sources and 0 <= name < names)):
                raise IndexError(f"source {source} and name {name} of {sources} and {names}")
        for index, caller in enumerate(self._callers):
            if caller is not None and not (0 <= caller[0] < index and 0 <= caller[1] < sources):
                raise IndexError(f"caller {caller} of name {index}")
        if len(self._callers) != names or self._offsets != sorted(self._offsets):
            raise IndexError("callers or offsets out of order")
