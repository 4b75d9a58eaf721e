"""Block rewards before Paris: to the miners of the block and of its uncles (Yellow Paper 11.3)."""

from collections.abc import Sequence
from typing import NamedTuple

from zevm.chain.rules.forks import Fork
from zevm.chain.rules.units import ETHER
from zevm.chain.types import Header

_BASE_WEI = (
    (Fork.PARIS, 0),
    (Fork.CONSTANTINOPLE, 2 * ETHER),
    (Fork.BYZANTIUM, 3 * ETHER),
    (Fork.FRONTIER, 5 * ETHER),
)


class BlockRewards(NamedTuple):
    """author_wei: to the coinbase, with its share for each uncle. uncles_wei: to each uncle's coinbase, in order."""

    author_wei: int
    uncles_wei: tuple[int, ...]


def block_rewards(fork: Fork, number: int, uncles: Sequence[Header]) -> BlockRewards:
    """The rewards of a block of this height; nothing from Paris on."""
    base = next(amount for since, amount in _BASE_WEI if fork >= since)
    to_uncles = tuple((8 + uncle.number - number) * base // 8 for uncle in uncles)
    return BlockRewards(base + len(uncles) * base // 32, to_uncles)
