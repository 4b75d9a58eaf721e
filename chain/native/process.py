"""Processes that run long native calls for this one, so that no other thread waits for Python's global lock.

A process serves one call at a time and is kept for the next one. It is killed at the call's deadline, and ends with
this process. Should it die otherwise, the call is made again in a new one: a fault of the node, never an outcome.
"""

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.concurrency.shared import ends_with
from zevm.chain.errors import NodeFaultError
from zevm.chain.native.answers import FAILED, REFUSED, InputError

IDLE_KEPT = 2
"""Processes of a pool that wait for the next call; others end after theirs."""

ATTEMPTS = 3
"""Processes that may die under one call before the node gives up on it."""


class NativeProcess:
    """One process and the pipe to it. Raises NodeFaultError when it cannot be started.

    prepared: a call of chain/native/host.py's table that it makes at once, without an answer, at idle priority.
    """

    def __init__(self, prepared: str) -> None:
        self._pipe, far_end = Pipe()
        command = (sys.executable, "-P", "-m", "zevm.chain.native.host", str(far_end.fileno()), prepared)
        begun: Future[subprocess.Popen[bytes]] = Future()
        threading.Thread(
            target=_keep, args=(command, far_end.fileno(), begun), name="native process", daemon=True
        ).start()
        try:
            self._process = begun.result()
        except OSError as error:
            self._pipe.close()
            raise NodeFaultError(f"cannot start a process for long arithmetic: {error}") from error
        finally:
            far_end.close()
        self._prepares = bool(prepared)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def call(self, name: str, arguments: tuple[Any, ...], deadline: Deadline | None) -> Any:
        """Raises InputError, ExecutionTimeoutError at the deadline, EOFError or OSError when the process died."""
        self._hurry()
        if deadline is not None:
            deadline.cancellation.listen(self.kill)
        try:
            self._pipe.send((name, arguments))
            kind, value = self._answer(self._pipe, deadline)
        except (EOFError, OSError):
            if deadline is not None and deadline.expired():
                raise ExecutionTimeoutError("execution aborted") from None
            raise
        finally:
            if deadline is not None:
                deadline.cancellation.forget(self.kill)
        if kind == REFUSED:
            raise InputError(value)
        if kind == FAILED:
            raise NodeFaultError(f"long arithmetic failed: {name}: {value}")
        return value

    def _hurry(self) -> None:
        """A preparation that somebody waits for is no longer the least of all work."""
        if self._prepares:
            self._prepares = False
            with suppress(OSError, AttributeError):
                os.sched_setscheduler(self.pid, os.SCHED_OTHER, os.sched_param(0))

    def _answer(self, pipe: "Connection[Any, Any]", deadline: Deadline | None) -> Any:
        if deadline is not None and not pipe.poll(deadline.remaining()):
            self.kill()
            raise ExecutionTimeoutError("execution aborted")
        return pipe.recv()

    def kill(self) -> None:
        """A waiting caller sees it die. Any thread may."""
        self._process.kill()

    def close(self) -> None:
        """End it. Idempotent."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()


def _keep(command: Sequence[str], descriptor: int, begun: "Future[subprocess.Popen[bytes]]") -> None:
    """Start a process and wait for its end, on a thread of its own: Linux ends it with the thread that started it."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(descriptor,))
    except OSError as error:
        begun.set_exception(error)
        return
    begun.set_result(process)
    process.wait()


class NativePool:
    """Processes for the calls of any number of threads. prepared: see NativeProcess, of the one that `prepare` starts.

    most: processes at once; further calls wait for one.
    """

    def __init__(self, *, most: int, prepared: str = "") -> None:
        self._prepared = prepared
        self._lock = threading.Lock()
        self._free = threading.Semaphore(most)
        self._idle: list[NativeProcess] = []
        self._busy: set[NativeProcess] = set()
        atexit.register(self.close)
        ends_with(self.end_idle)

    def prepare(self) -> None:
        """Have one process wait for the next call, if there is none yet. Raises NodeFaultError."""
        if not self.processes():
            process = NativeProcess(self._prepared)
            with self._lock:
                self._idle.append(process)

    def call(self, name: str, *arguments: Any, deadline: Deadline | None = None) -> Any:
        """The result of `name` in chain/native/host.py's table for the arguments.

        deadline: None for no limit. Raises InputError, ExecutionTimeoutError, and NodeFaultError when
        processes die one after another.
        """
        wait = None if deadline is None else deadline.remaining()
        if not self._free.acquire(timeout=wait):
            raise ExecutionTimeoutError("execution aborted")
        try:
            for _ in range(ATTEMPTS):
                with suppress(EOFError, OSError):
                    return self._call_once(name, arguments, deadline)
        finally:
            self._free.release()
        raise NodeFaultError(f"the process for long arithmetic died {ATTEMPTS} times under one call: {name}")

    def _call_once(self, name: str, arguments: tuple[Any, ...], deadline: Deadline | None) -> Any:
        process, healthy = self._take(), False
        try:
            value = process.call(name, arguments, deadline)
            healthy = True
        except InputError:
            healthy = True
            raise
        finally:
            self._give_back(process, healthy)
        return value

    def _take(self) -> NativeProcess:
        with self._lock:
            process = self._idle.pop() if self._idle else NativeProcess("")
            self._busy.add(process)
            return process

    def _give_back(self, process: NativeProcess, healthy: bool) -> None:
        with self._lock:
            self._busy.discard(process)
            if healthy and len(self._idle) < IDLE_KEPT:
                self._idle.append(process)
                return
        process.close()

    def processes(self) -> list[int]:
        """Process ids of those that run now."""
        with self._lock:
            return [process.pid for process in (*self._idle, *self._busy)]

    def end_idle(self) -> None:
        """End the processes that no call is in; a later call starts a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    def close(self) -> None:
        """End every process; a later call starts a new one."""
        with self._lock:
            for process in self._busy:
                process.kill()
        self.end_idle()


ARITHMETIC = NativePool(most=8)
"""Precompiles whose inputs are long."""

BLOBS = NativePool(most=1, prepared="trusted_setup")
"""Calls that need KZG's trusted setup, whose loading takes seconds."""
