"""RLP against the reference library, well-formed and malformed."""

import pytest
import rlp as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.storage import rlp

STRINGS = st.binary(max_size=4) | st.binary(min_size=50, max_size=60) | st.binary(min_size=250, max_size=300)
ITEMS = st.recursive(STRINGS, lambda children: st.lists(children, max_size=20), max_leaves=40)


def reference_decode(data: bytes):
    try:
        return reference.decode(data)
    except reference.DecodingError:
        return None


def our_decode(data: bytes):
    try:
        return rlp.decode(data)
    except rlp.RlpError:
        return None


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**64, 2**256 - 1, 2**440, 2**448, 2**3000])
def test_an_integers_string_equals_the_reference(value: int) -> None:
    assert rlp.encode_uint(value) == reference.encode(value) == rlp.encode_bytes(rlp.encode_int(value))


def test_a_negative_integer_has_no_encoding() -> None:
    with pytest.raises(OverflowError):
        rlp.encode_uint(-1)


@pytest.mark.parametrize("size", [0, 55, 56, 255, 256, 1023, 1024, 65_535, 65_536])
def test_a_list_of_any_size_equals_the_reference(size: int) -> None:
    assert rlp.wrap_list(b"\x01" * size) == reference.encode([b"\x01"] * size)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ITEMS)
def test_encoding_equals_the_reference_and_decodes_back(item) -> None:
    data = rlp.encode(item)
    assert data == reference.encode(item)
    assert rlp.decode(data) == item
    if isinstance(item, bytes):
        assert rlp.encode_bytes(item) == data
        with pytest.raises(rlp.RlpError, match="expected input list"):
            rlp.split_list(data)
    else:
        assert rlp.wrap_list(b"".join(rlp.split_list(data))) == data
        assert [rlp.decode(part) for part in rlp.split_list(data)] == item


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 57, 255, 256, 257, 65535, 65536])
def test_sizes_at_the_borders(size: int) -> None:
    text = b"\x81" * size
    assert rlp.encode(text) == reference.encode(text)
    assert rlp.decode(reference.encode(text)) == text
    items = [b"\x01"] * size
    assert rlp.encode(items) == reference.encode(items)
    assert rlp.decode(reference.encode(items)) == items


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=70))
def test_random_bytes_are_judged_as_by_the_reference(data: bytes) -> None:
    assert our_decode(data) == reference_decode(data)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(ITEMS, st.data())
def test_damaged_encodings_are_judged_as_by_the_reference(item: rlp.Item, data: st.DataObject) -> None:
    raw = bytearray(reference.encode(item))
    kind = data.draw(st.sampled_from(["flip", "cut", "extend", "header"]))
    position = data.draw(st.integers(0, len(raw) - 1))
    if kind == "flip":
        raw[position] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[position:]
    elif kind == "extend":
        raw += data.draw(st.binary(min_size=1, max_size=3))
    else:
        raw[position] = data.draw(st.sampled_from([0x80, 0x81, 0xB7, 0xB8, 0xB9, 0xBF, 0xC0, 0xF7, 0xF8, 0xFF]))
    assert our_decode(bytes(raw)) == reference_decode(bytes(raw))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "value size exceeds available input length"),
        ("8100", "non-canonical size information"),
        ("817f", "non-canonical size information"),
        ("b800", "non-canonical size information"),
        ("b837" + "00" * 55, "non-canonical size information"),
        ("b90038" + "00" * 56, "non-canonical size information"),
        ("f837" + "00" * 55, "non-canonical size information"),
        ("8201", "value size exceeds available input length"),
        ("c201", "value size exceeds available input length"),
        ("c28301", "value size exceeds available input length"),
        ("bfffffffffffffffff", "value size exceeds available input length"),
        ("8080", "more than one value"),
        ("c080", "more than one value"),
    ],
)
def test_malformed_bytes_are_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(rlp.RlpError, match=message):
        rlp.decode(bytes.fromhex(data))


def nested(depth: int):
    data = b"\xc0"
    for _ in range(depth):
        data = rlp.wrap_list(data)
    return data


def test_deep_nesting_is_bounded() -> None:
    rlp.decode(nested(63))
    with pytest.raises(rlp.RlpError, match="nested too deeply"):
        rlp.decode(nested(64))
    with pytest.raises(rlp.RlpError, match="nested too deeply"):
        rlp.decode(nested(20_000))


@given(st.integers(0, 2**260))
def test_integers(value: int) -> None:
    data = rlp.encode_int(value)
    assert rlp.encode_bytes(data) == reference.encode(value)
    assert rlp.decode_int(data) == value


def test_integers_are_refused_in_other_shapes() -> None:
    with pytest.raises(rlp.RlpError, match="leading zero"):
        rlp.decode_int(b"\x00\x01")
    with pytest.raises(rlp.RlpError, match="leading zero"):
        rlp.decode_int(b"\x00")
    with pytest.raises(rlp.RlpError, match="expected input string"):
        rlp.decode_int([])
    with pytest.raises(rlp.RlpError, match="expected input list"):
        rlp.decode_list(b"\x01")
    assert rlp.decode_list(b"\xc1\x01") == [b"\x01"]


def test_split_list_checks_its_bounds() -> None:
    for data in ("c20102ff", "c1", "c281", "c3820100ff", "01", ""):
        with pytest.raises(rlp.RlpError):
            rlp.split_list(bytes.fromhex(data))
