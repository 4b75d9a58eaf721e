"""B5: what failed leaves nothing behind: no reference cycles, no memory; and all traces share one budget."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.methods.assembly import assemble
from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.wasm_contracts import wasm_contract
from zevm.chain.tracing import settings, struct_log
from zevm.chain.tracing.errors import TraceMemoryError
from zevm.chain.tracing.memory import GRANT_BYTES, TraceMemory, take
from zevm.rpc.limits import Limits

HEX_ALICE = hexadecimal(ALICE)
ENDLESS, REVERTING, STORING = ("0x" + f"{digit}" * 40 for digit in "123")
WIDE = "0x60016201000052" + "5b5f5f5050600756"
"""Creation code that loops over 64 KiB of memory."""

SCRIPT = "{fault: function() {}, result: function() { throw 'x' }}"
FAILING: dict[str, list[Any]] = {
    "struct logs, time": ["debug_traceCall", {"to": ENDLESS}, "latest", {"disableStack": True}],
    "struct logs, size": ["debug_traceCall", {"to": ENDLESS}, "latest", {"enableMemory": True}],
    "call tracer": ["debug_traceCall", {"to": ENDLESS}, "latest", {"tracer": "callTracer"}],
    "prestate tracer": ["debug_traceCall", {"to": ENDLESS}, "latest", {"tracer": "prestateTracer"}],
    "script": ["debug_traceCall", {"to": REVERTING}, "latest", {"tracer": SCRIPT}],
    "mux": ["debug_traceCall", {"to": ENDLESS}, "latest", {"tracer": "muxTracer", "tracerConfig": {"callTracer": {}}}],
    "vmTrace": ["trace_call", {"to": ENDLESS}, ["vmTrace", "trace", "stateDiff"]],
    "call, time": ["eth_call", {"to": ENDLESS}],
    "call, gas": ["eth_call", {"to": ENDLESS, "gas": "0x7530"}],
    "call, revert": ["eth_call", {"to": REVERTING}],
    "creation": ["eth_call", {"data": "0x5f5ffd"}],
    "many calls": ["eth_callMany", [{"transactions": [{"to": ENDLESS}]}], {"blockNumber": "latest"}],
    "estimate": ["eth_estimateGas", {"to": REVERTING}],
    "access list": ["eth_createAccessList", {"to": ENDLESS}],
    "simulation": [
        "eth_simulateV1",
        {"blockStateCalls": [{"blockOverrides": {"gasLimit": "0x10000000000"}, "calls": [{"to": ENDLESS}]}]},
    ],
    "bad parameters": ["eth_call", 5],
    "unknown method": ["eth_nothing"],
    "raw transaction": ["eth_sendRawTransaction", "0x02"],
    "refused transaction": ["eth_sendTransaction", {"from": HEX_ALICE, "to": STORING, "nonce": "0x0", "gas": "0x10"}],
    "unknown account": ["eth_sendTransaction", {"from": ENDLESS, "to": STORING}],
    "unknown block": ["debug_storageRangeAt", "0x5555", 0, HEX_ALICE, "0x", 10],
    "unknown filter": ["eth_getFilterChanges", "0x1"],
    "typed data": ["eth_signTypedData_v4", HEX_ALICE, {}],
    "logs": ["eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x4"}],
    "too many blocks": ["hardhat_mine", "0xffffffff"],
    "state file": ["anvil_loadState", "0x00"],
}
SUCCEEDING: dict[str, list[Any]] = {
    "call": ["eth_call", {"to": STORING}],
    "trace": ["debug_traceCall", {"to": STORING}, "latest", {}],
    "call tracer": ["debug_traceCall", {"to": REVERTING}, "latest", {"tracer": "callTracer"}],
    "vmTrace": ["trace_call", {"to": STORING}, ["vmTrace", "trace", "stateDiff"]],
    "simulation": ["eth_simulateV1", {"blockStateCalls": [{"calls": [{"to": REVERTING}, {"to": STORING}]}]}],
    "failed transaction": ["eth_sendTransaction", {"from": HEX_ALICE, "to": REVERTING, "gas": "0x7530"}],
    "access list": ["eth_createAccessList", {"to": STORING}],
}


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    running = await start_node(limits=Limits(evm_timeout_seconds=0.1, trace_seconds=0.1, call_gas=2**62))
    for address, code in (
        (ENDLESS, "again: @again JUMP"),
        (REVERTING, "0x00 0x00 REVERT"),
        (STORING, "0x05 0x01 SSTORE"),
    ):
        await running.call("anvil_setCode", address, hexadecimal(assemble(code)))
    yield running
    await stop_node(running)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection of its own; a collection looks at nothing that was there before the test, now or later."""
    gc.disable()
    gc.freeze()
    yield
    gc.enable()


