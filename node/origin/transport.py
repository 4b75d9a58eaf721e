"""One exchange with a node over HTTP, bounded in time and bytes; and what all ways to a node share."""

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import urllib3

CONNECTIONS = 16
"""Requests to one node that are in flight at once; further ones wait."""

ANSWER_BYTES = 64 * 1024 * 1024
"""The longest answer, uncompressed: a block's receipts are the largest."""

PART_BYTES = 256 * 1024
_TOO_MANY = 429
_OVERLOADED = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class EndpointError(Exception):
    """No usable answer, which another node may give, or this one later. rest_seconds: how long it asks to be left.

    is_absent: there was no connection.
    """

    def __init__(self, message: str, rest_seconds: float | None = None, *, is_absent: bool = False) -> None:
        super().__init__(message)
        self.rest_seconds = rest_seconds
        self.is_absent = is_absent


class Place(NamedTuple):
    """A node's URL, or the path of its socket, and the header fields of requests to it; either may hold secrets.

    is_quoted: whether errors may show what is there instead of a node. Not where a client has named the URL.
    """

    url: str
    headers: Mapping[str, str]
    is_quoted: bool = True

    def quoted(self, answer: object) -> str:
        """An answer in an error, as far as that may show it."""
        return f": {answer!s:.200}" if self.is_quoted else ""


class Transport(Protocol):
    """A way to one node. Any thread may call."""

    def exchange(self, body: bytes, end: float) -> bytes:
        """The answer to a message, by `end` of the monotonic clock. Raises EndpointError, OSError, HTTPError."""

    def close(self) -> None:
        """Give the connections up."""


class HttpTransport:
    """A pool of connections over HTTP. See Transport. timeout_seconds: to connect, and between two parts."""

    def __init__(self, place: Place, timeout_seconds: float) -> None:
        self._place = place
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate", **place.headers}
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=CONNECTIONS, block=False, retries=False, timeout=urllib3.Timeout(timeout_seconds)
        )

    def exchange(self, body: bytes, end: float) -> bytes:
        """See Transport."""
        response = self._pool.request(
            "POST", self._place.url, body=body, headers=self._headers, preload_content=False, redirect=False
        )
        is_whole = False
        try:
            check_load(response.status, response.headers.get("Retry-After"))
            content = _read(response, end)
            is_whole = True
            if response.status != 200:
                shown = self._place.quoted(content[:200].decode("utf-8", "replace"))
                raise EndpointError(f"HTTP status {response.status}{shown}")
            return content
        finally:
            # the rest of an answer may never end
            (response.release_conn if is_whole else response.close)()

    def close(self) -> None:
        """See Transport."""
        self._pool.clear()


def check_load(status: int, retry_after: str | None) -> None:
    """Raise EndpointError for an HTTP status of a node that is to be left alone for a while."""
    if status == _TOO_MANY or status in _OVERLOADED:
        raise EndpointError(f"HTTP status {status}", _seconds(retry_after))


def _read(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """The content, as long as there is time and it is not too long. Raises EndpointError."""
    parts: list[bytes] = []
    size = 0
    watchdog = threading.Timer(max(0.0, end - time.monotonic()), _cut, (response,))
    watchdog.daemon = True
    watchdog.start()
    try:
        while part := response.read1(PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > ANSWER_BYTES:
                raise EndpointError(f"the answer has more than {ANSWER_BYTES} bytes")
    except (urllib3.exceptions.HTTPError, OSError):
        if time.monotonic() >= end:
            raise EndpointError("the answer did not end in time") from None
        raise
    finally:
        watchdog.cancel()
    return b"".join(parts)


def _cut(response: urllib3.BaseHTTPResponse) -> None:
    """End a read that takes too long."""
    connection = response.connection
    sock = getattr(connection, "sock", None)
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _seconds(value: str | None) -> float | None:
    """Seconds of the header, where it gives seconds."""
    with suppress(TypeError, ValueError):
        seconds = float(value or "")
        return seconds if 0 <= seconds < 3600 else None
    return None


def no_answer(error: Exception) -> EndpointError:
    """A library's error in a few words, without the URL, which may hold a key."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, urllib3.exceptions.NewConnectionError | ConnectionError):
        return EndpointError("no connection", is_absent=True)
    if isinstance(cause, urllib3.exceptions.ConnectTimeoutError):
        return EndpointError("no connection in time", is_absent=True)
    if isinstance(cause, urllib3.exceptions.ReadTimeoutError | TimeoutError):
        return EndpointError("no answer in time")
    return EndpointError(type(cause).__name__)


def public_name(url: str) -> str:
    """Scheme, host and port, or the path of a socket: the rest of a URL may be a secret."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return parts.path
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"
