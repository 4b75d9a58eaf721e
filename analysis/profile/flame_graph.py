"""A flame graph as one SVG file: widths are gas or time, and each box tells its numbers when the pointer is on it."""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from zevm.analysis.printable import printable
from zevm.analysis.profile.stacks import Stack, Unit

WIDTH: Final = 1_200
ROW: Final = 18
BOXES_LIMIT: Final = 20_000
"""Boxes of one graph, the widest first."""
_MARGIN, _HEAD = 10, 44
_LETTER_WIDTH = 7.25
_NARROWEST = 0.3
_HUES = {"transaction": 0, "call": 18, "function": 42, "opcode": 205, "host": 275}
_LEGEND = (("call", "calls"), ("function", "functions"), ("opcode", "opcodes"), ("host", "host calls"))
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#111}"
    ".t{font:bold 15px sans-serif}.l{font:12px sans-serif}g:hover>rect{stroke:#000;stroke-width:1}"
)


def flame_graph(stacks: Sequence[Stack], title: str, unit: Unit) -> str:
    """The SVG of a profile; callers stand above what they call."""
    totals = _totals(stacks, unit)
    scale = (WIDTH - 2 * _MARGIN) / totals[0] if stacks and totals[0] else 0.0
    places = _places(stacks, totals)
    wide = [index for index in range(len(stacks)) if totals[index] * scale >= _NARROWEST]
    shown = sorted(sorted(wide, key=lambda index: -totals[index])[:BOXES_LIMIT])
    depth = max((stacks[index].depth for index in shown), default=0)
    height = _HEAD + (depth + 1) * ROW + _MARGIN
    boxes = "".join(
        _box(stacks[index], places[index] * scale, totals[index] * scale, totals, index, unit) for index in shown
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f"<style>{_STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text class="t" x="{_MARGIN}" y="20">{_safe(title)}</text>{"".join(_legend())}{boxes}</svg>\n'
    )


def _totals(stacks: Sequence[Stack], unit: Unit) -> list[float]:
    """Use of each stack with all that stands in it."""
    totals = [stack.self_of(unit) for stack in stacks]
    for index in range(len(stacks) - 1, 0, -1):
        parent = stacks[index].parent
        if parent is not None:
            totals[parent] += totals[index]
    return totals


def _places(stacks: Sequence[Stack], totals: Sequence[float]) -> list[float]:
    """Left edge of each stack: children stand next to each other, from the left edge of what they stand in."""
    places = [0.0] * len(stacks)
    for index, stack in enumerate(stacks):
        left = places[index]
        for child in stack.children:
            places[child] = left
            left += totals[child]
    return places


def _box(stack: Stack, left: float, width: float, totals: Sequence[float], index: int, unit: Unit) -> str:
    share = 100 * totals[index] / totals[0]
    used = f"{totals[index]:,.0f} gas" if unit == "gas" else f"{totals[index] / 1e6:,.3f} ms"
    own = f"{stack.self_of('gas'):,.0f} gas" if unit == "gas" else f"{stack.self_of('time') / 1e6:,.3f} ms"
    where = f" in {stack.file}" if stack.file else ""
    words = f"{stack.title}{where}: {used} ({share:.1f} %), itself {own}, {stack.count:,} times"
    letters = int((width - 4) / _LETTER_WIDTH)
    title = printable(stack.title)
    name = title if len(title) <= letters else title[: letters - 2] + ".." if letters > 4 else ""
    top = _HEAD + stack.depth * ROW
    text = f'<text x="{_MARGIN + left + 3:.2f}" y="{top + 13}">{_safe(name)}</text>' if name else ""
    return (
        f"<g><title>{_safe(words)}</title>"
        f'<rect x="{_MARGIN + left:.2f}" y="{top}" width="{max(width - 0.4, 0.2):.2f}" height="{ROW - 1}" rx="1" '
        f'fill="{_colour(stack)}"/>{text}</g>'
    )


def _colour(stack: Stack) -> str:
    """The hue says what it is; names differ in lightness, the same for every run."""
    lightness = 68 + sum(printable(stack.title).encode()) % 14
    return f"hsl({_HUES.get(stack.kind, 0)},{0 if stack.kind == 'transaction' else 75}%,{lightness}%)"


def _legend() -> Iterator[str]:
    left = float(_MARGIN)
    for kind, words in _LEGEND:
        yield f'<rect x="{left}" y="28" width="10" height="10" fill="hsl({_HUES[kind]},75%,72%)"/>'
        yield f'<text class="l" x="{left + 14}" y="37">{words}</text>'
        left += 34 + 7 * len(words)


def _safe(text: str) -> str:
    """Text for XML, without what it may not hold at all."""
    return escape(printable(text))
