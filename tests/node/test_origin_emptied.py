"""Storage of the origin that a fork has emptied, by a self-destruction before EIP-6780, and written again."""

import pytest

import zevm

pytestmark = pytest.mark.slow

CHILD = bytes.fromhex("36600e57600054600101600055005b33ff")
"""Counts in slot 0; with call data: ends."""
_CREATION = bytes.fromhex(f"60{len(CHILD):02x}80600b6000396000f3") + CHILD
FACTORY = "0x7f" + _CREATION.hex().ljust(64, "0") + "6000526000" + f"60{len(_CREATION):02x}60006000f560005260206000f3"
MAKER = "0x" + "fa" * 20


@pytest.mark.parametrize("steps", [(3,), (1, 1, 1), (2, 1)])
def test_slots_below_and_after_a_revert_are_the_origins(steps: tuple[int, ...]) -> None:
    with zevm.Node(fork="shanghai") as origin:
        sender = origin.accounts[0].address

        def send(node: "zevm.Node", to: str, data: str = "0x") -> None:
            sent = node.request("eth_sendTransaction", {"from": sender, "to": to, "data": data, "gas": hex(500_000)})
            assert node.request("eth_getTransactionReceipt", sent)["status"] == "0x1"

        origin.request("anvil_setCode", MAKER, FACTORY)
        child = "0x" + origin.request("eth_call", {"to": MAKER}, "latest")[-40:]
        send(origin, MAKER)
        for _ in range(3):
            send(origin, child)
        with zevm.Node(fork_url=(origin.serve(),), no_storage_caching=True) as fork:
            begin = fork.request("eth_blockNumber")

            def counted(block: str) -> int:
                return int(fork.request("eth_getStorageAt", child, "0x0", block), 16)

            fork.request("anvil_setStorageAt", child, "0x1", "0x" + f"{0:064x}")
            fork.request("evm_mine")
            before = fork.request("eth_blockNumber")
            send(fork, child, "0x01")
            send(fork, MAKER)
            send(fork, child)
            assert [counted(block) for block in (begin, before, "latest")] == [3, 3, 1]
            for step in steps:
                fork.request("anvil_rollback", step)
            assert counted("latest") == 3
            send(fork, child)
            assert counted("latest") == 4
