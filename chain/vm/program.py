"""Code made ready to run: split into straight blocks, decoded when first reached, kept per code and fork.

A block is checked once for the constant gas and the stack of all its instructions. What must see the
exact gas (GAS, SSTORE, calls) stands last in its block, so charging ahead never shows.
"""

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from zevm.chain.vm import instructions
from zevm.chain.vm.operations import JUMPDEST, PUSH0, PUSH32, STACK_LIMIT, Body, Operation

BLOCK_LIMIT = 256
"""Instructions per block at most, so that decoding never runs far ahead of the gas."""

TARGETS_LIMIT = 8
"""JUMPDESTs in a row that one block takes: each costs a single gas, and a block of its own ten times that time."""

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
        if opcode in (_PC, PUSH0):
            return operation, counter if opcode == _PC else 0, following
        return operation, operation.operand, following

    def decode(self, counter: int) -> tuple[int, Operation, Any, int]:
        """The opcode byte and what `instruction` says, kept for the next time."""
        opcode = self.code[counter] if counter < len(self.code) else 0
        decoded = self.decoded[counter] = (opcode, *self.instruction(counter))
        return decoded

    def block(self, start: int) -> Block:
        """Decode the block at `start` and keep it."""
        gas = need = height = peak = 0
        steps: list[tuple[Body, Any]] = []
        counter = start
        while True:
            operation, operand, following = self.instruction(counter)
            gas += operation.gas
            need = max(need, operation.pops - height)
            height += operation.pushes - operation.pops
            peak = max(peak, height)
            if operation.ends:
                assert operation.body is not None
                ending: Body | None = operation.body
                break
            if operation.body is not None:
                steps.append((operation.body, operand))
            counter = following
            only_targets = not steps and counter - start < TARGETS_LIMIT
            if operation.observes_gas or len(steps) >= BLOCK_LIMIT or (self._is_jumpdest(counter) and not only_targets):
                ending = None
                break
        ending, operand, following = self._resolve_jump(steps, ending, operand, following)
        block = Block(gas, need, STACK_LIMIT - peak, tuple(steps), ending, operand, following)
        self.blocks[start] = block
        return block

    def _is_jumpdest(self, counter: int) -> bool:
        return counter < len(self.code) and self.code[counter] == JUMPDEST

    def _resolve_jump(
        self, steps: list[tuple[Body, Any]], ending: Body | None, operand: Any, following: int
    ) -> tuple[Body | None, Any, int]:
        """A jump to a constant needs no push, and no check when it runs."""
        if ending not in (instructions.jump, instructions.jumpi) or not steps:
            return ending, operand, following
        body, target = steps[-1]
        if body is not instructions.push or target not in self.jump_targets:
            return ending, operand, following
        steps.pop()
        if ending is instructions.jump:
            return None, None, target
        return instructions.jumpi_known, (following, target), following


def program_cache(operations: tuple[Operation, ...]) -> Callable[[bytes], Program]:
    """Code -> its program under these operations, decoded as far as it ran before."""

    @lru_cache(maxsize=PROGRAMS_KEPT)
    def program_of(code: bytes) -> Program:
        return Program(code, operations)

    return program_of
