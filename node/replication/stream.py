"""What the protocol asks of a transport: links to another node, and streams of bytes on them.

QUIC gives both (rpc.transport.quic); a link of TCP connections, one for each stream, serves as well.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Stream(Protocol):
    """Bytes in both directions, in order."""

    async def read(self, size: int) -> bytes:
        """At least one byte and at most `size`; b"" once the other side has ended. Raises OSError if the link is cut."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes. Raises OSError if the link is cut."""
        ...

    async def drain(self) -> None:
        """Wait until little is queued. Raises OSError if the link is cut."""
        ...

    def close(self) -> None:
        """End both directions, whatever is under way."""
        ...


class Link(Protocol):
    """A connection to one node, on which any number of streams can be opened."""

    async def open(self) -> Stream:
        """A new stream. Raises OSError."""
        ...


Dial = Callable[[], AbstractAsyncContextManager[Link]]
"""Connects to the leader; entering raises OSError where there is none."""
