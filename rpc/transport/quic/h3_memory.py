"""Bytes that the node holds for one HTTP/3 connection: requests that are not whole, and answers that it has not read.

The rules are those of zvm/1 (`quic_input_bytes`, `quic_output_bytes`): the first of each may be larger, a further one
has to fit. Answers count for the budget of all clients too.
"""

from dataclasses import dataclass

from zevm.rpc.memory.budgets import OutputAccount, OutputBudget
from zevm.rpc.transport.quic.streams import Carrier


class UnreadAnswersError(Exception):
    """The connection leaves too much unread for one more answer."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """input_bytes, output_bytes: of one connection. output: of all clients."""

    input_bytes: int
    output_bytes: int
    output: OutputBudget


class Body:
    """One request's body as it is counted for its connection."""

    def __init__(self, connection: Carrier, limit_bytes: int) -> None:
        self._connection = connection
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def take(self, count: int) -> bool:
        """Count bytes that were passed on; whether they fit."""
        self._bytes += count
        self._connection.held_bytes += count
        held_bytes = self._connection.held_bytes
        return held_bytes <= self._limit_bytes or held_bytes == self._bytes

    def release(self) -> None:
        """The request is answered, or given up. Idempotent."""
        self._connection.held_bytes -= self._bytes
        self._bytes = 0


class Account(OutputAccount):
    """One answer's unread bytes, for its connection and for all clients."""

    __slots__ = ("_connection", "_limit_bytes")

    def __init__(self, allowance: Allowance, connection: Carrier, stream_id: int, code: int) -> None:
        super().__init__(allowance.output, lambda _: connection.reset_stream(stream_id, code))
        allowance.output.register(self)
        self._connection = connection
        self._limit_bytes = allowance.output_bytes

    def add(self, data: bytes) -> None:
        """See OutputAccount. Raises UnreadAnswersError."""
        pending_bytes = self._connection.pending_bytes
        if pending_bytes and pending_bytes + len(data) > self._limit_bytes:
            self.close()
            raise UnreadAnswersError
        self._connection.pending_bytes += len(data)
        super().add(data)

    def remove(self, data: bytes) -> None:
        """See OutputAccount."""
        super().remove(data)
        self._connection.pending_bytes -= len(data)
