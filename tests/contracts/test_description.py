"""Descriptions that a source makes itself, in place of the library's: none is taken on trust."""

import json
import tracemalloc
from typing import Any

import pytest
import wasmtime

from zevm.contracts.description import read_description
from zevm.contracts.errors import BuildError

MIB = 1 << 20
PARAMETER = {"name": "amount", "type": "uint256"}
CONSTRUCTOR = {"type": "constructor", "inputs": [PARAMETER]}
FUNCTION = {"type": "function", "name": "f", "inputs": [PARAMETER], "outputs": [PARAMETER]}
EVENT = {"type": "event", "name": "E", "inputs": [PARAMETER | {"indexed": True}]}


def described(text: bytes, length: int | None = None) -> bytes:
    """A module as `describe.zig` makes it."""
    size = len(text) if length is None else length
    data = "".join(f"\\{byte:02x}" for byte in size.to_bytes(4, "little") + text)
    return bytes(
        wasmtime.wat2wasm(
            f'(module (memory (export "memory") 4) (data (i32.const 1024) "{data}")'
            '(global (export "zvm_description_length") i32 (i32.const 1024))'
            '(global (export "zvm_description") i32 (i32.const 1028)))'
        )
    )


def document(*abi: Any, **changes: Any) -> bytes:
    return json.dumps({"name": "A", "constructor": True, "abi": list(abi)} | changes).encode()


def constructor_of(kind: str, **more: Any) -> dict[str, Any]:
    return CONSTRUCTOR | {"inputs": [{"name": "a", "type": kind} | more]}


@pytest.mark.parametrize(
    "kind", ["bool", "address", "string", "bytes", "bytes1", "bytes32", "uint8", "int256", "uint256[]", "bytes[2][]"]
)
def test_what_the_library_writes_is_read(kind: str) -> None:
    nested = constructor_of("tuple[]", components=[{"name": "", "type": kind}])
    abi = [nested, FUNCTION, EVENT, {"type": "error", "name": "No", "inputs": []}, {"type": "receive"}]
    found = read_description(described(document(*abi)))
    assert found is not None
    assert (found.name, found.abi, found.has_constructor) == ("A", abi, True)


HOSTILE = {
    "no JSON": b"{",
    "no object": b"[1]",
    "deeply nested": b"[" * 60_000,
    "an integer of many digits": b"9" * 5_000,
    "a name with slashes": document(name="../../A"),
    "a name that is none": document(name=1),
    "an ABI of numbers": document(1, 2),
    "an ABI that is a number": document(abi=1),
    "no type": document({}),
    "an unknown type": document({"type": "library"}),
    "a constructor without inputs": document({"type": "constructor"}),
    "inputs that are a number": document(CONSTRUCTOR | {"inputs": 1}),
    "a function without a name": document({"type": "function"}),
    "a function with a number as name": document(FUNCTION | {"name": 7}),
    "a parameter with a number as name": document(CONSTRUCTOR | {"inputs": [{"name": 3, "type": "bool"}]}),
    "a parameter without a type": document(CONSTRUCTOR | {"inputs": [{"name": "a"}]}),
    "a tuple without components": document(constructor_of("tuple")),
    "a tuple of nothing": document(constructor_of("tuple", components=[])),
} | {
    f"the type {kind}": document(constructor_of(kind))
    for kind in ("uint", "uint999", "uint7", "bytes33", "uint256[", "uint256[0][4000000000]", "x", "bool" + "[]" * 999)
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_any_other_form_is_refused(name: str) -> None:
    with pytest.raises(BuildError, match="in a form that is not known"):
        read_description(described(HOSTILE[name]))


@pytest.mark.parametrize("length", [MIB, 64 * MIB])
def test_its_length_makes_no_memory(length: int) -> None:
    """A length of 4 GiB took twice as much of the node's memory."""
    module = described(document(CONSTRUCTOR), length)
    tracemalloc.start()
    with pytest.raises(BuildError, match="which no module has"):
        read_description(module)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MIB
