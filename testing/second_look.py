"""Run the failed tests again, one after another, with nothing else at the same time.

Some tests bound how long others wait, or how many processes do something together. On a machine of two processors that
runs tests in each of them, and has neighbours, one of ten thousand fails for a reason that is not the code's. A fault
of the code fails here too. The output names each test that passes only here, so that somebody makes it steadier.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT_TESTS = 12
"""More failures than this are no accident: they stand without a second look."""

PASSED, FAILED = 0, 1
"""Of pytest. Any other exit status is no failed test, so that a second look does not help."""


def failed_tests(cache: Path) -> list[str]:
    """The node identifiers that pytest's cache keeps as failed, sorted; none where there is no cache."""
    file = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_bytes())) if file.exists() else []


def second_look(cache: Path) -> int:
    """Whether all that failed passes alone: 0, or 1; 1 also where nothing failed that could be run again."""
    tests = failed_tests(cache)
    if not 0 < len(tests) <= LIMIT_TESTS:
        print(f"second look: none, as {len(tests)} tests have failed; it is for 1 to {LIMIT_TESTS}", flush=True)
        return FAILED
    print("second look: alone, ", *tests, sep="\n  ", flush=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-o", f"cache_dir={cache}", *tests]
    if subprocess.run(command, check=False).returncode != 0:
        return FAILED
    print("second look: these failed among others, and passed alone:", *tests, sep="\n  ", flush=True)
    return PASSED


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m testing.second_look", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".pytest_cache"), help="pytest's cache directory")
    parser.add_argument("statuses", type=int, nargs="+", help="exit statuses of the runs of pytest that came before")
    arguments = parser.parse_args(words)
    statuses: set[int] = set(arguments.statuses)
    if statuses == {PASSED}:
        return PASSED
    if statuses <= {PASSED, FAILED}:
        return second_look(arguments.cache)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
