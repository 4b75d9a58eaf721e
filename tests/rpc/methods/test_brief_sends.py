"""Transactions that are executed and mined on the event loop: with equal outcomes, in order, and never for long."""

import asyncio
import threading
from functools import partial
from typing import Any

import orjson
import pytest

from testing.speed import slowness
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, Node, hexadecimal
from tests.rpc.methods.test_brief_executions import (
    ATTEMPTS,
    BODIES,
    BY_DATA,
    BY_SLOT,
    CODE,
    COLD,
    HELD_SECONDS,
    WASM,
    again,
    held,
    message,
    next_round,
    request,
    running,
)
from tests.rpc.methods.wasm_contracts import wasm_contract
from zevm.chain.blocks import brief_sends
from zevm.chain.blocks.brief_sends import BRIEF_CHANGES, BRIEF_LOGS
from zevm.chain.concurrency.writer import NOT_LENT
from zevm.chain.rules.predeploys import HISTORY_STORAGE_ADDRESS
from zevm.chain.vm.engines.engine import Engine
from zevm.core import CORE
from zevm.rpc.dispatch.calls import Call
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.brief import SEND_BUDGETS
from zevm.rpc.methods.support import kinds
from zevm.storage import state
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.state_nodes import NodeLimits, PathNodes
from zevm.storage.store import Batch

A, B = hexadecimal(ALICE), hexadecimal(BOB)
PATIENT_US = 5_000_000
"""A budget that only the bounds exceed, however busy the machine is."""
BUDGET_US = 4_000
"""Enough to get to the code also on a slow machine; what comes beside it has HELD_SECONDS, as in the default budget."""
GAS = hex(1_000_000)
"""Twenty milliseconds of the cheapest instructions."""
PAYMENT = {"from": A, "to": B, "value": "0x1"}


def sending(selector: int, word: int, gas: str = GAS) -> dict[str, str]:
    return {"from": A, "gas": gas, **message(selector, word)}


async def idle(node: Node) -> None:
    """Wait until the writer would lend its role, and the event loop has a turn."""
    while node.chain.writer.run_here(int) is NOT_LENT:
        await asyncio.sleep(0)
    await next_round()


async def learn(node: Node, method: str, *params: Any) -> None:
    """Have sends of this kind be known as short, however slow the machine is now."""
    dispatcher = node.server.dispatcher
    call = dispatcher.receive(request(method, *params))
    assert isinstance(call, Call)
    assert call.method is not None
    kind = dispatcher.kind_of(call, call.method)
    assert kind is not None
    while not dispatcher.brief_sends.expects(kind):
        dispatcher.brief_sends.took(kind, 0.0)
    await idle(node)


def tried(dispatcher: Dispatcher) -> tuple[int, int]:
    """How many sends have ended on the event loop, and how many only began there."""
    return dispatcher.brief_sends.here, dispatcher.brief_sends.overran


async def hold_of(node: Node, selector: int) -> float:
    """How long a send holds the event loop that turns out to take long, after short ones like it."""
    dispatcher = node.server.dispatcher
    await node.call("eth_sendTransaction", sending(selector, 0))
    await learn(node, "eth_sendTransaction", sending(selector, 0))
    before = sum(tried(dispatcher))
    taken = held(dispatcher, request("eth_sendTransaction", sending(selector, 1)))
    assert sum(tried(dispatcher)) == before + 1
    await idle(node)
    return taken


@pytest.mark.lengthy
async def test_no_code_holds_the_event_loop_as_a_transaction() -> None:
    complaints, limit = [], SEND_BUDGETS * BUDGET_US / 1e6 + HELD_SECONDS * slowness()
    async with running(brief_execution_us=BUDGET_US) as node:
        await node.place(b"\x5b" * 24_000 + b"\x56", COLD)
        await node.place(wasm_contract("(loop $again (br $again))"), WASM)
        for name, body in BODIES.items():
            await node.place(bytes.fromhex(again(body)), CODE)
            taken = []
            for attempt in range(ATTEMPTS):
                taken.append(await hold_of(node, attempt))
                if taken[-1] < limit:
                    break
            if min(taken) > limit:
                complaints.append(f"{name}: {1_000 * min(taken):.2f} ms")
    assert complaints == []


