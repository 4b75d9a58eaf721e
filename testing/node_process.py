"""A node as a child process, and a small JSON-RPC connection to it.

Shared by the client tests, the crash test and the benchmark. Standard library only. Waiting is by event: a thread reads
the process's output and wakes the waiter for a line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).resolve().parent.parent
READY = re.compile(r"Listening on (?P<host>[\w.\[\]:]+):(?P<port>\d+)")


class NodeError(Exception):
    """The process ended, or did not say what was waited for in time. The message ends with its last output."""


class RpcError(Exception):
    """A JSON-RPC error answer: `code`, `message`, `data` (None when absent)."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['message']} (code {error['code']})")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


def zevm_command(*arguments: str) -> list[str]:
    """The command line that runs this checkout's node on a free port."""
    return [sys.executable, "-m", "zevm", "run", "--port", "0", *arguments]


def node_environment(checkout: Path = ROOT) -> dict[str, str]:
    """Variables of a process that finds `checkout`, and prints at once, in wide lines and without colours."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))
    return environment


class Begun(Protocol):
    """A process: the part of subprocess.Popen that a node needs."""

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[str] | None: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class NodeProcess:
    """Start `command` and read its output. With `wait` the constructor returns when the node listens.

    environment: of the process; None takes this one's, in which the command finds `checkout`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: re.Pattern[str] = READY,
        ready_timeout_seconds: float = 60,
        wait: bool = True,
        cwd: Path = ROOT,
        environment: dict[str, str] | None = None,
        checkout: Path = ROOT,
    ) -> None:
        self.command = list(command)
        self.port = 0
        self._ready = ready
        self._ready_timeout_seconds = ready_timeout_seconds
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self.process = self._begin(cwd, node_environment(checkout) if environment is None else environment)
        self._reader = threading.Thread(target=self._read, daemon=True, name="node output")
        self._reader.start()
        if wait:
            self.wait_until_listening()

    def _begin(self, cwd: Path, environment: dict[str, str]) -> Begun:
        return subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=environment
        )

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_until_listening(self) -> None:
        """Block until the node has printed its address. Raises NodeError; the process is then gone."""
        try:
            match = self.wait_for_line(self._ready, timeout_seconds=self._ready_timeout_seconds)
        except NodeError:
            self.kill()
            raise
        self.port = int(match["port"])

    def wait_for_line(self, pattern: re.Pattern[str], *, after: int = 0, timeout_seconds: float = 20) -> re.Match[str]:
        """The first match of `pattern` in the output from line number `after` on. Raises NodeError."""
        deadline = time.monotonic() + timeout_seconds
        position = after
        with self._changed:
            while True:
                for line in self._lines[position:]:
                    if match := pattern.search(line):
                        return match
                position = len(self._lines)
                if self._ended:
                    raise NodeError(f"the node ended before {pattern.pattern!r}:\n{self.tail()}")
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise NodeError(f"no {pattern.pattern!r} within {timeout_seconds} s:\n{self.tail()}")

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def tail(self, count: int = 30) -> str:
        return "\n".join(self._lines[-count:])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def connect(self, timeout_seconds: float = 60) -> RpcConnection:
        return RpcConnection(self.port, timeout_seconds=timeout_seconds)

    def resident_mebibytes(self) -> float:
        """Resident memory of the process alone (its children not counted), from /proc."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]

    def processor_seconds(self) -> float:
        """Processor time of the process, in user and system mode, from /proc."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.process.kill()
        self._wait()

    def stop(self, timeout_seconds: float = 10) -> int:
        """SIGTERM; the exit code. Raises NodeError when the process does not end in time (it is then killed)."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NodeError(f"did not stop within {timeout_seconds} s of SIGTERM:\n{self.tail()}") from None
        self._wait()
        return self.process.wait()

    def _wait(self) -> None:
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._wait()


class RpcConnection:
    """One kept-alive HTTP connection on a raw socket, so that the client costs next to nothing.

    Raises RpcError for error answers and OSError or EOFError when the node goes away.
    """

    def __init__(self, port: int, *, timeout_seconds: float = 60) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        self._head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()

    def frame(self, body: object) -> bytes:
        """The request bytes for a JSON body, to be made ahead of time and sent by `exchange`."""
        encoded = json.dumps(body, separators=(",", ":")).encode()
        return b"%b%d\r\n\r\n%b" % (self._head, len(encoded), encoded)

    def request(self, method: str, *params: object) -> bytes:
        return self.frame({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    def fileno(self) -> int:
        """For selectors: an answer is there once it can be read."""
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def receive(self) -> bytes:
        """The body of the next answer."""
        status = self._reader.readline()
        if not status:
            raise EOFError("the node closed the connection")
        length, chunked = 0, False
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"transfer-encoding":
                chunked = b"chunked" in value.lower()
        body = self._chunks() if chunked else self._reader.read(length)
        if not chunked and len(body) < length:
            raise EOFError("the node closed the connection")
        return body

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._reader.readline() or b"-1", 16):
            if size < 0:
                raise EOFError("the node closed the connection")
            parts.append(self._reader.read(size))
            self._reader.readline()
        self._reader.readline()
        return b"".join(parts)

    def exchange(self, frame: bytes) -> bytes:
        self.send(frame)
        return self.receive()

    def call(self, method: str, *params: object) -> Any:
        return self.result(self.exchange(self.request(method, *params)))

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """The answers (whole objects) in the order of `calls`."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = json.loads(self.exchange(self.frame(body)))
        return sorted(answers, key=lambda answer: answer["id"])

    @staticmethod
    def result(body: bytes) -> Any:
        answer = json.loads(body)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> RpcConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
