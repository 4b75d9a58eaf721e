"""Packets that bring data of streams and acknowledgements: what a server mostly receives.

aioquic reads each packet as if it were of any kind and each frame by a handler of its own. Here a packet is opened and
read at once, and its frames are handed to aioquic's objects, by the same rules. Nothing is touched before the whole
packet was seen to be plain: every other one is left to aioquic, malformed ones and those past a limit too, so that it
says what is wrong. The parts of aioquic 1.7 that this uses are not its public interface.
"""

from collections.abc import Callable
from typing import Any, cast

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic._crypto import CryptoError
from aioquic.quic.connection import NetworkAddress, QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicFrameType, QuicStreamFrame, decode_packet_number, get_spin_bit, pull_ack_frame
from aioquic.quic.recovery import MAX_ACK_RANGES
from aioquic.quic.stream import QuicStream

_FORM_AND_FIXED, _FIXED, _SPIN, _RESERVED, _PHASE, _NUMBER_SIZE = 0xC0, 0x40, 0x20, 0x18, 0x04, 0x03
"""Bits of a packet's first byte (RFC 9000, section 17.3.1)."""

_KINDS_MASK, _HAS_OFFSET, _HAS_LENGTH, _IS_LAST = 0xF8, 4, 2, 1
_UNIDIRECTIONAL = 2
Step = tuple[Callable[..., None], tuple[Any, ...]]
"""A frame's effect: a function and its arguments."""


class _NotPlainError(Exception):
    """The packet is for aioquic."""


