"""The product's packages, and syntax trees, for the checks.

`ast.walk` looks at every field of every expression, which takes longer than parsing; and most files have nothing of
what a check looks for, which their text tells at once.
"""

import ast
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

PRODUCT: Final = ("node", "rpc", "covenant", "analysis", "contracts", "chain", "storage", "core")
"""The product's packages, from the top layer down. Checks and tests that walk the product walk these."""

_PARTS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields that hold statements, or the clauses that hold them."""


def trees(root: Path, places: Iterable[str], words: str) -> Iterator[tuple[Path, ast.Module]]:
    """The modules of these packages and files whose text has a match of `words`. root: of the repository."""
    wanted = re.compile(words)
    for place in (root / name for name in places):
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            source = file.read_text()
            if wanted.search(source):
                yield file, ast.parse(source)


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement of a module, with the clauses of `try` and `match`; no expression has a statement in it."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        inner = [part for name in _PARTS for part in getattr(node, name, ())]
        yield from inner
        waiting += inner


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, methods and inner functions too."""
    return (node for node in statements(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def run(main: Callable[[], int]) -> NoReturn:
    """Exit with what `main` returns. Trees are full of objects and free of cycles, so no collector looks for any."""
    gc.disable()
    raise SystemExit(main())
