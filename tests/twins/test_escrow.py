"""An escrow of wei, in Solidity and in Zig."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

import zevm
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import Deployed, RevertedError, deploy, error_data, panic_data, reason_data
from zevm.storage.keccak import keccak256

CREATED, FUNDED, DISPUTED, SETTLED = range(4)
TITLE = "A house by the sea, with everything that stands in it"
PATIENCE_SECONDS = 1_000


@pytest.fixture
def escrow(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """Account 0 buys, account 1 sells, account 2 decides for 2.5 percent."""
    return deploy(node, code_of("escrow", language), accounts[1], accounts[2], 250, PATIENCE_SECONDS, TITLE)


@pytest.fixture
def funded(escrow: Deployed) -> Deployed:
    """It holds 10,001 wei."""
    escrow.send("fund", value=10_001)
    return escrow


def test_terms(escrow: Deployed, accounts: list[str]) -> None:
    names = ("buyer", "seller", "arbiter", "state", "feeBasisPoints", "patience", "title", "amount", "deadline")
    assert [escrow.call(name) for name in names] == [*accounts[:3], CREATED, 250, PATIENCE_SECONDS, TITLE, 0, 0]


def test_packed_slots(funded: Deployed, accounts: list[str]) -> None:
    """An address, an enum and a uint64 share slot 0; an address, a uint16 and an int64 share slot 1."""
    deadline = funded.call("deadline")
    assert funded.slot(0) == int(accounts[0], 16) | FUNDED << 160 | deadline << 168
    assert funded.slot(1) == int(accounts[1], 16) | 250 << 160 | PATIENCE_SECONDS << 176
    assert funded.slot(3) == 10_001
    assert funded.slot(4) == 2 * len(TITLE) + 1


@pytest.mark.parametrize(
    ("fee", "patience", "refusal"),
    [
        (10_001, 1, error_data("SplitTooLarge(uint256)", 10_001)),
        (0, 0, reason_data("Escrow: no patience")),
        (0, -(2**63), reason_data("Escrow: no patience")),
    ],
)
def test_terms_that_cannot_be(
    node: zevm.Node, accounts: list[str], language: Language, fee: int, patience: int, refusal: bytes
) -> None:
    with pytest.raises(RevertedError) as caught:
        deploy(node, code_of("escrow", language), accounts[1], accounts[2], fee, patience, "")
    assert caught.value.data == refusal


def test_funding(escrow: Deployed, accounts: list[str]) -> None:
    assert escrow.refusal("fund", value=1, sender=accounts[1]) == error_data("NotAllowed(address)", accounts[1])
    assert escrow.refusal("fund") == reason_data("Escrow: nothing sent")
    assert escrow.refusal("release") == error_data("WrongState(uint8,uint8)", CREATED, FUNDED)
    (log,) = escrow.send("fund", value=5).logs
    assert decode(["uint256", "uint64"], bytes.fromhex(log.data[2:])) == (5, escrow.call("deadline"))
    assert escrow.refusal("fund", value=5) == error_data("WrongState(uint8,uint8)", FUNDED, CREATED)
    assert not escrow.try_call(b"", value=1).succeeded
    assert escrow.refusal("release", value=1) == b""


def test_a_release(funded: Deployed, node: zevm.Node, accounts: list[str]) -> None:
    (log,) = funded.send("release").logs
    assert decode(["(uint256,uint256,uint256)"], bytes.fromhex(log.data[2:])) == ((9_751, 0, 250),)
    assert [funded.call("withdrawable", account) for account in accounts[:3]] == [0, 9_751, 250]
    before = int(node.request("eth_getBalance", accounts[1], "latest"), 16)
    funded.send("withdraw", sender=accounts[1])
    assert int(node.request("eth_getBalance", accounts[1], "latest"), 16) == before + 9_751
    assert (funded.balance(), funded.call("withdrawable", accounts[1])) == (250, 0)


def test_a_refund_waits_for_the_deadline(funded: Deployed, node: zevm.Node, accounts: list[str]) -> None:
    deadline = funded.call("deadline")
    data = funded.refusal("refund", sender=accounts[3])
    assert data[:4] == error_data("TooEarly(uint64,uint64)", 0, 0)[:4]
    assert decode(["uint64", "uint64"], data[4:])[1] == deadline
    with node.anchor():
        funded.send("refund", sender=accounts[1])
    node.request("evm_setNextBlockTimestamp", hex(deadline))
    node.request("evm_mine")
    funded.send("refund", sender=accounts[3])
    assert funded.call("withdrawable", accounts[0]) == 9_751


def test_a_dispute(funded: Deployed, accounts: list[str]) -> None:
    long = "the roof " * 10
    assert funded.refusal("dispute", "no", sender=accounts[3]) == error_data("NotAllowed(address)", accounts[3])
    (log,) = funded.send("dispute", long).logs
    assert log.topics[2] == "0x" + keccak256(long.encode()).hex()
    assert decode(["string"], bytes.fromhex(log.data[2:])) == (long,)
    funded.send("dispute", "it was fine", sender=accounts[1])
    assert funded.call("reasons") == (long, "it was fine")
    assert funded.call("reason", 1) == "it was fine"
    assert funded.refusal("reason", 2) == panic_data(0x32)
    assert funded.refusal("release") == error_data("WrongState(uint8,uint8)", DISPUTED, FUNDED)
    wrong = error_data("SplitTooLarge(uint256)", 10_001)
    assert funded.refusal("resolve", 10_001, sender=accounts[2]) == wrong
    slots = len(funded.slots())
    funded.send("resolve", 4_000, sender=accounts[2])
    assert [funded.call("withdrawable", account) for account in accounts[:3]] == [5_851, 3_900, 250]
    assert funded.call("reasons") == ()
    # the length, two heads, and the three slots of the long reason are zero again; three balances are new
    assert len(funded.slots()) == slots - 6 + 3


def test_numbers_that_are_no_state(escrow: Deployed) -> None:
    assert [escrow.call("stateOf", number) for number in range(4)] == [0, 1, 2, 3]
    assert escrow.refusal("stateOf", 4) == panic_data(0x21)
    assert escrow.call("isIn", CREATED)
    bad = escrow.call_data("isIn", 0)[:-1] + b"\4"
    outcome = escrow.try_call(bad)
    assert (outcome.succeeded, outcome.data) == (False, b"")


def test_checked_arithmetic(escrow: Deployed) -> None:
    assert escrow.call("share", 10**60, 2_500) == 25 * 10**58
    assert escrow.refusal("share", 2**255, 2) == panic_data(0x11)


def test_a_split_that_overflows(funded: Deployed) -> None:
    """The share of the largest number does, whatever the amount."""
    assert funded.refusal("split", 2**256 - 1) == panic_data(0x11)


def test_a_receiver_that_takes_no_wei(node: zevm.Node, accounts: list[str], language: Language) -> None:
    """A contract sells, and has no function for wei; its call is made for it."""
    odd = deploy(node, solidity("OddToken"), 0, accounts[0], 0)
    made = deploy(node, code_of("escrow", language), odd.address, accounts[2], 0, 1, "")
    made.send("fund", value=7)
    made.send("release")
    node.request("anvil_impersonateAccount", odd.address)
    node.request("anvil_setBalance", odd.address, hex(10**18))
    assert made.refusal("withdraw", sender=odd.address) == reason_data("Escrow: not sent")


def test_a_receiver_cannot_withdraw_again(node: zevm.Node, accounts: list[str], language: Language) -> None:
    """A contract sells, and withdraws once more while it is paid."""
    code = code_of("escrow", language)
    withdrawal = Deployed(node, accounts[0], code.abi).call_data("withdraw")
    seller = deploy(node, solidity("CallingAccount"), withdrawal)
    made = deploy(node, code, seller.address, accounts[2], 0, 1, "")
    made.send("fund", value=7)
    made.send("release")
    answered, _ = seller.send("forward", made.address, withdrawal).logs
    refused = (False, error_data("ReentrancyGuardReentrantCall()"))
    assert decode(["bool", "bytes"], bytes.fromhex(answered.data[2:])) == refused
    assert (seller.balance(), made.balance()) == (7, 0)
