"""Values of ABI-encoded data: eth_abi's, within a budget; and as text, in which nothing commands a terminal."""

import time
from typing import Any

import pytest
from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.analysis.abi_values import UndecodableError, decode_values, show_number, show_text, show_values

NAMED = {b"\x11" * 20: "Token"}.get


@pytest.mark.parametrize(
    ("types", "values"),
    [
        (["uint256", "int8", "bool"], [2**256 - 1, -5, True]),
        (["string", "bytes", "bytes4"], ["hällo", b"\x01\x02", b"abcd"]),
        (["uint256[]", "uint8[2]", "(uint256,string)[]"], [[1, 2], [3, 4], [[5, "a"], [6, "b"]]]),
        (["(uint256,(bool,bytes)[2])"], [[1, [[True, b"x"], [False, b""]]]]),
        (["string[2][]"], [[["a", "b"], ["c", "d"]]]),
        ([], []),
    ],
)
def test_values_are_eth_abi_s(types: list[str], values: list[Any]) -> None:
    assert decode_values(types, encode(types, values)) == values


def test_an_address_is_its_bytes() -> None:
    assert decode_values(["address"], encode(["address"], ["0x" + "11" * 20])) == [b"\x11" * 20]


@pytest.mark.parametrize(
    ("types", "data"),
    [
        (["uint256"], b""),
        (["uint256[]"], (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big")),
        (["bytes"], (2**200).to_bytes(32, "big")),
        (["()[]"], (32).to_bytes(32, "big") + (2**40).to_bytes(32, "big")),
        (["uint256[10000000]"], bytes(64)),
        (["nonsense("], b""),
    ],
)
def test_what_does_not_fit_is_refused(types: list[str], data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode_values(types, data)


def test_items_that_share_their_data_do_not_multiply() -> None:
    level = b"".join((32 * 60).to_bytes(32, "big") for _ in range(60))
    data = (32).to_bytes(32, "big") + ((60).to_bytes(32, "big") + level) * 6
    started = time.thread_time()
    with pytest.raises(UndecodableError):
        decode_values(["uint256[][][][][][]"], data)
    assert time.thread_time() - started < 2


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    types = ["(string,uint256[])[]", "bytes", "address"]
    try:
        values = decode_values(types, data)
    except UndecodableError:
        with pytest.raises((DecodingError, OverflowError)):
            decode(types, data)
        return
    assert [type(value) for value in values] == [list, bytes, bytes]
    assert all(isinstance(text, str) and all(isinstance(n, int) for n in numbers) for text, numbers in values[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1000 [1e3]"),
        (10**18, "1000000000000000000 [1e18]"),
        (1234 * 10**6, "1234000000 [1.234e9]"),
        (-(10**6), "-1000000 [-1e6]"),
        (123456, "123456"),
    ],
)
def test_numbers_have_their_power_of_ten(value: int, text: str) -> None:
    assert show_number(value) == text


def test_text_commands_no_terminal() -> None:
    assert show_text('a"\x1b[2J\n\u202e') == '"a\\"\\x1b[2J\\n\\u202e"'


def test_values_as_text() -> None:
    types = ["address", "(uint256,string)[]", "bytes", "bool"]
    values = [b"\x11" * 20, [[5, "a"]], b"\xaa" * 200, True]
    address, structs, data, flag = show_values(types, values, NAMED)
    assert address == "Token: [0x1111111111111111111111111111111111111111]"
    assert (structs, flag) == ('[(5, "a")]', "true")
    assert data == f"0x{'aa' * 128}... (200 bytes)"
