"""Gas prices and the fee history."""

from collections.abc import AsyncIterator

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis

GWEI = 10**9


async def test_prices(node: Node) -> None:
    base_fee = int(await node.call("eth_baseFee"), 16)
    assert base_fee == node.chain.next_base_fee()
    assert int(await node.call("eth_maxPriorityFeePerGas"), 16) == GWEI
    assert int(await node.call("eth_gasPrice"), 16) == base_fee + GWEI
    assert await node.call("eth_blobBaseFee") == "0x1"


async def test_prices_follow_a_fixed_base_fee(node: Node) -> None:
    await node.call("hardhat_setNextBlockBaseFeePerGas", hex(7 * GWEI))
    assert await node.call("eth_baseFee") == hex(7 * GWEI)
    assert await node.call("eth_gasPrice") == hex(8 * GWEI)
    history = await node.call("eth_feeHistory", "0x1", "latest", [])
    assert history["baseFeePerGas"][-1] == hex(7 * GWEI)


@pytest.fixture
async def old_node() -> AsyncIterator[Node]:
    running = await start_node(Genesis.default(fork=Fork.BERLIN, accounts=[ALICE, BOB], base_fee=None))
    yield running
    await stop_node(running)


async def test_before_london(old_node: Node) -> None:
    assert await old_node.call("eth_baseFee") is None
    assert await old_node.call("eth_blobBaseFee") is None
    assert await old_node.call("eth_gasPrice") == hex(GWEI)
    receipt = await old_node.send(to=hexadecimal(BOB), value="0x1")
    assert (receipt["status"], receipt["type"]) == ("0x1", "0x0")
    error = await old_node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "maxFeePerGas": "0x5"})
    assert "not valid before London" in error.message
    assert (await old_node.fails("anvil_setNextBlockBaseFeePerGas", "0x1")).code == -32602
    await old_node.call("anvil_setMinGasPrice", hex(GWEI))


async def test_fee_history(node: Node) -> None:
    for _ in range(3):
        await node.send(to=hexadecimal(BOB), value="0x1", maxPriorityFeePerGas=hex(3 * GWEI))
    history = await node.call("eth_feeHistory", "0x2", "latest", [0, 50, 100])
    blocks = [await node.call("eth_getBlockByNumber", number) for number in ("0x2", "0x3")]
    assert history["oldestBlock"] == "0x2"
    assert history["baseFeePerGas"][:2] == [block["baseFeePerGas"] for block in blocks]
    assert history["baseFeePerGas"][2] == await node.call("eth_baseFee")
    ratios = [int(block["gasUsed"], 16) / int(block["gasLimit"], 16) for block in blocks]
    assert history["gasUsedRatio"] == ratios
    assert history["reward"] == [[hex(3 * GWEI)] * 3] * 2
    assert len(history["baseFeePerBlobGas"]) == 3
    assert len(history["blobGasUsedRatio"]) == 2


async def test_fee_history_reaches_no_further_than_genesis(node: Node) -> None:
    await node.call("evm_mine")
    history = await node.call("eth_feeHistory", 1000, "latest")
    assert (history["oldestBlock"], len(history["gasUsedRatio"])) == ("0x0", 2)
    assert "reward" not in history
    pending = await node.call("eth_feeHistory", "0x1", "pending", [])
    assert pending["oldestBlock"] == "0x2"
    assert (await node.call("eth_feeHistory", "0x0", "latest"))["oldestBlock"] == "0x0"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (["0x1", "0x64", []], "request beyond head block: requested 100, head 0"),
        (["0x1", "latest", [50, 20]], "invalid reward percentile: #0:50.000000 >= #1:20.000000"),
        (["0x1", "latest", [101]], "invalid reward percentile: 101.000000"),
        (["0x1", "latest", list(range(101))], "invalid reward percentile: over the query limit 100"),
    ],
)
async def test_fee_history_refusals(node: Node, params: list[object], message: str) -> None:
    error = await node.fails("eth_feeHistory", *params)
    assert (error.code, error.message) == (-32000, message)
    assert (await node.fails("eth_feeHistory", "0x1")).message == "missing value for required argument 1"
