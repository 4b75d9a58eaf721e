"""The pages as one function of a request, for workers; an error is a page too."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import UnknownBlockError
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.errors import InternalError, RpcError
from zevm.rpc.explorer.answer import Answer
from zevm.rpc.explorer.page import NotFoundError, Page, PageRequest, PageText, Redirect
from zevm.rpc.explorer.panel import PLACE, PanelView, panel_page
from zevm.rpc.explorer.rendering import Renderer
from zevm.rpc.explorer.routes import route
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Scope
from zevm.rpc.transport.guard import header

QUERY_BYTES = 8_192
"""A longer query is left out: arguments of functions are the longest that the explorer asks for."""


class Site:
    """Makes pages, on any thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._renderer = Renderer()

    def make(self, scope: Scope, panel: PanelView | None, deadline: Deadline) -> Answer:
        """The answer to a request. panel: None for a browser that sees none."""
        found = self._services.chain.on_one_ground(self._found, scope, panel, deadline)
        if isinstance(found, Redirect):
            return Answer(303, b"", location=found.location)
        body = self._renderer.render(found, has_panel=panel is not None)
        return Answer(found.status, body, has_form=found.values.get("token") is not None)

    def _found(self, scope: Scope, panel: PanelView | None, deadline: Deadline) -> Page | Redirect:
        path: str = scope["path"]
        try:
            if path == PLACE and panel is not None:
                return panel_page(PageRequest(self._services, deadline), panel)
            chosen = route(path)
            if chosen is None:
                raise NotFoundError(f"There is no page {path[:80]}.")
            maker, arguments = chosen
            token = None if panel is None else panel.token
            return maker(PageRequest(self._services, deadline, arguments, _query(scope), _origin(scope), token))
        except (NotFoundError, UnknownBlockError) as error:
            return self._problem(404, "Not found", str(error))
        except Exception as error:
            told: RpcError = to_rpc_error(self._services, "the explorer", error)
            if isinstance(told, InternalError):
                return self._problem(500, "Error", told.message)
            return self._problem(503, "Not now", told.message)

    def _problem(self, status: int, title: str, message: str) -> Page:
        values = {"message": PageText(self._services.limits).of(message), "status": status}
        return Page("problem.html", title, values, status)


def _query(scope: Scope) -> Mapping[str, str]:
    text: bytes = scope["query_string"]
    if len(text) > QUERY_BYTES:
        return {}
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="replace")
    return dict(reversed(pairs))


def _origin(scope: Scope) -> str:
    """Scheme and host as the browser has them."""
    host = header(scope["headers"], b"host")
    return f"{scope.get('scheme', 'http')}://{'127.0.0.1' if host is None else host.decode('latin-1')}"
