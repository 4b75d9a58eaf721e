"""Another resolver, asked for names that are not of this chain: within a time, a size, and a number of kept answers."""

import asyncio
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import orjson
from lru import LRU

from zevm.rpc.limits import Limits

Found = tuple[bytes, int]
"""An answer, a JSON object in text, and for how many seconds it may be kept."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the operator chose whom the node asks."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """The redirection as an error, with its status."""
        return


_OPENER = urllib.request.build_opener(_NoRedirect)


class UpstreamError(Exception):
    """The other resolver has no answer; `status` is the HTTP status to answer with."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class Upstream:
    """Asks a resolver over HTTP (`GET /resolve/NAME`). Used on the event loop, which never waits for it.

    Answers are kept for the seconds that the resolver says, at most `zns_upstream_cache_seconds`.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url.rstrip("/")
        self._limits = limits
        self._kept: LRU[str, tuple[float, bytes]] = LRU(limits.zns_upstream_cache)
        self._threads = ThreadPoolExecutor(limits.zns_upstream_calls, "names-upstream")
        self._waiting = 0

    def close(self) -> None:
        """Drop the calls that wait; a running one ends with its time."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def resolve(self, name: str) -> Found:
        """The answer for a name, and for how many more seconds it may be kept. Raises UpstreamError."""
        now = time.monotonic()
        until, content = self._kept.get(name, (0.0, b""))
        if until > now:
            return content, int(until - now)
        if self._waiting >= 2 * self._limits.zns_upstream_calls:
            raise UpstreamError("the upstream resolver is asked by as many others as may wait", 503)
        self._waiting += 1
        try:
            content, seconds = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, name)
        finally:
            self._waiting -= 1
        seconds = min(seconds, self._limits.zns_upstream_cache_seconds)
        if seconds:
            self._kept[name] = (time.monotonic() + seconds, content)
        return content, seconds

    def _ask(self, name: str) -> Found:
        most, seconds = self._limits.zns_upstream_bytes, self._limits.zns_upstream_seconds
        url = f"{self._url}/resolve/{urllib.parse.quote(name, safe='')}"
        try:
            with _OPENER.open(url, timeout=seconds) as response:
                body = _read(response, most, time.monotonic() + seconds)
                kept = _max_age(response.headers.get("cache-control", ""))
        except urllib.error.HTTPError as error:
            status = 404 if error.code == 404 else 502
            raise UpstreamError(f"the upstream resolver answers {error.code} for {name}", status) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UpstreamError(f"the upstream resolver does not answer: {getattr(error, 'reason', error)}") from None
        return _compact(body), kept


def _read(response: http.client.HTTPResponse, most: int, until: float) -> bytes:
    """A body of at most `most` bytes, all of it there by a time. Raises UpstreamError, OSError."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > most:
            raise UpstreamError(f"the upstream resolver answers more than {most} bytes")
        if time.monotonic() > until:
            raise UpstreamError("the upstream resolver's answer takes too long", 504)
    return b"".join(parts)


def _compact(body: bytes) -> bytes:
    """A JSON object, written as this port writes. Raises UpstreamError."""
    try:
        content = orjson.loads(body)
        if isinstance(content, dict):
            return orjson.dumps(content)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested too deeply
        pass
    raise UpstreamError("the upstream resolver answers no JSON object")


def _max_age(value: str) -> int:
    """The seconds of a Cache-Control header; 0 where it has none."""
    for part in value.split(","):
        name, _, number = part.strip().partition("=")
        if name.lower() == "max-age" and number.isascii() and number.isdecimal() and len(number) < 10:
            return int(number)
    return 0
