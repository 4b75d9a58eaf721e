"""Variables by solc's storage layout: packed values, texts, arrays and structs, and layouts that are wrong."""

from typing import Any

import pytest

from zevm.analysis.storage_variables import DEPTH_LIMIT, LayoutError, Variable, variables
from zevm.storage.keccak import keccak256

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TYPES: dict[str, Any] = {
    "t_address": {"encoding": "inplace", "label": "address", "numberOfBytes": "20"},
    "t_bool": {"encoding": "inplace", "label": "bool", "numberOfBytes": "1"},
    "t_bytes4": {"encoding": "inplace", "label": "bytes4", "numberOfBytes": "4"},
    "t_int16": {"encoding": "inplace", "label": "int16", "numberOfBytes": "2"},
    "t_uint256": {"encoding": "inplace", "label": "uint256", "numberOfBytes": "32"},
    "t_uint64": {"encoding": "inplace", "label": "uint64", "numberOfBytes": "8"},
    "t_enum": {"encoding": "inplace", "label": "enum Kind", "numberOfBytes": "1"},
    "t_function": {"encoding": "inplace", "label": "function () external", "numberOfBytes": "24"},
    "t_string": {"encoding": "bytes", "label": "string", "numberOfBytes": "32"},
    "t_bytes": {"encoding": "bytes", "label": "bytes", "numberOfBytes": "32"},
    "t_mapping": {
        "encoding": "mapping", "label": "mapping(address => uint256)", "numberOfBytes": "32", "key": "t_address",
        "value": "t_uint256",
    },
    "t_list": {"encoding": "dynamic_array", "label": "uint64[]", "numberOfBytes": "32", "base": "t_uint64"},
    "t_three": {"encoding": "inplace", "label": "uint256[3]", "numberOfBytes": "96", "base": "t_uint256"},
    "t_pair": {
        "encoding": "inplace", "label": "struct C.Pair", "numberOfBytes": "64",
        "members": [
            {"label": "flag", "type": "t_bool", "slot": "0", "offset": 0},
            {"label": "amount", "type": "t_uint256", "slot": "1", "offset": 0},
        ],
    },
    "t_pairs": {"encoding": "dynamic_array", "label": "struct C.Pair[]", "numberOfBytes": "32", "base": "t_pair"},
    "t_nothing": {"encoding": "inplace", "label": "struct C.Nothing", "numberOfBytes": "32", "members": []},
    "t_long": {
        "encoding": "inplace", "label": f"nothing[{10**29}]", "numberOfBytes": "32", "base": "t_nothing",
    },
    "t_loop": {"encoding": "inplace", "label": "loop[2]", "numberOfBytes": "32", "base": "t_loop"},
}  # fmt: skip


def behind(slot: int) -> int:
    """The first slot of what is longer than a slot."""
    return int.from_bytes(keccak256(slot.to_bytes(32, "big")), "big")


def shown(kind: str, slots: dict[int, int], *, offset: int = 0, most: int = 20) -> list[tuple[str, str]]:
    layout = {"storage": [{"label": "v", "type": kind, "slot": "5", "offset": offset}], "types": TYPES}
    return [(found.name, found.value) for found in variables(layout, lambda slot: slots.get(slot, 0), most)]


@pytest.mark.parametrize(
    ("kind", "word", "offset", "value"),
    [
        ("t_uint256", 2**256 - 1, 0, str(2**256 - 1)),
        ("t_uint64", 7 << 64, 8, "7"),
        ("t_int16", 0xFFFE << 8, 1, "-2"),
        ("t_int16", 0x7FFF, 0, "32767"),
        ("t_bool", 1 << 160, 20, "true"),
        ("t_bool", 0, 20, "false"),
        ("t_bytes4", 0xDEADBEEF, 0, "0xdeadbeef"),
        ("t_enum", 3, 0, "3"),
        ("t_function", 0xABC, 0, "0xabc"),
        ("t_address", int(ALICE, 16), 0, ALICE),
        ("t_mapping", 9, 0, ""),
    ],
)  # fmt: skip
def test_values_within_a_slot(kind: str, word: int, offset: int, value: str) -> None:
    assert shown(kind, {5: word | 1 << 255 if offset == 8 else word}, offset=offset) == [("v", value)]


