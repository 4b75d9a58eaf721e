"""Storage of the origin that a fork has emptied, by a self-destruction before EIP-6780, and written again."""

from collections.abc import Iterator

import pytest

import zevm

pytestmark = pytest.mark.slow

CHILD = bytes.fromhex("36600e57600054600101600055005b33ff")
"""Counts in slot 0; with call data: ends."""
_CREATION = bytes.fromhex(f"60{len(CHILD):02x}80600b6000396000f3") + CHILD
FACTORY = "0x7f" + _CREATION.hex().ljust(64, "0") + "6000526000" + f"60{len(_CREATION):02x}60006000f560005260206000f3"
MAKER = "0x" + "fa" * 20


OTHER_SLOT = 5


def send(node: "zevm.Node", to: str, data: str = "0x") -> None:
    call = {"from": node.accounts[0].address, "to": to, "data": data, "gas": hex(500_000)}
    assert node.request("eth_getTransactionReceipt", node.request("eth_sendTransaction", call))["status"] == "0x1"


def stored(node: "zevm.Node", child: str, slot: int = 0, block: str = "latest") -> int:
    return int(node.request("eth_getStorageAt", child, hex(slot), block), 16)


def make_again(node: "zevm.Node", child: str) -> None:
    """End the child, create it anew, and count once."""
    send(node, child, "0x01")
    send(node, MAKER)
    send(node, child)


def fork_of(origin: "zevm.Node") -> "zevm.Node":
    return zevm.Node(fork_url=(origin.serve(),), no_storage_caching=True)


@pytest.fixture
def counted_to_three() -> Iterator[tuple["zevm.Node", str]]:
    """A node with a child that has counted to 3 and has another slot, and its address."""
    with zevm.Node(fork="shanghai") as origin:
        origin.request("anvil_setCode", MAKER, FACTORY)
        child = "0x" + origin.request("eth_call", {"to": MAKER}, "latest")[-40:]
        send(origin, MAKER)
        origin.request("anvil_setStorageAt", child, hex(OTHER_SLOT), "0x" + f"{7:064x}")
        for _ in range(3):
            send(origin, child)
        yield origin, child


@pytest.mark.parametrize("steps", [(3,), (1, 1, 1), (2, 1)])
def test_slots_below_and_after_a_revert_are_the_origins(
    counted_to_three: tuple["zevm.Node", str], steps: tuple[int, ...]
) -> None:
    origin, child = counted_to_three
    with fork_of(origin) as fork:
        begin = fork.request("eth_blockNumber")
        fork.request("anvil_setStorageAt", child, "0x1", "0x" + f"{0:064x}")
        fork.request("evm_mine")
        before = fork.request("eth_blockNumber")
        make_again(fork, child)
        assert [stored(fork, child, 0, block) for block in (begin, before, "latest")] == [3, 3, 1]
        assert stored(fork, child, OTHER_SLOT) == 0
        for step in steps:
            fork.request("anvil_rollback", step)
        assert [stored(fork, child), stored(fork, child, OTHER_SLOT)] == [3, 7]
        send(fork, child)
        assert stored(fork, child) == 4


def test_a_state_file_tells_that_storage_was_emptied(counted_to_three: tuple["zevm.Node", str]) -> None:
    origin, child = counted_to_three
    with fork_of(origin) as fork:
        make_again(fork, child)
        state = fork.request("anvil_dumpState")
    with fork_of(origin) as fork:
        assert fork.request("anvil_loadState", state)
        assert [stored(fork, child), stored(fork, child, OTHER_SLOT)] == [1, 0]
        send(fork, child)
        assert [stored(fork, child), stored(fork, child, OTHER_SLOT)] == [2, 0]
