"""Make a chain of mixed blocks, and replay it in fresh processes: every run must give the same roots and receipts.

    python -m verification.wasm.replay --blocks 1000 --seed 1

The chain is exported, and imported by five processes: with an empty cache of compiled code, with the cache that the
first has left, with every program optimised from its first run on, with programs optimised and exchanged in the
background while blocks run, and on the other engine of the EVM, where the core is built. `--evm` names the engine of
all but the last. An import verifies every root; heads and a digest of all receipts are compared too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from testing.node_process import ROOT
from verification.evm_option import add_evm_option
from verification.wasm.chain import Mix
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.vm.engines import engine as evm
from zevm.chain.vm.engines.engine import EVM
from zevm.chain.zvm import execution
from zevm.chain.zvm.runtime import program_cache
from zevm.chain.zvm.runtime.engine import Engine, Instrumented, Program
from zevm.chain.zvm.runtime.runtime import RunResult, run
from zevm.core import CORE
from zevm.node.commands.blocks import export_blocks, import_blocks
from zevm.node.commands.chosen_settings import settings_of
from zevm.node.network import existing_chain, initialise
from zevm.storage.database import Database

CODE_FOLDER = "zvm"
START_SECONDS = 1_900_000_000
REPLAY_TIMEOUT_SECONDS = 3_600


@dataclass(frozen=True)
class Replay:
    """The result of a run of the chain.

    head: hash of the last block. compiled, optimised: how many programs were compiled without and with optimisation.
    engine: the EVM's, of a replay. ends: how many runs of WebAssembly ended so in frames of Python, of a replay.
    """

    head: str
    state_root: str
    receipts: str
    blocks: int
    compiled: int = 0
    optimised: int = 0
    engine: str = ""
    ends: dict[str, int] = field(default_factory=dict)

    @property
    def outcome(self) -> tuple[str, str, str, int]:
        """The values on which all runs must agree."""
        return self.head, self.state_root, self.receipts, self.blocks


def outcome_of(chain: Chain) -> Replay:
    """The chain's head, and a digest of every receipt."""
    digest = hashlib.sha256()
    for number in range(1, chain.head.number + 1):
        header = chain.header_by_number(number)
        receipts = None if header is None else chain.receipts(header.hash)
        if receipts is None:
            raise RuntimeError(f"block {number} has no receipts")
        for receipt in receipts:
            digest.update(receipt.encode_stored())
    head = chain.head.header
    return Replay(head.hash.hex(), head.state_root.hex(), digest.hexdigest(), head.number)


def count_ends() -> Counter[str]:
    """How the runs of this process will have ended that frames in Python make: all of them on py-evm's engine."""
    counts: Counter[str] = Counter()

    def run_counted(*arguments: Any, **options: Any) -> RunResult:
        result = run(*arguments, **options)
        counts[result.end.value] += 1
        return result

    execution.run = run_counted  # type: ignore[attr-defined]
    return counts


def make_chain(datadir: Path, blocks: int, seed: int, engine: evm.Engine) -> Mix:
    """A chain of this number of blocks in a data directory; return its content."""
    options = ChainOptions(mining=MiningMode(automine=False), zvm_directory=datadir / CODE_FOLDER, engine=engine)
    with Database.open(datadir, sync=False) as database:
        chain = Chain(database, load_default_genesis(), options, Clock(lambda: START_SECONDS))
        try:
            mix = Mix(chain, Random(seed))
            mix.first_blocks()
            while chain.head.number < blocks:
                mix.block()
        finally:
            chain.close()
    return mix


# The process that replays

MODES = ("as is", "optimised", "exchanged")


def count_and_force(mode: str) -> list[bool]:
    """Note each compilation of this process, and make the compiler do what the mode says."""
    compilations: list[bool] = []
    compile_program: Callable[..., Program] = Engine.compile

    def compile_noted(self: Engine, prepared: Instrumented, *, optimise: bool) -> Program:
        compilations.append(optimise or mode == "optimised")
        return compile_program(self, prepared, optimise=compilations[-1])

    Engine.compile = compile_noted  # type: ignore[method-assign]
    if mode == "exchanged":
        program_cache.HOT = 0
    return compilations


def replay(file: Path, genesis: Path, datadir: Path, mode: str) -> Replay:
    """Import the file into a new data directory, in this process."""
    compilations, ends = count_and_force(mode), count_ends()
    import_blocks(file, genesis=genesis, datadir=datadir, config=None)
    with existing_chain(settings_of(datadir, None)) as chain:
        compiled, optimised = (compilations.count(is_optimised) for is_optimised in (False, True))
        engine = evm.default_engine().value
        return replace(outcome_of(chain), compiled=compiled, optimised=optimised, engine=engine, ends=dict(ends))


# The process that compares


