"""Nodes as processes that start quickly: each is a fork of one process that has imported the node and runs nothing.

A start costs a tenth of that of a new interpreter, so that a campaign kills many more in the same time.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any

from testing.node_process import RpcError
from verification.replication import telling, warm

READY_SECONDS = 120.0
CALL_SECONDS = 300.0
TELL_SECONDS = 10.0
LINES = 40
_READY = "Listening on "
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([warm.__name__])

CUT_OFF = (OSError, EOFError)
"""Errors of a call whose node is killed meanwhile."""


class StartError(Exception):
    """A node does not start. The message ends with its last output."""


class Node:
    """A node with a data directory and an IPC socket in `folder`; started and killed again and again.

    namespace: the process in whose network namespace the node runs; None runs it in this one's.
    """

    def __init__(self, folder: Path, settings: dict[str, object], namespace: int | None = None) -> None:
        self.name = folder.name
        self.starts = 0
        self._path = str(folder.with_suffix(".ipc"))
        self._settings = {"port": "0", "ipc": self._path, "datadir": str(folder), **settings}
        self._namespace = namespace
        self._process: Any = None
        self._lines: deque[str] = deque(maxlen=LINES)
        self._alive = threading.Event()
        self._has_told = threading.Event()
        self.log = folder.with_suffix(".log")
        """Its output since the first start."""

    def start(self) -> None:
        """Start the process; return once it listens. Raises StartError."""
        lines = self._lines = deque(maxlen=LINES)
        reader, writer = _FORKING.Pipe(duplex=False)
        process = self._process = _FORKING.Process(
            target=warm.run, args=(self._settings, writer, self._namespace), daemon=True
        )
        process.start()
        writer.close()
        output = os.fdopen(os.dup(reader.fileno()), errors="replace")
        reader.close()
        is_ready = threading.Event()
        reading = threading.Thread(
            target=self._read, args=(output, lines, is_ready), name=f"{self.name} output", daemon=True
        )
        reading.start()
        if not is_ready.wait(READY_SECONDS) or not any(_READY in line for line in lines):
            raise StartError(f"{self.name} does not start:\n{self.tail()}")
        self.starts += 1
        self._alive.set()

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self._alive.clear()
        self._process.kill()
        self._process.join()

    @property
    def is_alive(self) -> bool:
        """Whether the node has started and is not killed."""
        return self._alive.is_set()

    def wait_until_alive(self) -> None:
        """Wait for the next start, if the node is killed."""
        self._alive.wait(READY_SECONDS)

    def call(self, method: str, *params: object) -> Any:
        """The result of a call. Raises RpcError for an error, one of CUT_OFF when the node goes away."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(CALL_SECONDS)
            connection.connect(self._path)
            connection.sendall(body + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline()
        if not line.endswith(b"\n"):
            raise EOFError(f"{self.name} closed the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def tell(self) -> None:
        """Have a running node write what it does and waits for to its log."""
        if self.is_alive:
            self._has_told.clear()
            os.kill(self._process.pid, signal.SIGUSR1)
            self._has_told.wait(TELL_SECONDS)

    def tail(self) -> str:
        """The newest lines of the output."""
        return "\n".join(self._lines)

    def _read(self, output: IO[str], lines: deque[str], is_ready: threading.Event) -> None:
        """Keep the output of a node until it has ended, and its newest lines at hand."""
        with output, self.log.open("a") as log:
            for line in output:
                lines.append(line.rstrip("\n"))
                log.write(line)
                if _READY in line:
                    is_ready.set()
                elif telling.END in line:
                    log.flush()
                    self._has_told.set()
        is_ready.set()
