"""The gas of a transaction as the boxes of a flame graph: the width of a call is its share."""

from collections.abc import Iterator
from dataclasses import dataclass

from zevm.analysis.call_tree import Call
from zevm.analysis.tree_text import head_of

DEPTH_LIMIT = 24
"""Rows of the graph; deeper calls are in the tree alone."""
NARROWEST = 0.001
"""Narrower boxes cannot be seen."""
LABELLED = 0.04
ROW_PIXELS = 22


@dataclass(frozen=True, slots=True)
class Box:
    """A call. left, width: shares of the graph's width. line: of the call in the tree."""

    left: float
    width: float
    depth: int
    call: Call
    line: int

    @property
    def x(self) -> str:
        """The left edge, as SVG takes it."""
        return f"{100 * self.left:.3f}%"

    @property
    def breadth(self) -> str:
        """The width, as SVG takes it."""
        return f"{100 * self.width:.3f}%"

    @property
    def y(self) -> int:
        """The upper edge in pixels."""
        return ROW_PIXELS * self.depth

    @property
    def title(self) -> str:
        """The call and its gas."""
        return f"{head_of(self.call)}: {self.call.gas_used:,} gas"

    @property
    def label(self) -> str:
        """The call, if the box is wide enough for text."""
        return head_of(self.call) if self.width >= LABELLED else ""


def boxes(root: Call, limit: int) -> list[Box]:
    """At most `limit` boxes, the outer ones first."""
    lines = {id(call): line for line, call in enumerate(root.walk())}
    found: list[Box] = []
    row = [Box(0.0, 1.0, 0, root, 0)]
    while row and len(found) < limit:
        found += row
        row = [child for box in row if box.depth + 1 < DEPTH_LIMIT for child in _children(box, lines)]
    return found[:limit]


def _children(box: Box, lines: dict[int, int]) -> Iterator[Box]:
    calls = [item for item in box.call.items if isinstance(item, Call)]
    # a refund makes the whole less than its parts
    whole = max(box.call.gas_used, sum(call.gas_used for call in calls))
    left = box.left
    for call in calls:
        width = box.width * call.gas_used / whole if whole else 0.0
        if width >= NARROWEST:
            yield Box(left, width, box.depth + 1, call, lines[id(call)])
        left += width
