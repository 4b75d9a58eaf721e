"""The verifier's paths: who may use them, and the bounds of requests."""

import asyncio
from typing import Final

import orjson

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.execution.workers import Workers
from zevm.rpc.explorer.verification import etherscan, sourcify
from zevm.rpc.explorer.verification.call import Call, Reply
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope, Send
from zevm.rpc.transport.guard import is_local
from zevm.rpc.transport.http_bodies import CONTENT_TYPES, Bodies, BodyError, refuse, send_json, unless_left

ETHERSCAN: Final = frozenset({"/api", "/api/", "/v2/api", "/v2/api/"})
SOURCIFY: Final = ("/v2/contract/", "/v2/verify/")
PATIENCE_SECONDS: Final = 10.0
"""Longest time that an answer waits for the outcome that it is about."""
_FORM: Final = frozenset({b"application/x-www-form-urlencoded"})
_CLOSED: Final = (
    "contracts are verified for programs of the node's computer, on development chains: start the node with --verifier "
    "to let in others"
)
_ABSENT: Final = "this node verifies no contracts: it was started with --no-verifier"
_HEADERS: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class VerificationEndpoint:
    """Answers are made on workers; compiles run on the verifier's threads.

    is_open: True for every client that the Guard admits, None for those of this computer if the chain is for
    development.
    """

    def __init__(self, services: Services, workers: Workers, *, is_open: bool | None) -> None:
        self._services = services
        self._workers = workers
        self._is_open = is_open
        self._forms = Bodies(services.limits, services.budgets.input, _FORM)
        self._json = Bodies(services.limits, services.budgets.input, CONTENT_TYPES)

    def serves(self, scope: Scope) -> bool:
        """Whether a request is for the verifier. One that it refuses is told why: its clients expect JSON."""
        path: str = scope["path"]
        return scope["method"] in ("GET", "POST") and (path in ETHERSCAN or path.startswith(SOURCIFY))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI) that the Guard has admitted."""
        is_post, path = scope["method"] == "POST", str(scope["path"])
        bodies = self._forms if path in ETHERSCAN else self._json
        refusal = bodies.check(scope["headers"]) if is_post else None
        if refusal is not None:
            await refuse(send, refusal)
            return
        try:
            body, taken = await bodies.read(receive) if is_post else (b"", 0)
        except BodyError as error:
            if error.refusal is not None:
                await refuse(send, error.refusal)
            return
        try:
            _, reply = await unless_left(self._reply(scope, body), receive)
        finally:
            bodies.release(taken)
        if reply is not None:
            await send_json(scope, send, orjson.dumps(reply.value), _HEADERS, reply.status)

    async def _reply(self, scope: Scope, body: bytes) -> Reply:
        if self._services.verifier is None:
            return _refused(scope["path"], 404, _ABSENT)
        if not self._admits(scope):
            return _refused(scope["path"], 403, _CLOSED)
        try:
            reply: Reply = await self._workers.run(_answered, self._services, scope, body)
            running = self._services.verifier.running(reply.pending)
            if running is not None:
                # clients ask again after several seconds, which is longer than most compiles take
                await asyncio.wait([asyncio.wrap_future(running)], timeout=PATIENCE_SECONDS)
                reply = await self._workers.run(_answered, self._services, scope, body)
        except Exception as error:
            # the workers are busy, or the chain's database fails
            return _refused(scope["path"], 503, to_rpc_error(self._services, "the verifier", error).message)
        return reply

    def _admits(self, scope: Scope) -> bool:
        return self._is_open is True or (self._services.chain.is_for_development and is_local(scope))


def _answered(services: Services, scope: Scope, body: bytes, *, deadline: Deadline) -> Reply:
    assert services.verifier is not None
    path: str = scope["path"]
    call = Call(services, services.verifier, deadline, scope["method"], path, scope["query_string"], body)
    return etherscan.answer(call) if path in ETHERSCAN else sourcify.answer(call)


def _refused(path: str, status: int, text: str) -> Reply:
    """An error in the words of the interface; Etherscan's status is in the body."""
    if path in ETHERSCAN:
        return Reply(200, {"status": "0", "message": "NOTOK", "result": text})
    return Reply(status, {"customCode": "not_available", "message": text})
