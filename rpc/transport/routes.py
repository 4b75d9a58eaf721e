"""The paths that FastAPI serves: GET /, /health, help for /graphql, and what the node adds; an answer to all others.

The library takes a while to import, so that this module is, once, on the first request for one of them.
"""

import time
from collections.abc import Mapping
from contextlib import suppress

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.rpc.errors import told
from zevm.rpc.services import Services
from zevm.rpc.transport import pages
from zevm.rpc.transport.asgi import Endpoint


def create_routes(services: Services, endpoints: Mapping[str, Endpoint]) -> FastAPI:
    """The application, for requests that the guard has let in. endpoints: more of them, by path."""
    application = FastAPI(title="zEVM", docs_url=None, redoc_url=None, openapi_url=None)
    for path, endpoint in endpoints.items():
        application.add_route(path, endpoint)  # type: ignore[arg-type]

    @application.api_route("/", methods=["GET", "HEAD"])
    async def front_page(request: Request) -> Response:
        return pages.front_page(services, request)

    @application.get("/graphql")
    async def graphql_help(request: Request) -> Response:
        return pages.graphql_help(request)

    @application.exception_handler(404)
    async def nothing_here(request: Request, _: Exception) -> Response:
        return pages.nothing_here(request)

    # a probe lets a database that refuses writes try again, so that one comes back that nobody writes to
    @application.get("/health")
    def health() -> JSONResponse:
        report, healthy = health_report(services)
        if services.chain.database.fault is not None:
            with suppress(WriterStoppedError):
                services.chain.writer.submit(services.chain.database.resume)
        return JSONResponse(report, status_code=200 if healthy else 503)

    return application


def health_report(services: Services) -> tuple[dict[str, object], bool]:
    """Head number, its age in seconds, whether the database returns the head intact, and whether it accepts writes.

    Of a node that follows another, also how far it is.
    """
    head = services.chain.head.header
    try:
        stored = services.chain.header_by_number(head.number)
        intact = stored is not None and stored.hash == head.hash
        fault = services.chain.database.fault
        database = ("ok" if fault is None else told(fault)) if intact else "the head block is not readable"
    except Exception as error:
        database = told(error)
    following, keeps_up = _following(services)
    healthy = database == "ok" and keeps_up
    return {
        "status": "ok" if healthy else "failing",
        "client": services.client_version,
        "head": head.number,
        "headHash": "0x" + head.hash.hex(),
        "ageSeconds": max(0, int(time.time()) - head.timestamp),
        "database": database,
        **following,
    }, healthy


def _following(services: Services) -> tuple[dict[str, object], bool]:
    """How far a follower is, and whether that is near enough: a leader that is gone leaves its followers healthy."""
    if services.leader is None:
        return {}, True
    report = services.leader.report()
    behind = None if report.head is None else max(0, report.head - services.chain.head.number)
    near = behind is None or behind <= services.limits.replica_behind_blocks
    return {
        "leader": services.leader.address,
        "connected": report.connected,
        "behind": behind,
        "heardSeconds": None if report.heard_seconds is None else round(report.heard_seconds, 1),
        "refusal": report.refusal,
    }, near and report.refusal is None
