"""Sends of clients at once: they share blocks, in the order in which they came, each with its own outcome."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_send_order import CODES, REVERTING, STORING, Write, body_of
from zevm.chain.blocks import selection
from zevm.chain.errors import NodeFaultError
from zevm.chain.types import Transaction
from zevm.chain.vm.executor import Executor
from zevm.rpc.limits import Limits

A, B = map(hexadecimal, (ALICE, BOB))
GWEI = 10**9
WRITES, SEEDS = 40, 8
PLACES = pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
RECEIVERS = (ALICE, BOB, CAROL, STORING, REVERTING)


async def started(folder: Path | None, **limits: Any) -> Node:
    node = await start_node(limits=Limits(**limits), folder=folder)
    for address, code in CODES.items():
        await node.place(bytes.fromhex(code), address)
    return node


@pytest.fixture(params=["memory", "disk"])
async def node(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Node]:
    node = await started(tmp_path if request.param == "disk" else None)
    yield node
    await stop_node(node)


def raw(node: Node, who: int, nonce: int, **fields: Any) -> Write:
    """A signed send, which costs the same in every block."""
    price = fields.pop("price_gwei", 10) * GWEI
    fees = {"max_fee_per_gas": price, "max_priority_fee_per_gas": price}
    return "eth_sendRawTransaction", [hexadecimal(node.signed(KEYS[who], nonce=nonce, **(fees | fields)).encoded)]


async def at_once(node: Node, writes: list[Write]) -> list[dict[str, Any]]:
    """The answers to writes of clients that come in one turn of the event loop."""

    async def answered(reply: Any) -> Any:
        return orjson.loads(reply if isinstance(reply, bytes) else await reply)

    replies = [node.server.dispatcher.begin(json.dumps(body_of(at, write)).encode()) for at, write in enumerate(writes)]
    return list(await asyncio.gather(*map(answered, replies)))


def mined(node: Node) -> list[list[str]]:
    """The hashes of the transactions, by block."""
    chain = node.chain
    blocks = [chain.block_by_number(number + 1) for number in range(chain.head.number)]
    return [[hexadecimal(item.hash) for item in block.transactions] for block in blocks if block is not None]


def listed(blocks: list[list[str]]) -> list[str]:
    return [name for block in blocks for name in block]


async def in_company(node: Node) -> None:
    """Have the node see that sends come from several clients at once, from CAROL."""
    nonce = int(await node.call("eth_getTransactionCount", hexadecimal(CAROL), "latest"), 16)
    # the first ones teach the node how long they take
    for several in (1, 3):
        await at_once(node, [raw(node, 2, nonce + more) for more in range(several)])
        nonce += several


async def test_sends_at_once_share_a_block_in_the_order_of_arrival(node: Node) -> None:
    await in_company(node)
    before = len(mined(node))
    writes = [raw(node, 1, 0), raw(node, 0, 0), raw(node, 0, 1), raw(node, 1, 1), raw(node, 0, 2)]
    answers = await at_once(node, writes)
    assert mined(node)[before:] == [[answer["result"] for answer in answers]]


async def test_each_is_mined_once_it_is_answered(node: Node) -> None:
    await in_company(node)

    async def client(who: int) -> None:
        for nonce in range(6):
            body = json.dumps(body_of(0, raw(node, who, nonce))).encode()
            answer = orjson.loads(await node.server.dispatcher.answer(body) or b"")
            assert await node.call("eth_getTransactionReceipt", answer["result"]) is not None
            assert await node.call("eth_getTransactionCount", (A, B)[who], "latest") == hex(nonce + 1)

    await asyncio.gather(client(0), client(1))


async def test_sends_of_one_client_have_a_block_each(node: Node) -> None:
    await in_company(node)
    before = len(mined(node))
    for nonce in range(4):
        await node.call(*_flat(raw(node, 0, nonce)))
    assert [len(block) for block in mined(node)[before:]] == [1] * 4


def _flat(write: Write) -> tuple[Any, ...]:
    return write[0], *write[1]


async def test_filters_are_told_before_the_answers(node: Node) -> None:
    await in_company(node)
    identifier = await node.call("eth_newBlockFilter")
    await at_once(node, [raw(node, 0, 0), raw(node, 1, 0)])
    assert len(await node.call("eth_getFilterChanges", identifier)) == 1


@PLACES
async def test_the_limit_of_one_gives_each_a_block(tmp_path: Path, on_disk: bool) -> None:
    for most, expected in ((1, [1] * 5), (2, [2, 2, 1])):
        folder = tmp_path / str(most) if on_disk else None
        node = await started(folder, joint_sends=most)
        await in_company(node)
        before = len(mined(node))
        await at_once(node, [raw(node, 0, nonce) for nonce in range(5)])
        assert [len(block) for block in mined(node)[before:]] == expected
        await stop_node(node)


async def test_what_a_block_has_no_gas_for_goes_into_the_next_one(node: Node) -> None:
    await in_company(node)
    before = len(mined(node))
    await node.call("evm_setBlockGasLimit", hex(50_000))
    answers = await at_once(node, [raw(node, 0, nonce) for nonce in range(5)])
    blocks = mined(node)[before:]
    assert [answer["result"] for answer in answers] == listed(blocks)
    assert [len(block) for block in blocks] == [2, 2, 1]


async def test_none_overtakes_one_that_the_block_has_no_gas_for(node: Node) -> None:
    await in_company(node)
    before = len(mined(node))
    await node.call("evm_setBlockGasLimit", hex(100_000))
    answers = await at_once(node, [raw(node, 0, 0), raw(node, 1, 0, gas_limit=90_000), raw(node, 0, 1)])
    first, second, third = [answer["result"] for answer in answers]
    assert mined(node)[before:] == [[first], [second, third]]


async def test_nothing_waits_for_what_takes_long(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are answered before the others are executed."""
    await in_company(node)
    before = len(mined(node))
    monkeypatch.setattr(selection, "PART_SECONDS", 0.0)
    monkeypatch.setattr(selection, "PART_GAS", 2 * 21_000)
    await at_once(node, [raw(node, 0, nonce) for nonce in range(5)])
    assert [len(block) for block in mined(node)[before:]] == [2, 2, 1]


