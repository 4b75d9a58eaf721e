"""POST and GET /graphql: choose where a request runs, and send its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.errors import RpcError
from zevm.rpc.execution.workers import Workers
from zevm.rpc.execution.write_budget import REQUEST_BYTES
from zevm.rpc.graphql.request import Answer, Request, failed, from_address, from_body, from_large_body
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope, Send
from zevm.rpc.transport.guard import ALLOW, Guard, Headers, Refusal
from zevm.rpc.transport.http_bodies import Bodies, BodyError, refuse, send_json, unless_left

Execute = Callable[[Request, bool], Awaitable[Answer]]
"""Answers a request, which may hold a mutation or not."""


class GraphqlEndpoint:
    """Known light queries run on the event loop, other queries on a worker, mutations on the chain writer."""

    def __init__(self, services: Services, workers: Workers, guard: Guard) -> None:
        self._services = services
        self._workers = workers
        self._guard = guard
        self._bodies = Bodies(services.limits, services.budgets.input)
        self._executing: Execute | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI) that the Guard has admitted."""
        headers: Headers = scope["headers"]
        cors = self._guard.cors_headers(headers)
        method = scope["method"]
        if method not in ("POST", "GET"):
            await refuse(send, Refusal(405, "method not allowed"), [*cors, ALLOW])
            return
        refusal = self._bodies.check(headers) if method == "POST" else None
        if refusal is not None:
            await refuse(send, refusal, cors)
            return
        try:
            request = await self._read(scope, receive)
        except BodyError as error:
            if error.refusal is not None:
                await refuse(send, error.refusal, cors)
            return
        except RpcError as error:
            answer: Answer | None = failed(error)
        else:
            _, answer = await unless_left(self._answer(request, writes=method == "POST"), receive)
        if answer is not None:
            extra = [*cors, ALLOW] if answer.status == 405 else cors
            await send_json(scope, send, answer.body, extra, answer.status)

    async def _read(self, scope: Scope, receive: Receive) -> Request:
        """The request of a body, or of the URL. Raises BodyError, RpcError."""
        body, taken = await self._bodies.read(receive)
        REQUEST_BYTES.set(len(body))
        try:
            if scope["method"] != "POST":
                return from_address(scope["query_string"])
            if len(body) > LOOP_BODY_BYTES:
                return await self._workers.read(from_large_body, body, self._services.limits)
            return from_body(body)
        finally:
            self._bodies.release(taken)

    async def _answer(self, request: Request, *, writes: bool) -> Answer:
        begun = time.perf_counter()
        try:
            answer = await self._execute(request, writes=writes)
        except Exception as error:
            answer = failed(to_rpc_error(self._services, "graphql", error))
        log = self._services.call_log
        if log is not None:
            log.called("graphql", [request.query, request.variables], time.perf_counter() - begun, answer.error)
        return answer

    async def _execute(self, request: Request, *, writes: bool) -> Answer:
        execute = self._executing or await self._load()
        return await execute(request, writes)

    async def _load(self) -> Execute:
        """Load the library and build the schema, once, on a worker: this takes most of a second."""
        async with self._loading:
            if self._executing is None:
                self._executing = await self._workers.run(_load_engine, self._services, self._workers)
            return self._executing


def _load_engine(services: Services, workers: Workers, *, deadline: Deadline) -> Execute:  # noqa: ARG001
    from zevm.rpc.graphql.engine import Engine

    return Engine(services, workers).execute
