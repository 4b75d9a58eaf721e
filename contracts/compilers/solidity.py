"""Solidity: solc of the path, or of npm, by its standard JSON."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.common import Source
from zevm.contracts.errors import BuildError, CompilerFailedError
from zevm.contracts.options import BuildOptions
from zevm.contracts.process import run_compiler
from zevm.contracts.source_files import files_of
from zevm.contracts.source_maps.mappings import CREATION_MEMBER
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.contracts.toolchain import node_tool

_OUTPUTS = ("abi", "metadata", "storageLayout", "evm.bytecode", "evm.deployedBytecode", "evm.methodIdentifiers")
_CODE = ("object", "sourceMap", "linkReferences", "immutableReferences")


def compile_solidity_file(source: Source, options: BuildOptions) -> Sequence[Artifact]:
    """The artifacts of the contracts that a source itself declares. Raises BuildError."""
    files = files_of(source.path, _import_folders(source, options))
    request: dict[str, Any] = {
        "language": "Solidity",
        "sources": {_unit(file, source, options): {"content": file.read_text()} for file in files},
        "settings": {
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {source.name: outputs_of()},
        },
    }
    solc = find_solc(source.path.parent, options.tools)
    found = compile_standard_json(solc, request, source.name, options, folder=source.root).items()
    return [artifact for (file, _), artifact in sorted(found) if file == source.name]


def compile_standard_json(
    solc: str, request: Mapping[str, Any], title: str, options: BuildOptions, *, folder: Path
) -> dict[tuple[str, str], Artifact]:
    """The artifacts of the contracts that a request of solc's standard JSON selects, by file and name.

    The request has the text of each source. title: the whole as messages name it. folder: in which solc runs. Raises
    BuildError.
    """
    answer = _answer(solc, request, title, options, folder)
    errors = [item["formattedMessage"].strip() for item in answer.get("errors", []) if item["severity"] == "error"]
    if errors:
        raise CompilerFailedError("\n".join(errors))
    texts = {unit: SourceText(unit, item["content"].encode()) for unit, item in request["sources"].items()}
    numbered = {item["id"]: texts[unit] for unit, item in answer.get("sources", {}).items() if unit in texts}
    contracts: dict[str, dict[str, dict[str, Any]]] = answer.get("contracts", {})
    language = request.get("language", "Solidity")
    return {
        (file, name): _artifact(name, file, language, contract, numbered, options.mapped_bytes)
        for file, declared in contracts.items()
        for name, contract in declared.items()
    }


def outputs_of(contract: str = "*") -> dict[str, list[str]]:
    """The outputs that a request selects of a contract of a file, or of all of them."""
    return {contract: list(_OUTPUTS)}


def find_solc(near: Path, tools: Path | None = None) -> str:
    """The compiler's program. Raises CompilerMissingError."""
    return shutil.which("solc") or node_tool("solcjs", "solc", "Solidity", near, tools)


def _import_folders(source: Source, options: BuildOptions) -> tuple[Path, ...]:
    """Folders of imports that are not relative: the project, its libraries, and the npm packages at and above it."""
    above = [source.root, *source.root.parents, *([] if options.tools is None else [options.tools])]
    return source.root, source.root / "lib", *(folder / "node_modules" for folder in above)


def _unit(file: Path, source: Source, options: BuildOptions) -> str:
    """The name of a file in the request: that by which others import it."""
    if file.is_relative_to(source.root) and "node_modules" not in file.relative_to(source.root).parts:
        inside = file.relative_to(source.root)
        return inside.relative_to("lib").as_posix() if inside.parts[0] == "lib" else inside.as_posix()
    for folder in _import_folders(source, options):
        if file.is_relative_to(folder.resolve()):
            return file.relative_to(folder.resolve()).as_posix()
    return file.as_posix()


def _answer(solc: str, request: Mapping[str, Any], title: str, options: BuildOptions, folder: Path) -> dict[str, Any]:
    out = run_compiler([solc, "--standard-json"], title, options, cwd=folder, given=json.dumps(request).encode())
    try:
        # solcjs says in front that it has no SMT solver
        found: dict[str, Any] = json.loads(out[out.index(b"{") :])
    except ValueError:
        raise BuildError(f"{title}: solc did not answer with JSON: {out[:200].decode(errors='replace')}") from None
    return found


def _artifact(
    name: str,
    file: str,
    language: str,
    contract: dict[str, Any],
    sources: Mapping[int, SourceText],
    mapped_bytes: int | None,
) -> Artifact:
    # an object of Yul has neither metadata nor an ABI
    metadata = contract.get("metadata", "")
    codes = {member: contract["evm"][member] for member in ("bytecode", "deployedBytecode")}
    if any(code["linkReferences"] for code in codes.values()):
        raise BuildError(f"{file}: {name} calls libraries that are deployed apart; build it with forge, which links")
    documents = {
        member: {key: code[key] for key in _CODE if key in code} | {"object": "0x" + code["object"]}
        for member, code in codes.items()
    }
    deployed = bytes.fromhex(codes["deployedBytecode"]["object"])
    creation = bytes.fromhex(codes["bytecode"]["object"])

    def mapped(code: bytes, member: str) -> dict[str, Any] | None:
        if not code or (mapped_bytes is not None and len(code) > mapped_bytes):
            return None
        return solc_source_map(code, codes[member]["sourceMap"], sources)

    creation_map = mapped(creation, "bytecode")
    maps = {} if creation_map is None else {CREATION_MEMBER: creation_map}
    return Artifact(
        name, file, language, contract.get("abi", []),
        bytecode=creation,
        deployed_bytecode=deployed,
        source_map=mapped(deployed, "deployedBytecode"),
        metadata=json.loads(metadata) if metadata else {},
        storage_layout=contract.get("storageLayout"),
        extra=documents | {"rawMetadata": metadata} | maps,
    )  # fmt: skip
