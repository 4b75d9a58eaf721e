"""Packages below rpc/ and node/ know no command line and no JSON-RPC: no flag, command, method or code in any text.

Errors carry facts; `rpc.errors.HINTS`, `node.hints` and the commands add what to do about them.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from scripts.syntax import trees
from zevm.node.cli import COMMANDS, whole_app
from zevm.node.settings import setting_flags
from zevm.rpc.methods import load
from zevm.rpc.registry import REGISTRY

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("core", "storage", "chain", "contracts", "analysis", "covenant")
DESCRIBED = ("core", "storage", "chain")
"""Packages whose docstrings name no flag and no command either. Their methods they may name: by EIP and geth's code."""
EXPLAINED = {"analysis/audit/trial/world.py": "the seed of addresses begins as a command does"}
CODES = range(32_000, 39_000)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_CODE = re.compile(r"-3[28]\d{3}\b")


def options(command: Any) -> Iterator[str]:
    """Every flag of a command and of those below it."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


@cache
def flags() -> frozenset[str]:
    """Every flag of the command line."""
    of_settings = {flag for row in setting_flags().values() for flag in row.names}
    of_commands = options(typer.main.get_command(whole_app()))
    return frozenset(flag for flag in (*of_settings, *of_commands) if flag.startswith("--"))


@cache
def commands() -> re.Pattern[str]:
    return re.compile(rf"\bzevm ({'|'.join(COMMANDS)})\b")


@cache
def methods() -> re.Pattern[str]:
    load()
    return re.compile(rf"\b({'|'.join(map(re.escape, REGISTRY.by_name))})\b")


@cache
def mentions() -> str:
    """What a module with something of the outside has somewhere: a text may go on in the next line."""
    return rf"--[a-z]|\bzevm[\s\"']|{methods().pattern}|\b3[28]_?\d{{3}}\b"


def is_outside(text: str, *, is_docstring: bool = False) -> bool:
    """Whether a text names a flag, a command, a method or an error code."""
    named = set(_FLAG.findall(text)) & flags() if " " in text else ()
    if named or commands().search(text):
        return True
    return not is_docstring and bool(methods().search(text) or _CODE.search(text))


def is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value in CODES


def findings(tree: ast.Module, *, docstrings: bool = True) -> Iterator[tuple[int, str]]:
    """Texts and numbers of the outside, with their lines. docstrings: of these too."""
    nodes = [*ast.walk(tree)]
    described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = id(node) in described
            if (docstrings or not is_docstring) and is_outside(node.value, is_docstring=is_docstring):
                yield node.lineno, node.value
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and is_code(node.operand):
            yield node.lineno, ast.unparse(node)


@pytest.mark.lengthy
@pytest.mark.parametrize("layer", LAYERS)
def test_no_text_names_what_is_above(layer: str) -> None:
    found = {
        str(file.relative_to(ROOT)): told
        for file, tree in trees(ROOT, [layer], mentions())
        if (told := list(findings(tree, docstrings=layer in DESCRIBED)))
    }
    assert found.keys() == {file for file in EXPLAINED if file.startswith(layer)}, found


@pytest.mark.parametrize(
    "line",
    [
        'raise Error("give another --datadir")',
        'raise Error(f"{name}; run `zevm db check --deep`")',
        'raise Error("begin with `zevm contract new`")',
        'raise Error("or let anvil_reset begin again")',
        'raise Error("see eth_getProof")',
        "CODE = -38010",
        'CODES = {"internal error": -32603}',
        'TEXT = "code -32000"',
        '"""Run with --datadir."""',
    ],
)
def test_the_walk_sees_what_is_outside(line: str) -> None:
    assert [lineno for lineno, _ in findings(ast.parse(line))] == [1]
    assert re.search(mentions(), line)


@pytest.mark.parametrize(
    "line",
    [
        'NAME = "evm_gas_left"',
        '"""eth_getProof\'s answer."""',
        "LIMIT = -32",
        'X = "a -- b"',
        'COMMAND = ["zig", "--root", "--json"]',
        'TEXT = "link it with `forge build --libraries`"',
    ],
)
def test_the_walk_passes_over_the_rest(line: str) -> None:
    assert list(findings(ast.parse(line))) == []
