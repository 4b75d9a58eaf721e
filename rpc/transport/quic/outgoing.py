"""Packets of a connection that has something to write, and a look at the streams that have it.

aioquic looks at every open stream for each packet, and begins a packet to find out. But a server's streams mostly wait
for their replies, and most packets of a client only acknowledge. Here streams whose data are new are known by their
numbers, and their packets are made of these data alone (stream_packets.py). Where anything else may be due, the streams
that rest are kept from aioquic's view as it writes, and a connection without anything to write makes no packet. The
parts of aioquic 1.7 that this uses are not its public interface.
"""

from typing import Any, cast

from aioquic import tls
from aioquic.quic.connection import (
    END_STATES,
    NetworkAddress,
    QuicConnection,
    stream_is_client_initiated,
    stream_is_unidirectional,
)
from aioquic.quic.packet_builder import QuicDeliveryState

from zevm.rpc.transport.quic.stream_packets import StreamPackets
from zevm.rpc.transport.quic.windows import Windows


class Outgoing:
    """The packets that one connection makes after its handshake. windows: its flow control."""

    def __init__(self, connection: QuicConnection, windows: Windows) -> None:
        self._quic = cast(Any, connection)
        self._windows = windows
        self._packets = StreamPackets(connection, self._delivered)
        self._fresh: dict[int, Any] = {}
        """Streams with new data."""
        self._is_plain = False
        """Whether no other stream has anything to write, and all that aioquic has sent of streams is settled."""
        self._is_data_alone = False
        """Whether new data are all that is due, but for an acknowledgement."""
        self._last_of_aioquic = -1
        """The number of the last packet that aioquic has made."""
        quic = self._quic
        self._write, self._send_stream_data = quic._write_application, quic.send_stream_data
        self._reset_stream, self._stop_stream = quic.reset_stream, quic.stop_stream
        quic._write_application, quic.send_stream_data = self._write_application, self._queue_data
        quic.reset_stream, quic.stop_stream = self._queue_reset, self._queue_stop

    def has_any(self, now: float) -> bool:
        """Whether a packet may be due at this time of the loop's clock; False where it is plain that none is."""
        quic = self._quic
        self._is_data_alone = False
        if not quic._handshake_confirmed or quic._state in END_STATES or quic._close_pending:
            self._is_plain = False
            return True
        has_work = not self._is_plain and self._look()
        has_frames = self._has_frames() or self._windows.may_have_frames()
        has_data = bool(self._fresh)
        self._is_data_alone = has_data and self._is_plain and not has_frames
        return has_data or has_frames or has_work or self._acknowledges(now)

    def datagrams(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """The datagrams that are due, after `has_any` at this time."""
        quic = self._quic
        streams = list(self._fresh.values())
        self._fresh.clear()
        made = self._packets.make(streams, now) if self._is_data_alone else []
        if self._is_data_alone and all(stream.sender.buffer_is_empty for stream in streams):
            return made
        # the rest waits for a window or for its time, which aioquic knows
        self._is_plain = False
        made += quic.datagrams_to_send(now=now)
        self._last_of_aioquic = quic._packet_number - 1
        return made

    def ended(self, stream_id: int) -> None:
        """All of a stream has come: it is forgotten if the peer has acknowledged this side's end too."""
        stream = self._quic._streams.get(stream_id)
        if stream is not None:
            self._settle(stream)

    def drop(self) -> None:
        """Forget the data: the connection has ended."""
        self._fresh.clear()

    def note(self) -> None:
        """A stream may have something to write other than new data."""
        self._is_plain = False

    def _queue_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        stream = self._quic._streams.get(stream_id)
        if stream is None or stream_is_unidirectional(stream_id):
            self._send_stream_data(stream_id, data, end_stream)
            stream = self._quic._streams[stream_id]
        else:
            # an open stream that goes both ways may be written to
            stream.sender.write(data, end_stream)
        if not stream.sender.buffer_is_empty:
            self._fresh[stream_id] = stream

    def _queue_reset(self, stream_id: int, error_code: int) -> None:
        self._is_plain = False
        self._reset_stream(stream_id, error_code)

    def _queue_stop(self, stream_id: int, error_code: int) -> None:
        self._is_plain = False
        self._stop_stream(stream_id, error_code)

    def _delivered(self, delivery: QuicDeliveryState, stream: Any, start: int, stop: int, is_last: bool) -> None:
        """Data have been acknowledged or lost; a stream that is finished so is forgotten."""
        sender = stream.sender
        if delivery is not QuicDeliveryState.ACKED:
            sender.on_data_delivery(delivery, start, stop, is_last)
            self._is_plain = False
            return
        if is_last and start == sender._buffer_start == 0 and sender._reset_error_code is None:
            # all of it at once
            sender._buffer_start, sender._acked_fin, sender.is_finished = stop, True, True
            sender._buffer.clear()
        else:
            sender.on_data_delivery(delivery, start, stop, is_last)
        self._settle(stream)

    def _settle(self, stream: Any) -> None:
        if stream.is_finished and self._quic._streams.get(stream.stream_id) is stream:
            self._quic._streams_queue.remove(stream)
            self._forget(stream)

    def _look(self) -> bool:
        """Whether a stream has anything to write other than new data."""
        self._discard_finished()
        quic = self._quic
        has_work = any(map(self._has_work, quic._streams_queue))
        in_flight = next(iter(quic._spaces[tls.Epoch.ONE_RTT].sent_packets), None)
        self._is_plain = not has_work and (in_flight is None or in_flight > self._last_of_aioquic)
        return has_work

    def _acknowledges(self, now: float) -> bool:
        acknowledged_at = self._quic._spaces[tls.Epoch.ONE_RTT].ack_at
        return acknowledged_at is not None and acknowledged_at <= now

    def _has_frames(self) -> bool:
        """Whether a frame that belongs to no stream of the application, nor acknowledges, may be due."""
        quic, path = self._quic, self._quic._network_paths[0]
        return bool(
            quic._pacing_at is not None
            or quic._handshake_done_pending
            or quic._probe_pending
            or quic._ping_pending
            or quic._datagrams_pending
            or quic._streams_blocked_pending
            or quic._retire_connection_ids
            or len(quic._network_paths) > 1
            or not path.is_validated
            or path.remote_challenges
            or quic._remote_preferred_address is not None
            or not quic._crypto_streams[tls.Epoch.ONE_RTT].sender.buffer_is_empty
            or not all(identifier.was_sent for identifier in quic._host_cids)
            or quic._cryptos[tls.Epoch.ONE_RTT]._update_key_requested
        )

    def _discard_finished(self) -> None:
        """Forget streams that have ended on both sides, and let the peer open as many, as aioquic does in a packet."""
        quic = self._quic
        finished = [stream for stream in quic._streams_queue if stream.is_finished]
        if not finished:
            return
        for stream in finished:
            self._forget(stream)
        quic._streams_queue = [stream for stream in quic._streams_queue if not stream.is_finished]

    def _forget(self, stream: Any) -> None:
        quic = self._quic
        del quic._streams[stream.stream_id]
        if stream_is_client_initiated(stream.stream_id) != quic._is_client:
            quic._stream_limit(stream.stream_id).value += 1

    def _has_work(self, stream: Any) -> bool:
        return not _rests(stream) and (
            stream.receiver.stop_pending
            or stream.sender.reset_pending
            or (not stream.sender.buffer_is_empty and stream.stream_id not in self._fresh)
            or self._windows.stream_may_have_frames(stream)
        )

    def _write_application(self, builder: Any, network_path: Any, now: float) -> None:
        """aioquic's own function, with the streams in its view that do not rest."""
        quic = self._quic
        streams = quic._streams
        awake: list[Any] = []
        resting: list[Any] = []
        for stream in quic._streams_queue:
            (resting if _rests(stream) else awake).append(stream)
        if not resting:
            self._write(builder, network_path, now)
            return
        quic._streams, quic._streams_queue = {stream.stream_id: stream for stream in awake}, awake
        try:
            self._write(builder, network_path, now)
        finally:
            for stream in awake:
                if stream.stream_id not in quic._streams:
                    del streams[stream.stream_id]
            # as in aioquic, the ones that have sent are the last of all
            quic._streams, quic._streams_queue = streams, resting + quic._streams_queue


def _rests(stream: Any) -> bool:
    """Whether all of a stream has come, and nothing of it is to be written: its reply is being made, or on its way."""
    receiver, sender = stream.receiver, stream.sender
    return bool(
        receiver.is_finished
        and sender.buffer_is_empty
        and not sender.is_finished
        and not sender.reset_pending
        and not receiver.stop_pending
    )
