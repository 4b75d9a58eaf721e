"""Sends that share one sync: each has its own block and answer, nobody sees them before it, a failed one undoes all.

The sends come in one batch request, or from clients whose requests wait for the writer at once.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.rpc.methods.memory_node import ALICE, BOB
from tests.rpc.methods.test_failed_writes import (
    CASES,
    Call,
    FailingStore,
    Trial,
    calls,
    durable,
    hash_of,
    raw,
)
from tests.rpc.methods.test_failed_writes import (
    MANUAL as WAITING,
)
from zevm.chain.canonical.group_limits import GroupLimits
from zevm.chain.events import HeadChanged
from zevm.chain.options import ChainOptions
from zevm.chain.types import Block
from zevm.node.config import load_settings
from zevm.node.network import chain_options
from zevm.rpc.registry import REGISTRY
from zevm.storage.errors import CorruptionError
from zevm.storage.store import Batch

A, B = "0x" + ALICE.hex(), "0x" + BOB.hex()
PATIENT = GroupLimits(seconds=300)
"""However busy the machine is."""
AUTOMINE, MANUAL = ChainOptions(write_groups=PATIENT), replace(WAITING, write_groups=PATIENT)
Answer = dict[str, Any]
Way = Callable[[Trial, list[Call]], Any]


def body_of(call: Call, identifier: int) -> Answer:
    return {"jsonrpc": "2.0", "id": identifier, "method": call[0], "params": call[1]}


async def in_one_batch(trial: Trial, wanted: list[Call]) -> list[Answer]:
    body = json.dumps([body_of(call, index) for index, call in enumerate(wanted)]).encode()
    reply = await trial.node.server.dispatcher.answer(body)
    assert reply is not None
    answers: list[Answer] = orjson.loads(reply)
    return answers


async def of_many_clients(trial: Trial, wanted: list[Call]) -> list[Answer]:
    """Each call on its own, all of them while the writer is busy, where each send has a block of its own."""
    trial.node.server.dispatcher._joint._works.clear()
    return await in_joint_blocks(trial, wanted)


async def in_joint_blocks(trial: Trial, wanted: list[Call]) -> list[Answer]:
    """As `of_many_clients`, where sends share blocks."""
    ready = threading.Event()
    trial.chain.writer.submit(ready.wait)
    bodies = [json.dumps(body_of(call, index)).encode() for index, call in enumerate(wanted)]
    pending = [trial.node.server.dispatcher.begin(body) for body in bodies]
    ready.set()
    return [orjson.loads(await answer) for answer in pending]  # type: ignore[misc, arg-type]


A_BLOCK_EACH = pytest.mark.parametrize("way", [in_one_batch, of_many_clients])
WAYS = pytest.mark.parametrize("way", [in_one_batch, of_many_clients, in_joint_blocks])
SENDS: list[Call] = [("eth_sendRawTransaction", [raw(nonce, key)]) for nonce in range(4) for key in (0, 1, 2)]
HASHES = [hash_of(nonce, key) for nonce in range(4) for key in (0, 1, 2)]


async def run(trial: Trial, way: Way, wanted: list[Call]) -> tuple[list[Answer], int]:
    """The answers, and how many writes they took."""
    trial.store.count = 0
    return await way(trial, wanted), trial.store.count


def errors_of(answers: list[Answer]) -> list[str]:
    return [answer["error"]["message"] for answer in answers if "error" in answer]


@A_BLOCK_EACH
async def test_sends_cost_one_write_and_each_has_its_own_block_in_the_order_of_arrival(way: Way) -> None:
    alone, together = Trial(AUTOMINE), Trial(AUTOMINE, sync=True)
    try:
        for name, params in SENDS:
            await alone.call(name, *params)
        answers, writes = await run(together, way, SENDS)
        assert [answer["result"] for answer in answers] == HASHES
        assert writes == 1
        assert together.memory() == alone.memory(), "the blocks differ from those of sends one by one"
        assert together.chain.head.number == len(SENDS)
        assert durable(together.chain, None) == together.restarted()
        added = [event.added for event in together.events if isinstance(event, HeadChanged)]
        told = [record.block for records in added for record in records]
        assert [("0x" + block.transactions[0].hash.hex(), len(block.transactions)) for block in told] == [
            (name, 1) for name in HASHES
        ]
    finally:
        alone.close()
        together.close()


@WAYS
async def test_waiting_sends_cost_one_write(way: Way) -> None:
    trial = Trial(MANUAL, sync=True)
    try:
        answers, writes = await run(trial, way, SENDS)
        assert [answer["result"] for answer in answers] == HASHES
        assert writes == 1
        assert len(trial.chain.pool.hashes()) == len(SENDS)
        assert durable(trial.chain, None) == trial.restarted()
    finally:
        trial.close()


async def test_what_a_batch_asks_between_its_sends_sees_those_before_it() -> None:
    trial = Trial(AUTOMINE, sync=True)
    wanted: list[Call] = [*SENDS[:3], ("eth_blockNumber", []), *SENDS[3:6], ("evm_mine", []), *SENDS[6:7]]
    try:
        answers, writes = await run(trial, in_one_batch, wanted)
        assert errors_of(answers) == []
        assert answers[3]["result"] == "0x3"
        assert trial.chain.head.number == 8
        assert writes == 4
    finally:
        trial.close()


@WAYS
@pytest.mark.parametrize(
    ("limits", "writes", "joint_blocks"),
    [
        ({"write_group_commands": 5, "write_group_seconds": 300}, 3, 3),
        # what a block takes is known once it is made
        ({"write_group_bytes": 1, "write_group_seconds": 300}, len(SENDS), 1),
        ({"write_group_seconds": 0.000_000_001}, len(SENDS), 1),
    ],
    ids=["commands", "bytes", "seconds"],
)
async def test_a_full_group_leaves_the_rest_to_the_next_one(
    limits: dict[str, float], writes: int, joint_blocks: int, way: Way
) -> None:
    settings = load_settings({f"rpc_{name}": value for name, value in limits.items()})
    trial = Trial(chain_options(settings), sync=True, limits=settings.limits)
    try:
        answers, count = await run(trial, way, SENDS)
        assert [answer["result"] for answer in answers] == HASHES
        is_joint = way is in_joint_blocks
        assert count == (joint_blocks if is_joint else writes)
        assert trial.chain.head.number == (joint_blocks if is_joint else len(SENDS))
    finally:
        trial.close()


REFUSED: dict[str, Call] = {
    "nonce too low": ("eth_sendRawTransaction", [raw(0, 0, value=1)]),
    "already known": ("eth_sendRawTransaction", [raw(3, 0)]),
    "intrinsic gas too low": ("eth_sendRawTransaction", [raw(4, 0, gas_limit=20_000)]),
    "unknown account": ("eth_sendTransaction", [{"from": "0x" + "d0" * 20, "to": B}]),
}


@WAYS
async def test_errors_of_one_send_do_not_hurt_the_others(way: Way) -> None:
    trial = Trial(AUTOMINE, sync=True)
    wanted = list(SENDS)
    wanted[6:6] = [REFUSED["nonce too low"], REFUSED["intrinsic gas too low"], REFUSED["unknown account"]]
    try:
        answers, writes = await run(trial, way, wanted)
        assert writes == 1
        assert [answer["result"] for answer in answers if "result" in answer] == HASHES
        texts = errors_of(answers)
        assert len(texts) == 3
        assert all(any(known in text for known in REFUSED) for text in texts), texts
        assert durable(trial.chain, None) == trial.restarted()
    finally:
        trial.close()


def blocks_of(trial: Trial) -> list[Block]:
    """All but the first."""
    blocks = [trial.chain.block_by_number(number + 1) for number in range(trial.chain.head.number)]
    assert None not in blocks
    return [block for block in blocks if block is not None]


SHARING = [
    name
    for name in CASES
    if (method := REGISTRY.by_name.get(name.partition(" ")[0])) is not None and method.shares_sync
]


def test_every_method_that_shares_a_sync_is_among_the_failing_commands() -> None:
    named = {name.partition(" ")[0] for name in SHARING}
    assert named == {method.name for method in REGISTRY.methods() if method.shares_sync}


class Recorder(Trial):
    """Does not call, but keeps the calls."""

    def __init__(self, results: list[Any]) -> None:
        self.kept: list[Call] = []
        self.results = results

    async def call(self, name: str, *params: Any) -> Any:
        self.kept.append((name, list(params)))


@pytest.mark.lengthy
@WAYS
@pytest.mark.parametrize("name", SHARING)
async def test_after_a_failed_sync_memory_equals_the_disk_and_all_can_be_sent_again(name: str, way: Way) -> None:
    options, setup, command = CASES[name]
    others: list[Call] = [("eth_sendRawTransaction", [raw(*at)]) for at in ((0, 2), (1, 2), (7, 1))]
    pictures = []
    for full in (None, False, True):
        trial = Trial(replace(options, write_groups=PATIENT), sync=True)
        try:
            await setup(trial)
            recorder = Recorder(trial.results)
            await command(recorder)
            wanted = [*others[:2], *recorder.kept, others[2]]
            before = trial.memory()
            trial.events.clear()
            if full is not None:
                trial.arm(0, full=full)
                answers = await way(trial, wanted)
                trial.disarm()
                assert all("No space left" in text for text in errors_of(answers)), answers
                assert len(errors_of(answers)) == len(wanted), "somebody was told that it worked"
                assert trial.memory() == before, "a group that was not written changed something"
                assert durable(trial.chain, trial.engine) == trial.restarted()
                assert trial.events == [], "somebody was told of what did not happen"
            answers, writes = await run(trial, way, wanted)
            assert errors_of(answers) == []
            assert writes == 1
            assert durable(trial.chain, trial.engine) == trial.restarted()
            trial.check_told()
            pictures.append(trial.memory())
        finally:
            trial.close()
    assert pictures[1] == pictures[0]
    assert pictures[2] == pictures[0]


@WAYS
async def test_after_a_failed_sync_no_send_is_refused_for_another_that_failed_with_it(way: Way) -> None:
    """Such as for a nonce that the other one would have used up."""
    trial = Trial(AUTOMINE, sync=True)
    try:
        trial.arm(0, full=False)
        answers = await way(trial, [SENDS[0], SENDS[0], REFUSED["nonce too low"], SENDS[1]])
        trial.disarm()
        assert ["No space left" in text for text in errors_of(answers)] == [True] * 4, answers
    finally:
        trial.close()


class DamagedStore(FailingStore):
    """Cannot read one key."""

    damaged: bytes | None = None

    def get(self, key: bytes) -> bytes | None:
        if self.damaged is not None and self.damaged in key:
            raise CorruptionError("a damaged record")
        return super().get(key)


@pytest.mark.lengthy
@WAYS
async def test_a_damaged_record_that_one_send_meets_does_not_hurt_the_others(way: Way) -> None:
    store = DamagedStore()
    trial = Trial(AUTOMINE, store, sync=True)
    stranger = b"\xd7" * 20
    wanted: list[Call] = [*SENDS[:4], ("eth_sendRawTransaction", [raw(1, 1, to=stranger, value=1)]), *SENDS[4:6]]
    try:
        store.damaged = stranger
        answers, _ = await run(trial, way, wanted)
        store.damaged = None
        assert "error" in answers[4]
        assert "damaged" in answers[4]["error"]["message"]
        assert [answer["result"] for answer in answers if "result" in answer] == HASHES[:6]
        mined = [len(block.transactions) for block in blocks_of(trial)]
        assert mined == ([1] * 6 if way is not in_joint_blocks else [2, 1, 1, 2])
        assert durable(trial.chain, None) == trial.restarted()
        trial.check_told()
    finally:
        trial.close()


class SlowStore(FailingStore):
    """Its writes take as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.allowed = threading.Event(), threading.Event()
        self.is_slow = False

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        if self.is_slow:
            self.reached.set()
            assert self.allowed.wait(60)
        super().write(batch, sync=sync)


