"""scripts/build_wasm.py: the same bytes each time, wherever they are compiled; errors that say what is wrong."""

import shutil
from pathlib import Path

import pytest

from scripts.build_wasm import ASSEMBLYSCRIPT, SOURCES, BuildError, compile_contract

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_compiling_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    if source.suffix == ".ts" and not ASSEMBLYSCRIPT.exists():
        pytest.fail("the AssemblyScript compiler is missing: run scripts/install_client_tools.sh", pytrace=False)
    first = compile_contract(source).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copies = [Path(shutil.copy(file, elsewhere)) for file in source.parent.iterdir() if file.suffix == source.suffix]
    for header in source.parent.glob("*.h"):
        shutil.copy(header, elsewhere)
    copy = next(copy for copy in copies if copy.name == source.name)
    again = compile_contract(copy, tmp_path / "out", tmp_path / "cache").read_bytes()
    assert first[:8] == b"\0asm\1\0\0\0"
    assert again == first
    assert str(source.parent).encode() not in first


def test_what_the_compiler_refuses_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int user_entrypoint(")
    with pytest.raises(BuildError, match=r"wrong\.c.*error: expected"):
        compile_contract(wrong, tmp_path)
    with pytest.raises(BuildError, match=r"no compiler for \.txt; want \.zig, \.c, \.ts"):
        compile_contract(tmp_path / "note.txt", tmp_path)
