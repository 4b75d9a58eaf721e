"""The protocol's needs of a transport: links to another node, and streams of bytes on them.

QUIC gives both (rpc.transport.quic); a link of TCP connections, one for each stream, serves as well.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Stream(Protocol):
    """Bytes in both directions, in order."""

    async def read(self, size: int) -> bytes:
        """At least one byte, at most `size`; b"" once the other side has ended. Raises OSError if the link is cut."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the other side takes none. Raises OSError if the link is cut."""
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
