#!/usr/bin/env python
"""Kill -9 the node at random moments under load, and check after each restart that nothing acknowledged is missing.

One data directory lives through all kills. Load: transfers, calls of an EVM and of a WebAssembly contract that write a
slot and a log, deployments of modules, pooled transactions, bursts on several connections, snapshots with reverts,
rollbacks, reorganisations. A kill lands during start-up, at a random time under load, or aimed: within the time that
the request just sent takes to answer. An answer that left before the kill counts as an acknowledgement.

    python scripts/crash_test.py --kills 100

Ends with 0 when nothing was lost and at least half of the kills landed while a request was unanswered.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.crash_model import Effect, LostError, Model, Operation
from scripts.load import (
    DEPLOYMENT_GAS,
    RECORDER_MODULE,
    RECORDER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    contract_address,
    creation_code,
    development_signer,
    numbered_module,
    write_data,
)
from scripts.node_process import ROOT, NodeError, NodeProcess, RpcConnection, RpcError, zevm_command

SENDERS = (1, 2, 3, 4)
CONNECTIONS = 4
RECEIVERS = 48
SLOTS = 48
KILL_MODES = {"start-up": 12, "timed": 30, "aimed": 58}
"""Kinds of kills and their weights."""
TIMED_KILL_SECONDS = 1.0
DEPLOYMENT_SHARE, TRANSFER_SHARE = 0.08, 0.5
"""Of transactions: below the first a module is deployed, below the second wei are sent; the others write a slot."""
MAX_OPERATIONS = 25
MAX_REWIND_BLOCKS = 3
FIRST_GUESS_SECONDS = 0.01
AIM_FACTOR = 0.9
"""An aimed kill falls within this many times the median duration of the same operation."""
SHARP_AIM_FACTOR = 0.4
LEAST_SHARE, WANTED_SHARE = 0.5, 0.6
"""Of kills that land while a request is unanswered. Below the second, the next kill is aimed sharply."""
OUTRUN = ("nonce too low", "already known", "replacement transaction underpriced")
"""Refusals of a transaction whose nonce is taken by one that waited in the queue since a kill amid a burst."""


class KilledError(Exception):
    """The node is dead, as planned. `operation` may or may not have happened."""

    def __init__(self, operation: Operation | None, mid_request: bool) -> None:
        self.operation = operation
        self.mid_request = mid_request


class Load:
    """Sends operations to one running node and keeps the model up to date with the answers."""

    def __init__(self, model: Model, random: Random, durations: dict[str, list[float]]) -> None:
        self.model = model
        self.random = random
        self.durations = durations
        self.signers = [development_signer(index) for index in SENDERS]
        self.first_rewindable = 1
        self.aim_factor = 0.0
        self.automine = True

    def attach(self, node: NodeProcess) -> None:
        self.node = node
        self.killed_at = 0.0
        self.connections = [node.connect() for _ in range(CONNECTIONS)]
        self.rpc = self.connections[0]

    def detach(self) -> None:
        for connection in self.connections:
            connection.close()

    # ------ sending ------

    def kill(self) -> None:
        self.killed_at = time.monotonic()
        self.node.process.kill()

    def perform(self, operation: Operation, requests: Sequence[bytes]) -> None:
        """Send all requests, each on its own connection, and read all answers.

        Raises KilledError with the answers that arrived noted in `operation`, RpcError when the node refuses.
        """
        started = time.monotonic()
        answers: list[object] = []
        try:
            for connection, request in zip(self.connections, requests, strict=False):
                connection.send(request)
            if self.aim_factor:
                usual = statistics.median(self.durations.get(operation.kind, [FIRST_GUESS_SECONDS]))
                time.sleep(self.random.uniform(0, self.aim_factor * usual))
                self.kill()
            answers = self._answers(operation, requests)
        except OSError as error:
            if not self.killed_at:
                raise NodeError(f"{error}:\n{self.node.tail()}") from error
        if self.killed_at:
            operation.done = len(answers) == len(requests)
            raise KilledError(operation, started < self.killed_at and not operation.done)
        operation.done = True
        self.durations.setdefault(operation.kind, []).append(time.monotonic() - started)

    def _answers(self, operation: Operation, requests: Sequence[bytes]) -> list[object]:
        answers = []
        for position, connection in enumerate(self.connections[: len(requests)]):
            try:
                answers.append(connection.result(connection.receive()))
            except (OSError, EOFError) as error:
                if not self.killed_at:
                    raise NodeError(f"{error!r} during {operation.kind}:\n{self.node.tail()}") from error
            except RpcError as error:
                if not (operation.transactions and error.message.startswith(OUTRUN)):
                    raise
                answers.append(None)
            else:
                if operation.transactions:
                    operation.acknowledged.add(operation.transactions[position])
        return answers

    def ask(self, method: str, *params: object) -> Any:
        """A read between operations. Raises KilledError when the node is gone."""
        return self.reading(None, lambda: self.rpc.call(method, *params))

    def step(self, operation: Operation, requests: Sequence[bytes]) -> None:
        """Perform an operation and take its outcome into the model."""
        self.perform(operation, requests)
        self.reading(operation, lambda: self.model.reconcile(self.rpc, operation))

    def reading(self, operation: Operation | None, read: Callable[[], Any]) -> Any:
        """The result of `read`, or KilledError that carries `operation` when the node died as planned."""
        started = time.monotonic()
        try:
            return read()
        except (OSError, EOFError) as error:
            if not self.killed_at:
                raise NodeError(f"{error!r}:\n{self.node.tail()}") from error
            raise KilledError(operation, mid_request=started < self.killed_at) from None

    # ------ operations ------

    def sign(self, signer: Signer) -> tuple[str, str]:
        """A transfer, a write or a deployment, noted in the model's effects: (raw transaction, hash)."""
        kind = self.random.random()
        if kind < DEPLOYMENT_SHARE:
            created, code = contract_address(signer.address, signer.nonce), numbered_module(self.random.randrange(128))
            raw, name = signer.sign(to=None, data="0x" + code.hex(), gas=DEPLOYMENT_GAS)
            self.model.effects[name] = Effect(signer.address, "", 0, created=created, code="0x" + code.hex())
        elif kind < TRANSFER_SHARE:
            to, value_wei = f"0x{0xC0DE0000 + self.random.randrange(RECEIVERS):040x}", self.random.randrange(1, 10**18)
            raw, name = signer.sign(to=to, value_wei=value_wei, gas=TRANSFER_GAS)
            self.model.effects[name] = Effect(signer.address, to, value_wei)
        else:
            slot, value = self.random.randrange(SLOTS), self.random.randrange(1, 2**256)
            recorder = self.random.choice(self.model.recorders)
            raw, name = signer.sign(to=recorder, data=write_data(slot, value), gas=WRITE_GAS)
            self.model.effects[name] = Effect(signer.address, recorder, 0, slot, value)
        return raw, name

    def refresh_nonces(self) -> None:
        for signer in self.signers:
            signer.nonce = int(self.ask("eth_getTransactionCount", signer.address, "pending"), 16)

    def send(self) -> None:
        """One transaction; mined before the answer under instant mining, pooled otherwise."""
        self.refresh_nonces()
        raw, name = self.sign(self.random.choice(self.signers))
        kind = "send" if self.automine and not self.model.pool else "pool"
        self.step(Operation(kind, (name,)), [self.rpc.request("eth_sendRawTransaction", raw)])

    def burst(self) -> None:
        """Transactions of several senders, or consecutive ones of one sender, at once on several connections."""
        self.refresh_nonces()
        signers = self.signers if self.random.random() < 0.5 else [self.random.choice(self.signers)] * CONNECTIONS
        signed = [self.sign(signer) for signer in signers]
        requests = [self.rpc.request("eth_sendRawTransaction", raw) for raw, _ in signed]
        self.step(Operation("burst", tuple(name for _, name in signed)), requests)

    def switch_mining(self) -> None:
        self.automine = not self.automine
        self.step(Operation("automine"), [self.rpc.request("evm_setAutomine", self.automine)])

    def mine(self) -> None:
        count = self.random.randrange(1, 4)
        self.step(Operation("mine", least_head=self.model.head + count), [self.rpc.request("hardhat_mine", hex(count))])

    def snapshot_and_revert(self) -> None:
        floor, pool = self.model.head, frozenset(self.model.pool)
        snapshot = self.ask("evm_snapshot")
        for _ in range(self.random.randrange(1, 4)):
            self.send()
        operation = Operation("revert", floor=floor, pool_after=pool, transactions=tuple(pool))
        self.step(operation, [self.rpc.request("evm_revert", snapshot)])

    def _depth(self) -> int:
        return min(self.random.randrange(1, MAX_REWIND_BLOCKS + 1), self.model.head - self.first_rewindable)

    def rollback(self) -> None:
        if (depth := self._depth()) > 0:
            operation = Operation("rollback", floor=self.model.head - depth)
            self.step(operation, [self.rpc.request("anvil_rollback", depth)])

    def reorganise(self) -> None:
        if (depth := self._depth()) > 0:
            operation = Operation("reorg", floor=self.model.head - depth)
            self.step(operation, [self.rpc.request("anvil_reorg", depth, [])])

    def run(self, count: int) -> None:
        """`count` random operations."""
        table = {
            self.send: 10, self.burst: 4, self.switch_mining: 2, self.mine: 3,
            self.snapshot_and_revert: 2, self.rollback: 1, self.reorganise: 1,
        }  # fmt: skip
        for operation in self.random.choices(list(table), list(table.values()), k=count):
            operation()

    def run_aimed(self, count: int, aim_factor: float) -> None:
        """`count` operations, then kill in the next one that is a write."""
        self.run(count)
        self.aim_factor = aim_factor
        while True:
            self.run(1)


