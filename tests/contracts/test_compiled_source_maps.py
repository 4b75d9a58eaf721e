"""Source maps out of what builds leave: records of whole builds, as Hardhat's, and code that is not linked yet."""

import json
from pathlib import Path
from typing import Any

import pytest

from zevm.analysis.known_contract import KnownContract, contracts_in
from zevm.contracts.source_maps import Place

TEXT = "contract A {\n  constructor() {\n    f();\n  }\n  function f() public {\n    L.g();\n  }\n}\n"
LIBRARY = "__$0123456789abcdef0123456789abcdef01$__"
CREATION, DEPLOYED = "6001600255", f"73{LIBRARY}00"
"""PUSH1 1, PUSH1 2, SSTORE; and PUSH20 of a library's address, STOP."""


def at(text: str) -> str:
    """The entry of solc's map for a piece of the source."""
    return f"{TEXT.index(text)}:{len(text)}:3:-"


OUTPUT = {
    "sources": {"contracts/A.sol": {"id": 3}, "contracts/B.sol": {"id": 4}},
    "contracts": {
        "contracts/A.sol": {
            "A": {
                "abi": [],
                "evm": {
                    "bytecode": {"object": CREATION, "sourceMap": at("f();")},
                    "deployedBytecode": {"object": DEPLOYED, "sourceMap": at("L.g();")},
                },
            }
        }
    },
}
INPUT = {"sources": {"contracts/A.sol": {"content": TEXT}, "contracts/B.sol": {"urls": []}}}


def known(document: dict[str, Any], path: Path) -> KnownContract:
    """The contract of a record that is written to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    (contract,) = contracts_in(document, path)
    return contract


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_record_of_a_build_leads_to_lines(tmp_path: Path, is_apart: bool) -> None:
    if is_apart:
        (tmp_path / "solc-1.json").write_text(json.dumps({"input": INPUT}))
        contract = known({"output": OUTPUT}, tmp_path / "solc-1.output.json")
    else:
        contract = known({"input": INPUT, "output": OUTPUT}, tmp_path / "1.json")
    places, creation = contract.places, contract.creation_places
    assert places is not None
    assert creation is not None
    assert places.at(0) == Place("A.f", "contracts/A.sol", 6)
    assert creation.at(4) == Place("A.constructor", "contracts/A.sol", 3)
    assert list(places.places()) == [Place("A.f", "contracts/A.sol", 6)]


@pytest.mark.parametrize(
    "document",
    [
        {"output": OUTPUT},
        {"output": OUTPUT, "input": {"sources": {}}},
        {"output": OUTPUT | {"sources": {}}, "input": INPUT},
    ],
)
def test_a_record_without_its_sources_leads_to_none(tmp_path: Path, document: dict[str, Any]) -> None:
    contract = known(document, tmp_path / "1.json")
    assert contract.places is None
    assert contract.creation_places is None
