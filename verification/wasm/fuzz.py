"""Random modules through ZVM's checks, instrumentation, compiler and runtime: refused cleanly, or run the same always.

Every module, valid or damaged, is prepared twice; the only error allowed is ModuleRefusedError. What is accepted runs
unoptimised and optimised, on a pooled and on another engine, and again: outcome, ink, host calls and memory must be
equal. A second process repeats the cases, and must find the same. Work is done in child processes, so that a crash or
a hang is noticed and told with its seed.

    python -m verification.wasm.fuzz --seconds 600 --seed 1 --processes 2
    python -m verification.wasm.fuzz --module zvm-fuzz-1-77.wasm

Ends with 0 when nothing was found. A module that fails is written to the working directory, or to --output.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from testing.node_process import ROOT
from verification.wasm.generate import generate, mutate
from zevm.chain.concurrency.threads import STACK_BYTES
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import INK_PER_GAS, PRICE_TABLES
from zevm.chain.zvm.runtime.runtime import Engine, ExitError, HostTrapError, Instance, OutOfPagesError, Program, run

CONTRACTS = ROOT / "examples" / "out"
CASE_SECONDS = 60
"""Enough time to prepare, compile and run on a busy machine; a case that takes longer hangs."""
INK = 600_000_000
STACK_WORDS = 65_536
PAGES = 64
CALL_DATA = bytes(range(100))
RECORD = struct.Struct(">QI")
"""One case in a worker's file: its number, and a checksum of all that it did."""


class FoundError(Exception):
    """A case that went wrong, with what went wrong."""


@dataclass(slots=True)
class Context:
    """The host state of one run: storage, and a running digest of the host calls."""

    storage: dict[bytes, bytes]
    trace: Any
    memory: int = 0
    output: bytes = b""


def _callback(name: str, parameters: str, result: str) -> Callable[..., int | None]:
    """A function without a host: reads at its first pointer, writes at its last, answers from its arguments."""
    special = _SPECIAL.get(name)

    def callback(instance: Instance, *values: int) -> int | None:
        context = instance.context
        context.trace.update(f"{name}{values}{instance.ink_left}".encode())
        if special is not None:
            special(instance, *values)
        elif "ii" in parameters:
            word = instance.read(values[0], 32)
            context.trace.update(word)
            instance.write(values[1], hashlib.sha256(word).digest())
        elif parameters == "i":
            instance.write(values[0], hashlib.sha256(name.encode()).digest())
        return zlib.crc32(repr((name, values)).encode()) if result else None

    return callback


def _read_args(instance: Instance, pointer: int) -> None:
    instance.write(pointer, CALL_DATA)


def _write_result(instance: Instance, pointer: int, length: int) -> None:
    instance.charge(55 * length)
    instance.context.output = instance.read(pointer, length)


def _exit_early(_instance: Instance, status: int) -> None:
    if status % 4 == 0:
        raise ExitError(status)


def _load(instance: Instance, key: int, pointer: int) -> None:
    instance.write(pointer, instance.context.storage.get(instance.read(key, 32), bytes(32)))


def _cache(instance: Instance, key: int, pointer: int) -> None:
    instance.context.storage[instance.read(key, 32)] = instance.read(pointer, 32)


def _flush(instance: Instance, clear: int) -> None:
    instance.charge(INK_PER_GAS * 100 * len(instance.context.storage))
    if clear:
        instance.context.storage.clear()


def _keccak(instance: Instance, pointer: int, length: int, target: int) -> None:
    instance.charge(700 * length)
    instance.write(target, hashlib.sha3_256(instance.read(pointer, length)).digest())


def _grow(instance: Instance, pages: int) -> None:
    if instance.pages + pages > PAGES:
        raise OutOfPagesError(f"{pages} pages more than {instance.pages}, the limit is {PAGES}")
    instance.charge(pages * 1_000 * INK_PER_GAS)


def _log(instance: Instance, pointer: int, length: int, topics: int) -> None:
    if topics > 4 or length < 32 * topics:
        raise HostTrapError(f"{topics} topics in {length} bytes, the limit is 4")
    instance.charge(55 * length)
    instance.context.trace.update(instance.read(pointer, length))


_SPECIAL: dict[str, Callable[..., None]] = {
    "read_args": _read_args,
    "write_result": _write_result,
    "exit_early": _exit_early,
    "storage_load_bytes32": _load,
    "storage_cache_bytes32": _cache,
    "storage_flush_cache": _flush,
    "native_keccak256": _keccak,
    "pay_for_memory_grow": _grow,
    "emit_log": _log,
}
CALLBACKS = {key: _callback(key[1], row.parameters, row.result) for key, row in HOST_FUNCTIONS.items()}


