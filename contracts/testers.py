"""Runners of a project's tests, by the files that it has."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zevm.contracts.errors import CompilerMissingError, NoArtifactError
from zevm.contracts.source_files import read_text
from zevm.contracts.toolchain import library_of, node_tool, zig, zig_environment

_ZIG_TEST = re.compile(r"^test\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tester:
    """One runner. environment: of the process, whole."""

    command: tuple[str, ...]
    environment: dict[str, str]


def testers_of(root: Path) -> list[Tester]:
    """The runners of a project's tests. Raises BuildError, CompilerMissingError, NoArtifactError."""
    found = []
    environment = dict(os.environ)
    for source in sorted((root / "src").rglob("*.zig")):
        if _ZIG_TEST.search(read_text(source)):
            found.append(Tester(_zig_test(source, root), environment | zig_environment(None)))
    if (root / "foundry.toml").exists():
        forge = node_tool("forge", "@foundry-rs/forge", "Solidity's tests", root)
        solc = shutil.which("solc")
        found.append(Tester((forge, "test", *(() if solc is None else ("--use", solc, "--offline"))), environment))
    if any((root / "tests").glob("test_*.py")):
        if not any((root / "out").glob("*/*.json")):
            raise NoArtifactError(f"no artifact in {root / 'out'}, which the tests in tests/ use")
        for package, extra in (("pytest", "pytest"), ("web3", "zevm-node[web3]")):
            if find_spec(package) is None:
                raise CompilerMissingError(f"the tests in Python need {package}: pip install '{extra}'")
        found.append(Tester((sys.executable, "-m", "pytest", "-q", "tests"), environment))
    return found


def _zig_test(source: Path, root: Path) -> tuple[str, ...]:
    """The command of `zig build test` without its build system, whose first run on a machine takes minutes."""
    library = library_of(root)
    runner = ("--test-runner", str(library / "testing" / "runner.zig"))
    return zig(), "test", "--dep", "covenant", f"-Mroot={source}", f"-Mcovenant={library / 'covenant.zig'}", *runner
