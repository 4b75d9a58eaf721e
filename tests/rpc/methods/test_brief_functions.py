"""Short functions of modules run on the event loop, over HTTP and over QUIC alike; none of them holds it for long."""

import asyncio
import gc
import time
from typing import Any

import orjson
import pytest
from wasmtime import wat2wasm

from testing.speed import slowness
from testing.wasm_modules import box, maths, selector
from tests.rpc.methods.memory_node import Node, hexadecimal, start_node, stop_node
from zevm.rpc.dispatch.calls import Call
from zevm.rpc.limits import Limits

HELD_SECONDS = 0.002
ATTEMPTS = 12
"""The work is what counts, not what else the machine does: the quickest of some attempts is taken."""

LONG = {
    "nothing": "",
    "stores on many pages": "(i32.store (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 4096)))"
    " (i32.const 0x1fffff)) (i32.const 1))",
    "fills": "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1fffff))",
    "growth": "(drop (memory.grow (i32.const 1)))",
    "hashes": "(call $native_keccak256 (i32.const 0) (i32.const 0x10000) (i32.const 0))",
    "slots": "(i32.store (i32.const 0) (local.tee $i (i32.add (local.get $i) (i32.const 1))))"
    "(call $storage_load_bytes32 (i32.const 0) (i32.const 32))",
    "balances": "(i32.store (i32.const 0) (local.tee $i (i32.add (local.get $i) (i32.const 1))))"
    "(call $account_balance (i32.const 0) (i32.const 32))",
    "results": "(call $write_result (i32.const 0) (i32.const 0x10000))",
    "logs": "(call $emit_log (i32.const 0) (i32.const 0x1000) (i32.const 0))",
    "products": "(call $math_mul_mod (i32.const 0) (i32.const 32) (i32.const 64))",
    "powers": "(i64.store (i32.const 24) (i64.const -1)) (i64.store (i32.const 56) (i64.const -1))"
    " (call $math_pow (i32.const 0) (i32.const 32))",
}
"""The body of an endless loop."""
_IMPORTS = {
    "native_keccak256": "i32 i32 i32",
    "storage_load_bytes32": "i32 i32",
    "account_balance": "i32 i32",
    "write_result": "i32 i32",
    "emit_log": "i32 i32 i32",
    "math_mul_mod": "i32 i32 i32",
    "math_pow": "i32 i32",
}


def endless(body: str) -> str:
    """A module whose function `run` does the body for ever if its argument is not 0."""
    imports = "".join(
        f'(import "vm_hooks" "{name}" (func ${name} (param {kinds})))'
        for name, kinds in _IMPORTS.items()
        if f"${name} " in body
    )
    run = f'(func (export "run") (param i32) (local $i i32) (if (local.get 0) (then (loop $l {body} (br $l)))))'
    return hexadecimal(bytes(wat2wasm(f'(module {imports} (memory (export "memory") 32) {run})')))


def request(**call: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "zvm_executeFunction", "params": [call]})


async def learn(node: Node, **call: Any) -> None:
    """Run once on a worker, and have its kind be known as short, however slow the machine is now."""
    dispatcher = node.server.dispatcher
    received = dispatcher.receive(request(**call))
    assert isinstance(received, Call)
    assert received.method is not None
    kind = dispatcher.kind_of(received, received.method)
    assert kind is not None
    await node.ask("zvm_executeFunction", call)
    while not dispatcher.brief.expects(kind):
        dispatcher.brief.took(kind, 0.0)


async def quickest(node: Node, module: str) -> float:
    """How long an endless run holds the event loop, after short ones of its function."""
    dispatcher, taken = node.server.dispatcher, []
    for _ in range(ATTEMPTS):
        await learn(node, module=module, function="run", arguments=[0])
        for _ in range(3):
            # until the executions have a new turn
            await asyncio.sleep(0)
        overran = dispatcher.brief.overran
        gc.disable()
        begun = time.thread_time()
        pending = dispatcher.begin(request(module=module, function="run", arguments=[1], timeoutMs=1))
        taken.append(time.thread_time() - begun)
        gc.enable()
        if asyncio.iscoroutine(pending):
            pending.close()
        assert dispatcher.brief.overran == overran + 1
        if taken[-1] < HELD_SECONDS:
            break
    return min(taken)


@pytest.mark.lengthy
async def test_no_function_holds_the_event_loop() -> None:
    node = await start_node(limits=Limits())
    complaints = []
    for name, body in LONG.items():
        seconds = await quickest(node, endless(body))
        if seconds > HELD_SECONDS * slowness():
            complaints.append(f"{name}: {1_000 * seconds:.2f} ms")
    await stop_node(node)
    assert complaints == []


async def test_answers_are_the_same_on_the_event_loop_and_on_a_worker() -> None:
    here = await start_node(limits=Limits(brief_execution_us=50_000))
    apart = await start_node(limits=Limits(brief_execution_us=0))
    calls: list[dict[str, Any]] = [
        {"module": hexadecimal(maths()), "function": "gcd", "arguments": [54, 24]},
        {"module": hexadecimal(maths()), "function": "gcd", "arguments": [54, 24], "gasLimit": hex(701)},
        {"module": hexadecimal(maths()), "function": "gcd", "arguments": [54]},
        {"module": hexadecimal(maths()), "function": "lcm", "arguments": [54, 24]},
        {"module": hexadecimal(box()), "function": "get()"},
        {"module": hexadecimal(box()), "function": "set(uint256)", "arguments": f"0x{5:064x}"},
        {"module": hexadecimal(box()), "function": "set(uint256)", "arguments": "0x"},
        {"address": "0x" + "b0" * 20, "function": "get()"},
        {"address": "0x" + "b0" * 20, "arguments": hexadecimal(selector("get()"))},
        {"address": "0x" + "b1" * 20, "function": "get()"},
        {"module": "0x00", "function": "get()"},
    ]
    for node in (here, apart):
        await node.place(box(), bytes.fromhex("b0" * 20))
    for call in calls:
        answers = []
        for node in 3 * [here] + [apart]:
            answer = await node.ask("zvm_executeFunction", call)
            answer.get("result", {}).pop("executionTimeMs", None)
            answers.append(answer)
        assert answers[:3] == 3 * answers[3:], call
    assert here.server.dispatcher.brief.here >= 6
    assert apart.server.dispatcher.brief.here == 0
    for node in (here, apart):
        await stop_node(node)


async def test_calls_that_are_never_short_have_no_kind() -> None:
    node = await start_node(limits=Limits())
    module = hexadecimal(maths())
    calls: list[dict[str, Any]] = [
        {"module": module + "00" * 16_384, "function": "gcd", "arguments": [1, 2]},
        {"module": module, "function": "g" * 65, "arguments": [1, 2]},
        {"module": module, "function": "gcd", "arguments": [1] * 17},
        {"module": module, "function": "gcd", "arguments": "0x" + "00" * 16_385},
        {"address": "0x" + "d7" * 20, "function": "get()"},
    ]
    dispatcher = node.server.dispatcher
    for call in calls:
        received = dispatcher.receive(request(**call))
        assert isinstance(received, Call)
        assert received.method is not None
        assert dispatcher.kind_of(received, received.method) is None
    await stop_node(node)
