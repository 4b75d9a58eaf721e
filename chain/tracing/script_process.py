"""A JavaScript tracer's process, from the node's side: started, spoken with, and ended whatever the script does."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.memory import take
from zevm.chain.tracing.settings import TRACE_BYTES_LIMIT

SCRIPT_MEMORY_BYTES = 128 * 1024 * 1024
LONGEST_SECONDS = 3600.0
"""For a trace without a deadline, as in tests."""

_HOST = Path(__file__).with_name("script_host.py")
_PRELUDE = orjson.dumps(Path(__file__).with_name("script_prelude.js").read_text(encoding="utf-8")) + b"\n"

Answer = Callable[[list[Any]], Any]


class _Expiry:
    """Kills a process at its deadline; the timer and the cancellation hold this alone."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.has_come = False

    def come(self) -> None:
        """The time is over."""
        self.has_come = True
        self._process.kill()


class ScriptProcess:
    """Must be closed. It is killed at the deadline, and when that is cancelled, which wakes a waiting caller.

    Raises TraceError when it cannot be started.
    """

    def __init__(self, deadline: Deadline | None) -> None:
        self._deadline = deadline
        seconds = LONGEST_SECONDS if deadline is None else min(deadline.remaining(), LONGEST_SECONDS)
        limits = (str(SCRIPT_MEMORY_BYTES), str(math.ceil(seconds) + 1))
        try:
            self.process = subprocess.Popen(
                (sys.executable, "-I", str(_HOST), *limits),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
            )
        except OSError as error:
            raise TraceError(f"cannot start the tracer's process: {error}") from error
        self._expiry = _Expiry(self.process)
        self._timer = threading.Timer(seconds, self._expiry.come)
        self._timer.daemon = True
        self._timer.start()
        if deadline is not None:
            deadline.cancellation.listen(self._expiry.come)
        self._started = False

    def exchange(self, events: bytes, answer: Answer) -> Any:
        """Send a JSON list of events and return what the last one gave, answering questions meanwhile.

        Raises TraceError with the script's error, or when the process has died; ExecutionTimeoutError.
        """
        reader = self.process.stdout
        assert reader is not None
        try:
            if not self._started:
                self._started = True
                self._write(_PRELUDE)
            self._write(events + b"\n")
            while True:
                line = reader.readline(TRACE_BYTES_LIMIT)
                if not line.endswith(b"\n"):
                    raise self._death()
                if not line.startswith(b"?"):
                    break
                self._write(orjson.dumps(answer(orjson.loads(line[1:]))) + b"\n")
            take(len(line))
            reply = orjson.loads(line[1:])
        except (OSError, orjson.JSONDecodeError):
            raise self._death() from None
        if "error" in reply:
            raise TraceError(reply["error"])
        return reply["done"]

    def _write(self, line: bytes) -> None:
        writer = self.process.stdin
        assert writer is not None
        writer.write(line)
        writer.flush()

    def _death(self) -> Exception:
        if self._expiry.has_come:
            return ExecutionTimeoutError("execution timeout")
        return TraceError(
            f"the tracer's process failed; a script may take {SCRIPT_MEMORY_BYTES} bytes of memory, its result included"
        )

    def close(self) -> None:
        """End the process. Idempotent."""
        self._timer.cancel()
        if self._deadline is not None:
            self._deadline.cancellation.forget(self._expiry.come)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                # what was not written yet has nobody to read it
                continue
