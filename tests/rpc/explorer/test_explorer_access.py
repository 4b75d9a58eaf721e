"""Who sees the explorer, what its headers promise, and what its files are."""

import re
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from tests.rpc.explorer.explored import Explored, explored
from zevm.rpc.explorer.assets import assets
from zevm.rpc.explorer.routes import route
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.guard import is_local

OPEN = ServerOptions(port=0, explorer=True, allow_hosts=("node.example",))
CLOSED = ServerOptions(port=0, explorer=False)


@pytest.fixture
async def chain() -> AsyncIterator[Explored]:
    async with explored() as running:
        yield running


def _policy(answer: Response) -> dict[str, str]:
    parts = (part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    return {part[0]: part[-1] for part in parts}


async def test_programs_get_what_they_got_before(chain: Explored) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = await chain.client.get("/", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert answer.text == f"{chain.node.services.client_version}: send JSON-RPC with POST, or open a WebSocket\n"
        assert (await chain.client.get("/block/0", headers=headers)).status_code == 404


async def test_every_page_has_the_strict_headers(chain: Explored) -> None:
    for path in ("/", "/blocks", "/block/0", "/block/99", "/pool", "/search?q=1", "/address/0x" + "11" * 20):
        answer = await chain.get(path)
        policy = _policy(answer)
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers, "no other page reads it"


async def test_another_site_cannot_read_a_page(chain: Explored) -> None:
    answer = await chain.get("/", Origin="https://evil.example")
    assert answer.status_code == 403
    answer = await chain.get("/", Origin="http://localhost:3000")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("name", ["explorer.css", "explorer.js", "wallet.js", "abi.js", "icon.svg"])
async def test_files_are_kept_by_browsers_until_they_change(chain: Explored, name: str) -> None:
    answer = await chain.client.get(f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.content == assets()[name].body
    assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await chain.client.get(f"/assets/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await chain.client.get(f"/assets/{name}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("path", ["/assets/", "/assets/none.js", "/assets/../site.py", "/assets/%2e%2e/site.py"])
async def test_other_files_are_not_there(chain: Explored, path: str) -> None:
    assert (await chain.get(path)).status_code == 404


async def test_head_has_no_body(chain: Explored) -> None:
    for path in ("/", "/assets/explorer.css"):
        answer = await chain.client.head(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 1_000


async def test_a_post_is_json_rpc(chain: Explored) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    answer = await chain.client.post("/", json=body, headers={"Accept": "text/html"})
    assert answer.json()["result"] == "0x7a69"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "192.0.2.1:8545"},
        {"Host": "host.docker.internal"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
    ],
)
async def test_by_default_others_see_a_line(chain: Explored, headers: dict[str, str]) -> None:
    answer = await chain.get("/", **headers)
    assert answer.status_code == 200
    assert "--explorer opens it to others" in answer.text
    assert "<script" not in answer.text
    assert (await chain.get("/block/0", **headers)).status_code == 404
    assert (await chain.client.get("/assets/explorer.js", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "node.localhost", "127.0.0.1:8545", "[::1]:8545", "127.9.9.9"]
)
async def test_by_default_this_computer_sees_the_chain(chain: Explored, host: str) -> None:
    assert "Newest blocks" in (await chain.get("/", Host=host)).text


async def test_with_explorer_all_see_it_that_the_guard_lets_in() -> None:
    async with explored(OPEN) as chain:
        for headers in ({}, {"Host": "192.0.2.1"}, {"Host": "node.example"}, {"X-Forwarded-For": "192.0.2.1"}):
            assert "Newest blocks" in (await chain.get("/", **headers)).text
        assert (await chain.get("/", Host="evil.example")).status_code == 403


async def test_with_no_explorer_nobody_sees_it() -> None:
    async with explored(CLOSED) as chain:
        assert "Newest blocks" not in (await chain.get("/")).text
        assert (await chain.get("/block/0")).status_code == 404
        assert (await chain.client.get("/assets/explorer.css")).status_code == 404


@pytest.mark.parametrize(
    ("client", "host", "expected"),
    [
        (("127.0.0.1", 5), b"localhost", True),
        (("::1", 5, 0, 0), b"[::1]:8545", True),
        (("::ffff:127.0.0.1", 5), b"localhost", True),
        (("127.0.0.1", 5), None, True),
        (("192.0.2.1", 5), b"localhost", False),
        (("172.17.0.1", 5), b"127.0.0.1", False),
        (("127.0.0.1", 5), b"localhost.evil.example", False),
        (("127.0.0.1", 5), b"[::", False),
        (None, b"localhost", False),
    ],
)
def test_who_is_of_this_computer(client: Any, host: bytes | None, expected: bool) -> None:
    headers = [] if host is None else [(b"host", host)]
    assert is_local({"client": client, "headers": headers}) is expected


@pytest.mark.parametrize(
    "path", ["/block/", "/block/1/2", "/tx", "/tx/0x1/none", "/address/0x1/storage/", "/assets", "//"]
)
def test_paths_of_nothing(path: str) -> None:
    assert route(path) is None


def test_templates_and_files_are_packed_and_have_nothing_inline() -> None:
    packed = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"zevm.rpc.explorer" = ["templates/*.html", "assets/*"]' in packed
    folder = resources.files("zevm.rpc.explorer")
    for file in folder.joinpath("templates").iterdir():
        text = file.read_text()
        assert not re.search(r"\sstyle=|\son\w+=|javascript:|<style|\|\s*safe|https?://", text), file.name
    scripts = [file for file in folder.joinpath("assets").iterdir() if file.name.endswith(".js")]
    assert len(scripts) >= 3
    for file in scripts:
        text = file.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|https?://", text
        )
