"""Refusals are data: code that distinguishes them asks for the reason, and no product code reads an error's text."""

import ast
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from scripts.syntax import PRODUCT, trees

ROOT = Path(__file__).resolve().parents[2]

READING = {"startswith", "endswith", "find", "index", "count", "match", "search", "fullmatch"}
"""Methods by which a program looks into a text."""
FORMS = {"lower", "upper", "casefold", "strip", "split", "partition", "removeprefix", "encode"}
"""Methods that give the same text in another form."""
TEXT_NAMES = {"message", "error_text", "error_message"}
MENTIONS = rf"\.(message|error|args)\b|\b({'|'.join(sorted(TEXT_NAMES))})\b|\b(str|repr)\("
"""What a module that reads the text of an error has somewhere: see is_text_of_an_error."""
FOREIGN = {
    "analysis/tree_text.py": "a trace has an error's text alone",
    "chain/vm/faults.py": "py-evm gives one exception class for two faults",
    "node/keystore.py": "eth-account gives one exception class for a wrong password and a broken file",
    "rpc/codec/parsing.py": "the JSON parser gives one exception class for two faults",
    "storage/leveldb.py": "plyvel gives one exception class for every fault of a file",
}
"""Files that read the text of a library's error, which has no reason."""


def caught(nodes: list[ast.AST]) -> set[str]:
    """The names under which exceptions are caught or passed on."""
    names = {"error", "exception", "fault"}
    return names | {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}


def named_texts(nodes: list[ast.AST], errors: set[str]) -> set[str]:
    """Names that are given the text of an error, in any branch of an expression: `text = str(error)`."""
    return {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        and any(isinstance(part, ast.Call) and is_text_of_an_error(part, errors) for part in ast.walk(node.value))
    }


def is_text_of_an_error(node: ast.expr, errors: set[str], names: AbstractSet[str] = frozenset(TEXT_NAMES)) -> bool:
    """error.message, message, str(error), error.args, and a part of one of them. names: of such texts."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("message", "error") or (node.attr == "args" and is_error(node.value, errors))
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Subscript):
        is_mapping = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        return not is_mapping and is_text_of_an_error(node.value, errors, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        is_str = node.func.id in ("str", "repr") and len(node.args) == 1
        return is_str and (is_error(node.args[0], errors) or is_text_of_an_error(node.args[0], errors, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in FORMS and is_text_of_an_error(node.func.value, errors, names)
    return False


def is_error(node: ast.expr, errors: set[str]) -> bool:
    return (isinstance(node, ast.Name) and node.id in errors) or (
        isinstance(node, ast.Attribute) and node.attr in errors
    )


def readings(tree: ast.Module) -> Iterator[int]:
    """The lines that compare or search the text of an error."""
    nodes = [*ast.walk(tree)]
    errors = caught(nodes)
    names = TEXT_NAMES | named_texts(nodes, errors)
    for node in nodes:
        if not isinstance(node, ast.expr):
            continue
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare) and not all(isinstance(item, ast.Is | ast.IsNot) for item in node.ops):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READING:
            operands = [node.func.value, *node.args]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            operands = node.args[:1]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            operands = [node.slice]
        if any(is_text_of_an_error(operand, errors, names) for operand in operands):
            yield node.lineno


@pytest.mark.lengthy
def test_no_product_code_reads_the_text_of_an_error() -> None:
    found = {
        str(file.relative_to(ROOT)): lines
        for file, tree in trees(ROOT, PRODUCT, MENTIONS)
        if (lines := sorted(readings(tree)))
    }
    assert {file: lines for file, lines in found.items() if file not in FOREIGN} == {}
    assert found.keys() == FOREIGN.keys(), "an explained exception that is none any more"


@pytest.mark.parametrize(
    "line",
    [
        'error.message.startswith("nonce too low")',
        '"nonce" in str(error)',
        'message == "already known"',
        'outcome.error.message[:5] == "nonce"',
        '{"already known": 1}[error.message]',
        '{"already known": 1}.get(error.message)',
        'error.args[0].lower() == "no"',
        're.match("nonce", str(error))',
        'told = str(error); told.startswith("nonce")',
        'told = error.message.lower(); "nonce" in told',
    ],
)
def test_the_walk_sees_a_reading(line: str) -> None:
    assert list(readings(ast.parse(line))) == [1]
    assert re.search(MENTIONS, line)


@pytest.mark.parametrize(
    "line", ["error.message", "raise Refused(error.message)", "message is not None", "told = str(error); print(told)"]
)
def test_the_walk_passes_over_what_is_only_told(line: str) -> None:
    assert list(readings(ast.parse(line))) == []
