"""The end of proof of work, which consensus clients from before 2024 compare with their own at every poll.

Source: execution-apis, src/engine/paris.md, engine_exchangeTransitionConfigurationV1.
"""

import logging
from dataclasses import dataclass

from zevm.storage.primitives import ZERO_HASH, Hash32

LOGGER = logging.getLogger("zevm.chain.engine")
UNDECIDED_DIFFICULTY = 2**256 - 2**10
"""By the specification, the total difficulty of a chain for which none is decided."""


@dataclass(frozen=True, slots=True)
class TransitionConfiguration:
    """TransitionConfigurationV1: where proof of work ends; 32 zero bytes if no block is named."""

    total_difficulty: int
    block_hash: Hash32 = ZERO_HASH
    block_number: int = 0


class TransitionCheck:
    """This chain's configuration, and a warning in the log if the consensus client has another."""

    def __init__(self, total_difficulty: int | None) -> None:
        """total_difficulty: of the genesis; None if it has none."""
        decided = UNDECIDED_DIFFICULTY if total_difficulty is None else total_difficulty
        self.own = TransitionConfiguration(decided)
        self._told: TransitionConfiguration | None = None

    def compare(self, theirs: TransitionConfiguration) -> TransitionConfiguration:
        """This chain's configuration; a difference is logged once. The block number is not compared."""
        differs = (theirs.total_difficulty, theirs.block_hash) != (self.own.total_difficulty, self.own.block_hash)
        if differs and theirs != self._told:
            LOGGER.warning(
                "the consensus client has another end of proof of work: terminal total difficulty %d and block 0x%s, "
                "here %d and 0x%s; give both the same genesis",
                theirs.total_difficulty,
                theirs.block_hash.hex(),
                self.own.total_difficulty,
                self.own.block_hash.hex(),
            )
        self._told = theirs if differs else None
        return self.own
