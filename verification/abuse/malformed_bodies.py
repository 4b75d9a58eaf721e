"""Send malformed bodies to a node over sockets, and look at every answer.

    python -m verification.abuse.malformed_bodies --count 1000000 --seed 7

Bodies are random JSON, calls of every method with values that do not fit, and bytes cut, swapped and spliced; half of
them go over HTTP, half over WebSocket. Each answer must be JSON-RPC with one of result and error, none may blame the
node (-32603), and at the end the node must answer as before, healthy and without an error in its log. The same count
and seed give the same bodies.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from testing.forked import ForkedNode
from testing.node_process import RpcConnection, RpcError, zevm_command
from zevm.rpc import methods
from zevm.rpc.registry import REGISTRY

GROUP = 64
"""Bodies sent before their answers are read."""

GROUPS_A_CONNECTION = 16
LEFT_OUT = ("personal_", "engine_", "hardhat_mine", "anvil_mine", "debug_trace", "trace_", "ots_")
"""Slow by design: passwords are stretched, blocks executed again."""

LIMITS = (
    "--rpc-mine-blocks=3",
    "--rpc-evm-timeout-seconds=1",
    "--rpc-sync-send-seconds=0.2",
    "--rpc-http-idle-seconds=600",
)
WORDS = [
    b"",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\xff",
    b"\x00",
    b"0",
    b",",
    b":",
    b"e9",
    b"null",
    b"\\ud800",
    b"\xc3",
]
ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**53, 2**64, 2**300, 0.5, 1e300, "", "0x", "0x0", "0x1", "0x01", "0xzz", "0X1",
    "0x" + "f" * 64, "0x" + "f" * 65, "latest", "pending", "earliest", "safe", "late\u0301st", "\u0000",
    ADDRESS, ADDRESS[:-1], ADDRESS + "00", "0x" + "11" * 32, "newHeads", "logs",
    [], {}, [[]], [None], {"": None}, ["0x1", {}], {"to": ADDRESS}, {"from": ADDRESS, "to": 5},
    {"fromBlock": "0x5", "toBlock": "0x1"}, {"address": [ADDRESS] * 3, "topics": [None, [], ["0x"]]},
    {"blockHash": "0x"}, {"blockNumber": "0x0", "requireCanonical": 1}, {"to": None, "gas": "0xffffffffffffffff"},
    {"to": ADDRESS, "data": "0x6000", "input": "0x6001"}, {ADDRESS: {"balance": "0x1", "state": {}, "stateDiff": {}}},
]  # fmt: skip


class FaultError(Exception):
    """An answer that no body may get; the message ends with the body."""


def make_bodies(seed: int, count: int) -> Iterator[bytes]:
    """The campaign's bodies."""
    source = random.Random(seed)
    methods.load()
    names = [name for name in sorted(REGISTRY.public().by_name) if not name.startswith(LEFT_OUT)]
    for _ in range(count):
        message: Any = make_message(source, names)
        if source.random() < 0.1:
            message = [message, *(make_message(source, names) for _ in range(source.randrange(4)))]
        body = json.dumps(message, ensure_ascii=source.random() < 0.5).encode(errors="replace")
        yield damage(source, body) if source.random() < 0.6 else body


def make_message(source: random.Random, names: Sequence[str]) -> Any:
    """A call that is nearly right, or some JSON."""
    if source.random() < 0.1:
        return make_value(source)
    message = {
        "jsonrpc": "2.0",
        "id": source.randrange(1_000),
        "method": source.choice(names),
        "params": [make_value(source) for _ in range(source.randrange(4))],
    }
    if source.random() < 0.2:
        message[source.choice(("jsonrpc", "id", "method", "params"))] = make_value(source)
    if source.random() < 0.05:
        del message[source.choice(("jsonrpc", "id", "method", "params"))]
    return message


def make_value(source: random.Random, depth: int = 0) -> Any:
    """A value that some parameter may take, or one made of such."""
    chance = source.random()
    if depth < 3 and chance < 0.08:
        return [make_value(source, depth + 1) for _ in range(source.randrange(4))]
    if depth < 3 and chance < 0.16:
        return {source.choice(("to", "data", "x", "", ADDRESS)): make_value(source, depth + 1) for _ in range(3)}
    return source.choice(VALUES)


def damage(source: random.Random, body: bytes) -> bytes:
    """The body with a few bytes cut, put in or swapped, or its end lost."""
    damaged = bytearray(body)
    for _ in range(source.randint(1, 4)):
        position = source.randrange(len(damaged) + 1)
        damaged[position : position + source.randrange(4)] = source.choice(WORDS)
    if source.random() < 0.1:
        del damaged[source.randrange(len(damaged) + 1) :]
    return bytes(damaged)


