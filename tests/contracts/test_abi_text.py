"""Solidity's types in text: signatures, arguments, results."""

import pytest
from eth_abi import encode

from zevm.contracts.abi_text import Signature, decode_results, encode_arguments, parse_signature, split_types
from zevm.contracts.errors import AbiTextError

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("get()", Signature("get", (), None)),
        ("get()()", Signature("get", (), ())),
        ("balanceOf(address)(uint)", Signature("balanceOf", ("address",), ("uint256",))),
        ("f( uint , (bool,bytes4)[2] )(int)", Signature("f", ("uint256", "(bool,bytes4)[2]"), ("int256",))),
        (
            "f((uint256,(string,bytes))[],address[3][])",
            Signature("f", ("(uint256,(string,bytes))[]", "address[3][]"), None),
        ),
    ],
)
def test_signatures(text: str, signature: Signature) -> None:
    assert parse_signature(text) == signature


def test_the_canonical_form_is_what_the_selector_is_made_of() -> None:
    assert parse_signature("f(uint, bool[])(int)").canonical == "f(uint256,bool[])"


@pytest.mark.parametrize("text", ["", "get", "(uint256)", "get(", "get())", "get()x()", "get()()()", "f(uin)", "f(,)"])
def test_what_is_no_signature(text: str) -> None:
    with pytest.raises(AbiTextError):
        parse_signature(text)


@pytest.mark.parametrize(
    "text", ["f({})".format("(" * 2_000 + "uint" + ")" * 2_000), "f(uint{})".format("[1]" * 2_000)]
)
def test_types_nest_within_bounds(text: str) -> None:
    with pytest.raises(AbiTextError, match="nest deeper than 32 levels"):
        parse_signature(text)
    assert parse_signature(f"f(uint{'[1]' * 16},{'(' * 30}uint{')' * 30})").inputs


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("uint256", "0x10", 16),
        ("int8", "-5", -5),
        ("uint256", "1_000", 1_000),
        ("bool", "TRUE", True),
        ("address", ALICE, ALICE),
        ("bytes4", "0x01020304", b"\1\2\3\4"),
        ("bytes", "0x", b""),
        ("string", "a, b", "a, b"),
        ("string", '"quoted"', "quoted"),
        ("string[]", '["a, b", c]', ["a, b", " c"]),
        ("uint8[]", "[]", []),
        ("uint8[2][]", "[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("(uint8,(bool,bytes)[])", "(1, [(true, 0x05), (false, 0x)])", (1, [(True, b"\5"), (False, b"")])),
    ],
)
def test_arguments(kind: str, text: str, value: object) -> None:
    assert encode_arguments([kind], [text]) == encode([kind], [value])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("uint8", "256"),
        ("uint8", "-1"),
        ("uint8", "1.5"),
        ("bool", "yes"),
        ("address", "0x12"),
        ("bytes2", "0x010203"),
        ("bytes", "0x0"),
        ("uint8[2]", "[1]"),
        ("uint8[]", "1,2"),
        ("(uint8,bool)", "(1)"),
        ("(uint8,bool)", "[1,true]"),
    ],
)
def test_arguments_that_do_not_fit(kind: str, text: str) -> None:
    with pytest.raises(AbiTextError):
        encode_arguments([kind], [text])


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("address", "-1", "-1: not an address"),
        ("int8", "x", "x: not an int8"),
        ("uint8", "x", "x: not a uint8"),
        ("uint8[]", "1,2", "1,2: not a uint8[]; write it in []"),
        ("address[]", "1", "1: not an address[]; write it in []"),
        ("address", "0x12", "0x12: not an address (0x and 40 hex digits)"),
        ("uint8", "256", "256: not a uint8 (0 to 255)"),
        ("int8[]", "[1,-129]", "-129: not an int8 (-128 to 127)"),
        ("uint256", "-1", "-1: not a uint256 (0 to 2^256-1)"),
        ("int256", hex(1 << 255), f"{1 << 255:#x}: not an int256 (-2^255 to 2^255-1)"),
        ("bytes2", "0x010203", "0x010203: not a bytes2, it has 3 bytes"),
        ("uint8[2]", "[1]", "[1]: 1 value for uint8[2]"),
        ("(bool,uint8[1])[]", "[(true,[1,2])]", "[1,2]: 2 values for uint8[1]"),
    ],
)
def test_what_a_refusal_says(kind: str, text: str, told: str) -> None:
    with pytest.raises(AbiTextError) as refused:
        encode_arguments([kind], [text])
    assert str(refused.value) == told


def test_results() -> None:
    kinds = ["address", "bytes", "bool", "string", "(int8,uint8[])[]"]
    data = encode(kinds, [ALICE, b"\1", True, "text", [(-1, [1, 2])]])
    assert decode_results(kinds, data) == [ALICE, "0x01", "true", "text", "[(-1, [1, 2])]"]
    with pytest.raises(AbiTextError, match="0x01 is not"):
        decode_results(["uint256"], b"\1")


def test_strings_among_others_are_in_quotes_and_can_be_given_back() -> None:
    kinds = ["string", "string[]", "(string,(string[2],bytes))"]
    data = encode(kinds, ["a, b", ["a, b", ""], ("c)", (["[", "]"], b"d"))])
    shown = decode_results(kinds, data)
    assert shown == ["a, b", '["a, b", ""]', '("c)", (["[", "]"], 0x64))']
    assert encode_arguments(kinds, shown) == data
    assert decode_results(kinds, data, quoted=True) == ['"a, b"', *shown[1:]]


def test_types_of_a_list() -> None:
    assert split_types("") == ()
    assert split_types("uint, (bool,address)[]") == ("uint256", "(bool,address)[]")
