"""Coming blocks, the pool, reorganisations, and what the node tells about itself."""

import pytest

from tests.rpc.methods.assembly import ENVIRONMENT
from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, Node, hexadecimal
from zevm.chain.rules.forks import Fork
from zevm.rpc.methods.dev.chain import foundry_fork

GWEI = 10**9
HASH = "0x" + "ab" * 32
BLOB = "0x" + "00" * 131_072
OTHER_BLOB = "0x" + "01" * 131_072


async def head(node: Node) -> dict[str, str]:
    block: dict[str, str] = await node.call("eth_getBlockByNumber", "latest")
    return block


async def test_coinbase_and_gas_limit_stay(node: Node) -> None:
    await node.call("anvil_setCoinbase", hexadecimal(BOB))
    assert await node.call("evm_setBlockGasLimit", hex(12_345_678)) is True
    await node.call("anvil_mine", 2)
    assert ((await head(node))["miner"], (await head(node))["gasLimit"]) == (hexadecimal(BOB), hex(12_345_678))
    assert (await node.fails("hardhat_setCoinbase", "0x12")).code == -32602
    assert (await node.fails("anvil_setBlockGasLimit", "0x0")).message == "gas limit 0 is out of range"


async def test_prev_randao_and_base_fee_hold_for_one_block(node: Node) -> None:
    randao = await node.place(ENVIRONMENT["PREVRANDAO"])
    await node.call("hardhat_setPrevRandao", HASH)
    await node.call("anvil_setNextBlockBaseFeePerGas", hex(9 * GWEI))
    assert await node.call("eth_call", {"to": randao}, "pending") == HASH
    await node.call("evm_mine")
    assert ((await head(node))["mixHash"], (await head(node))["baseFeePerGas"]) == (HASH, hex(9 * GWEI))
    await node.call("evm_mine")
    assert (await head(node))["mixHash"] != HASH
    assert int((await head(node))["baseFeePerGas"], 16) < 9 * GWEI
    assert (await node.fails("anvil_setNextBlockPrevRandao", "0x12")).code == -32602
    assert (await node.fails("hardhat_setNextBlockBaseFeePerGas", "x")).code == -32602


async def test_min_gas_price_is_of_the_past(node: Node) -> None:
    for name in ("anvil_setMinGasPrice", "hardhat_setMinGasPrice"):
        error = await node.fails(name, "0x1")
        assert (error.code, error.message) == (
            -32602,
            "anvil_setMinGasPrice is not supported when EIP-1559 is active",
        )


async def test_chain_id(node: Node) -> None:
    contract = await node.place(ENVIRONMENT["CHAINID"])
    await node.call("anvil_setChainId", 5)
    assert (await node.call("eth_chainId"), await node.call("net_version")) == ("0x5", "5")
    assert await node.call("eth_call", {"to": contract}) == f"0x{5:064x}"
    assert (await node.send(to=hexadecimal(BOB)))["status"] == "0x1"
    assert (await node.fails("anvil_setChainId", 0)).code == -32602


async def test_logging_can_be_switched(node: Node) -> None:
    class Log:
        enabled = True

        def called(self, *_arguments: object) -> None: ...

        def set_logging(self, enabled: bool) -> None:
            self.enabled = enabled

    log = node.services.call_log = Log()
    await node.call("hardhat_setLoggingEnabled", False)
    assert log.enabled is False
    await node.call("anvil_setLoggingEnabled", True)
    assert log.enabled is True
    assert (await node.fails("anvil_setLoggingEnabled", "on")).code == -32602


