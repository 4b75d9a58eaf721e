"""A value of Ethereum or of this node that two modules know stands in one of them, and the other imports it."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.syntax import PRODUCT, trees

ROOT = Path(__file__).resolve().parents[1]
SELF_EVIDENT = 256
"""Sizes such as the 20 bytes of an address; prices and largest values count however small they are."""


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Names in capitals without their underscore, with values that need nothing but arithmetic."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id.isupper() and value is not None:
            try:
                code = compile(ast.Expression(value), "constant", "eval")
                yield target.id.lstrip("_"), eval(code, {"__builtins__": {}, "bytes": bytes})
            except (NameError, TypeError, AttributeError):
                continue


def _counts(name: str, value: object) -> bool:
    if isinstance(value, int):
        return abs(value) >= SELF_EVIDENT or name.endswith("_GAS") or name.startswith(("MAX_", "MIN_"))
    return isinstance(value, str | tuple | frozenset) or (isinstance(value, bytes) and any(value))


@pytest.mark.lengthy
def test_no_constant_stands_twice() -> None:
    places: dict[tuple[str, object], list[str]] = defaultdict(list)
    for path, tree in trees(ROOT, PRODUCT, r"(?m)^[A-Z_][A-Z_0-9]*\s*[:=]"):
        for name, value in _constants(tree):
            if _counts(name, value):
                places[name, value].append(str(path.relative_to(ROOT)))
    assert len(places) > 200
    assert {name: files for (name, _), files in places.items() if len(files) > 1} == {}
