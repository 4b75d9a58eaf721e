"""What the node tells about itself, and the remains of proof of work."""

from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal

HASH = "0x" + "00" * 32


async def test_identity(node: Node) -> None:
    assert await node.call("eth_chainId") == "0x7a69"
    assert await node.call("net_version") == await node.call("eth_networkId") == "31337"
    assert await node.call("web3_clientVersion") == "zevm/test"
    assert await node.call("net_listening") is True
    assert await node.call("net_peerCount") == "0x0"
    assert await node.call("eth_syncing") is False
    assert await node.call("eth_protocolVersion") == "0x44"


async def test_sha3(node: Node) -> None:
    empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert await node.call("web3_sha3", "0x") == empty
    assert (await node.fails("web3_sha3", "hello")).code == -32602


async def test_mining_and_coinbase(node: Node) -> None:
    assert await node.call("eth_mining") is True
    await node.call("evm_setAutomine", False)
    assert await node.call("eth_mining") is False
    assert await node.call("eth_hashrate") == "0x0"
    await node.call("hardhat_setCoinbase", hexadecimal(ALICE))
    assert await node.call("eth_coinbase") == hexadecimal(ALICE)


async def test_proof_of_work(node: Node) -> None:
    assert (await node.fails("eth_getWork")).code == -32000
    assert await node.call("eth_submitWork", "0x0000000000000000", HASH, HASH) is False
    assert await node.call("eth_submitHashrate", "0x05", HASH) is False


async def test_modules_and_discovery(node: Node) -> None:
    modules = await node.call("rpc_modules")
    assert {"eth", "net", "web3", "evm", "anvil", "hardhat", "txpool", "personal", "rpc"} <= set(modules)
    assert set(modules.values()) == {"1.0"}
    document = await node.call("rpc.discover")
    assert "eth_chainId" in {item["name"] for item in document["methods"]}


async def test_unknown_method(node: Node) -> None:
    error = await node.fails("eth_nonsense")
    assert (error.code, error.message) == (-32601, "the method eth_nonsense does not exist/is not available")
