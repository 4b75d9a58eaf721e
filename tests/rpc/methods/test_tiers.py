"""The methods that clients and tools ask for, in the order in which they miss them; every one must be there.

Tier 1: without them no client works. Tier 2: what development nodes have. Tier 3: tools. Tier 4: indexers, explorers,
and who looks after a node.
"""

import pytest

import zevm.rpc.methods
from zevm.rpc.registry import REGISTRY

zevm.rpc.methods.load()

CHEATS = "setBalance setCode setNonce setStorageAt impersonateAccount stopImpersonatingAccount mine metadata"
TIERS = {
    1: """
    eth_chainId net_version web3_clientVersion eth_blockNumber eth_getBlockByNumber eth_getBlockByHash eth_getBalance
    eth_getTransactionCount eth_getCode eth_getStorageAt eth_call eth_estimateGas eth_gasPrice eth_maxPriorityFeePerGas
    eth_feeHistory eth_sendRawTransaction eth_sendTransaction eth_accounts eth_getTransactionByHash
    eth_getTransactionReceipt eth_getLogs eth_newFilter eth_newBlockFilter eth_newPendingTransactionFilter
    eth_getFilterChanges eth_getFilterLogs eth_uninstallFilter eth_subscribe eth_unsubscribe
    """,
    2: f"""
    evm_snapshot evm_revert evm_mine evm_increaseTime evm_setNextBlockTimestamp evm_setAutomine evm_setIntervalMining
    {" ".join(f"{prefix}_{name}" for prefix in ("anvil", "hardhat") for name in CHEATS.split())}
    eth_fillTransaction eth_getAccountInfo eth_requestAccounts eth_networkId anvil_nodeInfo anvil_getAutomine
    hardhat_getAutomine
    """,
    3: """
    debug_traceTransaction debug_traceCall debug_traceBlock debug_traceBlockByNumber debug_traceBlockByHash
    eth_getProof eth_createAccessList eth_simulateV1 eth_getBlockReceipts eth_sendRawTransactionSync
    txpool_content txpool_contentFrom txpool_inspect txpool_status eth_signTypedData_v4 personal_sign eth_config
    """,
    4: """
    trace_block trace_call trace_callMany trace_filter trace_get trace_rawTransaction trace_replayBlockTransactions
    trace_replayTransaction trace_transaction
    ots_getApiLevel ots_getInternalOperations ots_hasCode ots_traceTransaction ots_getTransactionError
    ots_getBlockDetails ots_getBlockDetailsByHash ots_getBlockTransactions ots_searchTransactionsBefore
    ots_searchTransactionsAfter ots_getTransactionBySenderAndNonce ots_getContractCreator
    erigon_getHeaderByNumber debug_getRawBlock debug_getRawHeader debug_getRawReceipts debug_getRawTransaction
    debug_storageRangeAt rpc_modules net_peerCount eth_mining admin_nodeInfo
    evm_setAccountBalance evm_setAccountCode evm_setAccountNonce evm_setAccountStorageAt
    """,
}


@pytest.mark.parametrize("tier", TIERS)
def test_every_method_of_a_tier_is_there(tier: int) -> None:
    assert [name for name in TIERS[tier].split() if name not in REGISTRY.by_name] == []
