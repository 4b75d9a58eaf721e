"""The process that nodes are forked from: it has imported all that a node needs, and runs nothing itself."""

from __future__ import annotations

import ctypes
import os
import sys
from multiprocessing.connection import Connection

from verification.replication.telling import tell_on_signal
from zevm.node.app import run_nodes
from zevm.node.chains import NamedChain
from zevm.node.config import program_settings
from zevm.rpc import methods
from zevm.rpc.transport.quic import server

__all__ = ["enter_namespace", "run", "server"]

methods.load()
_CLONE_NEWNET = 0x40000000


def enter_namespace(pid: int) -> None:
    """Move the calling thread into the network namespace of a process."""
    library = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net") as namespace:
        if library.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def run(settings: dict[str, object], output: Connection, namespace: int | None) -> None:
    """`zevm run` with these settings in a process of its own, which prints to `output`."""
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    if namespace is not None:
        enter_namespace(namespace)
    tell_on_signal()
    sys.exit(run_nodes([NamedChain("", program_settings(settings, {}))]))
