"""Bytes that arrive in parts, kept in blocks of about one size until all are there.

A bytearray that grows is moved each time, and takes up to an eighth more than its bytes: of many that grow at once, the
heap keeps the holes.
"""

BLOCK_BYTES = 16 * 1024
"""Smaller parts are put together into blocks of this size, so that parts of a byte take no object each."""


class Gathered:
    """Parts of a whole, in order. `len` is their size in bytes."""

    __slots__ = ("_blocks", "_size_bytes", "_tail")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._tail = bytearray()
        self._size_bytes = 0

    def __len__(self) -> int:
        return self._size_bytes

    def add(self, part: bytes) -> None:
        """Add a part, which is kept as the object that it is where it is as large as a block."""
        self._size_bytes += len(part)
        if len(part) < BLOCK_BYTES:
            self._tail += part
            if len(self._tail) >= BLOCK_BYTES:
                self._end_block()
            return
        self._end_block()
        self._blocks.append(part)

    def take(self) -> bytes:
        """All bytes so far, which are kept no longer."""
        self._end_block()
        blocks, self._blocks, self._size_bytes = self._blocks, [], 0
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def clear(self) -> None:
        """Drop the bytes."""
        self._blocks, self._tail, self._size_bytes = [], bytearray(), 0

    def _end_block(self) -> None:
        if self._tail:
            self._blocks.append(bytes(self._tail))
            self._tail = bytearray()
