"""Sending once in a turn of the event loop, whatever has come and gone in it.

aioquic's own protocol builds packets after each received datagram, acknowledges after 1 ms in a packet of its own, and
renews its timer with each packet. Here datagrams that arrive together are handled before one look at what is to be
sent, an acknowledgement goes with the data of a reply or once two full packets wait for it, and a timer that has become
too early only looks again.
"""

import asyncio
from typing import Any, cast

from aioquic import tls
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.events import StreamDataReceived

from zevm.rpc.transport.quic.outgoing import Outgoing
from zevm.rpc.transport.quic.path_size import PathSize, forbid_fragments
from zevm.rpc.transport.quic.stream_arrivals import StreamArrivals

ACKNOWLEDGEMENT_SECONDS = 0.01
"""How long an acknowledgement may wait for data to go with; aioquic tells the peer that it may take 25 ms."""
BYTES_FOR_AN_ACKNOWLEDGEMENT = 2_400
"""Two full packets are acknowledged at once (RFC 9000, section 13.2.2); small ones may wait for their reply."""
CLOCK_SECONDS = 0.001
"""The steps of the event loop's timers."""


class BatchingProtocol(QuicConnectionProtocol):
    """aioquic's protocol of a connection, with other times of sending. outgoing: what there is to send."""

    def __init__(self, quic: QuicConnection, largest_datagram_bytes: int, outgoing: Outgoing) -> None:
        super().__init__(quic)
        self._outgoing = outgoing
        self._arrivals = StreamArrivals(quic)
        self._largest_datagram_bytes = largest_datagram_bytes
        self.path_size = PathSize(quic, 0)
        self._private = cast(Any, quic)
        self._private._ack_delay = ACKNOWLEDGEMENT_SECONDS
        self._due_at: float | None = None
        """When the connection's timer is due; the loop's may fire before."""
        self._fires_at = 0.0
        """When the loop's does, if there is one."""
        self._waiting_bytes = 0
        """Bytes that have come since the first packet that waits for its acknowledgement."""
        self._has_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket (asyncio)."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and forbid_fragments(sock):
            self.path_size = PathSize(self._quic, self._largest_datagram_bytes)

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        """Handle a datagram; what it calls for is sent in the next turn of the loop (asyncio)."""
        datagram, now = cast(bytes, data), self._loop.time()
        if not self._arrivals.take(datagram, addr, now):
            self._quic.receive_datagram(datagram, addr, now=now)
        self._process_events()
        space = self._application_space()
        waits = space is not None and space.ack_at is not None
        self._waiting_bytes = self._waiting_bytes + len(data) if waits else 0
        self._transmit_soon()

    def send_soon(self) -> None:
        """Send new data in the next turn of the loop, and an acknowledgement that waits with them."""
        self._has_data = True
        self._transmit_soon()

    def transmit(self) -> None:
        """Send what is due now (aioquic)."""
        if self._transmit_task is not None:
            self._transmit_task.cancel()
            self._transmit_task = None
        now = self._loop.time()
        has_data = self._has_data
        self._release_acknowledgement(now)
        if self._outgoing.has_any(now) or has_data:
            self._send(now)
        self._arm(self._quic.get_timer())

    def forget_timers(self) -> None:
        """Do nothing more without being called: the socket is closed."""
        for handle in (self._timer, self._transmit_task):
            if handle is not None:
                handle.cancel()
        self._timer = self._transmit_task = None

    def _process_events(self) -> None:
        """Pass the events on, data of streams without a look at what else they could be (aioquic)."""
        waiting = self._private._events
        while waiting and type(waiting[0]) is StreamDataReceived:
            self.quic_event_received(waiting.popleft())
        if waiting:
            super()._process_events()

    def _send(self, now: float) -> None:
        transport, sizes = self._transport, self.path_size
        assert transport is not None
        sizes.look()
        datagrams = self._outgoing.datagrams(now)
        sizes.count(datagrams)
        for data, address in (*datagrams, *sizes.trials(now)):
            transport.sendto(data, address)

    def _release_acknowledgement(self, now: float) -> None:
        """Let an acknowledgement go now if data go, or enough packets wait for it."""
        space = self._application_space()
        enough = self._has_data or self._waiting_bytes >= BYTES_FOR_AN_ACKNOWLEDGEMENT
        if enough and space is not None and space.ack_at is not None:
            space.ack_at = min(space.ack_at, now)
            self._waiting_bytes = 0
        self._has_data = False

    def _application_space(self) -> Any:
        """aioquic's account of the packets after the handshake; None before the connection has begun."""
        return self._private._spaces.get(tls.Epoch.ONE_RTT)

    def _arm(self, due_at: float | None) -> None:
        """Have `_handle_timer` called at a time of the loop's clock, or earlier."""
        self._due_at = due_at
        if self._timer is not None:
            if due_at is not None and self._fires_at <= due_at:
                return
            self._timer.cancel()
        if due_at is None:
            self._timer = None
        else:
            # uvloop gives a handle that knows no time where the time has come already
            self._timer, self._fires_at = self._loop.call_at(due_at, self._handle_timer), due_at

    def _handle_timer(self) -> None:
        self._timer = None
        due_at, now = self._due_at, self._loop.time()
        if due_at is None:
            return
        if due_at > now + CLOCK_SECONDS:
            self._arm(due_at)
            return
        self._quic.handle_timer(now=max(due_at, now))
        self._process_events()
        self.transmit()
