"""Measure a follower: blocks a second that it executes to catch up, and how far it is behind a leader at full load.

    python -m bench.replication            a minute
    python -m bench.replication --quick    a fifth of the blocks

Leader, follower and client share the machine. Full load is one client that sends signed transfers over one connection,
each as soon as the last one is answered; a block for each. The lag of a block is the time from its notification by the
leader to that by the follower, both over WebSocket.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from testing.load import RECEIVER, TRANSFER_GAS, Signer, development_signer
from testing.node_process import NodeProcess, RpcConnection, zevm_command

FULL_BLOCK_TRANSFERS = 100
CATCH_UP_SECONDS = 600
_PATIENCE = ("--rpc-replica-catch-up-seconds", str(CATCH_UP_SECONDS), "--rpc-sync-send-seconds", str(CATCH_UP_SECONDS))


class Heads(threading.Thread):
    """The times at which a node tells of its blocks. seen: number -> time, in seconds."""

    def __init__(self, node: NodeProcess) -> None:
        super().__init__(daemon=True)
        self.seen: dict[int, float] = {}
        self._changed = threading.Condition()
        self._url = node.websocket_url
        self._is_subscribed = threading.Event()
        self.start()
        if not self._is_subscribed.wait(CATCH_UP_SECONDS):
            raise TimeoutError("the node answers no subscription")

    def run(self) -> None:
        """Read notifications until the node ends."""
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        with suppress(ConnectionClosed), connect(self._url) as notified:
            notified.send(call)
            notified.recv()
            self._is_subscribed.set()
            while True:
                self._note(notified.recv())

    def _note(self, text: str | bytes) -> None:
        now, number = time.perf_counter(), int(json.loads(text)["params"]["result"]["number"], 16)
        with self._changed:
            self.seen[number] = now
            self._changed.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until the node tells of a block."""
        with self._changed:
            if not self._changed.wait_for(lambda: number in self.seen, timeout=CATCH_UP_SECONDS):
                raise TimeoutError(f"block {number} does not come")


class Bench:
    """A leader with its chain in `folder`. Followers are new ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        leads = ("--quic-port", str(self._port), "--datadir", str(folder / "leader"))
        self.leader = NodeProcess(zevm_command(*leads))
        self.rpc = self.leader.connect(CATCH_UP_SECONDS)
        self._signer = development_signer(0)

    def close(self) -> None:
        """Stop the leader."""
        self.rpc.close()
        self.leader.kill()

    def follower(self, name: str) -> NodeProcess:
        """A new follower."""
        follows = ("--follow", f"127.0.0.1:{self._port}", "--datadir", str(self._folder / name))
        return NodeProcess(zevm_command(*follows, *_PATIENCE))

    def blocks(self, count: int) -> float:
        """Make blocks of one transfer as fast as they are answered; blocks a second."""
        frames = transfers(self.rpc, self._signer, count)
        began = time.perf_counter()
        for frame in frames:
            self.rpc.result(self.rpc.exchange(frame))
        return count / (time.perf_counter() - began)

    def full_blocks(self, count: int) -> None:
        """Make blocks of FULL_BLOCK_TRANSFERS transfers."""
        self.rpc.call("evm_setAutomine", False)
        for _ in range(count):
            for frame in transfers(self.rpc, self._signer, FULL_BLOCK_TRANSFERS):
                self.rpc.result(self.rpc.exchange(frame))
            self.rpc.call("evm_mine")
        self.rpc.call("evm_setAutomine", True)

    def replay(self, name: str) -> tuple[float, int]:
        """Seconds in which a new follower gets to the head, and the blocks that it lacked at first."""
        with self.follower(name) as node, node.connect(CATCH_UP_SECONDS) as rpc:
            began, first = time.perf_counter(), int(rpc.call("eth_blockNumber"), 16)
            # the leader's answer is held back until the follower has the leader's head
            rpc.call("txpool_status")
            seconds, last = time.perf_counter() - began, int(rpc.call("eth_blockNumber"), 16)
        if last != int(self.rpc.call("eth_blockNumber"), 16):
            raise RuntimeError(f"the follower is at {last}")
        return seconds, last - first

    def lag(self, count: int) -> tuple[float, list[float], int]:
        """Blocks a second of the leader at full load, each block's lag in ms, and the most blocks behind."""
        with self.follower("lagging") as node, node.connect(CATCH_UP_SECONDS) as rpc:
            rpc.call("txpool_status")
            first = int(rpc.call("eth_blockNumber"), 16) + 1
            leader, follower = Heads(self.leader), Heads(node)
            rate = self.blocks(count)
            follower.wait_for(first + count - 1)
            leader.wait_for(first + count - 1)
        numbers = range(first, first + count)
        lags = [(follower.seen[number] - leader.seen[number]) * 1_000 for number in numbers]
        return rate, lags, most_behind(leader.seen, follower.seen)


def transfers(rpc: RpcConnection, signer: Signer, count: int) -> list[bytes]:
    """Requests that send a transfer each."""
    signed = [signer.sign(to=RECEIVER, value_wei=1, gas=TRANSFER_GAS) for _ in range(count)]
    return [rpc.request("eth_sendRawTransaction", raw) for raw, _ in signed]


def most_behind(leader: dict[int, float], follower: dict[int, float]) -> int:
    """The most blocks that one had told of, and the other not yet."""
    steps = sorted([(seen, 1) for seen in leader.values()] + [(seen, -1) for seen in follower.values()])
    behind = most = 0
    for _, step in steps:
        behind += step
        most = max(most, behind)
    return most


def measure(bench: Bench, share: float) -> list[tuple[str, str]]:
    """The rows of the table."""
    blocks, full = int(2_000 * share), int(100 * share)
    alone = bench.blocks(blocks)
    seconds, count = bench.replay("small")
    rows = [("blocks of one transfer a follower executes, a second", f"{count / seconds:,.0f}")]
    bench.full_blocks(full)
    later_seconds, later = bench.replay("large")
    # the same blocks as before, and then the full ones
    full_seconds = max(later_seconds - seconds * (later - full) / count, 1e-9)
    rows.append((f"blocks of {FULL_BLOCK_TRANSFERS} transfers, a second", f"{full / full_seconds:,.1f}"))
    rate, lags, behind = bench.lag(blocks // 2)
    rows += [
        ("blocks a second that a leader makes, without a follower", f"{alone:,.0f}"),
        ("the same with a follower on the machine", f"{rate:,.0f}"),
        ("lag of the follower then, ms: median", f"{statistics.median(lags):,.1f}"),
        ("lag, ms: 99th percentile", f"{sorted(lags)[int(len(lags) * 0.99)]:,.1f}"),
        ("most blocks behind", f"{behind}"),
    ]
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    share = 0.2 if parser.parse_args().quick else 1.0
    with TemporaryDirectory() as folder, closing(Bench(Path(folder))) as bench:
        rows = measure(bench, share)
    print("|  | a follower |\n|---|---:|")
    for row, figure in rows:
        print(f"| {row} | {figure} |")


if __name__ == "__main__":
    main()
