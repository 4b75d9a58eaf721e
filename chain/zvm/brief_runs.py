"""Bounds of runs on a thread that others wait for: gas, stack and memory, as no clock ends a run so soon.

The thread is any one; where it is not known to have the native stack of an instance, a worker runs the function.

A run receives a share of its frame's gas and stack; the rest waits outside. One that has used up its share is done
again on a worker. One that has not ends as it would with the whole, since it may call no host function that tells how
much is left.

In the core (`Share` in core/zig/wasm_frame.zig) all frames of a run have one share of BRIEF_GAS together. There host
functions know what waits outside, so that contracts may call them all.
"""

from typing import NamedTuple

from zevm.chain.concurrency.deadline import BriefDeadline, NotBriefError
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime import native_stack
from zevm.chain.zvm.runtime.engine import Program
from zevm.chain.zvm.runtime.runtime import End
from zevm.chain.zvm.scope import FRAME_STACK_WORDS

BRIEF_GAS = 10_000
"""Gas of a brief run: half a millisecond. It pays for ten pages more of memory at most."""
BRIEF_STACK_WORDS = 4_096
"""Stack words of a brief run."""
BRIEF_PAGES = 32
"""Most pages that its memory begins with: what it touches of them has to be cleared."""


class Share(NamedTuple):
    """The part of a frame's gas and stack that its run receives."""

    gas: int
    stack_words: int


WHOLE = Share(((1 << 63) - 1) // INK_PER_GAS, FRAME_STACK_WORDS)
"""Ink is a 64-bit number; gas beyond it waits outside."""

BRIEF = Share(BRIEF_GAS, BRIEF_STACK_WORDS)


def brief_share(program: Program, deadline: BriefDeadline) -> Share:
    """The share of a run under a BriefDeadline. Raises NotBriefError for a program that may not run so."""
    deadline.check()
    deadline.bound(program.initial_pages, BRIEF_PAGES)
    if program.is_apart is None:
        program.is_apart = any(ALL_HOST_FUNCTIONS[item.module, item.name].apart for item in program.imports)
    if program.is_apart or not native_stack.suffices():
        raise NotBriefError
    return BRIEF


def is_used_up(end: End, spare_gas: int) -> bool:
    """Whether a run has ended for want of what waits outside. spare_gas: the gas there; stack always does."""
    return end is End.OUT_OF_STACK or (end is End.OUT_OF_INK and spare_gas > 0)
