"""The development panel: what it does, and for whom it does nothing."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.explorer.explored import HTML, Explored, Reader, explored
from tests.rpc.methods.memory_node import ALICE, start_node, stop_node
from zevm.chain.options import ChainOptions
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.explorer.panel import FORM_BYTES
from zevm.rpc.explorer.panel_actions import ACTIONS, CALL_DATA_BYTES, FieldError
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.engine_port import EnginePortOptions

ADDRESS = "0x" + "ab" * 20


@pytest.fixture
async def chain() -> AsyncIterator[Explored]:
    async with explored() as running:
        yield running


def _origin(chain: Explored) -> str:
    return str(chain.client.base_url).rstrip("/")


async def _token(chain: Explored) -> str:
    page = await chain.get("/panel")
    found = re.search(r'name="token" value="([\w-]{40,})"', page.text)
    assert found is not None
    return found[1]


async def _post(chain: Explored, fields: dict[str, str], **headers: str) -> httpx.Response:
    return await chain.client.post("/panel", data=fields, headers=HTML | {"Origin": _origin(chain)} | headers)


async def _do(chain: Explored, action: str, **fields: str) -> Reader:
    answer = await _post(chain, {"token": await _token(chain), "action": action} | fields)
    return Reader(answer.text)


async def test_every_action_changes_the_chain(chain: Explored) -> None:
    node = chain.node
    done: set[str] = set()

    async def act(action: str, **fields: str) -> Reader:
        done.add(action)
        return await _do(chain, action, **fields)

    snapshot = re.search(r'"(0x[0-9a-f]+)"', (await act("snapshot")).text)
    assert snapshot is not None
    assert "Done" in (await act("mine", blocks="3")).text
    assert await node.call("eth_blockNumber") == "0x3"
    await act("balance", address=ADDRESS, ether="1.5")
    assert int(await node.call("eth_getBalance", ADDRESS, "latest"), 16) == 15 * 10**17
    before = node.chain.next_header().timestamp
    await act("clock", seconds="3600")
    # the blocks above have run ahead of the clock by some seconds
    assert node.chain.next_header().timestamp >= before + 3_500
    await act("timestamp", timestamp="4000000000")
    await act("mine", blocks="1")
    assert node.chain.head.header.timestamp == 4_000_000_000
    await act("automine", on="off")
    assert await node.call("anvil_getAutomine") is False
    sent = await act("send", **{"from": hexadecimal(ALICE), "to": ADDRESS, "value": "0.5", "data": "0x12"})
    (link,) = {link for link in sent.links if link.startswith("/tx/")}
    assert (await node.call("eth_getTransactionByHash", link.removeprefix("/tx/")))["input"] == "0x12"
    await act("impersonate", address=ADDRESS)
    fields = {"from": ADDRESS, "to": ADDRESS, "gas": "0x5208"}
    assert await node.call("eth_sendTransaction", fields)
    await act("release", address=ADDRESS)
    assert (await node.fails("eth_sendTransaction", fields)).message
    assert "true" in (await act("revert", snapshot=snapshot[1])).text
    assert await node.call("eth_blockNumber") == "0x0"
    assert done == set(ACTIONS)


async def test_wrong_fields_and_refusals_are_told(chain: Explored) -> None:
    for action, fields, told in (
        ("mine", {"blocks": "-1"}, "no whole number"),
        ("mine", {}, "no whole number"),
        ("mine", {"blocks": "999999"}, "--rpc-mine-blocks"),
        ("balance", {"address": "bob", "ether": "1"}, "no address"),
        ("balance", {"address": ADDRESS, "ether": "1e5"}, "no amount of ether"),
        ("revert", {"snapshot": "<b>"}, "no snapshot"),
        ("automine", {"on": "yes"}, "neither on nor off"),
        ("send", {"from": "alice", "to": ADDRESS, "value": "0", "data": "0x"}, "no address"),
        ("send", {"from": ADDRESS, "to": ADDRESS, "value": "0", "data": "0x1"}, "is no data"),
        ("send", {"from": ADDRESS, "value": "0", "data": "0x" + "00" * (CALL_DATA_BYTES + 1)}, "is no data"),
        ("send", {"from": ADDRESS, "to": ADDRESS, "value": "0", "data": "0x"}, "unknown account"),
        ("none", {}, "no such action"),
    ):
        page = await _do(chain, action, **fields)
        assert told in page.text, (action, fields)
    assert await chain.node.call("eth_blockNumber") == "0x0"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "192.0.2.1"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json"},
    ],
)
async def test_forms_of_others_do_nothing(chain: Explored, headers: dict[str, str]) -> None:
    """With the right token, which they cannot read."""
    fields = {"token": await _token(chain), "action": "mine", "blocks": "1"}
    answer = await _post(chain, fields, **headers)
    assert answer.status_code in (403, 404, 405, 415), answer.status_code
    assert await chain.node.call("eth_blockNumber") == "0x0"
    assert (await _post(chain, fields)).status_code == 200
    assert await chain.node.call("eth_blockNumber") == "0x1", "which it does do for the panel"


async def test_a_form_without_an_origin_or_with_another_token_does_nothing(chain: Explored) -> None:
    fields = {"token": await _token(chain), "action": "mine", "blocks": "1"}
    assert (await chain.client.post("/panel", data=fields, headers=HTML)).status_code == 403
    for token in ("", "x", "é", fields["token"] + "x", fields["token"][:-1]):
        assert (await _post(chain, fields | {"token": token})).status_code == 403
    async with explored() as other:
        assert (await _post(chain, fields | {"token": await _token(other)})).status_code == 403
    assert await chain.node.call("eth_blockNumber") == "0x0"


async def test_a_form_is_short(chain: Explored) -> None:
    fields = {"token": await _token(chain), "action": "mine", "blocks": "1", "rest": "x" * FORM_BYTES}
    assert (await _post(chain, fields)).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        yield b"token="

    headers = HTML | {"Origin": _origin(chain), "Content-Type": "application/x-www-form-urlencoded"}
    assert (await chain.client.post("/panel", content=pieces(), headers=headers)).status_code == 413
    assert await chain.node.call("eth_blockNumber") == "0x0"


async def test_a_form_arrives_in_time() -> None:
    async with explored(http_header_seconds=0.1) as chain:
        reader, writer = await asyncio.open_connection("127.0.0.1", chain.client.base_url.port)
        length = b"Content-Length: 40\r\n\r\ntoken="
        writer.write(
            b"POST /panel HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n" + length
        )
        assert b" 408 " in await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
        writer.close()


async def test_the_panel_is_of_this_computer_also_with_explorer() -> None:
    async with explored(ServerOptions(port=0, explorer=True)) as chain:
        assert 'href="/panel"' in (await chain.get("/")).text
        remote = {"Host": "192.0.2.1"}
        assert 'href="/panel"' not in (await chain.get("/", **remote)).text
        assert (await chain.get("/panel", **remote)).status_code == 404
        assert (await chain.client.get("/panel")).status_code == 404, "a program"


PASSED_ON = [
    {"X-Forwarded-For": "192.0.2.1"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Host": "node.example"},
    {"X-Forwarded": "for=192.0.2.1"},
    {"Forwarded": "for=192.0.2.1"},
    {"Via": "1.1 proxy"},
    {"X-Real-IP": "192.0.2.1"},
    {"X-Original-Host": "node.example"},
    {"X-Envoy-Expected-Rq-Timeout-Ms": "15000"},
    {"CF-Connecting-IP": "192.0.2.1"},
    {"CF-Ray": "1"},
    {"True-Client-IP": "192.0.2.1"},
    {"Connection": "close"},
    {"Connection": "Close, Upgrade"},
]
"""Headers of what a proxy sends that has put the node's own address into Host."""


