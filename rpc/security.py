"""Which web pages may talk to the node: the Host check, the Origin check, and CORS.

A browser sends what any page tells it to. The Host check stops names that an attacker points at
127.0.0.1 (DNS rebinding); the Origin check stops pages of other sites, also where their request
needs no preflight. Clients that are no browsers send neither Origin nor Sec-Fetch-Site.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

Headers = Sequence[tuple[bytes, bytes]]

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
EXTENSION_SCHEMES = frozenset({"chrome-extension", "moz-extension", "safari-web-extension"})
LOCAL_ORIGIN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
ALLOWED_METHODS = b"POST, GET, OPTIONS"
PREFLIGHT_SECONDS = b"600"
_HEADER_LIST = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{0,2048}\Z")
_EXTENSION_ID = re.compile(r"[A-Za-z0-9{}._-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The HTTP answer to a request that is not let in."""

    status: int
    reason: str


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header; names are lower case."""
    for key, value in headers:
        if key == name:
            return value
    return None


def _split_host(host: str) -> str | None:
    """The host without its port, lower case; None where it is ill-formed."""
    match = re.match(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?\Z", host) or re.match(r"([^:\[\]/@\s]*)(?::\d{1,5})?\Z", host)
    return match.group(1).lower() if match else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Decides for every HTTP request and WebSocket handshake.

    allow_origins: "*", or origins such as "https://app.example"; added to the local ones.
    allow_hosts: names, besides loopback ones and addresses, under which the node may be reached; "*" for any.
    """

    def __init__(self, allow_origins: Iterable[str] = (), allow_hosts: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allow_origins)
        self._hosts = frozenset(host.lower() for host in allow_hosts)
        self.any_origin = "*" in self._origins
        self._any_host = "*" in self._hosts
        self._host_allowed = lru_cache(maxsize=1_024)(self._check_host)
        self._origin_allowed = lru_cache(maxsize=1_024)(self._check_origin)

    def check(self, headers: Headers) -> Refusal | None:
        """None to let the request in. `headers` have lower-case names."""
        host = origin = site = None
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    return Refusal(400, "more than one Host header")
                host = value
            elif name == b"origin":
                if origin is not None and origin != value:
                    return Refusal(403, "origin not allowed")
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if host is not None and not self._host_allowed(host):
            return Refusal(403, "invalid host specified")
        if self.any_origin:
            return None
        if origin is None:
            # a browser that hides the origin of another site's request
            return Refusal(403, "origin not allowed") if site in (b"cross-site", b"same-site") else None
        return None if self._origin_allowed(origin, host) else Refusal(403, "origin not allowed")

    def cors_headers(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """What a let-in request's answer carries so that the page may read it."""
        origin = header(headers, b"origin")
        if origin is None:
            return []
        if self.any_origin:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]

    def preflight_headers(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """The answer to a let-in preflight: requested headers are echoed."""
        answer = self.cors_headers(headers)
        answer.append((b"access-control-allow-methods", ALLOWED_METHODS))
        answer.append((b"access-control-max-age", PREFLIGHT_SECONDS))
        wanted = header(headers, b"access-control-request-headers")
        if wanted is not None and _HEADER_LIST.match(wanted):
            answer.append((b"access-control-allow-headers", wanted))
        if header(headers, b"access-control-request-private-network") == b"true":
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer

    def _check_host(self, value: bytes) -> bool:
        if self._any_host:
            return True
        host = _split_host(value.decode("latin-1"))
        if host is None:
            return False
        name = host.removesuffix(".")
        return (
            not host
            or _is_address(host)
            or name in LOOPBACK_NAMES
            or name.endswith(".localhost")
            or name in self._hosts
        )

    def _check_origin(self, value: bytes, host: bytes | None) -> bool:
        text = value.decode("latin-1").lower()
        if text in self._origins:
            return True
        try:
            parts = urlsplit(text)
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if f"{parts.scheme}://{parts.netloc}" != text or "@" in parts.netloc:
            return False
        if parts.scheme in EXTENSION_SCHEMES:
            return _EXTENSION_ID.match(parts.netloc) is not None
        if parts.scheme not in ("http", "https"):
            return False
        return name in LOCAL_ORIGIN_HOSTS or parts.netloc.encode("latin-1") == (host or b"").lower()
