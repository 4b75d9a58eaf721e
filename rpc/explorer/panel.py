"""The development panel: forms that change the chain, for browsers of the node's computer alone.

A form counts only if it comes from the panel itself: of the same origin by the browser's word, and with the token that
the page carries and no other page can read.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

import orjson

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.explorer.page import Page, PageRequest
from zevm.rpc.explorer.panel_actions import ACTIONS, FieldError
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope
from zevm.rpc.transport.guard import header, is_as_from_a_browser, is_local

PLACE = "/panel"
FORM_BYTES = 20_480
"""Size of a form; that of a transaction carries CALL_DATA_BYTES as digits, the others have less than 200 bytes."""
_FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a form. text: the method's result as JSON, or the reason why there is none."""

    status: int
    action: str
    text: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class PanelView:
    """The panel of one answer. outcome: of the form that the answer is to."""

    token: str
    outcome: Outcome | None = None


class Panel:
    """Takes the forms, and gives their token to the page."""

    def __init__(self, services: Services, dispatcher: Dispatcher) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._token = secrets.token_urlsafe(32)

    def admits(self, scope: Scope) -> bool:
        """Whether a browser sees the panel: of this computer, without a proxy, and the chain is for development."""
        if not self._services.chain.is_for_development or self._services.leader is not None:
            return False
        return is_local(scope) and is_as_from_a_browser(scope)

    async def view(self, scope: Scope, receive: Receive) -> PanelView | None:
        """The panel for an answer to a request, once its form is done; None for a browser that sees no panel."""
        if not self.admits(scope):
            return None
        return PanelView(self._token, await self._take(scope, receive) if scope["method"] == "POST" else None)

    async def _take(self, scope: Scope, receive: Receive) -> Outcome:
        """Do the action of a form, which may come from anywhere."""
        try:
            async with asyncio.timeout(self._services.limits.http_header_seconds):
                body = await _body(scope, receive)
        except TimeoutError:
            return _refused(408, "the form did not arrive in time")
        if body is None:
            return _refused(413, f"a form has its length in its headers, and at most {FORM_BYTES} bytes")
        if (header(scope["headers"], b"content-type") or b"").partition(b";")[0].strip().lower() != _FORM:
            return _refused(415, "a form has the content type of one")
        values = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if not _is_of_the_same_origin(scope) or not secrets.compare_digest(
            values.get("token", "").encode(), self._token.encode()
        ):
            return _refused(403, "the form is not of this panel, or the node was started again: load the panel again")
        return await self._run(values)

    async def _run(self, values: Mapping[str, str]) -> Outcome:
        action = ACTIONS.get(values.get("action", ""))
        if action is None:
            return _refused(400, "the panel has no such action")
        try:
            parameters = action.parameters(values)
        except FieldError as error:
            return Outcome(400, action.name, str(error), succeeded=False)
        call = {"jsonrpc": "2.0", "id": 1, "method": action.method, "params": parameters}
        reply = await self._dispatcher.answer(orjson.dumps(call))
        assert reply is not None
        answer = orjson.loads(reply)
        if "error" in answer:
            return Outcome(HTTPStatus.OK, action.name, answer["error"]["message"], succeeded=False)
        return Outcome(HTTPStatus.OK, action.name, orjson.dumps(answer["result"]).decode(), succeeded=True)


def panel_page(request: PageRequest, view: PanelView) -> Page:
    """The forms, and the outcome of the last one."""
    text, outcome = request.text(), view.outcome
    values = {
        "actions": ACTIONS.values(),
        "token": view.token,
        "header": request.services.chain.head.header,
        "outcome": outcome,
        "told": None if outcome is None else text.of(outcome.text),
        "sent": orjson.loads(outcome.text) if outcome is not None and _has_sent(outcome) else None,
        "chain_id": request.services.chain.chain_id,
    }
    return Page("panel.html", "Panel", values, 200 if outcome is None else outcome.status)


def _has_sent(outcome: Outcome) -> bool:
    return outcome.succeeded and ACTIONS[outcome.action].method == "eth_sendTransaction"


def _refused(status: int, text: str) -> Outcome:
    return Outcome(status, "", text, succeeded=False)


def _is_of_the_same_origin(scope: Scope) -> bool:
    """Whether the browser says that the form is a page's of this origin; every browser sends Origin with a form."""
    headers = scope["headers"]
    site, host = header(headers, b"sec-fetch-site"), header(headers, b"host")
    if host is None or site not in (None, b"same-origin"):
        return False
    return header(headers, b"origin") == f"{scope.get('scheme', 'http')}://".encode() + host


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The form; None for one without a length, or with too long a one."""
    length = header(scope["headers"], b"content-length") or b""
    if not length.isdigit() or int(length[:8]) > FORM_BYTES:
        return None
    body = b""
    while len(body) <= FORM_BYTES:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if message["type"] != "http.request" or not message.get("more_body"):
            return body
    return None
