"""Nodes of tests that come of a fork, see testing/forking.py. Who tests the start itself takes NodeProcess.

One parent for each process that asks, begun with its first node and ended with it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from testing.forking import END, MOST_BYTES
from testing.node_process import ROOT, Begun, NodeProcess

_READ_ONCE = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "TERMINAL_", "FORCE_COLOR", "PY_COLORS", "TYPER_", "PYDANTIC_")
"""Beginnings of the names of variables that are read at a start or an import: one parent for each set of values."""

_NODE = (sys.executable, "-m", "zevm")
_GONE = "the parent of forked nodes is gone; its error stands above"


class Spent:
    """Processor time."""

    def __init__(self) -> None:
        self.seconds = 0.0


FORKED = Spent()
"""Of this process's nodes that have ended: the system counts it for their parent."""


class Start(NamedTuple):
    """A request to testing/forking.py."""

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]


class ForkedProcess:
    """A process whose parent is another; its methods are those of subprocess.Popen."""

    def __init__(self, process_id: int, process: int, end: int) -> None:
        self.pid = process_id
        self.stdout: IO[str] | None = None
        self.returncode: int | None = None
        self._process = process
        self._end = end
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        return self._end_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._end_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(_NODE, timeout or 0)
        return code

    def _end_within(self, seconds: float | None) -> int | None:
        with self._reaping:
            if self.returncode is None:
                end = select.poll()
                end.register(self._end, select.POLLIN)
                if end.poll(None if seconds is None else 1_000 * seconds):
                    told = os.read(self._end, END.size)
                    os.close(self._end)
                    os.close(self._process)
                    assert told, _GONE
                    how, seconds = END.unpack(told)
                    self.returncode = os.waitstatus_to_exitcode(how)
                    FORKED.seconds += seconds
        return self.returncode

    def send_signal(self, sig: int) -> None:
        # its parent may have reaped it already, and its number be another process's
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Parent:
    """The process that forks."""

    def __init__(self, read_once: frozenset[tuple[str, str]]) -> None:
        self._asking = threading.Lock()
        self._socket, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far_end:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "testing.forking", str(far_end.fileno())),
                cwd=ROOT,
                env=os.environ | dict(read_once),
                pass_fds=(far_end.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, start: Start, standard: Sequence[int]) -> ForkedProcess:
        """Start `python -m zevm`. standard: descriptors of its input, output and error output."""
        message = json.dumps(start._asdict()).encode()
        assert len(message) <= MOST_BYTES
        end, far_end = os.pipe()
        try:
            with self._asking:
                socket.send_fds(self._socket, [message], [*standard, far_end])
                process_id, processes, _, _ = socket.recv_fds(self._socket, 4, 1)
        finally:
            os.close(far_end)
        assert process_id, _GONE
        return ForkedProcess(int.from_bytes(process_id), processes[0], end)


_parent = cache(_Parent)


def _fork(start: Start, standard: Sequence[int]) -> ForkedProcess:
    read_once = frozenset(item for item in start.environment.items() if item[0].startswith(_READ_ONCE))
    return _parent(read_once).fork(start, standard)


class ForkedNode(NodeProcess):
    """As NodeProcess. A command that is not `python -m zevm` with this Python starts from nothing."""

    def _begin(self, cwd: Path, environment: dict[str, str]) -> Begun:
        if tuple(self.command[: len(_NODE)]) != _NODE or not hasattr(os, "pidfd_open"):
            return super()._begin(cwd, environment)
        stdout, output = os.pipe()
        try:
            with open(os.devnull) as stdin:
                start = Start(self.command[len(_NODE) :], str(cwd), environment)
                process = _fork(start, (stdin.fileno(), output, output))
        finally:
            os.close(output)
        process.stdout = open(stdout)  # noqa: SIM115
        return process


def run_forked(
    arguments: Sequence[str], *, stdin: str, cwd: Path, environment: dict[str, str], timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m zevm` to its end, as subprocess.run does. Raises TimeoutExpired; the process is then gone."""
    with TemporaryFile("w+") as given, TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        given.write(stdin)
        given.seek(0)
        process = _fork(Start(arguments, str(cwd), environment), [file.fileno() for file in (given, output, errors)])
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([*_NODE, *arguments], code, output.read(), errors.read())
