"""An ERC-721 that its owner mints, in Solidity and in Zig."""

from __future__ import annotations

import pytest

import zevm
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import Deployed, RevertedError, deploy, error_data, panic_data, reason_data

ZERO = "0x" + "00" * 20
SAFE = "safeTransferFrom(address,address,uint256)"
SAFE_WITH_DATA = "safeTransferFrom(address,address,uint256,bytes)"


@pytest.fixture
def collectible(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """Account 0 owns the contract; account 1 has token 1."""
    code = code_of("owned_collectible", language)
    made = deploy(node, code, "Collectible", "COL", "https://example.org/", accounts[0])
    made.send("mint", accounts[1])
    return made


@pytest.fixture
def receiver(node: zevm.Node) -> Deployed:
    return deploy(node, solidity("Receiver"))


def test_minting(collectible: Deployed, accounts: list[str]) -> None:
    owner, holder, *_ = accounts
    assert (collectible.call("name"), collectible.call("symbol")) == ("Collectible", "COL")
    outcome = collectible.send("mint", owner)
    assert collectible.result("mint", outcome.data) == 2
    assert (collectible.call("ownerOf", 1), collectible.call("ownerOf", 2)) == (holder, owner)
    assert collectible.call("balanceOf", holder) == 1
    unauthorized = error_data("OwnableUnauthorizedAccount(address)", holder)
    assert collectible.refusal("mint", holder, sender=holder) == unauthorized
    assert collectible.refusal("mint", ZERO) == error_data("ERC721InvalidReceiver(address)", ZERO)
    assert collectible.refusal("balanceOf", ZERO) == error_data("ERC721InvalidOwner(address)", ZERO)
    assert collectible.refusal("ownerOf", 9) == error_data("ERC721NonexistentToken(uint256)", 9)


def test_uris(collectible: Deployed) -> None:
    assert collectible.call("tokenURI", 1) == "https://example.org/1"
    collectible.send("setBaseURI", "ipfs://" + "q" * 60 + "/")
    assert collectible.call("tokenURI", 1) == "ipfs://" + "q" * 60 + "/1"
    collectible.send("setBaseURI", "")
    assert collectible.call("tokenURI", 1) == ""
    assert collectible.refusal("tokenURI", 9) == error_data("ERC721NonexistentToken(uint256)", 9)


def test_approvals_and_transfers(collectible: Deployed, accounts: list[str]) -> None:
    _, holder, spender, third, *_ = accounts
    stranger = error_data("ERC721InsufficientApproval(address,uint256)", spender, 1)
    assert collectible.refusal("transferFrom", holder, third, 1, sender=spender) == stranger
    collectible.send("approve", spender, 1, sender=holder)
    assert collectible.call("getApproved", 1) == spender
    no_approver = error_data("ERC721InvalidApprover(address)", spender)
    assert collectible.refusal("approve", spender, 1, sender=spender) == no_approver
    wrong = error_data("ERC721IncorrectOwner(address,uint256,address)", third, 1, holder)
    assert collectible.refusal("transferFrom", third, spender, 1, sender=spender) == wrong
    collectible.send("transferFrom", holder, third, 1, sender=spender)
    assert (collectible.call("getApproved", 1), collectible.call("ownerOf", 1)) == (ZERO, third)
    collectible.send("setApprovalForAll", spender, True, sender=third)
    assert collectible.call("isApprovedForAll", third, spender)
    collectible.send(SAFE, third, holder, 1, sender=spender)
    assert collectible.refusal("setApprovalForAll", ZERO, True) == error_data("ERC721InvalidOperator(address)", ZERO)
    assert collectible.refusal("transferFrom", holder, ZERO, 1, sender=holder) == error_data(
        "ERC721InvalidReceiver(address)", ZERO
    )
    collectible.send("burn", 1, sender=holder)
    assert collectible.call("balanceOf", holder) == 0
    gone = error_data("ERC721NonexistentToken(uint256)", 1)
    assert collectible.refusal("burn", 1, sender=holder) == gone


def test_a_receiver_is_asked(collectible: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    holder = accounts[1]
    logs = collectible.send(SAFE_WITH_DATA, holder, receiver.address, 1, b"\0 with data", sender=holder).logs
    assert [log.address for log in logs] == [collectible.address.lower(), receiver.address.lower()]
    assert collectible.call("ownerOf", 1) == receiver.address.lower()
    assert len(collectible.send("safeMint", receiver.address, b"").logs) == 2


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (1, None),
        (2, error_data("Refused(bytes)", b"\2")),
        (3, reason_data("Receiver: refused")),
        (4, None),
        (5, panic_data(1)),
        (6, b""),
        (7, b""),
    ],
)
def test_a_receiver_that_refuses(
    collectible: Deployed, receiver: Deployed, accounts: list[str], answer: int, refusal: bytes | None
) -> None:
    invalid = error_data("ERC721InvalidReceiver(address)", receiver.address)
    wanted = invalid if refusal is None else refusal
    arguments = (accounts[1], receiver.address, 1, bytes([answer]))
    assert collectible.refusal(SAFE_WITH_DATA, *arguments, sender=accounts[1]) == wanted
    assert collectible.refusal("safeMint", receiver.address, bytes([answer])) == wanted


def test_contracts_that_cannot_receive(collectible: Deployed, accounts: list[str]) -> None:
    invalid = error_data("ERC721InvalidReceiver(address)", collectible.address)
    assert collectible.refusal(SAFE, accounts[1], collectible.address, 1, sender=accounts[1]) == invalid


def test_a_receiver_may_call_back(collectible: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    """It sends the token on while it receives it."""
    onward = collectible.call_data("transferFrom", receiver.address, accounts[3], 1)
    data = b"\x08" + onward
    collectible.send(SAFE_WITH_DATA, accounts[1], receiver.address, 1, data, sender=accounts[1])
    assert collectible.call("ownerOf", 1) == accounts[3]


def test_ownership(collectible: Deployed, accounts: list[str]) -> None:
    owner, other, *_ = accounts
    assert collectible.call("owner") == owner
    assert collectible.refusal("transferOwnership", ZERO) == error_data("OwnableInvalidOwner(address)", ZERO)
    assert collectible.refusal("transferOwnership", other, sender=other) == error_data(
        "OwnableUnauthorizedAccount(address)", other
    )
    assert len(collectible.send("transferOwnership", other).logs) == 1
    collectible.send("renounceOwnership", sender=other)
    assert collectible.call("owner") == ZERO


def test_an_owner_is_needed(node: zevm.Node, language: Language) -> None:
    with pytest.raises(RevertedError) as caught:
        deploy(node, code_of("owned_collectible", language), "Collectible", "COL", "", ZERO)
    assert caught.value.data == error_data("OwnableInvalidOwner(address)", ZERO)


def test_interfaces(collectible: Deployed) -> None:
    names = ("01ffc9a7", "80ac58cd", "5b5e139f", "ffffffff")
    assert [collectible.call("supportsInterface", bytes.fromhex(name)) for name in names] == [True, True, True, False]
