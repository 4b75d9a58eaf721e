"""trace_: Parity's frames with their places, filters, replays with state differences and vmTrace, calls."""

from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, ENDLESS, REVERT_DATA, assemble, creation, reverting
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, Node, hexadecimal

HEX_ALICE, HEX_BOB, HEX_CAROL = map(hexadecimal, (ALICE, BOB, CAROL))
NOWHERE = "0x" + "11" * 32
INNER = "0x" + "d1" * 20
CALLER = assemble(f"0x20 0x00 0x00 0x00 {INNER} 0xffff STATICCALL 0x00 MLOAD 0x05 SSTORE STOP")
"""Calls INNER and stores what it returns in slot 5."""
ALL = ["trace", "vmTrace", "stateDiff"]


def word(number: int) -> str:
    return f"0x{number:064x}"


async def call_within(node: Node) -> dict[str, Any]:
    """The receipt of a transaction whose contract calls another one."""
    await node.call("anvil_setCode", INNER, hexadecimal(assemble("0x07 0x00 MSTORE 0x20 0x00 RETURN")))
    caller = (await node.send(data=hexadecimal(creation(CALLER))))["contractAddress"]
    return await node.send(to=caller, gas=hex(200_000))


async def test_frames_of_a_transaction(node: Node) -> None:
    receipt = await call_within(node)
    frames = await node.call("trace_transaction", receipt["transactionHash"])
    assert [frame["traceAddress"] for frame in frames] == [[], [0]]
    outer, inner = frames
    used = int(receipt["gasUsed"], 16)
    assert (outer["action"]["gas"], outer["result"]["gasUsed"]) == (hex(200_000 - 21_000), hex(used - 21_000))
    assert (outer["blockHash"], outer["transactionHash"]) == (receipt["blockHash"], receipt["transactionHash"])
    assert (outer["subtraces"], outer["type"], outer["transactionPosition"]) == (1, "call", 0)
    assert inner["action"]["callType"] == "staticcall"
    assert inner["result"]["output"] == word(7)
    assert await node.call("trace_get", receipt["transactionHash"], ["0x0"]) == inner
    assert await node.call("trace_get", receipt["transactionHash"], []) == outer
    assert await node.call("trace_get", receipt["transactionHash"], ["0x0", "0x3"]) is None
    assert await node.call("trace_block", receipt["blockNumber"]) == frames


async def test_failures_have_paritys_names_and_no_result(node: Node) -> None:
    box = await node.place(reverting(REVERT_DATA))
    receipt = await node.send(to=box, gas=hex(100_000))
    frame = (await node.call("trace_transaction", receipt["transactionHash"]))[0]
    assert frame["error"] == "Reverted"
    assert "result" not in frame


async def test_what_is_not_there(node: Node) -> None:
    assert await node.call("trace_transaction", NOWHERE) is None
    assert await node.call("trace_get", NOWHERE, []) is None
    assert await node.call("trace_block", "0x64") is None
    assert await node.call("trace_block", NOWHERE) is None
    assert await node.call("trace_block", "0x0") == []
    assert await node.call("trace_replayBlockTransactions", "0x64", ["trace"]) is None
    assert await node.call("trace_replayBlockTransactions", "0x0", ["trace"]) == []
    error = await node.fails("trace_replayTransaction", NOWHERE, ["trace"])
    assert (error.code, error.message) == (-32000, "transaction not found")
    for name in ("trace_transaction", "trace_get", "trace_block"):
        assert (await node.fails(name, "zz", [])).code == -32602


async def test_filters(node: Node) -> None:
    for target in (HEX_BOB, HEX_CAROL, HEX_BOB):
        await node.send(to=target, value="0x1")
    await node.send(data=hexadecimal(creation(BOX)))

    async def found(**wanted: Any) -> list[tuple[int, Any]]:
        frames = await node.call("trace_filter", wanted)
        return [(frame["blockNumber"], frame["action"].get("to")) for frame in frames]

    everything = [(1, HEX_BOB), (2, HEX_CAROL), (3, HEX_BOB), (4, None)]
    assert await found() == everything
    assert await found(fromBlock="0x2", toBlock="0x3") == everything[1:3]
    assert await found(toAddress=[HEX_BOB]) == [everything[0], everything[2]]
    assert await found(fromAddress=[HEX_BOB]) == []
    assert await found(fromAddress=[HEX_BOB], toAddress=[HEX_CAROL]) == [everything[1]]
    assert await found(fromAddress=[HEX_BOB], toAddress=[HEX_CAROL], mode="intersection") == []
    assert await found(after=1, count=2) == everything[1:3]
    created = (await node.call("trace_block", "0x4"))[0]["result"]["address"]
    assert await found(toAddress=[created]) == [everything[3]]
    assert (await node.fails("trace_filter", {"fromBlock": "0x3", "toBlock": "0x1"})).code == -32602
    assert "expected union or intersection" in (await node.fails("trace_filter", {"mode": "both"})).message