@pytest.mark.parametrize("headers", PASSED_ON, ids=str)
async def test_no_panel_for_what_a_proxy_passes_on(chain: Explored, headers: dict[str, str]) -> None:
    assert 'href="/panel"' not in (await chain.get("/", **headers)).text
    assert (await chain.get("/panel", **headers)).status_code == 404
    fields = {"token": await _token(chain), "action": "mine", "blocks": "1"}
    assert (await _post(chain, fields, **headers)).status_code in (404, 405)
    assert await chain.node.call("eth_blockNumber") == "0x0"


async def test_no_panel_over_http_1_0(chain: Explored) -> None:
    """As nginx asks what stands behind it, if nobody tells it otherwise."""
    for version, status in ((b"1.0", b" 404 "), (b"1.1", b" 200 ")):
        reader, writer = await asyncio.open_connection("127.0.0.1", chain.client.base_url.port)
        writer.write(b"GET /panel HTTP/%b\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n\r\n" % version)
        assert status in await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
        writer.close()


async def test_no_panel_without_the_explorer_or_where_a_consensus_client_decides() -> None:
    async with explored(ServerOptions(port=0, explorer=False)) as chain:
        assert (await chain.get("/panel")).status_code == 404
    node = await start_node(
        options=ChainOptions(external_consensus=True), engine=EnginePortOptions(bytes(range(32)), port=0)
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.server.addresses[0][1]}", timeout=60) as client:
            driven = Explored(node, client)
            assert 'href="/panel"' not in (await driven.get("/")).text
            assert (await driven.get("/panel")).status_code == 404
            assert (await _post(driven, {"action": "mine", "blocks": "1"})).status_code in (404, 405)
    finally:
        await stop_node(node)


async def test_the_panel_has_the_strict_headers_but_for_the_referrer(chain: Explored) -> None:
    answer = await chain.get("/panel")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    # with no-referrer, browsers send the form's Origin as null
    assert answer.headers["referrer-policy"] == "same-origin"
    assert not Reader(answer.text).unlabelled


@pytest.mark.parametrize(
    ("action", "fields", "parameters"),
    [
        ("balance", {"address": hexadecimal(ALICE), "ether": "0.000000000000000001"}, [hexadecimal(ALICE), "0x1"]),
        (
            "balance",
            {"address": hexadecimal(ALICE), "ether": "9" * 30},
            [hexadecimal(ALICE), hex(int("9" * 30) * 10**18)],
        ),
        ("mine", {"blocks": " 10 "}, ["0xa"]),
        ("snapshot", {}, []),
        (
            "send",
            {"from": ADDRESS, "to": "", "value": "2", "data": "0x6000"},
            [{"from": ADDRESS, "value": hex(2 * 10**18), "data": "0x6000"}],
        ),
    ],
)
def test_parameters(action: str, fields: dict[str, str], parameters: list[object]) -> None:
    assert ACTIONS[action].parameters(fields) == parameters


def test_too_fine_an_amount() -> None:
    with pytest.raises(FieldError):
        ACTIONS["balance"].parameters({"address": hexadecimal(ALICE), "ether": "0." + "0" * 18 + "1"})
