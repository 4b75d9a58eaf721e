"""Calls of a running node over HTTP, for the commands."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import orjson

from zevm.node.errors import NodeError
from zevm.node.http_exchange import exchange
from zevm.node.loopback import is_loopback

TIMEOUT_SECONDS = 120
"""Longer than the server allows any call to take."""

ANSWER_BYTES = 512 * 1024 * 1024
"""The longest answer: traces of long transactions are the largest."""

_SUCCESSES = range(200, 300)
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


def read_answer(status: int, text: bytes) -> Any:
    """The JSON of an answer. Raises ValueError for another status than success, and for no JSON."""
    if status not in _SUCCESSES:
        raise ValueError(f"HTTP Error {status}: {http.client.responses.get(status, 'no status of HTTP')}")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # only traces of deep calls need it, and commands begin quickly
        from zevm.rpc.codec.parsing import parse_answer

        return parse_answer(text)


class Client:
    """The JSON-RPC server at a URL. Raises NodeError if no node answers, CallFailedError for an error.

    timeout_seconds: of each call, from its begin to the end of its answer, which has at most ANSWER_BYTES.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._timeout_seconds = timeout_seconds

    def call(self, method: str, *params: object) -> Any:
        """The result of a call. Raises UnicodeEncodeError for a text with lone surrogates, which JSON cannot have."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, ensure_ascii=False).encode()
        try:
            status, text = exchange(self.url, body, seconds=self._timeout_seconds, answer_bytes=ANSWER_BYTES)
            answer = read_answer(status, text)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NodeError(no_answer(self.url, error)) from None
        failure = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or "result" not in answer or failure is not None:
            raise CallFailedError(
                method, failure if isinstance(failure, dict) else {"message": f"answered {answer!r:.200}"}
            )
        return answer["result"]
