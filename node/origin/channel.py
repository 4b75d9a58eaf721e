"""Nodes that are asked on a connection kept open: WebSocket (RFC 6455), or a Unix socket as of geth's --ipcpath."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol
from urllib.parse import urlsplit

import orjson
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import connect

from zevm.node.origin.transport import ANSWER_BYTES, PART_BYTES, EndpointError, Place, check_load

_PORTS = {"ws": 80, "wss": 443}
_LEAST_SECONDS = 0.001
"""Of a wait that must not be one without an end."""


class ClosedError(EndpointError):
    """The other side has closed the connection."""


class Channel(Protocol):
    """A connection that has one exchange at a time."""

    def exchange(self, body: bytes, end: float) -> bytes:
        """See Transport. Raises ClosedError."""

    def is_silent(self) -> bool:
        """Whether the other side has sent nothing unasked, and has not closed the connection."""

    def close(self) -> None:
        """Give it up."""


class ChannelTransport:
    """Connections that each have one exchange at a time, and then wait for the next one. See Transport."""

    def __init__(self, opened: Callable[[float], Channel]) -> None:
        """opened: makes a connection by a time."""
        self._opened = opened
        self._lock = threading.Lock()
        self._idle: list[Channel] = []
        self._is_closed = False

    def exchange(self, body: bytes, end: float) -> bytes:
        """See Transport."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None and kept.is_silent():
            # nodes close connections that nobody uses for a while
            with suppress(ClosedError):
                return self._through(kept, body, end)
        elif kept is not None:
            # what came unasked must not be the next answer
            kept.close()
        return self._through(self._opened(end), body, end)

    def close(self) -> None:
        """See Transport."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def _through(self, channel: Channel, body: bytes, end: float) -> bytes:
        is_kept = False
        try:
            answer = channel.exchange(body, end)
            with self._lock:
                if not self._is_closed:
                    self._idle.append(channel)
                    is_kept = True
            return answer
        finally:
            # an answer that came too late must not be the next one's
            if not is_kept:
                channel.close()


class WebSocketChannel:
    """A WebSocket to a node. See Channel. Raises EndpointError, OSError."""

    def __init__(self, place: Place, end: float) -> None:
        parts = urlsplit(place.url)
        address = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        with _connecting():
            sock = socket.create_connection(address, _left(end))
        sock.settimeout(None)
        try:
            # on a given socket no redirection is followed, which would give the header fields to another host
            self._connection = connect(
                place.url, sock=sock, additional_headers=dict(place.headers), open_timeout=_left(end), close_timeout=1,
                ping_interval=None, max_size=ANSWER_BYTES, proxy=None, legacy=True,
            )  # fmt: skip
        except InvalidStatus as error:
            response = error.response
            check_load(response.status_code, response.headers.get("Retry-After"))
            shown = place.quoted((response.body or b"")[:200].decode("utf-8", "replace"))
            raise EndpointError(f"HTTP status {response.status_code}{shown}") from None
        except WebSocketException as error:
            raise EndpointError(f"no WebSocket: {type(error).__name__}") from None
        except ValueError:
            raise EndpointError("a redirection, which is not followed") from None

    def exchange(self, body: bytes, end: float) -> bytes:
        """See Channel."""
        try:
            with _cut_at(end, self._connection.socket):
                self._connection.send(body, text=True)
            return self._connection.recv(_left(end), decode=False)
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
                raise _too_long() from None
            raise _closed() from None

    def is_silent(self) -> bool:
        """See Channel."""
        try:
            self._connection.recv(0)
        except TimeoutError:
            return True
        except WebSocketException:
            pass
        return False

    def close(self) -> None:
        """See Channel. Without a farewell, for which a silent node would be waited for."""
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class SocketChannel:
    """A Unix socket of a node, on which one JSON text follows another. See Channel. Raises EndpointError."""

    def __init__(self, path: str, end: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._socket.settimeout(_left(end))
        try:
            with _connecting():
                self._socket.connect(path)
        except EndpointError:
            self._socket.close()
            raise

    def exchange(self, body: bytes, end: float) -> bytes:
        """See Channel."""
        answer = bytearray()
        try:
            self._socket.settimeout(_left(end))
            self._socket.sendall(body + b"\n")
            while not (self._is_at_pause(answer) and _is_whole(answer)):
                self._socket.settimeout(_left(end))
                part = self._socket.recv(PART_BYTES)
                if not part and _is_whole(answer):
                    break
                if not part:
                    raise _closed()
                answer += part
                if len(answer) > ANSWER_BYTES:
                    raise _too_long()
        except ConnectionError:
            raise _closed() from None
        return bytes(answer)

    def is_silent(self) -> bool:
        """See Channel. A line feed may come after the answer that it ends."""
        self._socket.setblocking(False)
        with suppress(OSError):
            while rest := self._socket.recv(PART_BYTES):
                if rest.strip():
                    return False
            return False
        return True

    def close(self) -> None:
        """See Channel."""
        self._socket.close()

    def _is_at_pause(self, answer: bytearray) -> bool:
        """Whether the text may be a whole one: not every node ends it with a line feed."""
        return answer.endswith(b"\n") or (bool(answer) and not self._poll.poll(0))


def _is_whole(text: bytearray) -> bool:
    if not text.rstrip().endswith((b"}", b"]")):
        return False
    with suppress(orjson.JSONDecodeError):
        orjson.loads(text)
        return True
    return False


def _closed() -> ClosedError:
    return ClosedError("the connection was closed")


def _too_long() -> EndpointError:
    return EndpointError(f"the answer has more than {ANSWER_BYTES} bytes")


@contextmanager
def _connecting() -> Iterator[None]:
    """Raise EndpointError if no connection is made."""
    try:
        yield
    except TimeoutError:
        raise EndpointError("no connection in time", is_absent=True) from None
    except OSError:
        raise EndpointError("no connection", is_absent=True) from None


@contextmanager
def _cut_at(end: float, sock: socket.socket) -> Iterator[None]:
    """End what waits for a socket at a time."""
    watchdog = threading.Timer(_left(end), lambda: _shut(sock))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _left(end: float) -> float:
    """Seconds up to a time."""
    return max(_LEAST_SECONDS, end - time.monotonic())
