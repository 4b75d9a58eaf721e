"""eth_getProof of states whose trie nodes are not kept: made again, on a worker, for a bounded time."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tests.rpc.methods.eth.test_eth_proof import proven_account, root_of
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_brief_executions import learn, next_round
from zevm.chain.engine.side_blocks import Path, SideBlocks
from zevm.storage import state
from zevm.storage.account import decode_account
from zevm.storage.primitives import Hash32
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


async def side_block(node: Node) -> Hash32:
    """A block on the head that is kept but not canonical, and sends BOB a thousand wei."""
    chain = node.chain
    snapshot = await node.call("evm_snapshot")
    await node.send(to=BOB_, value=hex(1_000))
    block, parent = chain.block_by_hash(chain.head.header.hash), chain.header_by_number(chain.head.number - 1)
    assert block is not None
    assert parent is not None
    await node.call("evm_revert", snapshot)
    recoveries = chain.settings.recoveries

    def keep() -> None:
        sealed = chain.verify(block, parent, recoveries=recoveries, development=True)
        SideBlocks(chain.canonical, 8).keep(sealed, Path(parent, ()))

    chain.writer.run(keep)
    return block.hash


async def test_a_side_blocks_state_is_never_made_again_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async with grown(monkeypatch, 60) as node:
        block_hash = await side_block(node)
        reference = {"blockHash": hexadecimal(block_hash)}
        call = {"to": BOB_}
        await learn(node, "eth_getProof", BOB_, [], "latest")
        await learn(node, "eth_call", call, "latest")
        balance = int(await node.call("eth_getBalance", BOB_, "latest"), 16) + 1_000
        nonce = await node.call("eth_getTransactionCount", hexadecimal(ALICE), "latest")
        for _ in range(4):
            await node.send(to=BOB_, value="0x1")
        header = node.chain.header_by_hash(block_hash)
        assert header is not None
        states = node.chain.database.state
        threads = watched(monkeypatch)
        provide = states.provide_updates

        def noted(*updates: Any) -> None:
            threads.append(threading.current_thread())
            provide(*updates)

        monkeypatch.setattr(states, "provide_updates", noted)
        rebuilt = cast(Any, states)._nodes._rebuilt
        answers: dict[str, tuple[list[Any], str]] = {
            "eth_getBalance": ([BOB_], hex(balance)),
            "eth_getCode": ([BOB_], "0x"),
            "eth_getStorageAt": ([BOB_, "0x0"], "0x" + "00" * 32),
            "eth_getTransactionCount": ([hexadecimal(ALICE)], hex(int(nonce, 16) + 1)),
            "eth_call": ([call], "0x"),
        }
        for method, (params, wanted) in answers.items():
            rebuilt.forget_before(1 << 60)
            assert not states.holds(header.state_root)
            await next_round()
            assert await node.call(method, *params, reference) == wanted, method
        rebuilt.forget_before(1 << 60)
        proof = await node.call("eth_getProof", BOB_, [], reference)
        record = proven_account(hexadecimal(header.state_root), proof)
        assert record is not None
        assert decode_account(record).balance == balance
        assert len(threads) >= len(answers)
        assert threading.current_thread() not in threads
