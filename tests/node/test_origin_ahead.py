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
MARKED = "0x6000355b5460ff1680806003575060005260206000f3"
"""The same, of lists whose values have a mark before the number of the next slot, so that no two tries share nodes."""
TWINS = ["0x" + f"{number:02x}" * 20 for number in (0x5C, 0x5D, 0x5E)]


def follow(rpc: RpcConnection, contract: str, block: str = "latest") -> None:
    found = rpc.call("eth_call", {"to": contract, "data": "0x" + word(1), "gas": hex(500_000)}, block)
    assert int(found, 16) == 0


@pytest.fixture(scope="module")
def origin() -> Iterator[NodeProcess]:
    with ForkedNode(zevm_command("--memory")) as node, node.connect() as rpc:
        for address, code in ((SUMMER, SUM), (CHASER, CHASE)):
            rpc.call("anvil_setCode", address, code)
        for slot in range(240):
            rpc.call("anvil_setStorageAt", SUMMER, hex(slot), "0x" + word(slot + 1))
        for slot in range(1, LINKS):
            rpc.call("anvil_setStorageAt", CHASER, hex(slot), "0x" + word(slot + 1))
        for mark, twin in enumerate(TWINS, 1):
            rpc.call("anvil_setCode", twin, MARKED)
            for slot in range(1, LINKS):
                rpc.call("anvil_setStorageAt", twin, hex(slot), "0x" + word(mark << 8 | slot + 1))
        rpc.call("evm_mine")
        # the state of this block is changed by hand, which no proof of it shows: the one before is asked for
        rpc.call("evm_mine")
        for slot in range(1, LINKS):
            rpc.call("anvil_setStorageAt", TWINS[0], hex(slot), "0x" + word(9 << 8 | slot + 1))
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
        assert proxy.requests - before <= 4


def test_suggested_fees_take_no_requests(origin: NodeProcess) -> None:
    """They follow from the fork's own blocks: those of the origin, which are long, are not read."""
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        before = proxy.requests
        for method in ("eth_gasPrice", "eth_maxPriorityFeePerGas"):
            assert int(rpc.call(method), 16) > 0
        assert proxy.requests == before


def test_slots_that_depend_on_each_other_are_read_too(origin: NodeProcess) -> None:
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        before = proxy.requests
        found = rpc.call("eth_call", {"to": CHASER, "data": "0x" + word(1)}, "latest")
        assert int(found, 16) == 0
        assert LINKS <= proxy.requests - before <= LINKS + 2


def test_what_an_access_list_names_comes_at_once(origin: NodeProcess) -> None:
    """With the account and its code, also where no call before has read it."""
    slots = ["0x" + word(slot) for slot in range(1, LINKS + 1)]
    for method in ("eth_call", "eth_estimateGas", "eth_createAccessList"):
        with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
            before = proxy.requests
            call = {"from": SENDER, "to": CHASER, "data": "0x" + word(1)}
            rpc.call(method, call | {"accessList": [{"address": CHASER, "storageKeys": slots}]}, "latest")
            assert proxy.requests - before == 1, method


def test_reads_of_a_function_come_at_once_for_other_contracts_with_its_code(origin: NodeProcess) -> None:
    """The account of the second contract with its code, and then all that calls of the first have read."""
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        before = proxy.requests
        follow(rpc, TWINS[1])
        assert proxy.requests - before >= LINKS
        before = proxy.requests
        follow(rpc, TWINS[2])
        assert proxy.requests - before <= 2
        for contract in TWINS[1:]:
            follow(rpc, contract)
        assert proxy.requests - before <= 2


def test_reads_of_a_function_come_at_once_at_another_block(origin: NodeProcess) -> None:
    """The header of the block and its accounts, and the slots with the contract's."""
    with OriginProxy(origin.url) as proxy, forked(proxy.url) as node, node.connect() as rpc:
        follow(rpc, TWINS[0])
        earlier = hex(int(rpc.call("eth_blockNumber"), 16) - 2)
        assert rpc.call("eth_getBalance", "0x" + "77" * 20, earlier) == "0x0"
        before = proxy.requests
        follow(rpc, TWINS[0], earlier)
        assert proxy.requests - before <= 2