class StreamArrivals:
    """Takes one connection's packets of data and acknowledgements."""

    def __init__(self, connection: QuicConnection) -> None:
        self._quic = cast(Any, connection)

    def take(self, datagram: bytes, address: NetworkAddress, now: float) -> bool:
        """Whether the datagram was a plain packet, and is dealt with; otherwise nothing has changed."""
        quic = self._quic
        paths = quic._network_paths
        if (
            not quic._handshake_confirmed
            or quic._state is not QuicConnectionState.CONNECTED
            or quic._close_pending
            or len(paths) != 1
            or paths[0].addr != address
            or not paths[0].is_validated
            or not datagram.startswith(quic.host_cid, 1)
            or datagram[0] & _FORM_AND_FIXED != _FIXED
        ):
            return False
        space = quic._spaces[tls.Epoch.ONE_RTT]
        try:
            first, number, payload = self._opened(datagram, space)
            steps, is_eliciting = self._read(payload, space, now)
        except (_NotPlainError, CryptoError, ValueError):
            return False
        for step, arguments in steps:
            step(*arguments)
        self._note(space, number, first, now)
        if is_eliciting and space.ack_at is None:
            space.ack_at = now + quic._ack_delay
        return True

    def _opened(self, datagram: bytes, space: Any) -> tuple[int, int, bytes]:
        """The first byte, the number and the frames of a packet that is new and of the present keys."""
        crypto = self._quic._cryptos[tls.Epoch.ONE_RTT].recv
        header, truncated = crypto.hp.remove(datagram, 1 + len(self._quic.host_cid))
        first = header[0]
        if first & _RESERVED or (first & _PHASE) >> 2 != crypto.key_phase:
            raise _NotPlainError
        number = decode_packet_number(truncated, 8 * ((first & _NUMBER_SIZE) + 1), space.expected_packet_number)
        if number in space.received_packets:
            raise _NotPlainError
        return first, number, crypto.aead.decrypt(datagram[len(header) :], header, number)

    def _read(self, payload: bytes, space: Any, now: float) -> tuple[list[Step], bool]:
        """The effects of a packet's frames, and whether it is to be acknowledged. Raises _NotPlainError, ValueError."""
        buffer, steps, is_eliciting = Buffer(data=payload), list[Step](), False
        streams: set[int] = set()
        opened = 0
        left_bytes = self._quic._local_max_data.value - self._quic._local_max_data.used
        while not buffer.eof():
            kind = buffer.pull_uint_var()
            if kind & _KINDS_MASK == QuicFrameType.STREAM_BASE:
                stream_id, frame = _stream_frame(buffer, kind)
                stream = self._quic._streams.get(stream_id)
                if stream is None:
                    self._check_opening(stream_id, frame, opened)
                    opened += 1
                else:
                    _check_continuing(stream, frame)
                # a gap counts too: it is held until it is filled
                known = 0 if stream is None else stream.receiver.highest_offset
                left_bytes -= max(0, frame.offset + len(frame.data) - known)
                if left_bytes < 0 or stream_id in streams:
                    raise _NotPlainError
                streams.add(stream_id)
                steps.append((self._take_data, (stream_id, frame)))
                is_eliciting = True
            elif kind == QuicFrameType.ACK:
                ranges, delay = pull_ack_frame(buffer)
                steps.append((self._acknowledge, (ranges, delay, space, now)))
            elif kind == QuicFrameType.PING:
                is_eliciting = True
            else:
                raise _NotPlainError
        if not steps:
            raise _NotPlainError
        return steps, is_eliciting

    def _check_opening(self, stream_id: int, frame: QuicStreamFrame, opened: int) -> None:
        """Raises _NotPlainError unless a frame may open its stream, after `opened` others of its packet."""
        quic = self._quic
        limit, end = quic._local_max_streams_bidi, frame.offset + len(frame.data)
        is_next = stream_id % 4 == int(quic._is_client) and stream_id // 4 == limit.used + opened < limit.value
        if not is_next or end > quic._local_max_stream_data_bidi_remote:
            raise _NotPlainError

    def _open(self, stream_id: int) -> QuicStream:
        """Open the peer's next bidirectional stream."""
        quic = self._quic
        stream = quic._streams[stream_id] = QuicStream(
            stream_id, quic._local_max_stream_data_bidi_remote, quic._remote_max_stream_data_bidi_local
        )
        quic._streams_queue.append(stream)
        quic._local_max_streams_bidi.used += 1
        return stream

    def _take_data(self, stream_id: int, frame: QuicStreamFrame) -> None:
        quic = self._quic
        stream = quic._streams.get(stream_id) or self._open(stream_id)
        known = stream.receiver.highest_offset
        event = stream.receiver.handle_frame(frame)
        if event is not None:
            quic._events.append(event)
        quic._local_max_data.used += stream.receiver.highest_offset - known

    def _acknowledge(self, ranges: Any, delay: int, space: Any, now: float) -> None:
        quic = self._quic
        seconds = (delay << quic._remote_ack_delay_exponent) / 1_000_000
        quic._loss.on_ack_received(ack_rangeset=ranges, ack_delay=seconds, now=now, space=space)

    def _note(self, space: Any, number: int, first: int, now: float) -> None:
        """Note a packet as received, as aioquic does."""
        quic = self._quic
        if number > space.expected_packet_number:
            space.expected_packet_number = number + 1
        if number > quic._spin_highest_pn:
            spin = get_spin_bit(first)
            quic._spin_bit, quic._spin_highest_pn = (not spin if quic._is_client else spin), number
        quic._close_at = now + quic._idle_timeout()
        quic._ack_eliciting_sent_since_receipt = False
        if number > space.largest_received_packet:
            space.largest_received_packet, space.largest_received_time = number, now
        space.ack_queue.add(number)
        space.received_packets.add(number)
        if len(space.ack_queue) > MAX_ACK_RANGES:
            space.ack_queue.shift()


def _check_continuing(stream: Any, frame: QuicStreamFrame) -> None:
    """Raises _NotPlainError unless a frame may bring more of an open stream."""
    receiver, end = stream.receiver, frame.offset + len(frame.data)
    if (
        stream.stream_id & _UNIDIRECTIONAL
        or receiver.is_finished
        or receiver._final_size is not None
        or end > stream.max_stream_data_local
        or (frame.fin and end < receiver.highest_offset)
    ):
        raise _NotPlainError


def _stream_frame(buffer: Buffer, kind: int) -> tuple[int, QuicStreamFrame]:
    """A stream's number and its frame. Raises ValueError where it does not fit into the packet."""
    stream_id = buffer.pull_uint_var()
    offset = buffer.pull_uint_var() if kind & _HAS_OFFSET else 0
    size = buffer.pull_uint_var() if kind & _HAS_LENGTH else buffer.capacity - buffer.tell()
    return stream_id, QuicStreamFrame(data=buffer.pull_bytes(size), offset=offset, fin=bool(kind & _IS_LAST))
