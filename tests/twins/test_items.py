"""An ERC-1155 that its owner mints, in Solidity and in Zig."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

import zevm
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import Deployed, deploy, error_data, panic_data, reason_data
from zevm.storage.keccak import keccak256

ZERO = "0x" + "00" * 20
MOST = 2**256 - 1
URI = "https://example.org/items/of/a/long/address/{id}.json"


@pytest.fixture
def items(node: zevm.Node, accounts: list[str], language: Language) -> Deployed:
    """Account 0 owns the contract; account 1 has 100 of item 1, 200 of item 2 and 1 of item 3."""
    made = deploy(node, code_of("items", language), URI, accounts[0])
    made.send("mintBatch", accounts[1], [1, 2, 3], [100, 200, 1], b"")
    return made


@pytest.fixture
def receiver(node: zevm.Node) -> Deployed:
    return deploy(node, solidity("Receiver"))


def test_balances(items: Deployed, accounts: list[str]) -> None:
    holder = accounts[1]
    assert items.call("uri", 7) == URI
    assert items.call("balanceOf", holder, 2) == 200
    assert items.call("balanceOfBatch", [holder, holder, accounts[0], holder], [1, 2, 3, 3]) == (100, 200, 0, 1)
    assert items.call("balanceOfBatch", [], []) == ()
    uneven = error_data("ERC1155InvalidArrayLength(uint256,uint256)", 1, 2)
    assert items.refusal("balanceOfBatch", [holder, holder], [1]) == uneven
    items.send("setURI", "short")
    assert items.call("uri", 7) == "short"


def test_single_and_batch_events(items: Deployed, accounts: list[str]) -> None:
    _, holder, other, *_ = accounts
    (single,) = items.send("safeTransferFrom", holder, other, 1, 7, b"", sender=holder).logs
    signature = keccak256(b"TransferSingle(address,address,address,uint256,uint256)")
    assert single.topics[0] == "0x" + signature.hex()
    assert decode(["uint256", "uint256"], bytes.fromhex(single.data[2:])) == (1, 7)
    (batch,) = items.send("safeBatchTransferFrom", holder, other, [2, 3], [5, 1], b"", sender=holder).logs
    signature = keccak256(b"TransferBatch(address,address,address,uint256[],uint256[])")
    assert batch.topics[0] == "0x" + signature.hex()
    assert [topic[-40:] for topic in batch.topics[1:]] == [holder[2:], holder[2:], other[2:]]
    assert decode(["uint256[]", "uint256[]"], bytes.fromhex(batch.data[2:])) == ((2, 3), (5, 1))
    # a batch of one is told as a single transfer
    (alone,) = items.send("safeBatchTransferFrom", holder, other, [2], [5], b"", sender=holder).logs
    assert alone.topics[0] == single.topics[0]


def test_refusals(items: Deployed, accounts: list[str]) -> None:
    _, holder, other, *_ = accounts
    missing = error_data("ERC1155MissingApprovalForAll(address,address)", other, holder)
    assert items.refusal("safeTransferFrom", holder, other, 1, 1, b"", sender=other) == missing
    assert items.refusal("burnBatch", holder, [1], [1], sender=other) == missing
    items.send("setApprovalForAll", other, True, sender=holder)
    assert items.call("isApprovedForAll", holder, other)
    poor = error_data("ERC1155InsufficientBalance(address,uint256,uint256,uint256)", holder, 100, 101, 1)
    assert items.refusal("safeTransferFrom", holder, other, 1, 101, b"", sender=other) == poor
    assert items.refusal("burn", holder, 1, 101, sender=other) == poor
    assert items.refusal("safeTransferFrom", holder, ZERO, 1, 1, b"", sender=holder) == error_data(
        "ERC1155InvalidReceiver(address)", ZERO
    )
    uneven = error_data("ERC1155InvalidArrayLength(uint256,uint256)", 2, 1)
    assert items.refusal("safeBatchTransferFrom", holder, other, [1, 2], [1], b"", sender=holder) == uneven
    assert items.refusal("mintBatch", other, [1, 2], [1], b"") == uneven
    assert items.refusal("setApprovalForAll", ZERO, True) == error_data("ERC1155InvalidOperator(address)", ZERO)
    assert items.refusal("mint", holder, 1, MOST, b"") == panic_data(0x11)
    assert items.refusal("mint", holder, 1, 1, b"", sender=holder) == error_data(
        "OwnableUnauthorizedAccount(address)", holder
    )


def test_burning(items: Deployed, accounts: list[str]) -> None:
    holder = accounts[1]
    items.send("burn", holder, 1, 40, sender=holder)
    items.send("burnBatch", holder, [1, 2, 1], [1, 2, 3], sender=holder)
    assert items.call("balanceOfBatch", [holder, holder], [1, 2]) == (56, 198)


def test_a_receiver_is_asked(items: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    holder = accounts[1]
    single = items.send("safeTransferFrom", holder, receiver.address, 1, 7, b"", sender=holder)
    batch = items.send("safeBatchTransferFrom", holder, receiver.address, [1, 2], [1, 2], b"\0", sender=holder)
    for outcome, ids, values in ((single, (1,), (7,)), (batch, (1, 2), (1, 2))):
        (_, received) = outcome.logs
        types = ["address", "address", "uint256[]", "uint256[]", "bytes"]
        operator, sender, got_ids, got_values, _ = decode(types, bytes.fromhex(received.data[2:]))
        assert (operator, sender, got_ids, got_values) == (holder, holder, ids, values)


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
    items: Deployed, receiver: Deployed, accounts: list[str], answer: int, refusal: bytes | None
) -> None:
    wanted = error_data("ERC1155InvalidReceiver(address)", receiver.address) if refusal is None else refusal
    holder, data = accounts[1], bytes([answer])
    assert items.refusal("safeTransferFrom", holder, receiver.address, 1, 1, data, sender=holder) == wanted
    assert items.refusal("safeBatchTransferFrom", holder, receiver.address, [1], [1], data, sender=holder) == wanted
    assert items.refusal("mint", receiver.address, 1, 1, data) == wanted


def test_a_receiver_may_call_back(items: Deployed, receiver: Deployed, accounts: list[str]) -> None:
    onward = items.call_data("safeTransferFrom", receiver.address, accounts[3], 1, 4, b"")
    items.send("safeTransferFrom", accounts[1], receiver.address, 1, 7, b"\x08" + onward, sender=accounts[1])
    assert items.call("balanceOfBatch", [receiver.address, accounts[3]], [1, 1]) == (3, 4)


def test_interfaces(items: Deployed) -> None:
    names = ("01ffc9a7", "d9b67a26", "0e89341c", "ffffffff")
    assert [items.call("supportsInterface", bytes.fromhex(name)) for name in names] == [True, True, True, False]
