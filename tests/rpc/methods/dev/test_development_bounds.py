"""What development requests keep or change in one go is bounded by rows of the limits table (S6's neighbours)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.rpc.methods.memory_node import Node, start_node, stop_node
from zevm.chain.vm.console import CONSOLE_BYTES, CONSOLE_CALL_BYTES
from zevm.chain.vm.frame import TransactionContext
from zevm.rpc.limits import Limits

BOUNDS = replace(Limits(), balance_addresses=3, impersonated_accounts=2, impersonated_signatures=2, snapshots=2)
ADDRESSES = ["0x" + f"{number:040x}" for number in range(0x1000, 0x1004)]


@pytest.fixture
async def bounded() -> AsyncIterator[Node]:
    running = await start_node(limits=BOUNDS)
    yield running
    await stop_node(running)


@pytest.mark.parametrize("name", ["anvil_setBalance", "anvil_addBalance", "hardhat_setBalance", "tenderly_addBalance"])
async def test_s6_balances_of_so_many_accounts_in_one_request(bounded: Node, name: str) -> None:
    await bounded.call(name, ADDRESSES[:3], "0x5")
    error = await bounded.fails(name, ADDRESSES, "0x7")
    assert (error.code, "--rpc-balance-addresses" in error.message) == (-32602, True)
    assert await bounded.call("eth_getBalance", ADDRESSES[0]) == "0x5"


async def test_s6_impersonated_accounts_are_so_many(bounded: Node) -> None:
    await bounded.call("anvil_impersonateAccount", ADDRESSES[0])
    assert await bounded.call("evm_addAccount", ADDRESSES[1], "") is True
    for name, params in (("anvil_impersonateAccount", ADDRESSES[2:3]), ("evm_addAccount", [ADDRESSES[2], ""])):
        error = await bounded.fails(name, *params)
        assert (error.code, "anvil_autoImpersonateAccount" in error.message) == (-32005, True)
    assert await bounded.call("evm_addAccount", ADDRESSES[1], "") is False
    await bounded.call("anvil_stopImpersonatingAccount", ADDRESSES[0])
    await bounded.call("anvil_impersonateAccount", ADDRESSES[2])


async def test_s6_impersonated_signatures_are_so_many(bounded: Node) -> None:
    signatures = ["0x" + f"{number:02x}" * 65 for number in range(3)]
    for signature in signatures[:2]:
        await bounded.call("anvil_impersonateSignature", signature, ADDRESSES[0])
    error = await bounded.fails("anvil_impersonateSignature", signatures[2], ADDRESSES[0])
    assert (error.code, "--rpc-impersonated-signatures" in error.message) == (-32005, True)


async def test_s6_snapshots_are_so_many(bounded: Node) -> None:
    first = await bounded.call("evm_snapshot")
    await bounded.call("evm_snapshot")
    error = await bounded.fails("evm_snapshot")
    assert (error.code, "--rpc-snapshots" in error.message) == (-32005, True)
    assert await bounded.call("evm_revert", first) is True
    await bounded.call("evm_snapshot")


def test_s6_console_output_of_one_execution_is_bounded() -> None:
    context = TransactionContext(bytes(20), 0, (), {}, {})
    for _ in range(1_000):
        context.print_console(bytes(64 * 1024))
    assert sum(map(len, context.console)) <= CONSOLE_BYTES + 1_024
    assert len(context.console) > 2
    short = TransactionContext(bytes(20), 0, (), {}, {})
    for _ in range(100_000):
        short.print_console(b"")
    assert len(short.console) <= CONSOLE_BYTES // CONSOLE_CALL_BYTES + 1
    context = TransactionContext(bytes(20), 0, (), {}, {})
    context.print_console(b"x")
    assert context.console == [b"x"]