def check_answer(text: bytes, body: bytes) -> None:
    """Raise FaultError unless the text is an answer, or answers, as JSON-RPC has them. Empty: a notification's."""
    if not text:
        return
    try:
        message = json.loads(text)
        for answer in message if isinstance(message, list) else [message]:
            if answer.get("method") == "eth_subscription":
                continue
            if answer["jsonrpc"] != "2.0" or ("result" in answer) == ("error" in answer):
                raise ValueError("not one of result and error")
            if "error" in answer and (answer["error"]["code"] == -32603 or not answer["error"]["message"]):
                raise ValueError("the node blames itself")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FaultError(f"{error}: answered {text[:500]!r} to {body[:2_000]!r}") from error


class HttpClient:
    """Requests one after another on one connection, a group before its answers are read."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._answers: BinaryIO = self._socket.makefile("rb")

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send bodies and check their answers. Raises FaultError, OSError."""
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._socket.sendall(b"".join(head % len(body) + body for body in bodies))
        for body in bodies:
            status = self._answers.readline()
            if b" 200 " not in status:
                raise FaultError(f"{status!r} to {body[:2_000]!r}")
            size = 0
            while (line := self._answers.readline().lower()) not in (b"\r\n", b""):
                if line.startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
            check_answer(self._answers.read(size), body)

    def close(self) -> None:
        """End the connection."""
        self._answers.close()
        self._socket.close()


class WebSocketClient:
    """Messages on one connection; a call that is known to answer comes behind each group."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self._frames: BinaryIO = self._socket.makefile("rb")
        while self._frames.readline() not in (b"\r\n", b""):
            pass

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send bodies and check what comes before the last call's answer. Raises FaultError, OSError."""
        last = b'{"jsonrpc":"2.0","id":"last of the group","method":"web3_clientVersion"}'
        self._socket.sendall(b"".join(_frame(body) for body in (*bodies, last)))
        while b"last of the group" not in (message := self._message(bodies)):
            check_answer(message, b" | ".join(bodies))

    def _message(self, bodies: Sequence[bytes]) -> bytes:
        parts = []
        while True:
            head = self._frames.read(2)
            if len(head) < 2 or head[0] & 0x0F == 8:
                raise FaultError(f"the connection was closed: {self._frames.read()!r} after {bodies!r}")
            size = head[1]
            if size > 125:
                size = int.from_bytes(self._frames.read(2 if size == 126 else 8), "big")
            data = self._frames.read(size)
            if head[0] & 0x08:
                continue
            parts.append(data)
            if head[0] & 0x80:
                return b"".join(parts)

    def close(self) -> None:
        """End the connection."""
        self._frames.close()
        self._socket.close()


def _frame(data: bytes) -> bytes:
    """A binary frame, masked with zeros: text would have to be UTF-8."""
    if len(data) < 126:
        return bytes((0x82, 0x80 | len(data))) + bytes(4) + data
    return b"\x82\xfe" + struct.pack(">H", len(data)) + bytes(4) + data


def run(port: int, seed: int, count: int) -> None:
    """Send the bodies, group by group, over HTTP and WebSocket by turns. Raises FaultError."""
    bodies = make_bodies(seed, count)
    kinds = (HttpClient, WebSocketClient)
    group: list[bytes] = []
    index = 0
    clients = [kind(port) for kind in kinds]
    for number, body in enumerate(bodies, 1):
        group.append(body)
        if len(group) < GROUP and number < count:
            continue
        clients[index % 2].send(group)
        index += 1
        group = []
        if index % GROUPS_A_CONNECTION == 0:
            for client in clients:
                client.close()
            clients = [kind(port) for kind in kinds]
    for client in clients:
        client.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="how many bodies")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with ForkedNode(zevm_command("--memory", *LIMITS)) as node:
        begun = time.monotonic()
        try:
            with RpcConnection(node.port) as connection:
                connection.call("anvil_setLoggingEnabled", False)
            run(node.port, options.seed, options.count)
            with RpcConnection(node.port) as connection:
                connection.call("eth_blockNumber")
        except (FaultError, RpcError, OSError) as error:
            print(f"seed {options.seed}: {error}\n{node.tail()}")
            return 1
        seconds = time.monotonic() - begun
        output = node.tail(10**6)
    faults = [line for line in output.splitlines() if line.startswith(("ERROR", "CRITICAL", "Traceback"))]
    if faults:
        print(f"seed {options.seed}: the log has\n" + "\n".join(faults[:20]))
        return 1
    print(f"{options.count} bodies of seed {options.seed} in {seconds:.1f} s: each got a proper answer or none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
