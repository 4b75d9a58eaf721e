"""B13: no message offers losing data as the only way. A walk through every text of the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.syntax import PRODUCT, trees
from zevm.node.settings import setting_flags

ROOT = Path(__file__).resolve().parents[2]
LOSING = re.compile(r"--fresh|begin anew|start over|zevm db rewind|delete the|remove the (chain|database|folder)", re.I)
"""What takes away blocks, or a whole chain."""
SAFE = re.compile(
    r"copy (it|the data directory|the folder)|--accept|another --datadir|continue with this chain|reads? the rest",
    re.I,
)
"""What leaves everything there."""
MENTIONS = r"--fresh|[Aa]new|\b[Oo]ver\b|[Rr]ewind|\b([Dd]elete|[Rr]emove)[ \"']"
"""What a module with such a text has somewhere; a text may go on in the next line."""
DESCRIBING = {"about", "help"}
"""Keywords of texts that say what a flag does, which offer nothing."""


def static_text(node: ast.expr) -> str:
    """The text of a string expression; names of constants that are part of it stand for themselves."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.FormattedValue):
        return ast.unparse(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(static_text(part) for part in node.values)
    return ""


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text but docstrings and descriptions of flags, with its line."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg in DESCRIBING):
            skipped.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in skipped:
            yield node.lineno, static_text(node)


def offers_loss_alone(text: str) -> bool:
    losing, safe = LOSING.search(text), SAFE.search(text)
    if text in setting_flags()["fresh"].names:
        return False
    return losing is not None and (safe is None or safe.start() > losing.start())


def test_b13_no_message_offers_loss_alone_or_first() -> None:
    found, walked = [], 0
    for file, tree in trees(ROOT, PRODUCT, MENTIONS):
        for line, text in texts(tree):
            walked += LOSING.search(text) is not None
            if offers_loss_alone(text):
                found.append(f"{file.relative_to(ROOT)}:{line}: {text}")
    assert found == []
    assert walked >= 3, "the walk sees nothing"


def test_b13_the_walk_sees_what_it_looks_for() -> None:
    sample = ast.parse('raise Error(f"{name}: leave the flag out, or start over with --fresh")')
    assert [offers_loss_alone(text) for _, text in texts(sample)] == [True]
    sample = ast.parse('raise Error("give another --datadir; --fresh would erase this chain")')
    assert [offers_loss_alone(text) for _, text in texts(sample)] == [False]
