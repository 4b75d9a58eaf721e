"""Logs and polling filters."""

import pytest

from tests.rpc.methods.assembly import BOX, TOPIC
from tests.rpc.methods.memory_node import BOB, Node, hexadecimal, start_node, stop_node
from zevm.rpc.limits import Limits

OTHER = "0x" + "22" * 32
NOWHERE = "0x" + "ab" * 32


async def emit(node: Node, box: str, value: int) -> dict[str, object]:
    receipt = await node.send(to=box, data=f"0x{value:064x}")
    [log] = receipt["logs"]
    assert isinstance(log, dict)
    return log


async def test_logs(node: Node) -> None:
    box, other = await node.place(BOX), await node.place(BOX, b"\xc1" * 20)
    first, second, third = await emit(node, box, 1), await emit(node, other, 2), await emit(node, box, 3)
    everything = {"fromBlock": "0x0", "toBlock": "latest"}
    assert await node.call("eth_getLogs", everything) == [first, second, third]
    assert await node.call("eth_getLogs", everything | {"address": box}) == [first, third]
    assert await node.call("eth_getLogs", everything | {"address": [box, other]}) == [first, second, third]
    assert await node.call("eth_getLogs", everything | {"topics": [hexadecimal(TOPIC)]}) == [first, second, third]
    assert await node.call("eth_getLogs", everything | {"topics": [[OTHER, hexadecimal(TOPIC)]]}) != []
    assert await node.call("eth_getLogs", everything | {"topics": [OTHER]}) == []
    assert await node.call("eth_getLogs", everything | {"topics": [None, OTHER]}) == []
    assert await node.call("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x2"}) == [second]
    assert await node.call("eth_getLogs", {"blockHash": second["blockHash"]}) == [second]
    assert await node.call("eth_getLogs", {}) == [third]


@pytest.mark.parametrize(
    ("criteria", "code", "message"),
    [
        ({"fromBlock": "0x2", "toBlock": "0x1"}, -32602, "invalid block range params"),
        ({"toBlock": "0x9"}, -32602, "block range extends beyond current head block"),
        ({"blockHash": NOWHERE}, -32000, "unknown block"),
        (
            {"blockHash": NOWHERE, "fromBlock": "0x0"},
            -32602,
            "invalid argument 0: can't specify fromBlock/toBlock with blockHash",
        ),
        ({"fromBlock": "0x0", "topics": [OTHER] * 5}, -32602, None),
        ({"fromBlock": "0x0", "address": [hexadecimal(BOB)] * 1001}, -32602, None),
    ],
)
async def test_logs_refused(node: Node, criteria: dict[str, object], code: int, message: str | None) -> None:
    await node.call("anvil_mine", 2)
    error = await node.fails("eth_getLogs", criteria)
    assert error.code == code
    assert message is None or error.message == message


async def test_the_range_of_a_search_is_bounded() -> None:
    running = await start_node(limits=Limits(log_block_range=2))
    try:
        await running.call("anvil_mine", 3)
        assert await running.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x3"}) == []
        error = await running.fails("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x3"})
        assert (error.code, error.message[:32]) == (-32602, "block range of 3 is too large: w")
    finally:
        await stop_node(running)


async def test_s7_the_range_is_free_and_the_head_is_known_before_it_is_checked() -> None:
    running = await start_node(limits=Limits(log_block_range=2))
    try:
        await running.call("anvil_mine", 3)
        error = await running.fails("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x64"})
        assert (error.code, error.message) == (-32602, "block range extends beyond current head block")
    finally:
        await stop_node(running)
    assert Limits().log_block_range == 0


async def test_log_filter(node: Node) -> None:
    box = await node.place(BOX)
    old = await emit(node, box, 1)
    identifier = await node.call("eth_newFilter", {"address": box, "fromBlock": "0x0"})
    assert await node.call("eth_getFilterChanges", identifier) == []
    new = await emit(node, box, 2)
    assert await node.call("eth_getFilterChanges", identifier) == [new]
    assert await node.call("eth_getFilterChanges", identifier) == []
    assert await node.call("eth_getFilterLogs", identifier) == [old, new]
    assert await node.call("eth_uninstallFilter", identifier) is True
    assert await node.call("eth_uninstallFilter", identifier) is False


async def test_block_filter(node: Node) -> None:
    identifier = await node.call("eth_newBlockFilter")
    await node.call("anvil_mine", 2)
    hashes = [(await node.call("eth_getBlockByNumber", number))["hash"] for number in ("0x1", "0x2")]
    assert await node.call("eth_getFilterChanges", identifier) == hashes
    assert (await node.fails("eth_getFilterLogs", identifier)).message == "filter not found"


async def test_pending_transaction_filters(node: Node) -> None:
    hashes, full = (
        await node.call("eth_newPendingTransactionFilter"),
        await node.call("eth_newPendingTransactionFilter", True),
    )
    await node.call("evm_setAutomine", False)
    sent = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB)})
    assert await node.call("eth_getFilterChanges", hashes) == [sent]
    [transaction] = await node.call("eth_getFilterChanges", full)
    assert transaction["hash"] == sent


async def test_unknown_filters(node: Node) -> None:
    for name in ("eth_getFilterChanges", "eth_getFilterLogs"):
        error = await node.fails(name, "0xdead")
        assert (error.code, error.message) == (-32000, "filter not found")
    assert (await node.fails("eth_newFilter", {"fromBlock": "0x2", "toBlock": "0x1"})).code == -32602
