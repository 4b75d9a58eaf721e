"""Straight blocks of a program, decoded when first reached.

A block is checked once for the constant gas and the stack of all its instructions. What must see the
exact gas (GAS, SSTORE, calls), or may fault by something else than gas (LOG, RETURNDATACOPY), stands last in its
block, so charging ahead never shows.
"""

from typing import Any

from zevm.chain.vm import instructions
from zevm.chain.vm.opcodes import STACK_LIMIT, Body
from zevm.chain.vm.program import Block, Program

BLOCK_LIMIT = 256
"""Instructions per block at most, so that decoding never runs far ahead of the gas."""

TARGETS_LIMIT = 8
"""JUMPDESTs in a row that one block takes: each costs a single gas, and a block of its own ten times that time."""


def decode_block(program: Program, start: int) -> Block:
    """Decode the block at `start` and keep it."""
    gas = need = height = peak = 0
    steps: list[tuple[Body, Any]] = []
    counter = start
    while True:
        operation, operand, following = program.instruction(counter)
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
        if operation.observes_gas or len(steps) >= BLOCK_LIMIT or (program.is_jumpdest(counter) and not only_targets):
            ending = None
            break
    ending, operand, following = _resolve_jump(program, steps, ending, operand, following)
    block = Block(gas, need, STACK_LIMIT - peak, tuple(steps), ending, operand, following)
    program.blocks[start] = block
    return block


def _resolve_jump(
    program: Program, steps: list[tuple[Body, Any]], ending: Body | None, operand: Any, following: int
) -> tuple[Body | None, Any, int]:
    """A jump to a constant needs no push, and no check when it runs."""
    if ending not in (instructions.jump, instructions.jumpi) or not steps:
        return ending, operand, following
    body, target = steps[-1]
    if body is not instructions.push or target not in program.jump_targets:
        return ending, operand, following
    steps.pop()
    if ending is instructions.jump:
        return None, None, target
    return instructions.jumpi_known, (following, target), following
