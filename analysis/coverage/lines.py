"""From executed instructions to lines and functions, by the source maps of the contracts."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.coverage.recorder import CoverageRecorder
from zevm.analysis.coverage.report import CoverageReport
from zevm.analysis.known_contract import KnownContract
from zevm.contracts.source_maps import SourceMap

_LIBRARIES: Final = ("lib", "node_modules")
_TESTS: Final = (".t.sol", ".s.sol")


def coverage_of(recorder: CoverageRecorder, catalogue: Catalogue, root: Path) -> CoverageReport:
    """Counts for all lines of a project's known contracts. root: the folder that the report's paths start from.

    A line counts where code of a function comes from it. Sources of libraries and of Foundry's tests and scripts are
    left out.
    """
    report = CoverageReport()
    contracts = catalogue.contracts()
    lines = _Lines(root, frozenset(contract.name for contract in contracts))
    for contract in contracts:
        for source_map in (contract.places, contract.creation_places):
            if source_map is not None and not contract.is_wasm:
                lines.add(report, contract, source_map, {})
    for code in recorder.executed():
        source_map = code.contract.creation_places if code.is_creation else code.contract.places
        if code.contract.is_wasm:
            report.unmapped[_title(code.contract)] = "the lines of WebAssembly are not counted"
        elif source_map is not None:
            lines.add(report, code.contract, source_map, code.counts)
        elif code.contract.places is None:
            report.unmapped[_title(code.contract)] = "its artifact has no source map, or its source has changed"
    return report


class _Lines:
    """Adds the lines of codes. contracts: names of contracts, whose own pieces of code are of no function."""

    def __init__(self, root: Path, contracts: frozenset[str]) -> None:
        self._root, self._contracts = root, contracts
        self._paths: dict[tuple[Path | None, str], str | None] = {}

    def add(
        self, report: CoverageReport, contract: KnownContract, source_map: SourceMap, counts: Mapping[int, int]
    ) -> None:
        """Add all lines of a code, with how often each ran: as often as the most frequent of its instructions."""
        found = dict.fromkeys(source_map.places(), 0)
        for offset, count in counts.items():
            place = source_map.at(offset)
            if place is not None:
                found[place] = max(found[place], count)
        names = {place.function for place in found}
        around = self._contracts | {name.rpartition(".")[0] for name in names}
        lines: dict[tuple[str, int], int] = {}
        functions: dict[tuple[str, str], dict[int, int]] = {}
        for place, count in found.items():
            path = self._path(contract, place.file)
            if path is None or place.function in around or place.function == place.file:
                continue
            lines[path, place.line] = max(count, lines.get((path, place.line), 0))
            functions.setdefault((path, place.function), {})[place.line] = count
        for (path, line), count in lines.items():
            report.add_line(path, line, count)
        for (path, name), own in functions.items():
            first = min(own)
            report.add_function(path, name, first, own[first] or max(own.values()))

    def _path(self, contract: KnownContract, file: str) -> str | None:
        """A source's path from the root; None for one that is not the project's own."""
        key = (contract.file, file)
        if key not in self._paths:
            self._paths[key] = self._look_up(contract.file, file)
        return self._paths[key]

    def _look_up(self, artifact: Path | None, file: str) -> str | None:
        parts = PurePosixPath(file).parts
        if file.endswith(_TESTS) or file.startswith("@") or any(part in _LIBRARIES for part in parts[:-1]):
            return None
        if artifact is None:
            return file if (self._root / file).is_file() else None
        if "build-info" in artifact.parts:
            return file
        found = artifact.parents[2] / file if len(artifact.parents) > 2 else artifact
        if not found.is_file():
            return None
        return found.relative_to(self._root).as_posix() if found.is_relative_to(self._root) else file


def _title(contract: KnownContract) -> str:
    return f"{contract.source}:{contract.name}" if contract.source else contract.name
