"""Short executions run on the event loop; nothing that a client sends holds it for long."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from testing.speed import slowness
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.wasm_contracts import wasm_contract
from zevm.chain.concurrency.deadline import NotBriefError
from zevm.chain.options import ChainOptions
from zevm.chain.vm.brief import BRIEF_BYTES
from zevm.chain.vm.engines.engine import Engine
from zevm.rpc.dispatch.calls import Call
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.durations import MOST_PROOFS, Durations
from zevm.rpc.execution.turns import TURN_SECONDS, Turns
from zevm.rpc.limits import Limits

HELD_SECONDS = 0.002
ATTEMPTS = 12
"""The work is what counts, not what else the machine does: the quickest of some attempts is taken."""

CODE, COLD, WASM = bytes.fromhex("c0" * 20), bytes.fromhex("c1" * 20), bytes.fromhex("c2" * 20)
FULL = "7f" + "ff" * 32
BY_DATA = "5f6004356008 57005b".replace(" ", "")
"""0, and where the word behind the selector is not 0, on to what follows, with the 0 on the stack; otherwise STOP."""
BY_SLOT = "5f5f54600757005b"
"""The same by slot 0."""


def again(body: str, prologue: str = BY_DATA) -> str:
    """Code that runs `body` for ever, once it has begun; it may count on the stack."""
    target = len(prologue) // 2 - 1
    return f"{prologue}{body}60{target:02x}56"


def precompile(number: int, size: int = 0x8000) -> str:
    return f"5f5f61{size:04x}5f61{number:04x}5afa50"


def with_words(*words: str) -> str:
    return "".join(f"{word}60{32 * index:02x}52" for index, word in enumerate(words))


BODIES = {
    "nothing": "",
    "jumps": "5b" * 300,
    "products": f"{FULL}{FULL}{FULL}0950" * 60,
    "powers": f"{FULL}{FULL}0a50" * 60,
    "hashes": "6180005f2050" * 60,
    "hashes of a mebibyte": "621000005f2050" * 4,
    "copies": "6140005f6140005e" * 80,
    "call data": "6180005f5f37" * 80,
    "code": "6180005f5f39" * 80,
    "other code": f"6180005f5f73{COLD.hex()}3c" * 40,
    "slots": "600101805450" * 60,
    "stores": "600101808055" * 20,
    "balances": "600101803150" * 60,
    "code hashes": "600101803f50" * 60,
    "block hashes": "600143034050" * 60,
    "logs": "5f5f5f5f6180005fa4" * 40,
    "itself": "6001600452" + "5f5f60245f5f305af150",
    "creations": "6180005f5ff050" * 10,
    "cold code": f"5f5f5f5f73{COLD.hex()}5afa50",
    "WebAssembly": f"5f5f5f5f73{WASM.hex()}5afa50",
    "memory": "61040001805f9052",
    "returned memory": "621000005ff3",
    "modexp": with_words("6020", "6020", "6020", FULL, FULL, FULL) + precompile(5, 192) * 20,
    "dear modexp": with_words("610100", "610100", "610100", FULL, FULL, FULL) + precompile(5) * 20,
    "blake2f": with_words("6fffffffffffffffffffffffffffffffff608052") + precompile(9, 213) * 20,
    **{f"precompile {number}": precompile(number) * 20 for number in (*range(1, 5), *range(6, 9), *range(10, 18), 256)},
    "ecrecover": with_words(FULL, "601b", "6101ff", "6101ff") + precompile(1, 128) * 20,
    "curve points": with_words("6001", "6002", "6001", "6002") + precompile(6, 128) * 20,
    "curve products": with_words("6001", "6002", FULL) + precompile(7, 96) * 20,
}


def request(method: str, *params: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def message(selector: int, word: int) -> dict[str, str]:
    return {"to": hexadecimal(CODE), "data": f"0x{selector:08x}{word:064x}"}


@asynccontextmanager
async def running(engine: Engine | None = None, **limits: Any) -> AsyncIterator[Node]:
    options = ChainOptions() if engine is None else ChainOptions(engine=engine)
    node = await start_node(limits=Limits(**limits), options=options)
    try:
        yield node
    finally:
        await stop_node(node)


def held(dispatcher: Dispatcher, body: bytes) -> float:
    """The processor time for which a body holds the event loop, whatever then waits for a worker."""
    gc.disable()
    try:
        begun = time.thread_time()
        pending = dispatcher.begin(body)
        taken = time.thread_time() - begun
    finally:
        gc.enable()
    if asyncio.iscoroutine(pending):
        pending.close()
    return taken


async def next_round() -> None:
    """Wait until the executions have a new turn of the event loop."""
    for _ in range(3):
        await asyncio.sleep(0)


async def learn(node: Node, method: str, *params: Any) -> None:
    """Call once on a worker, and have calls of this kind be known as short, however slow the machine is now."""
    dispatcher = node.server.dispatcher
    call = dispatcher.receive(request(method, *params))
    assert isinstance(call, Call)
    assert call.method is not None
    kind = dispatcher.kind_of(call, call.method)
    assert kind is not None
    await node.ask(method, *params)
    while not dispatcher.brief.expects(kind):
        dispatcher.brief.took(kind, 0.0)


async def quickest(node: Node, method: str, change: Callable[[bool], Awaitable[None]] | None = None) -> float:
    """How long a call holds the event loop that turns out to take long, after short ones like it."""
    dispatcher, taken = node.server.dispatcher, []
    for attempt in range(ATTEMPTS):
        await learn(node, method, message(attempt, 0))
        if change is not None:
            await change(True)
        await next_round()
        tried = dispatcher.brief.here + dispatcher.brief.overran
        taken.append(held(dispatcher, request(method, message(attempt, 0 if change else 1))))
        assert dispatcher.brief.here + dispatcher.brief.overran == tried + 1
        if change is not None:
            await change(False)
        if min(taken) < HELD_SECONDS:
            break
    return min(taken)


@pytest.mark.lengthy
async def test_no_code_holds_the_event_loop() -> None:
    complaints = []
    async with running() as node:
        await node.place(b"\x5b" * 24_000 + b"\x56", COLD)
        await node.place(wasm_contract("(loop $again (br $again))"), WASM)
        for name, body in BODIES.items():
            await node.place(bytes.fromhex(again(body)), CODE)
            seconds = await quickest(node, "eth_call")
            if seconds > HELD_SECONDS * slowness():
                complaints.append(f"{name}: {1_000 * seconds:.2f} ms")
    assert complaints == []


@pytest.mark.lengthy
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas", "eth_createAccessList"])
@pytest.mark.parametrize("body", ["nothing", "slots", "hashes"])
async def test_no_change_of_the_state_has_a_method_hold_the_event_loop(method: str, body: str) -> None:
    async with running() as node:
        await node.place(bytes.fromhex(again(BODIES[body], BY_SLOT)), CODE)

        async def change(is_long: bool) -> None:
            await node.call("anvil_setStorageAt", hexadecimal(CODE), "0x0", f"0x{is_long:064x}")

        assert await quickest(node, method, change) < HELD_SECONDS * slowness()


@pytest.mark.lengthy
async def test_no_block_of_many_logs_holds_the_event_loop() -> None:
    async with running() as node:
        await node.place(bytes.fromhex("5b5f5fa06113885a11600057"), CODE)
        await learn(node, "eth_getLogs", {"fromBlock": "latest", "address": hexadecimal(CODE)})
        await learn(node, "eth_feeHistory", "0x1", "latest", [50])
        receipt = await node.send(to=hexadecimal(CODE), gas=hex(8_000_000))
        assert len(receipt["logs"]) > 10_000
        dispatcher, overran = node.server.dispatcher, node.server.dispatcher.brief.overran
        await next_round()
        logs = request("eth_getLogs", {"fromBlock": "latest", "address": hexadecimal(CODE)})
        assert held(dispatcher, logs) < HELD_SECONDS * slowness()
        await next_round()
        assert held(dispatcher, request("eth_feeHistory", "0x1", "latest", [50])) < HELD_SECONDS * slowness()
        assert dispatcher.brief.overran == overran + 2


async def test_answers_are_the_same_on_the_event_loop_and_on_a_worker() -> None:
    code = "6004355f526004356020575f5ffd5b60205ff3"
    calls: list[tuple[Any, ...]] = [
        ("eth_call", message(1, 7)),
        ("eth_call", message(2, 0)),
        ("eth_call", {"to": hexadecimal(BOB), "value": "0x1", "from": "0x" + "77" * 20}),
        ("eth_estimateGas", message(1, 7)),
        ("eth_estimateGas", {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x1"}),
        ("eth_createAccessList", message(1, 7)),
        ("eth_getProof", hexadecimal(ALICE), ["0x0", "0x1"], "latest"),
        ("eth_getLogs", {"fromBlock": "0x0"}),
        ("eth_feeHistory", "0x4", "latest", [10, 50]),
    ]
    async with running(brief_execution_us=50_000) as here, running(brief_execution_us=0) as apart:
        for node in (here, apart):
            await node.place(bytes.fromhex(code), CODE)
        for method, *params in calls:
            answers = [await here.ask(method, *params) for _ in range(3)]
            assert answers == 3 * [await apart.ask(method, *params)]
        assert here.server.dispatcher.brief.here >= len(calls)
        assert apart.server.dispatcher.brief.here == 0


async def test_what_overran_is_answered_by_a_worker_and_needs_more_proofs_each_time() -> None:
    """Memory far away is one of py-evm's bounds, whatever the time."""
    async with running(Engine.PY_EVM, brief_execution_us=50_000) as node:
        await node.place(bytes.fromhex("5f60043552"), CODE)
        brief = node.server.dispatcher.brief
        far, near = message(1, BRIEF_BYTES), message(1, 0)
        for proofs in (2, 4, 8):
            await learn(node, "eth_call", near)
            before, overran = brief.here, brief.overran
            assert (await node.ask("eth_call", far))["result"] == "0x"
            assert brief.overran == overran + 1
            for _ in range(proofs - 1):
                await node.ask("eth_call", near)
            assert brief.here == before
            await node.ask("eth_call", near)
            assert brief.here == before + 1


