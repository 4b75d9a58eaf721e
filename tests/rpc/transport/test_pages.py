"""N12: what a browser is shown, and what everybody else gets on the same paths."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient, Response

from tests.rpc.methods.memory_node import Node, start_node, stop_node

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def _policy(answer: Response) -> dict[str, str]:
    parts = (part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    return {part[0]: part[-1] for part in parts}


def _url(node: Node) -> str:
    return f"http://127.0.0.1:{node.server.addresses[0][1]}"


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    running = await start_node()
    yield running
    await stop_node(running)


@pytest.fixture
async def client(node: Node) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=_url(node)) as client:
        yield client


async def test_n12_a_browser_sees_the_node(client: AsyncClient, node: Node) -> None:
    answer = await client.get("/", headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    text = answer.text
    assert node.services.client_version in text
    assert f'data-network="{hex(node.services.chain.chain_id)}"' in text
    assert f"curl -s {_url(node)}" in text
    assert "Add to wallet" in text
    for place in ("/graphql", "/health", "/metrics"):
        assert f'href="{place}"' in text
    assert 'name="viewport"' in text


async def test_n12_others_get_a_line_of_text(client: AsyncClient) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = await client.get("/", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert "send JSON-RPC with POST" in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/favicon.ico", "/health/x", "/%3Cscript%3Ealert(1)%3C/script%3E"])
async def test_n12_unknown_paths_get_a_readable_answer(client: AsyncClient, path: str) -> None:
    shown = await client.get(path, headers=HTML)
    told = await client.get(path)
    assert shown.status_code == told.status_code == 404
    assert told.headers["content-type"].startswith("text/plain")
    for answer in (shown, told):
        assert "JSON-RPC is at / (POST, or a WebSocket)" in answer.text
    assert "<script" not in shown.text
    assert _policy(shown)["default-src"] == "'none'"


async def test_n12_graphql_is_explained_to_browsers_alone(client: AsyncClient) -> None:
    shown = await client.get("/graphql", headers=HTML)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "GraphQL: send a query with POST" in shown.text
    assert (await client.get("/graphql")).status_code == 400
    asked = await client.get("/graphql", params={"query": "{ chainID }"}, headers=HTML)
    assert "chainID" in asked.json()["data"]
