"""A value of Ethereum or of this node that two modules know stands in one of them, and the other imports it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.syntax import PRODUCT

ROOT = Path(__file__).resolve().parents[1]
SELF_EVIDENT = 256
"""Sizes such as the 20 bytes of an address; prices and largest values count however small they are."""


_ASSIGNED = re.compile(r"^[A-Z_][A-Z_0-9]*\s*[:=].*\n(?:(?:[ \t\])}].*)?\n)*", re.MULTILINE)
"""A statement of a module that begins with a name in capitals; indented lines and ends of brackets go on with it."""


def _assigned(source: str) -> ast.Module:
    """The module's constants, without all else, which takes longer to parse."""
    found = _ASSIGNED.findall(source)
    if not any(statement.count('"""') % 2 for statement in found):  # a text that goes on at the margin
        with suppress(SyntaxError):  # a line of such a text
            return ast.parse("".join(found))
    return ast.parse(source)


def _constants(source: str) -> Iterator[tuple[str, object]]:
    """Names in capitals without their underscore, with values that need nothing but arithmetic."""
    for node in _assigned(source).body:
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
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            for name, value in _constants(path.read_text()):
                if _counts(name, value):
                    places[name, value].append(str(path.relative_to(ROOT)))
    assert len(places) > 200
    assert {name: files for (name, _), files in places.items() if len(files) > 1} == {}


def test_only_statements_of_constants_are_parsed() -> None:
    source = '''"""Text."""
import os

LIMIT: Final = 5
"""Its words."""
_TABLE = {
    "a": 1,
}

def f() -> None:
    INNER = 7
    return LIMIT
class C:
    OWN = 8
WIDE = (
    1 << 20
)  # comment
lower = 9
'''
    assert dict(_constants(source)) == {"LIMIT": 5, "TABLE": {"a": 1}, "WIDE": 1 << 20}
    texts = dict(_constants(source + 'ONE = """\nat the margin\n"""\nTWO = """\nthere too\n"""\n'))
    assert (texts["ONE"], texts["TWO"]) == ("\nat the margin\n", "\nthere too\n")
