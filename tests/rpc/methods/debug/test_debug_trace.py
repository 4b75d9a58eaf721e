"""debug_trace*: replays at any block, calls with overrides, options, time limits, and every way to fail."""

import asyncio
import time
from typing import Any

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.assembly import BOX, ENDLESS, REVERT_DATA, assemble, creation, reverting
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from zevm.chain.types import Block
from zevm.rpc.errors import ServerError
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.tracing import parse_duration

CALLS = {"tracer": "callTracer"}
PRESTATE = {"tracer": "prestateTracer"}
COUNTER = assemble("0x00 SLOAD 0x01 ADD 0x00 SSTORE 0x07 0x00 0x00 LOG1 0x00 SLOAD 0x00 MSTORE 0x20 0x00 RETURN")
"""Counts its calls, logs each, returns the count."""


def word(number: int) -> str:
    return f"0x{number:064x}"


async def mine_three_calls(node: Node) -> tuple[str, list[str], str]:
    """A counter called three times in one block: its address, the transactions, the block's number."""
    counter = (await node.send(data=hexadecimal(creation(COUNTER))))["contractAddress"]
    await node.call("evm_setAutomine", False)
    call = {"from": hexadecimal(ALICE), "to": counter, "gas": hex(200_000)}
    hashes = [await node.call("eth_sendTransaction", call) for _ in range(3)]
    await node.call("evm_mine")
    await node.call("evm_setAutomine", True)
    return counter, hashes, await node.call("eth_blockNumber")


async def test_each_transaction_upon_those_before_it(node: Node) -> None:
    counter, hashes, _ = await mine_three_calls(node)
    # later blocks change nothing about it
    await node.send(to=counter)
    traces = [await node.call("debug_traceTransaction", item, CALLS) for item in hashes]
    assert [item["output"] for item in traces] == [word(1), word(2), word(3)]
    receipts = [await node.call("eth_getTransactionReceipt", item) for item in hashes]
    assert [item["gasUsed"] for item in traces] == [item["gasUsed"] for item in receipts]
    logged = await node.call("debug_traceTransaction", hashes[2], CALLS | {"tracerConfig": {"withLog": True}})
    assert logged["logs"][0]["index"] == receipts[2]["logs"][0]["logIndex"] == "0x2"
    before = await node.call("debug_traceTransaction", hashes[1], PRESTATE)
    assert before[counter]["storage"] == {word(0): word(1)}


async def test_struct_logs_by_default(node: Node) -> None:
    _, hashes, _ = await mine_three_calls(node)
    found = await node.call("debug_traceTransaction", hashes[0])
    receipt = await node.call("eth_getTransactionReceipt", hashes[0])
    assert found["gas"] == int(receipt["gasUsed"], 16)
    assert (found["failed"], found["returnValue"]) == (False, word(1))
    assert found["structLogs"][0] == {"pc": 0, "op": "PUSH1", "gas": 179_000, "gasCost": 3, "depth": 1, "stack": []}
    options = {"enableMemory": True, "disableStack": True, "reexec": 128, "debug": True, "limit": 300, "timeout": "10s"}
    short = await node.call("debug_traceTransaction", hashes[0], options)
    assert 0 < len(short["structLogs"]) < len(found["structLogs"])
    assert "stack" not in short["structLogs"][0]


async def test_flat_frames_know_their_block(node: Node) -> None:
    _, hashes, number = await mine_three_calls(node)
    block = await node.call("eth_getBlockByNumber", number, False)
    found = await node.call("debug_traceTransaction", hashes[1], {"tracer": "flatCallTracer"})
    assert (found[0]["blockHash"], found[0]["blockNumber"]) == (block["hash"], int(number, 16))
    assert (found[0]["transactionHash"], found[0]["transactionPosition"]) == (hashes[1], 1)


async def test_whole_blocks(node: Node) -> None:
    _, hashes, number = await mine_three_calls(node)
    block = await node.call("eth_getBlockByNumber", number, False)
    by_number = await node.call("debug_traceBlockByNumber", number, CALLS)
    assert [item["txHash"] for item in by_number] == hashes
    assert [item["result"]["output"] for item in by_number] == [word(1), word(2), word(3)]
    assert await node.call("debug_traceBlockByHash", block["hash"], CALLS) == by_number
    stored = node.chain.block_by_number(int(number, 16))
    assert stored is not None
    assert await node.call("debug_traceBlock", hexadecimal(stored.encode()), CALLS) == by_number
    assert await node.call("debug_traceBlockByNumber", "latest", CALLS) == by_number