@pytest.mark.parametrize("text", ["", "a", "x" * 31, "x" * 32, "é" * 100])
def test_texts_short_and_long(text: str) -> None:
    data = text.encode()
    if len(data) < 32:
        slots = {5: int.from_bytes(data.ljust(32, b"\0"), "big") | 2 * len(data)}
    else:
        pieces = [data[start : start + 32].ljust(32, b"\0") for start in range(0, len(data), 32)]
        slots = {5: 2 * len(data) + 1}
        slots |= {behind(5) + index: int.from_bytes(piece, "big") for index, piece in enumerate(pieces)}
    assert shown("t_string", slots) == [("v", text)]
    assert shown("t_bytes", slots) == [("v", f"0x{data.hex()}")]


def test_a_text_that_says_it_is_endless_is_cut() -> None:
    [(_, value)] = shown("t_bytes", {5: 2**256 - 1})
    assert len(value) == 2 + 2 * 64 * 32 + 1


def test_arrays_and_structs() -> None:
    packed = 11 | 12 << 64 | 13 << 128 | 14 << 192
    slots = {5: 5, behind(5): packed, behind(5) + 1: 15}
    elements = [(f"v[{index}]", str(11 + index)) for index in range(5)]
    assert shown("t_list", slots) == [("v", "5 elements"), *elements]
    assert shown("t_list", {5: 2**255}, most=3) == [("v", f"{2**255:,} elements"), ("v[0]", "0"), ("v[1]", "0")]
    assert shown("t_three", {5: 1, 6: 2, 7: 3}) == [("v[0]", "1"), ("v[1]", "2"), ("v[2]", "3")]
    assert shown("t_pair", {5: 1, 6: 2}) == [("v.flag", "true"), ("v.amount", "2")]
    slots = {5: 2, behind(5) + 2: 1, behind(5) + 3: 44}
    assert shown("t_pairs", slots)[1:] == [
        ("v[0].flag", "false"), ("v[0].amount", "0"), ("v[1].flag", "true"), ("v[1].amount", "44"),
    ]  # fmt: skip


def test_a_row_has_its_place() -> None:
    layout = {"storage": [{"label": "v", "type": "t_bool", "slot": "5", "offset": 20}], "types": TYPES}
    assert variables(layout, lambda _: 0, 9) == [Variable("v", "bool", 5, 20, "false")]
    assert variables({"storage": [], "types": None}, lambda _: 0, 9) == []


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"storage": 7, "types": {}},
        {"storage": [{"label": "v", "type": "t_absent", "slot": "0", "offset": 0}], "types": TYPES},
        {"storage": [{"label": "v", "type": "t_bool", "slot": "x", "offset": 0}], "types": TYPES},
        {"storage": [7], "types": TYPES},
        {"storage": [{"label": "v", "type": "t_zero", "slot": "0", "offset": 0}],
         "types": {"t_zero": {"encoding": "inplace", "label": "z[2]", "base": "t_none"},
                   "t_none": {"encoding": "inplace", "label": "none", "numberOfBytes": "0"}}},
    ],
)  # fmt: skip
def test_what_is_no_layout(layout: dict[str, Any]) -> None:
    with pytest.raises(LayoutError):
        variables(layout, lambda _: 0, 9)


def test_names_within_each_other_are_cut() -> None:
    """A name of megabytes stands in front of each member within it."""
    types: dict[str, Any] = {"t0": TYPES["t_uint256"]}
    for level in range(1, DEPTH_LIMIT + 1):
        inner = {"label": "m" * 50_000, "type": f"t{level - 1}", "slot": "0", "offset": 0}
        types[f"t{level}"] = {"encoding": "inplace", "label": "s", "numberOfBytes": "32", "members": [inner]}
    storage = [{"label": "v" * 50_000, "type": f"t{DEPTH_LIMIT}", "slot": "0", "offset": 0}]
    [found] = variables({"storage": storage, "types": types}, lambda _: 7, 10)
    assert found.value == "7"
    assert len(found.name) < 200 * (DEPTH_LIMIT + 1)


def test_a_type_within_itself_ends() -> None:
    assert DEPTH_LIMIT < 100
    assert shown("t_loop", {}, most=9) == []
    assert shown("t_long", {}, most=9) == []