def stores(count: int) -> str:
    return "".join(f"600161{slot:04x}55" for slot in range(count))


FAR = "5f61ffff52"
"""A word of memory that is far away."""
LARGE = {
    "logs": "5f5fa0" * (BRIEF_LOGS + 1),
    "data of logs": "6180005fa0" * 2,
    "changes": stores(BRIEF_CHANGES),
    "memory": FAR,
    "creations": "5f5f5ff0",
    "cold code": f"5f5f5f5f73{COLD.hex()}5afa",
    "WebAssembly": f"5f5f5f5f73{WASM.hex()}5afa",
}
OVERRUNS = [
    *[(body, Engine.PY_EVM) for body in LARGE],
    # the core is through with the others in time
    *[(body, Engine.NATIVE) for body in LARGE if body not in ("memory", "cold code") and CORE.library is not None],
]


async def furnish(node: Node, code: bytes) -> None:
    await node.place(b"\x5b" * 24_000, COLD)
    await node.place(wasm_contract("(nop)"), WASM)
    await node.place(code, CODE)


async def fixed(node: Node, second: int, method: str, *params: Any) -> dict[str, Any]:
    """Answer a send whose block has a given time: all else of two nodes' blocks is equal."""
    await node.call("evm_setNextBlockTimestamp", 1_900_000_000 + second)
    return await node.ask(method, *params)


