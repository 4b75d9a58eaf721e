"""Keccak-256 of the core against pysha3, on every level of the processor; and blooms."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType

import pytest
import sha3

from tests.core.support import agree, needs_core
from zevm.chain.types import Log, logs_bloom
from zevm.core import CORE, references

pytestmark = needs_core

LEVELS = ("baseline", "x86_64_v3", "x86_64_v4")
EDGES = [size + difference for size in (136, 272, 1_360, 65_536, 139_264) for difference in (-2, -1, 0, 1)]


@pytest.fixture(params=LEVELS)
def library(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    assert CORE.library is not None
    best = CORE.library.kernel()
    try:
        CORE.library.use_kernel(request.param)
    except CORE.library.RefusedError:
        pytest.skip(f"this processor has no {request.param}")
    yield CORE.library
    CORE.library.use_kernel(best)


def test_messages_of_every_length_have_pysha3s_digest(library: ModuleType) -> None:
    text = random.Random(1).randbytes(max(EDGES))
    for size in [*range(701), *EDGES]:
        assert library.keccak256(text[:size]) == sha3.keccak_256(text[:size]).digest(), size


def test_many_messages_of_mixed_lengths_have_the_digests_of_each(library: ModuleType) -> None:
    rng = random.Random(2)
    for count in (0, 1, 2, 3, 4, 5, 8, 9, 17, 400):
        messages = [rng.randbytes(rng.choice((0, 20, 32, 135, 136, 137, 532, 2_000))) for _ in range(count)]
        assert library.keccak_many(messages) == [sha3.keccak_256(message).digest() for message in messages]


def test_what_holds_bytes_is_hashed_and_other_things_are_a_type_error(library: ModuleType) -> None:
    for kind in (bytearray, memoryview):
        assert library.keccak256(kind(b"abc")) == sha3.keccak_256(b"abc").digest()
    for wrong in ("abc", None, 3, [1]):
        with pytest.raises(TypeError):
            library.keccak256(wrong)
    with pytest.raises(library.RefusedError):
        library.keccak_many([b"", "abc"])


def test_what_has_no_bytes_is_the_references_error() -> None:
    for wrong in ("abc", None, 3, [1], (), object(), memoryview(bytearray(10))[::2]):
        assert isinstance(agree("keccak256", wrong), tuple)


@pytest.mark.lengthy
def test_what_other_threads_change_meanwhile_does_no_harm(library: ModuleType) -> None:
    """The interpreter's lock is free while much is hashed: lists are emptied then, and buffers written to."""
    messages = [bytes((index,)) * 70_000 for index in range(8)]
    wanted = [sha3.keccak_256(message).digest() for message in messages]
    buffer, listed, stop = bytearray(1 << 20), [], threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            listed.clear()
            buffer[0] = (buffer[0] + 1) & 0xFF
            with suppress(BufferError):
                buffer.extend(b"x")
                del buffer[-1:]

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(30):
            listed[:] = [bytes((index,)) * 70_000 for index in range(8)]
            assert library.keccak_many(listed) in (wanted, [])
            assert len(library.keccak256(buffer)) == 32
    finally:
        stop.set()
        thread.join()


def test_blooms_are_those_of_the_receipts() -> None:
    rng = random.Random(3)
    for topics in range(5):
        log = Log(rng.randbytes(20), tuple(rng.randbytes(32) for _ in range(topics)), b"")
        agree("bloom", [log.address, *log.topics])
        assert logs_bloom([log]) == references["bloom"]([log.address, *log.topics])
    agree("bloom", [])
    agree("bloom", [rng.randbytes(32) for _ in range(3_000)])
    agree("bloom", [b"", 3])
