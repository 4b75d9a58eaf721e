"""Vyper: the compiler of the package `vyper`, as a process of its own."""

import json
import sys
from importlib.util import find_spec
from typing import Any

from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.common import Source, metadata_of
from zevm.contracts.errors import BuildError, CompilerMissingError
from zevm.contracts.options import BuildOptions
from zevm.contracts.process import run_compiler
from zevm.contracts.source_maps.mappings import CREATION_MEMBER
from zevm.contracts.source_maps.solc import SourceText, instruction_offsets, solc_source_map

_OUTPUTS = ("abi", "bytecode", "bytecode_runtime", "layout", "source_map", "source_map_runtime")


def check_vyper() -> None:
    """Raises CompilerMissingError where the compiler is not installed."""
    if find_spec("vyper") is None:
        raise CompilerMissingError("Vyper needs its compiler: pip install 'zevm-node[vyper]'")


def compile_vyper_file(source: Source, options: BuildOptions) -> Artifact:
    """The artifact of a source. Raises BuildError."""
    check_vyper()
    command = [sys.executable, "-m", "vyper.cli.vyper_compile", "-f", ",".join(_OUTPUTS), source.name]
    out = run_compiler(command, source.name, options, cwd=source.root).decode().splitlines()
    try:
        abi, layout = json.loads(out[0]), json.loads(out[3])
        codes = [bytes.fromhex(line.removeprefix("0x")) for line in out[1:3]]
        maps = [json.loads(line) for line in out[4:6]]
    except (ValueError, IndexError):
        raise BuildError(f"{source.name}: vyper printed {' '.join(out)[:200]}, which is none of its outputs") from None
    from importlib.metadata import version

    name = source.contract_name
    creation, deployed = (
        {"object": "0x" + code.hex(), "sourceMap": _by_instruction(code, found), "linkReferences": {}}
        for code, found in zip(codes, maps, strict=True)
    )
    sources = {0: SourceText(source.name, source.path.read_bytes())}
    return Artifact(
        name, source.name, "Vyper", abi,
        bytecode=codes[0],
        deployed_bytecode=codes[1],
        metadata=metadata_of(source, "Vyper", version("vyper"), name, abi, settings={}),
        storage_layout=_storage_layout(layout, source, name),
        source_map=solc_source_map(codes[1], str(deployed["sourceMap"]), sources),
        extra={
            "bytecode": creation,
            "deployedBytecode": deployed,
            CREATION_MEMBER: solc_source_map(codes[0], str(creation["sourceMap"]), sources),
        },
    )  # fmt: skip


def _by_instruction(code: bytes, source_map: Any) -> str:
    """solc's form of a source map: Vyper's has an entry for each byte of the code, solc's for each instruction."""
    found = str(source_map.get("pc_pos_map_compressed", "") if isinstance(source_map, dict) else source_map)
    entries = found.split(";")
    return ";".join(entries[offset] for offset in instruction_offsets(code) if offset < len(entries))


def _storage_layout(layout: dict[str, Any], source: Source, name: str) -> dict[str, Any]:
    """Vyper's layout in solc's form: each variable has whole slots."""
    storage, types = [], {}
    # a contract that has immutables alone has a `code_layout` alone
    variables = _variables(layout.get("storage_layout", {}))
    for identifier, (label, item) in enumerate(sorted(variables, key=lambda pair: int(pair[1]["slot"]))):
        kind = item["type"]
        encoding = "mapping" if kind.startswith("HashMap") else "inplace"
        types[kind] = {"encoding": encoding, "label": kind, "numberOfBytes": str(32 * int(item["n_slots"]))}
        storage.append(
            {"astId": identifier, "contract": f"{source.name}:{name}", "label": label, "offset": 0,
             "slot": str(item["slot"]), "type": kind}
        )  # fmt: skip
    return {"storage": storage, "types": types}


def _variables(layout: dict[str, Any], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """(name, variable) of all variables, those of imported modules as `module.name`."""
    found: list[tuple[str, dict[str, Any]]] = []
    for label, item in layout.items():
        if isinstance(item.get("slot"), int):
            found.append((prefix + label, item))
        else:
            found += _variables(item, f"{prefix}{label}.")
    return found
