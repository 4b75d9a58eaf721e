"""Proof-of-work difficulty before the merge (Yellow Paper 4.4.4; EIP-2, 100, 649, 1234, 2384, 3554, 4345, 5133)."""

from zevm.chain.rules.forks import Fork
from zevm.chain.types import EMPTY_UNCLES_HASH, Header

MINIMUM_DIFFICULTY = 131_072
_BOMB_DELAYS = (
    (Fork.GRAY_GLACIER, 11_400_000),
    (Fork.ARROW_GLACIER, 10_700_000),
    (Fork.LONDON, 9_700_000),
    (Fork.MUIR_GLACIER, 9_000_000),
    (Fork.CONSTANTINOPLE, 5_000_000),
    (Fork.BYZANTIUM, 3_000_000),
    (Fork.FRONTIER, 0),
)


_DIFFICULTY_BITS = 256


def next_difficulty(parent: Header, timestamp: int, fork: Fork) -> int:
    """The difficulty of the block after `parent`; 0 from the merge on."""
    if fork >= Fork.PARIS:
        return 0
    step = parent.difficulty // 2048
    elapsed = timestamp - parent.timestamp
    if fork >= Fork.BYZANTIUM:
        uncles = 1 if parent.uncles_hash == EMPTY_UNCLES_HASH else 2
        change = step * max(uncles - elapsed // 9, -99)
    elif fork >= Fork.HOMESTEAD:
        change = step * max(1 - elapsed // 10, -99)
    else:
        change = step if elapsed < 13 else -step
    difficulty = max(parent.difficulty + change, MINIMUM_DIFFICULTY)
    delay = next(delay for since, delay in _BOMB_DELAYS if fork >= since)
    # the bomb counts from the parent's number from Byzantium on, so that the delays are round
    fake_number = max(0, parent.number + 1 - delay) if delay else parent.number + 1
    period = fake_number // 100_000
    if period > 1:
        # beyond 256 bits no block is possible any more, and a far number would make an integer that fills the memory
        difficulty += 1 << min(period - 2, _DIFFICULTY_BITS)
    return max(difficulty, MINIMUM_DIFFICULTY)
