"""One node that has the origin's chain, over HTTP, WebSocket or a Unix socket: one exchange bounded in time."""

import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3

from zevm.node.origin.budget import CallBudget
from zevm.node.origin.channel import ChannelTransport, SocketChannel, WebSocketChannel
from zevm.node.origin.transport import (
    CONNECTIONS,
    EndpointError,
    HttpTransport,
    Place,
    Transport,
    no_answer,
    public_name,
)

MOST_FAILURES = 16
"""More make no wait longer."""


class Endpoint:
    """A node by its URL. Any thread may call.

    name: what messages call it, without the secrets that URLs hold. timeout_seconds: of one exchange. budget: the rate
    at which it may be asked, None for any.
    """

    def __init__(self, place: Place, timeout_seconds: float, budget: CallBudget | None = None) -> None:
        self.name = public_name(place.url)
        self.place = place
        self._timeout_seconds = timeout_seconds
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._transport = _transport(place, timeout_seconds)
        self._budget = budget
        self._resting_until = 0.0
        self.failures = 0
        """Failures since the last answer; at most about MOST_FAILURES."""

    def rest(self, seconds: float) -> None:
        """Note a failure, after which it is not to be asked for a while."""
        self.failures = min(MOST_FAILURES, self.failures + 1)
        self._resting_until = time.monotonic() + seconds

    def free_from(self, calls: int) -> float:
        """The time (monotonic) from which it may be asked this many calls."""
        return max(self._resting_until, 0.0 if self._budget is None else self._budget.free_from(calls))

    def turn(self, calls: int) -> float:
        """Take a turn to ask this many calls; seconds to wait for it."""
        rest = self._resting_until - time.monotonic()
        return max(0.0, rest, 0.0 if self._budget is None else self._budget.spend(calls))

    def exchange(self, message: Any) -> Any:
        """The JSON that answers a JSON-RPC message. Raises EndpointError."""
        end = time.monotonic() + self._timeout_seconds
        if not self._free.acquire(timeout=self._timeout_seconds):
            raise EndpointError(f"{CONNECTIONS} requests are under way, and none ended in time")
        try:
            return orjson.loads(self._transport.exchange(orjson.dumps(message), end))
        except orjson.JSONDecodeError as error:
            raise EndpointError(f"the answer is not JSON: {error}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise no_answer(error) from None
        finally:
            self._free.release()

    def close(self) -> None:
        """Give its connections up."""
        self._transport.close()


def _transport(place: Place, timeout_seconds: float) -> Transport:
    """The way to a node that its URL names; a path is that of a Unix socket."""
    scheme = urlsplit(place.url).scheme
    if scheme in ("http", "https"):
        return HttpTransport(place, timeout_seconds)
    if scheme in ("ws", "wss"):
        return ChannelTransport(lambda end: WebSocketChannel(place, end))
    return ChannelTransport(lambda end: SocketChannel(urlsplit(place.url).path, end))


def header_fields(lines: Sequence[str]) -> dict[str, str]:
    """Header fields of lines "Name: value". Raises ValueError."""
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or any(letter in line for letter in "\r\n"):
            raise ValueError(f"{line!r} is not a header (NAME: VALUE)")
        fields[name.strip()] = value.strip()
    return fields
