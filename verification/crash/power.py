"""Losses of power: what a disk may hold then is made by the journal of a process's writes and syncs, and opened.

    python -m verification.crash.power --trials 1000
    python -m verification.crash.power --again FOLDER --trial SEED    one trial of a journal that was kept

A run is a process that changes a chain (power_load.py); its journal is cut at many places, one in each trial. The next
run goes on from what one of the trials left, so that power is lost amid recoveries too. What is opened must hold
everything acknowledged, and nothing but a state that there has been, to the last key; its checks must find nothing, and
the chain must go on. medium.py says what is assumed of a disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from testing.quiet import quiet
from verification.crash.journal import Event, Kind, build_library, read_journal, variables
from verification.crash.losses import CHAIN_OPTIONS, NODE_LIMITS, Contents, Promises, small_sizes, started_at
from verification.crash.medium import Medium
from zevm.chain.blockchain import Chain
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.rules.genesis import load_default_genesis
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.schema import MetaName

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = 60
TRIALS_PER_RUN = 40
RUNS_IN_A_ROW = 4
"""Runs of which each goes on from what a loss of power has left of the one before."""
AIMED_SHARE, NAMES_SHARE = 0.65, 0.15
"""Of cuts that follow a write, and of those that follow a change of names; the others are anywhere."""
_ALL_KEYS = b"", b"\xff" * 64
_NAMES = frozenset({Kind.OPEN, Kind.RENAME, Kind.REMOVE, Kind.MAKE_FOLDER})


class LossError(Exception):
    """A database that was opened is not as it must be."""


@dataclass(frozen=True)
class Disk:
    """How the disk behaves: see Medium."""

    strict: bool = False
    ignored: tuple[str, ...] = ()


@dataclass
class Run:
    """One process's journal, and what was on the disk before it: FOLDER/start and FOLDER/journal."""

    folder: Path
    disk: Disk
    events: list[Event] = field(default_factory=list)
    start: Contents = field(default_factory=dict)
    first: int = 0

    def __post_init__(self) -> None:
        self.events = list(read_journal(self.folder / "journal"))
        data = self.folder / "start" / "data"
        if (data / "leveldb").exists():
            copy = self.folder / "copy"
            shutil.copytree(data, copy)
            with started_at("before", self.folder), Database.open(copy) as database:
                self.start, self.first = dict(database.store.iterate(*_ALL_KEYS)), database.sequence
            shutil.rmtree(copy)

    def lose_power(self, seed: int, target: Path) -> Promises:
        """Write what a loss of power leaves into a new folder; what it must hold."""
        random = Random(seed)
        medium, promises = Medium(self.folder / "start", strict=self.disk.strict, ignored=self.disk.ignored), None
        promises = Promises(self.start, self.first)
        for event in self.events[: self._cut(random)]:
            medium.play(event)
            promises.take(event)
        medium.write_survivor(target, random)
        return promises

    def _cut(self, random: Random) -> int:
        """The number of events before power is lost."""
        share = random.random()
        kinds = {Kind.WRITE} if share < AIMED_SHARE else _NAMES if share < AIMED_SHARE + NAMES_SHARE else set(Kind)
        return random.choice([index for index, event in enumerate(self.events, 1) if event.kind in kinds])


def judge(data: Path, promises: Promises, counts: Counter[str]) -> None:
    """Open what a loss of power has left, compare it with what was promised, and go on. Raises LossError."""
    try:
        with Database.open(data, node_limits=NODE_LIMITS) as database:
            found, sequence = dict(database.store.iterate(*_ALL_KEYS)), database.sequence
            for fault in promises.faults(found, sequence):
                raise LossError(fault)
            counts["repaired"] += bool(database.warnings)
            counts["of pruned chains"] += database.ledger.meta(MetaName.PRUNED) is not None
            counts["without a write that was begun"] += sequence < promises.begun
            head = _go_on(database)
        with Database.open(data, node_limits=NODE_LIMITS) as database:
            if database.ledger.head() != head:
                raise LossError(f"after another block and a clean stop the head is {database.ledger.head()}")
    except StorageError as error:
        raise LossError(f"refused: {error}") from error


def _go_on(database: Database) -> tuple[int, bytes] | None:
    """Check everything and make one more block; the head then."""
    chain = Chain(database, load_default_genesis(), CHAIN_OPTIONS[database.sequence % len(CHAIN_OPTIONS)])
    try:
        for problem in deep_problems(chain.canonical):
            raise LossError(problem)
        number = chain.head.number
        chain.writer.run(chain.mine)
        if chain.head.number <= number:
            raise LossError("no block can be made")
    finally:
        chain.close()
    return database.ledger.head()


