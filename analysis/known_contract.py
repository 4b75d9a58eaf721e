"""A contract whose artifact is known: its name, its ABI by selectors, and the codes that it is recognised by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from zevm.analysis.code_match import CodePattern, listed_ranges
from zevm.contracts.artifact import Abi, Artifact, Entry
from zevm.contracts.calls import signature_of
from zevm.contracts.source_maps import SourceMap
from zevm.contracts.source_maps.mappings import CREATION_MEMBER
from zevm.storage.keccak import keccak256

_PLACEHOLDER_EDGE = "__"
_PLACEHOLDER_DIGITS = 40
"""`__$..$__` in the place of a library's address, in hex digits."""


@dataclass(frozen=True)
class KnownContract:
    """name: the contract's. source: its file, as messages name it. file: the artifact's, None without one.

    source_map, creation_source_map: of a contract without an artifact's file; others are read from there when someone
    asks. storage_layout: in solc's form.
    """

    name: str
    source: str
    language: str
    abi: Abi = field(repr=False)
    file: Path | None = field(default=None, repr=False, compare=False)
    runtime: bytes = field(default=b"", repr=False)
    creation: bytes = field(default=b"", repr=False)
    runtime_holes: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    creation_holes: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    source_map: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    creation_source_map: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    storage_layout: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def functions(self) -> Mapping[bytes, Entry]:
        """Selector -> the ABI's entry."""
        return {keccak256(signature.encode())[:4]: entry for signature, entry in self._signed("function")}

    @cached_property
    def errors(self) -> Mapping[bytes, Entry]:
        """Selector -> the ABI's entry."""
        return {keccak256(signature.encode())[:4]: entry for signature, entry in self._signed("error")}

    @cached_property
    def events(self) -> Mapping[bytes, Entry]:
        """First topic -> the ABI's entry; anonymous events have none."""
        named = (pair for pair in self._signed("event") if not pair[1].get("anonymous"))
        return {keccak256(signature.encode()): entry for signature, entry in named}

    @cached_property
    def constructor(self) -> Entry | None:
        """The ABI's entry of the constructor."""
        return next((entry for entry in self.abi if entry.get("type") == "constructor"), None)

    @cached_property
    def places(self) -> SourceMap | None:
        """From offsets of the deployed code to functions and lines; None without a usable source map."""
        try:
            return SourceMap.from_artifact(self)
        except ValueError:
            return None

    @cached_property
    def creation_places(self) -> SourceMap | None:
        """The same of the creation code."""
        try:
            return SourceMap.of_creation(self, self.creation_source_map)
        except ValueError:
            return None

    @property
    def is_wasm(self) -> bool:
        """Whether the code is a module."""
        return self.runtime[:4] in (b"\0asm", b"\xef\xf0\x00\x00")

    def runtime_pattern(self) -> CodePattern:
        """The pattern of an account's code."""
        return CodePattern.of_runtime(self.runtime, self.runtime_holes, is_vyper=self.language == "Vyper")

    def creation_pattern(self) -> CodePattern:
        """The pattern of creation data."""
        return CodePattern.of_creation(self.creation, self.creation_holes)

    def _signed(self, kind: str) -> Iterator[tuple[str, Entry]]:
        """(signature, entry) of the entries of a kind; malformed ones are left out."""
        for entry in self.abi:
            if entry.get("type", "function") != kind or not isinstance(entry.get("name"), str):
                continue
            try:
                yield signature_of(entry), entry
            except (LookupError, ValueError, TypeError, AttributeError):
                continue


def contract_of(artifact: Artifact) -> KnownContract:
    """A known contract of a built artifact."""
    codes = [artifact.extra.get(member, {}) for member in ("deployedBytecode", "bytecode")]
    runtime, creation = (tuple(_holes(code)) for code in codes)
    return KnownContract(
        artifact.name, artifact.source, artifact.language, artifact.abi, artifact.file,
        artifact.deployed_bytecode, artifact.bytecode, runtime, creation,
        artifact.source_map, artifact.extra.get(CREATION_MEMBER), artifact.storage_layout,
    )  # fmt: skip


def contracts_in(document: Any, path: Path) -> Iterator[KnownContract]:
    """The contracts of a JSON document: one of Foundry's or Hardhat's artifacts, or a record of a whole build."""
    if not isinstance(document, dict):
        return
    output = document.get("output")
    sources = output.get("contracts") if isinstance(output, dict) else None
    for source, contracts in (sources if isinstance(sources, dict) else {}).items():
        for name, contract in (contracts if isinstance(contracts, dict) else {}).items():
            codes = contract.get("evm") if isinstance(contract, dict) else None
            if isinstance(codes, dict):
                yield from _contract(contract | codes, name, source, "Solidity", path)
    if isinstance(document.get("abi"), list):
        metadata = document.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        source = document.get("sourceName") or document.get("inputSourceName") or _target(metadata) or path.parent.name
        language = metadata.get("language") or ("Vyper" if str(source).endswith(".vy") else "Solidity")
        yield from _contract(document, document.get("contractName") or path.stem, source, language, path)


def _contract(member: dict[str, Any], name: Any, source: Any, language: Any, path: Path) -> Iterator[KnownContract]:
    """One contract, if it has code and a name."""
    abi = member.get("abi")
    if not (isinstance(abi, list) and isinstance(name, str) and isinstance(source, str)):
        return
    try:
        runtime, creation = _code(member.get("deployedBytecode")), _code(member.get("bytecode"))
    except ValueError:
        return
    if runtime:
        runtime_holes = (*_holes(member.get("deployedBytecode")), *listed_ranges(member.get("deployedLinkReferences")))
        runtime_holes += tuple(listed_ranges(member.get("immutableReferences")))
        layout = found if isinstance(found := member.get("storageLayout"), dict) else None
        creation_holes = (*_holes(member.get("bytecode")), *listed_ranges(member.get("linkReferences")))
        yield KnownContract(
            name, source, str(language), [entry for entry in abi if isinstance(entry, dict)], path,
            runtime, creation, runtime_holes, creation_holes, storage_layout=layout,
        )  # fmt: skip


def _holes(code: Any) -> Iterator[tuple[int, int]]:
    if isinstance(code, Mapping):
        yield from listed_ranges(code.get("immutableReferences"))
        yield from listed_ranges(code.get("linkReferences"))


def _code(value: Any) -> bytes:
    """Bytes of `{"object": "0x.."}` or `"0x.."`, the places of libraries with zeros. Raises ValueError."""
    text = value.get("object") if isinstance(value, Mapping) else value
    digits = text.removeprefix("0x") if isinstance(text, str) else ""
    while (start := digits.find(_PLACEHOLDER_EDGE)) >= 0:
        digits = digits[:start] + "0" * _PLACEHOLDER_DIGITS + digits[start + _PLACEHOLDER_DIGITS :]
    return bytes.fromhex(digits)


def _target(metadata: Mapping[str, Any]) -> str | None:
    settings = metadata.get("settings")
    target = settings.get("compilationTarget") if isinstance(settings, Mapping) else None
    return next(iter(target), None) if isinstance(target, Mapping) else None
