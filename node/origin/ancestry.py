"""Hashes of the blocks not far below the forked one, which follow from it: each header names its parent's."""

import threading
from collections.abc import Callable, Iterable

from zevm.chain.types import Header
from zevm.storage.primitives import Hash32

LINKED_BLOCKS = 256
"""Blocks below the forked one whose hashes follow from it: those that BLOCKHASH may ask for."""


class Ancestry:
    """Hash by number, from the forked block down as far as it was read. Any thread may call.

    read: the header of a block, by number and hash, and of those below it, this many in all; each has the hash that the
    one above names.
    """

    def __init__(self, header: Header, read: Callable[[int, Hash32, int], Iterable[Header]]) -> None:
        self._read = read
        self._hashes: dict[int, Hash32] = {header.number: header.hash, header.number - 1: header.parent_hash}
        self._lowest = header.number - 1
        self._reading = threading.Lock()

    def known(self, number: int) -> Hash32 | None:
        """The hash of a block, where it was read."""
        return self._hashes.get(number)

    def hash_of(self, number: int) -> Hash32:
        """The hash of a block of at most LINKED_BLOCKS below the fork."""
        known = self._hashes.get(number)
        if known is not None:
            return known
        # who comes while others read needs what they read
        with self._reading:
            if self._lowest > number:
                lowest = self._lowest
                for header in self._read(lowest, self._hashes[lowest], lowest - number):
                    self._hashes[header.number - 1] = header.parent_hash
                    self._lowest = header.number - 1
            return self._hashes[number]
