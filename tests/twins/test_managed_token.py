"""An ERC-20 with roles and a pause, in Solidity and in Zig."""

from __future__ import annotations

import pytest

import zevm
from testing.twins.compiled import Language, code_of
from testing.twins.deployed import Deployed, RevertedError, deploy, error_data, panic_data
from zevm.storage.keccak import keccak256

ZERO = "0x" + "00" * 20
MOST = 2**256 - 1
ADMIN_ROLE = bytes(32)
MINTER_ROLE = keccak256(b"MINTER_ROLE")
PAUSER_ROLE = keccak256(b"PAUSER_ROLE")
NAME = "A token whose name is longer than one slot of storage"


@pytest.fixture
def token(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """Account 0 has every role and 1,000 tokens."""
    token = deploy(node, code_of("managed_token", language), NAME, "MGD", accounts[0])
    token.send("mint", accounts[0], 1000)
    return token


def topic(address: str) -> str:
    return "0x" + "00" * 12 + address[2:]


def test_metadata(token: Deployed) -> None:
    assert (token.call("name"), token.call("symbol"), token.call("decimals")) == (NAME, "MGD", 18)
    assert token.call("totalSupply") == 1000


def test_transfers_and_logs(token: Deployed, accounts: list[str]) -> None:
    owner, other, *_ = accounts
    outcome = token.send("transfer", other, 30)
    assert token.result("transfer", outcome.data) is True
    (log,) = outcome.logs
    signature = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()
    assert log.topics == (signature, topic(owner), topic(other))
    assert int(log.data, 16) == 30
    assert (token.call("balanceOf", owner), token.call("balanceOf", other)) == (970, 30)
    token.send("transfer", owner, 5)
    assert token.call("balanceOf", owner) == 970


def test_allowances(token: Deployed, accounts: list[str]) -> None:
    owner, spender, *_ = accounts
    token.send("approve", spender, 50)
    token.send("transferFrom", owner, spender, 20, sender=spender)
    assert token.call("allowance", owner, spender) == 30
    wanted = error_data("ERC20InsufficientAllowance(address,uint256,uint256)", spender, 30, 31)
    assert token.refusal("transferFrom", owner, spender, 31, sender=spender) == wanted
    assert token.refusal("burnFrom", owner, 31, sender=spender) == wanted
    token.send("burnFrom", owner, 30, sender=spender)
    assert (token.call("allowance", owner, spender), token.call("totalSupply")) == (0, 970)
    token.send("approve", spender, MOST)
    token.send("transferFrom", owner, spender, 1, sender=spender)
    assert token.call("allowance", owner, spender) == MOST


def test_refusals(token: Deployed, accounts: list[str]) -> None:
    owner, other, *_ = accounts
    poor = error_data("ERC20InsufficientBalance(address,uint256,uint256)", owner, 1000, 1001)
    assert token.refusal("transfer", other, 1001) == poor
    assert token.refusal("burn", 1001) == poor
    assert token.refusal("transfer", ZERO, 1) == error_data("ERC20InvalidReceiver(address)", ZERO)
    assert token.refusal("mint", ZERO, 1) == error_data("ERC20InvalidReceiver(address)", ZERO)
    assert token.refusal("approve", ZERO, 1) == error_data("ERC20InvalidSpender(address)", ZERO)
    assert token.refusal("transferFrom", ZERO, other, 0) == error_data("ERC20InvalidApprover(address)", ZERO)
    assert token.refusal("transfer", other, 1, value=1) == b""
    assert not token.try_call(bytes.fromhex("12345678")).succeeded
    assert not token.try_call(token.call_data("transfer", other, 1)[:-1]).succeeded


def test_the_supply_cannot_overflow(token: Deployed, accounts: list[str]) -> None:
    token.send("mint", accounts[1], MOST - 1000)
    assert token.call("totalSupply") == MOST
    assert token.refusal("mint", accounts[1], 1) == panic_data(0x11)


def test_roles(token: Deployed, accounts: list[str]) -> None:
    admin, other, third, *_ = accounts
    assert (token.call("MINTER_ROLE"), token.call("DEFAULT_ADMIN_ROLE")) == (MINTER_ROLE, ADMIN_ROLE)
    lacking = error_data("AccessControlUnauthorizedAccount(address,bytes32)", other, MINTER_ROLE)
    assert token.refusal("mint", other, 1, sender=other) == lacking
    assert not token.call("hasRole", MINTER_ROLE, other)
    (granted,) = token.send("grantRole", MINTER_ROLE, other).logs
    signature = "0x" + keccak256(b"RoleGranted(bytes32,address,address)").hex()
    assert granted.topics == (signature, "0x" + MINTER_ROLE.hex(), topic(other), topic(admin))
    assert token.send("grantRole", MINTER_ROLE, other).logs == ()
    token.send("mint", other, 1, sender=other)
    refused = error_data("AccessControlUnauthorizedAccount(address,bytes32)", other, ADMIN_ROLE)
    assert token.refusal("grantRole", PAUSER_ROLE, third, sender=other) == refused
    token.send("setRoleAdmin", PAUSER_ROLE, MINTER_ROLE)
    assert token.call("getRoleAdmin", PAUSER_ROLE) == MINTER_ROLE
    token.send("grantRole", PAUSER_ROLE, third, sender=other)
    assert token.refusal("renounceRole", PAUSER_ROLE, third) == error_data("AccessControlBadConfirmation()")
    token.send("renounceRole", PAUSER_ROLE, third, sender=third)
    token.send("revokeRole", MINTER_ROLE, other)
    assert token.refusal("mint", other, 1, sender=other) == lacking


def test_a_pause_stops_every_movement(token: Deployed, accounts: list[str]) -> None:
    other = accounts[1]
    assert token.refusal("unpause") == error_data("ExpectedPause()")
    assert len(token.send("pause").logs) == 1
    assert token.call("paused")
    paused = error_data("EnforcedPause()")
    for name, *arguments in (("transfer", other, 1), ("mint", other, 1), ("burn", 1), ("pause",)):
        assert token.refusal(name, *arguments) == paused
    token.send("approve", other, 1)
    assert token.refusal("transferFrom", accounts[0], other, 1, sender=other) == paused
    token.send("unpause")
    token.send("transferFrom", accounts[0], other, 1, sender=other)


def test_interfaces(token: Deployed) -> None:
    names = ("01ffc9a7", "7965db0b", "ffffffff")
    assert [token.call("supportsInterface", bytes.fromhex(name)) for name in names] == [True, True, False]


def test_the_constructor_takes_no_wei(node: zevm.Node, accounts: list[str], language: Language) -> None:
    with pytest.raises(RevertedError) as caught:
        deploy(node, code_of("managed_token", language), NAME, "MGD", accounts[0], value=1)
    assert caught.value.data == b""
