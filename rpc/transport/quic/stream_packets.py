"""Packets that carry new data of streams, and an acknowledgement with them: what a server's replies mostly are.

aioquic's builder goes through every kind of frame for each packet, and begins one more to find that there is nothing
left. Here a packet is put together out of its frames at once, by the same rules and into the same accounts: whatever is
not plain is left to aioquic. The parts of aioquic 1.7 that this uses are not its public interface.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.packet import PACKET_FIXED_BIT, QuicFrameType, QuicPacketType, push_ack_frame
from aioquic.quic.packet_builder import PACKET_NUMBER_SEND_SIZE, QuicDeliveryState, QuicSentPacket

TAG_BYTES = 16
LEAST_FRAME_BYTES = 32
"""Space in a packet below which no further frame is begun: the longest header of one, and a few bytes of data."""

ACKNOWLEDGEMENT_BYTES = 256
"""Most bytes of an acknowledgement; of many ranges, the newest ones go into it."""

_STREAM, _HAS_LENGTH, _HAS_OFFSET, _IS_LAST = QuicFrameType.STREAM_BASE, 2, 4, 1
_TWO_BYTES = 0x4000
"""Marks a number of 14 bits that is written in two bytes (RFC 9000, section 16)."""

Delivery = Callable[[QuicDeliveryState, Any, int, int, bool], None]
"""Hears of a stream's data: whether they were acknowledged or lost, the stream, their begin, end, whether its last."""


class StreamPackets:
    """Makes one connection's packets of new data. delivered: hears what became of them."""

    def __init__(self, connection: QuicConnection, delivered: Delivery) -> None:
        self._quic = cast(Any, connection)
        self._delivered = delivered

    def make(self, streams: Iterable[Any], now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams with what has to be sent of aioquic's streams, as far as pacing and congestion allow.

        The connection has nothing else to write than these data and an acknowledgement, its handshake is confirmed and
        its path validated.
        """
        quic, loss = self._quic, self._quic._loss
        path = quic._network_paths[0]
        waiting = [stream for stream in streams if not stream.sender.buffer_is_empty and not stream.is_blocked]
        made: list[tuple[bytes, NetworkAddress]] = []
        while waiting:
            window_bytes = loss.congestion_window - loss.bytes_in_flight
            quic._pacing_at = loss._pacer.next_send_time(now=now)
            if quic._pacing_at is not None:
                break
            packet = self._packet(now)
            payload = self._payload(packet, waiting, min(window_bytes, quic._max_datagram_size), now)
            if payload is None:
                break
            made.append((self._sealed(packet, payload, now), path.addr))
            path.bytes_sent += packet.sent_bytes
            loss._pacer.update_after_send(now=now)
            waiting = [stream for stream in waiting if not stream.sender.buffer_is_empty]
        return made

    def _packet(self, now: float) -> QuicSentPacket:
        return QuicSentPacket(
            epoch=tls.Epoch.ONE_RTT,
            in_flight=True,
            is_ack_eliciting=True,
            is_crypto_packet=False,
            packet_number=self._quic._packet_number,
            packet_type=QuicPacketType.ONE_RTT,
            sent_time=now,
        )

    def _payload(self, packet: QuicSentPacket, waiting: list[Any], most_bytes: int, now: float) -> bytes | None:
        """The frames of a packet of at most this number of bytes; None where no data fit."""
        space = self._quic._spaces[tls.Epoch.ONE_RTT]
        room = most_bytes - 1 - len(self._quic._peer_cid.cid) - PACKET_NUMBER_SEND_SIZE - TAG_BYTES
        acknowledges = space.ack_at is not None and space.ack_at <= now
        head = self._acknowledgement(space, now) if acknowledges else b""
        room -= len(head)
        frames = [head]
        for stream in waiting:
            if room < LEAST_FRAME_BYTES:
                break
            room -= self._add_frame(packet, frames, stream, room)
        if len(frames) == 1:
            return None
        if acknowledges:
            packet.delivery_handlers.append((self._quic._on_ack_delivery, (space, space.largest_received_packet)))
            space.ack_at = None
        return b"".join(frames)

    def _add_frame(self, packet: QuicSentPacket, frames: list[bytes], stream: Any, room: int) -> int:
        """Add the stream's next data, and return their size with their header; 0 where its window has no space."""
        quic, sender = self._quic, stream.sender
        sent_before, left = sender.highest_offset, quic._remote_max_data - quic._remote_max_data_used
        offset = sender.next_offset
        number, place = _written(stream.stream_id), _written(offset) if offset else b""
        header_bytes = 3 + len(number) + len(place)
        most_bytes, end = room - header_bytes, min(sent_before + left, stream.max_stream_data_remote)
        if sent_before == 0 and sender._buffer_fin is not None and sender._buffer_fin <= min(most_bytes, end):
            data, is_last = _whole(sender), True
        elif (frame := sender.get_frame(most_bytes, end)) is not None:
            data, is_last = frame.data, frame.fin
        else:
            return 0
        size = len(data)
        kind = _STREAM | _HAS_LENGTH | (_HAS_OFFSET if offset else 0) | (_IS_LAST if is_last else 0)
        frames += (bytes((kind,)), number, place, (size | _TWO_BYTES).to_bytes(2, "big"), data)
        packet.delivery_handlers.append((self._delivered, (stream, offset, offset + size, is_last)))
        quic._remote_max_data_used += sender.highest_offset - sent_before
        if not len(sender._pending) and not sender._pending_eof:
            sender.buffer_is_empty = True
        return header_bytes + size

    def _acknowledgement(self, space: Any, now: float) -> bytes:
        delay = int((now - space.largest_received_time) * 1_000_000) >> self._quic._local_ack_delay_exponent
        buffer = Buffer(capacity=ACKNOWLEDGEMENT_BYTES)
        buffer.push_uint_var(QuicFrameType.ACK)
        push_ack_frame(buffer, space.ack_queue, delay, ACKNOWLEDGEMENT_BYTES - 1)
        return buffer.data

    def _sealed(self, packet: QuicSentPacket, payload: bytes, now: float) -> bytes:
        """The datagram of a packet, which is noted as sent."""
        quic = self._quic
        crypto = quic._cryptos[tls.Epoch.ONE_RTT]
        number = packet.packet_number
        first = PACKET_FIXED_BIT | (quic._spin_bit << 5) | (crypto.key_phase << 2) | (PACKET_NUMBER_SEND_SIZE - 1)
        header = bytes((first,)) + quic._peer_cid.cid + (number & 0xFFFF).to_bytes(PACKET_NUMBER_SEND_SIZE, "big")
        datagram: bytes = crypto.encrypt_packet(header, payload, number)
        packet.sent_bytes = len(datagram)
        quic._packet_number = number + 1
        quic._loss.on_packet_sent(packet=packet, space=quic._spaces[tls.Epoch.ONE_RTT])
        if not quic._ack_eliciting_sent_since_receipt:
            quic._close_at = now + quic._idle_timeout()
            quic._ack_eliciting_sent_since_receipt = True
        return datagram


def _whole(sender: Any) -> bytes:
    """All that was ever written to a stream of which nothing was sent yet, as sent with its end."""
    data = bytes(sender._buffer)
    if data:
        sender._pending.shift()
        sender.highest_offset = len(data)
    sender._pending_eof = False
    return data


def _written(number: int) -> bytes:
    """A number in as few bytes as it takes (RFC 9000, section 16)."""
    if number < 64:
        return bytes((number,))
    return (number | _TWO_BYTES).to_bytes(2, "big") if number < _TWO_BYTES else encode_uint_var(number)
