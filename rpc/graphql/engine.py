"""Execution of queries: the library, the schema and the cached documents, loaded by the first request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, execute, execute_sync

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.codec.results import Json
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.errors import InvalidParamsError, InvalidRequestError, RpcError, bounded
from zevm.rpc.execution.workers import Workers
from zevm.rpc.graphql.budget import Budget, QueryStopped, metered
from zevm.rpc.graphql.context import Context
from zevm.rpc.graphql.documents import Documents, InvalidDocumentError, Prepared
from zevm.rpc.graphql.request import Answer, Request, failed
from zevm.rpc.graphql.roots import Root
from zevm.rpc.graphql.schema import load_schema
from zevm.rpc.services import Services


@dataclass(frozen=True, slots=True)
class _Run:
    """The executor's input: the arguments that `execute` and `execute_sync` share."""

    budget: Budget
    arguments: dict[str, Any]


class Engine:
    """Executes requests over one node's services. Safe from any thread; mutations only on the event loop."""

    def __init__(self, services: Services, workers: Workers) -> None:
        self._services = services
        self._workers = workers
        self._schema = load_schema()
        self._documents = Documents(self._schema, services.limits)

    async def execute(self, request: Request, writes: bool) -> Answer:
        """The answer to a request; `writes`: it may hold a mutation. On the event loop alone."""
        prepared = self.light(request)
        if prepared is None:
            outcome = await self._workers.run(self.run, request)
            if isinstance(outcome, Answer):
                return outcome
            prepared = outcome
        if not prepared.is_mutation(request.operation_name):
            return self.query(request, prepared)
        if not writes:
            return failed(InvalidRequestError("a mutation is sent with POST"), 405)
        return await self.mutate(request, prepared)

    def light(self, request: Request) -> Prepared | None:
        """The cached document of a request that may run on the event loop, or None."""
        prepared = self._documents.kept(request.query)
        return prepared if prepared is not None and prepared.light else None

    def run(self, request: Request, *, deadline: Deadline) -> Answer | Prepared:
        """Prepare a request and execute it until the deadline; for a mutation, return its document."""
        try:
            prepared = self._documents.prepare(request.query)
        except InvalidDocumentError as error:
            return self._invalid(error.errors)
        if prepared.is_mutation(request.operation_name):
            return prepared
        return self.query(request, prepared, deadline=deadline)

    def query(self, request: Request, prepared: Prepared, *, deadline: Deadline | None = None) -> Answer:
        """Execute a query."""
        return self._services.chain.on_one_ground(self._query, request, prepared, deadline)

    def _query(self, request: Request, prepared: Prepared, deadline: Deadline | None) -> Answer:
        run = self._begin(request, prepared, deadline)
        try:
            return self._finish(execute_sync(**run.arguments), run.budget)
        except QueryStopped as stopped:
            return failed(stopped.error)

    async def mutate(self, request: Request, prepared: Prepared) -> Answer:
        """Execute a mutation; its writes go to the chain writer."""
        run = self._begin(request, prepared, None)
        try:
            result = execute(**run.arguments)
            return self._finish(result if isinstance(result, ExecutionResult) else await result, run.budget)
        except QueryStopped as stopped:
            return failed(stopped.error)

    def _begin(self, request: Request, prepared: Prepared, deadline: Deadline | None) -> _Run:
        budget = Budget(self._services.limits, deadline)
        return _Run(
            budget,
            {
                "schema": self._schema,
                "document": prepared.document,
                "root_value": Root(Context(self._services, budget)),
                "variable_values": request.variables,
                "operation_name": request.operation_name,
                "middleware": metered(budget),
            },
        )

    def _finish(self, result: ExecutionResult, budget: Budget) -> Answer:
        errors = result.errors or []
        if result.data is None and not any(error.path for error in errors):
            return self._invalid(errors)
        body: Json = {"data": result.data}
        first = None
        if errors:
            told = [self._told(error) for error in errors]
            body = {"errors": [each for each, _ in told]} | body
            first = told[0][1]
        answer = Answer(orjson.dumps(body), first, 200 if first is None else 400)
        return failed(budget.too_many_bytes()) if len(answer.body) > self._services.limits.response_bytes else answer

    def _invalid(self, errors: list[GraphQLError]) -> Answer:
        """The answer to a request that was not executed: text, variables or operation do not match the schema."""
        told = [_formatted(error) for error in errors]
        return Answer(orjson.dumps({"errors": told}), InvalidParamsError(errors[0].message), 400)

    def _told(self, error: GraphQLError) -> tuple[Json, RpcError]:
        """A field's error with JSON-RPC's message, code and data."""
        cause = error.original_error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if cause is None or isinstance(cause, GraphQLError):
            return _formatted(error), InvalidParamsError(error.message)
        field = str((error.path or ["a field"])[-1])
        rpc_error = to_rpc_error(self._services, field, cause)
        extensions = rpc_error.to_json()
        return dict(error.formatted) | {"message": extensions.pop("message"), "extensions": extensions}, rpc_error


def _formatted(error: GraphQLError) -> Json:
    return dict(error.formatted) | {"message": bounded(error.message)}
