"""A consensus client's life with a real node: HTTP and tokens, 200 blocks, reorganisations, and kill -9."""

from __future__ import annotations

import http.client
import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from testing.forked import ForkedNode
from testing.load import (
    RECORDER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    creation_code,
    development_signer,
    word,
    write_data,
)
from testing.node_process import NodeError, NodeProcess, RpcConnection, RpcError, zevm_command
from tests.rpc.engine_client import token

READY = re.compile(r"Engine API on 127\.0\.0\.1:(?P<port>\d+)")
ZERO = "0x" + "00" * 32
BEACON_ROOT = "0x" + "bb" * 32
RECIPIENT = "0x" + "fe" * 20
RECEIVER = "0x00000000000000000000000000000000002e57a3"
BLOCKS = 200
DEPTH = 64
SEED = 8551


class UnauthorizedError(Exception):
    """The node refused the token."""


class ConsensusClient:
    """Builds, imports and chooses blocks over one HTTP connection, with a new token for each request."""

    def __init__(self, port: int, secret: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._secret = secret

    def call(self, method: str, *params: Any, authorization: str | None = None) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        value = f"Bearer {token(secret=self._secret)}" if authorization is None else authorization
        headers = {"Content-Type": "application/json"} | ({"Authorization": value} if value else {})
        self._connection.request("POST", "/", body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status == 401:
            raise UnauthorizedError(content.decode().strip())
        assert response.status == 200, content
        return RpcConnection.result(content)

    def choose(self, head: str, attributes: Any = None, *, safe: str = ZERO, finalized: str = ZERO) -> Any:
        state = {"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}
        return self.call("engine_forkchoiceUpdatedV3", state, attributes)

    def build(self, parent: dict[str, Any], salt: int = 0) -> dict[str, Any]:
        """Make `parent` the head and have a block built upon it."""
        attributes = {
            "timestamp": hex(int(parent["timestamp"], 16) + 12),
            "prevRandao": f"0x{salt:064x}",
            "suggestedFeeRecipient": RECIPIENT,
            "withdrawals": [{"index": "0x0", "validatorIndex": "0x1", "address": RECIPIENT, "amount": "0x2"}],
            "parentBeaconBlockRoot": BEACON_ROOT,
        }
        answer = self.choose(parent["blockHash"], attributes)
        assert answer["payloadStatus"] == valid(parent["blockHash"])
        payload: dict[str, Any] = self.call("engine_getPayloadV5", answer["payloadId"])["executionPayload"]
        assert payload["parentHash"] == parent["blockHash"]
        return payload

    def offer(self, payload: dict[str, Any]) -> Any:
        return self.call("engine_newPayloadV4", payload, [], BEACON_ROOT, [])

    def extend(self, parent: dict[str, Any], salt: int = 0) -> dict[str, Any]:
        """Build upon a block, import what was built, and make it the head."""
        payload = self.build(parent, salt)
        assert self.offer(payload) == valid(payload["blockHash"])
        assert self.choose(payload["blockHash"])["payloadStatus"] == valid(payload["blockHash"])
        return payload

    def close(self) -> None:
        self._connection.close()


def valid(block_hash: str) -> dict[str, Any]:
    return {"status": "VALID", "latestValidHash": block_hash, "validationError": None}


@contextmanager
def started(datadir: Path, *flags: str) -> Iterator[tuple[NodeProcess, RpcConnection, ConsensusClient]]:
    """A node that waits for a consensus client, a public connection to it, and the client."""
    with ForkedNode(zevm_command("--datadir", str(datadir), "--authrpc-port", "0", *flags)) as node:
        port = int(node.wait_for_line(READY)["port"])
        secret = bytes.fromhex((datadir / "jwtsecret").read_text().strip().removeprefix("0x"))
        client = ConsensusClient(port, secret)
        with node.connect() as rpc:
            yield node, rpc, client
        client.close()


def first_block(rpc: RpcConnection) -> dict[str, Any]:
    """The genesis block in the form of a payload, as far as `build` needs it."""
    block = rpc.call("eth_getBlockByNumber", "0x0", False)
    return {"blockHash": block["hash"], "timestamp": block["timestamp"], "blockNumber": "0x0"}


def send(rpc: RpcConnection, signer: Signer, **transaction: Any) -> str:
    raw, name = signer.sign(**transaction)
    assert rpc.call("eth_sendRawTransaction", raw) == name
    return name


class Drive:
    """What the client believes of the chain, and the moves that it makes: the node must agree after each."""

    def __init__(self, rpc: RpcConnection, client: ConsensusClient) -> None:
        self.rpc, self.client = rpc, client
        self.random = random.Random(SEED)
        self.chain = [first_block(rpc)]
        self.left: list[list[dict[str, Any]]] = []
        self.signer = development_signer(0)
        self.imported = 0
        self.removed: list[int] = []
        deployment = send(rpc, self.signer, to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=500_000)
        self.grow()
        self.recorder = str(rpc.call("eth_getTransactionReceipt", deployment)["contractAddress"])

    @property
    def head(self) -> dict[str, Any]:
        return self.chain[-1]

    def grow(self, count: int = 1) -> None:
        """Extend the head; a new branch where others have left from here."""
        for _ in range(count):
            self.chain.append(self.client.extend(self.head, self.random.getrandbits(64)))
            self.imported += 1

    def use(self) -> None:
        """Put transactions into the pool."""
        slot = self.random.randrange(1, 9)
        data = write_data(slot, self.random.randrange(1, 2**32))
        send(self.rpc, self.signer, to=self.recorder, data=data, gas=WRITE_GAS)
        send(self.rpc, self.signer, to=RECEIVER, value_wei=1, gas=TRANSFER_GAS)

    def branch(self, depth: int, length: int) -> None:
        """Leave the newest `depth` blocks for a branch of `length` others."""
        depth = min(depth, len(self.chain) - 2)
        self.left.append(list(self.chain))
        self.removed.append(depth)
        del self.chain[len(self.chain) - depth :]
        self.grow(length)

    def go_back(self) -> None:
        """Return to a branch that was left, as far as that is within reach."""
        other = self.left.pop()
        common = next(index for index, pair in enumerate(zip(self.chain, other, strict=False)) if pair[0] != pair[1])
        depth = len(self.chain) - common
        if depth > DEPTH:
            with pytest.raises(RpcError) as caught:
                self.client.choose(other[-1]["blockHash"])
            assert caught.value.code == -38006
            return
        answer = self.client.choose(other[-1]["blockHash"])
        assert answer["payloadStatus"] == valid(other[-1]["blockHash"])
        self.removed.append(depth)
        self.left.append(self.chain)
        self.chain = other

    def mislead(self) -> None:
        """Offer what is not valid, and what hangs on nothing: the head stays."""
        payload = self.client.build(self.head, self.random.getrandbits(64))
        for field in ("stateRoot", "receiptsRoot", "gasUsed", "blockHash"):
            changed = payload | {field: "0x" + "05" * 32 if field != "gasUsed" else "0x5"}
            status = self.client.offer(changed)
            assert (status["status"], status["latestValidHash"]) == ("INVALID", None), field
        parent = self.head["blockHash"]
        wrong = self.rehashed(payload | {"stateRoot": "0x" + "05" * 32})
        child = self.rehashed(payload | {"parentHash": wrong["blockHash"], "blockNumber": hex(len(self.chain) + 1)})
        for offered, words in ((wrong, "state root is"), (child, "links to previously rejected block")):
            first, again = self.client.offer(offered), self.client.choose(offered["blockHash"])["payloadStatus"]
            assert words in first["validationError"]
            for status in (first, again):
                assert (status["status"], status["latestValidHash"]) == ("INVALID", parent)
        orphan = self.rehashed(payload | {"parentHash": "0x" + self.random.randbytes(32).hex()})
        syncing = {"status": "SYNCING", "latestValidHash": None, "validationError": None}
        assert self.client.offer(orphan) == syncing
        assert self.client.choose(orphan["blockHash"])["payloadStatus"] == syncing

    def rehashed(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload with the hash that its fields have, as the node's refusal of another tells it."""
        text = self.client.offer(payload)["validationError"]
        return payload | {"blockHash": "0x" + text.rpartition(" ")[2]}

    def check(self) -> None:
        """The node's chain is the client's."""
        latest = self.rpc.call("eth_getBlockByNumber", "latest", False)
        assert (latest["hash"], latest["stateRoot"]) == (self.head["blockHash"], self.head["stateRoot"])
        height = self.random.randrange(1, len(self.chain))
        block = self.rpc.call("eth_getBlockByNumber", hex(height), False)
        assert block["hash"] == self.chain[height]["blockHash"]
        for name in block["transactions"]:
            assert self.rpc.call("eth_getTransactionReceipt", name)["blockHash"] == block["hash"]
        assert self.rpc.call("eth_getBlockByNumber", hex(len(self.chain)), False) is None


def test_two_hundred_blocks_with_reorganisations(tmp_path: Path) -> None:
    with started(tmp_path / "data") as (node, rpc, client):
        captured = f"Bearer {token(secret=client._secret, age_seconds=54)}"
        seen_until = time.time() + 7
        assert "engine_newPayloadV4" in client.call("engine_exchangeCapabilities", [], authorization=captured)
        drive = Drive(rpc, client)
        drive.grow(DEPTH + 6)
        drive.check()
        script = [("branch", DEPTH, 2), ("back",), ("branch", 3, 5), ("back",), ("back",), ("mislead",)]
        later = [("grow",), ("branch", 9, 10), ("back",), ("mislead",)]
        while drive.imported < BLOCKS:
            move = script.pop(0) if script else drive.random.choice(later)
            drive.use()
            if move[0] == "branch":
                drive.branch(move[1], move[2])
            elif move[0] == "back" and drive.left:
                drive.go_back()
            elif move[0] == "mislead":
                drive.mislead()
            else:
                drive.grow(drive.random.randrange(1, 6))
            drive.check()
        drive.grow(2)
        assert len(drive.removed) >= 10
        assert max(drive.removed) == DEPTH
        check_pool_and_slots(drive)
        check_copy(tmp_path / "copy", drive)
        check_tokens(client, captured, seen_until)
        assert node.stop() == 0


def check_pool_and_slots(drive: Drive) -> None:
    """What was sent is in the chain once, whatever was reorganised meanwhile."""
    rpc = drive.rpc
    assert rpc.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert int(rpc.call("eth_getTransactionCount", drive.signer.address, "latest"), 16) == drive.signer.nonce
    logs = rpc.call("eth_getLogs", {"address": drive.recorder, "fromBlock": "0x0", "toBlock": "latest"})
    assert len(logs) == (drive.signer.nonce - 1) // 2
    assert len({log["transactionHash"] for log in logs}) == len(logs)
    assert int(rpc.call("eth_getBalance", RECEIVER, "latest"), 16) == len(logs)


def check_copy(datadir: Path, drive: Drive) -> None:
    """A second node takes the final chain alone, by payloads in one go, and has the same state."""
    genesis = datadir.parent / "genesis.json"
    finished = drive.rpc.call("eth_getBlockByNumber", "0x0", False)
    genesis.write_text(json.dumps(genesis_of(finished)))
    with started(datadir, "--init", str(genesis)) as (_, rpc, client):
        assert rpc.call("eth_getBlockByNumber", "0x0", False)["hash"] == drive.chain[0]["blockHash"]
        for payload in drive.chain[1:]:
            assert client.offer(payload) == valid(payload["blockHash"])
        assert rpc.call("eth_blockNumber") == "0x0"
        assert client.choose(drive.head["blockHash"])["payloadStatus"] == valid(drive.head["blockHash"])
        for slot in range(1, 9):
            call = {"to": drive.recorder, "data": "0x" + word(slot)}
            assert rpc.call("eth_call", call, "latest") == drive.rpc.call("eth_call", call, "latest")


def genesis_of(block: dict[str, Any]) -> dict[str, Any]:
    """The default network's genesis with the time of a running one."""
    default: dict[str, Any] = json.loads((Path(__file__).parents[2] / "genesis.json").read_text())
    return default | {"timestamp": block["timestamp"]}


def check_tokens(client: ConsensusClient, captured: str, seen_until: float) -> None:
    """Wrong, missing, late, early and replayed tokens are refused; none of them harms the client's next call."""
    secret = client._secret
    refusals = {
        "": "missing token",
        f"Bearer {token(secret=bytes(32))}": "signature is invalid",
        f"Bearer {token(secret=secret, age_seconds=65)}": "stale token",
        f"Bearer {token(secret=secret, age_seconds=-90)}": "future token",
        f"Bearer {token(secret=secret, header={'alg': 'none'}, signature=b'')}": "signing method none is invalid",
    }
    # the token that was good at the start is older than a minute by now, or will be in a moment
    time.sleep(max(0.0, seen_until - time.time()))
    refusals[captured] = "stale token"
    for authorization, text in refusals.items():
        with pytest.raises(UnauthorizedError, match=re.escape(text)):
            client.call("engine_exchangeCapabilities", [], authorization=authorization)
    assert client.call("eth_chainId") == "0x7a69"


def test_an_acknowledged_head_survives_kill(tmp_path: Path) -> None:
    with started(tmp_path / "data") as (node, rpc, client):
        trunk = client.extend(client.extend(first_block(rpc)))
        left = client.extend(trunk, 1)
        right = client.extend(trunk, 2)
        client.choose(right["blockHash"], safe=trunk["blockHash"], finalized=trunk["parentHash"])
        kept = client.build(right)
        assert client.offer(kept)["status"] == "VALID"
        node.kill()
    secret = (tmp_path / "data" / "jwtsecret").read_text()
    with started(tmp_path / "data") as (node, rpc, client):
        waits = node.wait_for_line(re.compile(r"^Waiting for the consensus client: (.*)"))[1]
        assert waits == (
            f"the head is block 3 {right['blockHash']}, block 1 is final, and the client needs the secret in "
            f"{tmp_path / 'data' / 'jwtsecret'}"
        )
        assert (tmp_path / "data" / "jwtsecret").read_text() == secret
        tags = {tag: rpc.call("eth_getBlockByNumber", tag, False)["hash"] for tag in ("latest", "safe", "finalized")}
        assert tags == {
            "latest": right["blockHash"],
            "safe": trunk["blockHash"],
            "finalized": trunk["parentHash"],
        }
        # valid blocks beside the chain were acknowledged too
        for block in (kept, left, kept):
            assert client.choose(block["blockHash"])["payloadStatus"] == valid(block["blockHash"])
            assert rpc.call("eth_getBlockByNumber", "latest", False)["hash"] == block["blockHash"]


def test_heads_reach_subscribers_with_what_they_replace(tmp_path: Path) -> None:
    with started(tmp_path / "data") as (node, rpc, client), connect(node.websocket_url) as websocket:
        websocket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
        assert "result" in json.loads(websocket.recv(20))
        genesis = first_block(rpc)
        left, right = client.extend(genesis, 1), client.extend(genesis, 2)
        heads = [json.loads(websocket.recv(20))["params"]["result"]["hash"] for _ in range(2)]
        assert heads == [left["blockHash"], right["blockHash"]]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--memory", "--authrpc"), "--authrpc needs a secret's file with --memory"),
        (("--memory", "--authrpc", "--block-time", "1"), "--block-time cannot be used with --authrpc"),
        (("--memory", "--authrpc-jwtsecret", "{file}"), "invalid JWT secret, want 64 hex digits"),
        (("--memory", "--authrpc-jwtsecret", "{new}", "--hardfork", "london"), "drives chains after the merge"),
    ],
)
def test_a_start_that_cannot_be_is_refused(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    (tmp_path / "secret").write_text("0x1234")
    names = {"{file}": str(tmp_path / "secret"), "{new}": str(tmp_path / "new")}
    with pytest.raises(NodeError) as caught:
        ForkedNode(zevm_command(*[names.get(flag, flag) for flag in flags]))
    assert words in str(caught.value)
