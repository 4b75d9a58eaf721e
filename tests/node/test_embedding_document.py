"""Every example of docs/embedding.md, run as a program of its own, in an empty folder, with what it says it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testing.node_process import ROOT
from tests.clients.document_blocks import blocks_of

BLOCKS = [block for block in blocks_of(ROOT / "docs" / "embedding.md") if block.language == "python"]
FILES = {named[1]: block for block in BLOCKS if (named := re.match(r"# (\w+\.py)\n", block.text))}
"""Of a project with tests: tests/package/test_built_package.py runs them."""

PROGRAMS = {block.section: block for block in BLOCKS if block not in FILES.values()}


IN_TURN = """
import runpy, sys
for path in sys.argv[1:]:
    print("====", path, flush=True)
    runpy.run_path(path, run_name="__main__")
"""
"""Runs programs one after another: the imports take longer than what the examples do."""


def run(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ZEVM_", "PYTEST"))}
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    return finished.stdout


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each program prints, by its section."""
    folder = tmp_path_factory.mktemp("programs")
    files = [f"program_{index}.py" for index in range(len(PROGRAMS))]
    for file, block in zip(files, PROGRAMS.values(), strict=True):
        (folder / file).write_text(block.text)
    outputs = run(folder, "-c", IN_TURN, *files).split("==== ")[1:]
    return {section: output.splitlines()[1:] for section, output in zip(PROGRAMS, outputs, strict=True)}


@pytest.mark.parametrize("section", PROGRAMS)
def test_the_example_prints_what_it_says(section: str, printed: dict[str, list[str]]) -> None:
    assert printed[section] == PROGRAMS[section].output
    assert printed[section]


def test_no_example_is_left_out() -> None:
    assert len(PROGRAMS) + len(FILES) == len(BLOCKS)
    assert {"conftest.py", "test_transfer.py"} == set(FILES)
