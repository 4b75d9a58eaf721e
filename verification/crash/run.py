"""Kill -9 the node at random moments under load, damage its files, and fill its disk; nothing acknowledged is missing.

One data directory lives through all kills. Load: transfers, calls of an EVM and of a WebAssembly contract that write a
slot and a log, deployments of modules, pooled transactions, bursts on several connections, snapshots with reverts,
rollbacks, reorganisations. A kill lands during start-up, at a random time under load, or aimed: within the time that
the request just sent takes to answer, which may be a reorganisation's or a revert's. An answer that left before the
kill counts as an acknowledgement. With --clients as many clients send at once, one by one and in batch requests, so
that their transactions share syncs.

Every start chooses of how many states the trie nodes are kept (`--proofs`), so that nodes are written behind
the blocks while kills land. With --prune old blocks lose their content meanwhile. With --migrations the directory
becomes one of the schema before after a kill, and `zevm db migrate` is killed too, again and again at random moments,
until one run of it comes to its end.

Damages are done to copies of what a kill left: to one file, or to LevelDB's log and the marks of the last write at
once. Full disks: writes are refused, reads and /health tell it, and once there is space the same node goes on.

    python -m verification.crash.run --kills 100 --migrations 5 --damages 60 --doubles 20 --full-disks 10

Ends with 0 when nothing was lost and, of ten kills or more, at least half landed while a request was unanswered.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from testing.forked import ForkedNode
from testing.load import (
    DEPLOYMENT_GAS,
    RECORDER_MODULE,
    RECORDER_RUNTIME,
    contract_address,
    creation_code,
    development_signer,
)
from testing.node_process import ROOT, NodeError, NodeProcess, RpcConnection, RpcError, zevm_command
from verification.crash.damage import try_damages
from verification.crash.disk import Disk
from verification.crash.load import KilledError, Load
from verification.crash.migration import make_older
from verification.crash.model import UNSEEN_BLOCKS, Effect, LostError, Model, Operation
from verification.evm_option import add_evm_option
from zevm.chain.vm.engines.engine import Engine

KILL_MODES = {"start-up": 12, "timed": 26, "aimed": 38, "reorg": 12, "revert": 12}
"""Kinds of kills and their weights."""
TIMED_KILL_SECONDS = 1.0
START_SECONDS = 240.0
"""The longest start: no fault of a busy machine is taken for one of the node."""
MAX_OPERATIONS = 25
MAX_OPERATIONS_OF_CLIENTS = 4
"""Of many clients, each of which sends transactions in one operation."""
KILLED_WHILE_FULL_SHARE = 0.3
AIM_FACTOR = 0.9
"""An aimed kill falls within this many times the median duration of the same operation."""
SHARP_AIM_FACTOR = 0.4
LEAST_SHARE, WANTED_SHARE = 0.5, 0.6
FEWEST_JUDGED = 10
"""Kills from which on their share is asked for: of fewer it is chance."""
"""Of kills that land while a request is unanswered. Below the second, the next kill is aimed sharply."""
DAMAGES_PER_KILL = 15
PROOFS = ("2", "2", "8", "1024", "all")
"""Settings of `--proofs`, the frequent ones more than once."""
KILLED_MIGRATIONS = 4
"""Runs of a migration that are killed before one may come to its end."""


class Campaign:
    """Kills, restarts and checks on one data directory."""

    def __init__(
        self,
        datadir: Path,
        random: Random,
        deep_check_every: int,
        clients: int,
        engine: Engine,
        prune: int | None = None,
    ) -> None:
        self.datadir = datadir
        self.engine = engine
        self.random = random
        self.deep_check_every = deep_check_every
        self.counts: Counter[str] = Counter()
        self.starts_seconds: list[float] = []
        self.model = Model((), prune)
        self.load = Load(self.model, random, {}, clients)
        self.most_operations = MAX_OPERATIONS_OF_CLIENTS if clients else MAX_OPERATIONS

    def command(self) -> list[str]:
        template = os.environ.get("ZEVM_TEST_NODE_COMMAND")
        if template:
            return shlex.split(template.format(datadir=self.datadir))
        accounts = ("--accounts", str(self.load.clients + 1)) if self.load.clients else ()
        kept = self.model.prune
        prune = () if kept is None else ("--prune", str(kept))
        # all nodes are kept of no chain that is pruned
        proofs = ("--proofs", self.random.choice(PROOFS if kept is None else PROOFS[:-1]))
        return zevm_command("--datadir", str(self.datadir), "--evm", self.engine.value, *accounts, *proofs, *prune)

    def start(self) -> ForkedNode:
        started = time.monotonic()
        node = ForkedNode(self.command(), ready_timeout_seconds=START_SECONDS)
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
            if self.model.prune is not None:
                # so many that content is dropped from the first kill on, and not before the model has seen it
                for count in (self.model.prune, UNSEEN_BLOCKS):
                    rpc.call("anvil_mine", hex(count))
                    self.model.reconcile(rpc, Operation("mine", done=True))
            self.load.first_rewindable = self.model.head

    def cycle(self) -> None:
        """Start, check, load, kill."""
        behind = self.counts["mid-request"] < WANTED_SHARE * self.counts["kills"]
        mode = "aimed" if behind else self.random.choices(list(KILL_MODES), list(KILL_MODES.values()))[0]
        self.counts[mode] += 1
        if mode == "start-up":
            node = ForkedNode(self.command(), ready_timeout_seconds=START_SECONDS, wait=False)
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
        load.aim_factor, load.aim_at = 0.0, ""
        self.check(load.rpc)
        load.automine = bool(load.ask("hardhat_getAutomine"))
        timer = threading.Timer(self.random.uniform(0, TIMED_KILL_SECONDS), load.kill)
        operations = self.random.randrange(self.most_operations)
        try:
            if mode == "timed":
                timer.start()
                while True:
                    load.run(1)
            load.run_aimed(operations, aim_factor, mode if mode in ("reorg", "revert") else "")
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
        finished = subprocess.run(self.db("check", "--deep"), cwd=ROOT, capture_output=True, text=True, timeout=300)
        self.counts["deep checks"] += 1
        if finished.returncode != 0:
            raise LostError(f"db check --deep exited {finished.returncode}:\n{finished.stdout}{finished.stderr}")

    def db(self, *words: str) -> list[str]:
        """A command of `zevm db`."""
        return [sys.executable, "-m", "zevm", "db", *words, "--datadir", str(self.datadir)]

    def migrate(self, rounds: int) -> None:
        """After a kill, make the directory an older one, and take it over; the runs that do it are killed as well."""
        for _ in range(rounds):
            self.cycle()
            make_older(self.datadir)
            kills = 0
            while True:
                run = subprocess.Popen(self.db("migrate"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if kills < KILLED_MIGRATIONS:
                    kills += 1
                    lasts_seconds = statistics.median(self.starts_seconds)
                    with suppress(subprocess.TimeoutExpired):
                        run.wait(self.random.uniform(0.2, 1) * lasts_seconds)
                    run.kill()
                told = run.communicate()[0].decode()
                if run.returncode == 0:
                    break
                if run.returncode != -signal.SIGKILL:
                    raise LostError(f"db migrate exited {run.returncode}:\n{told}")
                self.counts["killed migrations"] += 1
            self.counts["migrations"] += 1
            self.check_at_rest()
            self.deep_check()

    def damage(self, count: int, doubles: int) -> None:
        """Damage copies of what kills leave, a few after each."""
        rounds = -(-count // DAMAGES_PER_KILL)
        for index in range(rounds):
            share, double = (total * (index + 1) // rounds - total * index // rounds for total in (count, doubles))
            self.cycle()
            self.counts["kills before damages"] += 1
            try_damages(self.datadir, share, double, self.random, self.counts)

    def fill_disks(self, rounds: int, disk: Disk) -> None:
        """Fill the disk under load, and go on with the same node once there is space, or after a kill amid it."""
        for _ in range(rounds):
            node = self.start()
            self.load.attach(node)
            try:
                self.full_disk_round(node, disk)
            finally:
                disk.free(None)
                node.kill()
                self.load.detach()

    def full_disk_round(self, node: NodeProcess, disk: Disk) -> None:
        load = self.load
        load.aim_factor, load.aim_at = 0.0, ""
        self.check(load.rpc)
        load.automine = bool(load.ask("hardhat_getAutomine"))
        load.run(self.random.randrange(1, self.most_operations))
        for _ in range(self.random.randrange(1, 4)):
            disk.fill(node)
            load.is_full = True
            if not load.run_until_refused():
                # LevelDB has begun another log, which may grow as large as the last one
                disk.fill(node, spare=0)
                if not load.run_until_refused():
                    raise LostError("a full disk refuses nothing")
            if self.health_status(node) != 503:
                raise LostError("/health does not tell of a full disk")
            self.model.reconcile(load.rpc, None)
            self.model.verify(load.rpc, self.random)
            load.is_full = False
            self.counts["full disks"] += 1
            if self.random.random() < KILLED_WHILE_FULL_SHARE:
                self.counts["killed while full"] += 1
                return
            disk.free(node)
            # refused nothing from now on: a refusal is an error again
            load.mine()
            if self.health_status(node) != 200:
                raise LostError("/health tells of a full disk that takes writes")
            load.run(self.random.randrange(self.most_operations))
            self.counts["resumed in place"] += 1

    @staticmethod
    def health_status(node: NodeProcess) -> int:
        try:
            with urllib.request.urlopen(f"{node.url}/health", timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return int(refused.code)

    def run(self, kills: int) -> None:
        for number in range(1, kills + 1):
            self.cycle()
            self.counts["kills"] += 1
            if number % self.deep_check_every == 0 or number == kills:
                self.deep_check()
        self.check_at_rest()

    def check_at_rest(self) -> None:
        """Start once more, and compare all."""
        with self.start() as node, node.connect() as rpc:
            self.check(rpc)

    def is_wasm(self, name: str) -> bool:
        """Whether the transaction deploys or calls a module."""
        effect = self.model.effects[name]
        return bool(effect.created) or effect.to == self.model.recorders[-1]

    def report(self) -> dict[str, object]:
        starts = sorted(self.starts_seconds)
        return {
            "engine": self.engine.value,
            **self.counts,
            "mid-request share": round(self.counts["mid-request"] / max(1, self.counts["kills"]), 3),
            "blocks": self.model.head + 1,
            "first kept block": self.model.kept,
            "transactions in blocks": len(self.model.receipts),
            "transactions sent": len(self.model.effects),
            "of WebAssembly, in blocks": sum(map(self.is_wasm, self.model.receipts)),
            "start median seconds": round(statistics.median(starts), 2) if starts else None,
            "start longest seconds": round(starts[-1], 2),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clients", type=int, default=0, help="clients that send at once")
    parser.add_argument("--migrations", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--prune", type=int, metavar="BLOCKS", help="keep the content of this number of newest blocks")
    parser.add_argument("--damages", type=int, default=0)
    parser.add_argument(
        "--doubles", type=int, default=0, help="number of the damages that hit the log and the marks at once"
    )
    parser.add_argument("--full-disks", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--datadir", type=Path, help="must not exist yet; kept. Default: temporary, kept on failure")
    parser.add_argument("--seed", type=int, default=None, help="default: random, printed")
    parser.add_argument("--deep-check-every", type=int, default=10, metavar="KILLS")
    add_evm_option(parser)
    options = parser.parse_args(arguments)
    if options.prune is not None and options.migrations:
        parser.error("--prune and --migrations: a database that old was never pruned")
    seed = options.seed if options.seed is not None else Random().randrange(2**32)
    datadir = options.datadir or Path(tempfile.mkdtemp(prefix="zevm-crash-")) / "data"
    campaign = Campaign(datadir, Random(seed), options.deep_check_every, options.clients, options.evm, options.prune)
    print(f"seed {seed}, engine {options.evm.value}, data directory {datadir}", flush=True)
    disk = Disk(datadir.parent, campaign.random) if options.full_disks else None
    try:
        campaign.prepare()
        campaign.run(options.kills)
        campaign.migrate(options.migrations)
        campaign.damage(options.damages, options.doubles)
        if disk is not None:
            campaign.fill_disks(options.full_disks, disk)
            campaign.deep_check()
        campaign.check_at_rest()
        campaign.model.check_pruned()
    except (LostError, NodeError, RpcError) as error:
        print(json.dumps(campaign.report(), indent=2))
        print(f"FAILED after {campaign.counts['kills']} kills: {error}", file=sys.stderr)
        return 1
    finally:
        if disk is not None:
            disk.close()
    report = campaign.report()
    print(json.dumps(report, indent=2))
    kills = campaign.counts["kills"]
    if kills >= FEWEST_JUDGED and campaign.counts["mid-request"] < LEAST_SHARE * kills:
        print("FAILED: fewer than half of the kills landed while a request was unanswered", file=sys.stderr)
        return 1
    if options.datadir is None:
        shutil.rmtree(datadir.parent)
    print("nothing acknowledged was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
