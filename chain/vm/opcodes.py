"""Opcode tables of each fork, and the few opcode values that decoding needs."""

from collections.abc import Callable
from typing import Any, NamedTuple

Body = Callable[[Any, list[int], Any], Any]
STACK_LIMIT = 1024
JUMPDEST = 0x5B
PUSH0 = 0x5F
PUSH32 = 0x7F


class Operation(NamedTuple):
    """One opcode of one fork.

    body: see instructions.py; None for JUMPDEST, which does nothing. gas: constant part. pops, pushes: words.
    ends: the body returns the next program counter. observes_gas: it must see the exact gas left, or may fault by
    something else. operand: what the body gets, unless the code decides it (PUSH, PC, JUMPI).
    """

    name: str
    body: Body | None
    gas: int
    pops: int
    pushes: int
    ends: bool
    observes_gas: bool
    operand: Any
