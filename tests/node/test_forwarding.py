"""Transactions handed on to other nodes (L3)."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from testing.node_process import NodeProcess
from tests.node.conftest import Start
from zevm.chain.events import TransactionAdded
from zevm.chain.types import Transaction
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.node.forwarding import Forwarder
from zevm.rpc.limits import Limits

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
WAIT_SECONDS = 20


class Peer:
    """A node that notes what it is sent, and answers when it may. known: hashes of transactions that it has."""

    def __init__(self) -> None:
        self.received: queue.Queue[str] = queue.Queue()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.answer: dict[str, Any] = {"result": "0x00"}
        self.known: set[str] = set()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                [parameter] = body["params"]
                if body["method"] == "eth_getTransactionByHash":
                    self.reply({"result": {"hash": parameter} if parameter in peer.known else None})
                    return
                assert body["method"] == "eth_sendRawTransaction"
                peer.received.put(parameter)
                peer.may_answer.wait(WAIT_SECONDS)
                self.reply(peer.answer)

            def reply(self, answer: dict[str, Any]) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"jsonrpc": "2.0", "id": 1, **answer}).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.may_answer.set()
    running.server.shutdown()
    running.server.server_close()


class PoolAlone:
    """A chain's pool, as far as forwarding looks at it."""

    def __init__(self) -> None:
        self.transactions: dict[bytes, Transaction] = {}
        self.pool = self

    def get(self, transaction_hash: bytes) -> Transaction | None:
        return self.transactions.get(transaction_hash)


class Forwarding:
    """A forwarder, and transactions for it."""

    def __init__(self, urls: list[str], **limits: Any) -> None:
        self.chain = PoolAlone()
        self.forwarder = Forwarder(self.chain, urls, Limits(**limits))
        self.forwarder.start()

    def add(self, nonce: int, **fields: Any) -> str:
        transaction = Transaction(nonce=nonce, r=1 << 200, s=1, **fields)
        self.chain.transactions[transaction.hash] = transaction
        self.forwarder.on_event(TransactionAdded(transaction))
        return "0x" + transaction.encoded.hex()


@pytest.fixture
def forwarding() -> Iterator[Callable[..., Forwarding]]:
    made: list[Forwarding] = []

    def make(*urls: str, **limits: Any) -> Forwarding:
        made.append(Forwarding(list(urls), **limits))
        return made[-1]

    yield make
    for item in made:
        item.forwarder.close()


def test_l3_each_transaction_goes_to_each_node(peer: Peer, forwarding: Callable[..., Forwarding]) -> None:
    """L3: in order; an impersonated one, which is valid here alone, goes nowhere, and neither does a mined one."""
    sender = forwarding(peer.url, peer.url)
    first, second = sender.add(0), sender.add(1)
    received = [peer.received.get(timeout=WAIT_SECONDS) for _ in range(4)]
    assert sorted(received) == sorted([first, first, second, second])
    impersonated = Transaction(r=5, s=0)
    assert impersonated.is_impersonated
    sender.forwarder.on_event(TransactionAdded(impersonated))
    sender.forwarder.on_event(TransactionAdded(Transaction(nonce=77, r=1 << 200, s=1)))
    third = sender.add(2)
    assert [peer.received.get(timeout=WAIT_SECONDS) for _ in range(2)] == [third, third]


def test_l3_a_refusal_is_no_failure(
    peer: Peer, forwarding: Callable[..., Forwarding], caplog: pytest.LogCaptureFixture
) -> None:
    """L3: "already known" is what a node answers that was handed the transaction since it was asked for it."""
    peer.answer = {"error": {"code": -32000, "message": "already known"}}
    sender = forwarding(peer.url)
    for nonce in range(3):
        sender.add(nonce)
        peer.received.get(timeout=WAIT_SECONDS)
    assert caplog.messages == []


def test_l3_a_node_that_has_a_transaction_is_not_sent_it(peer: Peer, forwarding: Callable[..., Forwarding]) -> None:
    """L3: or the log of each of two nodes would tell of a refusal for every transaction of the other."""
    sender = forwarding(peer.url)
    held = Transaction(nonce=0, r=1 << 200, s=1)
    peer.known.add(f"0x{held.hash.hex()}")
    sender.add(0)
    following = sender.add(1)
    assert peer.received.get(timeout=WAIT_SECONDS) == following


