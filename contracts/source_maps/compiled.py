"""Source maps of what solc's users keep: artifacts of forge, and records of whole builds, as Hardhat's.

An artifact of forge has solc's map; the files' numbers are in `build-info`, the texts in the project. A record has its
input and solc's standard JSON output (https://docs.soliditylang.org/en/latest/using-the-compiler.html).
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from zevm.contracts.source_maps.mappings import CREATION_MEMBER, MEMBER
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.storage.keccak import keccak256

_PLACEHOLDER = re.compile(r"__.{36}__")
"""The place of a library's address in code that is not linked."""


def compiled_source_map(path: Path, source: str, name: str, *, creation: bool = False) -> dict[str, Any] | None:
    """The document of a contract in a file; None where it leads to no source.

    path: an artifact, `<project>/out/<source>/<contract>.json`, or a record of a build. creation: of the creation code
    in place of the deployed one. A source whose text is not the one that was compiled has no places.
    """
    try:
        document = _document(path, path.stat().st_mtime_ns)
        if "output" in document:
            return _of_record(document, path, source, name, creation)
        if MEMBER in document:
            return document.get(CREATION_MEMBER if creation else MEMBER)
        return _of_artifact(document, path, creation)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration):
        return None  # an artifact of another tool, or without a map


@lru_cache(4)
def _document(path: Path, _: int) -> dict[str, Any]:
    """A file's content. Each contract of a build asks for the build's record."""
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _of_artifact(document: Mapping[str, Any], path: Path, creation: bool) -> dict[str, Any] | None:
    metadata = document["metadata"]
    target = next(iter(metadata["settings"]["compilationTarget"]))
    names = {int(document["id"]): target} | _numbered(path.parents[1] / "build-info", document["id"], target)
    sources = {
        number: SourceText(name, text)
        for number, name in names.items()
        if (text := _text(path.parents[2], name, metadata["sources"])) is not None
    }
    return _mapped(document["bytecode" if creation else "deployedBytecode"], sources)


def _of_record(
    document: Mapping[str, Any], path: Path, source: str, name: str, creation: bool
) -> dict[str, Any] | None:
    output = document["output"]
    # Hardhat 3 keeps the input in a file of its own, next to the output
    beside = path.with_name(path.name.replace(".output.json", ".json"))
    given = document["input"] if "input" in document else _document(beside, beside.stat().st_mtime_ns)["input"]
    texts = given["sources"]
    sources = {
        int(found["id"]): SourceText(unit, texts[unit]["content"].encode())
        for unit, found in output["sources"].items()
        if "content" in texts.get(unit, {})
    }
    codes = output["contracts"][source][name]["evm"]
    return _mapped(codes["bytecode" if creation else "deployedBytecode"], sources)


def _mapped(code: Mapping[str, Any], sources: Mapping[int, SourceText]) -> dict[str, Any] | None:
    digits = _PLACEHOLDER.sub("0" * 40, code["object"].removeprefix("0x"))
    return solc_source_map(bytes.fromhex(digits), code["sourceMap"], sources) if digits and sources else None


def _numbered(folder: Path, number: int, target: str) -> dict[int, str]:
    """The files' numbers in the newest build that gave this source this number."""
    for file in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True):
        found = _document(file, file.stat().st_mtime_ns).get("source_id_to_path", {})
        if found.get(str(number)) == target:
            return {int(key): name for key, name in found.items()}
    return {}


def _text(root: Path, name: str, compiled: dict[str, Any]) -> bytes | None:
    """A source's text, where it is the compiled one."""
    file = root / name
    wanted = compiled.get(name, {}).get("keccak256")
    if wanted is None or not file.is_file():
        return None
    content = file.read_bytes()
    return content if "0x" + keccak256(content).hex() == wanted else None
