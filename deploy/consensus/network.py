"""A network of pairs: a zEVM node and the Lodestar that drives it, all on loopback.

Blocks pass between the Lodestars alone. Genesis is zEVM's genesis.json, and a beacon state that Lodestar makes from its
hash with validators whose keys everybody knows.
"""

import json
import math
import os
import re
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from deploy.consensus.peers import BeaconNode
from deploy.consensus.programs import Program
from zevm.chain.blockchain import Chain
from zevm.chain.rules.genesis import load_genesis
from zevm.storage.database import Database

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GENESIS = HERE / "genesis.json"
LODESTAR = HERE / "lodestar"
LODESTAR_PROGRAM = LODESTAR / "node_modules/@chainsafe/lodestar/lib/index.js"
BEACON_CHAIN = "lodestar/chain-db"
"""In the folder of a pair. The record of what the validators signed is not in it."""

INSTALLED = LODESTAR / "node_modules/.installed-lock"
"""The last that scripts/install_consensus_client.sh writes."""

CHAIN_ID = 32382
SLOTS_PER_EPOCH = 8
"""Of Lodestar's minimal preset. A network without a block for an epoch does not go on by itself."""

FORKS = ("ALTAIR", "BELLATRIX", "CAPELLA")
EXECUTION_READY = re.compile(r"Engine API on ")
BEACON_READY = re.compile(r"Started REST API server")
EXECUTION_START_SECONDS = 120.0
BEACON_START_SECONDS = 180.0
CALL_SECONDS = 30.0
PORT_NAMES = ("JSON-RPC", "the Engine API", "the REST interface", "the beacon node's peers")
START_ATTEMPTS = 3
LATEST_START_SLOT = SLOTS_PER_EPOCH - 3
"""Validators begin at the latest in this slot: an epoch after slot 0, Lodestar takes a chain without blocks for lost.

The votes of epoch 0 count for nothing, so a start during it costs no finality.
"""

BEACON_START_SHARE = 2
"""Lodestar starts within this many times the seconds of zEVM, also where the machine is busy."""

SLOTS_PER_RESTART = 2.5
"""Slots that a killed zEVM may miss. An epoch has 8, of which a third may be without votes."""

SECONDS_PER_SLOT = range(2, 13)
"""Slots of a second are too short for Lodestar; 12 are Ethereum's."""


class NetworkError(Exception):
    """The network cannot be started, or a node did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of one pair on loopback: JSON-RPC, Engine API, the beacon node's REST interface and its peers."""

    rpc: int
    engine: int
    rest: int
    peers: int

    @classmethod
    def usual(cls, index: int) -> "Ports":
        """The ports that the programs use by default, each plus the index."""
        return cls(8545 + index, 8551 + index, 9596 + index, 9000 + index)

    def check_free(self, index: int) -> None:
        """Raises NetworkError if one of them is in use. index: of the pair, for the message."""
        for name, port in zip(PORT_NAMES, (self.rpc, self.engine, self.rest, self.peers), strict=True):
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError as error:
                raise NetworkError(
                    f"port {port}, {name} of node {index + 1}: {os.strerror(error.errno or 0)}; stop what holds it, "
                    "or move every port with --port-offset 100"
                ) from error

    @classmethod
    def free(cls) -> "Ports":
        """Ports that are free at this moment."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        numbers = [server.getsockname()[1] for server in sockets]
        for server in sockets:
            server.close()
        return cls(*numbers)


@dataclass(frozen=True, slots=True)
class Plan:
    """The values that all pairs share. folder: of logs and data; it is created.

    ports: of each pair. validators: of all pairs together. genesis_hash: of the execution chain's block 0.
    """

    folder: Path
    ports: Sequence[Ports]
    validators: int
    genesis_hash: str


@dataclass(frozen=True, slots=True)
class Slots:
    """The clock of all beacon nodes. genesis_time: Unix time of slot 0."""

    genesis_time: int
    seconds: int

    def start(self, slot: int) -> float:
        """The Unix time at which a slot begins."""
        return self.genesis_time + slot * self.seconds

    def at(self, unix_time: float) -> int:
        """The slot of a time; negative before genesis."""
        return int((unix_time - self.genesis_time) // self.seconds)

    def options(self) -> list[str]:
        """Lodestar's options for this clock."""
        return ["--genesisTime", str(self.genesis_time), "--params.SECONDS_PER_SLOT", str(self.seconds)]


