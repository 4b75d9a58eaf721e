"""A follower gets to where its leader is, whatever happens on the way, or says why not."""

from __future__ import annotations

from typing import Any

import pytest

import zevm
from tests.node.replication.conftest import Open, Pair, caught_up, refusal_of
from zevm.node.client import CallFailedError

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x" + "5a" * 20
LOGGER = "0x60006000a000"
"""Logs nothing, once a call."""

BALANCES = "0x60043560005260406000205460005260206000f3"
"""Answers whatever it is asked with what is stored for the address that follows the selector, as a token's balances."""


def pay(node: zevm.Node, value_wei: int = 1, **fields: Any) -> str:
    sent: str = node.request("eth_sendTransaction", {"from": ALICE, "to": BOB, "value": hex(value_wei), **fields})
    return sent


@pytest.mark.lengthy
def test_a_new_follower_gets_the_leaders_genesis_and_every_block(leading: Pair, opened: Open) -> None:
    leader = leading.node
    leader.request("anvil_mine", "0x12c")
    pay(leader)
    follower = opened(follow=leading.lead())
    caught_up(follower, leader)
    assert follower.request("eth_blockNumber") == hex(301)
    assert follower.request("eth_getBlockByNumber", "0x0", False) == leader.request(
        "eth_getBlockByNumber", "0x0", False
    )
    pay(leader, 5)
    caught_up(follower, leader)
    assert follower.request("eth_getBalance", BOB, "latest") == leader.request("eth_getBalance", BOB, "latest")
    assert follower.request("eth_syncing") is False
    assert follower.request("net_peerCount") == "0x1"


def test_what_changes_the_state_outside_of_blocks_comes_along(leading: Pair, opened: Open) -> None:
    leader = leading.node
    leader.request("anvil_setBalance", STRANGER, "0x77")
    leader.request("anvil_setCode", STRANGER, "0x600160005260206000f3")
    leader.request("anvil_setStorageAt", STRANGER, "0x1", "0x" + "ab" * 32)
    pay(leader)
    follower = opened(follow=leading.lead())
    caught_up(follower, leader)
    for change in (
        ("anvil_setBalance", STRANGER, "0x99"),
        ("anvil_setNonce", STRANGER, "0x5"),
        ("anvil_setStorageAt", STRANGER, "0x1", "0x" + "00" * 32),
        ("anvil_setStorageAt", STRANGER, "0x2", "0x" + "cd" * 32),
        ("anvil_setCode", STRANGER, "0x"),
        ("anvil_setNonce", STRANGER, "0x0"),
        ("anvil_setBalance", STRANGER, "0x0"),
    ):
        leader.request(*change)
        caught_up(follower, leader)
    leader.request("anvil_impersonateAccount", STRANGER)
    leader.request("anvil_setBalance", STRANGER, hex(10**18))
    leader.request("eth_sendTransaction", {"from": STRANGER, "to": BOB, "value": "0x1"})
    caught_up(follower, leader)
    assert follower.request("eth_getBalance", STRANGER, "latest") == leader.request(
        "eth_getBalance", STRANGER, "latest"
    )


@pytest.mark.lengthy
def test_reverts_reorganisations_and_resets_are_followed(leading: Pair, opened: Open) -> None:
    leader = leading.node
    follower = opened(follow=leading.lead())
    leader.request("anvil_mine", "0x5")
    snapshot = leader.request("evm_snapshot")
    leader.request("anvil_setBalance", STRANGER, "0x1")
    leader.request("anvil_mine", "0xc8")
    caught_up(follower, leader)
    leader.request("evm_revert", snapshot)
    caught_up(follower, leader)
    assert follower.request("eth_blockNumber") == "0x5"
    assert follower.request("eth_getBalance", STRANGER, "latest") == "0x0"
    snapshot = leader.request("evm_snapshot")
    leader.request("anvil_setBalance", STRANGER, "0x2")
    caught_up(follower, leader)
    leader.request("evm_revert", snapshot)
    caught_up(follower, leader)
    leader.request("anvil_mine", "0x5")
    leader.request("anvil_reorg", 3, [])
    caught_up(follower, leader)
    leader.request("anvil_rollback", 2)
    caught_up(follower, leader)
    leader.request("anvil_reset")
    caught_up(follower, leader)
    assert follower.request("eth_blockNumber") == "0x0"
    pay(leader)
    caught_up(follower, leader)


def test_filters_of_a_follower_tell_of_a_reorganisation_as_its_leaders_do(leading: Pair, opened: Open) -> None:
    leader = leading.node
    leader.request("anvil_setCode", STRANGER, LOGGER)
    follower = opened(follow=leading.lead())
    caught_up(follower, leader)
    filters = {node: node.request("eth_newFilter", {"address": STRANGER}) for node in (leader, follower)}
    blocks = follower.request("eth_newBlockFilter")
    snapshot = leader.request("evm_snapshot")
    sent = leader.request("eth_sendTransaction", {"from": ALICE, "to": STRANGER})
    caught_up(follower, leader)
    leader.request("evm_revert", snapshot)
    again = leader.request("eth_sendTransaction", {"from": ALICE, "to": STRANGER, "value": "0x1"})
    caught_up(follower, leader)
    told = {node: node.request("eth_getFilterChanges", name) for node, name in filters.items()}
    assert told[follower] == told[leader]
    assert [(log["transactionHash"], log["removed"]) for log in told[follower]] == [
        (sent, False),
        (sent, True),
        (again, False),
    ]
    newest = follower.request("eth_getBlockByNumber", "latest", False)["hash"]
    assert follower.request("eth_getFilterChanges", blocks)[-1] == newest


