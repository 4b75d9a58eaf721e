"""Compiled programs in memory and on disk, and their optimisation in the background when they are used much.

A program is compiled without optimisation at first, which is the fastest. The more it runs, the hotter it is; a
hot one is compiled again on a thread of low priority, and the faster code takes its place. Both give the same results,
so nothing on chain depends on when that happens.
"""

import logging
import os
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from chain.zvm.engine import Engine, Instrumented, Program
from chain.zvm.faults import NodeFaultError
from chain.zvm.program_files import ProgramFiles

HOT = 500
"""Heat at which a program is optimised: 500 runs, or 5 million gas of work, about 0.2 seconds."""
MEMORY_MODULE_BYTES = 32 * 1024 * 1024
"""Sum of the modules whose programs stay in memory; their machine code is about eight times as large."""

_LOCKS = 16
_PRIORITY = 10
_QUEUE = 64

_log = logging.getLogger("zevm.zvm")


class ProgramCache:
    """Programs of one engine by the keccak of the stored code. Every method may be called from any thread.

    directory: where compiled code is kept, None for memory only. It is trusted as the node's own binaries are,
    so only files that this user wrote are loaded. variant: names the prices that were instrumented.
    """

    def __init__(self, directory: Path | None, engine: Engine, *, variant: str = "") -> None:
        self.engine = engine
        self._files = ProgramFiles(directory, variant) if directory is not None else None
        self._programs: OrderedDict[bytes, Program] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._makers = tuple(threading.Lock() for _ in range(_LOCKS))
        self._queued: set[bytes] = set()
        self._jobs: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        self._closed = False
        self._thread: threading.Thread | None = None

    def get(self, code_hash: bytes, prepare: Callable[[], Instrumented]) -> Program:
        """The program of the stored code with this keccak. `prepare` checks and instruments it on a miss.

        What `prepare` raises goes to the caller. NodeFaultError: the compiler refuses the result.
        """
        found = self._find(code_hash)
        if found is not None:
            if found.heat >= HOT and not found.optimised:
                self._optimise_later(code_hash)
            return found
        with self._makers[code_hash[0] % _LOCKS]:
            found = self._find(code_hash) or self._load(code_hash)
            if found is None:
                found = self.engine.compile(prepare(), optimise=False)
                self._save(code_hash, found)
            self._keep(code_hash, found)
            return found

    def kept(self) -> tuple[int, int]:
        """(programs in memory, bytes of their modules)."""
        with self._lock:
            return len(self._programs), self._bytes

    def close(self) -> None:
        """Wait for the compilation under way, drop those that wait."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                _log.debug("programs that wait for optimisation are dropped")
            thread.join()

    def _find(self, code_hash: bytes) -> Program | None:
        with self._lock:
            program = self._programs.get(code_hash)
            if program is not None:
                self._programs.move_to_end(code_hash)
            return program

    def _keep(self, code_hash: bytes, program: Program) -> None:
        with self._lock:
            replaced = self._programs.pop(code_hash, None)
            if replaced is not None:
                self._bytes -= len(replaced.instrumented)
            self._programs[code_hash] = program
            self._bytes += len(program.instrumented)
            while self._bytes > MEMORY_MODULE_BYTES and len(self._programs) > 1:
                _, dropped = self._programs.popitem(last=False)
                self._bytes -= len(dropped.instrumented)

    def _load(self, code_hash: bytes) -> Program | None:
        stored = self._files.read(code_hash) if self._files is not None else None
        if stored is None:
            return None
        try:
            return self.engine.load(stored.code, stored, optimised=stored.optimised)
        except NodeFaultError as error:
            _log.warning("compiled program %s is made anew: %s", code_hash.hex(), error)
            return None

    def _save(self, code_hash: bytes, program: Program) -> None:
        if self._files is not None:
            self._files.write(code_hash, program)

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
            _log.warning("program %s stays as it is, it cannot be optimised: %s", code_hash.hex(), error)
            return
        self._save(code_hash, better)
        self._keep(code_hash, better)


def _lower_priority() -> None:
    """Let blocks and calls go first. Linux alone has a priority per thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
