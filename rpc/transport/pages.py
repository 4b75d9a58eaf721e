"""Readable answers to browsers on paths that the explorer does not serve, and a line of text to programs at /."""

import html

from fastapi import Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from zevm.rpc.services import Services
from zevm.rpc.transport.guard import Headers, is_browser

_PLACES = "JSON-RPC is at / (POST, or a WebSocket), GraphQL at /graphql, health at /health, metrics at /metrics"
_CLOSED = "The explorer shows the chain to browsers of the node's own computer; --explorer opens it to others."
_GRAPHQL_HELP = (
    "GraphQL: send a query with POST, as "
    """{"query": "{ block { number hash } }"}, or with GET, as /graphql?query={block{number}}. """
    "The schema is that of EIP-1767, with which docs/graphql.md deals."
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def front_page(services: Services, request: Request) -> Response:
    """GET / of programs, and of browsers that the explorer is closed to: a line of text."""
    client, headers = services.client_version, request.scope["headers"]
    if is_browser(headers):
        return _told(headers, 200, f"{client}. {_PLACES}. {_CLOSED}")
    return PlainTextResponse(f"{client}: send JSON-RPC with POST, or open a WebSocket\n")


def nothing_here(request: Request) -> Response:
    """404, as HTML or plain text."""
    path = request.url.path[:200]
    return _told(request.scope["headers"], 404, f"There is nothing at {path}. {_PLACES}.")


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
        f'<h1>zEVM</h1><p>{html.escape(text)}</p><p><a href="/">Home</a></p></html>'
    )
    return HTMLResponse(page, status_code=status, headers=_headers())


def _headers() -> dict[str, str]:
    return {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
