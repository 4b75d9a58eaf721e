"""One node that has the origin's chain: a pool of connections over HTTP, and one exchange bounded in time and bytes."""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import urllib3

CONNECTIONS = 16
"""Requests to one node that are in flight at once; further ones wait."""

ANSWER_BYTES = 64 * 1024 * 1024
"""The longest answer, uncompressed: a block's receipts are the largest."""

MOST_FAILURES = 16
"""More make no wait longer."""

_PART_BYTES = 256 * 1024
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
    """A node's URL, and the header fields of requests to it; either may hold secrets.

    is_quoted: whether errors may show what is there instead of a node. Not where a client has named the URL.
    """

    url: str
    headers: Mapping[str, str]
    is_quoted: bool = True


class Endpoint:
    """A node by its URL. Any thread may call.

    name: what messages call it, without the secrets that URLs hold. timeout_seconds: of one exchange.
    """

    def __init__(self, place: Place, timeout_seconds: float) -> None:
        self.name = public_name(place.url)
        self.place = place
        self._url = place.url
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate", **place.headers}
        self._timeout_seconds = timeout_seconds
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=CONNECTIONS, block=False, retries=False, timeout=urllib3.Timeout(timeout_seconds)
        )
        self.resting_until = 0.0
        self.failures = 0
        """Failures since the last answer; at most about MOST_FAILURES."""

    def quoted(self, answer: object) -> str:
        """An answer in an error, as far as that may show it."""
        return f": {answer!s:.200}" if self.place.is_quoted else ""

    def rest(self, seconds: float) -> None:
        """Note a failure, after which it is not to be asked for a while."""
        self.failures = min(MOST_FAILURES, self.failures + 1)
        self.resting_until = time.monotonic() + seconds

    def exchange(self, message: Any) -> Any:
        """The JSON that answers a JSON-RPC message. Raises EndpointError."""
        end = time.monotonic() + self._timeout_seconds
        if not self._free.acquire(timeout=self._timeout_seconds):
            raise EndpointError(f"{CONNECTIONS} requests are under way, and none ended in time")
        try:
            return self._exchange(orjson.dumps(message), end)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(error) from None
        finally:
            self._free.release()

    def close(self) -> None:
        """Give its connections up."""
        self._pool.clear()

    def _exchange(self, body: bytes, end: float) -> Any:
        response = self._pool.request(
            "POST", self._url, body=body, headers=self._headers, preload_content=False, redirect=False
        )
        is_whole = False
        try:
            if response.status == _TOO_MANY or response.status in _OVERLOADED:
                raise EndpointError(f"HTTP status {response.status}", _retry_after(response.headers.get("Retry-After")))
            content = _read(response, end)
            is_whole = True
            if response.status != 200:
                shown = self.quoted(content[:200].decode("utf-8", "replace"))
                raise EndpointError(f"HTTP status {response.status}{shown}")
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise EndpointError(f"the answer is not JSON: {error}") from None
        finally:
            # the rest of an answer may never end
            (response.release_conn if is_whole else response.close)()


def _read(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """The content, as long as there is time and it is not too long. Raises EndpointError."""
    parts: list[bytes] = []
    size = 0
    watchdog = threading.Timer(max(0.0, end - time.monotonic()), _cut, (response,))
    watchdog.daemon = True
    watchdog.start()
    try:
        while part := response.read1(_PART_BYTES):
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


def _retry_after(value: str | None) -> float | None:
    """Seconds of the header, where it gives seconds."""
    with suppress(TypeError, ValueError):
        seconds = float(value or "")
        return seconds if 0 <= seconds < 3600 else None
    return None


def _no_answer(error: Exception) -> EndpointError:
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
    """Scheme, host and port: the rest of a URL may be a secret."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def header_fields(lines: Sequence[str]) -> dict[str, str]:
    """Header fields of lines "Name: value". Raises ValueError."""
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or any(letter in line for letter in "\r\n"):
            raise ValueError(f"{line!r} is not a header (NAME: VALUE)")
        fields[name.strip()] = value.strip()
    return fields