async def test_writes_between_keep_their_place(node: Node) -> None:
    await in_company(node)
    writes: list[Write] = [raw(node, 0, 0), raw(node, 1, 0), ("evm_snapshot", []), raw(node, 0, 1), raw(node, 1, 1)]
    answers = await at_once(node, writes)
    assert await node.call("evm_revert", answers[2]["result"]) is True
    counts = [await node.call("eth_getTransactionCount", who, "latest") for who in (A, B)]
    assert counts == ["0x1", "0x1"]


async def test_the_failure_of_one_hurts_no_other(node: Node) -> None:
    await in_company(node)
    bad = raw(node, 1, 0)[1][0]
    writes: list[Write] = [
        raw(node, 0, 0),
        raw(node, 0, 0),  # twice
        ("eth_sendRawTransaction", [bad[:-64] + "f" * 64]),  # no signature
        ("eth_sendRawTransaction", ["0x02c0"]),
        raw(node, 0, 1, value=10**30),
        raw(node, 0, 1, gas_limit=20_000),
        raw(node, 0, 1),
        raw(node, 1, 5),  # waits
        raw(node, 1, 0),
        raw(node, 0, 2, to=REVERTING, gas_limit=100_000),
        raw(node, 0, 3),
    ]
    answers = await at_once(node, writes)
    assert ["result" in answer for answer in answers] == [index not in (1, 2, 3, 4, 5) for index in range(11)]
    texts = [answer["error"]["message"] for answer in answers if "error" in answer]
    for text, expected in zip(texts, ("nonce too low", "invalid", "", "insufficient funds", "intrinsic"), strict=True):
        assert expected in text
    assert await node.call("eth_getTransactionCount", A, "latest") == "0x4"
    assert await node.call("eth_getTransactionCount", B, "latest") == "0x1"
    assert await node.call("txpool_status") == {"pending": "0x0", "queued": "0x1"}


@PLACES
async def test_a_fault_of_the_node_in_one_is_what_it_is_alone(
    tmp_path: Path, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = b""
    apply_plain, apply = Executor.apply_plain, Executor.apply

    def meet(*transactions: Transaction) -> None:
        if any(item.encoded == faulty for item in transactions):
            raise NodeFaultError("planted")

    def faulty_plain(self: Executor, transactions: Sequence[Transaction], *arguments: Any) -> Any:
        meet(*transactions)
        return apply_plain(self, transactions, *arguments)

    def faulty_apply(self: Executor, transaction: Transaction, *arguments: Any, **options: Any) -> Any:
        meet(transaction)
        return apply(self, transaction, *arguments, **options)

    monkeypatch.setattr(Executor, "apply_plain", faulty_plain)
    monkeypatch.setattr(Executor, "apply", faulty_apply)
    outcomes = []
    for way in (in_turn, at_once):
        node = await started(tmp_path / way.__name__ if on_disk else None)
        await in_company(node)
        writes = [raw(node, *at) for at in ((0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2))]
        faulty = bytes.fromhex(writes[3][1][0][2:])
        errors = [answer.get("error", {}).get("code") for answer in await way(node, writes)]
        outcomes.append((errors, await node.call("txpool_content"), listed(mined(node))[4:]))
        await stop_node(node)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][:3] == [None] * 3
    assert outcomes[0][0][3] == -32603


async def in_turn(node: Node, writes: list[Write]) -> list[dict[str, Any]]:
    return [await node.ask(*_flat(write)) for write in writes]


