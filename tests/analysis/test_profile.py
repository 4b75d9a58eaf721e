"""Profiles: nothing of the gas is lost, names are where they belong, and what is written is what readers expect."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from eth_abi import encode
from jsonschema import Draft202012Validator
from wasmtime import wat2wasm

import zevm
from testing.contracts import FORWARDER
from testing.wasm_modules import box, selector
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.profile.flame_graph import flame_graph
from zevm.analysis.profile.speedscope import speedscope_document
from zevm.analysis.profile.stacks import Stack, by_contract, by_function, by_line, by_operation, stacks_of
from zevm.chain.zvm.module.binary import decode
from zevm.contracts.artifact import module_artifact
from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

FORWARDER_PLACE, LOOP_PLACE, MODULE_PLACE = (bytes([number]) * 20 for number in (0xC1, 0xC2, 0xC3))
GET: dict[str, Any] = {"type": "function", "name": "get", "inputs": [], "outputs": [{"name": "", "type": "uint256"}]}
# main: push the return address, jump into f; f: 3 instructions, back; main ends
LOOP = bytes.fromhex("6005 6008 56 5b 00 00 5b 6001 50 56".replace(" ", ""))
MAIN, F = Scope("Loop.main"), Scope("Loop.f")
LOOP_MAP = source_map_document(
    [
        *(Mapped(offset, MAIN, "src/loop.sol", 3) for offset in (0, 2, 4, 5, 6)),
        *(Mapped(offset, F, "src/loop.sol", 8) for offset in (8, 9, 11, 12)),
    ],
    len(LOOP),
    {"i": [4], "o": [12]},
)


@pytest.fixture(scope="module")
def node() -> Iterator[zevm.Node]:
    with zevm.Node() as running:
        for place, code in ((FORWARDER_PLACE, FORWARDER), (LOOP_PLACE, LOOP), (MODULE_PLACE, box())):
            running.request("anvil_setCode", "0x" + place.hex(), "0x" + code.hex())
        running.catalogue.add(
            module_artifact("Box", "b.wat", "C", box(), abi=[GET], takes_arguments=False, metadata={})
        )
        running.catalogue.add(KnownContract("Loop", "src/loop.sol", "Solidity", [], runtime=LOOP, source_map=LOOP_MAP))
        yield running


def _sent(node: zevm.Node, to: bytes, data: bytes) -> str:
    call = {"from": node.accounts[0].address, "to": "0x" + to.hex(), "data": "0x" + data.hex(), "gas": "0x100000"}
    result: str = node.request("eth_sendTransaction", call)
    return result


def _through(place: bytes, data: bytes = b"") -> bytes:
    return place.rjust(32, b"\0") + data


def _profile(node: zevm.Node, place: bytes, data: bytes) -> tuple[dict[str, Any], list[Stack]]:
    answer = node.request("zvm_profile", _sent(node, place, data))
    return answer, stacks_of(answer)


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (FORWARDER_PLACE, _through(MODULE_PLACE, selector("get()"))),
        (FORWARDER_PLACE, _through(FORWARDER_PLACE, _through(LOOP_PLACE))),
        (FORWARDER_PLACE, _through((4).to_bytes(20, "big"), b"abc")),
        (MODULE_PLACE, selector("set(uint256)") + encode(["uint256"], [7])),
        (MODULE_PLACE, b"\1\2\3\4"),
        (LOOP_PLACE, b""),
        (b"\x77" * 20, b""),
    ],
)
def test_the_sum_is_what_the_receipt_says(node: zevm.Node, place: bytes, data: bytes) -> None:
    transaction = _sent(node, place, data)
    answer = node.request("zvm_profile", transaction)
    receipt = node.request("eth_getTransactionReceipt", transaction)
    stacks = stacks_of(answer)
    assert answer["gasUsed"] == int(receipt["gasUsed"], 16)
    assert answer["status"] == int(receipt["status"], 16)
    assert stacks[0].gas == pytest.approx(answer["gasUsed"] + answer["refundGas"], abs=1)
    assert sum(row.self_gas for row in by_contract(stacks)) == pytest.approx(stacks[0].gas, abs=1)


def test_an_internal_function_is_found_by_its_jumps(node: zevm.Node) -> None:
    answer, stacks = _profile(node, FORWARDER_PLACE, _through(LOOP_PLACE))
    rows = {row.name: row for row in by_function(stacks)}
    assert (rows["Loop.f"].self_gas, rows["Loop.f"].count) == (1 + 3 + 2 + 8, 1)
    assert rows["Loop.receive"].self_gas == 3 + 3 + 8 + 1
    assert rows["Loop.receive"].gas == rows["Loop.receive"].self_gas + rows["Loop.f"].gas
    lines = {row.name: (row.self_gas, row.count) for row in by_line(answer)}
    assert lines == {"src/loop.sol:3": (15, 2), "src/loop.sol:8": (14, 1)}
    assert [row.count for row in by_operation(stacks) if row.name == "JUMP"] == [2]


NESTED = bytes(
    wat2wasm("""
    (module
      (import "vm_hooks" "write_result" (func $write (param i32 i32)))
      (import "vm_hooks" "msg_value" (func $value (param i32)))
      (memory (export "memory") 1 1)
      (table 3 3 funcref)
      (elem (i32.const 0) $value $down $write)
      (type $one (func (param i32)))
      (func $down (param $left i32)
        (if (local.get $left) (then (call $down (i32.sub (local.get $left) (i32.const 1))) (call $leaf))))
      (func $leaf (memory.fill (i32.const 0) (i32.const 7) (i32.const 64)))
      (func (export "user_entrypoint") (param i32) (result i32)
        (call_indirect (type $one) (i32.const 3) (i32.const 1))
        (call_indirect (type $one) (i32.const 0) (i32.const 0))
        (call $leaf)
        (call $write (i32.const 0) (i32.const 32))
        (i32.const 0)))
    """)
)
"""Recursion, functions and imports through the table, and an operation that a helper charges for."""


def _nested_map() -> dict[str, Any]:
    names = [Scope("down"), Scope("leaf", Scope("outer"), "src/outer.zig", 4), Scope("entry")]
    bodies = decode(NESTED).bodies
    rows = [
        Mapped(start, name, "src/n.zig", 10 + index)
        for index, ((start, _), name) in enumerate(zip(bodies, names, strict=True))
    ]
    return source_map_document(rows, bodies[-1][1])


def test_functions_of_a_module_are_found_by_its_blocks(node: zevm.Node) -> None:
    place = b"\xc4" * 20
    node.request("anvil_setCode", "0x" + place.hex(), "0x" + NESTED.hex())
    node.catalogue.add(KnownContract("Nested", "n.zig", "Zig", [], runtime=NESTED, source_map=_nested_map()))
    transaction = _sent(node, place, b"")
    answer = node.request("zvm_profile", transaction)
    receipt = node.request("eth_getTransactionReceipt", transaction)
    assert (answer["gasUsed"], answer["status"]) == (int(receipt["gasUsed"], 16), 1)
    stacks = stacks_of(answer)
    assert stacks[0].gas == pytest.approx(answer["gasUsed"], abs=1)
    paths = set()
    for stack in stacks:
        names = [stack.name]
        while stack.parent is not None:
            stack = stacks[stack.parent]
            names.append(stack.name)
        paths.add("/".join(reversed(names[:-2])))
    assert {
        "entry/down/down/down/down",
        "entry/down/down/down/outer/leaf",
        "entry/outer/leaf",
        "entry/msg_value",
    } <= paths
    assert "entry/down/down/down/down/outer" not in paths
    counts = {row.name: row.count for row in by_function(stacks)}
    assert (counts["down"], counts["leaf"], counts["entry"]) == (4, 4, 1)
    assert {row.name for row in by_line(answer)} == {"src/n.zig:10", "src/n.zig:11", "src/n.zig:12"}


def test_host_calls_of_a_module(node: zevm.Node) -> None:
    _, stacks = _profile(node, MODULE_PLACE, selector("get()"))
    assert {row.name for row in by_operation(stacks)} >= {"read_args", "storage_load_bytes32", "write_result"}
    assert "Box.get()" in {row.name for row in by_function(stacks)}


def test_a_call_is_profiled_too(node: zevm.Node) -> None:
    call = {"to": "0x" + MODULE_PLACE.hex(), "data": "0x" + selector("get()").hex()}
    override = {"stateOverrides": {"0x" + MODULE_PLACE.hex(): {"state": {}}}}
    answer = node.request("zvm_profile", call, "latest", override)
    assert answer["status"] == 1
    assert answer["nodes"][1]["name"] == "get()"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (["0x" + "11" * 32], "transaction not found"),
        (["0x11"], "hex string has length 2"),
        ([5], "invalid argument 0"),
        ([{"to": "0x1"}], "invalid argument 0"),
        (["0x" + "11" * 32, "0x1"], "block: only the profile of a call"),
        (["0x" + "11" * 32, "latest", {"stateOverrides": {"0x" + "22" * 20: {}}}], "stateOverrides: only"),
        (["0x" + "11" * 32, "latest", {"blockOverrides": {"number": "0x1"}}], "blockOverrides: only"),
        (["0x" + "11" * 32, "latest", {"txIndex": "0x0"}], "txIndex: only"),
    ],
)
def test_what_cannot_be_profiled_is_an_error(node: zevm.Node, parameters: list[Any], message: str) -> None:
    with pytest.raises(zevm.CallFailedError, match=message):
        node.request("zvm_profile", *parameters)


NUMBER = {"type": "number"}
INDEX = {"type": "integer", "minimum": 0}
SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"},
        "exporter": {"type": "string"},
        "activeProfileIndex": INDEX,
        "shared": {
            "type": "object",
            "required": ["frames"],
            "additionalProperties": False,
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"}, "file": {"type": "string"}, "line": NUMBER, "col": NUMBER,
                        },
                    },
                },
            },
        },
        "profiles": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "sampled"},
                    "name": {"type": "string"},
                    "unit": {"enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"]},
                    "startValue": NUMBER,
                    "endValue": NUMBER,
                    "samples": {"type": "array", "items": {"type": "array", "items": INDEX}},
                    "weights": {"type": "array", "items": {"type": "number", "minimum": 0}},
                },
            },
        },
    },
}  # fmt: skip
"""speedscope's format of sampled profiles (jlfwong/speedscope, src/lib/file-format-spec.ts)."""

