"""One GET over a connection of its own: one time for all of it, and a size for its head and for its body.

No redirection is followed, and no proxy of the environment is used: the operator chose whom the node asks.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

CHUNK_BYTES = 16_384
_PORTS = {"http": 80, "https": 443}
_FIRST_FINAL_STATUS = 200
"""Smaller ones announce an answer (RFC 9110, 15.2)."""


class FetchError(Exception):
    """No whole answer came within the limits; the message continues a sentence about the other side."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The largest head and body of an answer, in bytes."""

    head_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: its status, its headers by their names in lower case, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Answer:
    """The callbacks of httptools' parser, which has no limits of its own."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._parser = HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._has_head = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._has_head = self._parser.get_status_code() >= _FIRST_FINAL_STATUS

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)
        self._body_bytes += len(part)

    def on_message_complete(self) -> None:
        self.is_complete = self._has_head

    def feed(self, data: bytes) -> None:
        """Raises FetchError."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_complete:
                raise FetchError(f"answers no HTTP: {error}") from None
        if not self._has_head:
            self._head_bytes += len(data)
        for part, size, most in (
            ("head", self._head_bytes, self._sizes.head_bytes),
            ("body", self._body_bytes, self._sizes.body_bytes),
        ):
            if size > most:
                raise FetchError(f"answers with a {part} of more than {most} bytes")

    def end(self) -> Fetched:
        """The answer, once all of it is there or the connection has ended. Raises FetchError."""
        is_delimited = not {"content-length", "transfer-encoding"}.isdisjoint(self._headers)
        if not self.is_complete and (is_delimited or not self._has_head):
            raise FetchError("ends the connection within its answer")
        return Fetched(self._parser.get_status_code(), self._headers, b"".join(self._parts))


async def fetch(url: str, path: str, sizes: Sizes, seconds: float) -> Fetched:
    """The answer to `GET url + path`. The path is in ASCII, and percent-encoded.

    Raises FetchError, TimeoutError where the whole exchange takes longer than `seconds`, OSError.
    """
    async with asyncio.timeout(seconds):
        return await _fetch(url, path, sizes)


async def _fetch(url: str, path: str, sizes: Sizes) -> Fetched:
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    try:
        place = parts.netloc.rpartition("@")[2].encode("idna").decode()
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORTS[parts.scheme], ssl=tls)
    except UnicodeError as error:
        raise FetchError(f"cannot be asked: its URL has no host that there can be: {error}") from None
    try:
        writer.write(
            f"GET {quote(parts.path, safe='/%')}{path} HTTP/1.1\r\nHost: {place}\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\nConnection: close\r\n\r\n".encode()
        )
        answer = _Answer(sizes)
        while not answer.is_complete and (data := await reader.read(CHUNK_BYTES)):
            answer.feed(data)
        return answer.end()
    finally:
        # no goodbye: whoever is slow with its answer may be slow with that
        writer.transport.abort()
