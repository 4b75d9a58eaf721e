"""The program of a process for native calls: `python -m zevm.chain.native.host DESCRIPTOR PREPARED`; process.py starts
it.

Each message is the name of a call and its arguments; each answer says whether the call refused its input.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Any

from zevm.chain.native.answers import DONE, FAILED, REFUSED, InputError

_MODULES = {
    "zevm.chain.native.bn254": ("bn254_add", "bn254_multiply", "bn254_pairing"),
    "zevm.chain.native.modexp": ("modexp",),
    "zevm.chain.native.blake2b": ("blake2f",),
    "zevm.chain.native.curves": ("bls_g1_msm", "bls_g2_msm", "bls_pairing"),
    "zevm.chain.native.kzg": ("trusted_setup", "make_proofs", "blobs_are_proven", "cells_are_proven", "cell_proofs"),
}
CALLS: Mapping[str, str] = MappingProxyType({name: module for module, names in _MODULES.items() for name in names})
"""Name of a call -> the module that has it. A module is loaded with its first call."""

_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def main(descriptor: int, prepared: str) -> None:
    """Serve until the pipe is closed."""
    _end_with_parent()
    pipe: Connection[Any, Any] = Connection(descriptor)
    # a node that died meanwhile, or asks already, needs no preparation at idle priority
    if prepared and not pipe.poll():
        _prepare(prepared)
    with suppress(EOFError, OSError):
        while True:
            name, arguments = pipe.recv()
            pipe.send(_answer(name, arguments))


def _find(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module(CALLS[name]), name)
    return found


def _answer(name: str, arguments: tuple[Any, ...]) -> tuple[int, Any]:
    try:
        return DONE, _find(name)(*arguments)
    except InputError as error:
        return REFUSED, str(error)
    except Exception as error:
        return FAILED, f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    """Signals of a terminal are for the node; its death is ours, in the midst of a call too where Linux can tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _prepare(name: str) -> None:
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    _find(name)()
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