async def test_a_replay(node: Node) -> None:
    receipt = await call_within(node)
    found = await node.call("trace_replayTransaction", receipt["transactionHash"], ALL)
    assert found["output"] == "0x"
    assert [frame["traceAddress"] for frame in found["trace"]] == [[], [0]]
    assert "blockHash" not in found["trace"][0]
    difference = found["stateDiff"]
    assert difference[receipt["to"]] == {
        "balance": "=",
        "code": "=",
        "nonce": "=",
        "storage": {word(5): {"*": {"from": word(0), "to": word(7)}}},
    }
    assert difference[HEX_ALICE]["nonce"] == {"*": {"from": "0x1", "to": "0x2"}}
    assert INNER not in difference
    block = await node.call("trace_replayBlockTransactions", receipt["blockNumber"], ALL)
    assert block == [found | {"transactionHash": receipt["transactionHash"]}]
    bare = await node.call("trace_replayTransaction", receipt["transactionHash"], [])
    assert bare == {"output": "0x", "stateDiff": None, "trace": [], "vmTrace": None}


async def test_instructions(node: Node) -> None:
    receipt = await call_within(node)
    found = (await node.call("trace_replayTransaction", receipt["transactionHash"], ["vmTrace"]))["vmTrace"]
    assert found["code"] == hexadecimal(CALLER)
    call = next(operation for operation in found["ops"] if operation["sub"] is not None)
    assert call["ex"]["push"] == ["0x1"]
    assert call["ex"]["mem"] == {"off": 0, "data": word(7)}
    inner = call["sub"]["ops"]
    assert [operation["pc"] for operation in inner] == [0, 2, 4, 5, 7, 9]
    assert inner[0] == {
        "cost": 3,
        "ex": {"mem": None, "push": ["0x7"], "store": None, "used": inner[0]["ex"]["used"]},
        "pc": 0,
        "sub": None,
    }
    assert inner[2]["ex"]["mem"] == {"off": 0, "data": word(7)}
    store = found["ops"][-2]
    assert store["ex"]["store"] == {"key": "0x5", "val": "0x7"}
    assert store["cost"] == 22_100
    # STOP leaves what the frame hands back
    assert found["ops"][-1]["ex"]["used"] == 200_000 - int(receipt["gasUsed"], 16)


async def test_new_accounts(node: Node) -> None:
    stranger = "0x" + "99" * 20
    receipt = await node.send(to=stranger, value="0x5")
    difference = (await node.call("trace_replayTransaction", receipt["transactionHash"], ["stateDiff"]))["stateDiff"]
    assert difference[stranger] == {"balance": {"+": "0x5"}, "code": {"+": "0x"}, "nonce": {"+": "0x0"}, "storage": {}}


async def test_calls(node: Node) -> None:
    box = await node.place(BOX)
    store, read = {"to": box, "data": word(9)}, {"to": box}
    found = await node.call("trace_call", store, ["trace", "stateDiff"], "latest")
    assert found["stateDiff"][box]["storage"] == {word(0): {"*": {"from": word(0), "to": word(9)}}}
    many = await node.call("trace_callMany", [[store, ["trace"]], [read, ["trace"]]], "latest")
    assert [item["output"] for item in many] == ["0x", word(9)]
    assert await node.call("trace_call", read, ["trace"]) == await node.call("trace_call", read, ["trace"], "latest")
    error = await node.fails("trace_call", read, ["everything"])
    assert (error.code, error.message) == (
        -32602,
        "invalid argument 1: unknown trace type 'everything', expected one of trace, vmTrace, stateDiff",
    )
    error = await node.fails("trace_call", {"from": "0x" + "77" * 20, "value": "0x1", "to": box}, ["trace"])
    assert error.message.startswith("tracing failed: insufficient funds")
    assert (await node.fails("trace_callMany", [[read]])).code == -32602


async def test_signed_transactions(node: Node) -> None:
    signed = node.signed(KEYS[0], value=3)
    found = await node.call("trace_rawTransaction", hexadecimal(signed.encoded), ["trace", "stateDiff"])
    assert found["trace"][0]["action"]["value"] == "0x3"
    assert found["stateDiff"][HEX_ALICE]["nonce"] == {"*": {"from": "0x0", "to": "0x1"}}
    assert await node.call("eth_getTransactionCount", HEX_ALICE) == "0x0"
    wrong = node.signed(KEYS[0], nonce=7)
    assert "nonce too high" in (await node.fails("trace_rawTransaction", hexadecimal(wrong.encoded), [])).message
    assert (await node.fails("trace_rawTransaction", "0xc0", [])).code == -32000


@pytest.mark.lengthy
async def test_what_runs_out_of_gas(node: Node) -> None:
    endless = await node.place(ENDLESS)
    found = await node.call("trace_call", {"to": endless, "gas": hex(100_000)}, ["trace", "vmTrace"])
    assert found["trace"][0]["error"] == "Out of gas"
    assert found["vmTrace"]["ops"][-1]["ex"] is None
