"""Frames on a stream, each within its size and its time, whatever the other side sends."""

import asyncio
from collections.abc import Callable

from zevm.node.replication.messages import Kind, MessageError, decode_text
from zevm.node.replication.stream import Stream
from zevm.rpc.limits import Limits

CONTROL_BYTES = 16 * 1024
"""Size of a message that carries no blocks, genesis or call; the largest LOCATE and HASHES are a quarter of it."""

_HEADER_BYTES = 5
_READ_BYTES = 64 * 1024


class RefusedError(Exception):
    """The other side refuses, in its words."""


class EndedError(OSError):
    """The other side has ended the stream."""


class Frames:
    """Messages in both directions on one stream. Raises OSError and TimeoutError where the link is cut or too slow."""

    def __init__(self, stream: Stream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._sizes = {
            Kind.WELCOME: limits.replica_message_bytes,
            Kind.BATCH: limits.replica_message_bytes,
            Kind.CALL: limits.http_body_bytes,
            Kind.RESULT: limits.replica_message_bytes,
        }

    async def send(self, kind: Kind, content: bytes) -> None:
        """Send a message, and wait until the other side can take the next."""
        async with asyncio.timeout(self._limits.replica_message_seconds):
            await self._stream.write((len(content) + 1).to_bytes(4, "big") + bytes((kind,)) + content)

    async def receive(
        self, *kinds: Kind, patience_seconds: float | None = None, admit: Callable[[int], None] | None = None
    ) -> tuple[Kind, bytes]:
        """The next message, of one of these kinds.

        patience_seconds: time until its first byte, by default that of a whole message. admit: called with the
        content's size before it is read, to raise what refuses it. Raises MessageError for another kind or size,
        RefusedError for a refusal.
        """
        seconds = self._limits.replica_message_seconds
        async with asyncio.timeout(seconds if patience_seconds is None else patience_seconds):
            begin = await self._stream.read(_HEADER_BYTES)
        if not begin:
            raise EndedError("the other side has ended the stream")
        async with asyncio.timeout(seconds):
            header = begin + await self._exactly(_HEADER_BYTES - len(begin))
            size, kind = int.from_bytes(header[:4], "big") - 1, self._kind(header[4])
            limit = self._sizes.get(kind, CONTROL_BYTES)
            if not 0 < size <= limit:
                raise MessageError(
                    f"a message of kind {kind.name} has {size} bytes, at most {limit} are taken"
                    + ("; --rpc-replica-message-bytes raises it" if limit > CONTROL_BYTES else "")
                )
            if kind not in kinds and kind is not Kind.REFUSAL:
                wanted = " or ".join(item.name for item in kinds)
                raise MessageError(f"a message of kind {kind.name} came unasked, want {wanted}")
            if admit is not None:
                admit(size)
            content = await self._exactly(size)
        if kind is Kind.REFUSAL and kind not in kinds:
            raise RefusedError(decode_text(content))
        return kind, content

    def close(self) -> None:
        """End the stream."""
        self._stream.close()

    @staticmethod
    def _kind(value: int) -> Kind:
        try:
            return Kind(value)
        except ValueError:
            raise MessageError(f"no message has the kind {value}") from None

    async def _exactly(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            part = await self._stream.read(min(missing, _READ_BYTES))
            if not part:
                raise EndedError("the other side has ended the stream within a message")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)
