"""scripts/check_sizes.py: what is too long is named with its place. `make lint` checks the repository."""

from pathlib import Path

import pytest

from scripts import check_sizes
from scripts.check_sizes import FILE_LINES, FUNCTION_LINES, too_long


def python_function(lines: int) -> str:
    return "def told() -> None:\n" + "    pass\n" * (lines - 1)


def zig_function(lines: int, head: str = "    pub fn told(self: *Self) void {", end: str = "    }") -> str:
    return "\n".join(["const A = struct {", head, *["        call();"] * (lines - 2), end, "};", ""])


@pytest.mark.parametrize("kind", ["py", "zig"])
def test_a_file_has_at_most_500_lines(kind: str) -> None:
    assert list(too_long(f"a.{kind}", "\n" * FILE_LINES)) == []
    assert list(too_long(f"a.{kind}", "\n" * (FILE_LINES + 1))) == [
        f"a.{kind} has 501 lines, at most 500: split it by ideas"
    ]


def test_a_function_has_at_most_60_lines() -> None:
    assert list(too_long("a.py", python_function(FUNCTION_LINES))) == []
    assert list(too_long("a.py", python_function(FUNCTION_LINES + 1))) == ["a.py:1 told has 61 lines, at most 60"]
    assert list(too_long("a.zig", zig_function(FUNCTION_LINES))) == []
    assert list(too_long("a.zig", zig_function(FUNCTION_LINES + 1))) == ["a.zig:2 told has 61 lines, at most 60"]


def test_a_zig_function_is_found_however_it_begins() -> None:
    head = "    pub inline fn told(\n        self: *Self,\n    ) Error!void {"
    assert list(too_long("a.zig", zig_function(60, head))) == ["a.zig:2 told has 62 lines, at most 60"]
    one_line = "    fn brief() void {}\n    extern fn other() void;\n"
    assert list(too_long("a.zig", one_line + "\n" * 200)) == []


def test_a_zig_type_may_be_as_long_as_its_file() -> None:
    assert list(too_long("a.zig", zig_function(100, "    pub fn Made(comptime Key: type) type {"))) == []
    method = zig_function(61).replace("const A = struct {", "pub fn Made(comptime Key: type) type {").replace("};", "}")
    assert list(too_long("a.zig", method)) == ["a.zig:2 told has 61 lines, at most 60"]


def test_a_package_has_so_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__init__.py", "one.py", "two.py", "text.md"):
        (tmp_path / "chain" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "chain" / name).touch()
    for name, file in (("folder", "__init__.py"), ("__pycache__", "one.pyc")):
        (tmp_path / "chain" / name).mkdir()
        (tmp_path / "chain" / name / file).touch()
    monkeypatch.setattr(check_sizes, "ROOT", tmp_path)
    monkeypatch.setattr(check_sizes, "PACKAGES", ())
    monkeypatch.setattr(check_sizes, "PACKAGE_ENTRIES", {"chain": 4})
    assert list(check_sizes.findings()) == []
    monkeypatch.setattr(check_sizes, "PACKAGE_ENTRIES", {"chain": 3})
    assert list(check_sizes.findings()) == ["chain/ has 4 entries, at most 3: put what belongs together into a folder"]
