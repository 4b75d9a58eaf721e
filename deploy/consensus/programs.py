"""Programs of a network as child processes, each with its output in a file."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TAIL_LINES = 40
STOP_SECONDS = 15.0
ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""util-linux' way to have a program not outlive this one, however this one ends."""


class ProgramError(Exception):
    """A program ended, or did not say in time what was waited for. The message ends with its last output."""


class Program:
    """A child process that a thread reads: output goes to the log file, and wakes the thread that waits for a line.

    Starting again appends to the same file. Use it from one thread.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._cwd = cwd
        self._environment = os.environ | dict(environment or {})
        self._changed = threading.Condition()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._expected: re.Pattern[str] | None = None
        self._seen = self._ended = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def tail(self) -> str:
        """The last lines of output."""
        with self._changed:
            return "\n".join(self._tail)

    def start(self, expected: re.Pattern[str], timeout_seconds: float | None, arguments: Sequence[str] = ()) -> None:
        """Start it with further arguments, and wait for a line of output unless timeout_seconds is None.

        Raises ProgramError.
        """
        self._expected, self._seen, self._ended = expected, False, False
        process = subprocess.Popen(
            [*ENDS_WITH_ITS_PARENT, *self.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self._cwd,
            env=self._environment,
            # a terminal's Ctrl-C reaches the network alone, which stops its programs in order
            start_new_session=True,
        )
        assert process.stdout is not None
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True, name=self.name)
        self._reader.start()
        if timeout_seconds is not None:
            self.wait(timeout_seconds)

    def wait(self, timeout_seconds: float) -> None:
        """Wait for the line that `start` names. Raises ProgramError; the process is then gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._seen or self._ended, timeout_seconds)
            seen, ended = self._seen, self._ended
        if not seen:
            self.kill()
            raise ProgramError(self._failure("ended" if ended else f"was not ready within {timeout_seconds:g} s"))

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it in time."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert self._reader is not None
        self._reader.join()
        self._process = None

    def _failure(self, what: str) -> str:
        last = "\n".join(self._tail)
        return f"{self.name} {what}; its log is {self.log}, and ends with:\n{last}"

    def _read(self, output: IO[str]) -> None:
        with output, self.log.open("a") as log:
            for line in output:
                log.write(line)
                log.flush()
                with self._changed:
                    self._tail.append(line.rstrip("\n"))
                    if self._expected is not None and self._expected.search(line):
                        self._seen = True
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
