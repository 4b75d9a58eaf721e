"""A write to the store in memory in the core against storage/memory.py's function in Python."""

import random

import pytest

from tests.core.support import agree, needs_core
from zevm.core import references
from zevm.storage.memory import MemoryStore, _Packed, memory_changes
from zevm.storage.store import Batch, Change

pytestmark = needs_core

SIZES = (0, 1, 32, 255, 256, 257, 700)


def random_value(rng: random.Random) -> bytes:
    """With zeros in a row somewhere, often enough of them to be left out, and rarely past the place where that ends."""
    start = rng.choice((0, 1, 33, 300, 65_279, 65_280, 65_281, 66_000) if rng.random() < 0.05 else (0, 1, 300))
    return b"\x01" * start + bytes(rng.choice(SIZES)) + b"\x02" * rng.choice(SIZES)


def test_the_function_in_use_is_the_cores() -> None:
    assert memory_changes is not references["memory_changes"]


@pytest.mark.parametrize("seed", range(4))
def test_random_batches_make_the_same_changes(seed: int) -> None:
    rng = random.Random(seed)
    data: dict[bytes, bytes | None] = {}
    seen = set()
    for _ in range(300):
        keys = [rng.randbytes(1) for _ in range(rng.randrange(12))]
        operations: list[Change] = [(key, None if rng.random() < 0.3 else random_value(rng)) for key in keys]
        written, replaced, added, gone = agree("memory_changes", data, operations, _Packed)
        wanted = references["memory_changes"](data, operations, _Packed)
        assert [*map(list, (written, replaced))] == [*map(list, wanted[:2])]
        assert [*map(type, written.values())] == [*map(type, wanted[0].values())]
        assert all(replaced[key] is data.get(key) for key in written)
        seen |= {(key in data, value is None, type(value) is _Packed) for key, value in written.items()}
        data.update(written)
        for key in gone:
            del data[key]
        assert not {*added} & {*gone}
    assert len(seen) == 6


def test_unusual_batches_are_the_references() -> None:
    usual: Change = (b"key", b"value")
    for data, operations in (
        ({b"key": b"old"}, (usual,)),
        ({}, [(b"key", b"value", b"more")]),
        ({}, [("key", b"value")]),
        ({}, [(b"key", "value")]),
        ({}, [(b"key", "value" * 100)]),
        ({}, [(b"key", 3)]),
        ({}, 3),
        ([], [usual]),
        ({}, [[b"key", b"value"], usual]),
    ):
        agree("memory_changes", data, operations, _Packed)


def test_a_packed_value_is_read_whole() -> None:
    store, batch = MemoryStore(), Batch()
    value = b"\x01" * 300 + bytes(256) + b"\x01" * 50
    batch.put(b"key", value)
    store.write(batch)
    assert type(store._data[b"key"]) is _Packed
    assert store.get(b"key") == value
