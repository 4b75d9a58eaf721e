"""RLP of the core against storage/rlp.py: the same bytes, the same items, the same errors."""

import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.support import agree, needs_core
from zevm.core import CORE, references
from zevm.storage.rlp import RlpError, wrap_list

pytestmark = needs_core

SIZES = (0, 1, 2, 54, 55, 56, 57, 254, 255, 256, 257, 65_535, 65_536)
STRINGS = st.binary(max_size=60) | st.sampled_from(SIZES).map(bytes) | st.binary(min_size=1, max_size=1)
ITEMS = st.recursive(STRINGS, lambda inner: st.lists(inner, max_size=6) | st.lists(inner, max_size=6).map(tuple))


def malformed(data: bytes) -> None:
    """Both read the bytes alike, whole and as a list of items."""
    agree("rlp_decode", data)
    agree("rlp_split", data)


@pytest.mark.lengthy
@given(ITEMS)
@settings(max_examples=100, deadline=None)
def test_items_of_every_shape(item: Any) -> None:
    data = agree("rlp_encode", item)
    agree("rlp_decode", data)
    agree("rlp_split", data)


def test_strings_and_lists_of_every_size_of_a_header() -> None:
    for size in [*range(300), *SIZES]:
        for item in (bytes(size), b"\xff" * size, [b""] * size, [bytes(size)]):
            malformed(agree("rlp_encode", item))


@pytest.mark.lengthy
def test_every_two_bytes_and_every_prefix_before_bytes_of_each_kind() -> None:
    for first in range(256):
        for second in range(256):
            malformed(bytes((first, second)))
        for rest in (
            b"",
            b"\x00" * 60,
            b"\x7f" * 300,
            b"\x80" * 70,
            b"\x00\x38" + bytes(56),
            b"\x38" + bytes(56),
            b"\xff" * 9,
        ):
            malformed(bytes((first,)) + rest)
            malformed(b"\xc0" + bytes((first,)) + rest)
            malformed(bytes((0xC0 + min(55, 1 + len(rest)), first)) + rest)


def test_every_cut_and_every_flip_of_nested_lists() -> None:
    rng = random.Random(5)
    whole = references["rlp_encode"]([b"\x01", [b"a" * 70, [b"", b"\x80"]], b"b" * 20, [[[b"\x00"]]], b"c" * 60])
    for place in range(len(whole)):
        malformed(whole[:place])
        for bit in range(8):
            malformed(whole[:place] + bytes((whole[place] ^ 1 << bit,)) + whole[place + 1 :])
        malformed(whole[:place] + rng.randbytes(1) + whole[place:])


def test_depth_is_bounded_alike() -> None:
    data = b"\xc0"
    for depth in range(1, 90):
        for limit in (0, 1, 63, 64, 300):
            agree("rlp_decode", data, limit)
        agree("rlp_decode", data)
        data = references["rlp_encode"]([references["rlp_decode"](data, 400)]) if depth < 88 else data
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    agree("rlp_encode", deep)


@pytest.mark.lengthy
def test_what_is_no_item_is_the_references_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for wrong in (None, 3, "text", [b"", None], {b"a": b"b"}, [[[3]]]):
        agree("rlp_encode", wrong)
    for wrong in (None, 3, "text"):
        agree("rlp_decode", wrong)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2_000)  # another test's node may have raised it
    try:
        assert agree("rlp_encode", circle)[0] is RecursionError
    finally:
        sys.setrecursionlimit(limit)
    assert agree("rlp_decode", b"\x81\x01") == (RlpError, "rlp: non-canonical size information")
    assert CORE.library.rlp_decode(b"\x83abc", max_depth=1) == b"abc"


def test_random_bytes_are_read_alike() -> None:
    rng = random.Random(7)
    for _ in range(8_000):
        malformed(bytes((rng.choice((0xC1, 0xC4, 0xC9, 0xF8, 0xB8, 0x84)),)) + rng.randbytes(rng.randint(0, 12)))


def test_items_of_a_table_are_replaced_alike() -> None:
    rng, changed = random.Random(3), 0
    items = [b"\x80", b"\x05", b"\xc0", b"\xc1\x01", b"\xa0" + bytes(32), b"\xb8\x40" + bytes(64)]
    for _ in range(500):
        table = {item: rng.choice((b"\xc1\x07", b"", bytes(70))) for item in rng.sample(items, 3)}
        data = references["rlp_encode"]([]) if rng.random() < 0.1 else wrap_list(b"".join(rng.choices(items, k=6)))
        changed += agree("items_replaced", data, table) != data
        agree("items_replaced", data + b"\0", table)
        agree("items_replaced", data[:-1], table)
    assert changed > 300
    for unusual in ((b"", {}), (b"\x80", {}), (None, {}), (b"\xc1\x80", {b"\x80": 3}), (b"\xc1\x80", ())):
        agree("items_replaced", *unusual)
