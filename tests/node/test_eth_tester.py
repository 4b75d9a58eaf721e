"""eth-tester on a node of this process: its own suite for backends, and web3.py's provider over it."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_tester import EthereumTester
from eth_tester.exceptions import SnapshotNotFound, TransactionFailed, TransactionNotFound, ValidationError
from eth_tester.utils.backend_testing import BaseTestBackendDirect
from web3 import AsyncWeb3, EthereumTesterProvider, Web3
from web3.providers.eth_tester import AsyncEthereumTesterProvider

import zevm
from zevm.node.eth_tester import ZevmBackend

PATH = "zevm.node.eth_tester.ZevmBackend"
PHRASE = "test test test test test test test test test test test junk"


@pytest.fixture(scope="module")
def shared() -> Iterator[ZevmBackend]:
    backend = ZevmBackend()
    yield backend
    backend.close()


@pytest.fixture
def eth_tester(shared: ZevmBackend) -> EthereumTester:
    """A tester whose chain is at its beginning; the node is one for all tests."""
    shared.reset_to_genesis()
    return EthereumTester(backend=shared)


class TestBackend(BaseTestBackendDirect):  # type: ignore[misc]
    """The 74 tests that eth-tester has for every backend."""


@pytest.fixture
def by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a project's users set: eth-tester finds the backend by its name."""
    monkeypatch.setenv("ETHEREUM_TESTER_CHAIN_BACKEND", PATH)


@pytest.fixture
def provider(by_environment: None) -> Iterator[Any]:  # noqa: ARG001
    provider = EthereumTesterProvider()
    assert isinstance(provider.ethereum_tester.backend, ZevmBackend)
    yield provider
    provider.ethereum_tester.backend.close()


STORE = bytes.fromhex("60003560005560005460005260206000f3")
"""Stores its argument and returns it."""


def creation_of(code: bytes) -> bytes:
    """Bytes that return the code."""
    return bytes.fromhex(f"60{len(code):02x}600c60003960{len(code):02x}6000f3") + code


def deploy(w3: Web3, code: bytes) -> Any:
    sent = w3.eth.send_transaction({"from": w3.eth.accounts[0], "data": creation_of(code), "gas": 300_000})
    return w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]


def test_web3s_provider_sends_calls_and_filters(provider: Any) -> None:
    w3 = Web3(provider)
    alice, bob, *_ = list(w3.eth.accounts)
    assert (len(w3.eth.accounts), w3.eth.get_balance(alice)) == (10, 10**24)
    blocks = w3.eth.filter("latest")
    box = deploy(w3, STORE)
    sent = w3.eth.send_transaction({"from": bob, "to": box, "data": (7).to_bytes(32, "big")})
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    assert (receipt["status"], receipt["blockNumber"], w3.eth.block_number) == (1, 2, 2)
    assert w3.eth.get_storage_at(box, 0)[-1] == 7
    assert w3.eth.call({"to": box, "data": (9).to_bytes(32, "big")})[-1] == 9
    assert len(blocks.get_new_entries()) == 2
    assert w3.eth.get_transaction(sent)["from"] == bob
    latest: Any = w3.eth.get_block("latest", full_transactions=True)
    assert latest["transactions"][0]["hash"] == sent
    snapshot = provider.ethereum_tester.take_snapshot()
    for _ in range(3):
        w3.eth.send_transaction({"from": alice, "to": bob, "value": Web3.to_wei(1, "ether")})
        provider.ethereum_tester.revert_to_snapshot(snapshot)
        assert w3.eth.block_number == 2


def error_of(text: str) -> bytes:
    return (
        bytes.fromhex("08c379a0")
        + (32).to_bytes(32, "big")
        + len(text).to_bytes(32, "big")
        + text.encode().ljust(32, b"\0")
    )


def reverting_with(data: bytes) -> bytes:
    """Code that reverts with data that stands behind it."""
    return bytes.fromhex(f"60{len(data):02x}600c60003960{len(data):02x}6000fd") + data


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        (error_of("too little"), TransactionFailed, "execution reverted: too little"),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"), Exception, "Panic error 0x11"),
        (bytes.fromhex("deadbeef"), TransactionFailed, "execution reverted: b'"),
        (b"", TransactionFailed, "execution reverted"),
    ],
    ids=["reason", "panic", "custom error", "no data"],
)
def test_reverts_are_what_they_are_with_eth_testers_own_backend(
    provider: Any, data: bytes, kind: type[Exception], told: str
) -> None:
    w3 = Web3(provider)
    contract = deploy(w3, reverting_with(data))
    with pytest.raises(kind, match=told):
        w3.eth.call({"to": contract})