class Campaign:
    """Runs and their trials. `faults` maps what was wrong to the commands that show it again."""

    def __init__(self, folder: Path, random: Random, disk: Disk, operations: int) -> None:
        self.folder = folder
        self.random = random
        self.disk = disk
        self.operations = operations
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self.library = build_library(folder)

    def run(self, trials: int, trials_per_run: int) -> None:
        folder: Path | None = None
        while self.counts["trials"] < trials:
            before, row = folder, self.counts["runs"] % RUNS_IN_A_ROW
            folder = self.folder / f"run-{self.counts['runs']}"
            run = self.make_run(folder, None if row == 0 else before)
            for _ in range(min(trials_per_run, trials - self.counts["trials"])):
                self.try_loss(run)
            if before is not None and not any(str(before) in command for command in self.faults.values()):
                shutil.rmtree(before)

    def make_run(self, folder: Path, before: Path | None) -> Run:
        """Let a process work, from nothing or from what a loss of power left of the run before."""
        folder.mkdir()
        start = folder / "start"
        if before is not None and (before / "next").exists():
            shutil.move(before / "next", start)
        else:
            start.mkdir()
        work = folder / "work"
        shutil.copytree(start, work)
        words = [
            "--seed",
            str(self.random.randrange(2**32)),
            "--operations",
            str(self.operations),
            "--boot",
            folder.name,
        ]
        command = [sys.executable, "-m", "verification.crash.power_load", str(work / "data"), *words]
        environment = variables(self.library, folder / "journal", work)
        finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise LossError(f"the process of {folder} exited with {finished.returncode}:\n{finished.stderr}")
        shutil.rmtree(work)
        self.counts["runs"] += 1
        return Run(folder, self.disk)

    def try_loss(self, run: Run) -> None:
        """One trial."""
        seed = self.random.randrange(2**32)
        self.counts["trials"] += 1
        left = run.folder / "left"
        try:
            try_again(run, seed, left, self.counts)
        except LossError as error:
            self.counts["faults"] += 1
            words = "".join(f" --ignore {end}" for end in self.disk.ignored) + " --strict" * self.disk.strict
            command = f"python -m verification.crash.power --again {run.folder} --trial {seed}{words}"
            self.faults.setdefault(str(error).replace(str(run.folder), ""), command)
        else:
            shutil.rmtree(run.folder / "next", ignore_errors=True)
            run.lose_power(seed, run.folder / "next")
        shutil.rmtree(left)


def try_again(run: Run, seed: int, left: Path, counts: Counter[str]) -> None:
    """One trial of a run; the folder `left` has the files, with the blocks of the judgement. Raises LossError."""
    promises = run.lose_power(seed, left)
    with started_at("after", run.folder):
        judge(left / "data", promises, counts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--trials-per-run", type=int, default=TRIALS_PER_RUN)
    parser.add_argument("--operations", type=int, default=OPERATIONS, help="of each run")
    parser.add_argument("--seed", type=int, default=None, help="default: random, printed")
    parser.add_argument("--strict", action="store_true", help="a file system that keeps no order of names")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="END", help="the disk pretends syncs of files named so"
    )
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="a run that was kept")
    parser.add_argument("--trial", type=int, metavar="SEED", help="of the trial to make again")
    options = parser.parse_args(arguments)
    disk = Disk(options.strict, tuple(options.ignore))
    # what a start makes good is counted, not news
    with quiet("zevm"), small_sizes():
        if options.again is not None:
            try_again(Run(options.again, disk), options.trial, options.again / "left", Counter())
            return 0
        seed = options.seed if options.seed is not None else Random().randrange(2**32)
        folder = Path(tempfile.mkdtemp(prefix="zevm-power-"))
        print(f"seed {seed}, folder {folder}", flush=True)
        campaign = Campaign(folder, Random(seed), disk, options.operations)
        try:
            campaign.run(options.trials, options.trials_per_run)
        except LossError as error:
            print(f"FAILED after {campaign.counts['trials']} trials: {error}", file=sys.stderr)
            return 1
    print(json.dumps(campaign.counts, indent=2))
    for fault, command in campaign.faults.items():
        print(f"FAULT: {fault}\n  {command}", file=sys.stderr)
    if campaign.faults:
        return 1
    shutil.rmtree(folder)
    print("nothing acknowledged was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
