"""One QUIC connection of either side: its streams, its flow control, and the protocol that ALPN chose."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aioquic.quic import events
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode

from zevm.rpc.transport.quic.batching import BatchingProtocol
from zevm.rpc.transport.quic.codes import code_text
from zevm.rpc.transport.quic.key_exchange import negotiated_group
from zevm.rpc.transport.quic.outgoing import Outgoing
from zevm.rpc.transport.quic.path_size import SIZES
from zevm.rpc.transport.quic.streams import SendRoom, StreamResetError
from zevm.rpc.transport.quic.windows import Windows


class EventReceiver(Protocol):
    """Serves one connection from its handshake on."""

    def received(self, event: events.QuicEvent) -> None:
        """An event of the connection, in order."""
        ...

    def closed(self, error: StreamResetError) -> None:
        """The connection has ended."""
        ...


LOGGER = logging.getLogger("zevm.rpc")
# aioquic warns of each connection that a peer breaks, and so lets every stranger write to the log
_LIBRARY_LOGGER = logging.getLogger("quic")
if _LIBRARY_LOGGER.level == logging.NOTSET:
    _LIBRARY_LOGGER.setLevel(logging.ERROR)
ProtocolFactory = Callable[["Connection"], EventReceiver]
"""A row of the ALPN table: begins to serve a connection whose handshake has chosen this protocol."""

Protocols = Mapping[str, ProtocolFactory]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """streams: bidirectional ones of the peer at once. Windows in bytes; write_seconds: how long a write may wait.

    largest_datagram_bytes: UDP payloads up to this size are tried on the path.
    """

    streams: int = 32
    unidirectional_streams: int = 3
    stream_window_bytes: int = 512 * 1024
    connection_window_bytes: int = 2 * 1024 * 1024
    write_seconds: float = 30.0
    largest_datagram_bytes: int = SIZES[-1]


class Watcher(Protocol):
    """Counts connections for the port."""

    def established(self, connection: "Connection") -> None:
        """Its handshake is complete."""
        ...

    def ended(self, connection: "Connection") -> None:
        """It has ended, whether or not it was established."""
        ...


class Connection(BatchingProtocol):
    """A connection. `protocols`: ALPN -> who serves it; `watcher`: None for a client."""

    def __init__(
        self, quic: QuicConnection, protocols: Protocols, limits: ConnectionLimits, watcher: Watcher | None = None
    ) -> None:
        self._windows = Windows(
            quic, connection_bytes=limits.connection_window_bytes, stream_bytes=limits.stream_window_bytes
        )
        super().__init__(quic, limits.largest_datagram_bytes, Outgoing(quic, self._windows))
        self._protocols = protocols
        self._watcher = watcher
        self._receiver: EventReceiver | None = None
        self._sending: dict[int, SendRoom] = {}
        for counter, value in (
            (self._private._local_max_streams_bidi, limits.streams),
            (self._private._local_max_streams_uni, limits.unidirectional_streams),
        ):
            counter.value = counter.sent = value
        self.write_seconds = limits.write_seconds
        self.held_bytes = 0
        """Bytes of requests that the connection's handlers hold, for their limits."""
        self.pending_bytes = 0
        """Bytes of replies that the connection's handlers hold, for their limits."""
        self.alpn: str | None = None
        self.end_reason: str | None = None
        """Why the connection has ended; None while it goes on."""
        self.end_code: int | None = None
        """QUIC's or the application's code of that end."""
        self.address: tuple[str, int] = ("", 0)
        """The peer's address at its first datagram."""

    @property
    def quic(self) -> QuicConnection:
        """aioquic's connection, for protocols with a state machine of their own."""
        return self._quic

    @property
    def receiver(self) -> EventReceiver:
        """The chosen protocol's side. Raises StreamResetError before the handshake is complete and after the end."""
        if self._receiver is None:
            raise StreamResetError("the connection is not open")
        return self._receiver

    @property
    def group(self) -> int | None:
        """The number of the TLS group of the key exchange."""
        return negotiated_group(self._quic)

    @property
    def has_ended(self) -> bool:
        """Whether the connection is over, or its socket closed."""
        return self._receiver is None

    def quic_event_received(self, event: events.QuicEvent) -> None:
        """Pass an event to the protocol (aioquic)."""
        if isinstance(event, events.HandshakeCompleted):
            self._begin(event.alpn_protocol)
        elif isinstance(event, events.ConnectionTerminated):
            self._end(event)
        elif self._receiver is not None:
            self._receiver.received(event)
            if isinstance(event, events.StreamDataReceived) and event.end_stream:
                self._outgoing.ended(event.stream_id)
            else:
                # its window, or what the peer has stopped
                self._outgoing.note()

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Handle a datagram, and let writes go on that waited for the acknowledgements in it (aioquic)."""
        try:
            super().datagram_received(data, addr)
        except Exception:
            self._fail("its datagram could not be handled")
        if self._private._close_event is not None:
            # the peer has left; aioquic says so only once no packet of it can be on its way any more
            self._end(self._private._close_event)
        if self._sending:
            for room in list(self._sending.values()):
                room.acknowledged()

    def error_received(self, exc: Exception) -> None:
        """The system tells that no program listens at the peer's address (asyncio, of a client's socket)."""
        waiter = self._connected_waiter
        if isinstance(exc, ConnectionRefusedError) and waiter is not None and not waiter.done():
            waiter.set_exception(exc)

    def transmit(self) -> None:
        """Send what is due now (aioquic)."""
        try:
            super().transmit()
        except Exception:
            self._fail("its packets could not be made")

    def widen_windows(self, stream_id: int) -> None:
        """Let the peer send more if reading from a stream has made space for it."""
        if self._windows.is_due(stream_id):
            self._outgoing.note()
            self._transmit_soon()

    def abandon(self, error: StreamResetError) -> None:
        """Forget the timers: the socket is closed. error: for the readers that wait at its streams."""
        self.forget_timers()
        if self._receiver is not None:
            self._receiver.closed(error)
            self._receiver = None

    # for the streams

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes. Raises RuntimeError, ValueError if the stream is finished."""
        self._quic.send_stream_data(stream_id, data, end)
        self.send_soon()

    def reset_stream(self, stream_id: int, code: int) -> None:
        """Reset the sending direction and ask the peer to stop the other one."""
        self._quic.reset_stream(stream_id, code)
        self.stop_stream(stream_id, code)
        self._transmit_soon()

    def stop_stream(self, stream_id: int, code: int) -> None:
        """Ask the peer to send no more on a stream."""
        stream = self._private._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            self._quic.stop_stream(stream_id, code)
            self._transmit_soon()

    def unacknowledged_bytes(self, stream_id: int) -> int:
        """Bytes of a stream that the peer has not acknowledged."""
        stream = self._private._streams.get(stream_id)
        return 0 if stream is None else stream.sender._buffer_stop - stream.sender._buffer_start

    def count_unread(self, stream_id: int, count: int) -> None:
        """Say how many delivered bytes of a stream are unread."""
        if count:
            self._windows.unread[stream_id] = count
        else:
            self._windows.unread.pop(stream_id, None)

    def wait_for_room(self, room: SendRoom, *, waits: bool) -> None:
        """Tell of acknowledgements, or no longer."""
        if waits:
            self._sending[room.stream_id] = room
        else:
            self._sending.pop(room.stream_id, None)

    def _fail(self, reason: str) -> None:
        """Close the connection for a fault of this side."""
        LOGGER.exception("a QUIC connection of %s is closed: %s", self.address[0], reason)
        if self._private._close_event is None:
            self.close(QuicErrorCode.INTERNAL_ERROR, "internal error")

    def _begin(self, alpn: str | None) -> None:
        self.alpn = alpn
        self._receiver = self._protocols[alpn or ""](self)
        if self._watcher is not None:
            self._watcher.established(self)

    def _end(self, event: events.ConnectionTerminated) -> None:
        if self.end_reason is not None:
            return
        receiver, self._receiver = self._receiver, None
        self._drop_buffers()
        reason = self.end_reason = event.reason_phrase or code_text(event.error_code)
        self.end_code = event.error_code
        if receiver is not None:
            receiver.closed(StreamResetError(f"the connection has ended: {reason}", event.error_code))
        if self._watcher is not None:
            self._watcher.ended(self)

    def _drop_buffers(self) -> None:
        """Forget what no peer takes any more: aioquic's objects refer to one another, and stay until a collection."""
        self._outgoing.drop()
        quic = self._private
        for kept in (quic._streams, quic._streams_queue, quic._streams_blocked_bidi, quic._streams_blocked_uni):
            kept.clear()
        for space in quic._loss.spaces:
            quic._loss.discard_space(space)
