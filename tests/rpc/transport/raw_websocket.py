"""A WebSocket client that sends frames as it likes and reads when it likes, as no library lets one."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(data: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """A masked frame whose mask is zero."""
    size = len(data)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes(((0x80 if fin else 0) | opcode,)) + length + bytes(4) + data


class RawWebSocket:
    """An open connection: its socket, which nobody reads unless asked to."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self._loop = asyncio.get_running_loop()
        self._unread = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._loop.sock_sendall(self.socket, data)

    async def flood(self, data: bytes, times: int) -> int:
        """Send the same bytes again and again; how often that went well before the node closed."""
        for index in range(times):
            try:
                await asyncio.wait_for(self.send(data), 5)
            except (OSError, TimeoutError):
                return index
        return times

    async def receive(self, timeout_seconds: float = 10) -> tuple[int, bytes]:
        """The next frame: opcode and data. A lost connection is a CLOSE without data."""
        try:
            head = await self._read(2, timeout_seconds)
            size = head[1] & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", await self._read(2, timeout_seconds))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._read(8, timeout_seconds))
            return head[0] & 0x0F, await self._read(size, timeout_seconds)
        except ConnectionError:
            return CLOSE, b""

    async def message(self, timeout_seconds: float = 10) -> bytes:
        """The next message, from all its frames; pings and pongs are passed over."""
        parts = []
        while True:
            head = await self._read(1, timeout_seconds)
            self._unread = head + self._unread
            opcode, data = await self.receive(timeout_seconds)
            if opcode in (PING, PONG):
                continue
            assert opcode != CLOSE, data
            parts.append(data)
            if head[0] & 0x80:
                return b"".join(parts)

    async def close_code(self, timeout_seconds: float = 10) -> int:
        """The code with which the node closes; 1006 where it only drops the connection."""
        while True:
            opcode, data = await self.receive(timeout_seconds)
            if opcode == CLOSE:
                return struct.unpack(">H", data[:2])[0] if data else 1006

    async def _read(self, size: int, timeout_seconds: float) -> bytes:
        while len(self._unread) < size:
            data = await asyncio.wait_for(self._loop.sock_recv(self.socket, 65_536), timeout_seconds)
            if not data:
                raise ConnectionResetError
            self._unread += data
        data, self._unread = self._unread[:size], self._unread[size:]
        return data


@asynccontextmanager
async def raw_websocket(port: int, receive_buffer_bytes: int = 4_096) -> AsyncIterator[RawWebSocket]:
    """An open connection with a small buffer on the client's side."""
    client = await open_raw_websocket(port, receive_buffer_bytes)
    try:
        yield client
    finally:
        client.socket.close()


async def open_raw_websocket(port: int, receive_buffer_bytes: int = 4_096) -> RawWebSocket:
    """As `raw_websocket`, to be closed by the caller."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, HANDSHAKE)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(client, 1)
    assert b" 101 " in answer
    return RawWebSocket(client)
