"""Reads of what is at hand: answered without a task, with the answers that a task gives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_brief_executions import request
from zevm.rpc.execution.writes import Reply

CODE = b"\xc0" * 20
RECEIVER = "0x" + "be" * 20
STATE_READS: dict[str, list[Any]] = {
    "eth_getBalance": [hexadecimal(ALICE)],
    "eth_getCode": [hexadecimal(CODE)],
    "eth_getStorageAt": [hexadecimal(CODE), "0x1"],
    "eth_getStorageValues": [{hexadecimal(CODE): ["0x1", "0x2"]}],
    "eth_getAccount": [hexadecimal(ALICE)],
    "eth_getAccountInfo": [hexadecimal(CODE)],
}
BLOCK_READS: dict[str, list[Any]] = {
    "eth_getBlockByNumber": [True],
    "eth_getHeaderByNumber": [],
    "eth_getBlockTransactionCountByNumber": [],
    "eth_getUncleByBlockNumberAndIndex": ["0x0"],
    "eth_getUncleCountByBlockNumber": [],
}
REFERENCES = ("latest", "earliest", "0x1", "0x7")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = await start_node()
    await node.place(bytes.fromhex("5f5ffd"), CODE)
    await node.call("anvil_setStorageAt", hexadecimal(CODE), "0x1", "0x" + "07".zfill(64))
    await node.send(to=RECEIVER, value="0x5")
    await node.send(to=RECEIVER, value="0x6")
    yield node
    await stop_node(node)


def bodies(reference: object) -> list[bytes]:
    asked = [(name, [*params, reference]) for name, params in STATE_READS.items()]
    asked += [(name, [reference, *params]) for name, params in BLOCK_READS.items()]
    return [request(name, *params) for name, params in asked]


def begin(node: Node, body: bytes) -> Any:
    return node.server.dispatcher.begin(body)


def without_quick_way(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = node.server.dispatcher._methods
    slow = {name: replace(row, at_once=None) if row.at_once else row for name, row in methods.items()}
    monkeypatch.setattr(node.server.dispatcher, "_methods", slow)


@pytest.mark.parametrize("reference", REFERENCES)
async def test_they_are_answered_in_the_turn_that_brings_them(
    node: Node, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    answers: list[Reply] = []
    for body in bodies(reference):
        reply = begin(node, body)
        assert isinstance(reply, bytes), body
        answers.append(reply)
    without_quick_way(node, monkeypatch)
    for body, reply in zip(bodies(reference), answers, strict=True):
        slow = begin(node, body)
        assert asyncio.iscoroutine(slow)
        assert await slow == reply


async def test_by_hash(node: Node) -> None:
    head = {"blockHash": hexadecimal(node.chain.head.header.hash), "requireCanonical": True}
    unknown = {"blockHash": "0x" + "77" * 32}
    for name, params in STATE_READS.items():
        reply = begin(node, request(name, *params, head))
        assert isinstance(reply, bytes)
        assert orjson.loads(reply)["result"] == (await node.call(name, *params, "latest"))
        refused = begin(node, request(name, *params, unknown))
        assert isinstance(refused, bytes)
        assert orjson.loads(refused)["error"] == {"code": -32000, "message": "header for hash not found"}


async def test_the_pending_block_is_waited_for(node: Node) -> None:
    """The writer makes it."""
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"from": hexadecimal(ALICE), "to": RECEIVER, "value": "0x1"})
    for body in bodies("pending"):
        reply = begin(node, body)
        assert asyncio.iscoroutine(reply)
        assert b'"error"' not in (await reply or b"")


async def test_a_large_block_is_still_encoded_by_a_worker(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.rpc.methods.support.reading.LIGHT_BLOCK_GAS", 1)
    for name in ("eth_getBlockByNumber", "eth_getBlockTransactionCountByNumber"):
        reply = begin(node, request(name, "latest", *BLOCK_READS[name]))
        assert asyncio.iscoroutine(reply)
        assert orjson.loads(await reply or b"")["result"]


async def test_receipts_of_a_block_are_encoded_by_a_worker(node: Node) -> None:
    reply = begin(node, request("eth_getBlockReceipts", "latest"))
    assert asyncio.iscoroutine(reply)
    assert len(orjson.loads(await reply or b"")["result"]) == 1


async def test_one_that_waits_after_all_is_begun_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.call("evm_setAutomine", False)
    methods = node.server.dispatcher._methods
    eager = {
        name: replace(row, at_once=lambda *_: True) if name == "eth_getBalance" else row
        for name, row in methods.items()
    }
    monkeypatch.setattr(node.server.dispatcher, "_methods", eager)
    reply = begin(node, request("eth_getBalance", hexadecimal(ALICE), "pending"))
    assert asyncio.iscoroutine(reply)
    assert orjson.loads(await reply or b"")["result"] == await node.call("eth_getBalance", hexadecimal(ALICE), "latest")
