"""Bodies that come in parts are whole, and take little more memory than their bytes."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from zevm.rpc.memory.gathered import BLOCK_BYTES, Gathered

SIZES = st.sampled_from((0, 1, 2, 1_200, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES))


@given(st.lists(SIZES, max_size=12), st.integers(0, 12))
def test_parts_of_any_size_are_one_whole(sizes: list[int], taken_after: int) -> None:
    gathered, expected = Gathered(), b""
    for index, size in enumerate(sizes):
        if index == taken_after:
            assert gathered.take() == expected
            expected = b""
        part = bytes([index]) * size
        gathered.add(part)
        expected += part
        assert len(gathered) == len(expected)
    assert gathered.take() == expected
    assert (len(gathered), gathered.take()) == (0, b"")
    gathered.add(b"more")
    gathered.clear()
    gathered.add(b"last")
    assert (len(gathered), gathered.take()) == (4, b"last")


def held_bytes(part_bytes: int, count: int) -> int:
    """The memory of some bodies of 256 KiB that come at once, a part of each in turn."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        bodies = [Gathered() for _ in range(count)]
        for _ in range(256 * 1024 // part_bytes):
            for body in bodies:
                body.add(bytes(part_bytes))
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_what_is_held_takes_little_more_than_its_bytes() -> None:
    for part_bytes in (64, 1_024, BLOCK_BYTES // 2, BLOCK_BYTES, 4 * BLOCK_BYTES):
        assert held_bytes(part_bytes, 16) < 16 * 256 * 1024 * 1.02, part_bytes
