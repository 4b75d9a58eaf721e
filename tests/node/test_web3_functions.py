"""The quick functions of values that web3.py uses in the plugin: results and errors are those of its own."""

from collections.abc import Callable
from typing import Any

import eth_utils
import pytest
from hexbytes import HexBytes
from web3._utils import abi as web3_abi
from web3._utils import normalizers, validation

from zevm.node.testing.web3_functions import SignaturesOnce, mapping_plain, remembering

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
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
