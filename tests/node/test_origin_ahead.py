"""Values that a fork's executions read, fetched together: a few requests, however many slots."""

from collections.abc import Iterator

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, zevm_command
from testing.origin_chain import SENDER, SUM, forked, word
from testing.origin_proxy import OriginProxy

pytestmark = pytest.mark.slow

CHASE = "0x6000355b5480806003575060005260206000f3"
"""The end of a list: from the slot in the calldata to the one that it names, until one holds zero."""
SUMMER, CHASER = "0x" + "5a" * 20, "0x" + "5b" * 20
LINKS = 6


@pytest.fixture(scope="module")
def origin() -> Iterator[NodeProcess]:
    with ForkedNode(zevm_command("--memory")) as node, node.connect() as rpc:
        for address, code in ((SUMMER, SUM), (CHASER, CHASE)):
            rpc.call("anvil_setCode", address, code)
        for slot in range(240):
            rpc.call("anvil_setStorageAt", SUMMER, hex(slot), "0x" + word(slot + 1))
        for slot in range(1, LINKS):
            rpc.call("anvil_setStorageAt", CHASER, hex(slot), "0x" + word(slot + 1))
        rpc.call("evm_mine")
        yield node


def total(rpc: RpcConnection, first: int) -> int:
    return int(rpc.call("eth_call", {"to": SUMMER, "data": "0x" + word(first)}, "latest"), 16)


def expected(first: int) -> int:
    return sum(range(first + 1, first + 61))


def test_a_call_of_sixty_slots_takes_a_few_requests_and_a_warm_one_none(origin: NodeProcess) -> None:
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        begun = proxy.requests
        assert total(rpc, 0) == expected(0)
        # the account with its code, then the slots
        assert proxy.requests - begun <= 2
        for _ in range(3):
            assert total(rpc, 0) == expected(0)
        assert proxy.requests - begun <= 2
        request = {"from": SENDER, "to": SUMMER, "data": "0x" + word(60)}
        before = proxy.requests
        assert int(rpc.call("eth_estimateGas", request), 16) > 60 * 2_100
        assert proxy.requests - before <= 1
        before = proxy.requests
        listed = rpc.call("eth_createAccessList", request | {"data": "0x" + word(120)})
        assert len(listed["accessList"][0]["storageKeys"]) == 60
        assert proxy.requests - before <= 1


def test_a_transaction_of_sixty_slots_takes_a_few_requests(origin: NodeProcess) -> None:
    """Those of the block itself too: the slots of its system contracts."""
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        before = proxy.requests
        request = {"from": SENDER, "to": SUMMER, "data": "0x" + word(180), "gas": hex(500_000)}
        sent = rpc.call("eth_sendTransaction", request)
        assert rpc.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
        assert proxy.requests - before <= 8


def test_slots_that_depend_on_each_other_are_read_too(origin: NodeProcess) -> None:
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        before = proxy.requests
        found = rpc.call("eth_call", {"to": CHASER, "data": "0x" + word(1)}, "latest")
        assert int(found, 16) == 0
        assert LINKS <= proxy.requests - before <= LINKS + 2
