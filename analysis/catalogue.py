"""The catalogue of contracts: which one an account is, by its code, as far as there are artifacts.

Artifacts are those of Foundry (`out/`), Hardhat (`artifacts/`) and `zevm contract build`. New ones are found while the
program runs: an unknown code makes the catalogue look at its folders again.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Final

import orjson

from zevm.analysis.code_match import CodeIndex
from zevm.analysis.known_contract import KnownContract, contract_of, contracts_in
from zevm.analysis.proxies import implementation_of
from zevm.analysis.well_known import WELL_KNOWN
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.creation import stripped
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.contracts.artifact import Artifact, Entry
from zevm.contracts.description import check_entry
from zevm.contracts.sections import abi_of
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

LOGGER = logging.getLogger("zevm.analysis")
RESCAN_INTERVAL_SECONDS: Final = 2.0
FILES_LIMIT: Final = 20_000
"""Artifacts that one catalogue reads."""
FILE_BYTES_LIMIT: Final = 256 * 1024 * 1024
"""Size of one artifact."""
TOTAL_BYTES_LIMIT: Final = 1024 * 1024 * 1024
"""Size of all artifacts that one catalogue reads."""
CODES_KEPT: Final = 4_096
"""Codes whose contract is remembered."""
_WASM = b"\0asm"
_NOT_SEARCHED = frozenset({"node_modules", "cache", "kompile"})
_Stamp = tuple[int, int]


class Catalogue:
    """Contracts by code, address and selector. Safe to use from any thread.

    Folders are read at the first question. Files that are no artifacts are ignored; a catalogue that is full says so
    in the log and ignores the rest.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """`folders`: searched for *.json at every depth."""
        self._folders = tuple(folders)
        self._lock = RLock()
        self._next_scan = 0.0
        self._seen: dict[Path, _Stamp] = {}
        self._bytes_left = TOTAL_BYTES_LIMIT
        self._is_full = False
        self._runtime: CodeIndex[KnownContract] = CodeIndex()
        self._creation: CodeIndex[KnownContract] = CodeIndex()
        self._modules: dict[bytes, KnownContract] = {}
        self._addresses: dict[bytes, KnownContract] = {}
        self._functions: dict[bytes, Entry] = {}
        self._errors: dict[bytes, Entry] = {}
        self._events: dict[bytes, Entry] = {}
        self._identified: dict[bytes, KnownContract | None] = {}
        self._contracts: dict[tuple[str, str, Path | None], KnownContract] = {}

    def add(self, artifact: Artifact | KnownContract, address: bytes | None = None) -> KnownContract:
        """Take a contract, and where it is deployed if that is known: its code is not looked at there."""
        contract = contract_of(artifact) if isinstance(artifact, Artifact) else artifact
        with self._lock:
            self._take(contract)
            if address is not None:
                self._addresses[bytes(address)] = contract
        return contract

    def replace(self, earlier: KnownContract | None, contract: KnownContract) -> None:
        """Take a contract in place of one that was added before; None: of none."""
        with self._lock:
            if earlier is not None:
                self._drop(earlier)
            self._take(contract)

    def contracts(self) -> list[KnownContract]:
        """All known contracts, the newest of each name in a source and an artifact."""
        with self._lock:
            self._rescan()
            return list(self._contracts.values())

    def contract_at(self, address: Address, code: bytes, code_of: Callable[[Address], bytes]) -> KnownContract | None:
        """The contract of an account with this code; of a delegating one or a minimal proxy, that which runs.

        code_of: reads the runtime code of the other account.
        """
        found = self.identify(code, address)
        implementation = implementation_of(code) if found is None else None
        return found if implementation is None else self.identify(code_of(implementation), implementation)

    def identify(self, code: bytes, address: Address | None = None) -> KnownContract | None:
        """The contract of an account with this runtime code."""
        with self._lock:
            if address is not None and address in self._addresses:
                return self._addresses[address]
            if not code:
                return None
            key = keccak256(code)
            found = self._identified.get(key)
            if found is None and (self._rescan() or key not in self._identified):
                if len(self._identified) >= CODES_KEPT:
                    self._identified.clear()
                found = self._identified[key] = self._search(code)
            return found

    def of_creation(self, data: bytes) -> tuple[KnownContract, bytes] | None:
        """The contract that creation data make, and the arguments behind its code."""
        with self._lock:
            self._rescan()
            found = self._creation.find_longest(data)
            if found is not None:
                return found[0], data[found[1] :]
            module = _module_of(data)
            contract = None if module is None else self._of_module(module)
            return None if contract is None else (contract, b"")

    def function(self, selector: bytes) -> Entry | None:
        """A function of any contract: the first that had this selector."""
        return self._lookup(self._functions, selector)

    def error(self, selector: bytes) -> Entry | None:
        """A custom error of any contract."""
        return self._lookup(self._errors, selector)

    def event(self, topic: bytes) -> Entry | None:
        """An event of any contract."""
        return self._lookup(self._events, topic)

    def well_known(self, address: bytes) -> str | None:
        """The name of an account that is the same on every chain."""
        return WELL_KNOWN.get(address)

    def _lookup(self, table: dict[bytes, Entry], key: bytes) -> Entry | None:
        with self._lock:
            if key not in table:
                self._rescan()
            return table.get(key)

    def _search(self, code: bytes) -> KnownContract | None:
        found = self._runtime.find(code)
        module = None if found is not None else _module_of(code)
        return found if module is None else self._of_module(module)

    def _of_module(self, module: bytes) -> KnownContract | None:
        """The contract of a module: an artifact's, or one that the module describes itself."""
        found = self._modules.get(keccak256(stripped(module)))
        carried = None if found is not None else abi_of(module)
        if carried is None:
            return found
        name, abi = carried
        shown = name if name.isidentifier() and len(name) <= 100 else "?"
        return KnownContract(shown, "", "WebAssembly", [entry for entry in abi if _is_entry(entry)], runtime=module)

    def _take(self, contract: KnownContract) -> None:
        self._identified.clear()
        self._contracts[contract.source, contract.name, contract.file] = contract
        self._runtime.add(contract.runtime, contract.runtime_pattern(), contract)
        self._creation.add(contract.creation, contract.creation_pattern(), contract)
        module = _module_of(contract.runtime) if contract.is_wasm else None
        if module is not None:
            self._modules.setdefault(keccak256(stripped(module)), contract)
        for table, own in self._tables(contract):
            for key, entry in own.items():
                table.setdefault(key, entry)

    def _drop(self, contract: KnownContract) -> None:
        self._runtime.remove(contract.runtime, contract)
        self._creation.remove(contract.creation, contract)
        key = contract.source, contract.name, contract.file
        if self._contracts.get(key) is contract:
            del self._contracts[key]
        for table, own in self._tables(contract):
            for name, entry in own.items():
                if table.get(name) is entry:
                    del table[name]

    def _tables(self, contract: KnownContract) -> tuple[tuple[dict[bytes, Entry], Mapping[bytes, Entry]], ...]:
        return (
            (self._functions, contract.functions),
            (self._errors, contract.errors),
            (self._events, contract.events),
        )

    def _rescan(self) -> bool:
        """Read new and changed artifacts, at most every two seconds; whether any was read."""
        if not self._folders or time.monotonic() < self._next_scan:
            return False
        found = False
        for path, stamp in self._new_files():
            self._seen[path] = stamp
            self._bytes_left -= stamp[1]
            found = self._read(path) or found
        self._next_scan = time.monotonic() + RESCAN_INTERVAL_SECONDS
        return found

    def _new_files(self) -> Iterator[tuple[Path, _Stamp]]:
        for folder in self._folders:
            for path in _json_files(folder):
                stamp = _stamp(path)
                if stamp is None or self._seen.get(path) == stamp:
                    continue
                if len(self._seen) >= FILES_LIMIT or stamp[1] > min(FILE_BYTES_LIMIT, self._bytes_left):
                    self._say_full(path)
                    continue
                yield path, stamp

    def _say_full(self, path: Path) -> None:
        if not self._is_full:
            self._is_full = True
            LOGGER.warning(
                "%s is not read: at most %d artifacts of %d bytes each and %d bytes in all are; name a smaller folder",
                path, FILES_LIMIT, FILE_BYTES_LIMIT, TOTAL_BYTES_LIMIT,
            )  # fmt: skip

    def _read(self, path: Path) -> bool:
        try:
            document = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return False
        contracts = list(contracts_in(document, path))
        for contract in contracts:
            self._take(contract)
        return bool(contracts)


def _json_files(folder: Path) -> Iterator[Path]:
    """The JSON files below a folder, in an order that does not depend on the disk."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NOT_SEARCHED)
        for name in sorted(files):
            if name.endswith(".json"):
                yield Path(place, name)


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _module_of(code: bytes) -> bytes | None:
    """The module of a code or of creation data, decompressed; None for EVM bytecode and for what is no module."""
    if code[: len(_WASM)] == _WASM:
        return code
    if code[: len(COMPRESSED_PREFIX)] != COMPRESSED_PREFIX:
        return None
    try:
        # it loads wasmtime, which a node whose chain has no WebAssembly goes without
        from zevm.chain.zvm.module.prepare import decompress

        return decompress(code)
    except ModuleRefusedError:
        return None


def _is_entry(entry: object) -> bool:
    """Whether an entry of an ABI that came with a module has the form of one."""
    try:
        check_entry(entry)  # type: ignore[arg-type]
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return False
    return True
