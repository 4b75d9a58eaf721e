"""Compiled programs in memory and on disk, and their optimisation in the background when they are used much.

A program is compiled without optimisation at first, which is the fastest. The more it runs, the hotter it is; a
hot one is compiled again on a thread of low priority, and the faster code takes its place. Both give the same results,
so nothing on chain depends on when that happens.

Code of the chain, which a block's transaction has deployed or run, is separate from code that comes with calls: modules
in a request, overrides, trial creations. The latter has its own small cache, is not written to disk, and takes no space
of the chain's.
"""

import logging
import os
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.runtime.aside import in_time
from zevm.chain.zvm.runtime.engine import Engine, Instrumented, Program
from zevm.chain.zvm.runtime.program_files import ProgramFiles

HOT = 500
"""Heat at which a program is optimised: 500 runs, or 5 million gas of work, about 0.2 seconds."""
CHAIN_CODE_BYTES = 256 * 1024 * 1024
"""Machine code of the chain's programs that stays in memory, those used last."""
GUEST_CODE_BYTES = 32 * 1024 * 1024
"""The same for code that calls bring along."""

_LOCKS = 16
_PRIORITY = 10
_QUEUE = 64

LOGGER = logging.getLogger("zevm.zvm")

Answer = tuple[Program, tuple[object, ...]]
"""A program, and the facts of it that the core reads."""


