"""JavaScript tracers through debug_trace*: transactions, blocks, calls, time limits, clients that leave."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.assembly import ENDLESS, assemble, creation
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing import script_tracer
from zevm.chain.tracing.script_process import ScriptProcess
from zevm.rpc.limits import Limits

COUNTER = assemble("0x00 SLOAD 0x01 ADD 0x00 SSTORE STOP")
SCRIPT = """{
  setup: function(options) { this.slot = JSON.parse(options).slot },
  before: null,
  step: function(log, db) {
    if (log.op.toString() === "SSTORE") this.before = db.getState(log.contract.getAddress(), toWord(this.slot))[31]
  },
  fault: function() {},
  result: function(ctx, db) { return [this.before, db.getState(ctx.to, toWord(this.slot))[31], ctx.txIndex] }
}"""
CONFIG = {"tracer": SCRIPT, "tracerConfig": {"slot": "0x00"}}
SPIN = "{fault: function() {}, result: function() { for (;;); }}"


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ScriptProcess]]:
    """Every process that the test starts; none may be left at its end."""
    started: list[ScriptProcess] = []

    def start(deadline: Deadline | None) -> ScriptProcess:
        started.append(ScriptProcess(deadline))
        return started[-1]

    monkeypatch.setattr(script_tracer, "ScriptProcess", start)
    yield started
    assert all(script.process.returncode is not None for script in started)


@pytest.mark.lengthy
async def test_transactions_blocks_and_calls(node: Node, processes: list[ScriptProcess]) -> None:
    counter = (await node.send(data=hexadecimal(creation(COUNTER))))["contractAddress"]
    await node.call("evm_setAutomine", False)
    call = {"from": hexadecimal(ALICE), "to": counter, "gas": hex(200_000)}
    hashes = [await node.call("eth_sendTransaction", call) for _ in range(2)]
    await node.call("evm_mine")
    assert await node.call("debug_traceTransaction", hashes[1], CONFIG) == [1, 2, 1]
    number = await node.call("eth_blockNumber")
    found = await node.call("debug_traceBlockByNumber", number, CONFIG)
    assert [item["result"] for item in found] == [[0, 1, 0], [1, 2, 1]]
    # a call has no index, and undefined is null in a list
    assert await node.call("debug_traceCall", call, "latest", CONFIG) == [2, 3, None]
    found = await node.call("debug_traceCallMany", [{"transactions": [call, call]}], {}, CONFIG)
    assert found == [[[2, 3, None], [3, 4, None]]]
    assert len(processes) == 6


async def test_a_script_that_fails(node: Node) -> None:
    throwing = "{fault: function() {}, result: function(ctx) { return ctx.none.x }}"
    error = await node.fails("debug_traceCall", {"to": hexadecimal(BOB)}, "latest", {"tracer": throwing})
    assert (error.code, error.message.partition(" at ")[0]) == (
        -32000,
        "TypeError: cannot read property 'x' of undefined",
    )
    poor = {"from": "0x" + "77" * 20, "to": hexadecimal(BOB), "value": "0x1"}
    error = await node.fails("debug_traceCall", poor, "latest", {"tracer": SPIN})
    assert error.message.startswith("tracing failed: insufficient funds")


@pytest.mark.lengthy
async def test_the_time_that_a_script_may_take() -> None:
    node = await start_node(limits=Limits(trace_seconds=0.3, trace_seconds_limit=0.6, call_gas=10**12))
    try:
        endless = await node.place(ENDLESS)
        counting = (
            "{n: 0, step: function(log) { this.n++ }, fault: function() {}, result: function() { return this.n }}"
        )
        for tracer, target in ((SPIN, hexadecimal(BOB)), (counting, endless)):
            begun = time.monotonic()
            error = await node.fails("debug_traceCall", {"to": target}, "latest", {"tracer": tracer})
            assert (error.code, error.message) == (-32000, "execution timeout")
            assert 0.25 < time.monotonic() - begun < PATIENCE_SECONDS
    finally:
        await stop_node(node)


async def test_a_client_that_leaves_ends_the_script(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    started: asyncio.Future[ScriptProcess] = asyncio.get_running_loop().create_future()

    def start(deadline: Deadline | None) -> ScriptProcess:
        script = ScriptProcess(deadline)
        started.get_loop().call_soon_threadsafe(started.set_result, script)
        return script

    monkeypatch.setattr(script_tracer, "ScriptProcess", start)
    call = node.call("debug_traceCall", {"to": hexadecimal(BOB)}, "latest", {"tracer": SPIN})
    trace = asyncio.create_task(call)
    process = (await started).process
    trace.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trace
    await asyncio.to_thread(process.wait, 10)
