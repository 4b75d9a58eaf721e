"""Modules that mean harm, deployed and called through the node: each ends in its status, and the node goes on."""

import pytest
from wasmtime import wat2wasm

from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal

PAY = '(import "vm_hooks" "pay_for_memory_grow" (func $pay (param i32)))'
MEMORY = '(memory (export "memory") 1)'


def module(body: str, head: str = PAY + MEMORY) -> bytes:
    """A contract whose entry point is `body`."""
    return bytes(wat2wasm(f'(module {head} (func $f (export "user_entrypoint") (param i32) (result i32) {body}))'))


RUNS = {
    "loops": (module("(loop $l (br $l)) (i32.const 0)"), "out_of_gas"),
    "recurses": (module("(call $f (local.get 0))"), "out_of_gas"),
    "grows memory": (module("(drop (memory.grow (i32.const 1024))) (i32.const 0)"), "out_of_memory"),
    "grows memory page by page": (
        module("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (i32.const 0)"),
        "out_of_memory",
    ),
    "reads outside": (module("(i32.load (i32.const -1))"), "runtime_error"),
    "divides by zero": (module("(i32.div_u (i32.const 1) (i32.const 0))"), "runtime_error"),
    "is unreachable": (module("(unreachable)"), "runtime_error"),
    "returns 2": (module("(i32.const 2)"), "invalid_function"),
    "returns 3": (module("(i32.const 3)"), "runtime_error"),
}
REFUSED = {
    "imports what it may not": module("(i32.const 0)", f'(import "env" "abort" (func)) {PAY} {MEMORY}'),
    "imports with another type": module("(i32.const 0)", f'(import "vm_hooks" "msg_value" (func)) {PAY} {MEMORY}'),
    "has floats": module("(drop (f32.const 1)) (i32.const 0)"),
    "has a start function": module("(i32.const 0)", f"{PAY} {MEMORY} (func $s) (start $s)"),
    "grows without paying": module("(i32.const 0)", MEMORY),
    "has too much memory": module("(i32.const 0)", f'{PAY} (memory (export "memory") 1025)'),
}


async def deploy(node: Node, code: bytes) -> dict[str, object]:
    """The receipt of a transaction that deploys these bytes."""
    return await node.send(data=hexadecimal(code), gas="0xf42400")


async def next_request_is_answered(node: Node, blocks: int) -> None:
    assert await node.call("eth_blockNumber") == hex(blocks)
    assert int(await node.call("eth_getBalance", hexadecimal(ALICE)), 16) > 0


@pytest.mark.lengthy
@pytest.mark.parametrize("name", RUNS)
async def test_what_runs_badly(node: Node, name: str) -> None:
    code, status = RUNS[name]
    deployed = await deploy(node, code)
    assert deployed["status"] == "0x1"
    address = deployed["contractAddress"]
    assert await node.call("eth_getCode", address) == hexadecimal(code)
    called = await node.send(to=address, gas="0xf42400")
    assert called["status"] == "0x0"
    assert (called["gasUsed"] == "0xf42400") is status.startswith("out_of")
    for target in ({"address": address}, {"module": hexadecimal(code)}):
        answer = await node.call("zvm_executeFunction", target | {"gasLimit": hex(50_000_000)})
        assert answer["status"] == status, answer
    await node.fails("eth_call", {"to": address})
    await next_request_is_answered(node, 2)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(node: Node, name: str) -> None:
    code = REFUSED[name]
    deployed = await deploy(node, code)
    assert (deployed["status"], deployed["gasUsed"]) == ("0x0", "0xf42400")
    assert await node.call("eth_getCode", deployed["contractAddress"]) == "0x"
    answer = await node.call("zvm_executeFunction", {"module": hexadecimal(code)})
    # off chain a module need not be a contract: a library's memory is paid for without the import
    assert answer["status"] == ("success" if name == "grows without paying" else "invalid_module")
    assert (await node.call("zvm_validateModule", hexadecimal(code)))["valid"] is False
    placed = await node.place(code)
    called = await node.send(to=placed, gas="0xf42400")
    assert (called["status"], called["gasUsed"]) == ("0x0", "0xf42400")
    await next_request_is_answered(node, 2)


@pytest.mark.lengthy
async def test_a_module_cut_at_any_byte(node: Node) -> None:
    whole = module("(i32.const 0)")
    shorter = 0
    for size in range(8, len(whole)):
        code = whole[:size]
        deployed = await deploy(node, code)
        answer = await node.call("zvm_executeFunction", {"module": hexadecimal(code)})
        if deployed["status"] == "0x1":
            shorter += 1
            assert answer["status"] == "success", size
        else:
            # without its exports it is a library that lacks the function
            assert answer["status"] in ("invalid_module", "invalid_function"), size
    assert shorter == 1, "without the names at its end it is still a module"
    assert (await deploy(node, whole))["status"] == "0x1"
    await next_request_is_answered(node, len(whole) - 7)
