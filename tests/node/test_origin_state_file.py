"""State files of forks: a fork goes on where an earlier one of the same block has stopped."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.forked import ForkedNode
from testing.node_process import RpcConnection, zevm_command
from testing.origin_chain import OTHER, SLOTS, Chain, forked, store, stored

pytestmark = pytest.mark.slow
WAIT_SECONDS = 30
PAID, OWN = "0x" + "99" * 20, "0x" + "9a" * 20
"""An account that the origin has, and one that it has not."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        chain.rpc.call("anvil_setBalance", PAID, "0x1")
        chain.rpc.call("evm_mine")
        chain.rpc.call("evm_mine")
        chain.number += 2
        yield chain
        chain.rpc.close()


def use(rpc: RpcConnection, contract: str) -> None:
    """Change a slot, take one away, add one, change a balance, and remove an account and one of the fork's own."""
    for slot, value in ((3, 0), (4, 44), (SLOTS, 7)):
        store(rpc, contract, slot, value)
    for account, balance_wei in ((OTHER, 5), (PAID, 0), (OWN, 1), (OWN, 0)):
        rpc.call("anvil_setBalance", account, hex(balance_wei))


def check(rpc: RpcConnection, contract: str) -> None:
    assert [stored(rpc, contract, slot) for slot in (3, 4, 5, SLOTS)] == [0, 44, 1005, 7]
    assert [rpc.call("eth_getBalance", account, "latest") for account in (OTHER, PAID, OWN)] == ["0x5", "0x0", "0x0"]


def test_a_fork_goes_on_from_its_state_file(origin: Chain, tmp_path: Path) -> None:
    """Its blocks are there again, with the slot that it had taken away; the origin's are below them."""
    file = tmp_path / "state.json"
    with forked(origin.node.url, "--state", str(file)) as node, node.connect() as rpc:
        use(rpc, origin.contract)
        before = rpc.call("eth_getBlockByNumber", "latest", True)
        node.process.terminate()
        assert node.process.wait(WAIT_SECONDS) == 0
    with forked(origin.node.url, "--state", str(file)) as node, node.connect() as rpc:
        assert rpc.call("eth_getBlockByNumber", "latest", True) == before
        assert rpc.call("eth_getTransactionReceipt", before["transactions"][0]["hash"])["status"] == "0x1"
        check(rpc, origin.contract)
        assert stored(rpc, origin.contract, 4, hex(origin.number - 1)) == 1004
        assert store(rpc, origin.contract, 6, 6)["blockNumber"] == hex(origin.number + 4)
        check(rpc, origin.contract)
        assert rpc.call("eth_getBlockByNumber", "latest", False)["parentHash"] == before["hash"]


@pytest.mark.parametrize("block", ["-1", "-3"])
def test_a_state_of_another_block_has_its_accounts_alone_loaded(origin: Chain, block: str) -> None:
    """Also of the block after this one: what it changed is not in the file."""
    with forked(origin.node.url) as node, node.connect() as rpc:
        use(rpc, origin.contract)
        state = rpc.call("anvil_dumpState")
    with forked(origin.node.url, "--fork-block-number", block) as node, node.connect() as rpc:
        assert rpc.call("anvil_loadState", state)
        assert rpc.call("eth_blockNumber") == hex(origin.number + int(block))
        check(rpc, origin.contract)
        node.wait_for_line(re.compile("do not stand on the forked block: its accounts alone are loaded"))