@pytest.mark.parametrize(("body", "engine"), OVERRUNS)
async def test_what_overruns_leaves_nothing_and_is_done_by_the_writer(
    body: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = bytes.fromhex(BY_DATA + LARGE[body])
    left: list[Any] = []
    async with running(engine, brief_execution_us=PATIENT_US) as here, running(engine, brief_execution_us=0) as apart:
        for node in (here, apart):
            await furnish(node, code)
        dispatcher, chain = here.server.dispatcher, here.chain
        submit = dispatcher._submit_write

        def looking(*arguments: Any) -> Any:
            left.append((chain.head, chain.pool.stats().pending, chain.pool.stats().queued, len(chain.pool.pending())))
            return submit(*arguments)

        await learn(here, "eth_sendTransaction", sending(1, 0))
        for node in (here, apart):
            await node.call("evm_setNextBlockTimestamp", 1_900_000_000)
        await idle(here)
        monkeypatch.setattr(dispatcher, "_submit_write", looking)
        before, ended = chain.head, tried(dispatcher)
        answers = [await node.ask("eth_sendTransaction", sending(1, 1, hex(8_000_000))) for node in (here, apart)]
        assert answers[0] == answers[1]
        assert left == [(before, 0, 0, 0)]
        assert tried(dispatcher) == (ended[0], ended[1] + 1)
        assert here.chain.head.header == apart.chain.head.header
        assert here.chain.head.number == before.number + 1


async def test_no_system_contract_of_a_chains_own_runs_on_the_event_loop() -> None:
    async with running(brief_execution_us=PATIENT_US) as node:
        await node.place(bytes.fromhex("600160005500"), HISTORY_STORAGE_ADDRESS)
        await learn(node, "eth_sendTransaction", PAYMENT)
        assert await node.send(to=B, value="0x1")
        assert tried(node.server.dispatcher) == (0, 1)


def signed(node: Node, key: int, nonce: int, **fields: Any) -> str:
    return hexadecimal(node.signed(KEYS[key], nonce=nonce, **fields).encoded)


def sends(node: Node) -> list[tuple[Any, ...]]:
    """Transactions of each way and outcome."""
    return [
        ("eth_sendTransaction", PAYMENT),
        ("eth_sendTransaction", {**PAYMENT, "gas": "0x5208"}),
        ("eth_sendTransaction", sending(1, 1)),
        ("eth_sendTransaction", {**sending(1, 1), "gas": None}),
        ("eth_sendTransaction", sending(2, 0)),
        ("eth_sendTransaction", {**sending(2, 0), "gas": None}),
        ("eth_sendTransaction", {**PAYMENT, "from": "0x" + "77" * 20}),
        ("eth_sendTransaction", {**PAYMENT, "nonce": "0x0"}),
        ("eth_sendTransaction", {**PAYMENT, "value": hex(2**100)}),
        ("eth_sendTransaction", {**PAYMENT, "to": "0x" + "04".zfill(40), "data": "0x1234"}),
        ("eth_sendTransaction", {**PAYMENT, "accessList": [{"address": B, "storageKeys": ["0x" + "00" * 32]}]}),
        ("eth_sendUnsignedTransaction", {"from": hexadecimal(CAROL), "to": A, "value": "0x2", "gas": "0x5208"}),
        ("eth_sendRawTransaction", signed(node, 1, 0)),
        ("eth_sendRawTransaction", signed(node, 1, 1, value=3)),
        ("eth_sendRawTransaction", signed(node, 1, 0)),
        ("eth_sendRawTransaction", signed(node, 1, 2, gas_limit=20_000)),
        ("eth_sendRawTransaction", signed(node, 1, 2, chain_id=5)),
        ("eth_sendRawTransaction", "0x02c0"),
        ("eth_sendRawTransaction", signed(node, 1, 2)),
    ]


# stores the word behind the selector and logs it, or reverts with nothing where it is 0
STORING = "60043580600b575f5ffd5b5f5560206004 5fa000".replace(" ", "")


async def test_outcomes_are_the_same_on_the_event_loop_and_on_the_writers_thread() -> None:
    async with running(brief_execution_us=PATIENT_US) as here, running(brief_execution_us=0) as apart:
        for node in (here, apart):
            await node.place(bytes.fromhex(STORING), CODE)
        waiting = ("eth_sendRawTransaction", signed(here, 1, 9))
        for number, call in enumerate([*sends(here), *sends(here), waiting, ("eth_sendTransaction", PAYMENT)]):
            answers = []
            for node in (here, apart):
                answers.append(await fixed(node, number, *call))
                await idle(node)
            assert answers[0] == answers[1], call
            assert here.chain.head.header == apart.chain.head.header, call
            assert here.chain.pool.hashes() == apart.chain.pool.hashes()
        assert here.server.dispatcher.brief_sends.here >= 12
        assert apart.server.dispatcher.brief_sends.here == 0
        assert here.chain.head.number == 18
        assert here.chain.pool.stats().queued == 1


@pytest.mark.lengthy
async def test_clients_read_what_they_have_written_while_others_write() -> None:
    """Nine of them, and a thread that borrows the role and gives the writer work."""
    rounds = 15
    async with running(brief_execution_us=PATIENT_US) as node:
        chain, receivers = node.chain, [f"0x{0xAB00 + number:040x}" for number in range(9)]
        await learn(node, "eth_sendTransaction", PAYMENT)
        await idle(node)
        await node.call("eth_sendTransaction", PAYMENT)
        # how many more run here is the machine's
        assert node.server.dispatcher.brief_sends.here == 1

        async def client(number: int) -> None:
            receiver = receivers[number]
            for turn in range(rounds):
                if number == 0:
                    await idle(node)
                sent = await node.call(
                    "eth_sendTransaction", {"from": (A, B)[number % 2], "to": receiver, "value": "0x1"}
                )
                assert int(await node.call("eth_getBalance", receiver, "latest"), 16) == turn + 1
                receipt = await node.call("eth_getTransactionReceipt", sent)
                assert int(await node.call("eth_blockNumber"), 16) >= int(receipt["blockNumber"], 16)
                if turn % 5 == number % 5:
                    await node.call("anvil_setNonce", f"0x{0xCD00 + number:040x}", hex(turn))

        def meanwhile() -> None:
            for _ in range(rounds):
                number = chain.writer.run_short(chain.snapshot)
                assert number in chain.snapshots.taken
                chain.writer.run(chain.change_settings)

        await asyncio.gather(asyncio.to_thread(meanwhile), *[client(number) for number in range(9)])
        assert chain.head.number == 1 + 9 * rounds
        nonces = [int(await node.call("eth_getTransactionCount", sender, "latest"), 16) for sender in (A, B)]
        assert nonces == [1 + 5 * rounds, 4 * rounds]
        for number in range(chain.head.number):
            header, parent = chain.header_by_number(number + 1), chain.header_by_number(number)
            assert header is not None
            assert parent is not None
            assert header.parent_hash == parent.hash


async def test_a_send_behind_others_waits_for_its_turn() -> None:
    async with running(brief_execution_us=PATIENT_US) as node:
        await learn(node, "eth_sendTransaction", PAYMENT)
        dispatcher = node.server.dispatcher
        go = threading.Event()
        node.chain.writer.submit(go.wait)
        first = dispatcher.begin(request("evm_mine"))
        second = dispatcher.begin(request("eth_sendTransaction", PAYMENT))
        go.set()
        assert isinstance(first, asyncio.Future)
        assert isinstance(second, asyncio.Future)
        await first
        sent = orjson.loads(await second or b"")["result"]
        assert (await node.call("eth_getTransactionReceipt", sent))["blockNumber"] == "0x2"
        assert tried(dispatcher) == (0, 0)
        await idle(node)
        assert isinstance(dispatcher.begin(request("eth_sendTransaction", PAYMENT)), bytes)


@pytest.mark.lengthy
@pytest.mark.parametrize("body", ["nothing", "stores", "hashes"])
async def test_no_change_of_the_state_has_a_send_hold_the_event_loop(body: str) -> None:
    async with running() as node:
        await node.place(bytes.fromhex(again(BODIES[body], BY_SLOT)), CODE)
        taken = []
        for attempt in range(ATTEMPTS):
            await node.call("anvil_setStorageAt", hexadecimal(CODE), "0x0", f"0x{0:064x}")
            await node.call("eth_sendTransaction", sending(attempt, 0))
            await learn(node, "eth_sendTransaction", sending(attempt, 0))
            await node.call("anvil_setStorageAt", hexadecimal(CODE), "0x0", f"0x{1:064x}")
            await idle(node)
            taken.append(held(node.server.dispatcher, request("eth_sendTransaction", sending(attempt, 0))))
            await idle(node)
            if taken[-1] < HELD_SECONDS:
                break
        assert min(taken) < HELD_SECONDS * slowness()


async def test_filters_know_of_a_block_before_its_sender_can_ask() -> None:
    async with running(brief_execution_us=PATIENT_US) as node:
        identifier = await node.call("eth_newBlockFilter")
        await learn(node, "eth_sendTransaction", PAYMENT)
        for _ in range(3):
            # as two requests that one client has sent at once
            sent = node.server.dispatcher.begin(request("eth_sendTransaction", PAYMENT))
            assert isinstance(sent, asyncio.Future)
            await sent
            assert len(await node.call("eth_getFilterChanges", identifier)) == 1
            await idle(node)
        assert tried(node.server.dispatcher) == (3, 0)


async def test_a_node_that_mines_at_intervals_or_by_hand_leaves_sends_to_the_writer() -> None:
    async with running(brief_execution_us=PATIENT_US) as node:
        await learn(node, "eth_sendTransaction", PAYMENT)
        await node.call("evm_setAutomine", False)
        await idle(node)
        for _ in range(3):
            await node.call("eth_sendTransaction", PAYMENT)
            await idle(node)
        assert tried(node.server.dispatcher) == (0, 0)
        await node.call("evm_mine")
        assert len((await node.call("eth_getBlockByNumber", "latest", False))["transactions"]) == 3


async def test_trie_nodes_are_written_behind_blocks_by_the_writers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    def turn(nodes: PathNodes, *arguments: Any) -> Batch | None:
        before = nodes.age(EMPTY_ROOT)
        batch = with_turn(nodes, *arguments)
        if nodes.age(EMPTY_ROOT) != before:
            turns.append(threading.current_thread().name)
        return batch

    with_turn = PathNodes.turn
    monkeypatch.setattr(PathNodes, "turn", turn)
    monkeypatch.setattr(state, "NodeLimits", partial(NodeLimits, states=4))
    async with running(brief_execution_us=PATIENT_US) as node:
        for _ in range(12):
            await learn(node, "eth_sendTransaction", PAYMENT)
            await node.call("eth_sendTransaction", PAYMENT)
            await idle(node)
        assert tried(node.server.dispatcher) == (12 - len(turns), len(turns))
    assert len(turns) == 3
    assert set(turns) == {"chain-writer"}


async def test_transactions_that_only_wait_do_so_at_once_and_as_on_the_writers_thread() -> None:
    async with running(brief_execution_us=PATIENT_US) as here, running(brief_execution_us=0) as apart:
        for node in (here, apart):
            await node.call("evm_setAutomine", False)
        calls = [
            ("eth_sendRawTransaction", signed(here, 1, 0)),
            ("eth_sendRawTransaction", signed(here, 1, 3)),
            ("eth_sendRawTransaction", signed(here, 1, 0)),
            ("eth_sendRawTransaction", signed(here, 1, 0, max_fee_per_gas=10**11, max_priority_fee_per_gas=10**10)),
            ("eth_sendRawTransaction", signed(here, 1, 1, chain_id=5)),
            ("eth_sendRawTransaction", signed(here, 1, 1, to=None, data=bytes(3), gas_limit=90_000)),
            ("eth_sendTransaction", {**PAYMENT, "gas": "0x5208"}),
            ("eth_sendTransaction", {**PAYMENT, "gas": "0x5208", "value": hex(2**100)}),
            ("eth_sendTransaction", PAYMENT),
        ]
        await here.ask(*calls[0])
        await apart.ask(*calls[0])
        await idle(here)
        began = here.server.dispatcher.brief_sends.here
        for call in calls[1:]:
            assert await here.ask(*call) == await apart.ask(*call), call
            await idle(here)
            assert here.chain.pool.hashes() == apart.chain.pool.hashes(), call
        # but for the first one of a method, and the one whose gas is to be estimated
        assert here.server.dispatcher.brief_sends.here == began + 6
        assert len(here.chain.pool.hashes()) == 5
        assert [*here.chain.database.ledger.pooled()] == [*apart.chain.database.ledger.pooled()]
        for node in (here, apart):
            await fixed(node, 1, "evm_mine")
        assert here.chain.head.header == apart.chain.head.header
        assert len(here.chain.head.state.root) == 32
        assert here.chain.pool.stats().queued == 1


async def test_in_a_full_pool_transactions_wait_by_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "BRIEF_WAITING", 2)
    monkeypatch.setattr(brief_sends, "BRIEF_WAITING", 1)
    async with running(brief_execution_us=PATIENT_US) as node:
        await node.call("evm_setAutomine", False)
        ways = []
        for nonce in range(6):
            before = tried(node.server.dispatcher)
            assert await node.call("eth_sendRawTransaction", signed(node, 1, nonce))
            here, overran = tried(node.server.dispatcher)
            ways.append((here - before[0], overran - before[1]))
            await idle(node)
        # the first one is not known; at the third, the bound of the work; from the fourth on, that of the kind
        assert ways == [(0, 0), (1, 0), (0, 1), (0, 0), (0, 0), (0, 0)]
        assert len(node.chain.pool.hashes()) == 6
