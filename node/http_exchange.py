"""One exchange over HTTP, as a client: one time for all of it, a size for its answer, and no address but the given one.

urllib's own opener waits again for each byte, reads without end, follows redirections, and opens files.
"""

import http.client
import socket
import threading
import urllib.parse
import urllib.request
from contextlib import suppress
from functools import partial
from typing import Any

from zevm.node.errors import NodeError

SCHEMES = ("http", "https")
_REDIRECTIONS = range(300, 400)
_JSON = {"Content-Type": "application/json"}


class ExchangeError(NodeError):
    """No answer that can be used, within the limits; the message names the URL."""


def exchange(url: str, body: bytes | None = None, *, seconds: float, answer_bytes: int) -> tuple[int, bytes]:
    """The status and the content of the answer to a GET, or to a POST of JSON.

    seconds: for all of it, the look-up of the host's address among it. answer_bytes: the longest content.
    Raises ExchangeError for what is beyond a limit, a redirection, and a URL of another kind; OSError and HTTPException
    where no answer comes.
    """
    if not is_http_url(url):
        raise ExchangeError(f"{url:.200} is no URL of http or https: give one, such as http://127.0.0.1:8545")
    call = _Call(url, body, seconds, answer_bytes)
    # no look-up of an address can be ended: so it is left to a thread that ends by itself
    thread = threading.Thread(target=call.run, name="http-exchange", daemon=True)
    thread.start()
    thread.join(seconds)
    if not call.is_over:
        call.give_up()
        raise ExchangeError(f"{url} has not answered whole within {seconds:g} s")
    return call.answer()


def is_http_url(url: str) -> bool:
    """Whether a text is a URL of http or https, with a host."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, no address
        return False


class _Call:
    """The exchange in its thread."""

    def __init__(self, url: str, body: bytes | None, seconds: float, answer_bytes: int) -> None:
        self._url = url
        self._request = urllib.request.Request(url, body, {} if body is None else _JSON)
        self._seconds = seconds
        self._answer_bytes = answer_bytes
        self._sockets: list[socket.socket] = []
        self._is_given_up = False
        self._found: tuple[int, str, bytes] | None = None
        self._error: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether an answer or an error is there."""
        return self._found is not None or self._error is not None

    def run(self) -> None:
        """Ask and read."""
        opener = urllib.request.OpenerDirector()
        for handler in (urllib.request.ProxyHandler(), _Plain(self), _Secure(self)):
            opener.add_handler(handler)
        try:
            with opener.open(self._request, timeout=self._seconds) as response:
                place = str(response.headers.get("Location"))
                self._found = response.status, place, response.read(self._answer_bytes + 1)
        except Exception as error:
            self._error = error
        finally:
            for sock in self._sockets:
                sock.close()

    def connected(self, sock: socket.socket) -> None:
        """Note a connection. Raises TimeoutError if no caller waits for it any more."""
        self._sockets.append(sock.dup())
        if self._is_given_up:
            raise TimeoutError

    def give_up(self) -> None:
        """Let the thread end soon."""
        self._is_given_up = True
        for sock in self._sockets:
            with suppress(OSError):  # closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def answer(self) -> tuple[int, bytes]:
        """See exchange."""
        if self._error is not None:
            raise self._error
        assert self._found is not None
        status, place, content = self._found
        if len(content) > self._answer_bytes:
            raise ExchangeError(f"{self._url} answers with more than {self._answer_bytes} bytes")
        if status in _REDIRECTIONS:
            raise ExchangeError(
                f"{self._url} answers {status}, a redirection to {place:.200}, which is not followed: give the address "
                "that answers itself"
            )
        return status, content


class _Connection(http.client.HTTPConnection):
    """A connection that tells when it is there."""

    def __init__(self, call: _Call, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._call = call

    def connect(self) -> None:
        """See HTTPConnection; before TLS begins."""
        super().connect()
        self._call.connected(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """The same with TLS."""


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, call: _Call) -> None:
        super().__init__()
        self._call = call

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, self._call), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, call: _Call) -> None:
        super().__init__()
        self._call = call

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_SecureConnection, self._call), req)
