"""Small charts of consecutive blocks, as numbers for SVG: the gas that each used, and the base fee that each had."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.types import Header
from zevm.rpc.explorer import formats

WIDTH, HEIGHT = 1_000, 100
"""Units of the drawing, which is stretched to its place."""
_GAP = 0.15
"""Share of a bar's place that stays empty."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A block's bar. y: of its upper edge, from above."""

    x: float
    y: float
    width: float
    height: float
    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Charts:
    """Of blocks from the oldest to the newest. highest_share: of the gas limit, the bar that fills the height.

    points: of the line, as SVG takes them; "" without base fees.
    """

    bars: list[Bar]
    highest_share: str
    points: str
    first: int
    last: int
    lowest_fee: str
    highest_fee: str


def charts(headers: Sequence[Header]) -> Charts | None:
    """The charts of at least two headers, in any order; None of fewer."""
    ordered = sorted(headers, key=lambda header: header.number)
    if len(ordered) < 2:
        return None
    place = WIDTH / len(ordered)
    # most blocks of a development chain use so little of their limit that bars of that scale are invisible
    fullest = max(ordered, key=_used)
    bars = [_bar(header, index * place, place, _used(fullest)) for index, header in enumerate(ordered)]
    fees = [header.base_fee_per_gas for header in ordered if header.base_fee_per_gas is not None]
    has_fees = len(fees) == len(ordered)
    return Charts(
        bars,
        formats.share(fullest.gas_used, fullest.gas_limit),
        _points(fees, place) if has_fees else "",
        ordered[0].number,
        ordered[-1].number,
        formats.gwei(min(fees)) if has_fees else "",
        formats.gwei(max(fees)) if has_fees else "",
    )


def _used(header: Header) -> float:
    """The part of the gas limit that a block uses, 0 to 1."""
    return header.gas_used / header.gas_limit if header.gas_limit else 0.0


def _bar(header: Header, left: float, place: float, highest: float) -> Bar:
    height = HEIGHT * _used(header) / highest if highest else 0.0
    return Bar(
        round(left + place * _GAP / 2, 2),
        round(HEIGHT - height, 2),
        round(place * (1 - _GAP), 2),
        round(height, 2),
        header.number,
        f"Block {header.number:,}: {header.gas_used:,} gas, {formats.share(header.gas_used, header.gas_limit)}",
    )


def _points(fees: Sequence[int], place: float) -> str:
    """Each fee in the middle of its block's place; the highest at the top, the lowest at the bottom."""
    low, high = min(fees), max(fees)
    span = high - low
    heights = [HEIGHT / 2 if not span else HEIGHT * (high - fee) / span for fee in fees]
    return " ".join(f"{place * (index + 0.5):.2f},{height:.2f}" for index, height in enumerate(heights))
