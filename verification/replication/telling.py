"""A report of a node's process, asked for by a signal: the places where its tasks wait, and its links."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from zevm.node.replication.follower import Follower
from zevm.node.replication.leader import Leader
from zevm.rpc.transport.quic.connection import Connection

END = "--- told ---"
"""The last line of a report."""

_KINDS = (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom"))
"""Attributes of coroutines and generators: where they are, and what they wait for."""


def tell_on_signal() -> None:
    """Have SIGUSR1 print all of it to standard error, and replication log what it otherwise keeps to itself."""
    logging.getLogger("zevm.node.replication").setLevel(logging.DEBUG)
    signal.signal(signal.SIGUSR1, _tell)


def _tell(*_: object) -> None:
    faulthandler.dump_traceback()
    for line in (*_tasks(), *_links()):
        print(line, file=sys.stderr)
    print(END, file=sys.stderr, flush=True)


def _tasks() -> Iterator[str]:
    for task in asyncio.all_tasks():
        yield f"task {task.get_name()}: {' > '.join(_awaited(task.get_coro()))}"


def _awaited(work: Any) -> Iterator[str]:
    """The places where a coroutine waits, from the outermost on; one that has ended names none."""
    while work is not None:
        kind = next((kind for kind in _KINDS if hasattr(work, kind[0])), None)
        name = getattr(work, "__qualname__", type(work).__name__)
        if kind is None:
            yield name
            return
        frame, work = (getattr(work, part) for part in kind)
        yield f"{name}:{'ended' if frame is None else frame.f_lineno}"


def _links() -> Iterator[str]:
    now = time.monotonic()
    # the node has taken what it began with out of the collector's sight
    gc.unfreeze()
    for item in gc.get_objects():
        if isinstance(item, Follower):
            yield f"follower: {item.report()}, position {item._replica.position}"
        elif isinstance(item, Leader):
            yield f"leader: followers' blocks {item.followers}"
        elif isinstance(item, Connection):
            quic: Any = item.quic
            loss = quic._loss
            left = None if quic._close_at is None else round(quic._close_at - now, 3)
            yield (
                f"connection of {item.alpn} with {item.address or quic.get_peer_address()}: {quic._state.name}, "
                f"ended {item.end_reason}, confirmed {quic._handshake_confirmed}, idle in {left} s, "
                f"unanswered probes {loss._pto_count}, in flight {loss.bytes_in_flight} of {loss.congestion_window} "
                f"bytes, streams {sorted(quic._streams)}"
            )