async def cyclic_objects(node: Node, call: list[Any], times: int) -> list[Any]:
    """What only the garbage collector would free after so many calls."""
    for _ in range(2):
        await node.ask(*call)
    await asyncio.sleep(0)
    gc.collect()
    for _ in range(times):
        await node.ask(*call)
    # what has answered may still be on its way out of its thread and its callback
    await asyncio.to_thread(node.chain.writer.run, lambda: None)
    await asyncio.sleep(0.01)
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = list(gc.garbage)
    gc.garbage.clear()
    return found


@pytest.mark.lengthy
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", FAILING)
async def test_b5_what_failed_leaves_no_cycles(node: Node, name: str) -> None:
    assert "error" in await node.ask(*FAILING[name])
    found = await cyclic_objects(node, FAILING[name], 5)
    assert len(found) < 20, [type(item) for item in found][:50]


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", SUCCEEDING)
async def test_b5_what_succeeded_leaves_no_cycles(node: Node, name: str) -> None:
    assert "error" not in await node.ask(*SUCCEEDING[name])
    found = await cyclic_objects(node, SUCCEEDING[name], 5)
    assert len(found) < 20, [type(item) for item in found][:50]


@pytest.mark.lengthy
@pytest.mark.usefixtures("uncollected")
async def test_b5_wasm_executions_leave_no_cycles(node: Node) -> None:
    endless = await node.place(wasm_contract("(loop $again (br $again))"))
    assert "error" in await node.ask("eth_call", {"to": endless})
    found = await cyclic_objects(node, ["eth_call", {"to": endless}], 5)
    assert len(found) < 20, [type(item) for item in found][:50]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.lengthy
@pytest.mark.usefixtures("uncollected")
async def test_b5_memory_comes_back_after_refused_traces(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 16 << 20
    monkeypatch.setattr(struct_log, "TRACE_BYTES_LIMIT", limit)
    sent = await node.call("eth_sendTransaction", {"from": HEX_ALICE, "data": WIDE, "gas": hex(300_000)})
    await node.call("eth_call", {"to": STORING})

    async def refused() -> None:
        error = await node.fails("debug_traceTransaction", sent, {"enableMemory": True, "timeout": "20s"})
        assert error.message.startswith(f"trace larger than {limit} bytes")

    for _ in range(5):
        await refused()
    after_five = resident_bytes()
    for _ in range(95):
        await refused()
    assert resident_bytes() < 1.2 * after_five
    assert node.services.trace_memory.taken == 0


@pytest.mark.lengthy
@pytest.mark.usefixtures("uncollected")
async def test_b5_memory_comes_back_after_failed_executions(node: Node) -> None:
    calls = [FAILING[name] for name in ("call, gas", "call, revert", "creation", "estimate", "bad parameters")]
    for call in calls:
        await node.ask(*call)
    before = resident_bytes()
    for _ in range(200):
        for call in calls:
            assert "error" in await node.ask(*call)
    assert resident_bytes() < 1.2 * before


async def test_b5_all_traces_share_a_budget() -> None:
    running = await start_node(limits=Limits(trace_memory_bytes=4 << 20))
    try:
        sent = await running.call("eth_sendTransaction", {"from": HEX_ALICE, "data": WIDE, "gas": hex(300_000)})
        error = await running.fails("debug_traceTransaction", sent, {"enableMemory": True})
        assert error.code == -32005
        assert "the running traces together take 4194304 bytes" in error.message
        assert running.services.trace_memory.taken == 0
        assert await running.call("debug_traceTransaction", sent, {"tracer": "callTracer"})
    finally:
        await stop_node(running)


def test_b5_the_budget_at_its_limit_and_past_it() -> None:
    memory = TraceMemory(2 * GRANT_BYTES)
    with memory.share():
        take(2 * GRANT_BYTES)
        assert memory.taken == 2 * GRANT_BYTES
        with pytest.raises(TraceMemoryError):
            take(1)
        with pytest.raises(TraceMemoryError):
            settings.Budget().take(1)
    assert memory.taken == 0
    take(100 * GRANT_BYTES)
