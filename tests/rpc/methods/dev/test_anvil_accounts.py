"""Accounts changed without a transaction."""

from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, RETURN_TOP, TOKEN, assemble
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, STRANGER, Node, hexadecimal, start_node, stop_node
from zevm.rpc.limits import Limits

ECRECOVER = assemble(
    f"0x00 CALLDATALOAD 0x00 MSTORE 0x20 CALLDATALOAD 0x20 MSTORE 0x40 CALLDATALOAD 0x40 MSTORE 0x60 CALLDATALOAD"
    f" 0x60 MSTORE 0x20 0x00 0x80 0x00 0x01 GAS STATICCALL 0x00 MLOAD {RETURN_TOP}"
)
"""Calls the ecrecover precompile with its call data."""


def word(number: int) -> str:
    return f"0x{number:064x}"


@pytest.mark.parametrize(
    "name", ["anvil_setBalance", "hardhat_setBalance", "tenderly_setBalance", "evm_setAccountBalance"]
)
async def test_set_balance(node: Node, name: str) -> None:
    stranger = hexadecimal(STRANGER)
    assert await node.call(name, stranger, hex(ETHER)) is None
    assert await node.call("eth_getBalance", stranger) == hex(ETHER)
    await node.call(name, [stranger, hexadecimal(BOB)], 5)
    assert await node.call("eth_getBalance", hexadecimal(BOB)) == "0x5"
    assert (await node.fails(name, stranger, hex(2**256))).code == -32602


async def test_a_changed_balance_can_be_spent_and_stays(node: Node) -> None:
    await node.call("anvil_setBalance", hexadecimal(ALICE), hex(2 * ETHER))
    await node.send(to=hexadecimal(BOB), value=hex(ETHER))
    assert int(await node.call("eth_getBalance", hexadecimal(ALICE)), 16) < ETHER
    assert int(await node.call("eth_getBalance", hexadecimal(ALICE), "0x0"), 16) == 2 * ETHER


async def test_add_balance(node: Node) -> None:
    await node.call("anvil_addBalance", hexadecimal(STRANGER), "0x5")
    await node.call("hardhat_addBalance", hexadecimal(STRANGER), "0x6")
    assert await node.call("eth_getBalance", hexadecimal(STRANGER)) == "0xb"
    await node.call("tenderly_addBalance", [hexadecimal(STRANGER)], hex(2**256 - 1))
    assert await node.call("eth_getBalance", hexadecimal(STRANGER)) == hex(2**256 - 1)
    assert (await node.fails("anvil_addBalance", "0x12", "0x1")).code == -32602


async def test_set_code_nonce_and_storage(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    assert await node.call("hardhat_setCode", stranger, hexadecimal(BOX)) is None
    assert await node.call("hardhat_setNonce", stranger, "0x9") is None
    assert await node.call("hardhat_setStorageAt", stranger, "0x0", word(3)) is True
    assert await node.call("eth_getCode", stranger) == hexadecimal(BOX)
    assert await node.call("eth_getTransactionCount", stranger) == "0x9"
    assert await node.call("eth_call", {"to": stranger}) == word(3)
    await node.call("anvil_setStorageAt", stranger[2:], 0, word(5)[2:])
    assert await node.call("eth_call", {"to": stranger}) == word(5)
    await node.call("anvil_setCode", stranger, hexadecimal(BOX)[2:-2])
    assert await node.call("eth_getCode", stranger) == hexadecimal(BOX)[:-2]
    for wrong in (word(5)[3:], "0xg" + word(5)[3:], "g" * 64, ""):
        assert (await node.fails("anvil_setStorageAt", stranger, 0, wrong)).code == -32602
    await node.call("anvil_setNonce", stranger, 4)
    await node.call("anvil_setCode", stranger, "0x")
    assert await node.call("eth_getTransactionCount", stranger) == "0x4"
    assert await node.call("eth_getCode", stranger) == "0x"


async def test_sets_refused(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    assert (await node.fails("anvil_setCode", stranger, "0x123")).code == -32602
    refused = await node.fails("anvil_setNonce", stranger, hex(2**64))
    assert refused.message == f"nonce {2**64} is out of range: want at most {2**64 - 1}"
    assert (await node.fails("anvil_setStorageAt", stranger, "0x0", "0x" + "11" * 33)).code == -32602


@pytest.mark.parametrize("name", ["anvil_dealERC20", "hardhat_dealERC20", "anvil_setERC20Balance"])
async def test_token_balance(node: Node, name: str) -> None:
    token = await node.place(TOKEN)
    await node.call(name, hexadecimal(BOB), token, hex(777))
    balance_of = "0x70a08231" + "00" * 12 + BOB.hex()
    assert await node.call("eth_call", {"to": token, "data": balance_of}) == word(777)


async def balances_of(node: Node, token: str, *holders: bytes) -> list[int]:
    """What each holder has of a token."""
    data = ("0x70a08231" + "00" * 12 + holder.hex() for holder in holders)
    return [int(await node.call("eth_call", {"to": token, "data": each}), 16) for each in data]


async def test_tenderly_token_balances(node: Node) -> None:
    """One holder or several; the token stands first."""
    token, alice, bob = await node.place(TOKEN), hexadecimal(ALICE), hexadecimal(BOB)
    await node.call("tenderly_setErc20Balance", token, [alice, bob], hex(7))
    assert await balances_of(node, token, ALICE, BOB) == [7, 7]
    await node.call("tenderly_addErc20Balance", token, bob, hex(5))
    await node.call("tenderly_addErc20Balance", token, [alice, alice], hex(1))
    assert await balances_of(node, token, ALICE, BOB) == [9, 12]
    await node.call("tenderly_setMaxErc20Balance", token, alice)
    await node.call("tenderly_addErc20Balance", token, [alice, bob], hex(1))
    assert await balances_of(node, token, ALICE, BOB) == [2**256 - 1, 13]


async def test_tenderly_token_balances_of_all_or_none(node: Node) -> None:
    alice, box = hexadecimal(ALICE), await node.place(BOX)
    error = await node.fails("tenderly_setErc20Balance", box, [alice], "0x1")
    assert error.message.startswith("Unable to set ERC20 balance, no slot found in")
    error = await node.fails("tenderly_setMaxErc20Balance", alice, [alice])
    assert error.message == f"there is no contract at {alice}"
    limit = node.services.limits.balance_addresses
    error = await node.fails("tenderly_addErc20Balance", box, [alice] * (limit + 1), "0x1")
    assert error.message.startswith(f"{limit + 1} addresses, want at most {limit}; ")


ENDLESS = assemble("JUMPDEST 0x00 JUMP")
"""A token that ends for want of gas alone."""


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("anvil_dealERC20", (ALICE, STRANGER, "0x1")),
        ("tenderly_setErc20Balance", (STRANGER, [BOB, ALICE], "0x1")),
        ("anvil_setERC20Allowance", (ALICE, BOB, STRANGER, "0x1")),
    ],
)
async def test_a_token_has_the_time_of_one_execution(name: str, params: tuple[Any, ...]) -> None:
    node = await start_node(limits=Limits(evm_timeout_seconds=0.01, call_gas=10**12))
    try:
        await node.place(ENDLESS, STRANGER)
        given = [[hexadecimal(each) for each in item] if isinstance(item, list) else item for item in params]
        given = [hexadecimal(item) if isinstance(item, bytes) else item for item in given]
        assert (await node.fails(name, *given)).message.startswith("execution aborted (timeout = ")
    finally:
        await stop_node(node)


