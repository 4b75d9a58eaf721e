"""The tree of a profile: for each stack of calls and functions what was used there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from zevm.chain.zvm.price_table import INK_PER_GAS

Kind = Literal["transaction", "call", "function", "opcode", "host"]
"""An execution as a whole, a frame, a function within one, an instruction of the EVM, a host call."""


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a node. contract: None for unknown code. file: of a function's source, empty if unknown."""

    kind: Kind
    name: str
    contract: str | None = None
    file: str = ""


class Node:
    """One stack. ink: ten-thousandths of gas that it used itself; ns: nanoseconds; count: how often it began."""

    __slots__ = ("children", "count", "ink", "label", "ns")

    def __init__(self, label: Label) -> None:
        self.label = label
        self.ink = 0
        self.ns = 0.0
        self.count = 0
        self.children: dict[Label, Node] = {}

    @property
    def gas(self) -> float:
        """Gas that it used itself."""
        return self.ink / INK_PER_GAS

    def walk(self) -> Iterator[tuple["Node", int]]:
        """(node, depth) of the tree, each node before its children."""
        waiting = [(self, 0)]
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            waiting.extend((child, depth + 1) for child in reversed(node.children.values()))


@dataclass(slots=True)
class LineUse:
    """Use by the code of one line. count: how often it was reached from elsewhere."""

    ink: int = 0
    ns: float = 0.0
    count: int = 0


LineKey = tuple[str, str, int]
"""(contract, file, line)."""


@dataclass(slots=True)
class Profile:
    """root: of kind "transaction". gas_used: as the receipt has it, the refund subtracted. succeeded: of the whole."""

    root: Node
    lines: dict[LineKey, LineUse]
    gas_used: int
    refund_gas: int
    succeeded: bool
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """The nodes in a row, each with the index of the node that it stands in, and the lines."""
        return {
            "gasUsed": self.gas_used,
            "refundGas": self.refund_gas,
            "status": int(self.succeeded),
            "error": self.error,
            "nodes": list(_rows(self.root)),
            "lines": [
                {"contract": contract, "file": file, "line": line, **_use(use.ink, use.ns, use.count)}
                for (contract, file, line), use in sorted(self.lines.items(), key=lambda item: (-item[1].ink, item[0]))
            ],
        }


def _rows(root: Node) -> Iterator[dict[str, Any]]:
    parents: list[int] = []
    for index, (node, depth) in enumerate(root.walk()):
        del parents[depth:]
        label = node.label
        row: dict[str, Any] = {"parent": parents[-1] if parents else None, "kind": label.kind, "name": label.name}
        row |= {"contract": label.contract} if label.contract is not None else {}
        row |= {"file": label.file} if label.file else {}
        yield row | _use(node.ink, node.ns, node.count)
        parents.append(index)


def _use(ink: int, ns: float, count: int) -> dict[str, Any]:
    return {"selfGas": round(ink / INK_PER_GAS, 4), "selfNs": round(ns), "count": count}