async def test_failures_are_errors_where_the_mode_says_so(node: Node) -> None:
    await in_company(node)
    node.services.throws_on_failure = True
    failing = {"to": REVERTING, "gas_limit": 100_000}
    answers = await at_once(node, [raw(node, 0, 0), raw(node, 0, 1, **failing), raw(node, 1, 0), raw(node, 0, 2)])
    assert ["result" in answer for answer in answers] == [True, False, True, True]
    assert answers[1]["error"]["data"]["txHash"] in listed(mined(node))


async def test_where_nothing_is_mined_at_once_sends_wait(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    before = len(mined(node))
    answers = await at_once(node, [raw(node, 0, nonce) for nonce in range(4)])
    assert len(mined(node)) == before
    await node.call("evm_mine")
    assert mined(node)[before:] == [[answer["result"] for answer in answers]]


class Chooser:
    """Chooses writes whose outcome does not depend on how many blocks there are."""

    def __init__(self, seed: int, node: Node) -> None:
        self.random = Random(seed)
        self.node = node
        self.nonces = [0, 0]

    def sending(self) -> Write:
        who, choose = self.random.randrange(2), self.random.choice
        nonce = max(0, self.nonces[who] + choose((0,) * 30 + (1, -1)))
        # the last of each cannot be: too much is sent, or too little gas for the data
        value, gas_limit = choose((0,) * 5 + (3,) * 5 + (10**30,)), choose((100_000,) * 9 + (21_000,))
        to = choose(RECEIVERS)
        self.nonces[who] += int(value < 10**30 and gas_limit > 21_000)
        data = bytes(31) + bytes((choose((0, 1, 2)),))
        if self.random.random() < 0.95:
            return raw(
                self.node, who, nonce, to=to, value=value, gas_limit=gas_limit, data=data, price_gwei=choose((10, 20))
            )
        sent = {"from": (A, B)[who], "to": hexadecimal(to), "value": hex(value), "nonce": hex(nonce)}
        return "eth_sendTransaction", [sent | {"gas": hex(gas_limit), "gasPrice": hex(10 * GWEI)}]

    def other(self) -> Write:
        choose = self.random.choice
        writes: tuple[Write, ...] = (
            ("evm_snapshot", []),
            ("evm_revert", [hex(choose((0, 1)))]),
            ("evm_mine", []),
            ("evm_setAutomine", [choose((True, True, False))]),
            ("anvil_setNonce", [choose((A, B)), hex(choose((0, 2, 4)))]),
            ("anvil_dropAllTransactions", []),
        )
        return choose(writes)

    def writes(self) -> list[Write]:
        return [self.random.choices((self.sending, self.other), (14, 1))[0]() for _ in range(WRITES)]


async def one_by_one(node: Node, writes: list[Write], _: Random) -> list[dict[str, Any]]:
    return await in_turn(node, writes)


async def in_bursts(node: Node, writes: list[Write], random: Random) -> list[dict[str, Any]]:
    """Some in one turn of the event loop, others while those before them are under way."""

    async def answered(reply: Any) -> Any:
        return orjson.loads(reply if isinstance(reply, bytes) else await reply)

    begun: list[asyncio.Future[Any]] = []
    for index, write in enumerate(writes):
        reply = node.server.dispatcher.begin(json.dumps(body_of(1, write)).encode())
        begun.append(asyncio.ensure_future(answered(reply)))
        if asyncio.iscoroutine(reply) or random.random() < 0.2:
            await asyncio.sleep(0)
        if random.random() < 0.15:
            await asyncio.wait(begun[: index + 1])
    return list(await asyncio.gather(*begun))


async def outcome_of(way: Any, seed: int, folder: Path | None) -> tuple[Any, list[list[str]]]:
    """The answers with the end, and the blocks."""
    node = await started(folder)
    try:
        await node.call("anvil_setBlockTimestampInterval", 1)
        answers = await way(node, Chooser(seed, node).writes(), Random(seed))
        accounts = [
            [await node.call(name, hexadecimal(address), "latest") for address in RECEIVERS]
            for name in ("eth_getBalance", "eth_getTransactionCount")
        ]
        stored = await node.call("eth_getStorageAt", hexadecimal(STORING), "0x0", "latest")
        waiting = await node.call("txpool_content")
        blocks = mined(node)
        order = listed(blocks)
        return (answers, order, accounts, stored, waiting, node.chain.mining.automine), blocks
    finally:
        await stop_node(node)


@pytest.mark.lengthy
@PLACES
async def test_answers_order_and_end_are_those_of_sends_one_by_one(tmp_path: Path, on_disk: bool) -> None:
    joint = 0
    for seed in range(SEEDS):
        places = [tmp_path / f"{seed} {way}" if on_disk else None for way in range(2)]
        alone, _ = await outcome_of(one_by_one, seed, places[0])
        assert sum("result" in answer for answer in alone[0]) > WRITES // 3
        together, blocks = await outcome_of(in_bursts, seed, places[1])
        assert together == alone, seed
        joint += sum(len(block) > 1 for block in blocks)
    assert joint > SEEDS
