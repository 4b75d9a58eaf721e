"""A GraphQL client of a node in memory, over its whole HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.rpc.methods.memory_node import Node, start_node, stop_node


@dataclass
class GraphqlClient:
    """`asked` keeps the text of every query."""

    node: Node
    http: httpx.AsyncClient
    asked: list[str] = field(default_factory=list)

    async def post(self, query: str, **rest: Any) -> httpx.Response:
        """The answer to a POST."""
        self.asked.append(query)
        return await self.http.post("/graphql", content=orjson.dumps({"query": query} | rest), headers=JSON)

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of a query that must succeed."""
        answer = await self.post(query, variables=variables)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().keys() == {"data"}
        return answer.json()["data"]

    async def fails(self, query: str, **rest: Any) -> dict[str, Any]:
        """The only error of a query that must fail."""
        answer = await self.post(query, **rest)
        assert answer.status_code == 400, answer.text
        (error,) = answer.json()["errors"]
        found: dict[str, Any] = error
        assert found.get("extensions", {}).get("code") != -32603, found
        return found


JSON = {"content-type": "application/json"}


@asynccontextmanager
async def running_client(**arguments: Any) -> AsyncIterator[GraphqlClient]:
    """A client of a new node; arguments as of `start_node`."""
    node = await start_node(**arguments)
    transport = httpx.ASGITransport(app=node.server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        try:
            yield GraphqlClient(node, http)
        finally:
            await stop_node(node)
