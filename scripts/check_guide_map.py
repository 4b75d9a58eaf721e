"""Check docs/guide-map.md: each item of the SHROUD guide has one row, whose tests exist, or is of a later system.

python scripts/check_guide_map.py    print each fault; exit with 1 if there is any

The items are in scripts/guide_items.txt: every example, declaration, member, test and table row of the guide, as
`section.name` with the guide's own names.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.syntax import functions, run

ROOT = Path(__file__).resolve().parent.parent
ITEMS = "scripts/guide_items.txt"
MAP = "docs/guide-map.md"

_ROW = re.compile(r"^\| `(?P<item>[^`]+)` \|(?P<here>[^|]*)\| (?P<proof>[^|]*?) \|$")
_TABLE_LINE = re.compile(r"^\|")
_HEAD = re.compile(r"^\|(?: item |-{3,}\|)")
_TEST = re.compile(r"`(?P<file>[\w./-]+)::(?P<name>[^`]+)`")
_ZIG_TEST = re.compile(r'^\s*test "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the map. here: the counterpart. proof: its tests."""

    line: int
    item: str
    here: str
    proof: str


def items_of(text: str) -> list[str]:
    """The items of a list: one a line, `#` begins a comment."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def rows_of(text: str) -> Iterator[Row | str]:
    """The rows of the map's tables, and a complaint for each other line of a table."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = _ROW.match(line)
        if found is not None:
            yield Row(number, found["item"], found["here"].strip(), found["proof"])
        elif _TABLE_LINE.match(line) and not _HEAD.match(line):
            yield f"{MAP}:{number}: no row of the form | `item` | here | tests |"


@cache
def defined_tests(file: Path) -> frozenset[str]:
    """Names of the tests in a file of Python or Zig; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    text = file.read_text()
    if file.suffix == ".zig":
        return frozenset(_ZIG_TEST.findall(text))
    return frozenset(node.name for node in functions(ast.parse(text)) if node.name.startswith("test_"))


def row_faults(row: Row, root: Path) -> Iterator[str]:
    """A message for each fault of a row by itself."""
    where = f"{MAP}:{row.line}: {row.item}"
    if not row.here:
        yield f"{where}: no counterpart"
    tests = _TEST.findall(row.proof)
    if not tests or _TEST.sub("", row.proof).strip(" ,"):
        yield f"{where}: no test; write `file::name`, several with commas between them"
    for file, name in tests:
        if not (root / file).is_file():
            yield f"{where}: there is no file {file}"
        elif name not in defined_tests(root / file):
            yield f"{where}: there is no test {name} in {file}"


def faults(items: Iterable[str], text: str, root: Path) -> Iterator[str]:
    """A message for each fault of the map against the items."""
    known: Mapping[str, int] = Counter(items)
    seen: Counter[str] = Counter()
    for row in rows_of(text):
        if isinstance(row, str):
            yield row
            continue
        seen[row.item] += 1
        if row.item not in known:
            yield f"{MAP}:{row.line}: {row.item} is no item of {ITEMS}"
        elif seen[row.item] > 1:
            yield f"{MAP}:{row.line}: {row.item} has a row already"
        yield from row_faults(row, root)
    yield from (f"{ITEMS}: {item} has no row in {MAP}" for item in known if item not in seen)
    yield from (f"{ITEMS}: {item} is listed {count} times" for item, count in known.items() if count > 1)


def main() -> int:
    """Print the faults; 1 if there are any."""
    found = list(faults(items_of((ROOT / ITEMS).read_text()), (ROOT / MAP).read_text(), ROOT))
    for message in found:
        print(message)
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