def test_transactions_are_the_leaders_and_so_are_the_answers(leading: Pair, opened: Open) -> None:
    leader = leading.node
    follower = opened(follow=leading.lead())
    caught_up(follower, leader)
    sent = pay(follower, 7)
    assert follower.request("eth_getTransactionReceipt", sent)["blockNumber"] == "0x1"
    signed = leader.request(
        "eth_signTransaction",
        {
            "from": ALICE,
            "to": BOB,
            "nonce": "0x1",
            "gas": "0x5208",
            "maxFeePerGas": hex(10**10),
            "maxPriorityFeePerGas": "0x1",
            "chainId": "0x7a69",
        },
    )
    raw = signed if isinstance(signed, str) else signed["raw"]
    hash_of_it = follower.request("eth_sendRawTransaction", raw)
    assert leader.request("eth_getTransactionReceipt", hash_of_it)["status"] == "0x1"
    with pytest.raises(CallFailedError, match="nonce too low") as refused:
        follower.request("eth_sendRawTransaction", raw)
    assert refused.value.code == -32000
    leader.request("evm_setAutomine", False)
    pay(follower)
    assert follower.request("txpool_status")["pending"] == "0x1"
    assert follower.request("eth_getTransactionCount", ALICE, "pending") == "0x3"
    assert follower.request("eth_getTransactionCount", ALICE, "latest") == "0x2"


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "call",
    [
        ("evm_mine",),
        ("anvil_setBalance", STRANGER, "0x1"),
        ("hardhat_mine", "0x2"),
        ("evm_revert", "0x0"),
        ("evm_snapshot",),
        ("debug_setHead", "0x0"),
        ("eth_sendUnsignedTransaction", {"from": STRANGER, "to": BOB}),
    ],
)
def test_what_would_change_the_chain_is_refused_and_names_the_leader(
    call: tuple[Any, ...], leading: Pair, opened: Open
) -> None:
    address = leading.lead()
    follower = opened(follow=address)
    with pytest.raises(CallFailedError, match=f"follows {address}"):
        follower.request(*call)


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "calls",
    [
        [("anvil_setNextBlockBaseFeePerGas", "0x7"), ("evm_mine",), ("evm_mine",)],
        [("evm_setBlockGasLimit", "0xf4240"), ("evm_mine",)],
        [("anvil_setCoinbase", STRANGER), ("evm_mine",)],
        [("hardhat_setPrevRandao", "0x" + "0e" * 32), ("evm_mine",)],
        [("evm_increaseTime", "0x186a0"), ("evm_mine",)],
        [("evm_setNextBlockTimestamp", "0x7fffffff"), ("evm_mine",)],
        [("anvil_setCode", STRANGER, BALANCES), ("anvil_dealERC20", ALICE, STRANGER, "0x5")],
        [
            ("anvil_setBalance", STRANGER, hex(10**18)),
            ("eth_sendUnsignedTransaction", {"from": STRANGER, "to": BOB, "value": "0x1"}),
        ],
    ],
    ids=lambda calls: calls[-1][0],
)
def test_the_liberties_of_a_development_node_are_followed(
    calls: list[tuple[Any, ...]], leading: Pair, opened: Open
) -> None:
    leader = leading.node
    follower = opened(follow=leading.lead())
    for call in calls:
        leader.request(*call)
    pay(leader)
    caught_up(follower, leader)
    chain = [
        [node.request("eth_getBlockByNumber", hex(number), True) for number in range(leader.chain.head.number + 1)]
        for node in (leader, follower)
    ]
    assert chain[0] == chain[1]


@pytest.mark.lengthy
def test_a_pruned_leader_refuses_a_follower_from_before_and_serves_others(opened: Open) -> None:
    leading = Pair(opened(prune=256))
    leader = leading.node
    leader.request("anvil_mine", "0x64")
    address = leading.lead()
    follower = opened(follow=address, prune=256)
    caught_up(follower, leader)
    leader.request("anvil_mine", "0x190")
    caught_up(follower, leader)
    kept = leader.chain.first_kept
    assert kept > 100
    assert abs(follower.chain.first_kept - kept) <= 64
    with pytest.raises(CallFailedError, match="pruned history unavailable") as gone:
        follower.request("eth_getBlockByNumber", "0x1", False)
    assert gone.value.code == 4444
    refusal_of(opened(follow=address), f"pruned what it had before block {kept}, and the follower is at block 0")
    leading.shut()
