"""Bounds of the writes that wait: how many, and the bytes of their requests."""

from contextvars import ContextVar

from zevm.rpc.errors import LimitExceededError
from zevm.rpc.limits import Limits

REQUEST_BYTES: ContextVar[int] = ContextVar("request_bytes", default=0)
"""Size of the body that a coroutine answers."""


class WriteBudget:
    """Writes that wait for their turn or run, and the bytes of their requests, also of clients that have left.

    Where none waits one may come, whatever its size, which other limits bound.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.most_joint = limits.joint_sends
        """Pieces of work that are done together."""
        self.count = 0
        self.used_bytes = 0

    def has_room(self, request_bytes: int, count: int = 1) -> bool:
        """Whether `count` more writes of a body may wait."""
        limits = self._limits
        return not self.count or (
            self.count + count <= limits.write_queue and self.used_bytes + request_bytes <= limits.write_queue_bytes
        )

    def check(self, request_bytes: int, count: int = 1) -> None:
        """Raises LimitExceededError where `count` more writes of a body may not wait."""
        if self.has_room(request_bytes, count):
            return
        limits = self._limits
        if self.count + count > limits.write_queue:
            what, flag = f"{self.count} writes wait, of at most {limits.write_queue}", "--rpc-write-queue"
        else:
            what = f"writes of {self.used_bytes} bytes wait, of at most {limits.write_queue_bytes}"
            flag = "--rpc-write-queue-bytes"
        raise LimitExceededError(f"limit exceeded: {what}; try again later, or raise {flag}")

    def hold(self, request_bytes: int) -> None:
        """Count one more write."""
        self.count += 1
        self.used_bytes += request_bytes

    def release(self, request_bytes: int) -> None:
        """Count one write less."""
        self.count -= 1
        self.used_bytes -= request_bytes