async def test_token_allowance(node: Node) -> None:
    token = await node.place(TOKEN)
    await node.call("anvil_setERC20Allowance", hexadecimal(ALICE), hexadecimal(BOB), token, hex(55))
    allowance = "0xdd62ed3e" + "00" * 12 + ALICE.hex() + "00" * 12 + BOB.hex()
    assert await node.call("eth_call", {"to": token, "data": allowance}) == word(55)


async def test_tokens_that_are_none(node: Node) -> None:
    box = await node.place(BOX)
    bob = hexadecimal(BOB)
    error = await node.fails("anvil_dealERC20", bob, box, "0x1")
    assert (error.code, error.message[:45]) == (-32000, "Unable to set ERC20 balance, no slot found in")
    error = await node.fails("anvil_setERC20Allowance", bob, bob, box, "0x1")
    assert (error.code, error.message[:47]) == (-32000, "Unable to set ERC20 allowance, no slot found in")
    assert (await node.fails("anvil_dealERC20", bob, bob, "0x1")).message == f"there is no contract at {bob}"


async def test_the_zero_address_can_be_impersonated(node: Node) -> None:
    zero = "0x" + "0" * 40
    await node.call("anvil_impersonateAccount", zero)
    await node.call("anvil_setBalance", zero, hex(10**18))
    sent = await node.call("eth_sendTransaction", {"from": zero, "to": hexadecimal(STRANGER), "value": "0x5"})
    receipt = await node.call("eth_getTransactionReceipt", sent)
    assert (receipt["from"], receipt["status"]) == (zero, "0x1")
    assert (await node.call("eth_getTransactionByHash", sent))["from"] == zero
    assert await node.call("eth_getTransactionCount", zero, "latest") == "0x1"
    assert await node.call("eth_getBalance", hexadecimal(STRANGER), "latest") == "0x5"


async def test_impersonation_is_refused_for_what_is_no_address(node: Node) -> None:
    for name in ("anvil_impersonateAccount", "anvil_stopImpersonatingAccount"):
        assert (await node.fails(name, "0x12")).code == -32602
    assert (await node.fails("hardhat_autoImpersonateAccount", "yes")).code == -32602


@pytest.mark.parametrize("v", [0, 27])
async def test_impersonated_signature(node: Node, v: int) -> None:
    contract = await node.place(ECRECOVER)
    r, s = "11" * 32, "22" * 32
    data = word(99) + word(27)[2:] + r + s
    before = await node.call("eth_call", {"to": contract, "data": data})
    await node.call("anvil_impersonateSignature", f"0x{r}{s}{v:02x}", hexadecimal(STRANGER))
    assert await node.call("eth_call", {"to": contract, "data": data}) == "0x" + "00" * 12 + STRANGER.hex()
    other = word(99) + word(28)[2:] + r + s
    assert await node.call("eth_call", {"to": contract, "data": other}) != "0x" + "00" * 12 + STRANGER.hex()
    await node.call("anvil_reset")
    contract = await node.place(ECRECOVER)
    assert await node.call("eth_call", {"to": contract, "data": data}) == before
    error = await node.fails("anvil_impersonateSignature", "0x1234", hexadecimal(STRANGER))
    assert error.message == "a signature has 65 bytes, got 2"
