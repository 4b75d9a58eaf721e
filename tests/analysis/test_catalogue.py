"""The catalogue: contracts of Foundry's, Hardhat's and this project's artifacts, by code, creation and selector."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm as module

from zevm.analysis import catalogue as catalogue_module
from zevm.analysis.catalogue import Catalogue
from zevm.chain.zvm.module.creation import compressed
from zevm.contracts.artifact import module_artifact
from zevm.contracts.sections import with_abi
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

RUNTIME = bytes.fromhex("60806040526004361060ff57") + b"\x7f" + bytes(32) + bytes.fromhex("5b5f5ffd")
CREATION = bytes.fromhex("600a5f5f39600a5ff3") + RUNTIME
ABI = [
    {"type": "function", "name": "set", "inputs": [{"name": "value", "type": "uint256"}], "outputs": []},
    {"type": "event", "name": "Set", "inputs": [{"name": "value", "type": "uint256", "indexed": True}]},
    {"type": "error", "name": "Wrong", "inputs": []},
    {"type": "function", "inputs": "nonsense"},
]
SET, SET_TOPIC, WRONG = keccak256(b"set(uint256)")[:4], keccak256(b"Set(uint256)"), keccak256(b"Wrong()")[:4]
MODULE = '(module (func (export "user_entrypoint") (param i32) (result i32) i32.const 0))'
UNREADABLE = [[], 5, {"abi": 5}, {"abi": [], "bytecode": "0xzz", "deployedBytecode": "0xzz"}, {"output": 5}]


def _foundry(runtime: str, creation: str) -> dict[str, Any]:
    references = {"immutableReferences": {"9": [{"start": 13, "length": 32}]}, "linkReferences": {}}
    return {"abi": ABI, "bytecode": {"object": creation}, "deployedBytecode": {"object": runtime, **references}}


def _hardhat(runtime: str, creation: str) -> dict[str, Any]:
    names = {"_format": "hh-sol-artifact-1", "contractName": "Box", "sourceName": "contracts/Box.sol"}
    return {**names, "abi": ABI, "bytecode": creation, "deployedBytecode": runtime, "linkReferences": {}}


def _build_record(runtime: str, creation: str) -> dict[str, Any]:
    codes = {"bytecode": {"object": creation[2:]}, "deployedBytecode": {"object": runtime[2:]}}
    return {"output": {"contracts": {"contracts/Box.sol": {"Box": {"abi": ABI, "evm": codes}}}}}


def _written(folder: Path, document: object, name: str = "Box.sol/Box.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("form", [_foundry, _hardhat, _build_record])
def test_an_account_is_named_by_its_code(tmp_path: Path, form: Any) -> None:
    _written(tmp_path, form("0x" + RUNTIME.hex(), "0x" + CREATION.hex()))
    catalogue = Catalogue([tmp_path])
    found = catalogue.identify(RUNTIME.replace(bytes(32), b"\x22" * 32))
    assert found is not None
    assert (found.name, list(found.functions), list(found.errors)) == ("Box", [SET], [WRONG])
    created = catalogue.of_creation(CREATION + b"\x01" * 32)
    assert created is not None
    assert (created[0].name, created[1]) == ("Box", b"\x01" * 32)
    assert catalogue.function(SET) == ABI[0]
    assert catalogue.event(SET_TOPIC) == ABI[1]
    assert catalogue.error(WRONG) == ABI[2]


def test_the_place_of_a_library_does_not_count(tmp_path: Path) -> None:
    placeholder = "__$" + "a" * 34 + "$__"
    document = _foundry(f"0x6080604052{placeholder}5b", f"0x6080{placeholder}")
    libraries = {"L.sol": {"L": [{"start": 5, "length": 20}]}}
    document["deployedBytecode"] |= {"immutableReferences": {}, "linkReferences": libraries}
    _written(tmp_path, document)
    found = Catalogue([tmp_path]).identify(bytes.fromhex(f"6080604052{'ab' * 20}5b"))
    assert found is not None
    assert found.name == "Box"


@pytest.mark.parametrize("document", UNREADABLE)
def test_other_files_are_passed_over(tmp_path: Path, document: object) -> None:
    _written(tmp_path, document, "a.json")
    (tmp_path / "b.json").write_text("{")
    _written(tmp_path, _foundry("0x" + RUNTIME.hex(), "0x"))
    found = Catalogue([tmp_path]).identify(RUNTIME)
    assert found is not None


def test_new_artifacts_are_found_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "RESCAN_INTERVAL_SECONDS", 0)
    catalogue = Catalogue([tmp_path])
    assert catalogue.identify(RUNTIME) is None
    _written(tmp_path, _foundry("0x" + RUNTIME.hex(), "0x"))
    assert catalogue.identify(RUNTIME) is not None


@pytest.mark.parametrize(("limit", "value"), [("FILES_LIMIT", 1), ("FILE_BYTES_LIMIT", 10), ("TOTAL_BYTES_LIMIT", 10)])
def test_a_full_catalogue_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str, value: int
) -> None:
    monkeypatch.setattr(catalogue_module, limit, value)
    for name in ("a", "b"):
        _written(tmp_path, _foundry("0x" + RUNTIME.hex() + name, "0x"), f"{name}.json")
    with caplog.at_level(logging.WARNING):
        Catalogue([tmp_path]).identify(b"\x01")
    assert "name a smaller folder" in caplog.text


@pytest.mark.parametrize("form", [bytes, compressed], ids=["plain", "compressed"])
def test_a_module_is_named_by_its_artifact(form: Any) -> None:
    catalogue = Catalogue()
    code = module(MODULE)
    catalogue.add(module_artifact("Box", "box.zig", "Zig", code, abi=ABI[:3], takes_arguments=False, metadata={}))
    found = catalogue.identify(form(code))
    assert found is not None
    assert found.name == "Box"


def test_a_module_may_name_itself() -> None:
    code = module(MODULE)
    bomb = {"type": "function", "name": "f", "inputs": [{"name": "", "type": "tuple", "components": []}]}
    found = Catalogue().identify(with_abi(code, "Box", [ABI[0], bomb]))
    assert found is not None
    assert (found.name, list(found.functions)) == ("Box", [SET])
    named = Catalogue().identify(with_abi(code, "\x1b[2J", []))
    assert named is not None
    assert named.name == "?"


def test_an_address_is_named_whatever_its_code() -> None:
    catalogue = Catalogue()
    code = module("(module)")
    artifact = module_artifact("Box", "box.zig", "Zig", code, abi=[], takes_arguments=False, metadata={})
    catalogue.add(artifact, b"\x05" * 20)
    found = catalogue.identify(b"\x60", b"\x05" * 20)
    assert found is not None
    assert found.name == "Box"
    assert catalogue.well_known((1).to_bytes(20, "big")) == "ECREC"


@pytest.mark.parametrize(
    "code",
    [
        b"\xef\x01\x00" + b"\x05" * 20,
        bytes.fromhex("363d3d373d3d3d363d73") + b"\x05" * 20 + bytes.fromhex("5af43d82803e903d91602b57fd5bf3"),
    ],
    ids=["delegation", "minimal proxy"],
)
def test_an_account_that_runs_another_s_code_has_the_other_s_name(code: bytes) -> None:
    catalogue = Catalogue()
    artifact = module_artifact("Box", "box.zig", "Zig", module("(module)"), abi=[], takes_arguments=False, metadata={})
    catalogue.add(artifact, b"\x05" * 20)
    found = catalogue.contract_at(Address(b"\x06" * 20), code, {b"\x05" * 20: b"\x60"}.__getitem__)
    assert found is not None
    assert found.name == "Box"