def test_l3_failures_are_told_once(
    peer: Peer, forwarding: Callable[..., Forwarding], caplog: pytest.LogCaptureFixture
) -> None:
    """L3: a node that is away costs one line and delays neither this node nor the others."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    sender = forwarding(nobody, peer.url)
    expected = [sender.add(nonce) for nonce in range(5)]
    assert [peer.received.get(timeout=WAIT_SECONDS) for _ in range(5)] == expected
    sender.forwarder.close()
    for target in sender.forwarder._targets:
        target._thread.join(WAIT_SECONDS)
    [message] = caplog.messages
    assert message.startswith(f"transactions cannot be forwarded: no node answers at {nobody}")


def test_l3_what_waits_is_bounded_in_number_and_time(
    peer: Peer, forwarding: Callable[..., Forwarding], caplog: pytest.LogCaptureFixture
) -> None:
    """L3: a node that takes and does not answer is given up after the limit; what does not fit is not kept."""
    peer.may_answer.clear()
    sender = forwarding(peer.url, forward_queue=3, forward_seconds=0.5)
    first = sender.add(0)
    assert peer.received.get(timeout=WAIT_SECONDS) == first
    waiting = [sender.add(nonce) for nonce in range(1, 10)]
    [message] = caplog.messages
    assert message == (
        f"{peer.url} is slow: 3 transactions wait for it, and further ones are not forwarded (--rpc-forward-queue)"
    )
    peer.may_answer.set()
    assert [peer.received.get(timeout=WAIT_SECONDS) for _ in range(3)] == waiting[:3]


def test_l3_a_node_that_was_away_gets_what_it_missed(
    peer: Peer, forwarding: Callable[..., Forwarding], caplog: pytest.LogCaptureFixture
) -> None:
    """L3: once it answers again; without them, later transactions of the sender would wait there for ever."""
    peer.may_answer.clear()
    sender = forwarding(peer.url, forward_seconds=0.5)
    first = sender.add(0)
    assert peer.received.get(timeout=WAIT_SECONDS) == first
    deadline = threading.Event()
    threading.Timer(WAIT_SECONDS, deadline.set).start()
    while not caplog.messages:
        assert not deadline.is_set()
    peer.may_answer.set()
    second = sender.add(1)
    assert [peer.received.get(timeout=WAIT_SECONDS) for _ in range(2)] == [second, first]


def test_l3_urls_are_checked() -> None:
    """L3: and come separated by commas."""
    settings = load_settings({"forward_transactions": "http://127.0.0.1:1, https://node.example"})
    assert settings.forward_transactions == ("http://127.0.0.1:1", "https://node.example")
    for wrong in ("127.0.0.1:8545", "ftp://host", "http://"):
        with pytest.raises(SettingsError, match="is not a URL of a node"):
            load_settings({"forward_transactions": wrong})


def _pool(node: NodeProcess) -> Any:
    with node.connect() as client:
        return client.call("txpool_status")


def test_l3_two_nodes_share_their_pools(start: Start) -> None:
    """L3: each hands on to the other, and nothing goes in a circle."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first = start(
        "--memory", "--no-mining", "--timestamp", "1700000000", "--forward-transactions", f"http://127.0.0.1:{port}"
    )
    second = start(
        "--memory", "--no-mining", "--timestamp", "1700000000", "--port", str(port),
        "--forward-transactions", f"http://127.0.0.1:{first.port}",
    )  # fmt: skip
    for node, sender in ((first, ALICE), (second, BOB)):
        with node.connect() as client:
            client.call("eth_sendTransaction", {"from": sender, "to": BOB, "value": "0x1"})
    deadline = threading.Event()
    threading.Timer(WAIT_SECONDS, deadline.set).start()
    while [_pool(node)["pending"] for node in (first, second)] != ["0x2", "0x2"]:
        assert not deadline.is_set()
    assert "cannot be forwarded" not in first.tail(100) + second.tail(100)
