"""B1, B10, B14 and their kind: while the largest legal body of any method is answered, others are answered too."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson
import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, zevm_command
from testing.speed import slowness
from tests.rpc.bodies import ENDLESS, LOGGING, STORED, World, largest
from tests.rpc.engine_client import token
from zevm.rpc.registry import REGISTRY, Cost, Method

pytestmark = pytest.mark.slow

EXECUTION_SECONDS = 0.4
FLAGS = (
    "--memory",
    "--no-mining",
    "--disable-tx-gas-limit",
    "--rpc-audit-seconds",
    str(EXECUTION_SECONDS),
    "--rpc-evm-timeout-seconds",
    str(EXECUTION_SECONDS),
    "--rpc-trace-seconds",
    str(EXECUTION_SECONDS),
    "--rpc-trace-seconds-limit",
    str(EXECUTION_SECONDS),
)
LIGHT_MS, OTHER_MS = 50.0, 250.0
POLL_SECONDS = 0.005
ATTEMPTS = 3
PATIENCE_SECONDS = 0.5
"""When the client of a write leaves."""

LAST = (
    "anvil_dropAllTransactions",
    "anvil_loadState",
    "anvil_rollback",
    "anvil_reorg",
    "anvil_mine",
    "evm_mine",
    "evm_mine_detailed",
    "evm_revert",
    "debug_setHead",
    "anvil_reset",
)
"""What changes the chain that the others are asked about."""

LOGS_UNTIL_GAS_ENDS = "0x5b60075f5fa15a6113881060005700"
"""LOG1 again and again while more than 5,000 gas is left."""

LOG_COUNT, TRANSFER_COUNT, POOL_COUNT = 8_000, 200, 900


class Probe:
    """Asks for the block number again and again, on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._connection = RpcConnection(port)
        self._request = self._connection.request("eth_blockNumber")
        self.base_ms: list[float] = []

    def ask(self) -> float:
        begun = time.perf_counter()
        self._connection.exchange(self._request)
        return 1_000 * (time.perf_counter() - begun)

    def rest(self, count: int) -> None:
        """Ask while nobody else does."""
        for _ in range(count):
            self.base_ms.append(self.ask())
            time.sleep(POLL_SECONDS)

    def worst_during(self, work: threading.Thread) -> float:
        worst = 0.0
        work.start()
        while work.is_alive():
            worst = max(worst, self.ask())
            time.sleep(POLL_SECONDS)
        return max(worst, self.ask())

    def close(self) -> None:
        self._connection.close()

    def base(self) -> float:
        """What 99 of 100 answers stay under while the machine is as busy as it is."""
        return quantiles(self.base_ms[-200:], n=100)[98]