def _watch_memory() -> None:
    """Have each run leave a checksum of its memory in its context when its instance goes."""
    detach = Instance.detach

    def seen(instance: Instance) -> None:
        if instance._store is not None and isinstance(instance.context, Context) and instance._has_memory:
            instance.context.memory = zlib.crc32(instance.read(0, instance.pages * PAGE_BYTES))
        detach(instance)

    setattr(Instance, "detach", seen)  # noqa: B010


def make_case(seed: int, number: int, contracts: list[bytes]) -> tuple[bytes, str, bool]:
    """(module, schedule, whether as a library) of one case."""
    random = Random(f"{seed}/{number}")
    raw = generate(random)
    if number % 2:
        source = random.choice([raw, *contracts])
        raw = mutate(random, source, random.choice([raw, *contracts]))
    return raw, random.choice(sorted(PRICE_TABLES)), random.random() < 0.2


class Tester:
    """Runs cases in this process; `thorough` on all engines, otherwise once."""

    def __init__(self, *, thorough: bool) -> None:
        self.engines = [Engine(pooled=False), Engine(pooled=True)] if thorough else [Engine(pooled=False)]
        self.thorough = thorough
        self.counts: Counter[str] = Counter()

    def test(self, raw: bytes, schedule: str, library: bool) -> bytes:
        """Everything that the case did, as bytes. Raises FoundError."""
        first, again = (self._prepare(raw, schedule, library) for _ in range(2))
        if first != again:
            raise FoundError(f"prepared twice with different results: {first} and {again}")
        self.counts["modules"] += 1
        if isinstance(first, str):
            self.counts[first.partition(":")[0]] += 1
            return first.encode()
        self.counts["accepted"] += 1
        found = first.instrumented + repr(first.activation_gas).encode()
        for entry, arguments in _entries(first):
            found += self._compare(first, entry, arguments)
        return found

    def _prepare(self, raw: bytes, schedule: str, library: bool) -> Prepared | str:
        try:
            return prepare(raw, PRICE_TABLES[schedule], library=library)
        except ModuleRefusedError as error:
            return str(error)
        except BaseException as error:
            raise FoundError(f"prepare raises {error!r}") from error

    def _compare(self, prepared: Prepared, entry: str, arguments: tuple[int, ...]) -> bytes:
        callbacks = tuple(CALLBACKS[key] for key in prepared.imports)
        outcomes: dict[str, str] = {}
        for engine in self.engines:
            for optimise in (False, True) if self.thorough else (False,):
                program = engine.compile(prepared, optimise=optimise)
                for turn in range(2 if self.thorough else 1):
                    name = f"pooled={engine.pooled} optimise={optimise} turn={turn}"
                    outcomes[name] = self._run(program, callbacks, entry, arguments)
        if len(set(outcomes.values())) != 1:
            raise FoundError(f"{entry}{arguments} differs: {outcomes}")
        outcome = next(iter(outcomes.values()))
        self.counts["runs"] += len(outcomes)
        self.counts[f"ends {outcome.partition('|')[0]}"] += 1
        return outcome.encode()

    def _run(self, program: Program, callbacks: Any, entry: str, arguments: tuple[int, ...]) -> str:
        context = Context({}, hashlib.sha256())
        result = run(
            program, callbacks, context=context, ink=INK, stack_words=STACK_WORDS, entry=entry, arguments=arguments
        )
        state = sorted(context.storage.items()), context.output, context.trace.hexdigest(), context.memory
        return f"{result.end.value}|{result}|{hashlib.sha256(repr(state).encode()).hexdigest()}"


def _entries(prepared: Prepared) -> list[tuple[str, tuple[int, ...]]]:
    """The entry point, else the first functions that are exported, with arguments."""
    names = [row for row in prepared.exports if row.name == "user_entrypoint"] or list(prepared.exports[:2])
    return [(row.name, tuple(range(7, 7 + len(row.parameters)))) for row in names]


def _on_large_stack(work: Callable[[], None]) -> None:
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def example_contracts() -> list[bytes]:
    """The modules that `zevm contract build` made, if it ran."""
    return [path.read_bytes() for path in sorted(CONTRACTS.glob("*/*.wasm"))]


