"""Gas of each function of each contract over a run of tests, from the transactions that succeeded.

Nothing of the node is imported here: under xdist, the process that writes the report has no node.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median_low


@dataclass(frozen=True, slots=True)
class Row:
    """Gas of one function: of the cheapest, the mean, the median and the dearest transaction, and their number."""

    min: int
    mean: int
    median: int
    max: int
    calls: int


@dataclass(slots=True)
class GasReport:
    """Gas by contract and function. used: contract -> function -> gas of a transaction -> how many took it."""

    used: dict[str, dict[str, Counter[int]]] = field(default_factory=dict)

    def add(self, contract: str, function: str, gas: int, times: int = 1) -> None:
        """Count transactions."""
        self.used.setdefault(contract, {}).setdefault(function, Counter())[gas] += times

    def merge(self, plain: Mapping[str, Mapping[str, list[tuple[int, int]]]]) -> None:
        """Add another process's report."""
        for contract, functions in plain.items():
            for function, pairs in functions.items():
                for gas, times in pairs:
                    self.add(contract, function, gas, times)

    def plain(self) -> dict[str, dict[str, list[tuple[int, int]]]]:
        """The report as lists and dictionaries, for `merge`."""
        return {
            contract: {function: sorted(counts.items()) for function, counts in functions.items()}
            for contract, functions in self.used.items()
        }

    def rows(self) -> Iterator[tuple[str, str, Row]]:
        """(contract, function, figures), by name."""
        for contract, functions in sorted(self.used.items()):
            for function, counts in sorted(functions.items()):
                yield contract, function, _row(counts)

    def lines(self) -> list[str]:
        """The table."""
        names = [(f"{contract}.{function}", row) for contract, function, row in self.rows()]
        if not names:
            return ["no transaction of a contract succeeded"]
        width = max(len(name) for name, _ in names)
        figures = ("min", "mean", "median", "max", "calls")
        head = f"{'function':<{width}}" + "".join(f"{figure:>12}" for figure in figures)
        return [head] + [
            f"{name:<{width}}" + "".join(f"{getattr(row, figure):>12,}" for figure in figures) for name, row in names
        ]

    def write(self, file: Path) -> None:
        """Write JSON: contract -> function -> figures."""
        document: dict[str, dict[str, dict[str, int]]] = {}
        for contract, function, row in self.rows():
            document.setdefault(contract, {})[function] = asdict(row)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2) + "\n")


def _row(counts: Counter[int]) -> Row:
    calls = counts.total()
    total = sum(gas * times for gas, times in counts.items())
    return Row(min(counts), round(total / calls), median_low(counts.elements()), max(counts), calls)
