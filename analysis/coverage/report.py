"""The coverage of source files, as counts that several processes add up, as a table and as LCOV.

Nothing of the node is imported here: under xdist, the process that writes the report has no node.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class FunctionCoverage:
    """line: its first line with code. count: how often it ran."""

    line: int
    count: int = 0


@dataclass(slots=True)
class FileCoverage:
    """Lines with code, and how often each ran; functions by name."""

    lines: dict[int, int] = field(default_factory=dict)
    functions: dict[str, FunctionCoverage] = field(default_factory=dict)

    @property
    def lines_hit(self) -> int:
        """Number of lines that ran."""
        return sum(count > 0 for count in self.lines.values())

    @property
    def functions_hit(self) -> int:
        """Number of functions that ran."""
        return sum(function.count > 0 for function in self.functions.values())

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Lines that ran, of how many, and the same of functions."""
        return self.lines_hit, len(self.lines), self.functions_hit, len(self.functions)

    def missing(self) -> str:
        """The lines that did not run: `12, 31-34`. A range has no line between its ends that ran."""
        ranges: list[list[int]] = []
        goes_on = False
        for line, count in sorted(self.lines.items()):
            if count:
                goes_on = False
                continue
            if goes_on:
                ranges[-1][1:] = [line]
            else:
                ranges.append([line])
            goes_on = True
        return ", ".join("-".join(map(str, ends)) for ends in ranges)


@dataclass(slots=True)
class CoverageReport:
    """files: by path. unmapped: what ran without a known place in a source, with the reason."""

    files: dict[str, FileCoverage] = field(default_factory=dict)
    unmapped: dict[str, str] = field(default_factory=dict)

    def add_line(self, file: str, line: int, count: int) -> None:
        """Count the runs of a line with code; 0 names it alone."""
        lines = self.files.setdefault(file, FileCoverage()).lines
        lines[line] = lines.get(line, 0) + count

    def add_function(self, file: str, name: str, line: int, count: int) -> None:
        """Count the runs of a function that begins at a line."""
        functions = self.files.setdefault(file, FileCoverage()).functions
        function = functions.setdefault(name, FunctionCoverage(line))
        function.line = min(function.line, line)
        function.count += count

    def plain(self) -> dict[str, Any]:
        """The report as lists and dictionaries, for `merge`."""
        files = {
            name: [
                sorted(file.lines.items()),
                sorted((function, found.line, found.count) for function, found in file.functions.items()),
            ]
            for name, file in self.files.items()
        }
        return {"files": files, "unmapped": dict(self.unmapped)}

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Add another process's report."""
        for name, (lines, functions) in plain.get("files", {}).items():
            for line, count in lines:
                self.add_line(name, line, count)
            for function, line, count in functions:
                self.add_function(name, function, line, count)
        self.unmapped |= plain.get("unmapped", {})

    def lines(self) -> list[str]:
        """A row for each file and one for all: lines and functions that ran, of how many, and the missing lines."""
        rows = [(name, file) for name, file in sorted(self.files.items()) if file.lines]
        if not rows:
            return ["no source map of Solidity or Vyper is known", *self._unmapped_lines()]
        width = max(len(name) for name, _ in rows)
        total = [sum(figures) for figures in zip(*(file.figures for _, file in rows), strict=True)]
        head = f"{'file':<{width}}{'lines':>12}{'functions':>12}{'covered':>10}  missing lines"
        body = [f"{name:<{width}}{_shares(file.figures)}  {file.missing()}".rstrip() for name, file in rows]
        return [head, *body, f"{'total':<{width}}{_shares(total)}", *self._unmapped_lines()]

    def write(self, file: Path) -> None:
        """Write LCOV's tracefile (geninfo(1))."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in self._lcov()))

    def _lcov(self) -> Iterator[str]:
        for name, file in sorted(self.files.items()):
            if not file.lines:
                continue
            yield "TN:"
            yield f"SF:{name}"
            functions = sorted(file.functions.items(), key=lambda pair: (pair[1].line, pair[0]))
            yield from (f"FN:{function.line},{title}" for title, function in functions)
            yield from (f"FNDA:{function.count},{title}" for title, function in functions)
            yield f"FNF:{len(functions)}"
            yield f"FNH:{file.functions_hit}"
            yield from (f"DA:{line},{count}" for line, count in sorted(file.lines.items()))
            yield f"LF:{len(file.lines)}"
            yield f"LH:{file.lines_hit}"
            yield "end_of_record"

    def _unmapped_lines(self) -> list[str]:
        return [f"not covered: {name}: {reason}" for name, reason in sorted(self.unmapped.items())]


def _shares(figures: Sequence[int]) -> str:
    """The columns of FileCoverage.figures, and the share of the lines."""
    lines_hit, lines, functions_hit, functions = figures
    share = f"{100 * lines_hit / lines:.1f} %"
    return f"{f'{lines_hit}/{lines}':>12}{f'{functions_hit}/{functions}':>12}{share:>10}"
