"""The functions that bytecode answers to: by evmole in a process of its own, or by its constants if that takes long."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zevm.analysis.audit.errors import AuditError
from zevm.chain.concurrency.deadline import Deadline

LONGEST_SECONDS = 10.0
"""Time of evmole at most; real contracts take milliseconds."""
_PROGRAM = Path(__file__).with_name("dispatcher_process.py")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function of the dispatcher. selector: 4 bytes. arguments: types with commas. mutability: "" if unknown."""

    selector: bytes
    arguments: str
    mutability: str


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The functions of a code. loops: offsets of blocks that a later block jumps back to; None if unknown.

    solidity: the compiler's version in the metadata, None for another compiler or none.
    """

    entries: tuple[EntryPoint, ...]
    loops: frozenset[int] | None
    solidity: tuple[int, ...] | None


def require() -> None:
    """Raise AuditError if evmole is not installed."""
    if find_spec("evmole") is None:
        raise AuditError("an audit of EVM bytecode needs evmole: pip install 'zevm-node[audit]'")


def dispatch_of(code: bytes, deadline: Deadline | None) -> Dispatch | None:
    """The functions of deployed code; None if evmole fails or takes too long. Raises AuditError without evmole."""
    require()
    seconds = LONGEST_SECONDS if deadline is None else min(LONGEST_SECONDS, deadline.remaining() / 2)
    try:
        done = subprocess.run(
            [sys.executable, str(_PROGRAM)], input=code, capture_output=True, timeout=max(seconds, 0.1), check=True
        )
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return None
    entries = tuple(EntryPoint(bytes.fromhex(selector), *rest) for selector, *rest in found["functions"])
    version = None if found["solidity"] is None else tuple(found["solidity"])
    return Dispatch(entries, frozenset(found["loops"]), version)


def constant_selectors(instructions: dict[int, tuple[str, int, int]], code: bytes) -> Iterator[EntryPoint]:
    """The four-byte constants that code compares, each once: the rest without evmole's answer."""
    seen = set()
    for _, operand, following in instructions.values():
        width = following - 5
        if width >= 0 and code[width] == _PUSH4 and operand not in seen and _compares(instructions, following):
            seen.add(operand)
            yield EntryPoint(operand.to_bytes(4, "big"), "", "")


_PUSH4 = 0x63


def _compares(instructions: dict[int, tuple[str, int, int]], offset: int) -> bool:
    name, _, following = instructions.get(offset, ("", 0, 0))
    return name == "EQ" or (name.startswith("DUP") and instructions.get(following, ("", 0, 0))[0] == "EQ")
