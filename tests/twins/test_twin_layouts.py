"""What tools read: the storage layouts and the ABIs of twins are equal, and a layout of either reads the other."""

from __future__ import annotations

from typing import Any

import pytest

import zevm
from testing.twins.compiled import LANGUAGES, TWINS, code_of
from testing.twins.deployed import Deployed, deploy, signature_of, type_of
from zevm.storage.keccak import keccak256

Json = dict[str, Any]


def variables(layout: Json) -> list[tuple[str, int, int, object]]:
    """The name, slot, offset and whole type of each state variable."""
    return [
        (entry["label"], int(entry["slot"]), entry["offset"], whole_type(layout, entry["type"]))
        for entry in layout["storage"]
    ]


def whole_type(layout: Json, name: str) -> object:
    """A type without names that compilers make up: its form, its size, and the types within it."""
    entry = layout["types"][name]
    inner = {part: whole_type(layout, entry[part]) for part in ("key", "value", "base") if part in entry}
    members = [
        (member["label"], int(member["slot"]), member["offset"], whole_type(layout, member["type"]))
        for member in entry.get("members", ())
    ]
    return entry["encoding"], int(entry["numberOfBytes"]), inner, members or plain(entry["label"])


def plain(label: str) -> str:
    """The label without names of Solidity's keys and of the contract that a struct or an enum is declared in."""
    words = label.split(" ")
    return words[0] if words[0] in ("struct", "enum", "contract") or words[0].startswith("mapping") else label


@pytest.mark.parametrize("twin", TWINS)
def test_layouts_are_equal(twin: str) -> None:
    solidity, zig = (variables(code_of(twin, language).storage_layout) for language in LANGUAGES)
    assert zig == solidity


def interface(abi: list[Json]) -> dict[str, object]:
    """What tools go by: results and mutability by function, which fields are indexed by event, and the errors."""
    found: dict[str, object] = {}
    for entry in abi:
        outputs = [type_of(part) for part in entry.get("outputs", ())]
        indexed = [part["indexed"] for part in entry.get("inputs", ()) if "indexed" in part]
        name = signature_of(entry | {"name": entry.get("name", ""), "inputs": entry.get("inputs", [])})
        # Solidity calls a constant's getter, and what may be overridden, `view`
        mutability = "view" if entry.get("stateMutability") == "pure" else entry.get("stateMutability")
        found[f"{entry['type']} {name}"] = (mutability, outputs, indexed, entry.get("anonymous"))
    return found


@pytest.mark.parametrize("twin", TWINS)
def test_abis_are_equal(twin: str) -> None:
    """Solidity's also has errors of libraries that no path reaches."""
    solidity, zig = (interface(code_of(twin, language).abi) for language in LANGUAGES)
    assert {name for name in solidity if not name.startswith("error")} == {
        name for name in zig if not name.startswith("error")
    }
    assert {name: zig[name] for name in solidity if name in zig} == {
        name: solidity[name] for name in solidity if name in zig
    }
    assert [name for name in zig if name not in solidity] == []


def read(contract: Deployed, layout: Json, name: str) -> int | str:
    """A state variable by its layout, as `cast storage` shows it: a number, or a string of any length."""
    entry = next(entry for entry in layout["storage"] if entry["label"] == name)
    kind = layout["types"][entry["type"]]
    slot = int(entry["slot"])
    word = contract.slot(slot)
    if kind["encoding"] == "inplace":
        return word >> 8 * entry["offset"] & (1 << 8 * int(kind["numberOfBytes"])) - 1
    if word & 1 == 0:
        return word.to_bytes(32, "big")[: (word & 0xFF) // 2].decode()
    length, first = word >> 1, int.from_bytes(keccak256(slot.to_bytes(32, "big")), "big")
    words = (contract.slot(first + index).to_bytes(32, "big") for index in range((length + 31) // 32))
    return b"".join(words)[:length].decode()


@pytest.mark.parametrize("title", ["short", "a title that is longer than thirty-one bytes, and than one slot"])
@pytest.mark.parametrize(("writer", "reader"), [LANGUAGES, LANGUAGES[::-1]])
def test_a_layout_reads_what_the_other_language_wrote(
    node: zevm.Node, accounts: list[str], writer: str, reader: str, title: str
) -> None:
    escrow = deploy(node, code_of("escrow", writer), accounts[1], accounts[2], 250, 1_000, title)
    escrow.send("fund", value=77)
    layout = code_of("escrow", reader).storage_layout
    names = ("buyer", "state", "seller", "feeBasisPoints", "patience", "amount", "title")
    wanted = [int(accounts[0], 16), 1, int(accounts[1], 16), 250, 1_000, 77, title]
    assert [read(escrow, layout, name) for name in names] == wanted
