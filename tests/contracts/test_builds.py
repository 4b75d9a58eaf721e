"""Builds of contracts: the same bytes each time, wherever they are compiled; errors that say what is wrong."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from testing.contracts import CACHE, SOURCES, TOOLS, compiled
from zevm.contracts import BuildError, BuildOptions, build

OPTIONS = BuildOptions(cache=CACHE, tools=TOOLS)


def module(source: Path) -> bytes:
    found = build(source, OPTIONS).module
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_compiling_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first = compiled(source)
    elsewhere = tmp_path / "else where"
    shutil.copytree(source.parent, elsewhere)
    cache = tmp_path / "cache" if source.name == "maths.zig" else CACHE  # an empty one takes ten seconds
    again = build(elsewhere / source.name, replace(OPTIONS, cache=cache))
    assert first.module is not None
    assert first.module[:8] == b"\0asm\1\0\0\0"
    assert (again.module, again.bytecode) == (first.module, first.bytecode)
    assert again.source_map == first.source_map
    assert (first.source_map is None) == (source.suffix == ".ts")
    assert str(source.parent).encode() not in first.module


def test_what_the_compiler_refuses_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int user_entrypoint(")
    with pytest.raises(BuildError, match=r"^wrong\.c:1:21: error: expected"):
        build(wrong, OPTIONS)
    with pytest.raises(BuildError, match=r"no compiler for \.txt; want \.zig, \.c, \.ts"):
        build(tmp_path / "note.txt", OPTIONS)
