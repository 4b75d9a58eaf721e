"""Check the size of files, functions and packages.

At most 500 lines in a file and 60 in a function of Python or Zig, 1,200 in a file of tests, 18 entries at the top of
chain/ and 16 of rpc/. A Zig function that returns a type is as long as the type, which a file bounds.
With -v the lines of each package are told too.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.syntax import PRODUCT, functions, run

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (*PRODUCT, "bench", "deploy", "plugins", "scripts", "testing", "verification", "zevm")
FILE_LINES, FUNCTION_LINES, TEST_FILE_LINES = 500, 60, 1_200
PACKAGE_ENTRIES = {"chain": 18, "rpc": 16}
"""Modules and folders at the top of a package."""

_NOT_OURS = {"node_modules", "cache", "__pycache__"}
"""Folders of what is installed or built."""

_ZIG_FUNCTION = re.compile(r"(?P<indent> *)(?:pub |export |inline |noinline )*fn (?P<name>\w+|@\"[^\"]*\")\(")
_ZIG_TYPE = re.compile(r"\) type \{$")


def files_of(folder: str, *kinds: str) -> list[Path]:
    """The folder's files of these kinds, in their order, without what is installed or built. A link is no folder."""
    found: list[Path] = []
    for parent, folders, names in os.walk(ROOT / folder):
        folders[:] = set(folders) - _NOT_OURS
        found += [Path(parent, name) for name in names if name.endswith(kinds)]
    return sorted(found)


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and number of lines of each function."""
    for node in functions(ast.parse(text)):
        yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def zig_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """The same of text as `zig fmt` leaves it, without functions that return a type."""
    lines = text.splitlines()
    for first, line in enumerate(lines):
        found = _ZIG_FUNCTION.match(line)
        if found is None or line.endswith((";", "}")):
            continue
        last = next(number for number in range(first, len(lines)) if lines[number] == found["indent"] + "}")
        head = next(number for number in range(first, last) if lines[number].endswith("{"))
        if not _ZIG_TYPE.search(lines[head]):
            yield found["name"], first + 1, last - first + 1


FUNCTIONS = {".py": python_functions, ".zig": zig_functions}


def too_long(name: str, text: str) -> Iterator[str]:
    """Each thing over a limit in a file of the product."""
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield f"{name} has {lines} lines, at most {FILE_LINES}: split it by ideas"
    for function, line, size in FUNCTIONS[Path(name).suffix](text):
        if size > FUNCTION_LINES:
            yield f"{name}:{line} {function} has {size} lines, at most {FUNCTION_LINES}"


def entries(package: Path) -> list[str]:
    """The modules and folders at the top of a package."""
    return [path.name for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]


def findings() -> Iterator[str]:
    """Everything over a limit in the tree."""
    for package in PACKAGES:
        for file in files_of(package, *FUNCTIONS):
            yield from too_long(str(file.relative_to(ROOT)), file.read_text())
    for file in files_of("tests", ".py"):
        lines = len(file.read_text().splitlines())
        if lines > TEST_FILE_LINES:
            yield f"{file.relative_to(ROOT)} has {lines} lines, at most {TEST_FILE_LINES}"
    for package, most in PACKAGE_ENTRIES.items():
        count = len(entries(ROOT / package))
        if count > most:
            yield f"{package}/ has {count} entries, at most {most}: put what belongs together into a folder"


def main() -> int:
    """Print the findings; 1 where there are any."""
    found = list(findings())
    for finding in found:
        print(f"error: {finding}")
    if "-v" in sys.argv[1:]:
        for package in (*PACKAGES, "tests"):
            lines = sum(len(file.read_text().splitlines()) for file in files_of(package, *FUNCTIONS))
            print(f"{package:12} {lines:7,} lines")
    return bool(found)


if __name__ == "__main__":
    run(main)
