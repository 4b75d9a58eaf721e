"""The state behind its protocol: whoever executes upon it calls methods, and none reaches into its fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import zevm
from scripts.syntax import PRODUCT, trees
from zevm.chain.vm import block_state
from zevm.chain.vm.block_state import BlockState

ROOT = Path(zevm.__file__).parent
MODULE = Path(block_state.__file__).resolve()
FIELDS = frozenset(BlockState.__slots__)
MENTIONS = rf"\.\s*({'|'.join(FIELDS)})\b"


def reaches(tree: ast.Module) -> Iterator[str]:
    """Where code names a field of a state: of another object, or of its own as a BlockState's subclass."""
    subclasses = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _is_state(node)]
    own = {id(node) for subclass in subclasses for node in ast.walk(subclass)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in FIELDS:
            owner = ast.unparse(node.value)
            if owner != "self" or id(node) in own:
                yield f"{node.lineno}: {owner}.{node.attr}"


def _is_state(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("BlockState") for base in node.bases)


def test_the_search_finds_a_reach_of_either_kind() -> None:
    lines = """state._logs[0]
class Mine(BlockState):
    def f(self): self._refund
class Other:
    def f(self): self._logs"""
    assert list(reaches(ast.parse(lines))) == ["1: state._logs", "3: self._refund"]
    assert len(re.findall(MENTIONS, lines)) == 3


def test_every_field_of_the_state_is_private() -> None:
    assert [field for field in FIELDS if not field.startswith("_")] == []


@pytest.mark.lengthy
def test_nothing_outside_its_module_reaches_into_the_state() -> None:
    files = dict(trees(ROOT, PRODUCT, MENTIONS))
    own = [path for path in files if path.resolve() == MODULE]
    assert len(own) == 1
    assert [f"{path.name}:{reach}" for path in files.keys() - own for reach in reaches(files[path])] == []
