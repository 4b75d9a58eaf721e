"""The fenced blocks of README and docs/, and what is expected of each."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testing.node_process import ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RUNNABLE = {"sh", "python"}
SHOWN = {"", "text", "js", "json", "toml", "yaml", "zig"}

_PIECE = re.compile(
    r"^## (?P<title>[^\n]*)$|^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block. `section`: the heading above it; `reason`: why the tests do not run it, None where they do."""

    section: str
    language: str
    text: str
    reason: str | None

    @property
    def output(self) -> list[str]:
        """The lines that the block says it prints."""
        return re.findall(r"^#> (.*)$", self.text, flags=re.MULTILINE)

    @property
    def script(self) -> str:
        """The block as lines of a shell; a block of Python runs with the `python` on the path."""
        return self.text if self.language == "sh" else f"python - <<'END_OF_PYTHON'\n{self.text}END_OF_PYTHON\n"

    @property
    def file_name(self) -> str | None:
        """The file that the block is the content of, named in its first line: `// game.zig`."""
        named = re.match(r"// (\w+\.\w+)\n", self.text)
        return named[1] if named else None


def blocks_of(document: Path) -> list[Block]:
    """All fenced blocks of a document, in order."""
    return parse(document.read_text())


def parse(text: str) -> list[Block]:
    """All fenced blocks of a text, in order."""
    section, blocks = "", []
    for piece in _PIECE.finditer(text):
        if piece["title"] is not None:
            section = piece["title"].strip()
        else:
            blocks.append(Block(section, piece["language"], piece["text"], piece["reason"]))
    return blocks


PREPARATION = "Preparation"
"""The section whose lines a reader runs before those of any other, where a document has it."""


def runnable(blocks: list[Block]) -> list[Block]:
    """The blocks that the tests run, in order."""
    return [block for block in blocks if block.language in RUNNABLE and block.reason is None]


def sections_of(blocks: list[Block]) -> dict[str, list[Block]]:
    """The runnable blocks of each section, in order."""
    sections: dict[str, list[Block]] = {}
    for block in runnable(blocks):
        sections.setdefault(block.section, []).append(block)
    return sections


def script_of(blocks: list[Block]) -> str:
    """What a reader runs in one shell, from the first line to the last.

    Where a document has a section Preparation, each section follows it alone: in a copy of the shell that ran it.
    """
    sections = {name: "".join(block.script for block in own) for name, own in sections_of(blocks).items()}
    if PREPARATION not in sections:
        return "".join(sections.values())
    return sections.pop(PREPARATION) + "".join(f"(\n{section})\n" for section in sections.values())


_IN_TURN = """
import runpy, sys
for path in sys.argv[1:]:
    print("====", path, flush=True)
    runpy.run_path(path, run_name="__main__")
"""
"""Runs programs one after another: the imports take longer than what the examples do."""


def printed_by(programs: Mapping[str, Block], folder: Path) -> dict[str, list[str]]:
    """What each program prints, by its section; all run in one process, in this folder."""
    files = [f"program_{index}.py" for index in range(len(programs))]
    for file, block in zip(files, programs.values(), strict=True):
        (folder / file).write_text(block.text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ZEVM_", "PYTEST"))}
    finished = subprocess.run(
        [sys.executable, "-c", _IN_TURN, *files],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    outputs = finished.stdout.split("==== ")[1:]
    return {section: output.splitlines()[1:] for section, output in zip(programs, outputs, strict=True)}
