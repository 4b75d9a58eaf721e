"""How a native call ends: the words that a process for native calls and the node have in common."""

REFUSED, DONE, FAILED = range(3)
"""The first byte of an answer: the call's refusal of its input, its result, or a fault."""


class InputError(ValueError):
    """A native call refused its input; the message says why."""
