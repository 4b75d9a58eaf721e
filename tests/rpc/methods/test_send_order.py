"""Random writes one by one, in a batch, and begun while others run: the same answers, and the same chain."""

import asyncio
import json
import time
from collections import deque
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, Node, hexadecimal, start_node, stop_node
from zevm.rpc.execution import turns
from zevm.rpc.limits import Limits

A, B = map(hexadecimal, (ALICE, BOB))
WRITES = 40
SEEDS = 8
STORING, REVERTING = b"\xc1" * 20, b"\xc2" * 20
CODES = {STORING: "6000356000556007600060a100", REVERTING: "60006000fd"}
RECEIVERS = (ALICE, BOB, CAROL, STORING, REVERTING)
GWEI = 10**9
PATIENT_US = 5_000_000
"""A budget that all of them keep to, so that some run on the event loop, however busy the machine is."""

Write = tuple[str, list[Any]]
Outcome = tuple[list[dict[str, Any]], tuple[Any, ...]]


class Chooser:
    """Chooses writes: sends of two accounts with nonces that are mostly right, and what changes the ground of them."""

    def __init__(self, seed: int, node: Node) -> None:
        self.random = Random(seed)
        self.node = node
        self.nonces = [0, 0]

    def sending(self) -> Write:
        who, choose = self.random.randrange(2), self.random.choice
        sent: dict[str, Any] = {"from": (A, B)[who], "to": hexadecimal(choose(RECEIVERS)), "value": hex(choose((0, 3)))}
        if choose((True, False)):
            sent["nonce"] = hex(self._nonce(who))
        if choose((True, False)):
            sent["gas"] = hex(choose((20_000, 21_000, 100_000, 100_000)))
        if choose((True, False)):
            sent["gasPrice"] = hex(choose((2, 3, 5, 10)) * GWEI)
        self.nonces[who] += 1
        return "eth_sendTransaction", [sent]

    def raw_sending(self) -> Write:
        who, choose = self.random.randrange(2), self.random.choice
        fields = {
            "nonce": self._nonce(who),
            "to": choose(RECEIVERS),
            "gas_limit": choose((21_000, 100_000)),
            "data": bytes(31) + bytes((choose((0, 1, 2)),)),
            "max_fee_per_gas": choose((10, 11, 12, 20)) * GWEI,
        }
        self.nonces[who] += 1
        return "eth_sendRawTransaction", [hexadecimal(self.node.signed(KEYS[who], **fields).encoded)]

    def _nonce(self, who: int) -> int:
        return max(0, self.nonces[who] + self.random.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, -1)))

    def other(self) -> Write:
        choose = self.random.choice
        writes: tuple[Write, ...] = (
            ("evm_snapshot", []),
            ("evm_revert", [hex(choose((0, 1, 2)))]),
            ("evm_mine", []),
            ("evm_setAutomine", [choose((True, True, False))]),
            ("anvil_setNonce", [choose((A, B)), hex(choose((0, 2, 4)))]),
            ("anvil_setBalance", [choose((A, B)), hex(choose((0, 10**14, 10**20)))]),
            ("anvil_dropAllTransactions", []),
            ("anvil_rollback", [choose((0, 1, 2))]),
            # a coroutine that has the writer's thread make the next block
            ("debug_getRawHeader", ["pending"]),
        )
        return choose(writes)

    def writes(self) -> list[Write]:
        kinds, weights = (self.sending, self.raw_sending, self.other), (8, 4, 2)
        return [self.random.choices(kinds, weights)[0]() for _ in range(WRITES)]


def body_of(index: int, write: Write) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": index, "method": write[0], "params": write[1]}


async def one_by_one(node: Node, bodies: list[bytes], _: Random) -> list[Any]:
    return [orjson.loads(await node.server.dispatcher.answer(body) or b"") for body in bodies]


async def in_a_batch(node: Node, bodies: list[bytes], _: Random) -> list[Any]:
    answers: list[Any] = orjson.loads(await node.server.dispatcher.answer(b"[" + b",".join(bodies) + b"]") or b"")
    return answers


class SlowRole:
    """A writer's role that its thread takes late, so that a send which others overtake is seen to."""

    def __init__(self, role: Any) -> None:
        self._role = role
        self.release = role.release

    def acquire(self, blocking: bool = True) -> bool:
        if blocking:
            time.sleep(0.001)
        taken: bool = self._role.acquire(blocking)
        return taken


