"""Bounds of what a consensus client can make the node keep or do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """reorg_blocks: canonical blocks that one fork choice may remove. side_blocks: kept beside the chain."""

    reorg_blocks: int = 64
    side_blocks: int = 1_024
