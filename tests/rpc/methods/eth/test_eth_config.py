"""eth_config, eth_capabilities, eth_getBlockAccessList*, erigon_getHeaderByNumber."""

import json

import pytest

from tests.rpc.methods.memory_node import ALICE, Node, start_node, stop_node
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis

NAMES = [
    *("ARBWASM", "BLAKE2F", "BLS12_G1ADD", "BLS12_G1MSM", "BLS12_G2ADD", "BLS12_G2MSM", "BLS12_MAP_FP2_TO_G2"),
    *("BLS12_MAP_FP_TO_G1", "BLS12_PAIRING_CHECK", "BN254_ADD", "BN254_MUL", "BN254_PAIRING", "ECREC", "ID"),
    *("KZG_POINT_EVALUATION", "MODEXP", "P256VERIFY", "RIPEMD160", "SHA256", "ZVM_LIBRARY"),
]


async def test_the_configuration_in_force(node: Node) -> None:
    answer = await node.call("eth_config")
    current = answer["current"]
    assert (answer["next"], answer["last"]) == (None, None)
    assert current["blobSchedule"] == {"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671}
    assert (current["activationTime"], current["chainId"]) == (0, hex(31_337))
    assert list(current["precompiles"]) == NAMES
    assert current["precompiles"]["P256VERIFY"] == "0x" + "00" * 18 + "0100"
    assert len(current["systemContracts"]) == 5
    assert len(current["forkId"]) == 10


async def test_forks_to_come(node: Node) -> None:
    default = Genesis.default(fork=Fork.CANCUN, accounts=[ALICE], timestamp=1_700_000_000, zvm=False)
    document = json.loads(json.dumps(default.to_json()))
    document["config"] |= {"pragueTime": 1_700_001_000, "osakaTime": 1_700_002_000, "bpo1Time": 1_700_003_000}
    coming = await start_node(Genesis.from_json(document))
    try:
        answer = await coming.call("eth_config")
        current, following, last = answer["current"], answer["next"], answer["last"]
        assert [item["activationTime"] for item in (current, following, last)] == [0, 1_700_001_000, 1_700_003_000]
        assert [item["blobSchedule"]["max"] for item in (current, following, last)] == [6, 9, 15]
        assert [len(item["precompiles"]) for item in (current, following, last)] == [10, 17, 18]
        assert [len(item["systemContracts"]) for item in (current, following, last)] == [1, 5, 5]
        assert len({item["forkId"] for item in (current, following, last)}) == 3
    finally:
        await stop_node(coming)
    other = await node.call("eth_config")
    assert other["current"]["forkId"] not in {current["forkId"], following["forkId"]}


async def test_a_chain_before_forks_by_time_has_no_configuration() -> None:
    old = await start_node(Genesis.default(fork=Fork.LONDON, accounts=[ALICE], zvm=False))
    try:
        assert await old.call("eth_config") == {"current": None, "next": None, "last": None}
    finally:
        await stop_node(old)


async def test_capabilities(node: Node) -> None:
    block = (await node.call("evm_mine_detailed"))[0]
    answer = await node.call("eth_capabilities")
    assert answer.pop("head") == {"number": "0x1", "hash": block["hash"]}
    everything = {"disabled": False, "oldestBlock": "0x0"}
    assert answer == dict.fromkeys(("state", "tx", "logs", "receipts", "blocks", "stateproofs"), everything)
    error = await node.fails("eth_capabilities", 1)
    assert (error.code, error.message) == (-32602, "too many arguments, want at most 0")


BY_HASH = ("eth_getBlockAccessList", "eth_getBlockAccessListRaw", "eth_getBlockAccessListByBlockHash")
BY_NUMBER = ("eth_getBlockAccessList", "eth_getBlockAccessListRaw", "eth_getBlockAccessListByBlockNumber")


@pytest.mark.parametrize(("methods", "by_hash"), [(BY_HASH, True), (BY_NUMBER, False)])
async def test_no_fork_has_block_access_lists(node: Node, methods: tuple[str, ...], by_hash: bool) -> None:
    genesis = await node.call("eth_getBlockByNumber", "0x0", False)
    for method in methods:
        known, unknown = (genesis["hash"], "0x" + "77" * 32) if by_hash else ("0x0", "0x64")
        error = await node.fails(method, known)
        assert error.code == -32001
        assert error.message == (
            "block 0 has no access list: it is under BPO2, and lists begin with Amsterdam (EIP-7928)"
        )
        assert await node.call(method, unknown) is None


async def test_headers_in_erigons_name(node: Node) -> None:
    assert await node.call("erigon_getHeaderByNumber", "0x0") == await node.call("eth_getHeaderByNumber", "0x0")
    assert await node.call("erigon_getHeaderByNumber", "0x64") is None
    assert (await node.fails("erigon_getHeaderByNumber", "x")).code == -32602
