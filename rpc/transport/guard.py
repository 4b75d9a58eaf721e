"""Access rules for web pages: the Host check, the Origin check, and CORS.

A browser sends any request that a page asks for. The Host check stops names that an attacker points at 127.0.0.1 (DNS
rebinding); the Origin check stops pages of other sites, even for requests without a preflight. Other clients send
neither Origin nor Sec-Fetch-Site, or an Origin unlike a browser's: a browser's has a scheme, or is null.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from zevm.rpc.transport.asgi import Scope

Headers = Sequence[tuple[bytes, bytes]]

LOGGER = logging.getLogger("zevm.rpc")
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
CONTAINER_NAMES = frozenset({"host.docker.internal", "host.containers.internal"})
"""Names of a container's host. No public name ends in .internal (ICANN reserves it for private use)."""

EXTENSION_SCHEMES = frozenset({"chrome-extension", "moz-extension", "safari-web-extension", "vscode-webview"})
"""Origins of installed extensions, such as wallets; no web page can have such an origin."""

LOCAL_ORIGIN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
ALLOWED_METHODS = b"POST, GET, OPTIONS"
ALLOW = (b"allow", ALLOWED_METHODS)
PREFLIGHT_SECONDS = b"600"
REFUSALS_LOGGED = 256
"""Maximum of names and origins whose refusal is logged, once each."""

SHOWN_CHARACTERS = 128
_HEADER_LIST = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{0,2048}\Z")
_NO_BROWSERS_ORIGIN = re.compile(r"(?!null\Z)[!-9;-~][ -9;-~]{0,127}\Z", re.IGNORECASE)
_FORWARDING = frozenset(
    b"forwarded via max-forwards cdn-loop front-end-https true-client-ip fastly-client-ip client-ip x-real-ip "
    b"x-client-ip x-cluster-client-ip x-remote-ip x-remote-addr x-host x-scheme x-url-scheme".split()
)
_FORWARDING_FAMILIES = (b"x-forwarded", b"x-original-", b"x-envoy-", b"x-proxy", b"x-amzn-", b"cf-", b"tailscale-")
"""Headers of proxies, load balancers and tunnels, by their names and by the begin of their names."""
_EXTENSION_ID = re.compile(r"[A-Za-z0-9{}._-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The HTTP answer to a refused request."""

    status: int
    reason: str


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header; names are lower case."""
    for key, value in headers:
        if key == name:
            return value
    return None


def is_browser(headers: Headers) -> bool:
    """Whether a person is asking: the request names HTML explicitly."""
    return b"text/html" in (header(headers, b"accept") or b"")


def is_local(scope: Scope) -> bool:
    """Whether a program of this computer asks the node by a name or address of this computer.

    A request that a proxy has passed on is none: its client is the proxy. Such a one is known by the headers that most
    proxies add.
    """
    headers: Headers = scope["headers"]
    client = scope.get("client")
    if client is None or not _is_loopback(str(client[0])):
        return False
    if any(name in _FORWARDING or name.startswith(_FORWARDING_FAMILIES) for name, _ in headers):
        return False
    host = header(headers, b"host")
    name = "localhost" if host is None else (_split_host(host.decode("latin-1")) or "").removesuffix(".")
    return name in LOOPBACK_NAMES or name.endswith(".localhost") or _is_loopback(name)


def is_as_from_a_browser(scope: Scope) -> bool:
    """Whether the connection is one as browsers make them: HTTP/1.1 or later, and kept.

    nginx by its defaults speaks HTTP/1.0 to what is behind it, and proxies of web development close each connection.
    """
    closes = b"close" in (header(scope["headers"], b"connection") or b"").lower()
    return scope.get("http_version") != "1.0" and not closes


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(address.is_loopback if mapped is None else mapped.is_loopback)


def _split_host(host: str) -> str | None:
    """The host without its port, lower case; None if it is ill-formed."""
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
    allow_hosts: names of the node besides loopback names and addresses; "*" for any.
    host_flag, origin_flag: the flags that the refusal names; None if no web page is admitted.
    """

    def __init__(
        self,
        allow_origins: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        *,
        host_flag: str = "--allow-host",
        origin_flag: str | None = "--allow-origin",
    ) -> None:
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allow_origins)
        self._hosts = frozenset(host.lower() for host in allow_hosts)
        self.any_origin = "*" in self._origins
        self._any_host = "*" in self._hosts
        self._host_advice = f"{host_flag} lets more in"
        self._origin_advice = f"{origin_flag} lets more in" if origin_flag else "this port serves no web pages"
        self._logged: set[bytes] = set()
        self._host_allowed = lru_cache(maxsize=1_024)(self._check_host)
        self._origin_allowed = lru_cache(maxsize=1_024)(self._check_origin)

    def check(self, headers: Headers) -> Refusal | None:
        """None to admit the request. `headers` have lower-case names."""
        host = origin = site = None
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    return Refusal(400, "more than one Host header")
                host = value
            elif name == b"origin":
                if origin is not None and origin != value:
                    return self._refuse_origin(value)
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if host is not None and not self._host_allowed(host):
            self._log(b"Host", host, self._host_advice)
            return Refusal(403, f"invalid host specified; {self._host_advice}")
        if self.any_origin:
            return None
        if site in (b"cross-site", b"same-site") and (origin is None or b":" not in origin):
            # a browser that hides the origin of another site's request
            return self._refuse_origin(b"(hidden)" if origin is None else origin)
        return None if origin is None or self._origin_allowed(origin, host) else self._refuse_origin(origin)

    def _refuse_origin(self, origin: bytes) -> Refusal:
        self._log(b"Origin", origin, self._origin_advice)
        return Refusal(403, f"origin not allowed; {self._origin_advice}")

    def _log(self, name: bytes, value: bytes, advice: str) -> None:
        """Log a refusal once for each value: the refused page sees at most a bare 403."""
        shown = value[:SHOWN_CHARACTERS]
        key = name + shown
        if key in self._logged or len(self._logged) >= REFUSALS_LOGGED:
            return
        self._logged.add(key)
        LOGGER.warning("a request was refused for its %s %r; %s", name.decode(), shown.decode("latin-1"), advice)

    def cors_headers(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """The headers that let a page read the answer to an admitted request."""
        origin = header(headers, b"origin")
        if origin is None:
            return []
        if self.any_origin:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]

    def preflight_headers(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """The answer to an admitted preflight: requested headers are echoed."""
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
            or name in LOOPBACK_NAMES | CONTAINER_NAMES
            or name.endswith(".localhost")
            or name in self._hosts
        )

    def _check_origin(self, value: bytes, host: bytes | None) -> bool:
        text = value.decode("latin-1").lower()
        if text in self._origins or _NO_BROWSERS_ORIGIN.match(text):
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
        is_local = name in LOCAL_ORIGIN_HOSTS or (name or "").endswith(".localhost")
        return is_local or parts.netloc.encode("latin-1") == (host or b"").lower()
