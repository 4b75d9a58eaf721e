"""The machine's arithmetic against Python's, instruction by instruction."""

import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from tests.core.support import needs_core
from zevm.chain.vm import instructions
from zevm.core import CORE

pytestmark = needs_core

WORD = 1 << 256
EDGES = (0, 1, 2, 3, 31, 32, 255, 256, 2**32, 2**63, 2**64 - 1, 2**64, 2**127, 2**128 - 1, 2**128, 2**192 - 1, 2**192)
EDGES += (2**255 - 1, 2**255, 2**255 + 1, WORD - 2**128, WORD - 2**64, WORD - 2, WORD - 1)
GROUPS = 4_000
"""Random groups of operands for each instruction."""


def on_stack(body: Callable[[Any, list[int], Any], Any]) -> Callable[..., int]:
    """An instruction of the engine in Python as a function of its operands, the top one first."""

    def run(*operands: int) -> int:
        stack = list(reversed(operands))
        body(None, stack, None)
        return stack.pop()

    return run


def exp(base: int, exponent: int) -> int:
    """EXP, whose body in Python is py-evm's."""
    return pow(base, exponent, WORD)


INSTRUCTIONS: dict[int, tuple[int, Callable[..., int]]] = {
    opcode: (count, on_stack(getattr(instructions, name)))
    for opcode, name, count in (
        (0x01, "add", 2),
        (0x02, "mul", 2),
        (0x03, "sub", 2),
        (0x04, "div", 2),
        (0x05, "sdiv", 2),
        (0x06, "mod", 2),
        (0x07, "smod", 2),
        (0x08, "addmod", 3),
        (0x09, "mulmod", 3),
        (0x0B, "signextend", 2),
        (0x10, "lt", 2),
        (0x11, "gt", 2),
        (0x12, "slt", 2),
        (0x13, "sgt", 2),
        (0x14, "eq", 2),
        (0x15, "iszero", 1),
        (0x16, "and_", 2),
        (0x17, "or_", 2),
        (0x18, "xor", 2),
        (0x19, "not_", 1),
        (0x1A, "byte", 2),
        (0x1B, "shl", 2),
        (0x1C, "shr", 2),
        (0x1D, "sar", 2),
        (0x1E, "clz", 1),
    )
} | {0x0A: (2, exp)}


def random_word(rng: random.Random) -> int:
    """A word of any length, of long runs of equal bits, or near an edge: where limbs carry and estimates are off."""
    match rng.randrange(4):
        case 0:
            return rng.getrandbits(256) >> rng.randrange(256)
        case 1:
            return (rng.choice(EDGES) + rng.randrange(-3, 4)) % WORD
        case 2:
            return ((1 << rng.randrange(257)) - (1 << rng.randrange(257))) % WORD
        case _:
            limbs = [rng.choice((0, 1, 2**63, 2**64 - 2, 2**64 - 1, rng.getrandbits(64))) for _ in range(4)]
            return sum(limb << 64 * place for place, limb in enumerate(limbs))


def results(opcode: int, groups: list[tuple[int, ...]]) -> list[int]:
    """What the machine gives for each group of operands."""
    assert CORE.library is not None
    operands = b"".join(word.to_bytes(32, "big") for group in groups for word in group)
    data = CORE.library.evm_words(opcode, operands)
    return [int.from_bytes(data[place : place + 32], "big") for place in range(0, len(data), 32)]


def groups_of(count: int, rng: random.Random) -> Iterator[tuple[int, ...]]:
    """Every group of edges, and random ones."""
    yield from product(EDGES, repeat=count)
    for _ in range(GROUPS):
        yield tuple(random_word(rng) for _ in range(count))


@pytest.mark.parametrize("opcode", INSTRUCTIONS, ids=hex)
def test_an_instruction_gives_what_it_gives_in_python(opcode: int) -> None:
    count, reference = INSTRUCTIONS[opcode]
    groups = list(groups_of(count, random.Random(opcode)))
    found = results(opcode, groups)
    assert len(found) == len(groups)
    for group, result in zip(groups, found, strict=True):
        assert result == reference(*group), group


def test_every_instruction_on_words_alone_is_compared() -> None:
    assert CORE.library is not None
    with pytest.raises(CORE.library.RefusedError):
        CORE.library.evm_words(0x20, bytes(64))
    defined = {opcode for opcode, row in enumerate(CORE.library.evm_operations(19)) if row and 0 < opcode < 0x20}
    assert defined == set(INSTRUCTIONS)