class Campaign:
    """Kills, restarts and checks on one data directory."""

    def __init__(self, datadir: Path, random: Random, deep_check_every: int) -> None:
        self.datadir = datadir
        self.random = random
        self.deep_check_every = deep_check_every
        self.counts: Counter[str] = Counter()
        self.starts_seconds: list[float] = []
        self.model = Model(recorders=())
        self.load = Load(self.model, random, {})

    def command(self) -> list[str]:
        template = os.environ.get("ZEVM_TEST_NODE_COMMAND")
        if template:
            return shlex.split(template.format(datadir=self.datadir))
        return zevm_command("--datadir", str(self.datadir))

    def start(self) -> NodeProcess:
        started = time.monotonic()
        node = NodeProcess(self.command())
        self.starts_seconds.append(time.monotonic() - started)
        return node

    def prepare(self) -> None:
        """Deploy the recorders of both machines, and stop cleanly."""
        deployer = development_signer(0)
        with self.start() as node, node.connect() as rpc:
            self.model.reconcile(rpc, None)
            for runtime, creation in ((RECORDER_RUNTIME, creation_code(RECORDER_RUNTIME)), (RECORDER_MODULE,) * 2):
                created = contract_address(deployer.address, deployer.nonce)
                raw, name = deployer.sign(to=None, data="0x" + creation.hex(), gas=DEPLOYMENT_GAS)
                self.model.effects[name] = Effect(deployer.address, "", 0, created=created, code="0x" + runtime.hex())
                rpc.call("eth_sendRawTransaction", raw)
                while rpc.call("eth_getTransactionReceipt", name) is None:
                    pass
                self.model.recorders += (created,)
                self.model.reconcile(rpc, Operation("pool", (name,), acknowledged={name}, done=True))
            self.load.first_rewindable = self.model.head

    def cycle(self) -> None:
        """Start, check, load, kill."""
        behind = self.counts["mid-request"] < WANTED_SHARE * self.counts["kills"]
        mode = "aimed" if behind else self.random.choices(list(KILL_MODES), list(KILL_MODES.values()))[0]
        self.counts[mode] += 1
        if mode == "start-up":
            node = NodeProcess(self.command(), wait=False)
            time.sleep(self.random.uniform(0, statistics.median(self.starts_seconds)))
            node.kill()
            return
        node = self.start()
        try:
            self.load_and_kill(node, mode, SHARP_AIM_FACTOR if behind else AIM_FACTOR)
        finally:
            node.kill()
            self.load.detach()

    def load_and_kill(self, node: NodeProcess, mode: str, aim_factor: float) -> None:
        load = self.load
        load.attach(node)
        load.aim_factor = 0.0
        self.check(load.rpc)
        load.automine = bool(load.ask("hardhat_getAutomine"))
        timer = threading.Timer(self.random.uniform(0, TIMED_KILL_SECONDS), load.kill)
        operations = self.random.randrange(MAX_OPERATIONS)
        try:
            if mode == "timed":
                timer.start()
                while True:
                    load.run(1)
            load.run_aimed(operations, aim_factor)
        except KilledError as killed:
            self.counts["mid-request"] += killed.mid_request
            self.counts["mid-write"] += killed.operation is not None and not killed.operation.done
            self.pending = killed.operation
        finally:
            timer.cancel()

    pending: Operation | None = None

    def check(self, rpc: RpcConnection) -> None:
        """Compare the restarted node with everything it told before, and with the operation that was in flight."""
        before = self.model.head, len(self.model.pool)
        self.model.reconcile(rpc, self.pending)
        if self.pending is not None and not self.pending.done:
            applied = before != (self.model.head, len(self.model.pool))
            self.counts["unanswered and applied" if applied else "unanswered and absent"] += 1
        self.pending = None
        self.model.verify(rpc, self.random)

    def deep_check(self) -> None:
        """`zevm db check --deep`: every node of the trie, every root."""
        if os.environ.get("ZEVM_TEST_NODE_COMMAND"):
            return
        command = [sys.executable, "-m", "node.cli", "db", "check", "--deep", "--datadir", str(self.datadir)]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        self.counts["deep checks"] += 1
        if finished.returncode != 0:
            raise LostError(f"db check --deep exited {finished.returncode}:\n{finished.stdout}{finished.stderr}")

    def run(self, kills: int) -> None:
        self.prepare()
        for number in range(1, kills + 1):
            self.cycle()
            self.counts["kills"] += 1
            if number % self.deep_check_every == 0 or number == kills:
                self.deep_check()
        with self.start() as node, node.connect() as rpc:
            self.check(rpc)

    def is_wasm(self, name: str) -> bool:
        """Whether the transaction deploys or calls a module."""
        effect = self.model.effects[name]
        return bool(effect.created) or effect.to == self.model.recorders[-1]

    def report(self) -> dict[str, object]:
        starts = sorted(self.starts_seconds)
        return {
            **self.counts,
            "mid-request share": round(self.counts["mid-request"] / max(1, self.counts["kills"]), 3),
            "blocks": self.model.head + 1,
            "transactions in blocks": len(self.model.receipts),
            "transactions sent": len(self.model.effects),
            "of WebAssembly, in blocks": sum(map(self.is_wasm, self.model.receipts)),
            "start median seconds": round(statistics.median(starts), 2),
            "start longest seconds": round(starts[-1], 2),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--datadir", type=Path, help="must not exist yet; kept. Default: temporary, kept on failure")
    parser.add_argument("--seed", type=int, default=None, help="default: random, printed")
    parser.add_argument("--deep-check-every", type=int, default=10, metavar="KILLS")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else Random().randrange(2**32)
    datadir = options.datadir or Path(tempfile.mkdtemp(prefix="zevm-crash-")) / "data"
    campaign = Campaign(datadir, Random(seed), options.deep_check_every)
    print(f"seed {seed}, data directory {datadir}", flush=True)
    try:
        campaign.run(options.kills)
    except (LostError, NodeError, RpcError) as error:
        print(json.dumps(campaign.report(), indent=2))
        print(f"FAILED after {campaign.counts['kills']} kills: {error}", file=sys.stderr)
        return 1
    report = campaign.report()
    print(json.dumps(report, indent=2))
    if campaign.counts["mid-request"] < LEAST_SHARE * campaign.counts["kills"]:
        print("FAILED: fewer than half of the kills landed while a request was unanswered", file=sys.stderr)
        return 1
    if options.datadir is None:
        shutil.rmtree(datadir.parent)
    print("nothing acknowledged was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
