"""web3.py 8 over HTTP and WebSocket, and within the process: with the same outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.contract import Contract
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import Wei
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription, PendingTxSubscription

import zevm
from testing.node_process import NodeProcess
from testing.speed import PATIENCE_SECONDS
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, CHAIN_ID, ETHER, KEYS, Artifact

SENDER, OTHER = ACCOUNTS[0], ACCOUNTS[1]


class Served:
    """The providers for a node in another process."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node

    @property
    def provider(self) -> Any:
        return web3_at(self._node.url).provider

    @property
    def async_provider(self) -> Any:
        return AsyncWeb3.AsyncHTTPProvider(self._node.url)

    @property
    def persistent_provider(self) -> Any:
        return WebSocketProvider(self._node.websocket_url)


@pytest.fixture(scope="module", params=["sockets", "in process"])
def providers(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An object with the three properties of zevm.Node."""
    if request.param == "sockets":
        yield Served(request.getfixturevalue("node"))
        return
    with zevm.Node() as node:
        yield node


@pytest.fixture(scope="module")
def w3(providers: Any) -> Web3:
    return Web3(providers.provider)


def deploy(w3: Web3, artifact: Artifact, *arguments: Any, **transaction: Any) -> Any:
    factory = w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    sent = factory.constructor(*arguments).transact({"from": SENDER, **transaction})
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=artifact.abi)


@pytest.fixture(scope="module")
def contract(w3: Web3, counter: Artifact) -> Any:
    return deploy(w3, counter, 7, value=5)


def send(w3: Web3, call: Any, **transaction: Any) -> Any:
    return w3.eth.wait_for_transaction_receipt(call.transact({"from": SENDER, **transaction}), timeout=20)


def test_connects(w3: Web3) -> None:
    assert w3.is_connected()
    assert w3.client_version
    assert w3.eth.chain_id == CHAIN_ID
    assert w3.net.version == str(CHAIN_ID)
    assert tuple(w3.eth.accounts[:10]) == ACCOUNTS


def test_deploys_and_calls(w3: Web3, contract: Contract) -> None:
    assert contract.functions.number().call() == 7
    assert contract.functions.divide(84, 2).call() == 42
    assert w3.eth.get_balance(contract.address) == 5
    assert len(w3.eth.get_code(contract.address)) > 500


def test_reads_the_past(w3: Web3, contract: Contract) -> None:
    before = w3.eth.block_number
    value = contract.functions.number().call()
    send(w3, contract.functions.setNumber(value + 100))
    assert contract.functions.number().call(block_identifier=before) == value
    assert contract.functions.number().call() == value + 100
    assert w3.eth.get_code(contract.address, 0) == b""


def test_events_and_filters(w3: Web3, contract: Contract) -> None:
    event = contract.events.NumberChanged
    event_filter = event.create_filter(from_block="latest", argument_filters={"by": OTHER})
    block_filter = w3.eth.filter("latest")
    first = send(w3, contract.functions.setNumber(10))
    second = send(w3, contract.functions.setNumber(11), **{"from": OTHER})
    assert [dict(log["args"]) for log in event().process_receipt(second)] == [
        {"by": OTHER, "previous": 10, "current": 11}
    ]
    assert [log["transactionHash"] for log in event_filter.get_new_entries()] == [second["transactionHash"]]
    assert event_filter.get_new_entries() == []
    assert block_filter.get_new_entries()[-2:] == [first["blockHash"], second["blockHash"]]
    found = event.get_logs(from_block=first["blockNumber"], argument_filters={"previous": 10})
    assert [log["transactionHash"] for log in found] == [second["transactionHash"]]
    assert w3.eth.uninstall_filter(event_filter.filter_id)
    with pytest.raises(Web3RPCError, match="filter not found"):
        event_filter.get_new_entries()


def test_revert_reasons(contract: Contract) -> None:
    with pytest.raises(ContractLogicError, match="execution reverted: Counter: refused"):
        contract.functions.refuse().call()
    with pytest.raises(ContractPanicError, match=r"(?i)division or modulo by zero|division by zero"):
        contract.functions.divide(1, 0).call()
    with pytest.raises(ContractCustomError) as caught:
        contract.functions.setNumber(1_000_001).call({"from": SENDER})
    assert caught.value.data is not None
    assert caught.value.data.endswith(f"{1_000_001:064x}{1_000_000:064x}")
    with pytest.raises(ContractLogicError):
        contract.functions.setNumber(1_000_001).estimate_gas({"from": SENDER})


def test_mines_a_reverting_transaction(w3: Web3, contract: Contract) -> None:
    receipt = send(w3, contract.functions.setNumber(1_000_001), gas=200_000)
    assert receipt["status"] == 0
    assert receipt["logs"] == []


def test_signs_locally(providers: Any) -> None:
    account = Account.from_key(KEYS[2])
    w3 = Web3(providers.provider)
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    receiver = Account.create().address
    sent = w3.eth.send_transaction({"from": account.address, "to": receiver, "value": Wei(ETHER)})
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert (receipt["status"], receipt["gasUsed"]) == (1, 21_000)
    assert w3.eth.get_balance(receiver) == ETHER
    transaction = w3.eth.get_transaction(sent)
    assert transaction["type"] == 2
    assert w3.eth.get_raw_transaction(sent)
    with pytest.raises(Web3RPCError, match=r"nonce too low|already known"):
        w3.eth.send_raw_transaction(w3.eth.get_raw_transaction(sent))


@pytest.mark.parametrize(
    "fees",
    [
        {"gasPrice": 3 * 10**9},
        {"gasPrice": 3 * 10**9, "accessList": [{"address": OTHER, "storageKeys": ["0x" + "00" * 32]}]},
        {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 10**9},
    ],
    ids=["legacy", "access list", "dynamic fee"],
)
def test_transaction_types(w3: Web3, fees: dict[str, Any]) -> None:
    kind = 2 if "maxFeePerGas" in fees else int("accessList" in fees)
    transaction = {
        "to": OTHER,
        "value": 1,
        "gas": 30_000,
        "nonce": w3.eth.get_transaction_count(ACCOUNTS[3]),
        "chainId": CHAIN_ID,
        **({"type": kind} if kind else {}),
        **fees,
    }
    raw = Account.from_key(KEYS[3]).sign_transaction(transaction).raw_transaction
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(raw), timeout=20)
    assert (receipt["status"], receipt["type"]) == (1, kind)


def test_set_code_transaction(w3: Web3, contract: Contract) -> None:
    """EIP-7702: a fresh account delegates to Counter, and answers as one."""
    delegating = Account.create()
    sender = Account.from_key(KEYS[3])
    authorization = delegating.sign_authorization({"chainId": CHAIN_ID, "address": contract.address, "nonce": 0})
    transaction = {
        "type": 4,
        "to": delegating.address,
        "value": 0,
        "gas": 200_000,
        "nonce": w3.eth.get_transaction_count(sender.address),
        "chainId": CHAIN_ID,
        "maxFeePerGas": 5 * 10**9,
        "maxPriorityFeePerGas": 10**9,
        "data": contract.encode_abi("setNumber", [77]),
        "authorizationList": [authorization],
    }
    raw = sender.sign_transaction(transaction).raw_transaction
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(raw), timeout=20)
    assert receipt["status"] == 1
    assert w3.eth.get_code(delegating.address).hex() == "ef0100" + contract.address[2:].lower()
    assert w3.eth.contract(delegating.address, abi=contract.abi).functions.number().call() == 77


def test_batch(w3: Web3, contract: Contract) -> None:
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(contract.functions.divide(9, 3))
        batch.add(w3.eth.get_balance(contract.address))
        answers: Any = batch.execute()
    block, quotient, balance = answers
    assert block["number"] == w3.eth.block_number
    assert (quotient, balance) == (3, 5)


def test_unknown_things(w3: Web3) -> None:
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction("0x" + "12" * 32)
    with pytest.raises(BlockNotFound):
        w3.eth.get_block(10**9)
    with pytest.raises(Web3RPCError) as caught:
        w3.manager.request_blocking("eth_nonsense", [])
    assert caught.value.rpc_response is not None
    assert caught.value.rpc_response["error"]["code"] == -32601


def test_vyper_contract(w3: Web3, savings: Artifact) -> None:
    contract = deploy(w3, savings, 10)
    receipt = send(w3, contract.functions.deposit(), value=25)
    log = contract.events.Deposited().process_receipt(receipt)[0]
    assert dict(log["args"]) == {"owner": SENDER, "amount": 25, "total": 25}
    send(w3, contract.functions.withdraw(5))
    assert contract.functions.savings(SENDER).call() == 20
    assert contract.functions.minimum().call() == 10
    with pytest.raises(ContractLogicError, match="below minimum"):
        contract.functions.deposit().call({"from": SENDER, "value": 9})


def test_fee_history(w3: Web3) -> None:
    history = w3.eth.fee_history(3, "latest", [10, 90])
    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert all(len(rewards) == 2 for rewards in history["reward"])
    assert w3.eth.gas_price > 0


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    taken = []
    async for message in stream:
        taken.append(message["result"])
        if len(taken) == count:
            break
    return taken


async def test_subscriptions(providers: Any, contract: Contract) -> None:
    async with AsyncWeb3(providers.persistent_provider) as w3:
        live = w3.eth.contract(contract.address, abi=contract.abi)
        heads = await w3.eth.subscribe("newHeads")
        pending = await w3.eth.subscribe("newPendingTransactions")
        logs = await w3.eth.subscribe(
            "logs", {"address": contract.address, "topics": [live.events.NumberChanged().topic]}
        )
        sent = await live.functions.setNumber(500).transact({"from": OTHER})
        receipt = await w3.eth.wait_for_transaction_receipt(sent, timeout=20)
        received: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for message in w3.socket.process_subscriptions():
                received[message["subscription"]] = message["result"]
                if len(received) == 3:
                    break
        assert received[heads]["number"] == receipt["blockNumber"]
        assert received[heads]["hash"] == receipt["blockHash"]
        assert received[logs]["transactionHash"] == sent
        assert live.events.NumberChanged().process_log(received[logs])["args"]["current"] == 500
        assert bytes(received[pending]) == bytes(sent)
        assert await w3.eth.unsubscribe(heads)
        assert await w3.eth.block_number == receipt["blockNumber"]


async def test_subscription_manager(providers: Any, contract: Contract) -> None:
    """web3.py's handlers of newHeads, logs and newPendingTransactions; the first result of each ends it."""
    heard: dict[str, Any] = {}

    async def hear(context: Any) -> None:
        heard[context.subscription.label] = context.result
        await context.subscription.unsubscribe()

    async with AsyncWeb3(providers.persistent_provider) as w3:
        live = w3.eth.contract(contract.address, abi=contract.abi)
        await w3.subscription_manager.subscribe(
            [
                NewHeadsSubscription(label="head", handler=hear),
                PendingTxSubscription(label="pending", handler=hear),
                LogsSubscription(label="log", address=contract.address, handler=hear),
            ]
        )
        sent = await live.functions.setNumber(600).transact({"from": OTHER})
        async with asyncio.timeout(PATIENCE_SECONDS):
            await w3.subscription_manager.handle_subscriptions()
        assert w3.subscription_manager.subscriptions == []
        receipt = await w3.eth.get_transaction_receipt(sent)
    assert heard["head"]["hash"] == heard["log"]["blockHash"] == receipt["blockHash"]
    assert bytes(heard["pending"]) == bytes(sent)


@pytest.mark.parametrize("kind", ["async_provider", "persistent_provider"])
async def test_asynchronous_client(providers: Any, contract: Contract, kind: str) -> None:
    """Calls, reverts of each sort, errors and batches of AsyncWeb3."""
    w3: AsyncWeb3[Any] = AsyncWeb3(getattr(providers, kind))
    if kind == "persistent_provider":
        await w3.provider.connect()
    try:
        await check_asynchronous_client(w3, w3.eth.contract(contract.address, abi=contract.abi))
    finally:
        await w3.provider.disconnect()


async def check_asynchronous_client(w3: AsyncWeb3[Any], live: Any) -> None:
    assert await w3.is_connected()
    assert await live.functions.divide(84, 2).call() == 42
    with pytest.raises(ContractLogicError, match="execution reverted: Counter: refused"):
        await live.functions.refuse().call()
    with pytest.raises(ContractPanicError):
        await live.functions.divide(1, 0).call()
    for refused in (live.functions.setNumber(1_000_001).call, live.functions.setNumber(1_000_001).estimate_gas):
        with pytest.raises(ContractCustomError):
            await refused({"from": SENDER})
    with pytest.raises(BlockNotFound):
        await w3.eth.get_block(10**9)
    with pytest.raises(TransactionNotFound):
        await w3.eth.get_transaction("0x" + "12" * 32)
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        await w3.eth.send_transaction({"from": SENDER, "to": OTHER, "value": Wei(10**30)})
    async with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(live.functions.divide(9, 3))
        answers: Any = await batch.async_execute()
    assert (answers[0]["number"], answers[1]) == (await w3.eth.block_number, 3)
    async with w3.batch_requests() as batch:
        batch.add(live.functions.refuse())
        with pytest.raises(ContractLogicError, match="Counter: refused"):
            await batch.async_execute()
    assert await asyncio.gather(*(live.functions.divide(turn, 1).call() for turn in range(20))) == list(range(20))


def test_stored_answers(providers: Any) -> None:
    """`cache_allowed_requests`: what cannot change is asked once."""
    provider = providers.provider
    provider.cache_allowed_requests = True
    w3 = Web3(provider)
    assert [w3.eth.chain_id, w3.eth.chain_id] == [CHAIN_ID, CHAIN_ID]
    asked = next(provider.request_counter)
    assert w3.eth.chain_id == CHAIN_ID
    assert next(provider.request_counter) == asked + 1
