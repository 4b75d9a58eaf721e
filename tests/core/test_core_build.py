"""The core's presence: found, left out, required; its build, and what it is built from."""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from testing.node_process import ROOT
from tests.core.support import needs_core
from zevm.core import CORE, build, loading, references

SHOW = """
from zevm.core import CORE
from zevm.storage.trie import ordered_root
print(CORE.description, ordered_root([b"a"]).hex())
"""


def shown(**environment: str) -> str:
    """What a fresh process says of the core, and a root that it computes."""
    finished = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=ROOT, env={**os.environ, loading.REQUIRE_CORE: "", **environment},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return finished.stdout.strip()


def test_without_the_core_python_gives_the_same_answers_and_the_reason_is_told() -> None:
    text, root = shown(ZEVM_NO_CORE="1").rsplit(" ", 1)
    assert text == "Python (ZEVM_NO_CORE is set)"
    assert root == references["ordered_root"]([b"a"]).hex()


@needs_core
def test_the_core_is_found_and_says_its_level() -> None:
    assert loading.load({}) == CORE
    assert loading.load({loading.REQUIRE_CORE: "1"}) == CORE
    assert CORE.description == f"native ({CORE.kernel})"
    assert CORE.kernel in ("baseline", "x86_64_v3", "x86_64_v4")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("no"), "it was installed without the core"),
        (ImportError("wrong format"), "the core does not load: wrong format"),
    ],
)
def test_a_missing_core_is_a_reason_and_where_it_is_required_an_error(
    error: ImportError, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str) -> None:
        raise error

    monkeypatch.setattr(loading, "import_module", fail)
    for environment in ({}, {loading.REQUIRE_CORE: ""}, {loading.REQUIRE_CORE: "0"}):
        found = loading.load(environment)
        assert (found.library, found.reason, found.kernel, found.memory_bytes) == (None, reason, None, 0)
        assert found.description == f"Python ({reason})"
    with pytest.raises(ImportError, match=r"ZEVM_REQUIRE_CORE is set, but .*`make install` builds it$"):
        loading.load({loading.REQUIRE_CORE: "1"})


@needs_core
def test_a_library_of_other_stubs_is_not_used_and_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CORE.library is not None
    stubs = tmp_path / "_core.pyi"
    stubs.write_text(build.FACE.read_text() + "\ndef more() -> None: ...\n")
    monkeypatch.setattr(loading, "_FACE", stubs)
    monkeypatch.setitem(sys.modules, CORE.library.__name__, CORE.library)
    found = loading.load({})
    told = "_core.abi3.so is of another version than its stubs, _core.pyi: `make install` builds it again"
    assert (found.library, found.reason) == (None, told)
    assert CORE.library.__name__ not in sys.modules
    with pytest.raises(ImportError, match=f"^{loading.REQUIRE_CORE} is set, but {told}$"):
        loading.load({loading.REQUIRE_CORE: "1"})
    monkeypatch.setattr(loading, "_FACE", build.FACE)
    assert loading.load({}).reason == ""


@needs_core
def test_a_library_older_than_changed_sources_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CORE.library is not None
    sources = tmp_path / "zig"
    shutil.copytree(build.SOURCES, sources)
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setattr(loading, "_SOURCES", sources)
    monkeypatch.setitem(sys.modules, CORE.library.__name__, CORE.library)
    later = Path(str(CORE.library.__file__)).stat().st_mtime + 10
    os.utime(sources / "opcodes.zig", (later, later))
    assert loading.load({}).reason == "", "the time alone is no reason"
    with (sources / "opcodes.zig").open("a") as file:
        file.write("// more\n")
    os.utime(sources / "opcodes.zig", (later, later))
    told = "_core.abi3.so is older than its sources, opcodes.zig for one: `make install` builds it again"
    assert loading.load({}) == loading.Core(None, told)


@needs_core
def test_the_library_says_what_it_was_built_from() -> None:
    assert CORE.library is not None
    assert (build.face_checksum(), build.sources_checksum()) == (CORE.library.FACE, CORE.library.SOURCES)


def test_the_compiler_is_the_one_that_contracts_are_pinned_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = f"ziglang=={build.ZIG_VERSION}"
    assert pinned in project["optional-dependencies"]["zig"]
    assert (ROOT / "requirements-core.lock").read_text().startswith(f"{pinned} \\\n")
    assert not any("ziglang" in line for line in project["dependencies"])


def test_a_build_copies_what_the_cache_has_under_the_checksum_of_all_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sources = tmp_path / "zig"
    shutil.copytree(build.SOURCES, sources)
    monkeypatch.setattr(build, "SOURCES", sources)
    before = build.checksum("x86_64-linux-musl")
    assert before != build.checksum("x86_64-macos")
    with (sources / "rlp.zig").open("a") as file:
        file.write("// more\n")
    assert build.checksum("x86_64-linux-musl") != before
    kept = build.kept_library("x86_64-linux-musl")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a library")
    monkeypatch.setattr(build, "compiler", lambda: pytest.fail("nothing is to be compiled"))
    build.build(tmp_path / "made" / "_core.abi3.so", "x86_64-linux-musl")
    assert (tmp_path / "made" / "_core.abi3.so").read_bytes() == b"a library"


def test_where_nothing_compiles_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "compiler", lambda: [sys.executable, "-c", "raise SystemExit('no such option')"])
    with pytest.raises(build.BuildError, match=r"Zig fails .*no such option"):
        build.build(tmp_path / "out.so", "aarch64-macos")
    assert not (tmp_path / "out.so").exists()
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.BuildError, match=f"Zig {build.ZIG_VERSION} is not installed"):
        build.compiler()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(build.BuildError, match="not made for linux on riscv64"):
        build.this_target()


@needs_core
def test_the_library_in_use_is_that_of_these_sources() -> None:
    kept = build.kept_library(build.this_target())
    if not kept.exists():
        pytest.skip("this library was built elsewhere")
    library = Path(str(CORE.library.__file__))
    assert hashlib.sha256(library.read_bytes()).digest() == hashlib.sha256(kept.read_bytes()).digest()
