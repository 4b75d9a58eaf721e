"""Check what the layers in pyproject.toml cannot see: circles of imports between modules, and imports for types.

An import counts wherever it stands: at the top, inside a function, or under `if TYPE_CHECKING`, which no product
module has. Circles are of modules, not of folders.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scripts.syntax import PRODUCT, run, statements

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "zevm"

Graph = Mapping[str, set[str]]


def module_files(root: Path) -> dict[str, Path]:
    """The product's modules by the names that they are imported by."""
    found = {}
    for package in PRODUCT:
        for file in sorted((root / package).rglob("*.py")):
            parts = (PREFIX, *file.relative_to(root).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(tree: ast.Module, names: Iterable[str]) -> set[str]:
    """Which of the named modules a module imports, anywhere in it."""
    known: set[str] = set(names)
    found: set[str] = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(submodules & known or {node.module})
    return found & known


def import_graph(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Module -> the modules of the product that it imports."""
    return {name: imported(ast.parse(file.read_text()), files) - {name} for name, file in files.items()}


def circles(graph: Graph) -> list[list[str]]:
    """Sets of modules each of which reaches every other one of its set; of one module none. Tarjan's algorithm."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            place = stack.index(name)
            circle = stack[place:]
            del stack[place:]
            if len(circle) > 1:
                found.append(sorted(circle))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def imports_for_types(source: str) -> list[int]:
    """The lines that reach TYPE_CHECKING: `from typing import TYPE_CHECKING`, under any name, or an attribute of it."""
    if "TYPE_CHECKING" not in source:
        return []
    tree = ast.parse(source)
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    lines = {node.lineno for node in imports if any(alias.name == "TYPE_CHECKING" for alias in node.names)}
    reads = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return sorted(lines | {node.lineno for node in reads if node.attr == "TYPE_CHECKING"})


def findings(root: Path = ROOT) -> Iterator[str]:
    """Everything that is wrong in a tree."""
    files = module_files(root)
    for circle in circles(import_graph(files)):
        yield f"a circle of imports: {' -> '.join((*circle, circle[0]))}"
    for file in files.values():
        for line in imports_for_types(file.read_text()):
            yield f"{file.relative_to(root)}:{line}: an import for types alone; take a Protocol, or import it"


def main() -> int:
    """Print the findings; 1 where there are some."""
    found = list(findings())
    for finding in found:
        print(f"error: {finding}")
    return bool(found)


if __name__ == "__main__":
    run(main)
