"""Names of the field (CONTRIBUTING.md, Names): words that the house once used are in no name of the product."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.syntax import PRODUCT, trees

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (*PRODUCT, "zevm")
WORDS = {
    "purchase": "transaction_environment",
    "activity": "host_context",
    "hook": "host_function",
    "hooks": "host_functions",
    "driven": "external_consensus",
}
"""Words of a name, in whatever case -> the field's."""
EXPLAINED = {
    "VM_HOOKS": "the import module of Stylus",
    "_VM_HOOKS": "likewise",
    "ReportHooks": "pytest's own word for them",
    "hooks": "likewise, in zevm/pytest_plugin.py",
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def refused(tree: ast.Module) -> Iterator[str]:
    for line, name in names(tree):
        if name not in EXPLAINED:
            for word in _WORD.findall(name):
                if word.lower() in WORDS:
                    yield f"{line}: {name}: better: {WORDS[word.lower()]}"


@pytest.mark.lengthy
def test_no_name_has_a_word_that_the_field_does_not_use() -> None:
    files = trees(ROOT, PACKAGES, "|".join(form(word) for word in WORDS for form in (str.lower, str.title, str.upper)))
    found = {str(file.relative_to(ROOT)): list(refused(tree)) for file, tree in files}
    assert len(found) > 10
    assert {file: wrong for file, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("line", ["class DrivenChain: ...", "def f(purchase): ...", "self.host_hook = 1", "DRIVEN = 1"])
def test_the_walk_sees_a_word_in_any_form(line: str) -> None:
    assert len(list(refused(ast.parse(line)))) == 1


def test_the_walk_passes_over_parts_of_words() -> None:
    assert list(refused(ast.parse("def explained(): ...\nHOOKED = VM_HOOKS = 1"))) == []
