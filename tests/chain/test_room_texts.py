"""chain/ and storage/ know no command line and no JSON-RPC: no flag, command, method or error code in any text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("chain", "storage")
NAMESPACES = "admin|anvil|debug|engine|eth|evm|hardhat|miner|net|ots|personal|rpc|trace|txpool|web3|zvm"
OUTSIDE = re.compile(
    r"(?<![\w-])--[a-z][a-z-]+"  # a flag
    r"|\bzevm (run|db|export|import|init|account|wasm|console|config)\b"  # a command
    rf"|\b({NAMESPACES})_[a-z]+[A-Z]\w*|\b(anvil|hardhat|miner|ots)_[a-z]+"  # a method
    r"|-3[28]\d{3}\b"  # an error code
)
CODES = range(32_000, 39_000)
EXPLAINED = {
    "chain/engine/driver.py": "which version of the method serves which fork is what the Engine API is about",
}


def docstrings(tree: ast.Module) -> set[int]:
    """The texts that stand for themselves: they describe, and nobody is told them."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value in CODES


def findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts and numbers of the outside, with their lines."""
    described = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            if OUTSIDE.search(node.value):
                yield node.lineno, node.value
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and is_code(node.operand):
            yield node.lineno, ast.unparse(node)


@pytest.mark.lengthy
def test_no_text_of_chain_and_storage_names_what_is_outside() -> None:
    found = {
        str(file.relative_to(ROOT)): told
        for room in ROOMS
        for file in sorted((ROOT / room).rglob("*.py"))
        if (told := list(findings(ast.parse(file.read_text()))))
    }
    assert {file: told for file, told in found.items() if file not in EXPLAINED} == {}
    assert found.keys() == EXPLAINED.keys(), "an explained exception that is none any more"


@pytest.mark.parametrize(
    "line",
    [
        'raise Error("give another --datadir")',
        'raise Error(f"{name}; run `zevm db check --deep`")',
        'raise Error("or let anvil_reset begin anew")',
        'raise Error("see eth_getProof")',
        "CODE = -38010",
        'CODES = {"internal error": -32603}',
        'TEXT = "code -32000"',
    ],
)
def test_the_walk_sees_what_is_outside(line: str) -> None:
    assert [lineno for lineno, _ in findings(ast.parse(line))] == [1]


@pytest.mark.parametrize("line", ['NAME = "evm_gas_left"', '"""Run with --datadir."""', "LIMIT = -32", 'X = "a -- b"'])
def test_the_walk_passes_over_the_rest(line: str) -> None:
    assert list(findings(ast.parse(line))) == []
