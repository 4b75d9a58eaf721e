"""Calls of the nodes that have the origin's chain: batches, repetition, and another node where one fails."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, TypeVar

from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.fetching import STOPPING, Fetches
from zevm.node.origin.transport import EndpointError, Place
from zevm.storage.errors import OriginError

BATCH_CALLS = 50
"""Calls in one message."""

MOST_REST_SECONDS = 60.0
"""Longest wait between two attempts, whatever a node asks for."""

_METHOD_MISSING = frozenset({-32601, -32004})
"""Method not found, and method not supported (EIP-1474), as Hardhat says."""
_LIMIT_CODES = frozenset({-32005, -32016, 429})
_LIMIT_WORDS = ("rate limit", "too many requests", "compute units", "capacity", "request limit", "throttl")

Result = TypeVar("Result")


class Call(NamedTuple):
    """A method and its parameters."""

    method: str
    params: tuple[Any, ...]


class MethodMissingError(OriginError):
    """The node does not have the method."""


class NoAnswerError(OriginError):
    """No node has given a usable answer. is_absent: none could be reached."""

    def __init__(self, message: str, *, is_absent: bool) -> None:
        super().__init__(message)
        self.is_absent = is_absent


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long to go on after a failure.

    retries: further attempts after the first, with each node. backoff_seconds: before the first of them; each waits
    twice as long as the one before.
    """

    retries: int = 5
    backoff_seconds: float = 1.0


_ONE_ATTEMPT = Persistence(0, 0.0)


class OriginClient:
    """Answers of the first node of a list that gives one. Any thread may call, and waits."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        persistence: Persistence | None = None,
        *,
        fetches: int = 16,
    ) -> None:
        """fetches: most that are under way at once."""
        self._endpoints = tuple(endpoints)
        self._persistence = persistence or Persistence()
        self._fetches = Fetches(fetches)
        self._closed = threading.Event()
        self._takes_batches = True
        self._identifiers = count()
        """Of calls: never used again, so that no late answer is another one's."""
        self.requests = 0
        """Messages to nodes since the start."""
        self.hint = ""
        """A remedy where no node answers, at the end of the error."""
        self.place = "nowhere"
        """The name of the file that is read where there is no node to ask."""

    @property
    def name(self) -> str:
        """The nodes, as messages call them."""
        return ", ".join(endpoint.name for endpoint in self._endpoints) or self.place

    @property
    def places(self) -> tuple[Place, ...]:
        """The nodes' URLs and header fields."""
        return tuple(endpoint.place for endpoint in self._endpoints)

    def ask_instead(self, endpoints: Sequence[Endpoint], persistence: Persistence) -> None:
        """Ask these nodes from now on."""
        before, self._endpoints = self._endpoints, tuple(endpoints)
        self._persistence = persistence
        self._takes_batches = True
        self.hint = ""
        for endpoint in before:
            endpoint.close()

    @contextmanager
    def attempting_once(self) -> Iterator[None]:
        """Make one attempt a call for a while, not as many as are allowed."""
        allowed, self._persistence = self._persistence, _ONE_ATTEMPT
        try:
            yield
        finally:
            self._persistence = allowed

    def be_offline(self, hint: str) -> None:
        """Make one attempt a call from now on; `hint` is the remedy where it fails."""
        self._persistence, self.hint = _ONE_ATTEMPT, hint

    def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises OriginError."""
        return self.call_all([Call(method, params)])[0]

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """The results of calls, in their order. Raises OriginError for the first that fails."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_CALLS):
            part = calls[start : start + BATCH_CALLS]
            if len(part) == 1 or not self._takes_batches:
                results += [self._attempted([call])[0] for call in part]
            else:
                results += self._attempted(part)
        return results

    def once(self, key: object, work: Callable[[], Result], what: Callable[[], str]) -> Result:
        """The result of `work`, done once for all who ask for the same at once. what: names it. Raises OriginError."""
        return self._fetches.result(key, work, what)

    def close(self) -> None:
        """Give the connections up, and end every fetch."""
        self._closed.set()
        self._fetches.close()
        for endpoint in self._endpoints:
            endpoint.close()

    def _attempted(self, calls: Sequence[Call]) -> list[Any]:
        """The results, by as many attempts as are allowed."""
        persistence = self._persistence
        if not self._endpoints:
            raise OriginError(f"{self.place} lacks the answer to {_described(calls[0])}{self.hint}")
        attempts = (persistence.retries + 1) * len(self._endpoints)
        is_absent = True
        for _ in range(attempts):
            endpoint = min(self._endpoints, key=lambda item: item.free_from(len(calls)))
            self._wait(endpoint.turn(len(calls)))
            try:
                results = self._ask(endpoint, calls)
            except EndpointError as error:
                last = f"{endpoint.name}: {error}"
                is_absent = is_absent and error.is_absent
                backoff = persistence.backoff_seconds * 2**endpoint.failures
                endpoint.rest(min(MOST_REST_SECONDS, backoff if error.rest_seconds is None else error.rest_seconds))
            else:
                endpoint.failures = 0
                return results
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        raise NoAnswerError(
            f"{_described(calls[0])} has no answer after {tried}, the last of {last}{self.hint}",
            is_absent=is_absent,
        )

    def _wait(self, seconds: float) -> None:
        if (seconds > 0 and self._closed.wait(seconds)) or self._closed.is_set():
            raise OriginError(STOPPING)

    def _ask(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any]:
        messages: list[dict[str, Any]] = [
            {"jsonrpc": "2.0", "id": next(self._identifiers), "method": call.method, "params": call.params}
            for call in calls
        ]
        self.requests += 1
        if len(calls) == 1:
            answer = endpoint.exchange(messages[0])
            if isinstance(answer, dict) and "result" in answer and answer.get("id") != messages[0]["id"]:
                raise EndpointError(f"the answer to another call{endpoint.place.quoted(answer)}")
            return [_result(endpoint, calls[0], answer)]
        answers = endpoint.exchange(messages)
        if isinstance(answers, dict) and not _is_limit(answers.get("error")):
            # a node that takes one call a message answers so
            self._takes_batches = False
            return [self._attempted([call])[0] for call in calls]
        if not isinstance(answers, list):
            raise EndpointError(f"the answer to {len(calls)} calls is not a list{endpoint.place.quoted(answers)}")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        return [_result(endpoint, call, by_id.get(item["id"])) for call, item in zip(calls, messages, strict=True)]


def _result(endpoint: Endpoint, call: Call, answer: Any) -> Any:
    """The result in an answer. Raises EndpointError where another attempt may help, OriginError where none does."""
    if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
        raise EndpointError(f"no answer to {call.method}{endpoint.place.quoted(answer)}")
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if _is_limit(error):
        raise EndpointError(str(error.get("message"))[:200])
    message = error.get("message") if isinstance(error, dict) else error
    text = f"{endpoint.name} answers {_described(call)} with an error: {message!s:.500}"
    if isinstance(error, dict) and error.get("code") in _METHOD_MISSING:
        raise MethodMissingError(text)
    raise OriginError(text)


def _is_limit(error: Any) -> bool:
    """Whether an error says that it was too much at once."""
    if not isinstance(error, dict):
        return False
    text = str(error.get("message")).lower()
    return error.get("code") in _LIMIT_CODES or any(word in text for word in _LIMIT_WORDS)


def _described(call: Call) -> str:
    shown = ", ".join(str(param) for param in call.params if not isinstance(param, bool))
    return f"{call.method}({shown})"[:300]