class Campaign:
    """The chain that was made, and its replays in fresh processes."""

    def __init__(self, folder: Path, engine: evm.Engine) -> None:
        self.folder = folder
        self.engine = engine
        self.file = folder / "chain.rlp"
        self.genesis = folder / "genesis.json"
        self.seconds: dict[str, float] = {}

    def make(self, blocks: int, seed: int) -> tuple[Replay, Mix]:
        """Make and export it."""
        started = time.monotonic()
        datadir = self.folder / "made"
        mix = make_chain(datadir, blocks, seed, self.engine)
        export_blocks(self.file, genesis_out=self.genesis, datadir=datadir, config=None)
        self.seconds["made"] = time.monotonic() - started
        with existing_chain(settings_of(datadir, None)) as chain:
            return outcome_of(chain), mix

    def replay(self, name: str, mode: str, code: Path | None = None, engine: evm.Engine | None = None) -> Replay:
        """Replay in a fresh process. code: compiled code that is there already. engine: None for the campaign's."""
        datadir = self.folder / name
        if code is not None:
            initialise(settings_of(datadir, None, init=str(self.genesis)))
            shutil.copytree(code, datadir / CODE_FOLDER)
        command = [
            sys.executable,
            "-m",
            "verification.wasm.replay",
            "--replay",
            *map(str, (self.file, self.genesis, datadir)),
            mode,
        ]
        started = time.monotonic()
        finished = subprocess.run(
            command, cwd=ROOT, env=os.environ | {EVM: (engine or self.engine).value},
            capture_output=True, text=True, timeout=REPLAY_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
        self.seconds[name] = time.monotonic() - started
        if finished.returncode != 0:
            raise RuntimeError(f"replay {name}: {finished.stdout}{finished.stderr}")
        return Replay(**json.loads(finished.stdout.splitlines()[-1]))

    def replays(self) -> dict[str, Replay]:
        """By name: cold, warm, optimised, exchanged, and the other engine's where there is one."""
        found = {"cold": self.replay("cold", "as is")}
        found["warm"] = self.replay("warm", "as is", self.folder / "cold" / CODE_FOLDER)
        found |= {mode: self.replay(mode, mode) for mode in ("optimised", "exchanged")}
        other = evm.Engine.NATIVE if self.engine is evm.Engine.PY_EVM else evm.Engine.PY_EVM
        if CORE.library is not None:
            found[other.value] = self.replay(other.value, "as is", engine=other)
        return found


def problems(made: Replay, replays: dict[str, Replay]) -> list[str]:
    """How the replays differ from the chain that was made, and from what their kinds promise."""
    found = [
        f"{name} has {replay.outcome}, made was {made.outcome}"
        for name, replay in replays.items()
        if replay.outcome != made.outcome
    ]
    if not replays["cold"].compiled:
        found.append("the cold replay compiled nothing")
    if replays["warm"].compiled:
        found.append(f"the warm replay compiled {replays['warm'].compiled} programs that were on disk")
    if replays["optimised"].compiled or not replays["optimised"].optimised:
        found.append("the optimised replay ran programs that were not optimised")
    if not replays["exchanged"].optimised:
        found.append("the exchanging replay optimised nothing")
    engines = {engine.value for engine in evm.Engine} & replays.keys()
    found += [f"{name} was run on {replays[name].engine}" for name in engines if replays[name].engine != name]
    return found


def campaign(folder: Path, blocks: int, seed: int, engine: evm.Engine) -> tuple[str, list[str]]:
    """One line of figures, and what went wrong."""
    work = Campaign(folder, engine)
    made, mix = work.make(blocks, seed)
    replays = work.replays()
    seconds = ", ".join(f"{name} {taken:.1f}" for name, taken in work.seconds.items())
    mixed = ", ".join(f"{count} {kind}" for kind, count in mix.counts.items())
    ends = next(replay.ends for replay in replays.values() if replay.engine == evm.Engine.PY_EVM.value)
    runs = ", ".join(f"{count} runs {end}" for end, count in ends.items())
    compiled = ", ".join(f"{name} {replay.compiled}+{replay.optimised}" for name, replay in replays.items())
    line = (
        f"seed {seed}, engine {engine.value}: {made.blocks} blocks ({mixed}, {runs}); "
        f"head {made.head[:16]}, state {made.state_root[:16]}, receipts {made.receipts[:16]}; "
        f"compiled plain+optimised: {compiled}; seconds: {seconds}"
    )
    return line, problems(made, replays)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, or one replay for it; 1 where runs differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=1_000, help="7 that deploy come first; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    add_evm_option(parser)
    parser.add_argument("--folder", type=Path, help="must not exist yet; kept. Default: temporary, kept on failure")
    parser.add_argument("--replay", nargs=4, metavar=("FILE", "GENESIS", "DATADIR", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.replay:
        file, genesis, datadir, mode = options.replay
        print(json.dumps(asdict(replay(Path(file), Path(genesis), Path(datadir), mode))))
        return 0
    folder = options.folder or Path(tempfile.mkdtemp(prefix="zevm-replay-")) / "replay"
    folder.mkdir(parents=True)
    line, found = campaign(folder, options.blocks, options.seed, options.evm)
    for problem in found:
        print(f"FAILED: {problem}; files: {folder}", file=sys.stderr)
    if not found and options.folder is None:
        shutil.rmtree(folder.parent)
    print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
