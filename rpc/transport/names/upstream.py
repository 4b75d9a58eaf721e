"""Another resolver, asked for names that are not of this chain: within a time, a size, and a number of kept answers."""

import asyncio
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import orjson
from lru import LRU

from zevm.rpc.limits import Limits
from zevm.rpc.transport.names.fetching import FetchError, Sizes, fetch

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
Found = tuple[bytes, int]
"""An answer, a JSON object in text, and for how many seconds it may be kept."""


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
        self._sizes = Sizes(limits.zns_upstream_head_bytes, limits.zns_upstream_bytes)
        self._kept: LRU[str, tuple[float, bytes]] = LRU(limits.zns_upstream_cache)
        self._places = asyncio.Semaphore(limits.zns_upstream_calls)
        self._waiting = 0

    async def resolve(self, name: str) -> Found:
        """The answer for a name, and for how many more seconds it may be kept. Raises UpstreamError."""
        now = time.monotonic()
        until, content = self._kept.get(name, (0.0, b""))
        if until > now:
            return content, int(until - now)
        most = self._limits.zns_upstream_calls
        if self._waiting >= 2 * most:
            raise UpstreamError(
                f"the upstream resolver is asked {most} names and {most} more wait; ask again, "
                "or raise --rpc-zns-upstream-calls",
                503,
            )
        self._waiting += 1
        try:
            async with self._places:
                content, seconds = await self._ask(name)
        finally:
            self._waiting -= 1
        seconds = min(seconds, self._limits.zns_upstream_cache_seconds)
        if seconds:
            self._kept[name] = (time.monotonic() + seconds, content)
        return content, seconds

    async def _ask(self, name: str) -> Found:
        seconds = self._limits.zns_upstream_seconds
        try:
            answer = await fetch(self._url, f"/resolve/{quote(name, safe='')}", self._sizes, seconds)
        except TimeoutError:
            raise UpstreamError(
                f"the upstream resolver's answer takes more than {seconds:g} s: raise --rpc-zns-upstream-seconds", 504
            ) from None
        except FetchError as error:
            raise UpstreamError(f"the upstream resolver {error}") from None
        except OSError as error:
            raise UpstreamError(f"the upstream resolver does not answer: {error}") from None
        if answer.status != 200:
            status = 404 if answer.status == 404 else 502
            raise UpstreamError(f"the upstream resolver answers {answer.status} for {name}", status)
        return _compact(answer.body, name), _max_age(answer.headers.get("cache-control", ""))


def _compact(body: bytes, name: str) -> bytes:
    """The JSON object of a name, written as this port writes. Raises UpstreamError."""
    try:
        content = orjson.loads(body)
        text = orjson.dumps(content) if isinstance(content, dict) else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested too deeply
        text = None
    if text is None:
        raise UpstreamError("the upstream resolver answers no JSON object")
    told = content.get("name", name)
    if not isinstance(told, str) or told.lower() != name.lower():
        raise UpstreamError(f"the upstream resolver answers for {told!r:.100}, it was asked for {name}")
    for field, (is_right, kind) in _KINDS.items():
        if not is_right(content.get(field)):
            raise UpstreamError(
                f"the upstream resolver answers the {field} {content[field]!r:.100}, which is no {kind}"
            )
    return text


def _is_address(value: object) -> bool:
    return value is None or (isinstance(value, str) and _ADDRESS.match(value) is not None)


def _is_number(value: object) -> bool:
    return value is None or (type(value) is int and value >= 0)


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("address", "contract", "owner", "resolver"), (_is_address, "address")),
    **dict.fromkeys(("expires", "ttl"), (_is_number, "number")),
}
"""Fields whose kinds clients rely on. Others are the upstream resolver's own."""


def _max_age(value: str) -> int:
    """The seconds of a Cache-Control header; 0 where it has none."""
    for part in value.split(","):
        name, _, number = part.strip().partition("=")
        if name.lower() == "max-age" and number.isascii() and number.isdecimal() and len(number) < 10:
            return int(number)
    return 0