async def while_others_run(node: Node, bodies: list[bytes], random: Random) -> list[Any]:
    """Some begin in one turn of the event loop, one by one or three in a batch, the next ones once they have ended."""

    async def answered(reply: Any) -> Any:
        return reply if isinstance(reply, bytes) else await reply

    writer, dispatcher, chance = node.chain.writer, node.server.dispatcher, Random(random.random())
    writer._role = SlowRole(writer._role)  # type: ignore[assignment]
    # what is known of their kinds comes by chance
    setattr(dispatcher.brief_sends, "expects", lambda _: chance.random() < 0.95)  # noqa: B010
    begun: list[asyncio.Future[bytes]] = []
    left, burst = deque(bodies), 1
    while left:
        count = random.choice((1, 1, 1, 1, 1, 1, 1, 1, 3))
        several = [left.popleft() for _ in range(min(count, len(left)))]
        body = several[0] if count == 1 else b"[" + b",".join(several) + b"]"
        reply = dispatcher.begin(body)
        begun.append(asyncio.ensure_future(answered(reply)))
        if count > 1:
            # between its calls others may come
            await asyncio.wait(begun[-1:])
        elif asyncio.iscoroutine(reply):
            # it begins in the next turn
            await asyncio.sleep(0)
        burst -= 1
        if not burst:
            burst = random.choice((1, 2, 4, 6, 8))
            await (asyncio.wait(begun) if random.random() < 0.8 else asyncio.sleep(0))
    replies = [orjson.loads(reply) for reply in await asyncio.gather(*begun)]
    return [answer for reply in replies for answer in (reply if isinstance(reply, list) else [reply])]


async def in_turns(node: Node, bodies: list[bytes], random: Random) -> list[Any]:
    """As `while_others_run`, where each round of the event loop has time for one send: the next ones wait in line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "TURN_SECONDS", 1e-9)
        return await while_others_run(node, bodies, random)


async def outcome_of(way: Any, seed: int, here: list[int], **limits: Any) -> Outcome:
    """The answers, and the chain and the pool in the end. here: takes the number of sends on the event loop."""
    node = await start_node(limits=replace(Limits(brief_execution_us=PATIENT_US), **limits))
    try:
        await node.call("anvil_setBlockTimestampInterval", 1)
        for address, code in CODES.items():
            await node.place(bytes.fromhex(code), address)
        bodies = [
            json.dumps(body_of(index, write)).encode() for index, write in enumerate(Chooser(seed, node).writes())
        ]
        answers = await way(node, bodies, Random(seed))
        here.append(node.server.dispatcher.brief_sends.here)
        chain = node.chain
        blocks = [chain.block_by_number(number) for number in range(chain.head.number + 1)]
        mined = [[transaction.hash for transaction in block.transactions] for block in blocks if block is not None]
        waiting = await node.call("txpool_content")
        return answers, (mined, chain.head.state.root, waiting, chain.mining.automine)
    finally:
        await stop_node(node)


async def test_a_coroutines_write_comes_behind_the_sends_that_wait_for_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = await start_node()
    dispatcher = node.server.dispatcher
    sent = [hexadecimal(node.signed(key).encoded) for key in KEYS[:2]]
    calls: tuple[Write, ...] = (("eth_sendRawTransaction", sent[:1]), ("eth_sendRawTransactionSync", sent[1:]))
    with monkeypatch.context() as patch:
        # no round of the event loop has time for the first one
        patch.setattr(turns, "TURN_SECONDS", 0.0)
        dispatcher.brief.turns._left_seconds = 0.0
        first, second = [dispatcher.begin(json.dumps(body_of(0, call)).encode()) for call in calls]
        assert first is not None
        assert second is not None
        assert not isinstance(second, bytes)
        receipt = orjson.loads(await second or b"")["result"]
    assert not isinstance(first, bytes)
    transaction_hash = orjson.loads(await first or b"")["result"]
    earlier = await node.call("eth_getTransactionReceipt", transaction_hash)
    assert (earlier["blockNumber"], receipt["blockNumber"]) == ("0x1", "0x2")
    await stop_node(node)


async def test_writes_end_as_one_by_one() -> None:
    here: list[int] = []
    for seed in range(SEEDS):
        answers, end = await outcome_of(one_by_one, seed, here)
        assert sum("result" in answer for answer in answers) > WRITES // 3
        for way in (in_a_batch, while_others_run, in_turns):
            # sends of several clients may share blocks otherwise: see test_joint_sends.py
            assert await outcome_of(way, seed, here, joint_sends=1) == (answers, end), (way.__name__, seed)
    assert sum(here) > SEEDS
