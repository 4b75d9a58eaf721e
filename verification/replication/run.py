"""Kill -9 a leader or its follower at random moments under load; nothing acknowledged is missing, and both end equal.

Both data directories live through all kills. Load: transfers sent to either node, changes of balances, reverts and
reorganisations at the leader. A transaction that was answered must be in both chains at the end, unless a revert has
taken it back; a block that a follower has told of must be its own after a kill. At the end a new follower replays the
whole chain, which gives its rate.

    python -m verification.replication.run --kills 1000

Ends with 0 when nothing was lost and the heads and states are equal.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from testing.node_process import NodeError, NodeProcess, RpcError, zevm_command

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x" + "5a" * 20
WAIT_SECONDS = 60
MOST_OPERATIONS = 25
CUT_OFF = (OSError, EOFError, RpcError, NodeError, ValueError)


class DivergedError(Exception):
    """Something acknowledged is missing, or the chains differ."""


class Campaign:
    """A leader, a follower, and what both have acknowledged."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._folder = folder
        self._random = random
        self._quic_port = _free_port()
        self._acknowledged: set[str] = set()
        self.counts = {"operations": 0, "leader": 0, "follower": 0}
        self.leader = self._start_leader()
        self.follower = self._start_follower("follower")

    def _start_leader(self) -> NodeProcess:
        port = str(self._quic_port)
        return NodeProcess(zevm_command("--datadir", str(self._folder / "leader"), "--quic-port", port))

    def _start_follower(self, name: str) -> NodeProcess:
        address = f"127.0.0.1:{self._quic_port}"
        wait = ("--rpc-replica-catch-up-seconds", str(WAIT_SECONDS), "--rpc-replica-retry-seconds", "0.2")
        return NodeProcess(zevm_command("--datadir", str(self._folder / name), "--follow", address, *wait))

    def round(self) -> None:
        """Load both nodes, kill one of them amid it, start it again, and compare."""
        victim = self._random.choice(("leader", "follower"))
        told = _call(self.follower, "eth_getBlockByNumber", "latest", False)
        node = self.leader if victim == "leader" else self.follower
        timer = threading.Timer(self._random.uniform(0.05, 0.6), node.kill)
        timer.start()
        with contextlib.suppress(*CUT_OFF):
            for _ in range(MOST_OPERATIONS):
                self._operate()
        timer.join()
        self.counts[victim] += 1
        if victim == "leader":
            self.leader = self._start_leader()
        else:
            self.follower = self._start_follower("follower")
            self._check_kept(told)
        self.compare()

    def compare(self) -> None:
        """Wait until the follower is where the leader is. Raises DivergedError for a difference or a loss."""
        # higher than any block that a revert has taken back: the answer waits for the follower to have it
        _call(self.leader, "anvil_mine", "0x8")
        self._acknowledged.add(self._pay(self.follower))
        ours, theirs = (_call(node, "eth_getBlockByNumber", "latest", False) for node in (self.leader, self.follower))
        if ours != theirs:
            raise DivergedError(f"heads differ: {ours['number']} {ours['hash']}, {theirs['number']} {theirs['hash']}")
        for address in (ALICE, BOB, STRANGER):
            balances = {_call(node, "eth_getBalance", address, "latest") for node in (self.leader, self.follower)}
            if len(balances) != 1:
                raise DivergedError(f"the balance of {address} differs: {balances}")
        for node in (self.leader, self.follower):
            for transaction in self._acknowledged:
                if _call(node, "eth_getTransactionReceipt", transaction) is None:
                    raise DivergedError(f"the acknowledged transaction {transaction} is missing")

    def replay(self) -> str:
        """Let a new follower replay everything; its rate in words."""
        head = int(_call(self.leader, "eth_blockNumber"), 16)
        started = time.perf_counter()
        with self._start_follower("replay") as node:
            self._pay(node)
            seconds = time.perf_counter() - started
            if _call(node, "eth_blockNumber") != _call(self.leader, "eth_blockNumber"):
                raise DivergedError("a new follower does not get to the leader's head")
        return f"a new follower started and replayed {head} blocks in {seconds:.1f} s ({head / seconds:.0f} a second)"

    def load(self, seconds: float) -> str:
        """Keep the leader busy; how far the follower fell behind, in words."""
        end, sent, behind = time.monotonic() + seconds, 0, [0]
        while time.monotonic() < end:
            self._pay(self.leader)
            sent += 1
            syncing = _call(self.follower, "eth_syncing")
            if syncing:
                behind.append(int(syncing["highestBlock"], 16) - int(syncing["currentBlock"], 16))
        self.compare()
        return f"at {sent / seconds:.0f} blocks a second the follower was at most {max(behind)} blocks behind"

    def close(self) -> None:
        """Stop both nodes."""
        for node in (self.follower, self.leader):
            node.kill()

    def _operate(self) -> None:
        self.counts["operations"] += 1
        choice = self._random.random()
        if choice < 0.4:
            self._acknowledged.add(self._pay(self.leader))
        elif choice < 0.7:
            self._acknowledged.add(self._pay(self.follower))
        elif choice < 0.85:
            _call(self.leader, "anvil_setBalance", STRANGER, hex(self._random.randrange(1 << 64)))
        elif choice < 0.95:
            snapshot = _call(self.leader, "evm_snapshot")
            _call(self.leader, "anvil_mine", hex(self._random.randrange(1, 5)))
            _call(self.leader, "evm_revert", snapshot)
        else:
            _call(self.leader, "anvil_mine", "0x3")
            _call(self.leader, "anvil_reorg", 2, [])

    def _pay(self, node: NodeProcess) -> str:
        value = hex(self._random.randrange(1, 1 << 32))
        sent: str = _call(node, "eth_sendTransaction", {"from": ALICE, "to": BOB, "value": value})
        return sent

    def _check_kept(self, told: dict[str, str]) -> None:
        """A block that the follower has told of is its own again, or the leader has taken it back since."""
        kept = _call(self.follower, "eth_getBlockByHash", told["hash"], False)
        if kept is None and _call(self.leader, "eth_getBlockByHash", told["hash"], False) is not None:
            raise DivergedError(f"the follower has lost block {told['number']}")


def _call(node: NodeProcess, method: str, *params: object) -> Any:
    with contextlib.closing(node.connect()) as connection:
        return connection.call(method, *params)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Run the campaign of the command line."""
    parser = argparse.ArgumentParser(description="Kill leaders and followers, and compare.")
    parser.add_argument("--kills", type=int, default=20, help="of leader and follower together")
    parser.add_argument("--load-seconds", type=float, default=5.0, help="of the measurement of the lag")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zevm-replication-") as folder:
        campaign = Campaign(Path(folder), Random(arguments.seed))
        try:
            for _ in range(arguments.kills):
                campaign.round()
            print(campaign.load(arguments.load_seconds))
            print(campaign.replay())
        except DivergedError as error:
            print(f"FAILED with --seed {arguments.seed}: {error}")
            return 1
        finally:
            campaign.close()
    counts = campaign.counts
    kills = f"{counts['leader']} kills of the leader, {counts['follower']} of the follower"
    print(f"{kills}, {counts['operations']} operations: nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