async def test_web3s_asynchronous_provider(by_environment: None) -> None:  # noqa: ARG001
    provider = AsyncEthereumTesterProvider()
    w3: AsyncWeb3[Any] = AsyncWeb3(provider)
    alice, bob, *_ = list(await w3.eth.accounts)
    sent = await w3.eth.send_transaction({"from": alice, "to": bob, "value": Web3.to_wei(5, "wei")})
    assert (await w3.eth.wait_for_transaction_receipt(sent))["status"] == 1
    assert await w3.eth.get_balance(bob) == 10**24 + 5
    provider.ethereum_tester.backend.close()


def test_a_genesis_of_ones_own() -> None:
    state = ZevmBackend.generate_genesis_state(
        {"balance": 7}, num_accounts=2, mnemonic=PHRASE, hd_path="m/44'/60'/0'/0"
    )
    parameters = ZevmBackend.generate_genesis_params({"gas_limit": 5_000_000, "timestamp": 1_700_000_000})
    backend = ZevmBackend(parameters, state, PHRASE, "m/44'/60'/0'/0", fork="cancun")
    tester = EthereumTester(backend=backend)
    assert tester.get_accounts()[0] == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert (len(tester.get_accounts()), tester.get_balance(tester.get_accounts()[1])) == (2, 7)
    first = tester.get_block_by_number(0)
    assert (first["gas_limit"], first["timestamp"], "requests_hash" in first) == (5_000_000, 1_700_000_000, False)
    backend.close()
    with pytest.raises(zevm.NodeClosedError):
        tester.mine_block()
    with pytest.raises(ValueError, match="gas"):
        ZevmBackend.generate_genesis_params({"gas": 1})
    with pytest.raises(zevm.SettingsError, match="fork: 'nofork': unknown hardfork"):
        ZevmBackend(fork="nofork")


def test_what_the_next_block_cannot_hold_is_refused_and_leaves_nothing(eth_tester: EthereumTester) -> None:
    alice, bob, *_ = eth_tester.get_accounts()
    plain = {"from": alice, "to": bob, "gas": 21_000, "value": 1}
    for change, told in (
        ({"nonce": 5}, "its nonce 5 is not the account's next one"),
        ({"gas_price": 10}, "its fee cap 10 wei is below the base fee 875000000"),
        ({"gas": 40_000_000}, "gas"),
        ({"value": 10**30}, "insufficient funds"),
        ({"from": "0x" + "12" * 20}, "no key for 0x1212"),
    ):
        with pytest.raises(ValidationError, match=told):
            eth_tester.send_transaction({**plain, **change})
    assert eth_tester.get_block_by_number("pending")["transactions"] == []
    assert eth_tester.get_nonce(alice) == 0


def test_a_snapshot_behind_an_earlier_one_that_was_returned_to_is_gone(eth_tester: EthereumTester) -> None:
    first = eth_tester.take_snapshot()
    eth_tester.mine_block()
    second = eth_tester.take_snapshot()
    eth_tester.revert_to_snapshot(first)
    eth_tester.revert_to_snapshot(first)
    with pytest.raises(SnapshotNotFound):
        eth_tester.revert_to_snapshot(second)


def test_waiting_transactions_leave_no_snapshots_behind(eth_tester: EthereumTester) -> None:
    eth_tester.disable_auto_mine_transactions()
    alice, bob, *_ = eth_tester.get_accounts()
    for value in range(5):
        sent = eth_tester.send_transaction({"from": alice, "to": bob, "gas": 21_000, "value": value, "nonce": 0})
    assert len(eth_tester.backend.node.chain.snapshots.taken) == 1
    with pytest.raises(TransactionNotFound):
        eth_tester.get_transaction_receipt(sent)
    eth_tester.mine_block()
    assert eth_tester.get_transaction_receipt(sent)["status"] == 1
