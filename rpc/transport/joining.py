"""Answers with head and body in one write, where an application writes them one after the other."""

import asyncio

_CONTINUE = b"HTTP/1.1 100 "


class JoiningTransport:
    """Delays the head of an answer until its body, so that both leave in one write.

    A client that closes after the head has then read everything, and a system call is saved.
    """

    __slots__ = ("_head", "_is_whole", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_whole = False

    def write(self, data: bytes) -> None:
        """Write, unless it is the head, which comes first. To a client that was dropped nothing is written."""
        if self._transport.is_closing():
            return
        if self._is_whole or data.startswith(_CONTINUE):
            self._transport.write(data)
        elif self._head:
            self._transport.write(self._head + data)
            self._head, self._is_whole = b"", True
        else:
            self._head = data

    def close(self) -> None:
        """Write the delayed head and close."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()
