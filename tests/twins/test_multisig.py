"""A wallet of several owners, in Solidity and in Zig."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

import zevm
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import Deployed, RevertedError, deploy, error_data, panic_data, reason_data

ZERO = "0x" + "00" * 20
ETHER = 10**18


@pytest.fixture
def wallet(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """Accounts 0 to 2 are the owners, two of whom must agree; it has an ether."""
    return deploy(node, code_of("multisig", language), accounts[:3], 2, value=ETHER)


@pytest.fixture
def receiver(node: zevm.Node) -> Deployed:
    return deploy(node, solidity("Receiver"))


def agreed(wallet: Deployed, accounts: list[str], to: str, value: int, data: bytes) -> int:
    """The id of a transaction that two owners agree to."""
    outcome = wallet.send("submit", to, value, data)
    number: int = wallet.result("submit", outcome.data)
    wallet.send("confirm", number, sender=accounts[1])
    return number


def test_owners(wallet: Deployed, accounts: list[str]) -> None:
    assert wallet.call("getOwners") == tuple(accounts[:3])
    assert [wallet.call("owners", index) for index in range(3)] == accounts[:3]
    assert wallet.refusal("owners", 3) == b""
    assert [wallet.call("isOwner", account) for account in accounts[2:4]] == [True, False]
    assert (wallet.call("required"), wallet.call("transactionCount"), wallet.balance()) == (2, 0, ETHER)


@pytest.mark.parametrize(
    ("indexes", "required"), [((), 0), ((0, 1), 0), ((0, 1), 3), ((0, 1, 0), 2), ((0, None), 1)], ids=repr
)
def test_owners_that_cannot_be(
    node: zevm.Node, accounts: list[str], language: Language, indexes: tuple[int | None, ...], required: int
) -> None:
    owners = [ZERO if index is None else accounts[index] for index in indexes]
    with pytest.raises(RevertedError) as caught:
        deploy(node, code_of("multisig", language), owners, required)
    assert caught.value.data == error_data("InvalidOwners(address[],uint256)", owners, required)


def test_wei_comes_in(wallet: Deployed, accounts: list[str]) -> None:
    outcome = wallet.try_send(b"", value=5)
    assert outcome.succeeded
    (log,) = outcome.logs
    assert (log.topics[1][-40:], int(log.data, 16)) == (accounts[0][2:], 5)
    assert wallet.balance() == ETHER + 5
    assert wallet.refusal("submit", ZERO, 0, b"", value=1) == b""
    assert not wallet.try_call(b"\1\2\3\4", value=1).succeeded


def test_a_payment(wallet: Deployed, node: zevm.Node, accounts: list[str]) -> None:
    target = accounts[7]
    before = int(node.request("eth_getBalance", target, "latest"), 16)
    outcome = wallet.send("submit", target, 9, b"")
    submitted, confirmed = outcome.logs
    assert decode(["uint256", "bytes"], bytes.fromhex(submitted.data[2:])) == (9, b"")
    assert [topic[-40:] for topic in submitted.topics[2:]] == [accounts[0][2:], target[2:]]
    assert int(confirmed.topics[1], 16) == 0
    early = error_data("TooFewConfirmations(uint256,uint32,uint256)", 0, 1, 2)
    assert wallet.refusal("execute", 0) == early
    assert wallet.call("executable", 0, 1) == ()
    wallet.send("confirm", 0, sender=accounts[1])
    assert wallet.call("executable", 0, 1) == (0,)
    assert wallet.call("getTransaction", 0) == (target, False, 2, 9, b"")
    wallet.send("execute", 0, sender=accounts[2])
    assert int(node.request("eth_getBalance", target, "latest"), 16) == before + 9
    assert wallet.call("getTransaction", 0) == (target, True, 2, 9, b"")
    done = error_data("AlreadyExecuted(uint256)", 0)
    for name in ("execute", "confirm", "revoke"):
        assert wallet.refusal(name, 0) == done


def test_confirmations(wallet: Deployed, accounts: list[str]) -> None:
    wallet.send("submit", ZERO, 0, b"\xff" * 100)
    assert wallet.refusal("confirm", 0) == error_data("AlreadyConfirmed(uint256,address)", 0, accounts[0])
    wallet.send("revoke", 0)
    assert wallet.refusal("revoke", 0) == error_data("NotConfirmed(uint256,address)", 0, accounts[0])
    assert wallet.call("getTransaction", 0) == (ZERO, False, 0, 0, b"\xff" * 100)
    assert not wallet.call("confirmed", 0, accounts[0])
    stranger = error_data("NotOwner(address)", accounts[5])
    for name, *arguments in (("submit", ZERO, 0, b""), ("confirm", 0), ("revoke", 0), ("execute", 0)):
        assert wallet.refusal(name, *arguments, sender=accounts[5]) == stranger
    for name in ("confirm", "revoke", "execute", "getTransaction"):
        assert wallet.refusal(name, 1) == panic_data(0x32)


def test_what_a_call_answers(wallet: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    data = receiver.call_data("onERC721Received", accounts[0], accounts[1], 7, b"")
    number = agreed(wallet, accounts, receiver.address, 0, data)
    outcome = wallet.send("execute", number)
    (answer,) = decode(["bytes"], outcome.data)
    assert answer == bytes.fromhex("150b7a02") + bytes(28)
    assert decode(["bytes"], bytes.fromhex(outcome.logs[-1].data[2:])) == (answer,)


def test_a_call_that_fails(wallet: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    data = receiver.call_data("onERC721Received", accounts[0], accounts[1], 7, b"\3")
    number = agreed(wallet, accounts, receiver.address, 0, data)
    failed = error_data("CallFailed(uint256,bytes)", number, reason_data("Receiver: refused"))
    assert wallet.refusal("execute", number) == failed
    number = agreed(wallet, accounts, receiver.address, 2 * ETHER, b"")
    assert wallet.refusal("execute", number) == error_data("CallFailed(uint256,bytes)", number, b"")


def test_the_wallet_changes_its_owners(wallet: Deployed, accounts: list[str]) -> None:
    assert wallet.refusal("setOwners", accounts[:1], 1) == error_data("NotWallet(address)", accounts[0])
    number = agreed(wallet, accounts, wallet.address, 0, wallet.call_data("setOwners", accounts[1:6], 4))
    changed, _ = wallet.send("execute", number).logs
    assert decode(["address[]", "uint256"], bytes.fromhex(changed.data[2:])) == (tuple(accounts[1:6]), 4)
    assert (wallet.call("getOwners"), wallet.call("required")) == (tuple(accounts[1:6]), 4)
    assert wallet.refusal("submit", ZERO, 0, b"") == error_data("NotOwner(address)", accounts[0])
    assert wallet.slot(0) == 5


def test_ranges(wallet: Deployed) -> None:
    assert wallet.refusal("executable", 1, 0) == panic_data(0x11)
    assert wallet.refusal("executable", 0, 1) == panic_data(0x32)
    assert wallet.refusal("executable", 0, 2**64) == panic_data(0x41)
