"""The explorer's paths: who sees them, where they are made, and the headers that they are sent with."""

import asyncio
from collections.abc import Callable

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.explorer.answer import TEXT, Answer
from zevm.rpc.explorer.assets import Asset, assets
from zevm.rpc.explorer.panel import PLACE, Panel, PanelView
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope, Send
from zevm.rpc.transport.guard import header, is_browser, is_local
from zevm.rpc.transport.http_bodies import respond, unless_left

ASSETS = "/assets/"
FOLDERS = ("/block/", "/tx/", "/address/")
PLACES = frozenset({"/", "/blocks", "/pool", "/search"})
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SAFE = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_UNKEPT = [*_SAFE, (b"cache-control", b"no-store"), (b"vary", b"Accept")]
_PAGE = [*_UNKEPT, (b"referrer-policy", b"no-referrer")]
_FORM_PAGE = [*_UNKEPT, (b"referrer-policy", b"same-origin")]
"""With a form of the panel: without a referrer, a browser would not say either which origin the form is of."""
Make = Callable[[Scope, PanelView | None, Deadline], Answer]


class Explorer:
    """Pages are made on workers, each under a deadline. The first page loads the templates, which takes a moment.

    is_open: True for every client that the Guard admits, False for none, None for those of this computer.
    """

    def __init__(self, services: Services, dispatcher: Dispatcher, *, is_open: bool | None) -> None:
        self._services = services
        self._workers = dispatcher.workers
        self._panel = Panel(services, dispatcher)
        self._is_open = is_open
        self._make: Make | None = None
        self._loading = asyncio.Lock()

    def serves(self, scope: Scope) -> bool:
        """Whether a request is for a page or a part of one, and of somebody who may see it."""
        path: str = scope["path"]
        if self._is_open is False or scope["method"] not in ("GET", "HEAD", "POST"):
            return False
        if path == PLACE:
            return self._panel.admits(scope) and (scope["method"] == "POST" or is_browser(scope["headers"]))
        if scope["method"] == "POST":
            return False
        if path.startswith(ASSETS):
            is_ours = path[len(ASSETS) :] in assets()
        else:
            is_ours = (path in PLACES or path.startswith(FOLDERS)) and is_browser(scope["headers"])
        return is_ours and (self._is_open is True or is_local(scope))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI) that the Guard has admitted and `serves` has chosen."""
        path: str = scope["path"]
        if path.startswith(ASSETS):
            await _send_asset(scope, send, assets()[path[len(ASSETS) :]])
            return
        view = await self._panel.view(scope, receive)
        _, answer = await unless_left(self._answer(scope, view), receive)
        if answer is not None:
            place = [] if answer.location is None else [(b"location", answer.location.encode())]
            policy = _FORM_PAGE if answer.has_form else _PAGE
            await _send(scope, send, answer.status, [*policy, (b"content-type", answer.kind), *place], answer.body)

    async def _answer(self, scope: Scope, view: PanelView | None) -> Answer:
        try:
            make = self._make or await self._load()
            answer: Answer = await self._workers.run(_made, make, scope, view)
        except Exception as error:
            # the workers are busy, or the templates cannot be read: there is no page to say so
            told = to_rpc_error(self._services, "the explorer", error)
            return Answer(503, f"{told.message}\n".encode(), TEXT)
        return answer

    async def _load(self) -> Make:
        """Load the template library, once, on a worker."""
        async with self._loading:
            if self._make is None:
                self._make = await self._workers.run(_load_site, self._services)
            return self._make


def _made(make: Make, scope: Scope, view: PanelView | None, *, deadline: Deadline) -> Answer:
    return make(scope, view, deadline)


def _load_site(services: Services, *, deadline: Deadline) -> Make:  # noqa: ARG001
    from zevm.rpc.explorer.site import Site

    return Site(services).make


async def _send_asset(scope: Scope, send: Send, asset: Asset) -> None:
    """A file, or 304 where the browser has it: it asks each time, so that a new version of the node is seen at once."""
    headers = [*_SAFE, (b"etag", asset.tag), (b"cache-control", b"no-cache")]
    if asset.tag in (header(scope["headers"], b"if-none-match") or b""):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await _send(scope, send, 200, [*headers, (b"content-type", asset.kind)], asset.body)


async def _send(scope: Scope, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """A response; of HEAD without the body, but with its length (RFC 9110, 9.3.2)."""
    if scope["method"] != "HEAD":
        await respond(send, status, headers, body)
        return
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b""})