class ProgramCache:
    """Programs of one engine by the keccak of the stored code. Every method may be called from any thread.

    directory: where compiled code is kept, None for memory only. It is trusted as the node's own binaries are,
    so only files that this user wrote are loaded. variant: names the prices that were instrumented.
    """

    def __init__(self, directory: Path | None, engine: Engine, *, variant: str = "") -> None:
        self.engine = engine
        self._files = ProgramFiles(directory, variant) if directory is not None else None
        self._chain, self._guests = _Shelf(lambda: CHAIN_CODE_BYTES), _Shelf(lambda: GUEST_CODE_BYTES)
        self._lock = threading.Lock()
        self._makers = {of_chain: tuple(threading.Lock() for _ in range(_LOCKS)) for of_chain in (False, True)}
        self._queued: set[bytes] = set()
        self._jobs: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        self._closed = False
        self._thread: threading.Thread | None = None

    def get(
        self,
        code_hash: bytes,
        prepare: Callable[[], Instrumented],
        *,
        of_chain: bool = False,
        deadline: Deadline | None = None,
    ) -> Program:
        """The program of the stored code with this keccak. `prepare` checks and instruments it on a miss.

        of_chain: a block's transaction runs it. deadline: of an off-chain run, which does not wait for longer.
        What `prepare` raises goes to the caller, so does ExecutionTimeoutError. NodeFaultError: the compiler refuses
        the result.
        """
        found = self._find(code_hash)
        if found is None:
            found = in_time(deadline, lambda: self._make(code_hash, prepare, of_chain=of_chain))
        if of_chain and not found.is_of_chain:
            self.keep(code_hash, found)
        if _is_to_be_optimised(found):
            self._optimise_later(code_hash)
        return found

    def ready(self, code_hash: bytes, *, of_chain: bool) -> Program | None:
        """The program, if `get` would do no more than give it; None otherwise."""
        found = self._find(code_hash)
        if found is None or (of_chain and not found.is_of_chain):
            return None
        return None if _is_to_be_optimised(found) else found

    @property
    def answers(self) -> dict[bytes, Answer]:
        """Programs of the chain that the core takes without asking (core/zig/host_objects.zig), by hash of code."""
        return self._chain.answers

    def publish(self, code_hash: bytes, answer: Answer) -> None:
        """Have the core take a program by itself, as long as it is the chain's and stays in memory."""
        with self._lock:
            self._chain.publish(code_hash, answer)

    def keep(self, code_hash: bytes, program: Program) -> None:
        """The code is the chain's now: its program stays, in memory and on the disk."""
        program.is_of_chain = True
        self._put(code_hash, program)
        self._save(code_hash, program)

    def kept(self) -> tuple[int, int]:
        """(programs in memory, bytes of their modules)."""
        with self._lock:
            programs = [*self._chain.programs.values(), *self._guests.programs.values()]
            return len(programs), sum(len(program.instrumented) for program in programs)

    def close(self) -> None:
        """Wait for the compilation under way, drop those that wait."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                LOGGER.debug("programs that wait for optimisation are dropped")
            thread.join()

    def _make(self, code_hash: bytes, prepare: Callable[[], Instrumented], *, of_chain: bool) -> Program:
        # blocks do not wait for what a call compiles
        with self._makers[of_chain][code_hash[0] % _LOCKS]:
            found = self._find(code_hash) or self._load(code_hash)
            if found is None:
                found = self.engine.compile(prepare(), optimise=False)
            self._put(code_hash, found)
            return found

    def _find(self, code_hash: bytes) -> Program | None:
        with self._lock:
            return self._chain.find(code_hash) or self._guests.find(code_hash)

    def _put(self, code_hash: bytes, program: Program) -> None:
        with self._lock:
            if program.is_of_chain:
                self._guests.drop(code_hash)
                self._chain.put(code_hash, program)
            elif self._chain.find(code_hash) is None:
                self._guests.put(code_hash, program)

    def _load(self, code_hash: bytes) -> Program | None:
        stored = self._files.read(code_hash) if self._files is not None else None
        if stored is None:
            return None
        try:
            program = self.engine.load(stored.code, stored, optimised=stored.optimised)
        except NodeFaultError as error:
            LOGGER.warning("compiled program %s is compiled again: %s", code_hash.hex(), error)
            return None
        program.is_of_chain = True
        return program

    def _save(self, code_hash: bytes, program: Program) -> None:
        if self._files is None:
            return
        with self._lock:
            in_use = tuple(self._chain.programs)
        self._files.write(code_hash, program, in_use)

    def _optimise_later(self, code_hash: bytes) -> None:
        with self._lock:
            if self._closed or code_hash in self._queued:
                return
            try:
                self._jobs.put_nowait(code_hash)
            except queue.Full:
                return
            self._queued.add(code_hash)
            if self._thread is None:
                self._thread = threading.Thread(target=self._optimise_all, name="zvm-optimiser", daemon=True)
                self._thread.start()

    def _optimise_all(self) -> None:
        _lower_priority()
        while (code_hash := self._jobs.get()) is not None and not self._closed:
            program = self._find(code_hash)
            if program is not None:
                self._optimise(code_hash, program)
            with self._lock:
                self._queued.discard(code_hash)

    def _optimise(self, code_hash: bytes, program: Program) -> None:
        try:
            better = self.engine.compile(program, optimise=True)
        except NodeFaultError as error:
            program.heat = -sys.maxsize
            LOGGER.warning("program %s stays as it is, it cannot be optimised: %s", code_hash.hex(), error)
            return
        self.keep(code_hash, better)


class _Shelf:
    """Programs in memory up to a limit of machine code, from the one used longest ago. Not thread-safe.

    answers: of those that the core takes by itself, in the same dict for ever. The core tells of no use, but by heat.
    """

    def __init__(self, limit_bytes: Callable[[], int]) -> None:
        self.programs: OrderedDict[bytes, Program] = OrderedDict()
        self.answers: dict[bytes, Answer] = {}
        self._heats: dict[bytes, int] = {}
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def find(self, code_hash: bytes) -> Program | None:
        program = self.programs.get(code_hash)
        if program is not None:
            self.programs.move_to_end(code_hash)
        return program

    def put(self, code_hash: bytes, program: Program) -> None:
        self.drop(code_hash)
        if self._bytes + program.code_bytes > self._limit_bytes():
            self._note_uses()
        self.programs[code_hash] = program
        self._bytes += program.code_bytes
        while self._bytes > self._limit_bytes() and len(self.programs) > 1:
            self.drop(next(iter(self.programs)))

    def publish(self, code_hash: bytes, answer: Answer) -> None:
        """Let the core take a program, if it is here."""
        program = answer[0]
        if self.programs.get(code_hash) is program:
            self.answers[code_hash] = answer
            self._heats[code_hash] = program.heat

    def _note_uses(self) -> None:
        """Those that have run in the core since this was asked last have been used just now."""
        for code_hash in self.answers:
            heat = self.programs[code_hash].heat
            if self._heats[code_hash] != heat:
                self._heats[code_hash] = heat
                self.programs.move_to_end(code_hash)

    def drop(self, code_hash: bytes) -> None:
        self.answers.pop(code_hash, None)
        self._heats.pop(code_hash, None)
        program = self.programs.pop(code_hash, None)
        if program is not None:
            self._bytes -= program.code_bytes


def _is_to_be_optimised(program: Program) -> bool:
    return not program.optimised and program.is_of_chain and program.heat >= HOT


def _lower_priority() -> None:
    """Let blocks and calls go first. Linux alone has a priority per thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
