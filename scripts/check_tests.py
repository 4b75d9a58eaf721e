"""Check what pytest and mypy leave to chance in tests.

Two test files of one name, in folders that are no packages, hide each other from pytest. Functions whose parameters or
result have no type are not checked by mypy: `[tool.zevm] untyped_test_functions` in pyproject.toml says how many there
are, and may only fall.
"""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from scripts.check_sizes import files_of
from scripts.syntax import functions, run

ROOT = Path(__file__).resolve().parent.parent


def shared_names(found: list[Path]) -> Iterator[str]:
    """A complaint for each name that more than one test file outside packages has."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in found:
        if file.name.startswith("test_") and not (file.parent / "__init__.py").exists():
            places[file.name].append(str(file.relative_to(ROOT)))
    for name, same in places.items():
        if len(same) > 1:
            yield f"error: {len(same)} test files are named {name}: {', '.join(same)}; give each a name of its own"


def is_typed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the result and every parameter but `self` and `cls` have a type."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    untyped = [each for each in parameters if each is not None and each.annotation is None]
    return function.returns is not None and all(each.arg in ("self", "cls") for each in untyped)


def untyped_functions(found: list[Path]) -> list[str]:
    """`file:line name` of every function that is not typed."""
    return [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in found
        for node in functions(ast.parse(file.read_text()))
        if not is_typed(node)
    ]


def type_complaints(untyped: list[str], limit: int) -> Iterator[str]:
    """A message if the number of untyped functions is wrong."""
    if len(untyped) > limit:
        yield "\n".join(untyped)
        yield f"error: {len(untyped)} functions of the tests have no types, at most {limit}; give the new ones types"
    elif len(untyped) < limit:
        yield f"error: fewer functions of the tests have no types: write untyped_test_functions = {len(untyped)}"


def main() -> int:
    """Print the complaints; 1 where there are some."""
    found = files_of("tests", ".py")
    limit = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["zevm"]["untyped_test_functions"]
    complaints = [*shared_names(found), *type_complaints(untyped_functions(found), limit)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    run(main)
