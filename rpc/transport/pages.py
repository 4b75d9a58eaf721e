"""Pages for browsers: one about the chain at /, and a readable answer on every other path.

The page is one file without other resources; its Content-Security-Policy allows its own content, by hash, and
connections to this node only.
"""

import base64
import hashlib
import html
import re
from functools import lru_cache
from importlib import resources

from fastapi import Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Scope
from zevm.rpc.transport.guard import Headers, header

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PLACES = "JSON-RPC is at / (POST, or a WebSocket), GraphQL at /graphql, health at /health, metrics at /metrics"
_GRAPHQL_HELP = (
    "GraphQL: send a query with POST, as "
    """{"query": "{ block { number hash } }"}, or with GET, as /graphql?query={block{number}}. """
    "The schema is that of EIP-1767, with which docs/graphql.md deals."
)
_PLAIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def is_browser(headers: Headers) -> bool:
    """Whether a person is asking: the request names HTML explicitly."""
    return b"text/html" in (header(headers, b"accept") or b"")


def front_page(services: Services, request: Request) -> Response:
    """GET /: the page for browsers, a line of text for others."""
    if not is_browser(request.scope["headers"]):
        return PlainTextResponse(f"{services.client_version}: send JSON-RPC with POST, or open a WebSocket\n")
    text, policy = _template()
    chain = services.chain
    origin = str(request.base_url).rstrip("/")
    following = chain.next_header()
    facts = {
        "__CLIENT__": services.client_version,
        "__HEAD__": f"{chain.head.number:,}",
        "__CHAIN_ID_HEX__": hex(chain.chain_id),
        "__CHAIN_ID__": str(chain.chain_id),
        "__FORK__": chain.schedule.fork_at(following.number, following.timestamp).name.replace("_", " ").title()
        .replace("Bpo", "BPO"),
        "__ORIGIN__": origin,
        "__SOCKET__": re.sub(r"^http", "ws", origin),
    }  # fmt: skip
    for name, value in facts.items():
        text = text.replace(name, html.escape(value))
    return HTMLResponse(text, headers=_headers(policy))


def nothing_here(request: Request) -> Response:
    """404, as HTML or plain text."""
    path = request.url.path[:200]
    return _told(request.scope["headers"], 404, f"There is nothing at {path}. {_PLACES}.")


def asks_for_help(scope: Scope) -> bool:
    """Whether a GET of /graphql comes from a browser without a query."""
    return not scope["query_string"] and is_browser(scope["headers"])


def graphql_help(request: Request) -> Response:
    """GET /graphql in a browser, without a query."""
    return _told(request.scope["headers"], 200, _GRAPHQL_HELP)


def _told(headers: Headers, status: int, text: str) -> Response:
    if not is_browser(headers):
        return PlainTextResponse(f"{text}\n", status_code=status)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>zEVM</title>'
        "<style>body{max-width:40rem;margin:3rem auto;padding:0 1rem;font:16px/1.6 system-ui,sans-serif;"
        "overflow-wrap:anywhere}</style>"
        f'<h1>zEVM</h1><p>{html.escape(text)}</p><p><a href="/">The chain</a></p></html>'
    )
    return HTMLResponse(page, status_code=status, headers=_headers(_PLAIN_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }


@lru_cache(maxsize=1)
def _template() -> tuple[str, str]:
    """The page with its placeholders, and the policy for its style and script, which have none."""
    text = resources.files("zevm.rpc.transport").joinpath("page.html").read_text()
    style, script = _STYLE.search(text), _SCRIPT.search(text)
    assert style is not None
    assert script is not None
    policy = (
        f"default-src 'none'; style-src {_hash(style[1])}; script-src {_hash(script[1])}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
