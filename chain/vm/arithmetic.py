"""Execution of a precompile's arithmetic: short work in this thread, long work in a process that a deadline can end.

The result is the same: one function, called here or there. A process that fails is a fault of the node.
"""

from collections.abc import Callable
from typing import Any

from zevm.chain.native.answers import InputError
from zevm.chain.native.process import ARITHMETIC
from zevm.chain.vm.faults import PrecompileError
from zevm.chain.vm.frame import Frame

SHORT_GAS = 50_000
"""Maximum gas of work in this thread: a few milliseconds, in which no other thread may run."""

BRIEF_GAS = 7_000
"""Maximum gas of work that has to be brief: a few hundred microseconds."""


def compute(frame: Frame, gas: int, function: Callable[..., bytes], *arguments: Any) -> bytes:
    """The result of a call of chain/native/host.py's table; gas: the frame's payment for it.

    Raises PrecompileError where it refuses its input, ExecutionTimeoutError, and NodeFaultError.
    """
    deadline = frame.transaction_context.deadline
    if deadline is not None:
        deadline.bound(gas, BRIEF_GAS)
    try:
        if gas <= SHORT_GAS:
            return function(*arguments)
        return bytes(ARITHMETIC.call(function.__name__, *arguments, deadline=deadline))
    except InputError as error:
        raise PrecompileError(str(error)) from error
