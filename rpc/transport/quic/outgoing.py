"""Packets of a connection that has something to write, and a look at the streams that have it.

aioquic looks at every open stream for each packet, and begins a packet to find out. But a server's streams mostly wait
for their replies, and most packets of a client only acknowledge. Here the streams that rest are kept from its view as
it writes, and a connection without anything to write makes no packet. The parts of aioquic 1.7 that this uses are not
its public interface.
"""

from typing import Any, cast

from aioquic import tls
from aioquic.quic.connection import END_STATES, QuicConnection, stream_is_client_initiated

from zevm.rpc.transport.quic.windows import Windows


class Outgoing:
    """The packets that one connection makes after its handshake. windows: its flow control."""

    def __init__(self, connection: QuicConnection, windows: Windows) -> None:
        self._quic = cast(Any, connection)
        self._windows = windows
        self._write = self._quic._write_application
        self._quic._write_application = self._write_application

    def has_any(self, now: float) -> bool:
        """Whether a packet may be due at this time of the loop's clock; False where it is plain that none is."""
        quic = self._quic
        if not quic._handshake_confirmed or quic._state in END_STATES or quic._close_pending:
            return True
        self._discard_finished()
        return self._has_frames(now) or self._windows.may_have_frames() or any(map(self._has_work, quic._streams_queue))

    def _has_frames(self, now: float) -> bool:
        """Whether a frame that belongs to no stream of the application may be due."""
        quic, path = self._quic, self._quic._network_paths[0]
        acknowledged_at = quic._spaces[tls.Epoch.ONE_RTT].ack_at
        return bool(
            (acknowledged_at is not None and acknowledged_at <= now)
            or quic._pacing_at is not None
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
        )

    def _discard_finished(self) -> None:
        """Forget streams that have ended on both sides, and let the peer open as many, as aioquic does in a packet."""
        quic = self._quic
        finished = [stream for stream in quic._streams_queue if stream.is_finished]
        if not finished:
            return
        for stream in finished:
            del quic._streams[stream.stream_id]
            if stream_is_client_initiated(stream.stream_id) != quic._is_client:
                quic._stream_limit(stream.stream_id).value += 1
        quic._streams_queue = [stream for stream in quic._streams_queue if not stream.is_finished]

    def _has_work(self, stream: Any) -> bool:
        return not _rests(stream) and (
            stream.receiver.stop_pending
            or stream.sender.reset_pending
            or not stream.sender.buffer_is_empty
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
