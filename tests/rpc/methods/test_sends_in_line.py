"""Sends of many clients at once: on the event loop one after another, in order, and never many in one of its rounds."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from tests.rpc.methods.memory_node import Node
from tests.rpc.methods.test_brief_executions import next_round, request, running
from tests.rpc.methods.test_brief_sends import PATIENT_US, PAYMENT, idle, learn, tried
from zevm.rpc.execution import turns
from zevm.rpc.execution.writes import Reply

SENDS = 6


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    """One whose event loop executes one send in each round."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 1e-9)
    async with running(brief_execution_us=PATIENT_US) as node:
        await learn(node, "eth_sendTransaction", PAYMENT)
        yield node


def begun(node: Node, method: str, *params: object) -> "asyncio.Future[Reply]":
    """A call under way, which is not answered at once."""
    answer = node.server.dispatcher.begin(request(method, *params))
    assert isinstance(answer, asyncio.Future)
    return answer


def some(node: Node, count: int) -> "list[asyncio.Future[Reply]]":
    """Sends that wait behind one that was answered at once."""
    assert isinstance(node.server.dispatcher.begin(request("eth_sendTransaction", PAYMENT)), bytes)
    return [begun(node, "eth_sendTransaction", PAYMENT) for _ in range(count)]


async def blocks_of(node: Node, answers: "list[asyncio.Future[Reply]]") -> list[int]:
    """The numbers of the blocks that sends went into."""
    sent = [orjson.loads(await answer or b"")["result"] for answer in answers]
    return [int((await node.call("eth_getTransactionReceipt", name))["blockNumber"], 16) for name in sent]


async def test_they_run_on_the_event_loop_in_order_one_in_a_round(node: Node) -> None:
    answers, rounds = some(node, SENDS), 0
    while tried(node.server.dispatcher) < (1 + SENDS, 0):
        before, _ = tried(node.server.dispatcher)
        assert isinstance(node.server.dispatcher.begin(request("eth_blockNumber")), bytes)
        await asyncio.sleep(0)
        assert tried(node.server.dispatcher) <= (before + 1, 0)
        rounds += 1
        assert rounds < 1_000
    assert await blocks_of(node, answers) == list(range(2, 2 + SENDS))


async def test_what_the_writers_thread_does_comes_behind_those_that_wait(node: Node) -> None:
    answers = some(node, 2)
    answers.append(begun(node, "evm_mine"))
    await answers.pop()
    assert await blocks_of(node, answers) == [2, 3]
    assert node.chain.head.number == 4


async def test_a_batch_of_sends_comes_behind_those_that_wait(node: Node) -> None:
    answers = some(node, 2)
    body = b"[%b,%b]" % (request("eth_sendTransaction", PAYMENT), request("eth_sendTransaction", PAYMENT))
    batch = [item["result"] for item in orjson.loads(await node.server.dispatcher.answer(body) or b"")]
    assert await blocks_of(node, answers) == [2, 3]
    receipts = [await node.call("eth_getTransactionReceipt", name) for name in batch]
    assert [receipt["blockNumber"] for receipt in receipts] == ["0x4", "0x5"]


async def test_one_goes_on_without_its_client(node: Node) -> None:
    first, second = some(node, 2)
    first.cancel()
    assert await blocks_of(node, [second]) == [3]


async def test_no_more_of_them_wait_than_may(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, budget = some(node, 3), node.server.dispatcher.writes.budget
    monkeypatch.setattr(budget, "_limits", replace(node.services.limits, write_queue=3))
    answers[0].cancel()
    refusal = orjson.loads(await node.server.dispatcher.answer(request("eth_sendTransaction", PAYMENT)) or b"")
    assert refusal["error"]["code"] == -32005
    assert refusal["error"]["message"].startswith("limit exceeded: 3 writes wait, of at most 3;")
    assert await blocks_of(node, answers[1:]) == [3, 4]
    assert (budget.count, budget.used_bytes) == (0, 0)
    await idle(node)
    await next_round()
    assert await blocks_of(node, some(node, 1)) == [6]


async def test_short_work_of_the_writers_thread_is_waited_for(node: Node) -> None:
    """Else each send would find the one before it there, and none came back to the event loop."""
    go = threading.Event()
    node.chain.writer.submit(go.wait)
    answers = [begun(node, "eth_sendTransaction", PAYMENT) for _ in range(3)]
    assert tried(node.server.dispatcher) == (0, 0)
    go.set()
    assert await blocks_of(node, answers) == [1, 2, 3]
    assert tried(node.server.dispatcher) == (2, 0)


async def test_behind_work_that_may_take_long_sends_are_given_to_the_writers_thread(node: Node) -> None:
    go = threading.Event()
    node.chain.writer.submit(go.wait)
    mined = begun(node, "evm_mine")
    answers = [begun(node, "eth_sendTransaction", PAYMENT) for _ in range(3)]
    go.set()
    await mined
    assert await blocks_of(node, answers) == [2, 3, 4]
    assert tried(node.server.dispatcher) == (0, 0)
    await idle(node)
    await next_round()
    assert await blocks_of(node, some(node, 1)) == [6]
    assert tried(node.server.dispatcher) == (2, 0)
