"""The machine's arithmetic against Python's on as many random operands as one asks for.

    python -m verification.core.words --cases 10000000 --seed 1

Ends with 1 at the first difference, and names it.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from zevm.chain.vm import instructions
from zevm.core import CORE

WORD = 1 << 256
EDGES: tuple[int, ...] = (0, 1, 2, 3, 31, 32, 255, 256, 2**32, 2**63, 2**64 - 1, 2**64)
EDGES += (
    2**127,
    2**128 - 1,
    2**128,
    2**192 - 1,
    2**192,
)
EDGES += (2**255 - 1, 2**255, 2**255 + 1, WORD - 2**128, WORD - 2**64, WORD - 2, WORD - 1)

GROUPS_AT_ONCE = 20_000


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


def results(opcode: int, groups: Sequence[tuple[int, ...]]) -> list[int]:
    """The machine's result for each group of operands."""
    assert CORE.library is not None
    operands = b"".join(word.to_bytes(32, "big") for group in groups for word in group)
    data = CORE.library.evm_words(opcode, operands)
    return [int.from_bytes(data[place : place + 32], "big") for place in range(0, len(data), 32)]


def random_groups(opcode: int, number: int, rng: random.Random) -> list[tuple[int, ...]]:
    """A number of groups of operands."""
    return [tuple(random_word(rng) for _ in range(INSTRUCTIONS[opcode][0])) for _ in range(number)]


def edge_groups(opcode: int) -> list[tuple[int, ...]]:
    """Every group of edges."""
    return list(product(EDGES, repeat=INSTRUCTIONS[opcode][0]))


def differences(opcode: int, groups: Sequence[tuple[int, ...]]) -> Iterator[str]:
    """The groups on which the machine and Python differ."""
    reference = INSTRUCTIONS[opcode][1]
    for group, found in zip(groups, results(opcode, groups), strict=True):
        wanted = reference(*group)
        if found != wanted:
            yield f"opcode {opcode:#x} of {[hex(word) for word in group]} is {found:#x}, want {wanted:#x}"


def main() -> int:
    """Compare; 1 where something differs."""
    parser = argparse.ArgumentParser(description="Compare the machine's arithmetic with Python's.")
    parser.add_argument("--cases", type=int, default=1_000_000, help="groups of operands in all (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random operands (1)")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    compared = 0
    while compared < arguments.cases:
        for opcode in INSTRUCTIONS:
            for difference in differences(opcode, random_groups(opcode, GROUPS_AT_ONCE, rng)):
                print(difference)
                return 1
            compared += GROUPS_AT_ONCE
    print(f"{compared:,} groups of operands agree")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