PROFILED = {
    "calls, functions and opcodes": (FORWARDER_PLACE, _through(LOOP_PLACE)),
    "an account without code": (bytes([0x77]) * 20, b""),
}


@pytest.mark.parametrize("name", PROFILED)
def test_speedscope_s_document(node: zevm.Node, name: str) -> None:
    _, stacks = _profile(node, *PROFILED[name])
    document = json.loads(json.dumps(speedscope_document(stacks, "it"), allow_nan=False))
    Draft202012Validator(SPEEDSCOPE).validate(document)
    frames = document["shared"]["frames"]
    assert document["activeProfileIndex"] < len(document["profiles"])
    for profile in document["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] == pytest.approx(profile["startValue"] + sum(profile["weights"]))
        assert all(index < len(frames) for sample in profile["samples"] for index in sample)
    assert document["profiles"][0]["endValue"] == pytest.approx(stacks[0].gas)


def test_a_profile_of_nothing_is_a_document_too() -> None:
    document = speedscope_document([], "nothing")
    Draft202012Validator(SPEEDSCOPE).validate(document)
    assert document["shared"] == {"frames": []}
    used = {profile["name"]: (profile["endValue"], profile["samples"]) for profile in document["profiles"]}
    assert used == {"gas": (0, []), "time": (0, [])}


def test_speedscope_shows_the_functions_of_source_maps(node: zevm.Node) -> None:
    _, stacks = _profile(node, FORWARDER_PLACE, _through(LOOP_PLACE))
    assert {"name": "Loop.f", "file": "src/loop.sol"} in speedscope_document(stacks, "it")["shared"]["frames"]


@pytest.mark.parametrize("unit", ["gas", "time"])
@pytest.mark.parametrize("name", PROFILED)
def test_the_boxes_of_a_flame_graph_stand_in_its_view(node: zevm.Node, name: str, unit: Any) -> None:
    _, stacks = _profile(node, *PROFILED[name])
    root = ElementTree.fromstring(flame_graph(stacks, "it", unit))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "style", "rect", "text", "g", "title"}
    left, top, width, height = [float(number) for number in root.attrib["viewBox"].split()]
    assert (left, top, width) == (0, 0, float(root.attrib["width"]))
    boxes = root.findall(".//{*}g/{*}rect")
    assert boxes
    for drawn in boxes:
        x, y, wide, high = [float(drawn.attrib[key]) for key in ("x", "y", "width", "height")]
        assert x >= 0
        assert y >= 0
        assert wide > 0
        assert x + wide <= width
        assert y + high <= height