async def test_a_block_that_the_chain_does_not_have(node: Node) -> None:
    _, hashes, number = await mine_three_calls(node)
    stored = node.chain.block_by_number(int(number, 16))
    assert stored is not None
    shorter = Block(stored.header, stored.transactions[:1], (), ())
    found = await node.call("debug_traceBlock", hexadecimal(shorter.encode()), CALLS)
    assert [item["txHash"] for item in found] == hashes[:1]
    header = stored.header.with_changes(parent_hash=bytes(32))
    error = await node.fails("debug_traceBlock", hexadecimal(Block(header, (), (), ()).encode()))
    assert error.message == f"block {word(0)} not found"
    assert (await node.fails("debug_traceBlock", "0xc0ff")).message.startswith("could not decode block: ")


async def test_the_pending_block(node: Node) -> None:
    counter = (await node.send(data=hexadecimal(creation(COUNTER))))["contractAddress"]
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": counter, "gas": hex(200_000)})
    found = await node.call("debug_traceBlockByNumber", "pending", CALLS)
    assert [item["result"]["output"] for item in found] == [word(1)]


async def test_blocks_that_are_not_there(node: Node) -> None:
    genesis = await node.call("eth_getBlockByNumber", "0x0", False)
    for name, block in (("debug_traceBlockByNumber", "earliest"), ("debug_traceBlockByHash", genesis["hash"])):
        error = await node.fails(name, block)
        assert (error.code, error.message) == (-32000, "genesis is not traceable")
    assert (await node.fails("debug_traceBlockByNumber", "0x64")).message == "block #100 not found"
    assert (await node.fails("debug_traceBlockByHash", word(1))).message == f"block {word(1)} not found"
    assert (await node.fails("debug_traceTransaction", word(1))).message == "transaction not found"


async def test_state_changed_without_blocks_is_replayed_as_it_was(node: Node) -> None:
    """What the development methods change between two blocks is part of what the next one began with."""
    counter = (await node.send(data=hexadecimal(creation(COUNTER))))["contractAddress"]
    await node.call("anvil_setStorageAt", counter, word(0), word(40))
    receipt = await node.send(to=counter, gas=hex(200_000))
    await node.call("anvil_setStorageAt", counter, word(0), word(90))
    await node.send(to=counter, gas=hex(200_000))
    found = await node.call("debug_traceTransaction", receipt["transactionHash"], CALLS)
    assert found["output"] == word(41)


