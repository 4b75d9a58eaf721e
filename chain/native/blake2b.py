"""BLAKE2b's compression function (RFC 7693, section 3.2): the core's, or a plain one where there is no core."""

import struct

from zevm.core import replaced_by

_MASK = (1 << 64) - 1

_INITIAL = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)

_SCHEDULE = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
"""The message words of each mix, by round."""

_MIXES = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
"""The four words of each mix: columns, then diagonals."""


@replaced_by("blake2f")
def blake2f(data: bytes) -> bytes:
    """The new state, 64 bytes, of input as EIP-152 lays it out, 213 bytes with a final flag of 0 or 1."""
    rounds = int.from_bytes(data[:4], "big")
    chain = struct.unpack("<8Q", data[4:68])
    message = struct.unpack("<16Q", data[68:196])
    offsets = struct.unpack("<2Q", data[196:212])
    work = [*chain, *_INITIAL]
    work[12] ^= offsets[0]
    work[13] ^= offsets[1]
    if data[212]:
        work[14] ^= _MASK
    for number in range(rounds):
        order = _SCHEDULE[number % len(_SCHEDULE)]
        for index, places in enumerate(_MIXES):
            _mix(work, places, message[order[2 * index]], message[order[2 * index + 1]])
    return struct.pack("<8Q", *[word ^ work[index] ^ work[index + 8] for index, word in enumerate(chain)])


def _mix(work: list[int], places: tuple[int, int, int, int], first: int, second: int) -> None:
    a, b, c, d = [work[place] for place in places]
    a = (a + b + first) & _MASK
    d = _rotated(d ^ a, 32)
    c = (c + d) & _MASK
    b = _rotated(b ^ c, 24)
    a = (a + b + second) & _MASK
    d = _rotated(d ^ a, 16)
    c = (c + d) & _MASK
    b = _rotated(b ^ c, 63)
    work[places[0]], work[places[1]], work[places[2]], work[places[3]] = a, b, c, d


def _rotated(word: int, bits: int) -> int:
    return (word >> bits | word << (64 - bits)) & _MASK
