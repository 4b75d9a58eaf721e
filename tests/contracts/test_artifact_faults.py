"""Documents that are no artifacts: the message names the member and the way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from zevm.contracts.artifact import load_artifact
from zevm.contracts.builder import BY_SUFFIX, build
from zevm.contracts.errors import ArtifactError, BuildError

GOOD: dict[str, Any] = {"abi": [], "bytecode": "0x00", "deployedBytecode": {"object": "0x00"}, "contractName": "Box"}
LIBRARY = "__$" + "ab" * 17 + "$__"
OLD_LIBRARY = "__Math.sol:Math" + "_" * 25
ENTRY = {"type": "function", "name": "\ud800", "inputs": [], "outputs": [], "stateMutability": "view"}

FAULTS = {
    "a list": ([], "a JSON list, where an object with `abi` and `bytecode` and `deployedBytecode` belongs"),
    "no code": ({"abi": [], "bytecode": "0x"}, "it has no `deployedBytecode`, which a build writes"),
    "an ABI of words": (GOOD | {"abi": ["transfer"]}, "`abi` is no list of objects with a `type`"),
    "code of null": (GOOD | {"bytecode": None}, "`bytecode` is neither a string of hex nor an object"),
    "code without an object": (GOOD | {"deployedBytecode": {}}, "`deployedBytecode` is neither a string of hex"),
    "odd hex": (GOOD | {"bytecode": "0x1"}, "`bytecode` is not hex"),
    "a library": (GOOD | {"bytecode": f"0x73{LIBRARY}63"}, f"`bytecode` has the placeholder {LIBRARY} where a library"),
    "an old library": (GOOD | {"bytecode": f"73{OLD_LIBRARY}63"}, f"has the placeholder {OLD_LIBRARY} where a library"),
    "half a pair": (GOOD | {"contractName": "\ud800"}, r"`contractName` contains half of a surrogate pair (\ud800)"),
    "half a pair in a source": (GOOD | {"sourceName": "a\udfff"}, r"`sourceName` contains half of a surrogate pair"),
    "half a pair in the ABI": (GOOD | {"abi": [ENTRY]}, r"`abi` contains half of a surrogate pair (\ud800)"),
    "a number as name": (GOOD | {"contractName": 7}, "`contractName` is no string, but int"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_message_names_the_member(name: str, tmp_path: Path) -> None:
    document, words = FAULTS[name]
    path = tmp_path / "s.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError) as refused:
        load_artifact(path)
    assert str(refused.value).startswith(f"{path}: not an artifact in Foundry's form: ")
    assert words in str(refused.value)
    assert str(refused.value).isprintable()


def test_the_document_without_a_fault_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(GOOD))
    assert load_artifact(path).name == "Box"


@pytest.mark.parametrize(("code", "words"), [(b"", "is empty"), (b"\x9b2J\xff", "begins with 9b 32 4a ff")])
def test_a_file_that_is_no_module_is_told(code: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "s.wasm"
    path.write_bytes(code)
    with pytest.raises(ArtifactError) as refused:
        load_artifact(path)
    assert str(refused.value) == rf"{path}: not a WebAssembly module: it {words}, want 00 61 73 6d (\0asm)"


@pytest.mark.parametrize("suffix", BY_SUFFIX)
def test_a_source_that_is_no_text_is_told(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"s{suffix}"
    path.write_bytes(b"\x1b[2J\x9b\xff")
    with pytest.raises(BuildError) as refused:
        build(path)
    assert str(refused.value) == f"{path}: not UTF-8 text"
