"""The engine's memory: payloads whose parent is missing, and invalid blocks. Not on disk.

Both are bounded. Invalid blocks are never written down: a later version of the node may judge otherwise.
"""

from collections import OrderedDict
from collections.abc import Iterable

from zevm.chain.types import Block, Header
from zevm.storage.primitives import Hash32

WAITING_BLOCKS = 96
WAITING_BYTES = 64 * 1024 * 1024
INVALID_TIPS = 512
INVALID_HITS = 128
"""An invalid block that was asked for so often is tried once more."""


class WaitingBlocks:
    """Payloads that no known block is the parent of, by hash; the oldest give way."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[bytes, tuple[Block, int]] = OrderedDict()
        self._bytes = 0

    def add(self, block: Block) -> None:
        """Keep a block."""
        self.remove([block.hash])
        size = block.size
        self._blocks[block.hash] = block, size
        self._bytes += size
        while len(self._blocks) > WAITING_BLOCKS or self._bytes > WAITING_BYTES:
            self.remove([next(iter(self._blocks))])

    def get(self, block_hash: Hash32) -> Block | None:
        """A kept block."""
        entry = self._blocks.get(block_hash)
        return None if entry is None else entry[0]

    def missing_for(self, block: Block) -> Hash32:
        """The hash of the nearest ancestor that is not kept."""
        parent: Block | None = block
        while parent is not None:
            missing = parent.header.parent_hash
            parent = self.get(missing)
        return missing

    def remove(self, hashes: Iterable[bytes]) -> None:
        """Forget blocks."""
        for block_hash in hashes:
            entry = self._blocks.pop(block_hash, None)
            self._bytes -= 0 if entry is None else entry[1]


class InvalidBlocks:
    """Tips of invalid chains, each with the block that made it so."""

    def __init__(self) -> None:
        self._tips: OrderedDict[bytes, Header] = OrderedDict()
        self._hits: dict[bytes, int] = {}

    def add(self, header: Header) -> None:
        """Remember an invalid block."""
        self._hits[header.hash] = 1
        self._put(header.hash, header)

    def culprit(self, block_hash: Hash32) -> Header | None:
        """The invalid block that is `block_hash` or an ancestor of it; None where none is known.

        One requested too often is forgotten, so that it is validated again.
        """
        culprit = self._tips.get(block_hash)
        if culprit is None:
            return None
        hits = self._hits.get(culprit.hash, 0) + 1
        if hits >= INVALID_HITS:
            self._hits.pop(culprit.hash, None)
            self._tips = OrderedDict((tip, bad) for tip, bad in self._tips.items() if bad.hash != culprit.hash)
            return None
        self._hits[culprit.hash] = hits
        return culprit

    def extend(self, block_hash: Hash32, culprit: Header) -> None:
        """Remember that a block descends from an invalid one."""
        self._put(block_hash, culprit)

    def _put(self, block_hash: Hash32, culprit: Header) -> None:
        self._tips[block_hash] = culprit
        while len(self._tips) > INVALID_TIPS:
            _, dropped = self._tips.popitem(last=False)
            if all(bad.hash != dropped.hash for bad in self._tips.values()):
                self._hits.pop(dropped.hash, None)