async def test_calls(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("anvil_setStorageAt", box, "0x0", word(5))
    found = await node.call("debug_traceCall", {"to": box}, "latest", CALLS)
    assert (found["to"], found["output"], found["gas"]) == (box, word(5), hex(50_000_000))
    config: dict[str, Any] = CALLS | {"stateOverrides": {box: {"stateDiff": {word(0): word(9)}}}}
    assert (await node.call("debug_traceCall", {"to": box}, "latest", config))["output"] == word(9)
    number = hexadecimal(assemble("NUMBER 0x00 MSTORE 0x20 0x00 RETURN"))
    config = CALLS | {"stateOverrides": {box: {"code": number}}, "blockOverrides": {"number": "0x63"}}
    assert (await node.call("debug_traceCall", {"to": box}, "latest", config))["output"] == word(0x63)
    flat = await node.call("debug_traceCall", {"to": box}, "latest", {"tracer": "flatCallTracer"})
    assert (flat[0]["blockHash"], flat[0]["blockNumber"], flat[0]["transactionHash"]) == (None, 0, None)
    assert await node.call("eth_call", {"to": box}) == word(5)


async def test_calls_within_a_block(node: Node) -> None:
    counter, _, number = await mine_three_calls(node)
    outputs = []
    for index in (0, 1, 3, None):
        config = CALLS if index is None else CALLS | {"txIndex": hex(index)}
        outputs.append((await node.call("debug_traceCall", {"to": counter}, number, config))["output"])
    assert outputs == [word(1), word(2), word(4), word(4)]
    error = await node.fails("debug_traceCall", {"to": counter}, number, CALLS | {"txIndex": "0x4"})
    assert error.message.startswith("transaction index 4 out of range for block 0x")


async def test_calls_that_fail(node: Node) -> None:
    box = await node.place(reverting(REVERT_DATA))
    found = await node.call("debug_traceCall", {"to": box}, "latest", CALLS)
    assert (found["error"], found["output"]) == ("execution reverted", hexadecimal(REVERT_DATA))
    error = await node.fails("debug_traceCall", {"to": box}, "pending", CALLS)
    assert (error.code, error.message) == (-32000, "tracing on top of pending is not supported")
    error = await node.fails("debug_traceCall", {"from": "0x" + "77" * 20, "to": box, "value": "0x1"}, "latest")
    assert error.message.startswith("tracing failed: insufficient funds for gas * price + value")
    assert (await node.fails("debug_traceCall", {"to": box}, "0x64")).message == "header not found"


async def test_calls_upon_each_other(node: Node) -> None:
    counter, _, number = await mine_three_calls(node)
    call = {"to": counter}
    bundles = [{"transactions": [call, call]}, {"transactions": [call], "blockOverride": {"number": "0x63"}}]
    found = await node.call("debug_traceCallMany", bundles, {"blockNumber": number}, CALLS)
    assert [[item["output"] for item in bundle] for bundle in found] == [[word(4), word(5)], [word(6)]]
    context = {"blockNumber": number, "transactionIndex": 1}
    found = await node.call("debug_traceCallMany", bundles[:1], context, CALLS)
    assert [item["output"] for item in found[0]] == [word(2), word(3)]
    overrides = {"stateOverrides": {counter: {"stateDiff": {word(0): word(50)}}}}
    found = await node.call("debug_traceCallMany", bundles, {"transactionIndex": -1}, CALLS | overrides)
    assert [[item["output"] for item in bundle] for bundle in found] == [[word(51), word(52)], [word(53)]]
    error = await node.fails("debug_traceCallMany", [{"transactions": [{"from": "0x" + "77" * 20, "value": "0x1"}]}])
    assert error.message.startswith("tracing failed: insufficient funds")
    error = await node.fails("debug_traceCallMany", [5])
    assert error.code == -32602


async def test_tracers_that_are_not_there(node: Node) -> None:
    call = {"to": hexadecimal(BOB)}
    error = await node.fails("debug_traceCall", call, "latest", {"tracer": "bogusTracer"})
    assert (error.code, error.message) == (-32000, "ReferenceError: bogusTracer is not defined at <eval>:1:2(0)")
    error = await node.fails("debug_traceCall", call, "latest", {"tracer": "{step: function() {}}"})
    assert error.message == "trace object must expose a function result()"
    error = await node.fails("debug_traceCall", call, "latest", CALLS | {"tracerConfig": "no"})
    assert error.message.startswith("json: cannot unmarshal string")
    for wrong in ({"enableMemory": "yes"}, {"tracer": 5}, {"timeout": 5}, [1]):
        assert (await node.fails("debug_traceCall", call, "latest", wrong)).code == -32602


@pytest.mark.lengthy
async def test_the_time_that_a_trace_may_take() -> None:
    node = await start_node(limits=Limits(trace_seconds=0.3, trace_seconds_limit=0.6, call_gas=10**12))
    try:
        endless = await node.place(ENDLESS)
        quiet = {"tracer": "noopTracer"}
        for config, shortest in (
            (quiet, 0.25),
            (quiet | {"timeout": "20ms"}, 0.0),
            (quiet | {"timeout": "1h"}, 0.55),
            ({"limit": 1000}, 0.25),
            (CALLS, 0.25),
        ):
            begun = time.monotonic()
            error = await node.fails("debug_traceCall", {"to": endless}, "latest", config)
            assert (error.code, error.message) == (-32000, "execution timeout")
            assert shortest <= time.monotonic() - begun < PATIENCE_SECONDS
        error = await node.fails("debug_traceCall", {"to": endless}, "latest", {"timeout": "5 s"})
        assert error.message == 'time: invalid duration "5 s"'
    finally:
        await stop_node(node)


@pytest.mark.slow
async def test_others_are_answered_meanwhile(node: Node) -> None:
    loop = await node.place(assemble("0x4e20 again: 0x01 0x00 SSTORE @again JUMP"))
    trace = asyncio.create_task(node.call("debug_traceCall", {"to": loop, "gas": hex(10_000_000)}, "latest"))
    waits = []
    while not trace.done():
        begun = time.monotonic()
        await node.call("eth_blockNumber")
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(0.01)
    assert len((await trace)["structLogs"]) > 100_000
    assert len(waits) > 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("300ms", 0.3), ("1m30s", 90.0), ("1.5h", 5400.0), ("0", 0.0), ("-2s", -2.0), ("+7us", 7e-6)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "1s ", "-", "1..5s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ServerError, match="time: invalid duration"):
        parse_duration(text)
