"""Code made ready to run under one fork: its instructions, and the blocks of them that were reached before."""

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from zevm.chain.vm.opcodes import JUMPDEST, PUSH0, PUSH32, Body, Operation

PROGRAMS_KEPT = 256
"""Programs that each fork keeps, the least recently run going first."""

_JUMPI = 0x57
_PC = 0x58
_TOKENS = re.compile(
    b"|".join([re.escape(b"\x5b")] + [re.escape(b"%c" % (PUSH0 + size)) + b".{0,%d}" % size for size in range(1, 33)]),
    re.DOTALL,
)
"""JUMPDEST, or a PUSH with its data: what a scan for jump destinations has to tell apart."""


class Block(NamedTuple):
    """Straight-line code.

    gas: constant gas of all instructions. need: minimum words on the stack. room: maximum words.
    steps: bodies with operands. ending: the last body, which returns the next program counter; None falls
    through to `following`.
    """

    gas: int
    need: int
    room: int
    steps: tuple[tuple[Body, Any], ...]
    ending: Body | None
    operand: Any
    following: int


class Program:
    """One code under one fork's operations. Shared by threads: decoding twice does no harm."""

    def __init__(self, code: bytes, operations: tuple[Operation, ...]) -> None:
        self.code = code
        self.operations = operations
        self.blocks: dict[int, Block] = {}
        self.decoded: dict[int, tuple[int, Operation, Any, int]] = {}

    @property
    def is_scanned(self) -> bool:
        """Whether `jump_targets` are at hand."""
        return "jump_targets" in self.__dict__

    @cached_property
    def jump_targets(self) -> frozenset[int]:
        """Offsets of every JUMPDEST that is not data of a PUSH."""
        return frozenset(match.start() for match in _TOKENS.finditer(self.code) if match[0] == b"\x5b")

    def instruction(self, counter: int) -> tuple[Operation, Any, int]:
        """The operation at a program counter, its operand, and the counter after it. STOP past the end."""
        code = self.code
        if counter >= len(code):
            return self.operations[0], None, counter
        opcode = code[counter]
        operation, following = self.operations[opcode], counter + 1
        if PUSH0 < opcode <= PUSH32:
            size = opcode - PUSH0
            data = code[following : following + size]
            return operation, int.from_bytes(data.ljust(size, b"\0"), "big"), min(following + size, len(code))
        if opcode == _JUMPI:
            return operation, following, following
        if opcode == _PC:
            return operation, counter, following
        if opcode == PUSH0 and operation.operand is None:  # before Shanghai it is no instruction, and has its name
            return operation, 0, following
        return operation, operation.operand, following

    def is_jumpdest(self, counter: int) -> bool:
        """Whether the byte at the counter is a JUMPDEST."""
        return counter < len(self.code) and self.code[counter] == JUMPDEST

    def decode(self, counter: int) -> tuple[int, Operation, Any, int]:
        """The opcode byte and what `instruction` says, kept for the next time."""
        opcode = self.code[counter] if counter < len(self.code) else 0
        decoded = self.decoded[counter] = (opcode, *self.instruction(counter))
        return decoded


def program_cache(operations: tuple[Operation, ...]) -> Callable[[bytes], Program]:
    """Code -> its program under these operations, decoded as far as it ran before."""

    @lru_cache(maxsize=PROGRAMS_KEPT)
    def program_of(code: bytes) -> Program:
        return Program(code, operations)

    return program_of
