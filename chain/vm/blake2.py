"""BLAKE2b's compression function (EIP-152, RFC 7693 section 3.2), in rounds that a deadline can end."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from eth._utils.blake2.coders import extract_blake2b_parameters
from eth._utils.blake2.compression import Blake2b
from eth_utils.exceptions import ValidationError

from chain.vm.faults import PrecompileError

if TYPE_CHECKING:
    from chain.vm.frame import Frame

ROUNDS_PER_LOOK = 2_000
"""Rounds between two looks at the clock: a round takes some ten microseconds."""

MASK = (1 << 64) - 1
LANES = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
"""The words that each of a round's eight mixings takes: columns, then diagonals."""


def blake2f(frame: "Frame") -> None:
    """0x09: one gas a round."""
    try:
        rounds, state, block, offsets, is_final = extract_blake2b_parameters(frame.msg.data)
    except ValidationError as error:
        raise PrecompileError("invalid input length") from error
    frame.consume_gas(rounds, "BLAKE2F")
    words = [*state, *Blake2b.IV]
    words[12] ^= offsets[0]
    words[13] ^= offsets[1]
    if is_final:
        words[14] ^= MASK
    _run_rounds(words, block, rounds, frame.transaction_context.check_deadline)
    mixed = [word ^ words[index] ^ words[index + 8] for index, word in enumerate(state)]
    frame.output = b"".join([word.to_bytes(8, "little") for word in mixed])


def _run_rounds(v: list[int], block: tuple[int, ...], rounds: int, look: Callable[[], None]) -> None:
    """Run the rounds on the sixteen words `v`; `look` is called every ROUNDS_PER_LOOK of them."""
    schedule = [
        [(*lane, block[row[2 * index]], block[row[2 * index + 1]]) for index, lane in enumerate(LANES)]
        for row in Blake2b.sigma_schedule
    ]
    for number in range(rounds):
        if not number % ROUNDS_PER_LOOK:
            look()
        for a, b, c, d, first, second in schedule[number % 10]:
            x = (v[a] + v[b] + first) & MASK
            w = v[d] ^ x
            w = w >> 32 | (w << 32) & MASK
            z = (v[c] + w) & MASK
            y = v[b] ^ z
            y = y >> 24 | (y << 40) & MASK
            v[a] = x = (x + y + second) & MASK
            w ^= x
            v[d] = w = w >> 16 | (w << 48) & MASK
            v[c] = z = (z + w) & MASK
            y ^= z
            v[b] = y >> 63 | (y << 1) & MASK
