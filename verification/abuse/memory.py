"""Mixed abuse of one node for as long as asked for, and whether its memory comes back.

    python -m verification.abuse.memory --minutes 60

Each round does every kind of abuse once: refused traces, large bodies, state file bombs, simulations, stalled readers,
subscribers that leave, failed transactions, mining that is left alone. Resident memory after the first ten rounds is
what that of the last ones is compared with; the run fails when they need more than a fifth more.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

from websockets.sync.client import connect

from testing.node_process import NodeProcess, RpcConnection, RpcError, zevm_command

FLAGS = ("--block-time", "1", "--rpc-evm-timeout-seconds", "1", "--rpc-trace-seconds", "2")
WIDE = "0x60016201000052" + "5b5f5f5050600756"
"""Creation code that loops over 64 KiB of memory until its gas ends."""
ENDLESS = "0x" + "e1" * 20
WARM_ROUNDS = 10
"""Rounds in which caches, and the memory that each thread keeps for itself, grow to their size."""

ALLOWED_GROWTH = 1.2
BODY_BYTES = 4_900_000
HANDSHAKE_SECONDS = 120
"""Longer than the library's ten: a busy machine is no finding."""


class Campaign:
    """The abuses, each of which the node has to survive and to forget."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._connection = node.connect()
        self.account: str = self._call("eth_accounts")[0]
        self._call("anvil_setCode", ENDLESS, "0x5b5f56")
        self._wide: str = self._call("eth_sendTransaction", {"from": self.account, "data": WIDE, "gas": hex(3_000_000)})
        self._bomb = _bomb(256 << 20)

    def close(self) -> None:
        self._connection.close()

    def _call(self, method: str, *params: object) -> Any:
        return self._connection.call(method, *params)

    def _refused(self, method: str, *params: object) -> None:
        with suppress(RpcError):
            self._call(method, *params)

    def traces(self) -> None:
        self._refused("debug_traceTransaction", self._wide, {"enableMemory": True})
        self._refused("trace_call", {"to": ENDLESS}, ["vmTrace", "trace", "stateDiff"])
        self._refused("debug_traceCall", {"to": ENDLESS}, "latest", {"tracer": "prestateTracer"})

    def failed_executions(self) -> None:
        for _ in range(20):
            self._refused("eth_call", {"to": ENDLESS, "gas": hex(100_000)})
            self._refused("eth_estimateGas", {"data": "0x5f5ffd"})
            self._refused("eth_sendTransaction", {"from": self.account, "to": ENDLESS, "gas": "0x10"})
        self._refused("eth_call", {"to": ENDLESS})

    def large_bodies(self) -> None:
        self._refused("eth_call", {"to": ENDLESS, "data": "0x" + "5b" * (BODY_BYTES // 2), "gas": "0x5208"})
        self._refused("web3_sha3", "0x" + "5b" * (BODY_BYTES // 2))
        self._refused("eth_chainId", [[]] * (BODY_BYTES // 8))
        self._refused("anvil_setBalance", [f"0x{index:040x}" for index in range(500)], "0x0")

    def bombs(self) -> None:
        self._refused("anvil_loadState", self._bomb)

    def simulations(self) -> None:
        call = {"from": self.account, "to": ENDLESS, "gas": hex(30_000)}
        self._refused("eth_simulateV1", {"blockStateCalls": [{"calls": [call] * 4}] * 256})

    def stalled_readers(self) -> None:
        """Unread answers, and requests that never end."""
        sockets = [socket.create_connection(("127.0.0.1", self._node.port)) for _ in range(50)]
        request = self._connection.request("rpc.discover")
        for index, client in enumerate(sockets):
            with suppress(OSError):
                client.sendall(request * 5 if index % 2 else request[: len(request) // 2])
        for client in sockets:
            client.close()

    def subscribers(self) -> None:
        for _ in range(20):
            with connect(self._node.websocket_url, open_timeout=HANDSHAKE_SECONDS) as client:
                for kind in ("newHeads", "newPendingTransactions"):
                    client.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": [kind]}))
                    client.recv()

    def left_alone(self) -> None:
        """Mining and an execution whose clients leave at once."""
        for method, params in (("hardhat_mine", ["0x186a0"]), ("eth_call", [{"to": ENDLESS}])):
            connection = RpcConnection(self._node.port)
            connection.send(connection.request(method, *params))
            time.sleep(0.2)
            connection.close()

    def round(self) -> None:
        abuses: tuple[Callable[[], None], ...] = (
            self.traces,
            self.failed_executions,
            self.large_bodies,
            self.bombs,
            self.simulations,
            self.stalled_readers,
            self.subscribers,
            self.left_alone,
        )
        snapshot = self._call("evm_snapshot")
        for abuse in abuses:
            abuse()
        # the pool, the clock and the settings as they were: what is measured is what requests leave behind
        self._call("evm_revert", snapshot)


def _bomb(unpacked_bytes: int) -> str:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    return "0x" + (b"".join(packer.compress(piece) for _ in range(unpacked_bytes >> 20)) + packer.flush()).hex()


def measure(seconds: float, least_rounds: int) -> list[float]:
    """Resident memory in mebibytes after each round."""
    ends_at = time.monotonic() + seconds
    measured: list[float] = []
    # on disk: a chain in memory keeps the state tries of all its blocks
    with TemporaryDirectory() as folder, NodeProcess(zevm_command("--datadir", folder, *FLAGS)) as node:
        campaign = Campaign(node)
        while len(measured) < least_rounds or time.monotonic() < ends_at:
            campaign.round()
            measured.append(node.resident_mebibytes())
            print(f"round {len(measured)}: {measured[-1]:.0f} MiB", flush=True)
        campaign.close()
    return measured


def run(seconds: float) -> bool:
    """Whether memory came back."""
    measured = measure(seconds, WARM_ROUNDS + 5)
    before, after = max(measured[:WARM_ROUNDS]), statistics.median(measured[-5:])
    print(f"{len(measured)} rounds: {before:.0f} MiB after {WARM_ROUNDS}, {after:.0f} MiB at the end")
    return after <= ALLOWED_GROWTH * before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    return 0 if run(60 * parser.parse_args().minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
