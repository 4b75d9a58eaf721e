"""Calls of a running node over HTTP, for the commands."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from zevm.node.banner import is_loopback
from zevm.node.errors import NodeError

TIMEOUT_SECONDS = 120
"""Longer than the server allows any call to take."""


_OUTCOMES = frozenset((3, -32000, -32003))
"""Codes of what the chain says to a transaction or a call, whose text needs no method in front."""


class CallFailedError(NodeError):
    """The node answered with an error: its code, text and data."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        text = str(error.get("message"))
        super().__init__(text if error.get("code") in _OUTCOMES else f"{method}: {text}")
        self.code = error.get("code")
        self.data = error.get("data")


def no_answer(url: str, error: Exception) -> str:
    """The message if no node answers at a URL, with the remedy."""
    reason = getattr(error, "reason", None) or error
    words = next(_system_words(reason), None) or str(reason) or type(reason).__name__
    address = urllib.parse.urlsplit(url)
    if not is_loopback(address.hostname or "") or address.port is None:
        return f"no node answers at {url}: {words}; check the address"
    return f"no node answers at {url}: {words}; start one with `zevm run --port {address.port}`"


def _system_words(error: object) -> Iterator[str]:
    """The system's words in an error, or in one that it was raised from: libraries wrap errors in their own."""
    while isinstance(error, BaseException):
        words = getattr(error, "strerror", None)
        if words:
            yield str(words)
        error = error.__cause__ or error.__context__


class Client:
    """The JSON-RPC server at a URL. Raises NodeError if no node answers, CallFailedError for an error."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._timeout_seconds = timeout_seconds

    def call(self, method: str, *params: object) -> Any:
        """The result of a call. Raises UnicodeEncodeError for a text with lone surrogates, which JSON cannot have."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, ensure_ascii=False).encode()
        try:
            request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=self._timeout_seconds) as response:
                answer = json.load(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NodeError(no_answer(self.url, error)) from None
        failure = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or "result" not in answer or failure is not None:
            raise CallFailedError(
                method, failure if isinstance(failure, dict) else {"message": f"answered {answer!r:.200}"}
            )
        return answer["result"]
