"""Write the documents that are made from the code, or check that they are current.

python scripts/make_docs.py            write them
python scripts/make_docs.py --check    fail where one on disk differs, or docs/README.md lacks a document
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from zevm.analysis.audit.documents import with_rules
from zevm.chain.zvm import documents as zvm_documents
from zevm.node.documents import settings_document
from zevm.rpc import methods
from zevm.rpc.methods.support import openrpc
from zevm.rpc.registry import REGISTRY

ROOT = Path(__file__).resolve().parent.parent

LAYOUT_FOLDERS = (
    "zevm",
    "node",
    "rpc",
    "covenant",
    "analysis",
    "contracts",
    "chain",
    "storage",
    "core",
    "bench",
    "deploy",
    "scripts",
    "testing",
    "verification",
)

_DOCSTRING = re.compile(r'(?:#.*\n|\s)*"""(?:[^"\\]|\\.|"(?!""))*"""(?=\s*\n|\Z)', re.DOTALL)
"""A module until its docstring ends."""

_LAYOUT_HEAD = """# Layout

Every module in one line, made from the first sentences of the modules' docstrings by `make docs`.
[architecture.md](architecture.md) explains how the packages work together.
"""


def documents() -> dict[Path, str]:
    """Path in the repository -> what it should hold."""
    methods.load()
    return {
        Path("docs/methods.md"): openrpc.methods_document(REGISTRY),
        Path("docs/limits.md"): openrpc.limits_document(),
        Path("docs/settings.md"): settings_document(),
        Path("docs/zvm.md"): zvm_documents.with_tables((ROOT / "docs/zvm.md").read_text()),
        Path("docs/audit.md"): with_rules((ROOT / "docs/audit.md").read_text()),
        Path("docs/layout.md"): layout_document({file: (ROOT / file).read_text() for file in _modules()}),
    }


def layout_document(modules: dict[Path, str]) -> str:
    """A section a folder, a row a module. `modules`: path in the repository -> source."""
    parts = [_LAYOUT_HEAD]
    for folder in dict.fromkeys(file.parent for file in modules):
        purpose = first_sentence(modules.get(folder / "__init__.py", ""))
        parts.append(f"\n## {folder}/\n\n" + (f"{purpose}\n\n" if purpose else ""))
        parts.extend(
            f"* `{file.name}`: {first_sentence(source)}\n"
            for file, source in modules.items()
            if file.parent == folder and file.name != "__init__.py"
        )
    return "".join(parts)


def first_sentence(source: str) -> str:
    """The first sentence of a module's docstring in one line; empty without a docstring."""
    # to parse the whole of every module takes as long as all else
    found = _DOCSTRING.match(source)
    paragraph = (ast.get_docstring(ast.parse(found[0] if found else source)) or "").split("\n\n")[0]
    text = " ".join(paragraph.split()).removesuffix(":")
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def without_index_line(index: str, names: list[str]) -> list[str]:
    """The documents that have no link in the index of docs/."""
    return [name for name in names if name != "README.md" and f"]({name})" not in index]


def _modules() -> list[Path]:
    """Every Python file of the repository that the layout shows; a folder's own files before its folders'."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *LAYOUT_FOLDERS],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [Path(line) for line in listed.stdout.splitlines() if line.endswith(".py") and (ROOT / line).is_file()]
    return sorted(files, key=lambda file: (LAYOUT_FOLDERS.index(file.parts[0]), file.parent, file.name))


def _stale() -> Iterator[str]:
    for path, text in documents().items():
        if not (ROOT / path).exists() or (ROOT / path).read_text() != text:
            yield f"{path} is not current: run `make docs`"
    names = sorted(file.name for file in (ROOT / "docs").glob("*.md"))
    for name in without_index_line((ROOT / "docs/README.md").read_text(), names):
        yield f"docs/{name} has no line in docs/README.md: add one"


def main() -> int:
    """Write or check; 1 where a check finds a difference."""
    if "--check" in sys.argv[1:]:
        messages = list(_stale())
        for message in messages:
            print(message)
        return 1 if messages else 0
    for path, text in documents().items():
        if not (ROOT / path).exists() or (ROOT / path).read_text() != text:
            (ROOT / path).write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