@pytest.mark.parametrize("unit", ["gas", "time"])
def test_a_flame_graph_is_one_file_of_svg(node: zevm.Node, unit: Any) -> None:
    _, stacks = _profile(node, FORWARDER_PLACE, _through(LOOP_PLACE))
    text = flame_graph(stacks, "<script>&\x1b", unit)
    root = ElementTree.fromstring(text)
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0].startswith("transaction: ")
    assert any(title.startswith("Loop.f in src/loop.sol: ") for title in titles)
    assert "&lt;script&gt;&amp;\\x1b" in text
    assert "href" not in text.replace("xmlns", "")


def test_names_that_look_like_markup_are_text() -> None:
    evil = Stack("call", "</title><script>", 'a"b', "", 1, 5.0, 5, None, 0, 5.0, 5)
    assert "<script>" not in flame_graph([evil], "t", "gas")
    ElementTree.fromstring(flame_graph([], "nothing", "gas"))


@pytest.mark.parametrize("answer", [{}, {"nodes": [{}]}, {"nodes": [{"parent": 3}]}, {"nodes": 5}])
def test_other_answers_are_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="not a profile"):
        stacks_of(answer)


def test_recursion_counts_once_in_its_total() -> None:
    def row(parent: int | None, kind: str, name: str) -> dict[str, Any]:
        return {"parent": parent, "kind": kind, "name": name, "selfGas": 10, "selfNs": 1, "count": 1}

    answer = {"nodes": [row(None, "transaction", "transaction"), row(0, "call", "f"), row(1, "call", "f")]}
    (found,) = (item for item in by_function(stacks_of(answer)) if item.name == "f")
    assert (found.self_gas, found.gas, found.count) == (20, 20, 2)
