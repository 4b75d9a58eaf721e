"""scripts/check_guide_map.py: every fault of the map that it is there for."""

from pathlib import Path

import pytest

from scripts.check_guide_map import ITEMS, MAP, ROOT, defined_tests, faults, items_of

GOOD = """
| item | here | tests |
|---|---|---|
| `vm.call` | `CovenantVM.call` | `tests/test_a.py::test_call` |
| `vm.get` | `get` | `tests/test_a.py::test_method`, `zig/a.zig::two words` |
"""
ITEMS_OF_GOOD = ["vm.call", "vm.get"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "zig").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "async def test_call(): ...\nclass TestIt:\n    def test_method(self): ...\ndef helper(): ...\n"
    )
    (tmp_path / "zig" / "a.zig").write_text('// test "no test"\ntest "two words" {}\n    test "inner" {}\n')
    return tmp_path


def test_a_complete_map_has_no_fault(root: Path) -> None:
    assert list(faults(ITEMS_OF_GOOD, GOOD, root)) == []


@pytest.mark.parametrize("item", ITEMS_OF_GOOD)
def test_each_item_needs_its_row(root: Path, item: str) -> None:
    without = "\n".join(line for line in GOOD.splitlines() if f"`{item}`" not in line)
    assert list(faults(ITEMS_OF_GOOD, without, root)) == [f"{ITEMS}: {item} has no row in {MAP}"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("| `vm.other` | x | `tests/test_a.py::test_call` |", "vm.other is no item of"),
        ("| `vm.call` | x | `tests/test_a.py::test_call` |", "vm.call has a row already"),
        ("| `vm.more` | x | `tests/test_b.py::test_call` |", "there is no file tests/test_b.py"),
        ("| `vm.more` | x | `tests/test_a.py::test_cal` |", "there is no test test_cal in tests/test_a.py"),
        ("| `vm.more` | x | `tests/test_a.py::helper` |", "there is no test helper in"),
        ("| `vm.more` | x | `zig/a.zig::no test` |", "there is no test no test in zig/a.zig"),
        ("| `vm.more` | x | |", "no row of the form"),
        ("| `vm.more` | x |  |", "no test; write `file::name`"),
        ("| `vm.more` | x | by hand |", "no test; write `file::name`"),
        ("| `vm.more` | x | `tests/test_a.py::test_call` and by hand |", "no test; write `file::name`"),
        ("| `vm.more` | | `tests/test_a.py::test_call` |", "no counterpart"),
        ("| `vm.more` | x | planned: coffee |", "no test"),
        ("| vm.more | x | `tests/test_a.py::test_call` |", "no row of the form"),
    ],
)
def test_each_fault_of_a_row_is_told_with_its_line(root: Path, row: str, message: str) -> None:
    found = list(faults([*ITEMS_OF_GOOD, "vm.more"], GOOD + row + "\n", root))
    line = len(GOOD.splitlines()) + 1
    assert any(message in each and each.startswith(f"{MAP}:{line}: ") for each in found), found


def test_an_item_listed_twice_is_told(root: Path) -> None:
    assert list(faults([*ITEMS_OF_GOOD, "vm.get"], GOOD, root)) == [f"{ITEMS}: vm.get is listed 2 times"]


def test_comments_and_blank_lines_are_no_items() -> None:
    assert items_of("# a comment\n\nvm.call\n  vm.get  \n") == ["vm.call", "vm.get"]


def test_tests_are_found_in_python_and_zig(root: Path) -> None:
    assert defined_tests(root / "tests" / "test_a.py") == {"test_call", "test_method"}
    assert defined_tests(root / "zig" / "a.zig") == {"two words", "inner"}
    assert defined_tests(root / "nowhere.py") == frozenset()


def test_the_list_has_the_guide_s_items() -> None:
    """That the repository's own map has a row for each is what `make lint` checks."""
    assert len(items_of((ROOT / ITEMS).read_text())) > 200