async def seen(trial: Trial, block_hashes: list[str]) -> dict[str, Any]:
    """What readers are told, by every kind of method."""
    asked: list[Call] = [
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", ["latest", False]),
        ("eth_getBlockByNumber", ["0x1", False]),
        ("eth_getBlockByNumber", ["0x2", True]),
        ("eth_getHeaderByNumber", ["0x1"]),
        ("eth_getBlockReceipts", ["0x1"]),
        ("eth_getBalance", [B, "latest"]),
        ("eth_getTransactionCount", [A, "latest"]),
        ("eth_getProof", [A, [], "latest"]),
        ("eth_call", [{"to": B}, "latest"]),
        ("eth_getLogs", [{"fromBlock": "0x0"}]),
        ("eth_feeHistory", ["0x4", "latest", [50]]),
        ("debug_getRawHeader", ["0x1"]),
        ("trace_block", ["0x1"]),
    ]
    asked += [("eth_getTransactionReceipt", [name]) for name in HASHES]
    for block_hash in block_hashes:
        asked += [("eth_getBlockByHash", [block_hash, False]), ("eth_getHeaderByHash", [block_hash])]
    found = {}
    for name, params in asked:
        answer = await trial.node.ask(name, *params)
        found[f"{name} {params}"] = answer.get("result", answer.get("error", {}).get("message"))
    return found


