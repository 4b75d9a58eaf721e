"""Check the size of files and functions: soft limits are told, hard ones fail.

Limits in lines: files 500 soft, 900 hard; functions 60 soft, 100 hard. Tests are exempt from the soft
limits; a test file may have 1,200 lines. With -v the lines of each package are told too.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.syntax import functions, run

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "node",
    "rpc",
    "covenant",
    "analysis",
    "contracts",
    "chain",
    "storage",
    "core",
    "bench",
    "deploy",
    "scripts",
    "testing",
    "verification",
)
FILE_SOFT, FILE_HARD = 500, 900
FUNCTION_SOFT, FUNCTION_HARD = 60, 100
TEST_FILE_HARD = 1_200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing over a limit."""

    where: str
    lines: int
    limit: int
    hard: bool

    def __str__(self) -> str:
        word = "error" if self.hard else "note"
        return f"{word}: {self.where} has {self.lines} lines, {'at most' if self.hard else 'better under'} {self.limit}"


def python_files(folder: str) -> list[Path]:
    """The folder's Python files, installed packages left out."""
    return sorted(file for file in (ROOT / folder).rglob("*.py") if "node_modules" not in file.parts)


def judge(where: str, lines: int, soft: int, hard: int) -> Iterator[Finding]:
    """The finding for a size, if there is one."""
    if lines > hard:
        yield Finding(where, lines, hard, hard=True)
    elif lines > soft:
        yield Finding(where, lines, soft, hard=False)


def check_file(file: Path) -> Iterator[Finding]:
    """The findings of one product file."""
    text = file.read_text()
    name = str(file.relative_to(ROOT))
    yield from judge(name, len(text.splitlines()), FILE_SOFT, FILE_HARD)
    for node in functions(ast.parse(text)):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        yield from judge(f"{name}:{node.lineno} {node.name}", lines, FUNCTION_SOFT, FUNCTION_HARD)


def findings() -> Iterator[Finding]:
    """Everything over a limit in the tree."""
    for package in PACKAGES:
        for file in python_files(package):
            yield from check_file(file)
    for file in python_files("tests"):
        lines = len(file.read_text().splitlines())
        yield from judge(str(file.relative_to(ROOT)), lines, TEST_FILE_HARD, TEST_FILE_HARD)


def main() -> int:
    """Print the findings; 1 where a hard limit is passed."""
    found = list(findings())
    for finding in found:
        print(finding)
    if "-v" in sys.argv[1:]:
        for package in (*PACKAGES, "tests"):
            lines = sum(len(file.read_text().splitlines()) for file in python_files(package))
            print(f"{package:10} {lines:7,} lines")
    return any(finding.hard for finding in found)


if __name__ == "__main__":
    run(main)
