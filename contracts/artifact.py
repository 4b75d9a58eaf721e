"""A built contract, in the form of Foundry's artifacts: what cast, web3.py, ethers, viem and Hardhat read."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zevm.chain.zvm.inspection import inspect_module
from zevm.chain.zvm.module.creation import compressed, stripped
from zevm.chain.zvm.module.form import CONSTRUCTOR_MARKER, MAGIC
from zevm.chain.zvm.price_table import ZVM
from zevm.contracts.errors import ArtifactError
from zevm.contracts.sections import abi_of, with_abi
from zevm.contracts.source_maps.mappings import MEMBER
from zevm.storage.keccak import keccak256

Entry = dict[str, Any]
"""A function, event, error or constructor as a compiler's JSON describes it; a parameter of one has the same form."""

Abi = list[Entry]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract. source: its file, as messages name it.

    bytecode: creation code, behind which ABI-encoded constructor arguments follow. deployed_bytecode: the code that an
    account gets; of EVM contracts with the immutables zero. module: WebAssembly without custom sections, None for EVM
    bytecode. debug_module: the same with names and DWARF. source_map: a document for `zevm.contracts.source_maps`.
    file: the document that it was read from. extra: further members of the document.
    """

    name: str
    source: str
    language: str
    abi: Abi
    bytecode: bytes = field(repr=False)
    deployed_bytecode: bytes = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)
    storage_layout: dict[str, Any] | None = field(default=None, repr=False)
    module: bytes | None = field(default=None, repr=False)
    debug_module: bytes | None = field(default=None, repr=False)
    source_map: Mapping[str, Any] | None = field(default=None, repr=False)
    file: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def constructor(self) -> dict[str, Any] | None:
        """The ABI's entry of the constructor."""
        return next((entry for entry in self.abi if entry["type"] == "constructor"), None)

    @property
    def takes_arguments(self) -> bool:
        """Whether the creation code runs a constructor of a module."""
        return self.bytecode.endswith(CONSTRUCTOR_MARKER) and self.module is not None

    @property
    def module_with_abi(self) -> bytes | None:
        """The module as a file: its ABI in the custom section `zvm.abi`."""
        return None if self.module is None else with_abi(self.module, self.name, self.abi)

    def as_json(self) -> dict[str, Any]:
        """The document; `contractName` and `sourceName` are Hardhat's names, which Foundry does not have."""
        document: dict[str, Any] = {
            "abi": self.abi,
            "bytecode": {"object": "0x" + self.bytecode.hex(), "sourceMap": "", "linkReferences": {}},
            "deployedBytecode": {"object": "0x" + self.deployed_bytecode.hex(), "sourceMap": "", "linkReferences": {}},
            "methodIdentifiers": method_identifiers(self.abi),
            "rawMetadata": json.dumps(self.metadata, separators=(",", ":"), sort_keys=True),
            "metadata": self.metadata,
            "contractName": self.name,
            "sourceName": self.source,
            "id": 0,
        }
        if self.storage_layout is not None:
            document["storageLayout"] = self.storage_layout
        if self.source_map is not None:
            document[MEMBER] = self.source_map
        if self.module is not None:
            document["zvm"] = {"format": 1, "moduleBytes": len(self.module), "storedBytes": len(self.deployed_bytecode)}
        return document | dict(self.extra)

    def write(self, folder: Path) -> Path:
        """Write `<folder>/<source's file>/<name>.json`, and the module's files next to it; the path of the JSON."""
        target = folder / Path(self.source).name
        target.mkdir(parents=True, exist_ok=True)
        files = {f"{self.name}.wasm": self.module_with_abi, f"{self.name}.debug.wasm": self.debug_module}
        for name, content in files.items():
            if content is not None:
                replace_file(target / name, content)
        path = target / f"{self.name}.json"
        replace_file(path, (json.dumps(self.as_json(), indent=2) + "\n").encode())
        return path


def module_artifact(
    name: str,
    source: str,
    language: str,
    module: bytes,
    *,
    abi: Abi,
    takes_arguments: bool,
    metadata: dict[str, Any],
    storage_layout: dict[str, Any] | None = None,
    debug_module: bytes | None = None,
    source_map: Mapping[str, Any] | None = None,
    compress: bool = True,
) -> Artifact:
    """The artifact of a module: stored compressed if that is smaller, its creation with the constructor's marker."""
    stored = min(compressed(module), module, key=len) if compress else module
    return Artifact(
        name, source, language, abi,
        bytecode=stored + (CONSTRUCTOR_MARKER if takes_arguments else b""),
        deployed_bytecode=stored,
        metadata=metadata,
        storage_layout=storage_layout,
        module=module,
        debug_module=debug_module,
        source_map=source_map,
    )  # fmt: skip


def load_artifact(path: Path) -> Artifact:
    """Read a document of `Artifact.write` or of a tool with this form, or a module. Raises ArtifactError."""
    try:
        if path.suffix == ".wasm":
            return _of_module(path, path.read_bytes())
        return _of_document(path, json.loads(path.read_bytes()))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ArtifactError(f"{path}: not an artifact in Foundry's form: nested too deep") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: not an artifact in Foundry's form: {error}") from None