async def test_readers_see_nothing_of_a_group_before_its_sync() -> None:
    """By any method; and a transaction that waited waits for them until its block is synced."""
    twin = Trial(AUTOMINE, sync=True)
    trial = Trial(AUTOMINE, store := SlowStore(), sync=True)
    waiting, rest = HASHES[3], [*SENDS[:3], *SENDS[4:]]
    try:
        for one in (twin, trial):
            await calls(SENDS[3])(one)
        await in_one_batch(twin, rest)
        block_hashes = [twin.chain.header_by_number(number).hash for number in (1, 2, 3)]  # type: ignore[union-attr]
        names = ["0x" + block_hash.hex() for block_hash in block_hashes]
        await seen(trial, names)
        before = await seen(trial, names)
        trial.events.clear()
        store.is_slow = True
        answers = asyncio.ensure_future(in_one_batch(trial, rest))
        await asyncio.to_thread(store.reached.wait, 60)
        assert await seen(trial, names) == before
        assert trial.events == []
        assert not answers.done(), "answered before the sync"
        await sees_it_waiting(trial, waiting)
        store.is_slow = False
        store.allowed.set()
        assert errors_of(await answers) == []
        assert await seen(trial, names) == await seen(twin, names)
        assert trial.memory() == twin.memory()
        assert await trial.call("eth_getTransactionReceipt", waiting) is not None
        assert await trial.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    finally:
        store.allowed.set()
        twin.close()
        trial.close()


