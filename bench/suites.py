"""Measure a suite of 200 tests, each with a snapshot: zEVM's plugin, eth-tester on py-evm, and a spawned Anvil.

    python -m bench.suites [--rounds 3]

The test bodies are the same (bench/suite/test_token.py): two transactions, three calls, a revert, assertions. The
contenders take turns; each run is a process of pytest. The figures are of the tests with their snapshots; the
session's start is in the last row. eth-tester comes by `pip install eth-tester==0.14.0b1`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from testing.contracts import build_examples
from testing.node_process import ROOT

SUITE = ROOT / "bench" / "suite"
CONTENDERS = ("zEVM", "eth-tester", "Anvil")


@dataclass
class Runs:
    """Seconds of the tests, of each run's median test, and of whole processes."""

    tests: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    processes: list[float] = field(default_factory=list)


def run(contender: str, folder: Path, runs: Runs) -> None:
    """Run the suite once. Raises RuntimeError with pytest's output if a test fails."""
    result = folder / "seconds.json"
    environment = os.environ | {"BENCH_CONTENDER": contender, "BENCH_RESULT": str(result), "PYTHONPATH": str(ROOT)}
    plugin = () if contender == "zEVM" else ("-p", "no:zevm")
    started = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(SUITE / "pytest.ini"), *plugin, str(SUITE)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if finished.returncode != 0:
        raise RuntimeError(f"{contender}: {finished.stdout[-3_000:]}{finished.stderr[-1_000:]}")
    seconds = json.loads(result.read_text())
    runs.processes.append(time.perf_counter() - started)
    runs.tests.append(sum(seconds))
    runs.medians.append(statistics.median(seconds))


def table(results: dict[str, Runs]) -> list[str]:
    """The medians of the rounds, and the ratios to zEVM; above 1 zEVM is faster."""
    rows: tuple[tuple[str, Callable[[Runs], float]], ...] = (
        ("200 tests, s", lambda runs: statistics.median(runs.tests)),
        ("a test, ms", lambda runs: statistics.median(runs.medians) * 1_000),
        ("the process with its start, s", lambda runs: statistics.median(runs.processes)),
    )
    others = CONTENDERS[1:]
    lines = [
        "|  | " + " | ".join([*CONTENDERS, *(f"{name} / zEVM" for name in others)]) + " |",
        "|---" + "|---:" * (len(CONTENDERS) + len(others)) + "|",
    ]
    for title, figure in rows:
        figures = [figure(results[name]) for name in CONTENDERS]
        ratios = [value / figures[0] for value in figures[1:]]
        lines.append("| " + " | ".join([title, *(f"{value:.2f}" for value in [*figures, *ratios])]) + " |")
    return lines


def main() -> None:
    """Run all contenders in turns, and print the table."""
    parser = argparse.ArgumentParser(description="200 tests with a snapshot each")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    build_examples()
    results = {name: Runs() for name in CONTENDERS}
    with tempfile.TemporaryDirectory(prefix="zevm-bench-") as folder:
        for _ in range(rounds):
            for name, runs in results.items():
                run(name, Path(folder), runs)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
