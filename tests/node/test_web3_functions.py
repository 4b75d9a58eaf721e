"""The quick functions of values that web3.py uses in the plugin: results and errors are those of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import eth_utils
import pytest
from hexbytes import HexBytes
from web3 import Web3
from web3._utils import abi as web3_abi
from web3._utils import contracts, normalizers, validation
from web3.datastructures import AttributeDict
from web3.providers import BaseProvider, JSONBaseProvider

from zevm.node.testing.web3_encoding import encoding_words
from zevm.node.testing.web3_functions import SignaturesOnce, mapping_plain, remembering
from zevm.node.web3_providers import AsyncInProcessProvider, InProcessProvider

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


class FundedText(str):
    """A text of a kind of its own, as the fixture `accounts` has them."""

    __slots__ = ()


@dataclass
class Plain:
    """No JSON."""

    value: int


REQUEST = [
    normalizers.abi_bytes_to_hex,
    normalizers.abi_int_to_hex,
    normalizers.abi_string_to_hex,
    normalizers.abi_address_to_hex,
]
ARGUMENT = [normalizers.abi_address_to_hex, normalizers.abi_bytes_to_bytes, normalizers.abi_string_to_text]
RETURN = [normalizers.addresses_checksummed, normalizers.decode_abi_strings]

VALUES: list[tuple[list[str | None], list[Any]]] = [
    ([], []),
    (["address", "uint256"], [ADDRESS, 5]),
    (["address", "uint"], [bytes.fromhex(ADDRESS[2:]), "0x10"]),
    (["address"], [HexBytes(ADDRESS)]),
    (["address", None], [ADDRESS, "latest"]),
    ([None], [{"fromBlock": 1}]),
    (["bytes", "bytes32", "bytes4"], ["0x01", b"\x02" * 32, b"\x03"]),
    (["bytes4"], [b"\x03" * 5]),
    (["string", "bool", "int8"], ["text", True, -3]),
    (["string"], [b"text"]),
    (["function", "fixed128x18"], [b"\x01" * 24, 1]),
    (["address[]", "uint256"], [[ADDRESS, OTHER], 1]),
    (["bytes[2]"], [["0x01", b"\x02"]]),
    (["(address,bytes)"], [(ADDRESS, "0x01")]),
    (["(uint256,(bool,address)[])[]"], [[(1, [(True, ADDRESS)])]]),
    (["address"], [ADDRESS.lower()]),
    (["address"], [ADDRESS.swapcase().replace("X", "x")]),
    (["address"], ["0x12"]),
    (["address"], ["name.eth"]),
    (["address"], [None]),
    (["address"], [12]),
    (["uint256", "address"], ["no number", "no address"]),
    (["bytes"], [3.5]),
    (["address[]"], [["0x12"]]),
    (["no type"], [1]),
    (["uint256", "uint256"], [1]),
]


def outcome(function: Callable[[], Any]) -> Any:
    """A result with its type, or the kind and the text of an error."""
    try:
        result = function()
    except Exception as error:
        return type(error), str(error)
    return type(result), result


@pytest.mark.parametrize("given", [REQUEST, ARGUMENT, RETURN])
@pytest.mark.parametrize(("types", "values"), VALUES)
def test_values_are_mapped_as_by_web3(given: list[Any], types: list[str | None], values: list[Any]) -> None:
    original = web3_abi.map_abi_data
    quick = mapping_plain(original)
    wanted = outcome(lambda: original(given, types, values))
    assert outcome(lambda: quick(given, types, values)) == wanted
    assert outcome(lambda: quick(iter(given))(iter(types))(iter(values))) == wanted


def test_plain_values_need_no_tree() -> None:
    quick = mapping_plain(lambda *_: pytest.fail("the original was asked"))
    assert quick(ARGUMENT, ["address", "uint256", "bytes"], [ADDRESS, 5, "0x01"]) == [ADDRESS, 5, b"\x01"]


@pytest.mark.parametrize("value", [ADDRESS, ADDRESS.lower(), bytes(20), HexBytes(ADDRESS), "0x1", b"", None, 5, []])
def test_a_remembered_result_is_the_same(value: Any) -> None:
    quick = remembering(eth_utils.to_checksum_address)
    wanted = outcome(lambda: eth_utils.to_checksum_address(value))
    assert [outcome(lambda: quick(value)) for _ in range(2)] == [wanted, wanted]
    assert outcome(lambda: quick(value=value)) == wanted


def function(name: Any, *types: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "inputs": [{"name": "", "type": kind} for kind in types]}


COLLIDING = [function("collate_propagate_storage", "bytes16"), function("burn", "uint256")]
"""Two functions with the selector 0x42966c68."""


@pytest.mark.parametrize(
    "abi",
    [
        [],
        [function("burn", "uint256"), {"type": "event", "name": "Burned"}, {"type": "receive"}],
        COLLIDING,
        [function("pair", "tuple")],
        [{"name": "burn"}],
        [{"type": "function", "name": "burn"}],
        [function(None)],
        [5],
        {},
        None,
        (function("burn", "uint256"),),
    ],
)
def test_an_abi_is_judged_as_by_web3(abi: Any) -> None:
    quick = SignaturesOnce(validation.validate_abi)
    wanted = outcome(lambda: validation.validate_abi(abi))
    assert [outcome(lambda: quick(abi)) for _ in range(2)] == [wanted, wanted]


def test_a_changed_abi_is_judged_again() -> None:
    quick = SignaturesOnce(validation.validate_abi)
    abi = [function("burn", "uint256")]
    quick(abi)
    abi.append(COLLIDING[0])
    with pytest.raises(ValueError, match="colliding selectors"):
        quick(abi)


PUT = function("put", "uint256")
W3 = Web3(BaseProvider())

WORDS = [
    ("address", ADDRESS),
    ("address", FundedText(OTHER)),
    ("bool", True),
    *((f"uint{bits}", 2**bits - 1) for bits in range(8, 257, 8)),
    *((f"int{bits}", value) for bits in range(8, 257, 8) for value in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)),
]
"""Types of one word, and a value that fits."""

NO_WORDS = [
    ("address", ADDRESS.lower()),
    ("address", ADDRESS[2:]),
    ("address", bytes.fromhex(ADDRESS[2:])),
    ("address", ADDRESS.swapcase().replace("X", "x")),
    ("address", "0x12"),
    ("address", "name.eth"),
    ("address", None),
    ("bool", 1),
    ("bool", "true"),
    ("uint8", 256),
    ("uint8", -1),
    ("uint8", True),
    ("uint8", "1"),
    ("int8", 128),
    ("int8", -129),
    ("uint256", 2**256),
    ("uint256", 1.0),
    ("bytes", b"\x01"),
    ("bytes4", "0x01020304"),
    ("string", "text"),
    ("uint8[]", [1, 2]),
    ("uint8[2]", [1, 2]),
    ("uint7", 1),
    ("uint08", 1),
    ("uint", 1),
    ("no type", 1),
]
"""What is left to web3.py, whether it encodes or refuses it."""


def encoded(encode: Callable[..., Any], abi: list[dict[str, Any]], arguments: list[Any]) -> Any:
    inputs = ",".join(given["type"] for given in abi[0].get("inputs", []))
    signature = f"{abi[0]['name']}({inputs})"
    return outcome(lambda: encode(W3, signature, abi, abi[0], arguments, {}))


def encodes_as_web3(abi: list[dict[str, Any]], arguments: list[Any], *, quick: bool) -> None:
    asked = []

    def original(*given: Any) -> Any:
        asked.append(given)
        return contracts.encode_transaction_data(*given)

    wanted = encoded(contracts.encode_transaction_data, abi, arguments)
    assert encoded(encoding_words(original), abi, arguments) == wanted
    assert (not asked) is quick, wanted


@pytest.mark.parametrize(("name", "value"), WORDS)
def test_words_are_encoded_as_by_web3(name: str, value: Any) -> None:
    encodes_as_web3([function("put", name)], [value], quick=True)


@pytest.mark.parametrize(("name", "value"), NO_WORDS)
def test_what_is_no_word_is_left_to_web3(name: str, value: Any) -> None:
    encodes_as_web3([function("put", name)], [value], quick=False)


def test_functions_of_words_are_encoded_as_by_web3() -> None:
    some = [("address", ADDRESS), ("uint256", 5), ("bool", False), ("int64", -7)]
    whole = function("put_$1", *[name for name, _ in some])
    encodes_as_web3([whole, function("other")], [value for _, value in some], quick=True)
    encodes_as_web3([whole], [ADDRESS, 5, False], quick=False)
    encodes_as_web3([function("get")], [], quick=True)
    encodes_as_web3([{"type": "function", "name": "get"}], [], quick=True)
    for name in ("fallback", "receive", "two words", "ümlaut"):
        encodes_as_web3([function(name, "uint256")], [1], quick=False)


@pytest.mark.parametrize("abi", [None, [], [function("put", "uint256")], (PUT,)])
@pytest.mark.parametrize("found", [PUT, None, {**PUT, "inputs": None}, {**PUT, "name": "get"}])
def test_a_function_that_the_abi_does_not_have_is_left_to_web3(abi: Any, found: Any) -> None:
    quick = encoding_words(contracts.encode_transaction_data)
    given = W3, "put(uint256)", abi, found, [1], {}
    assert outcome(lambda: quick(*given)) == outcome(lambda: contracts.encode_transaction_data(*given))


def test_arguments_by_name_are_left_to_web3() -> None:
    quick = encoding_words(lambda *_: "of web3")
    assert quick(W3, "put(uint256)", [PUT], PUT, [], {"value": 1}) == "of web3"


REQUESTS = [
    [],
    [{"to": FundedText(ADDRESS), "value": "0x1"}, "latest"],
    [HexBytes(ADDRESS)],
    [AttributeDict({"a": HexBytes("0x01")})],
    [{"big": 2**70, "text": "\u00e9\ud800"}],
    [(1, 2.5, None, True)],
    [{1: 2}],
    [{1, 2}],
    [b"bytes"],
    [datetime(2026, 11, 29, tzinfo=UTC)],
    [Plain(1)],
]


@pytest.mark.parametrize("parameters", REQUESTS, ids=repr)
def test_requests_are_written_as_by_web3(parameters: list[Any]) -> None:
    def written(provider: Any) -> Any:
        found = outcome(lambda: provider.encode_rpc_request("eth_call", parameters))
        return found if found[0] is not bytes else {**json.loads(found[1]), "id": None}

    wanted = written(JSONBaseProvider())
    for kind in (InProcessProvider, AsyncInProcessProvider):
        assert written(kind(cast(Any, None))) == wanted
