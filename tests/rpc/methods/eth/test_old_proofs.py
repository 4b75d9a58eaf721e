"""eth_getProof of states whose trie nodes are not kept: made again, on a worker, for a bounded time."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.rpc.methods.eth.test_eth_proof import proven_account, root_of
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_brief_executions import learn, next_round
from zevm.storage import state
from zevm.storage.account import decode_account
from zevm.storage.rebuilding import Rebuilt, rebuild
from zevm.storage.state_nodes import NodeLimits

BLOCKS = 24
BOB_ = hexadecimal(BOB)


@asynccontextmanager
async def grown(monkeypatch: pytest.MonkeyPatch, seconds: float) -> AsyncIterator[Node]:
    """A node that keeps the nodes of few states; each block sends BOB one wei more."""
    monkeypatch.setattr(state, "NodeLimits", lambda: NodeLimits(2, entries=64, blocks=8, rebuild_seconds=seconds))
    node = await start_node()
    try:
        for number in range(1, BLOCKS + 1):
            await node.send(to=BOB_, value=hex(number))
        yield node
    finally:
        await stop_node(node)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads on which nodes are made again."""
    threads = []

    def noted(*arguments: Any) -> Rebuilt:
        threads.append(threading.current_thread())
        return rebuild(*arguments)

    monkeypatch.setattr(state, "rebuild", noted)
    return threads


async def test_every_old_state_is_proved_and_never_made_again_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with grown(monkeypatch, 60) as node:
        before = int(await node.call("eth_getBalance", BOB_, "0x0"), 16)
        await learn(node, "eth_getProof", BOB_, [], "latest")
        threads = watched(monkeypatch)
        for number in range(BLOCKS + 1):
            await next_round()
            answer = await node.call("eth_getProof", BOB_, [], hex(number))
            record = proven_account(await root_of(node, hex(number)), answer)
            assert record is not None
            assert decode_account(record).balance == before + number * (number + 1) // 2
        assert len(threads) > BLOCKS // 2
        assert threading.current_thread() not in threads
        made = len(threads)
        await node.call("eth_getProof", hexadecimal(ALICE), [], hex(BLOCKS - 6))
        assert len(threads) == made, "the same state again"


async def test_what_takes_too_long_is_refused_with_the_setting_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    async with grown(monkeypatch, 0) as node:
        error = await node.fails("eth_getProof", BOB_, [], "0x3")
        assert "the trie of the state after block 3 is not kept" in error.message
        assert "--proofs-seconds" in error.message
        assert "--proofs all" in error.message
        assert await node.call("eth_getBalance", BOB_, "0x3") == hex(10_000 * 10**18 + 6)
        newest = await node.call("eth_getProof", BOB_, [], "latest")
        assert proven_account(await root_of(node, "latest"), newest) is not None