def test_the_table_of_kinds_is_bounded() -> None:
    durations = Durations(1.0, 10)
    for number in range(1_000):
        durations.took((number,), 0.5)
        assert len(durations) <= 10
    assert durations.is_short((999,))
    assert not durations.is_short((0,))
    durations.took((999,), 2.0)
    assert not durations.is_short((999,))


async def test_a_node_forgets_the_oldest_kinds() -> None:
    async with running(brief_kinds=4) as node:
        brief = node.server.dispatcher.brief
        for number in range(10):
            brief.took((number,), 0.0)
        assert brief.expects((9,))
        assert not brief.expects((0,))


def test_a_kind_that_keeps_what_is_expected_of_it_is_trusted_again() -> None:
    durations, kind = Durations(1.0, 10), ("kind",)
    for _ in range(3):
        durations.overran(kind)
    for needed in (8, 4, 2, 1):
        for _ in range(needed):
            assert not durations.is_short(kind)
            durations.took(kind, 0.5)
        assert durations.is_short(kind)
        for _ in range(2 * needed):
            durations.kept(kind)
        # long ones on a worker, each of which takes back one proof
        for _ in range(needed):
            durations.took(kind, 2.0)


def test_a_kind_that_seemed_long_for_a_while_is_tried_again_soon() -> None:
    durations, kind = Durations(1.0, 10), ("kind",)
    for _ in range(20):
        durations.overran(kind)
    for _ in range(MOST_PROOFS):
        assert not durations.is_short(kind)
        durations.took(kind, 0.5)
    assert durations.is_short(kind)


async def test_many_clients_share_a_turn_of_each_round() -> None:
    turns, spent, rounds = Turns(), [0.0], []
    loop = asyncio.get_running_loop()

    def work() -> None:
        begun = time.perf_counter()
        while time.perf_counter() - begun < TURN_SECONDS / 4:
            pass
        spent[0] += time.perf_counter() - begun

    def look() -> None:
        rounds.append(spent[0])
        spent[0] = 0.0
        if any(not task.done() for task in tasks):
            loop.call_soon(look)

    async def client() -> None:
        if turns.is_free:
            turns.run(work)
        else:
            await turns.wait(work)

    tasks = [loop.create_task(client()) for _ in range(40)]
    loop.call_soon(look)
    left = turns.wait(lambda: pytest.fail("its client has left"))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(*tasks)
    assert sum(1 for seconds in rounds if seconds > 0) >= 40 // 8


async def test_errors_of_a_turn_go_to_their_client() -> None:
    turns = Turns()

    def fail() -> None:
        raise NotBriefError

    with pytest.raises(NotBriefError):
        turns.run(fail)
    with pytest.raises(NotBriefError):
        await turns.wait(fail)
