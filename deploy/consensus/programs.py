"""Programs of a network as child processes, each with its output in a file."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

TAIL_LINES = 40
STOP_SECONDS = 10.0
MAX_REASON_CHARACTERS = 300
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_WORD = re.compile(r"\w")
_ERROR = re.compile(r"error", re.IGNORECASE)
ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""util-linux' way to have a program not outlive this one, however this one ends."""


class ProgramError(Exception):
    """A program ended, or did not say in time what was waited for. The message has one line, and names its log."""


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
        self._seen = self._ended = self._is_ending = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._on_end: Callable[[Program], object] | None = None

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def tell_end(self, listener: Callable[["Program"], object]) -> None:
        """Call a function, in another thread, when the process ends by itself; now if it has."""
        with self._changed:
            self._on_end = listener
            is_over = self._ended
        if is_over:
            listener(self)

    def ending(self) -> str:
        """One line on how a process ended, and why by its last output; for a process that is over."""
        process = self._process
        if process is None:
            return f"{self.name} is stopped"
        code = process.wait()
        if code < 0:
            return f"{self.name} was killed by {signal.Signals(-code).name}; its log is {self.log}"
        return self._failure(f"ended with code {code}")

    def start(self, expected: re.Pattern[str], timeout_seconds: float | None, arguments: Sequence[str] = ()) -> None:
        """Start it with further arguments, and wait for a line of output unless timeout_seconds is None.

        Raises ProgramError.
        """
        self._end(signal.SIGKILL)
        self._tail.clear()
        self._expected, self._seen, self._ended, self._is_ending = expected, False, False, False
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
            failure = self.ending() if ended else self._failure(f"was not ready within {timeout_seconds:g} s")
            self.kill()
            raise ProgramError(failure)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._end(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """SIGTERM; `stop` waits for the end."""
        if self._process is not None:
            self._is_ending = True
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it in time."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        # a second SIGTERM would break off what the first began
        if number is not signal.SIGTERM or not self._is_ending:
            self._is_ending = True
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
        """One line: the newest of the last lines that names an error, or else the last that has words."""
        with self._changed:
            plain = (_COLOUR.sub("", line).strip() for line in reversed(self._tail))
            lines = [line for line in plain if _WORD.search(line)]
        why = next((line for line in lines if _ERROR.search(line)), lines[0] if lines else "")
        return f"{self.name} {what}{why and f' ({why[:MAX_REASON_CHARACTERS]})'}; its log is {self.log}"

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
            listener = None if self._is_ending else self._on_end
        if listener is not None:
            listener(self)
