"""Arguments of constructors: encoded or as JSON values, of every kind of type; wrong ones are refused."""

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from zevm.contracts.artifact import Artifact
from zevm.contracts.constructor_arguments import constructor_arguments
from zevm.contracts.errors import ConstructorArgumentsError

PLAIN = Artifact("Adder", "Adder.zig", "Zig", [], b"", b"", {})
OWNER = "0x" + "11" * 20


def artifact(*types: str) -> Artifact:
    inputs: list[dict[str, Any]] = []
    for kind in types:
        if kind.startswith("("):
            inner, _, tail = kind[1:].rpartition(")")
            parts = [{"name": "", "type": part} for part in inner.split(",")]
            inputs.append({"name": "", "type": "tuple" + tail, "components": parts})
        else:
            inputs.append({"name": "value", "type": kind})
    return replace(PLAIN, abi=[{"type": "constructor", "inputs": inputs, "stateMutability": "nonpayable"}])


GOOD: list[tuple[str, Any, Any]] = [
    ("uint256", 7, 7),
    ("uint256", "0x07", 7),
    ("uint256", str(2**256 - 1), 2**256 - 1),
    ("int8", "-128", -128),
    ("bool", True, True),
    ("address", OWNER, OWNER),
    ("bytes4", "0x01020304", b"\1\2\3\4"),
    ("bytes", "0x", b""),
    ("string", "größe", "größe"),
    ("uint8[]", ["1", 2], [1, 2]),
    ("bytes2[2]", ["0x0102", "0x0304"], [b"\1\2", b"\3\4"]),
    ("uint8[2][]", [[1, 2], ["3", 4]], [[1, 2], [3, 4]]),
    ("(uint8,bytes)", ["0x1", "0xff"], (1, b"\xff")),
    ("(bool,uint8)[]", [[True, "3"]], [(True, 3)]),
]


@pytest.mark.parametrize(("kind", "given", "value"), GOOD)
def test_json_values_and_encoded_ones_are_the_same(kind: str, given: Any, value: Any) -> None:
    wanted = encode([kind], [value])
    assert constructor_arguments(artifact(kind), [given]) == wanted
    assert constructor_arguments(artifact(kind), wanted) == wanted


WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    (("uint256", "address"), None, "takes (uint256 value, address value): 0 given"),
    (("uint256", "address"), [7], "1 given"),
    (("uint256", "address"), [7, OWNER, 8], "3 given"),
    (("uint256",), [-1], "cannot be encoded"),
    (("uint256",), [2**256], "cannot be encoded"),
    (("uint256",), ["seven"], "invalid literal"),
    (("uint256",), [1.5], "cannot be encoded"),
    (("uint256",), [True], "cannot be encoded"),
    (("uint256",), [[7]], "cannot be encoded"),
    (("bool",), ["true"], "cannot be encoded"),
    (("address",), ["0x11"], "cannot be encoded"),
    (("bytes4",), ["0x0102030405"], "cannot be encoded"),
    (("bytes",), ["0x123"], "non-hexadecimal"),
    (("uint8[]",), [7], "is not a list"),
    (("uint8[2]",), [[1]], "cannot be encoded"),
    (("(uint8,bool)",), [[1]], "zip()"),
    (("uint256",), b"", "takes (uint256 value)"),
    (("uint256",), bytes(31), "takes (uint256 value)"),
    (("uint256",), bytes(64), "the 64 bytes given are not the ABI encoding"),
    (("address",), b"\1" * 32, "takes (address value)"),
    ((), [7], "Adder takes no arguments: 1 given"),
    ((), bytes(32), "Adder takes no arguments"),
]


@pytest.mark.parametrize(("types", "given", "told"), WRONG)
def test_wrong_ones_are_refused_with_what_is_wanted(types: tuple[str, ...], given: Any, told: str) -> None:
    with pytest.raises(ConstructorArgumentsError) as caught:
        constructor_arguments(artifact(*types), given)
    assert told in str(caught.value)


def test_a_contract_without_a_constructor_takes_none() -> None:
    for given in (None, [], b""):
        assert constructor_arguments(PLAIN, given) == b""
    with pytest.raises(ConstructorArgumentsError, match="Adder takes no arguments"):
        constructor_arguments(PLAIN, [1])
