"""Flow control by what has been read: a peer may send one window beyond the bytes that were taken, and no more.

aioquic doubles its windows as bytes arrive, read or not. The methods here stand in the place of its own two on
each connection. They are not its public interface (aioquic 1.7).
"""

from typing import Any, cast

from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
)
from aioquic.quic.packet import QuicFrameType


class Windows:
    """The windows of one connection. `unread`: stream id -> delivered bytes that its reader has not taken."""

    def __init__(self, connection: QuicConnection, *, connection_bytes: int, stream_bytes: int) -> None:
        self.unread: dict[int, int] = {}
        self._connection = cast(Any, connection)
        self._connection_bytes = connection_bytes
        self._stream_bytes = stream_bytes
        self._write_counts = self._connection._write_connection_limits
        self._connection._write_connection_limits = self._write_connection_limits
        self._connection._write_stream_limits = self._write_stream_limits

    def is_due(self, stream_id: int) -> bool:
        """Whether a stream's window or the connection's may be half used, and the peer be told of more space."""
        if self._is_half_used():
            return True
        stream = self._connection._streams.get(stream_id)
        return stream is not None and not stream.receiver.is_finished and self._stream_is_half_used(stream)

    def may_have_frames(self) -> bool:
        """Whether a frame of the connection's own limits may be due."""
        quic, limit = self._connection, self._connection._local_max_data
        if self._is_half_used() or limit.value - limit.sent >= self._connection_bytes // 4:
            return True
        # aioquic tells of more streams once the peer has fewer left than there are more
        counts = (quic._local_max_streams_bidi, quic._local_max_streams_uni)
        return any(2 * count.sent < count.value + count.used for count in counts)

    def stream_may_have_frames(self, stream: Any) -> bool:
        """Whether a frame of the limit of one of aioquic's streams may be due."""
        if stream.receiver.is_finished:
            return False
        untold = stream.max_stream_data_local - stream.max_stream_data_local_sent
        return self._stream_is_half_used(stream) or bool(untold >= self._stream_bytes // 4)

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        limit = self._connection._local_max_data
        if self._is_half_used():
            limit.value = max(limit.value, limit.used - self._held_bytes() + self._connection_bytes)
        value, used = limit.value, limit.used
        # aioquic's own function writes the counts of streams; of the bytes it sees nothing to do
        limit.value, limit.used = limit.sent, 0
        self._write_counts(builder, space)
        limit.value, limit.used = value, used
        if value - limit.sent >= self._connection_bytes // 4:
            buffer = builder.start_frame(
                QuicFrameType.MAX_DATA,
                capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                handler=self._connection._on_connection_limit_delivery,
                handler_args=(limit,),
            )
            buffer.push_uint_var(value)
            limit.sent = value

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:  # noqa: ARG002
        receiver = stream.receiver
        if receiver.is_finished:
            return
        if self._stream_is_half_used(stream):
            taken = receiver.starting_offset() - self.unread.get(stream.stream_id, 0)
            stream.max_stream_data_local = max(stream.max_stream_data_local, taken + self._stream_bytes)
        # 0 is what was sent once its packet was lost
        if stream.max_stream_data_local - stream.max_stream_data_local_sent >= self._stream_bytes // 4:
            buffer = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._connection._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buffer.push_uint_var(stream.stream_id)
            buffer.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _is_half_used(self) -> bool:
        limit = self._connection._local_max_data
        return bool(limit.value - limit.used < self._connection_bytes // 2)

    def _stream_is_half_used(self, stream: Any) -> bool:
        return bool(stream.max_stream_data_local - stream.receiver.highest_offset < self._stream_bytes // 2)

    def _held_bytes(self) -> int:
        """Bytes that were received and not taken: unread ones, and those behind a gap."""
        behind_gaps = (
            stream.receiver.highest_offset - stream.receiver.starting_offset()
            for stream in self._connection._streams.values()
            if not stream.receiver.is_finished
        )
        return sum(self.unread.values()) + int(sum(behind_gaps))
