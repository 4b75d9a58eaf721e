"""Values that are allowed and far off: they must harm neither a later call nor a thread."""

import threading

from tests.rpc.methods.memory_node import Node


async def test_state_dump_with_a_base_fee_beyond_64_bits(node: Node) -> None:
    await node.call("anvil_setNextBlockBaseFeePerGas", hex(2**70))
    await node.call("evm_mine")
    dumped = await node.call("anvil_dumpState")
    assert await node.call("anvil_loadState", dumped) is True


async def test_an_interval_longer_than_a_clock_can_hold(node: Node) -> None:
    await node.call("evm_setIntervalMining", hex(2**200))
    names = [thread.name for thread in threading.enumerate()]
    assert "interval-mining" in names
    await node.call("evm_setIntervalMining", 1)
    await node.call("evm_setIntervalMining", 0)
    assert int(await node.call("eth_blockNumber"), 16) == 0
