"""What geth's admin console asks of a node."""

from tests.rpc.methods.memory_node import Node


async def test_the_node_and_its_chain(node: Node) -> None:
    found = await node.call("admin_nodeInfo")
    assert (found["name"], found["ports"]) == ("zevm/test", {"discovery": 0, "listener": 0})
    eth = found["protocols"]["eth"]
    assert eth["network"] == eth["config"]["chainId"] == 31337
    genesis = await node.call("eth_getBlockByNumber", "0x0", False)
    assert eth["genesis"] == eth["head"] == genesis["hash"]
    await node.call("evm_mine")
    newest = await node.call("eth_getBlockByNumber", "latest", False)
    assert (await node.call("admin_nodeInfo"))["protocols"]["eth"]["head"] == newest["hash"] != genesis["hash"]
    assert bytes.fromhex(found["id"])
    assert await node.call("admin_peers") == []


async def test_no_parameters_are_taken(node: Node) -> None:
    for name in ("admin_nodeInfo", "admin_peers"):
        error = await node.fails(name, 1)
        assert (error.code, error.message) == (-32602, "too many arguments, want at most 0")
