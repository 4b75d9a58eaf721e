"""Traces with names, as a tree and as text: EVM and WebAssembly contracts, proxies, precompiles, what is unknown."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi import encode

import zevm
from testing.contracts import DELEGATOR, FORWARDER, MAKER
from testing.wasm_modules import REVERT_DATA, box, selector
from zevm.analysis.call_tree import Call, decode_call_tree
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.proxies import implementation_of
from zevm.analysis.tree_text import render
from zevm.contracts.artifact import module_artifact

NUMBER = {"name": "value", "type": "uint256"}
BOX_ABI: list[dict[str, Any]] = [
    {"type": "constructor", "inputs": [NUMBER]},
    {"type": "function", "name": "get", "inputs": [], "outputs": [{"name": "", "type": "uint256"}]},
    {"type": "function", "name": "set", "inputs": [NUMBER], "outputs": []},
]
BOX = module_artifact("Box", "box.wat", "WebAssembly", box(), abi=BOX_ABI, takes_arguments=True, metadata={})
SET, GET = selector("set(uint256)"), selector("get()")
SEVEN = encode(["uint256"], [7])
PLACES = {"forwarder": b"\xc1" * 20, "delegator": b"\xc2" * 20, "maker": b"\xc3" * 20, "logger": b"\xc4" * 20}
LOGGER = bytes.fromhex("6005600052 6007 6020 6000 a1 5f5ff3")
"""One log of an event that no ABI has, with the data 5."""


@pytest.fixture(scope="module")
def node() -> Iterator[zevm.Node]:
    with zevm.Node() as running:
        for name, code in (("forwarder", FORWARDER), ("delegator", DELEGATOR), ("maker", MAKER), ("logger", LOGGER)):
            running.request("anvil_setCode", "0x" + PLACES[name].hex(), "0x" + code.hex())
        running.catalogue.add(BOX)
        forwarder = KnownContract("Forwarder", "f.sol", "Solidity", [], runtime=FORWARDER)
        running.catalogue.add(forwarder)
        yield running


@pytest.fixture(scope="module")
def box_address(node: zevm.Node) -> bytes:
    receipt = node.request("eth_getTransactionReceipt", _sent(node, None, BOX.bytecode + SEVEN))
    return bytes.fromhex(receipt["contractAddress"][2:])


def _sent(node: zevm.Node, to: bytes | None, data: bytes, **fields: str) -> str:
    call = {"from": node.accounts[0].address, "gas": "0x1000000", "data": "0x" + data.hex(), **fields}
    result: str = node.request("eth_sendTransaction", call if to is None else call | {"to": "0x" + to.hex()})
    return result


def _tree(node: zevm.Node, to: bytes | None, data: bytes, **fields: str) -> Call:
    options = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
    trace = node.request("debug_traceTransaction", _sent(node, to, data, **fields), options)
    return decode_call_tree(trace, node.catalogue, lambda address: _code(node, address))


def _code(node: zevm.Node, address: bytes) -> bytes:
    return bytes.fromhex(node.request("eth_getCode", "0x" + address.hex(), "latest")[2:])


def _lines(call: Call) -> list[str]:
    """The text without gas, which is not what these tests are about."""
    return [line if "[" not in line else _without_gas(line) for line in render(call).split("\n")]


def _without_gas(line: str) -> str:
    head, _, rest = line.partition("[")
    number, _, tail = rest.partition("] ")
    return head + tail if number.isdigit() else line


def test_a_creation_and_a_call_of_a_module(node: zevm.Node, box_address: bytes) -> None:
    made = _tree(node, None, BOX.bytecode + SEVEN)
    assert (made.contract, made.function, made.arguments) == ("Box", "constructor", [("value", "7")])
    assert _lines(made)[0].startswith("  → new Box@0x")
    assert _lines(made)[-1] == f"    └─ ← [Return] {made.code_bytes:,} bytes of code"
    assert made.code_bytes == len(BOX.deployed_bytecode)
    read = _tree(node, box_address, GET)
    assert _lines(read) == ["  Box::get()", "    └─ ← [Return] 7"]
    assert read.gas_used > 21_000


def test_calls_and_events_stand_in_each_other(node: zevm.Node, box_address: bytes) -> None:
    inner = PLACES["delegator"].rjust(32, b"\0") + box_address.rjust(32, b"\0") + GET
    tree = _tree(node, PLACES["forwarder"], inner)
    assert [(call.contract, call.kind, call.function) for call in tree.walk()] == [
        ("Forwarder", "CALL", None),
        (None, "CALL", None),
        ("Box", "DELEGATECALL", "get"),
    ]
    assert _lines(tree)[-4:] == [
        "    │   ├─ Box::get() [delegatecall]",
        "    │   │   └─ ← [Return] 0",
        "    │   └─ ← [Return] 0x" + bytes(32).hex(),
        "    └─ ← [Return] 0x" + bytes(32).hex(),
    ]
    logged = _lines(_tree(node, PLACES["forwarder"], PLACES["logger"].rjust(32, b"\0")))
    assert logged[2] == f"    │   ├─ emit <unknown>(topic 0: 0x{7:064x}, data: 0x{5:064x})"


def test_reasons_of_failures(node: zevm.Node, box_address: bytes) -> None:
    refused = _tree(node, box_address, SET + bytes(32))
    assert (refused.error, refused.reason) == ("execution reverted", "box is shut")
    assert _lines(refused)[-1] == "    └─ ← [Revert] box is shut"
    hungry = _tree(node, box_address, SET + SEVEN, gas="0x6000")
    assert _lines(hungry)[-1] == "    └─ ← [Failed] out of gas"
    assert REVERT_DATA.hex() not in render(refused)


def test_what_is_unknown_is_shown_as_bytes(node: zevm.Node, box_address: bytes) -> None:
    assert _lines(_tree(node, box_address, b"\xde\xad\xbe\xef\x01"))[0] == "  Box::deadbeef(0x01)"
    # more data than the function takes is no fault, less is
    assert _lines(_tree(node, box_address, SET + b"\x01"))[0] == f"  Box::{SET.hex()}(0x01)"
    empty = _tree(node, b"\x99" * 20, b"", value="0x5")
    assert _lines(empty) == ["  0x9999999999999999999999999999999999999999::fallback{value: 5}()", "    └─ ← [Stop]"]


def test_precompiles_and_the_console(node: zevm.Node) -> None:
    identity = _tree(node, (4).to_bytes(20, "big"), b"abc")
    assert _lines(identity) == ["  ID::id(0x616263)", "    └─ ← [Return] 0x616263"]
    logged = selector("log(string)") + encode(["string"], ["hi\x1b"])
    assert _lines(_tree(node, b"\0" * 9 + b"console.log", logged))[0] == '  console::log("hi\\x1b")'


@pytest.mark.parametrize(
    ("code", "target"),
    [
        (bytes.fromhex("ef0100") + b"\7" * 20, b"\7" * 20),
        (
            bytes.fromhex("363d3d373d3d3d363d73") + b"\7" * 20 + bytes.fromhex("5af43d82803e903d91602b57fd5bf3"),
            b"\7" * 20,
        ),
        (b"\x60" * 45, None),
        (b"", None),
    ],
)
def test_code_that_runs_another_s(code: bytes, target: bytes | None) -> None:
    assert implementation_of(code) == target


def test_deep_trees_and_long_ones() -> None:
    leaf: dict[str, Any] = {
        "type": "CALL",
        "from": "0x" + "11" * 20,
        "to": "0x" + "22" * 20,
        "gas": "0x5",
        "gasUsed": "0x4",
    }
    trace = leaf
    for _ in range(1_024):
        trace = leaf | {"calls": [trace]}
    tree = decode_call_tree(trace, Catalogue(), lambda _: b"")
    assert len(list(tree.walk())) == 1_025
    assert render(tree).count("\n") == 2 * 1_025 - 1
    assert render(tree, lines_limit=3).endswith("\n... more than 3 lines")


@pytest.mark.parametrize("trace", [{}, {"type": "CALL"}, [], {"type": "CALL", "from": 5, "gas": "0x", "gasUsed": "0x"}])
def test_other_json_is_refused(trace: Any) -> None:
    with pytest.raises(ValueError, match=r"not a result of callTracer|invalid literal"):
        decode_call_tree(trace, Catalogue(), lambda _: b"")


def test_colours_are_extra(node: zevm.Node, box_address: bytes) -> None:
    tree = _tree(node, box_address, GET)
    assert "\x1b[" not in render(tree)
    assert "\x1b[32mBox::get()\x1b[0m" in render(tree, colours=True)
