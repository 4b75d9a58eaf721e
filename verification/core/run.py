"""Random RLP, tries, transactions, programs, points through the core in Zig's debug mode: no overflow, no leak.

    python -m verification.core.run --seconds 3600 --seed 1 --processes 2
    python -m verification.core.run --subject evm --seed 30064771081 --program fuzz     one case again

Compiles core/zig/fuzz.zig with the pinned compiler and starts it, once a process, with seeds of their own. Ends with 0
when nothing was found; what is found is told with the subject and the seed that show it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zevm.core.build import SOURCES, BuildError, compiler

PROGRAM = "fuzz.zig"
SUBJECTS = ("rlp", "trie", "transactions", "simulated", "evm", "bn254")
ENDING_SECONDS = 120
"""Enough for the last round on a busy machine; a program that goes on hangs."""


def compile_program(folder: Path, sources: Path = SOURCES) -> Path:
    """The program, compiled into a folder. Raises BuildError."""
    program = folder / "fuzz"
    command = [
        *compiler(),
        "build-exe",
        "-lc",
        "-O",
        "Debug",
        PROGRAM,
        f"-femit-bin={program}",
        "--cache-dir",
        str(folder),
    ]
    finished = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BuildError(finished.stderr[-2_000:])
    return program


def campaign(program: Path, seconds: int, seeds: Sequence[int]) -> tuple[bool, str]:
    """Whether nothing was found in the given time, and what the processes told."""
    processes = [
        subprocess.Popen([str(program), str(seconds), str(seed)], stderr=subprocess.PIPE, text=True) for seed in seeds
    ]
    told = []
    is_clean = True
    for process in processes:
        try:
            text = process.communicate(timeout=seconds + ENDING_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            text = process.communicate()[1] + "hangs\n"
        told.append(text)
        is_clean = is_clean and process.returncode == 0
    return is_clean, "".join(told)


def run_case(program: Path, subject: str, seed: int) -> tuple[bool, str]:
    """Whether one case finds nothing, and what it tells. seed: as a campaign names it."""
    finished = subprocess.run([str(program), subject, str(seed)], stderr=subprocess.PIPE, text=True, check=False)
    return finished.returncode == 0, finished.stderr


def main() -> int:
    """Run a campaign; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Fuzz the native core in Zig's debug mode.")
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="the first process's; the others count on (1)")
    parser.add_argument("--processes", type=int, default=1, help="how many at once (1)")
    parser.add_argument("--subject", choices=SUBJECTS, help="run the one case of it that --seed names")
    parser.add_argument("--program", type=Path, metavar="FILE", help="keep the compiled program, for a debugger")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = compile_program(Path(folder))
        except BuildError as error:
            print(f"the program cannot be compiled: {error}", file=sys.stderr)
            return 2
        if arguments.program is not None:
            shutil.copy(program, arguments.program)
        if arguments.subject is None:
            seeds = range(arguments.seed, arguments.seed + arguments.processes)
            is_clean, told = campaign(program, arguments.seconds, seeds)
        else:
            is_clean, told = run_case(program, arguments.subject, arguments.seed)
    print(told, end="")
    return not is_clean


if __name__ == "__main__":
    raise SystemExit(main())