def work(arguments: argparse.Namespace) -> int:
    """A child: run cases, write a record of each, tell counts at the end."""
    failed: list[int] = []

    def cases() -> None:
        _watch_memory()
        tester, contracts = Tester(thorough=not arguments.repeat), example_contracts()
        end, number = time.monotonic() + arguments.seconds, 0
        last = arguments.cases
        with open(arguments.worker, "wb", buffering=0) as records:
            while (number < last) if last is not None else time.monotonic() < end:
                os.pwrite(records.fileno(), RECORD.pack(number, 0), number * RECORD.size)
                faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
                try:
                    done = tester.test(*make_case(arguments.seed, number, contracts))
                except BaseException as error:
                    print(f"{type(error).__name__}: {error}", file=sys.stderr)
                    failed.append(number)
                    return
                faulthandler.cancel_dump_traceback_later()
                os.pwrite(records.fileno(), RECORD.pack(number, zlib.crc32(done) or 1), number * RECORD.size)
                number += 1
        print(", ".join(f"{count} {name}" for name, count in sorted(tester.counts.items())))

    _on_large_stack(cases)
    return 1 if failed else 0


def _child(seed: int, records: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "verification.wasm.fuzz", "--worker", str(records), "--seed", str(seed), *more]
    # each child has a hash seed of its own: no order of a set may matter
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _records(path: Path) -> list[tuple[int, int]]:
    return list(RECORD.iter_unpack(path.read_bytes())) if path.exists() else []


def _report(arguments: argparse.Namespace, seed: int, number: int, what: str) -> None:
    raw, schedule, library = make_case(seed, number, example_contracts())
    path = arguments.output / f"zvm-fuzz-{seed}-{number}.wasm"
    path.write_bytes(raw)
    again = f"python -m verification.wasm.fuzz --module {path} --schedule {schedule}{' --library' if library else ''}"
    print(f"FOUND seed {seed} case {number}: {what}\n  again: {again}")


def _judge(arguments: argparse.Namespace, seed: int, child: subprocess.Popen[str], records: Path) -> bool:
    out, errors = child.communicate()
    if child.returncode == 0:
        print(f"seed {seed}: {out.strip()}")
        return True
    number = max(0, len(_records(records)) - 1)
    _report(arguments, seed, number, f"exit code {child.returncode}\n{errors.strip()[-2000:]}")
    return False


def campaign(arguments: argparse.Namespace) -> int:
    """All seeds, each in a process of its own, then each again in a second one; 1 when something was found."""
    seeds = [arguments.seed + index for index in range(arguments.processes)]
    with tempfile.TemporaryDirectory() as folder:
        paths = {seed: (Path(folder) / f"{seed}.first", Path(folder) / f"{seed}.second") for seed in seeds}
        limit = ("--cases", str(arguments.cases)) if arguments.cases is not None else ()
        first = {
            seed: _child(seed, paths[seed][0], "--seconds", str(arguments.seconds * 0.8), *limit) for seed in seeds
        }
        good = [_judge(arguments, seed, child, paths[seed][0]) for seed, child in first.items()]
        whole = {seed: [row for row in _records(paths[seed][0]) if row[1]] for seed in seeds}
        second = {seed: _child(seed, paths[seed][1], "--repeat", "--cases", str(len(whole[seed]))) for seed in seeds}
        for seed, child in second.items():
            good.append(_judge(arguments, seed, child, paths[seed][1]))
            pairs = zip(whole[seed], _records(paths[seed][1]), strict=False)
            for number in [here[0] for here, there in pairs if here != there][:1]:
                _report(arguments, seed, number, "a second process has another outcome")
                good.append(False)
    print("nothing found" if all(good) else "FAILED")
    return 0 if all(good) else 1


def again(arguments: argparse.Namespace) -> int:
    """One module from a file, in this process."""

    def case() -> None:
        _watch_memory()
        tester = Tester(thorough=True)
        tester.test(arguments.module.read_bytes(), arguments.schedule, arguments.library)
        print(", ".join(f"{count} {name}" for name, count in sorted(tester.counts.items())))

    _on_large_stack(case)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description="Random modules through ZVM.")
    found.add_argument("--seconds", type=float, default=60)
    found.add_argument("--cases", type=int, help="run this number of cases for each seed, regardless of the time")
    found.add_argument("--seed", type=int, default=1, help="of the first process; the others count up")
    found.add_argument("--processes", type=int, default=1)
    found.add_argument("--output", type=Path, default=Path(), help="folder for modules that fail")
    found.add_argument("--module", type=Path, help="run this one alone")
    found.add_argument("--schedule", choices=sorted(PRICE_TABLES), default="zvm")
    found.add_argument("--library", action="store_true")
    found.add_argument("--worker", help=argparse.SUPPRESS)
    found.add_argument("--repeat", action="store_true", help=argparse.SUPPRESS)
    return found


def main() -> int:
    """A campaign, one module, or a child of a campaign."""
    arguments = parser().parse_args()
    if arguments.worker:
        return work(arguments)
    return again(arguments) if arguments.module else campaign(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
