"""A QUIC connection without packets: the protocols of a port are given events, and what they send is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration


class MemoryQuic:
    """aioquic's connection as a protocol's state machine uses it."""

    def __init__(self, *, is_client: bool = False) -> None:
        self.configuration = QuicConfiguration(is_client=is_client)
        self._quic_logger = None
        self._remote_max_datagram_frame_size = None
        self._next = {False: 0 if is_client else 1, True: 2 if is_client else 3}
        self.sent: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.close_code: int | None = None

    def get_next_available_stream_id(self, is_unidirectional: bool = False) -> int:
        """See QuicConnection."""
        found = self._next[is_unidirectional]
        self._next[is_unidirectional] += 4
        return found

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """See QuicConnection. Raises RuntimeError, as it does, for a stream that has ended."""
        if stream_id in self.ended or stream_id in self.resets:
            raise RuntimeError("cannot write on a stream that has ended")
        self.sent.setdefault(stream_id, bytearray()).extend(data)
        if end_stream:
            self.ended.add(stream_id)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """See QuicConnection."""
        self.resets.setdefault(stream_id, error_code)

    def close(self, error_code: int = 0, frame_type: int | None = None, reason_phrase: str = "") -> None:  # noqa: ARG002
        """See QuicConnection."""
        if self.close_code is None:
            self.close_code = error_code


class MemoryConnection:
    """A port's connection (connection.Connection) as its protocols use it, around MemoryQuic."""

    alpn: str | None = None
    address = ("127.0.0.1", 4_433)
    write_seconds = 1.0

    def __init__(self, factory: Callable[[Any], Any]) -> None:
        """factory: a row of the port's table."""
        self.quic = MemoryQuic()
        self.held_bytes = self.pending_bytes = 0
        self.unread: dict[int, int] = {}
        self.receiver = factory(self)

    def give(self, stream_id: int, data: bytes, *, ends: bool) -> None:
        """Bytes of the client, unless the connection is closed."""
        if self.quic.close_code is None:
            self.receiver.received(events.StreamDataReceived(data=data, end_stream=ends, stream_id=stream_id))

    def give_up(self, stream_id: int, kind: type[events.StreamReset | events.StopSendingReceived], code: int) -> None:
        """The client resets a stream, or stops reading it."""
        if self.quic.close_code is None:
            self.receiver.received(kind(error_code=code, stream_id=stream_id))

    def widen_windows(self, stream_id: int) -> None:
        """See Carrier."""

    def send_soon(self) -> None:
        """See Connection."""

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """See Carrier."""
        self.quic.send_stream_data(stream_id, data, end)

    def reset_stream(self, stream_id: int, code: int) -> None:
        """See Carrier."""
        self.quic.reset_stream(stream_id, code)

    def stop_stream(self, stream_id: int, code: int) -> None:
        """See Carrier."""

    def unacknowledged_bytes(self, stream_id: int) -> int:  # noqa: ARG002
        """See Carrier: the client takes all at once."""
        return 0

    def count_unread(self, stream_id: int, count: int) -> None:
        """See Carrier."""
        self.unread[stream_id] = count

    def wait_for_room(self, room: object, *, waits: bool) -> None:
        """See Carrier."""

    def close(self, error_code: int = 0, reason_phrase: str = "") -> None:  # noqa: ARG002
        """See Connection."""
        self.quic.close(error_code)
