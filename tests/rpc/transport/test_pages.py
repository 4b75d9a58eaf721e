"""N12: what a browser is shown, and what everybody else gets on the same paths."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

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


async def test_n12_a_browser_sees_a_page_of_its_own(client: AsyncClient, node: Node) -> None:
    answer = await client.get("/", headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    text = answer.text
    assert node.services.client_version in text
    assert f'data-chain="{hex(node.services.chain.chain_id)}"' in text
    assert f"curl -s {_url(node)}" in text
    assert "Add to MetaMask" in text
    for place in ("/graphql", "/health", "/metrics"):
        assert f'href="{place}"' in text
    assert "__" not in re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert 'name="viewport"' in text


async def test_n12_the_page_needs_nothing_else_and_its_policy_lets_nothing_in(client: AsyncClient) -> None:
    answer = await client.get("/", headers=HTML)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", answer.text)
    policy = _policy(answer)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for kind, name in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", answer.text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[name] == f"'sha256-{digest}'"
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", answer.text), "what the policy would stop"
    assert answer.headers["x-content-type-options"] == "nosniff"


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


async def test_n12_the_host_of_a_request_is_no_markup(client: AsyncClient) -> None:
    answer = await client.get("/", headers={**HTML, "Host": 'x"><b>.localhost'})
    assert "<b>" not in answer.text


def test_n12_the_page_is_packed() -> None:
    assert "page.html" in (Path(__file__).parents[3] / "pyproject.toml").read_text()
