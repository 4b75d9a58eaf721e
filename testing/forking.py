"""A process that has imported the node once, and forks one for each start: `python -m testing.forking DESCRIPTOR`.

A start from nothing takes two seconds of a core, nearly all of them for imports. What a forked process has of its own:
descriptors, arguments, environment, folder, random numbers. What it shares with the others of one parent: the seed of
hashes, and variables that the interpreter reads at its start, which testing/forked.py therefore compares.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
from functools import partial
from typing import Any

MOST_BYTES = 200_000
"""Longest request; Linux' default for one message of a socket is 212,992."""

_STANDARD = 3
"""Standard input, output and error."""

END = struct.Struct("<id")
"""How a process has ended, as of waitpid, and its processor time in seconds, its processes' included."""


def imported() -> None:
    """Load what a start loads, and what most nodes do soon after; no thread, no engine, no open file."""
    from zevm.node import app, cli  # noqa: F401
    from zevm.node.commands import run  # noqa: F401
    from zevm.rpc import methods
    from zevm.rpc.transport import routes, websocket_protocol  # noqa: F401

    methods.load()
    tasks = len(os.listdir("/proc/self/task"))
    if tasks > 1:
        sys.exit(f"testing.forking: imports started {tasks - 1} threads, which no fork takes along")
    gc.collect()
    gc.freeze()


class Forking:
    """Answers each request with a process id and its pidfd, and tells each process's end on a pipe of its own."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ, self._start)
        self._forked: dict[str, Any] | None = None

    def serve(self) -> dict[str, Any] | None:
        """Returns in each forked process, with its request; in this one None, once the socket is closed."""
        while self._forked is None and self._requests.fileno() >= 0:
            for key, _ in self._selector.select():
                key.data()
                if self._forked is not None:
                    break
        return self._forked

    def _start(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._requests, MOST_BYTES, _STANDARD + 1)
        if not message:
            self._selector.close()
            self._requests.close()
            return
        *standard, status = descriptors
        process = os.fork()
        if process == 0:
            self._forked = json.loads(message)
            # before others have their numbers
            self._selector.close()
            self._requests.close()
            for number, descriptor in enumerate(standard):
                os.dup2(descriptor, number)
            os.closerange(_STANDARD, os.sysconf("SC_OPEN_MAX"))
            return
        for descriptor in standard:
            os.close(descriptor)
        end = os.pidfd_open(process)
        self._selector.register(end, selectors.EVENT_READ, partial(self._ended, process, end, status))
        socket.send_fds(self._requests, [process.to_bytes(4)], [end])

    def _ended(self, process: int, end: int, status: int) -> None:
        self._selector.unregister(end)
        os.close(end)
        _, how, used = os.wait4(process, 0)
        with open(status, "wb") as pipe:
            pipe.write(END.pack(how, used.ru_utime + used.ru_stime))


def become(request: dict[str, Any]) -> None:
    """Run `python -m zevm` as the request has it, to the end of this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    sys.argv[1:] = request["arguments"]
    # tests limit the size of a node's files: importlib keeps bytecode that was cut off, which no later process can read
    sys.dont_write_bytecode = True
    runpy.run_module("zevm", run_name="__main__", alter_sys=True)


def main() -> None:
    """Serve on a socket of the parent's, and end with it."""
    # a terminal's signal is for the forked ones and for who asked for them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    imported()
    request = Forking(socket.socket(fileno=int(sys.argv[1]))).serve()
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
