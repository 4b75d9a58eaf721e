"""Blocks with transactions among many without: a bit of each, so that a search steps over the others.

Blocks are looked at in spans of heights, by their headers alone, from the newest one down by their parents' hashes. A
span is kept with that block's hash: it holds while that block is canonical, whatever changes above it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lru import LRU

from zevm.chain.view import ChainView

SPAN_BLOCKS = 1_024
KEPT_SPANS = 16_384
"""Of 128 bytes and some overhead each: those of 16 million blocks."""


class _Span(NamedTuple):
    """Bits of the blocks from a height on (the lowest one first), right from `lowest` up to the block `top`."""

    lowest: int
    top: int
    top_hash: bytes
    filled: int


class FilledBlocks:
    """The canonical blocks with transactions of one chain. Any thread may ask."""

    def __init__(self, chain: ChainView) -> None:
        self._chain = chain
        self._spans: LRU[int, _Span] = LRU(KEPT_SPANS)

    def within(self, numbers: range, check: Callable[[int], None]) -> Iterator[int]:
        """Those of neighbouring heights, in their order, whose blocks have transactions or are not known to have none.

        Not known are blocks of the chain that this one is a fork of. check: is called with the next height before
        headers are read, at most SPAN_BLOCKS at once; it ends the search by raising.
        """
        is_ascending = numbers.step > 0
        while numbers:
            number = numbers[0]
            check(number)
            known_from = self._known_from()
            if number < known_from:
                yield number
                numbers = numbers[1:]
                continue
            first = number - number % SPAN_BLOCKS
            low, high = (number, numbers[-1]) if is_ascending else (numbers[-1], number)
            low, high = max(low, first, known_from), min(high, first + SPAN_BLOCKS - 1)
            filled = self._filled(first, max(first, known_from), high) >> (low - first)
            for place in _places(filled & ((1 << (high - low + 1)) - 1), is_ascending=is_ascending):
                yield low + place
            numbers = numbers[high - low + 1 :]

    def _known_from(self) -> int:
        """The lowest block whose header is read here."""
        origin = self._chain.database.origin
        return self._chain.canonical.first_number if origin is None else origin.number

    def _filled(self, first: int, lowest: int, high: int) -> int:
        """Bits of the blocks from `first` on, right from `lowest` to `high`."""
        records, span = self._chain.records, self._spans.get(first)
        if span is not None and span.lowest > lowest:
            # of a chain that began later, as one out of a state file may
            span = None
        if span is not None and span.top >= high and records.canonical_hash(span.top) == span.top_hash:
            return span.filled
        top_hash = records.canonical_hash(high)
        cursor: bytes | None = top_hash
        filled = 0
        for number in range(high, lowest - 1, -1):
            if span is not None and cursor == span.top_hash:
                filled |= span.filled
                break
            link = None if cursor is None else records.link_of(cursor)
            if link is None:
                # a block was removed meanwhile: nothing is known of those down from it
                return filled | ((1 << (number - first + 1)) - 1)
            cursor = link.parent_hash
            filled |= (not link.is_empty) << (number - first)
        assert top_hash is not None, "a block without a hash has no link"
        self._spans[first] = _Span(lowest, high, top_hash, filled)
        return filled


def _places(bits: int, *, is_ascending: bool) -> Iterator[int]:
    """The places of the bits that are set."""
    while bits:
        place = (bits & -bits if is_ascending else bits).bit_length() - 1
        yield place
        bits ^= 1 << place