class Pair:
    """One zEVM node and its Lodestar; each can be started, killed and started again by itself."""

    def __init__(self, plan: Plan, index: int) -> None:
        self.ports = plan.ports[index]
        self.folder = plan.folder / f"pair-{index + 1}"
        self.folder.mkdir(parents=True)
        self.beacon_node = BeaconNode(f"http://127.0.0.1:{self.ports.rest}")
        self.execution = Program(
            f"zEVM {index + 1}",
            self._execution_command(plan, index),
            self.folder / "zevm.log",
            cwd=self.folder,
            environment={"PYTHONUNBUFFERED": "1", "PYTHONPATH": python_path()},
        )
        self.beacon = Program(
            f"Lodestar {index + 1}",
            self._beacon_command(plan, index),
            self.folder / "lodestar.log",
            cwd=self.folder,
            environment={"LODESTAR_PRESET": "minimal", "NODE_BACKEND": "js", "NO_COLOR": "1"},
        )

    @property
    def url(self) -> str:
        """The node's JSON-RPC over HTTP and WebSocket, without a scheme."""
        return f"127.0.0.1:{self.ports.rpc}"

    def start_execution(self) -> None:
        """Start zEVM; returns when it listens. Raises ProgramError."""
        self.execution.start(EXECUTION_READY, EXECUTION_START_SECONDS)

    def start_beacon(self, slots: Slots, *, wait: bool = True) -> None:
        """Start Lodestar; with `wait`, returns when it answers. Raises ProgramError.

        It gets its chain from the other nodes each time. Version 1.5.1 takes the finalized block that it kept for
        justified in the epoch after, and follows no chain on which another one is: the usual case.
        """
        self.beacon.kill()
        shutil.rmtree(self.folder / BEACON_CHAIN, ignore_errors=True)
        self.beacon.start(BEACON_READY, BEACON_START_SECONDS if wait else None, slots.options())

    def call(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC call of zEVM. Raises NetworkError, OSError."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(f"http://{self.url}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:
            answer = json.load(response)
        if "error" in answer:
            raise NetworkError(f"{self.execution.name}, {method}: {answer['error']['message']}")
        return answer["result"]

    def _execution_command(self, plan: Plan, index: int) -> list[str]:
        others = [f"http://127.0.0.1:{ports.rpc}" for place, ports in enumerate(plan.ports) if place != index]
        return [
            sys.executable, "-m", "zevm", "run", "--init", str(GENESIS), "--datadir", str(self.folder / "zevm"),
            "--port", str(self.ports.rpc), "--authrpc-port", str(self.ports.engine),
            "--authrpc-jwtsecret", str(self.folder / "jwt.hex"),
            *(("--forward-transactions", ",".join(others)) if others else ()),
        ]  # fmt: skip

    def _beacon_command(self, plan: Plan, index: int) -> list[str]:
        first, last = share(plan.validators, len(plan.ports), index)
        forks = [word for fork in FORKS for word in (f"--params.{fork}_FORK_EPOCH", "0")]
        rest = f"http://127.0.0.1:{self.ports.rest}"
        others = max(1, len(plan.ports) - 1)
        return [
            "node", "--import", str(LODESTAR / "polyfill.mjs"), str(LODESTAR_PROGRAM), "dev",
            "--dataDir", str(self.folder / "lodestar"),
            "--genesisValidators", str(plan.validators), "--startValidators", f"{first}..{last}",
            "--genesisEth1Hash", plan.genesis_hash, *forks, "--params.TERMINAL_TOTAL_DIFFICULTY", "0",
            "--eth1", "false", "--execution.urls", f"http://127.0.0.1:{self.ports.engine}",
            "--jwt-secret", str(self.folder / "jwt.hex"),
            "--discv5", "false", "--mdns", "false", "--listenAddress", "127.0.0.1", "--port", str(self.ports.peers),
            "--targetPeers", str(others), "--network.maxPeers", str(others + 1),
            # with its limits a node bans the one peer from which it synchronises
            "--network.rateLimitMultiplier", "0",
            "--rest.port", str(self.ports.rest), "--rest.namespace", "*", "--server", rest,
            "--sync.isSingleNode", "true", "--network.allowPublishToZeroPeers", "true",
        ]  # fmt: skip


@dataclass(slots=True)
class Network:
    """Pairs that make one chain; as a context manager it stops every program at the end."""

    plan: Plan
    pairs: list[Pair] = field(init=False)
    slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = [Pair(self.plan, index) for index in range(len(self.plan.ports))]

    def start_executions(self) -> float:
        """Start every zEVM; the seconds that one took. Raises ProgramError."""
        began = time.monotonic()
        for pair in self.pairs:
            pair.start_execution()
        return (time.monotonic() - began) / len(self.pairs)

    def start_beacons(self, slots: Slots) -> None:
        """Start every Lodestar on a clock; returns when all answer. Raises ProgramError."""
        self.slots = slots
        for pair in self.pairs:
            pair.start_beacon(slots, wait=False)
        for pair in self.pairs:
            pair.beacon.wait(BEACON_START_SECONDS)

    def slot_now(self) -> int:
        """The slot of this moment; negative before genesis."""
        return self.slots.at(time.time())

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        for programs in ([pair.beacon for pair in self.pairs], [pair.execution for pair in self.pairs]):
            for program in programs:
                program.ask_to_stop()
            for program in programs:
                program.stop()


@contextmanager
def begun(
    folder: Path,
    ports: Sequence[Ports],
    *,
    validators: int,
    seconds_per_slot: int | None,
    tell: Callable[[str], None] = print,
) -> Iterator[Network]:
    """A network whose programs all answer in slot LATEST_START_SLOT or before; it is stopped at the end.

    seconds_per_slot: None chooses the shortest that kills of a zEVM permit on a machine as busy as this one. A start
    that took too long is repeated with more time. Raises ProgramError, NetworkError.
    """
    begins_on = genesis_hash()
    beacons_seconds = 0.0
    for attempt in range(1, START_ATTEMPTS + 1):
        with Network(Plan(folder / f"start-{attempt}", ports, validators, begins_on)) as network:
            execution_seconds = network.start_executions()
            seconds = seconds_per_slot or fitting_slot(execution_seconds)
            usual_seconds = BEACON_START_SHARE * execution_seconds * len(ports)
            beacons_seconds = max(usual_seconds, 2 * beacons_seconds)
            late_seconds = min(beacons_seconds, LATEST_START_SLOT // 2 * seconds)
            network.start_beacons(Slots(int(time.time() + beacons_seconds - late_seconds), seconds))
            if network.slot_now() <= LATEST_START_SLOT:
                yield network
                return
            tell(f"the start took longer than {beacons_seconds:.0f} s; it is repeated with more time")
    raise NetworkError(f"the programs did not start within {beacons_seconds:.0f} s: the machine is too busy")


def fitting_slot(restart_seconds: float) -> int:
    """The shortest slot, in seconds, with which a zEVM with this start time can be killed once in each epoch."""
    wanted = math.ceil(restart_seconds / SLOTS_PER_RESTART)
    return min(max(wanted, SECONDS_PER_SLOT[0]), SECONDS_PER_SLOT[-1])


def share(validators: int, pairs: int, index: int) -> tuple[int, int]:
    """The first and last of the validators that a pair runs."""
    return validators * index // pairs, validators * (index + 1) // pairs - 1


def missing() -> str | None:
    """Why Lodestar cannot run here, and the remedy; None where it can."""
    if shutil.which("node") is None:
        return "Node.js is missing: install version 20 or newer (Debian: apt install nodejs npm)"
    if not INSTALLED.exists():
        return "Lodestar is missing: run scripts/install_consensus_client.sh"
    return None


@cache
def genesis_hash() -> str:
    """The hash of block 0 of genesis.json, on which the beacon chain begins."""
    database = Database.open(None)
    chain = Chain(database, load_genesis(GENESIS))
    try:
        return f"0x{chain.head.header.hash.hex()}"
    finally:
        chain.close()
        database.close()


def python_path() -> str:
    """PYTHONPATH with this checkout."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
