"""Budgets of the bytes held for clients: input without an answer yet, and unread output.

Each connection's own bound is enforced by the connection; this module bounds all together. Used only on the event loop.
"""

import asyncio
import logging
from collections.abc import Callable

from zevm.rpc.limits import Limits
from zevm.rpc.memory.released import ReleasedMemory

LOGGER = logging.getLogger("zevm.rpc")


class InputBudget:
    """Bytes of large or unfinished requests of all clients."""

    def __init__(self, limit_bytes: int, released: ReleasedMemory | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._released = released or ReleasedMemory()
        self.used_bytes = 0

    def take(self, size: int) -> bool:
        """Count `size` more bytes, unless that exceeds the limit; return whether they may be held."""
        if self.used_bytes + size > self._limit_bytes:
            LOGGER.warning(
                "unfinished requests hold %d bytes: a further one is refused (--rpc-input-bytes)", self.used_bytes
            )
            return False
        self.used_bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Count `size` bytes less."""
        self.used_bytes -= size
        self._released.look()


class OutputAccount:
    """One client's unread output. `cut` disconnects the client, with the reason."""

    __slots__ = ("_budget", "cut", "unread_bytes")

    def __init__(self, budget: "OutputBudget", cut: Callable[[str], None]) -> None:
        self._budget = budget
        self.cut = cut
        self.unread_bytes = 0

    def add(self, data: bytes) -> None:
        """Count output held for the client. Output shared by several clients is held once."""
        self.unread_bytes += len(data)
        self._budget.hold(data)

    def remove(self, data: bytes) -> None:
        """Subtract output that was counted with `add` and has been sent."""
        self.unread_bytes -= len(data)
        self._budget.release(data)

    def close(self) -> None:
        """Remove the client, whose data is gone. Idempotent."""
        self._budget.forget(self)


class OutputBudget:
    """Bytes of unread answers and notifications; past the limit, the client with the most is disconnected."""

    def __init__(self, limit_bytes: int, released: ReleasedMemory | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._released = released or ReleasedMemory()
        self._accounts: dict[OutputAccount, None] = {}
        self._holders: dict[int, int] = {}
        self._relief: asyncio.Handle | None = None
        self.used_bytes = 0

    def open(self, cut: Callable[[str], None]) -> OutputAccount:
        """Open an account for a client."""
        account = OutputAccount(self, cut)
        self.register(account)
        return account

    def register(self, account: OutputAccount) -> None:
        """Let an account of another kind be one of those that may be cut."""
        self._accounts[account] = None

    def forget(self, account: OutputAccount) -> None:
        """Called by OutputAccount.close."""
        if account in self._accounts:
            del self._accounts[account]
            self._released.look()

    def hold(self, data: bytes) -> None:
        """Called by OutputAccount.add."""
        key = id(data)
        holders = self._holders.get(key, 0)
        self._holders[key] = holders + 1
        if holders:
            return
        self.used_bytes += len(data)
        if self.used_bytes > self._limit_bytes and self._relief is None:
            self._relief = asyncio.get_running_loop().call_soon(self._relieve)

    def release(self, data: bytes) -> None:
        """Called by OutputAccount.remove."""
        key = id(data)
        holders = self._holders[key] - 1
        if holders:
            self._holders[key] = holders
            return
        del self._holders[key]
        self.used_bytes -= len(data)
        self._released.look()

    def _relieve(self) -> None:
        self._relief = None
        by_size = sorted(self._accounts, key=lambda account: account.unread_bytes, reverse=True)
        for account in by_size:
            if self.used_bytes <= self._limit_bytes:
                return
            account.cut(f"unread output of all clients passed {self._limit_bytes} bytes (--rpc-output-bytes)")


class Budgets:
    """The budgets of one port's clients."""

    def __init__(self, limits: Limits) -> None:
        self.released = ReleasedMemory()
        self.input = InputBudget(limits.input_bytes, self.released)
        self.output = OutputBudget(limits.output_bytes, self.released)
