"""Bytecode as instructions: offsets, operands, and the positions that a jump may reach."""

from dataclasses import dataclass

from zevm.analysis.audit.evm.dispatcher import EntryPoint, constant_selectors, dispatch_of
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.vm.opcodes import JUMPDEST, PUSH0, PUSH32
from zevm.chain.vm.operations import OPCODE_NAMES

CHECK_INTERVAL = 4_096
"""Instructions between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Code:
    """Deployed bytecode.

    instructions: offset -> (mnemonic, operand of a PUSH, offset of the next one). destinations: offsets of JUMPDEST.
    solidity: version of the compiler by the metadata, None for another or none. has_loops: by the control flow graph;
    True if that is unknown. dispatched: whether evmole has named the functions.
    """

    raw: bytes
    instructions: dict[int, tuple[str, int, int]]
    destinations: frozenset[int]
    entries: tuple[EntryPoint, ...]
    solidity: tuple[int, ...] | None
    has_loops: bool
    dispatched: bool


def decode(raw: bytes, deadline: Deadline | None = None) -> Code:
    """The code's instructions and functions. Raises AuditError without evmole, and as `Deadline.check` does."""
    instructions: dict[int, tuple[str, int, int]] = {}
    destinations, position = set(), 0
    while position < len(raw):
        if deadline is not None and not len(instructions) % CHECK_INTERVAL:
            deadline.check()
        opcode, start = raw[position], position
        width = opcode - PUSH0 if PUSH0 < opcode <= PUSH32 else 0
        position += 1 + width
        data = raw[start + 1 : position].ljust(width, b"\0")
        if opcode == JUMPDEST:
            destinations.add(start)
        instructions[start] = _mnemonic(opcode), int.from_bytes(data, "big"), position
    found = dispatch_of(raw, deadline)
    if found is None:
        if deadline is not None:
            deadline.check()
        entries = tuple(constant_selectors(instructions, raw))
        return Code(raw, instructions, frozenset(destinations), entries, None, has_loops=True, dispatched=False)
    return Code(
        raw, instructions, frozenset(destinations), found.entries, found.solidity,
        has_loops=bool(found.loops), dispatched=True,
    )  # fmt: skip


def _mnemonic(opcode: int) -> str:
    return "PUSH" if PUSH0 <= opcode <= PUSH32 else OPCODE_NAMES.get(opcode, "INVALID")
