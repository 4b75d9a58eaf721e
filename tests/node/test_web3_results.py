"""The quick treatment of answers that web3.py uses in the plugin: results and errors are those of its own."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import pytest
from eth_utils.abi import abi_to_signature
from hexbytes import HexBytes
from web3._utils import method_formatters
from web3.datastructures import AttributeDict, MutableAttributeDict, ReadableAttributeDict

from zevm.node.testing.web3_results import of_plain, of_text, of_texts, signature_of_plain

ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
HASH = "0x" + "1f" * 32
ORIGINAL = ReadableAttributeDict.__dict__["recursive"]
"""web3.py's own, unless a session of the plugin has replaced it in this process."""


def outcome(function: Callable[[], Any]) -> Any:
    """A result with its types, or the kind and the text of an error."""
    try:
        return described(function())
    except Exception as error:
        return type(error), str(error)


def described(value: Any) -> Any:
    if isinstance(value, dict | ReadableAttributeDict):
        return type(value), [(key, described(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [described(item) for item in value]
    return type(value), value


class Kind(dict[str, Any]):
    """A dictionary of a kind of its own."""


VALUES: list[Any] = [
    None,
    5,
    "text",
    HexBytes("0x01"),
    b"\x01",
    {},
    [],
    {"a": 1, "b": {"c": [1, {"d": None}]}, "e": []},
    [{"a": 1}, [{"b": HexBytes("0x02")}], "c"],
    ({"a": 1}, 2),
    {1, 2},
    {"set": {3}},
    Kind(a={"b": 1}),
    {"a": Kind(b=1)},
    AttributeDict({"a": {"b": 1}}),
    {"a": AttributeDict({"b": [1]})},
    MappingProxyType({"a": {"b": 1}}),
    range(3),
    bytearray(b"\x01"),
    {"a": object},
]


@pytest.mark.parametrize("kind", [AttributeDict, MutableAttributeDict])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_answers_become_what_web3_makes_of_them(kind: Any, value: Any) -> None:
    quick = of_plain(kind.recursive).__func__
    before = described(value)
    assert outcome(lambda: quick(kind, value)) == outcome(lambda: ORIGINAL.__func__(kind, value))
    assert described(value) == before
    if type(value) in (dict, list):
        assert quick(kind, value) is not value


@pytest.mark.parametrize("table", ["RECEIPT_FORMATTERS", "LOG_ENTRY_FORMATTERS"])
@pytest.mark.parametrize("value", [HASH, ADDRESS, ADDRESS.upper(), "0x", "0x1", "", None, 5, HexBytes(HASH), [], "zz"])
def test_a_text_is_formatted_as_by_web3(table: str, value: Any) -> None:
    for field, formatter in getattr(method_formatters, table).items():
        if field in ("logs", "topics"):
            continue
        quick, wanted = of_text(formatter), outcome(partial(formatter, value))
        assert [outcome(partial(quick, value)) for _ in range(2)] == [wanted, wanted], field


@pytest.mark.parametrize(
    "value", [[], [HASH], [HASH, HASH], (HASH,), [HexBytes(HASH)], ["0x1"], [None], None, HASH, [[]]]
)
def test_topics_are_formatted_as_by_web3(value: Any) -> None:
    formatter = method_formatters.LOG_ENTRY_FORMATTERS["topics"]
    quick = of_texts(cast("Callable[[Any], Any]", formatter), method_formatters.to_hexbytes(32))
    assert outcome(lambda: quick(value)) == outcome(lambda: cast("Callable[[Any], Any]", formatter)(value))


def function(*types: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": "f", "inputs": [{"name": "", "type": kind} for kind in types]} | fields


@pytest.mark.parametrize(
    "element",
    [
        function(),
        function("address", "uint256"),
        function("uint256[2]", "string"),
        function("tuple", inputs=[{"type": "tuple", "components": [{"type": "bool"}, {"type": "int8[]"}]}]),
        function("tuple[]", inputs=[{"type": "tuple[2]", "components": [{"type": "bool"}]}]),
        function(inputs=None),
        function(inputs=["uint256"]),
        function(5),
        function(name=None),
        {"type": "function", "name": "f"},
        {"type": "event", "name": "E", "inputs": [{"type": "address", "indexed": True}]},
        {"type": "constructor", "inputs": [{"type": "address"}]},
        {"type": "fallback"},
        {"type": "receive", "name": "r", "inputs": []},
        {},
        None,
    ],
    ids=repr,
)
def test_a_signature_is_that_of_web3(element: Any) -> None:
    quick = signature_of_plain(abi_to_signature)
    assert outcome(lambda: quick(element)) == outcome(lambda: abi_to_signature(element))