def _of_document(path: Path, document: Any) -> Artifact:
    """The artifact of a JSON document. Raises ValueError with a sentence, TypeError, AttributeError."""
    if not isinstance(document, dict):
        raise ValueError(f"a JSON {type(document).__name__}, where an object with {_named(_REQUIRED)} belongs")
    missing = [member for member in _REQUIRED if member not in document]
    if missing:
        raise ValueError(f"it has no {_named(missing)}, which a build writes")
    metadata = document.get("metadata") or {}
    abi = document["abi"]
    if not isinstance(abi, list) or not all(isinstance(entry, dict) and "type" in entry for entry in abi):
        raise ValueError("`abi` is no list of objects with a `type`")
    named = Artifact(
        name=document.get("contractName") or path.stem,
        source=document.get("sourceName") or next(iter(_targets(metadata)), path.parent.name),
        language=metadata.get("language", "Solidity"),
        abi=abi,
        bytecode=_code("bytecode", document["bytecode"]),
        deployed_bytecode=_code("deployedBytecode", document["deployedBytecode"]),
        metadata=metadata,
        storage_layout=document.get("storageLayout"),
        module=_module_beside(path, document),
        source_map=document.get(MEMBER),
        file=path,
    )
    _require_text({"contractName": named.name, "sourceName": named.source, "language": named.language})
    _require_characters("abi", json.dumps(abi, ensure_ascii=False))
    return named


_REQUIRED = ("abi", "bytecode", "deployedBytecode")
_PLACEHOLDER = re.compile(r"__.{36}__")
"""The place of a library's address: 40 characters, `__$` and 34 hex digits of its hash, or its name in older files."""


def _named(members: Sequence[str]) -> str:
    return " and ".join(f"`{member}`" for member in members)


def _require_text(members: Mapping[str, Any]) -> None:
    """Raises ValueError for a member that is no string, or one that no encoding has."""
    for member, value in members.items():
        if not isinstance(value, str):
            raise ValueError(f"`{member}` is no string, but {type(value).__name__}")
        _require_characters(member, value)


def _require_characters(member: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise ValueError(
            f"`{member}` contains half of a surrogate pair (\\u{half:04x}), which is no character"
        ) from None


def _of_module(path: Path, code: bytes) -> Artifact:
    """A module alone: it carries its ABI, or none is known. Raises ArtifactError."""
    if not code.startswith(MAGIC):
        begin = f"begins with {code[: len(MAGIC)].hex(' ')}" if code else "is empty"
        raise ArtifactError(f"{path}: not a WebAssembly module: it {begin}, want {MAGIC.hex(' ')} (\\0asm)")
    name, abi = abi_of(code) or (path.name.partition(".")[0], [])
    module = stripped(code)
    has_constructor = any(entry["type"] == "constructor" for entry in abi) or (not abi and asks_for_creation(module))
    return module_artifact(
        name, path.name, "WebAssembly", module, abi=abi, takes_arguments=has_constructor, metadata={}
    )


def asks_for_creation(module: bytes) -> bool:
    """Whether a module asks the host if it is being created: it has a constructor."""
    found = inspect_module(module, ZVM.with_console())
    return any((item.module, item.name) == ("zvm", "is_constructing") for item in found.imports)


def _targets(metadata: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = metadata.get("settings", {}).get("compilationTarget", {})
    return found


def _code(member: str, value: Any) -> bytes:
    """Bytes of `{"object": "0x.."}` (Foundry) or `"0x.."` (Hardhat). Raises ValueError with a sentence."""
    text = value.get("object") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise ValueError(f"`{member}` is neither a string of hex nor an object with one in `object`")
    library = _PLACEHOLDER.search(text)
    if library is not None:
        raise ValueError(
            f"`{member}` has the placeholder {library[0]} where a library's address belongs; link it first, with"
            " `forge build --libraries FILE:NAME:ADDRESS` or your tool's setting for libraries"
        )
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ValueError(f"`{member}` is not hex: an even number of digits, 0x before them or not") from None


def _module_beside(path: Path, document: dict[str, Any]) -> bytes | None:
    file = path.with_suffix(".wasm")
    return stripped(file.read_bytes()) if "zvm" in document and file.exists() else None


def method_identifiers(abi: Abi) -> dict[str, str]:
    """Signature -> selector in hex without 0x, as solc lists them."""
    from eth_utils.abi import abi_to_signature

    signatures = sorted(abi_to_signature(entry) for entry in abi if entry["type"] == "function")  # type: ignore[arg-type]
    return {signature: keccak256(signature.encode())[:4].hex() for signature in signatures}


def replace_file(path: Path, content: bytes) -> None:
    """Write a file by one rename, so that a reader meanwhile has a whole one."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(content)
    aside.replace(path)
