"""A leader and its followers under load, killed again and again, compared with each other and with what they said."""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from eth_utils import keccak

from testing.node_process import RpcError
from verification.replication.load import BOB, Load, missing
from verification.replication.network import Network
from verification.replication.nodes import CUT_OFF, Node

AGAIN_SECONDS = 0.1
OPERATIONS_PER_SECOND = 25
"""Of the load, at most: every node executes them all, on a machine that is to start nodes as well."""

RECEIPTS_BLOCKS = 8
EVIDENCE_BLOCKS = 16
_QUICK: dict[str, object] = {"rpc_replica_heartbeat_seconds": 0.5, "rpc_replica_retry_seconds": 0.2}


class DivergedError(Exception):
    """Something acknowledged is missing, or the chains differ."""


class Campaign:
    """One leader and several followers. kills: by the kind of node. delays: seconds until all were equal again.

    bound_seconds: longest time until a follower is where its leader is, once both run and the way is whole.
    """

    def __init__(self, folder: Path, network: Network, random: Random, bound_seconds: float = 30) -> None:
        self._bound_seconds = bound_seconds
        self._random = random
        self._network = network
        self._folder = folder
        self._pool = ThreadPoolExecutor(len(network.ports) + 1)
        self._turn, self._may_load = threading.Lock(), threading.Event()
        self._may_load.set()
        self._ended = threading.Event()
        self.kills: Counter[str] = Counter()
        self.delays: list[float] = []
        self.failure: BaseException | None = None
        # of its own: the order of threads must not change whom a seed kills
        self._load_random = Random(random.random())
        self.load = Load(self._load_random)
        leads = {"quic_host": network.host, "quic_port": network.quic_port}
        self.leader = Node(folder / "leader", leads | _QUICK, network.leaders_namespace)
        self.leader.start()
        self.load.prepare(self.leader)
        self.followers = [self._follower(f"follower-{number}", port) for number, port in enumerate(network.ports)]
        self._at_once(self.followers, Node.start)
        self._loading = threading.Thread(target=self._keep_loading, name="load", daemon=True)
        self._loading.start()

    def round(self) -> None:
        """Kill some amid the load and bad weather, start them again, and compare all. Raises DivergedError."""
        self._network.change_weather()
        victims = self._victims()
        self._ended.wait(self._random.uniform(0.02, 0.5))
        told = self._told(victims)
        self._kill(victims)
        self._at_once(victims, Node.start)
        again = [node for node in victims if node is not self.leader and self._random.random() < 0.3]
        if again:
            # amid what it does after a start
            self._ended.wait(self._random.uniform(0.0, 0.3))
            self._kill(again)
            self._at_once(again, Node.start)
        self._network.heal()
        with self._quiet():
            self.delays.append(self._wait_until_equal())
            self._compare(self.load.recent, told)
            self.load.checked()

    def finish(self) -> None:
        """Compare everything, also with a new follower that executes the whole chain. Raises DivergedError."""
        self._network.clear()
        with self._quiet():
            newest = self._follower("replay", self._network.ports[0])
            newest.start()
            self.followers.append(newest)
            self._wait_until_equal(newest)
            self._compare(self.load.kept, {})

    def close(self) -> None:
        """End the load and every node."""
        self._ended.set()
        self._may_load.set()
        for node in self._nodes():
            node.kill()
        self._loading.join()
        self._pool.shutdown()

    def save_evidence(self, folder: Path) -> None:
        """Write what tells of a failure: each node's log with what it does now, its newest blocks, and its way."""
        folder.mkdir(parents=True, exist_ok=True)
        for node in self._nodes():
            node.tell()
            shutil.copy(node.log, folder)
        facts = {"ways": self._network.states(), "heads": {node.name: _heads(node) for node in self._nodes()}}
        (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")

    def summary(self) -> str:
        """The figures, in words."""
        total, kinds = sum(self.kills.values()), ", ".join(f"{count} of {name}" for name, count in self.kills.items())
        head = int(self.leader.call("eth_blockNumber"), 16)
        return (
            f"{total} kills ({kinds}); {sum(self.load.counts.values())} operations, {len(self.load.kept)} acknowledged "
            f"transactions, head {head}; equal again after {statistics.median(self.delays):.2f} s in the median, "
            f"{max(self.delays):.2f} s at most"
        )

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Hold the load back, from the end of its operation on; after a failure for good, for the evidence."""
        self._may_load.clear()
        with self._turn:
            yield
        self._may_load.set()

    def _follower(self, name: str, port: int) -> Node:
        follows = {"follow": f"127.0.0.1:{port}", "rpc_replica_catch_up_seconds": self._bound_seconds}
        return Node(self._folder / name, follows | _QUICK, self._network.followers_namespace)

    def _nodes(self) -> list[Node]:
        return [self.leader, *self.followers]

    def _victims(self) -> list[Node]:
        kind = self._random.random()
        some = self._random.sample(self.followers, self._random.randrange(1, len(self.followers) + 1))
        if kind < 0.2:
            return [self.leader]
        return [self.leader, *some] if kind < 0.35 else some

    def _kill(self, victims: list[Node]) -> None:
        self._at_once(victims, Node.kill)
        self.kills.update("the leader" if node is self.leader else "followers" for node in victims)

    def _at_once(self, nodes: list[Node], step: Any) -> None:
        for _ in self._pool.map(step, nodes):
            pass

    def _told(self, victims: list[Node]) -> dict[str, dict[str, Any]]:
        """Name of a follower -> the block that it called its newest, which its disk must have."""
        return {
            node.name: node.call("eth_getBlockByNumber", "latest", False) for node in victims if node is not self.leader
        }

    def _wait_until_equal(self, beginner: Node | None = None) -> float:
        """Seconds until every follower has the leader's head. Raises DivergedError past the bound.

        beginner: a follower that has the whole chain to execute; the bound is that of its next block.
        """
        self.leader.call("evm_mine")
        height = self.leader.call("eth_blockNumber")
        began = time.monotonic()

        def wait(node: Node) -> None:
            # the answer is held back until the follower is there, for the bound at most; an error tells of the link
            # to a killed leader
            newest, since = "", began
            while time.monotonic() - since < self._bound_seconds:
                with suppress(RpcError):
                    node.call("txpool_status")
                    if node is not beginner or node.call("eth_blockNumber") == height:
                        return
                if node is beginner and (number := node.call("eth_blockNumber")) != newest:
                    newest, since = number, time.monotonic()
                self._ended.wait(AGAIN_SECONDS)

        self._at_once(self.followers, wait)
        seconds = time.monotonic() - began
        head = self.leader.call("eth_getBlockByNumber", "latest", True)
        for node in self.followers:
            theirs = node.call("eth_getBlockByNumber", "latest", True)
            if theirs != head:
                raise DivergedError(
                    f"{node.name} has {theirs['number']} {theirs['hash']} after {seconds:.1f} s, the leader "
                    f"{head['number']} {head['hash']}; its log:\n{node.tail()}"
                )
        return seconds

    def _compare(self, acknowledged: list[str], told: dict[str, dict[str, Any]]) -> None:
        """Compare states, receipts, and what was acknowledged."""
        height = int(self.leader.call("eth_blockNumber"), 16)
        newest = [hex(number) for number in range(max(0, height - RECEIPTS_BLOCKS), height + 1)]
        ours = self._facts(self.leader, newest)
        for node in self.followers:
            if self._facts(node, newest) != ours:
                raise DivergedError(f"the state or the receipts of {node.name} differ at block {height}")
        for node in (self.leader, *self.followers):
            if lost := missing(node, acknowledged):
                raise DivergedError(f"{node.name} lacks acknowledged transactions: {lost}")
        for node in self.followers:
            block = told.get(node.name)
            if block is not None and not self._is_kept(node, block, height):
                raise DivergedError(f"{node.name} has lost block {block['number']} {block['hash']}")

    def _is_kept(self, node: Node, block: dict[str, Any], height: int) -> bool:
        """Whether a block is there after a kill, or its leader has taken it back since."""
        if node.call("eth_getBlockByHash", block["hash"], False) is not None:
            return True
        theirs = self.leader.call("eth_getBlockByNumber", block["number"], False)
        return int(block["number"], 16) > height or theirs["hash"] != block["hash"]

    @staticmethod
    def _facts(node: Node, numbers: list[str]) -> object:
        """The root of the newest state, which a block's header need not have, and receipts."""
        proof = node.call("eth_getProof", BOB, [], "latest")["accountProof"]
        root = keccak(hexstr=proof[0]).hex()
        return root, [node.call("eth_getBlockReceipts", number) for number in numbers]

    def _reachable(self) -> list[Node]:
        """The followers that can forward a call: on a cut way it waits for the way, and the load with it."""
        ways = zip(self.followers, self._network.weather, strict=False)
        return [node for node, condition in ways if node.is_alive and condition != "cut"]

    def _keep_loading(self) -> None:
        while not self._ended.is_set():
            self.leader.wait_until_alive()
            # the lock alone would go from one operation to the next, and to nobody else
            self._may_load.wait()
            self._ended.wait(self._load_random.expovariate(OPERATIONS_PER_SECOND))
            with self._turn:
                if not self._may_load.is_set():
                    continue
                alive = self._reachable()
                # a killed node, a cut way, a leader that is not there yet: the next operation follows
                with suppress(*CUT_OFF, RpcError):
                    self.load.operate(self.leader, alive)


def _heads(node: Node) -> list[list[str]] | str:
    """Numbers and hashes of the newest blocks; the error of a node that does not answer."""
    try:
        newest = int(node.call("eth_blockNumber"), 16)
        numbers = map(hex, range(max(0, newest - EVIDENCE_BLOCKS), newest + 1))
        return [[number, node.call("eth_getBlockByNumber", number, False)["hash"]] for number in numbers]
    except (*CUT_OFF, RpcError) as error:
        return repr(error)