async def test_dropping_transactions(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    fields = {"to": hexadecimal(BOB), "gasPrice": hex(5 * GWEI)}
    first = await node.call("eth_sendTransaction", fields)
    assert await node.call("anvil_dropTransaction", first) == first
    assert await node.call("anvil_dropTransaction", first) is None
    assert await node.call("hardhat_dropTransaction", first) is False
    second = await node.call("eth_sendTransaction", fields)
    assert await node.call("hardhat_dropTransaction", second) is True
    await node.call("eth_sendTransaction", fields)
    await node.call("eth_sendTransaction", fields | {"from": hexadecimal(BOB)})
    await node.call("anvil_removePoolTransactions", hexadecimal(ALICE))
    assert list((await node.call("txpool_content"))["pending"]) != []
    assert (await node.call("txpool_contentFrom", hexadecimal(ALICE)))["pending"] == {}
    await node.call("hardhat_dropAllTransactions")
    assert await node.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert (await node.fails("anvil_dropTransaction", "0x12")).code == -32602
    assert (await node.fails("anvil_removePoolTransactions", "0x12")).code == -32602


async def test_rollback(node: Node) -> None:
    for _ in range(3):
        await node.send(to=hexadecimal(BOB), value="0x1")
    await node.call("anvil_rollback", 2)
    assert await node.call("eth_blockNumber") == "0x1"
    assert await node.call("eth_getTransactionCount", hexadecimal(ALICE), "latest") == "0x1"
    await node.call("anvil_rollback")
    assert await node.call("eth_blockNumber") == "0x0"
    assert (await node.fails("anvil_rollback")).code == -32602


@pytest.mark.parametrize("named", [False, True])
async def test_reorg(node: Node, named: bool) -> None:
    old = [await node.send(to=hexadecimal(BOB), value="0x1") for _ in range(2)]
    raw = hexadecimal(node.signed(KEYS[1]).encoded)
    pairs = [[raw, 0], [{"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x7", "nonce": "0x0"}, 1]]
    params = [{"depth": 2, "tx_block_pairs": pairs}] if named else [2, pairs]
    assert await node.call("anvil_reorg", *params) is None
    assert await node.call("eth_blockNumber") == "0x2"
    blocks = [await node.call("eth_getBlockByNumber", number, True) for number in ("0x1", "0x2")]
    assert [block["transactions"][0]["from"] for block in blocks] == [hexadecimal(BOB), hexadecimal(ALICE)]
    assert await node.call("eth_getTransactionReceipt", old[0]["transactionHash"]) is None


async def test_reorg_refused(node: Node) -> None:
    await node.call("evm_mine")
    for bad in ([5], [1, [["0x00"]]], [1, [["0xc0", 0]]], [1, 3], [{}]):
        assert (await node.fails("anvil_reorg", *bad)).code in (-32602, -32000)
    error = await node.fails("anvil_reorg", 1, [[hexadecimal(node.signed(KEYS[0]).encoded), 1]])
    assert error.message == "block 1 is not among the 1 new ones"
    assert await node.call("eth_blockNumber") == "0x1"


async def test_node_info(node: Node) -> None:
    await node.call("evm_mine")
    info = await node.call("anvil_nodeInfo")
    block = await head(node)
    assert info == {
        "currentBlockNumber": "0x1",
        "currentBlockTimestamp": int(block["timestamp"], 16),
        "currentBlockHash": block["hash"],
        "hardFork": "Osaka",
        "transactionOrder": "fees",
        "environment": {
            "baseFee": await node.call("eth_baseFee"),
            "chainId": 31337,
            "gasLimit": block["gasLimit"],
            "gasPrice": await node.call("eth_gasPrice"),
        },
        "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
    }


def test_the_forks_names_are_those_that_foundry_parses() -> None:
    assert [foundry_fork(fork) for fork in Fork] == [
        "Frontier",
        "Homestead",
        "Tangerine",
        "SpuriousDragon",
        "Byzantium",
        "Constantinople",
        "Petersburg",
        "Istanbul",
        "MuirGlacier",
        "Berlin",
        "London",
        "ArrowGlacier",
        "GrayGlacier",
        "Paris",
        "Shanghai",
        "Cancun",
        "Prague",
        "Osaka",
        "Osaka",
        "Osaka",
    ]


async def test_metadata(node: Node) -> None:
    snapshot = await node.call("evm_snapshot")
    for name in ("anvil_metadata", "hardhat_metadata"):
        metadata = await node.call(name)
        block = await head(node)
        assert metadata == {
            "clientVersion": "zevm/test",
            "chainId": 31337,
            "instanceId": hexadecimal(node.services.instance_id),
            "latestBlockNumber": 0,
            "latestBlockHash": block["hash"],
            "snapshots": {snapshot: [0, block["hash"]]},
        }


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_blobs(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB), blobs=[BLOB, OTHER_BLOB])
    assert (receipt["status"], receipt["type"], receipt["blobGasUsed"]) == ("0x1", "0x3", hex(2 * 131_072))
    transaction = await node.call("eth_getTransactionByHash", receipt["transactionHash"])
    assert await node.call("anvil_getBlobsByTransactionHash", receipt["transactionHash"]) == [BLOB, OTHER_BLOB]
    for versioned_hash, blob in zip(transaction["blobVersionedHashes"], (BLOB, OTHER_BLOB), strict=True):
        assert await node.call("anvil_getBlobByHash", versioned_hash) == blob
    assert await node.call("anvil_getBlobByHash", HASH) is None
    assert await node.call("anvil_getBlobsByTransactionHash", HASH) is None
    error = await node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "blobs": ["0x00"]})
    assert "field blobs: hex string has length 2" in error.message
    wrong = {"to": hexadecimal(BOB), "blobs": [BLOB], "blobVersionedHashes": ["0x01" + "00" * 31]}
    assert (await node.fails("eth_sendTransaction", wrong)).message.startswith("blob hash verification failed")
