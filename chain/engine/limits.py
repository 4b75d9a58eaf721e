"""Bounds of what a consensus client can make the node keep or do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """reorg_blocks: canonical blocks that one fork choice may remove. side_blocks: maximum of side blocks.

    A consensus client that starts again replays from its anchor, which lies two epochs of 32 slots back or more.
    """

    reorg_blocks: int = 128
    side_blocks: int = 1_024