class Attacker:
    """Sends one body, reads the answer to its end, and leaves; a write is left alone after a while."""

    def __init__(self, port: int, authorization: str | None) -> None:
        self._port, self._authorization = port, authorization

    def frame(self, body: bytes) -> bytes:
        extra = "" if self._authorization is None else f"Authorization: {self._authorization}\r\n"
        return (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def seconds(self, frame: bytes, patience: float | None, took: list[float]) -> None:
        connection = RpcConnection(self._port, timeout_seconds=patience or 60)
        begun = time.perf_counter()
        with suppress(TimeoutError):
            connection.exchange(frame)
        took.append(time.perf_counter() - begun)
        connection.close()


def slots(count: int) -> dict[str, str]:
    return {f"0x{slot:064x}": f"0x{slot + 1:064x}" for slot in range(count)}


def furnish(connection: RpcConnection) -> World:
    """A block of many transfers and one of many logs, an account of many slots, a filter, and a full pool."""
    account, *others = connection.call("eth_accounts")
    for address, code in ((ENDLESS, "0x5b5f56"), (LOGGING, LOGS_UNTIL_GAS_ENDS)):
        connection.call("anvil_setCode", address, code)
    state = {"accounts": {STORED: {"nonce": 1, "balance": "0x0", "code": "0x00", "storage": slots(3_000)}}}
    connection.call("anvil_loadState", "0x" + json.dumps(state).encode().hex())
    log_filter = connection.call("eth_newFilter", {"address": LOGGING})
    connection.call("eth_sendTransaction", {"from": account, "to": LOGGING, "gas": hex(8_000_000)})
    send(connection, others[0], TRANSFER_COUNT)
    connection.call("evm_mine")
    block = connection.call("eth_getBlockByNumber", "latest", False)
    assert len(block["transactions"]) == TRANSFER_COUNT + 1
    for sender in others[:3]:
        send(connection, sender, POOL_COUNT // 3)
    hashes = block["transactions"]
    receipts = {item: connection.call("eth_getTransactionReceipt", item) for item in (hashes[0], hashes[-1])}
    heavy = max(receipts, key=lambda item: len(receipts[item]["logs"]))
    assert len(receipts[heavy]["logs"]) > LOG_COUNT
    return World(account, block["hash"], int(block["number"], 16), heavy, log_filter)


def send(connection: RpcConnection, sender: str, count: int) -> None:
    transfer = {
        "from": sender,
        "to": sender,
        "gas": "0x5208",
        "maxFeePerGas": hex(10**10),
        "maxPriorityFeePerGas": "0x1",
    }
    answers = connection.batch([("eth_sendTransaction", [transfer])] * count)
    assert all("result" in answer for answer in answers), answers[0]


@pytest.fixture(scope="module")
def development() -> Iterator[tuple[NodeProcess, World]]:
    with ForkedNode(zevm_command(*FLAGS)) as node, node.connect() as connection:
        yield node, furnish(connection)


@pytest.fixture(scope="module")
def external_consensus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, World, int, str]]:
    """A node with a consensus client's port, its number and the secret."""
    secret_file = tmp_path_factory.mktemp("engine") / "jwtsecret"
    command = zevm_command("--memory", "--authrpc", "--authrpc-port", "0", "--authrpc-jwtsecret", str(secret_file))
    with ForkedNode(command) as node, node.connect() as connection:
        port = int(node.wait_for_line(re.compile(r"Engine API on 127\.0\.0\.1:(?P<port>\d+)"))["port"])
        head = connection.call("eth_getBlockByNumber", "latest", False)
        account = connection.call("eth_accounts")[0]
        yield node, World(account, head["hash"], 0, head["hash"], "0x1"), port, Path(secret_file).read_text().strip()


def check(probe: Probe, attacker: Attacker, method: Method, world: World) -> str | None:
    """What is wrong with a method; None where nothing is in one of the attempts."""
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method.name, "params": largest(method, world)})
    frame = attacker.frame(body)
    limit = LIGHT_MS if method.cost is Cost.LIGHT else OTHER_MS
    patience = PATIENCE_SECONDS if method.cost is Cost.WRITE else None
    complaint = None
    for _ in range(ATTEMPTS):
        probe.rest(3)
        took: list[float] = []
        worst = probe.worst_during(threading.Thread(target=attacker.seconds, args=(frame, patience, took)))
        base = probe.base()
        complaint = None
        if worst > base + limit * slowness():
            complaint = f"{method.name}: {worst:.0f} ms, base {base:.0f} ms"
        # reading and sending the bodies is beside the deadline, at no less than 5 MB a second
        room = (0.1 * EXECUTION_SECONDS + len(body) / 5e6) * slowness() + base / 1_000
        if method.cost is Cost.EXECUTION and took[0] > EXECUTION_SECONDS + room:
            complaint = f"{method.name}: {took[0]:.2f} s, its deadline is {EXECUTION_SECONDS} s"
        if complaint is None:
            return None
    return complaint


def in_order(methods: list[Method]) -> list[Method]:
    return sorted(methods, key=lambda method: (LAST.index(method.name) if method.name in LAST else -1, method.name))


def test_b1_b14_the_largest_body_of_no_method_delays_others(development: tuple[NodeProcess, World]) -> None:
    node, world = development
    attacker = Attacker(node.port, None)
    with closing(Probe(node.port)) as probe:
        probe.rest(100)
        complaints = [check(probe, attacker, method, world) for method in in_order(list(REGISTRY.public().methods()))]
    assert [text for text in complaints if text is not None] == []


def test_b1_the_largest_body_of_no_engine_method_delays_others(
    external_consensus: tuple[NodeProcess, World, int, str],
) -> None:
    node, world, port, secret = external_consensus
    authorization = f"Bearer {token(secret=bytes.fromhex(secret.removeprefix('0x')))}"
    attacker = Attacker(port, authorization)
    with closing(Probe(node.port)) as probe:
        probe.rest(100)
        complaints = [check(probe, attacker, method, world) for method in REGISTRY.within({"engine"}).methods()]
    assert [text for text in complaints if text is not None] == []


def test_every_method_has_a_largest_body() -> None:
    world: Any = World("0x" + "11" * 20, "0x" + "22" * 32, 1, "0x" + "33" * 32, "0x1")
    for method in REGISTRY.methods():
        assert len(largest(method, world)) == len(method.params)
