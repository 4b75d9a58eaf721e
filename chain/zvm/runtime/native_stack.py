"""Free native stack of a thread: an overflow would end the process, so it is checked before a run.

Every instance may use NATIVE_STACK_BYTES of it, and the host's way from a host function to the next instance a few KiB.
"""

import ctypes
import sys
import threading
from ctypes import addressof, byref, c_size_t, c_void_p
from typing import Any

from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.runtime.engine import NATIVE_STACK_BYTES

HOST_BYTES = 256 * 1024
"""Stack for the host between two instances, including libffi and Python; measured: 3 KiB."""
OUTERMOST_BYTES = 1024 * 1024
"""Stack that the thread may already use when the outermost instance starts."""


class _Bounds(threading.local):
    """Lowest address of this thread's stack and its size; zeros where the platform does not tell."""

    def __init__(self) -> None:
        self.low, self.size = _stack_of_thread()


def _stack_of_thread() -> tuple[int, int]:
    if not sys.platform.startswith("linux"):
        return 0, 0
    library = ctypes.CDLL(None)
    library.pthread_self.restype = c_void_p
    attributes = ctypes.create_string_buffer(256)
    low, size = c_void_p(), c_size_t()
    if library.pthread_getattr_np(c_void_p(library.pthread_self()), attributes):
        return 0, 0
    library.pthread_attr_getstack(attributes, byref(low), byref(size))
    library.pthread_attr_destroy(attributes)
    return low.value or 0, size.value


_bounds = _Bounds()


def lowest() -> int:
    """The lowest address of this thread's stack; 0 where the platform does not tell."""
    return _bounds.low


def suffices() -> bool:
    """Whether this thread is known to have the stack for an outermost instance."""
    return _bounds.size >= NATIVE_STACK_BYTES + OUTERMOST_BYTES


def require(mark: Any) -> None:
    """NodeFaultError where no other instance fits below `mark`, a ctypes pointer into the stack, or None.

    Where the platform does not tell, the thread is one that was started for executions.
    """
    low, size = _bounds.low, _bounds.size
    if mark is None:
        if size and not suffices():
            raise NodeFaultError(
                f"the thread has {size} bytes of native stack, one instance needs up to "
                f"{NATIVE_STACK_BYTES + OUTERMOST_BYTES}: start it with concurrency.threads.STACK_BYTES"
            )
    elif low and addressof(mark.contents) - low < NATIVE_STACK_BYTES + HOST_BYTES:
        raise NodeFaultError(
            f"the thread has {addressof(mark.contents) - low} of {size} bytes of native stack left, the next "
            f"instance needs up to {NATIVE_STACK_BYTES + HOST_BYTES}: start it with concurrency.threads.STACK_BYTES"
        )
