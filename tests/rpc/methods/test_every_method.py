"""What holds for every method: its parameters are checked, with geth's texts and codes."""

from typing import Any

import pytest

import rpc.methods
from rpc.registry import REGISTRY
from tests.rpc.methods.memory_node import Node

rpc.methods.load()

METHODS = list(REGISTRY.public().methods())
WITH_REQUIRED = [item for item in METHODS if item.params and item.params[0].required]


async def test_missing_parameters(node: Node) -> None:
    for method in WITH_REQUIRED:
        error = await node.fails(method.name)
        assert (error.code, error.message) == (-32602, "missing value for required argument 0"), method.name


async def test_too_many_parameters(node: Node) -> None:
    for method in METHODS:
        if method not in WITH_REQUIRED:
            count = len(method.params)
            error = await node.fails(method.name, *[None] * count, 1)
            assert (error.code, error.message) == (-32602, f"too many arguments, want at most {count}"), method.name


WRONG_VALUES = [True, [], {"zz": {}}, "no", -1, 2**300, 1e308, "0x", "0x" + "ff" * 40, [[]], {"from": 5}]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=[repr(value)[:12] for value in WRONG_VALUES])
async def test_no_parameter_is_an_internal_error(node: Node, value: Any) -> None:
    for method in WITH_REQUIRED:
        required = sum(param.required for param in method.params)
        answer = await node.ask(method.name, *[value] * required)
        code = answer.get("error", {"code": None})["code"]
        assert code in (None, -32602, -32000, -32601, 3), (method.name, answer)


FIRST_TIERS = """
eth_chainId net_version web3_clientVersion eth_blockNumber eth_getBlockByNumber eth_getBlockByHash eth_getBalance
eth_getTransactionCount eth_getCode eth_getStorageAt eth_call eth_estimateGas eth_gasPrice eth_maxPriorityFeePerGas
eth_feeHistory eth_sendRawTransaction eth_sendTransaction eth_accounts eth_getTransactionByHash
eth_getTransactionReceipt eth_getLogs eth_newFilter eth_newBlockFilter eth_newPendingTransactionFilter
eth_getFilterChanges eth_getFilterLogs eth_uninstallFilter eth_subscribe eth_unsubscribe evm_snapshot evm_revert
evm_mine evm_increaseTime evm_setNextBlockTimestamp evm_setAutomine evm_setIntervalMining eth_fillTransaction
eth_getAccountInfo eth_requestAccounts eth_networkId anvil_nodeInfo anvil_getAutomine hardhat_getAutomine
"""


def test_the_methods_of_the_first_two_tiers_are_there() -> None:
    wanted = FIRST_TIERS.split()
    shared = "setBalance setCode setNonce setStorageAt impersonateAccount stopImpersonatingAccount mine metadata"
    wanted += [f"{prefix}_{name}" for prefix in ("anvil", "hardhat") for name in shared.split()]
    assert [name for name in wanted if name not in REGISTRY.by_name] == []


def test_every_row_is_documented() -> None:
    assert [item.name for item in METHODS if not item.summary.endswith(".")] == []