async def sees_it_waiting(trial: Trial, name: str) -> None:
    """A transaction that was acknowledged as waiting, in a block that is not synced."""
    found = await trial.call("eth_getTransactionByHash", name)
    assert found is not None, "an acknowledged transaction is nowhere"
    assert found["blockHash"] is None
    content = await trial.call("txpool_content")
    waiting = [item["hash"] for part in content.values() for group in part.values() for item in group.values()]
    assert name in waiting
    own = await trial.call("txpool_contentFrom", A)
    assert name in [item["hash"] for item in own["pending"].values()]
    status = await trial.call("txpool_status")
    assert int(status["pending"], 16) == len(waiting)
    assert name in [item["hash"] for item in await trial.call("eth_pendingTransactions")]
    assert await trial.call("eth_getTransactionCount", A, "pending") == "0x4"
    assert await trial.call("eth_getTransactionCount", A, "latest") == "0x0"


async def test_nothing_shares_a_sync_where_there_is_none() -> None:
    trial = Trial(AUTOMINE)
    try:
        answers, writes = await run(trial, in_one_batch, SENDS)
        assert [answer["result"] for answer in answers] == HASHES
        assert writes == len(SENDS)
    finally:
        trial.close()


async def test_stopping_the_node_finishes_what_is_queued() -> None:
    trial = Trial(AUTOMINE, sync=True)
    ready = threading.Event()
    trial.chain.writer.submit(ready.wait)
    sent = [trial.node.ask(name, *params) for name, params in SENDS]
    answers = asyncio.gather(*sent)
    await asyncio.sleep(0)
    threading.Timer(0.01, ready.set).start()
    await asyncio.to_thread(trial.close)
    assert [answer["result"] for answer in await answers] == HASHES
