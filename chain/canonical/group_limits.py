"""Limits of the commands that share one sync."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """When a group of commands takes in no more. The rows `write_group_*` of the limits table (rpc.limits)."""

    commands: int = 256
    size_bytes: int = 4 * MEBIBYTE
    """Keys and values that are to be written."""
    seconds: float = 0.25
    """For how long a batch request is executed before what it did is synced."""
