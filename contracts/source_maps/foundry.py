"""Source maps of forge's artifacts: solc's map there, the files' numbers in `build-info`, the texts in the project."""

import json
from pathlib import Path
from typing import Any

from zevm.contracts.source_maps.mappings import MEMBER
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.storage.keccak import keccak256


def foundry_source_map(path: Path) -> dict[str, Any] | None:
    """The document of an artifact's file, `<project>/out/<source>/<contract>.json`; None where it leads to no source.

    A source whose text is not the one that was compiled has no places.
    """
    try:
        document = json.loads(path.read_bytes())
        if MEMBER in document:
            found: dict[str, Any] = document[MEMBER]
            return found
        deployed, metadata = document["deployedBytecode"], document["metadata"]
        code = bytes.fromhex(deployed["object"].removeprefix("0x"))
        target = next(iter(metadata["settings"]["compilationTarget"]))
        names = {int(document["id"]): target} | _numbered(path.parents[1] / "build-info", document["id"], target)
        sources = {
            number: SourceText(name, text)
            for number, name in names.items()
            if (text := _text(path.parents[2], name, metadata["sources"])) is not None
        }
        return solc_source_map(code, deployed["sourceMap"], sources) if code and sources else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration):
        return None  # an artifact of another tool, or without a map


def _numbered(folder: Path, number: int, target: str) -> dict[int, str]:
    """The files' numbers in the newest build that gave this source this number."""
    for file in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True):
        found = json.loads(file.read_bytes()).get("source_id_to_path", {})
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
