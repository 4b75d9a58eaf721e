"""The verified contracts: by the hash of an account's code, so that what a chain takes back leaves nothing wrong."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from zevm.analysis.known_contract import KnownContract, contract_of, contracts_in
from zevm.analysis.verification.comparison import Match
from zevm.analysis.verification.errors import AsWellKnownError, StoreFullError
from zevm.analysis.verification.submission import Submission
from zevm.contracts.artifact import Artifact, replace_file

LOGGER = logging.getLogger("zevm.analysis")
_DAMAGES = (OSError, ValueError, LookupError, TypeError, RecursionError)
"""Errors of reading a file that is not one of these."""
MEMBER = "verification"
"""The member of the artifact's document that has what was submitted."""


@dataclass(frozen=True, slots=True)
class VerifiedContract:
    """A verified contract. file, name: of the contract. version: solc's. source_input: standard JSON without outputs.

    arguments: of the constructor, as they were sent. seconds: since 1970, when it was verified.
    """

    match: Match
    file: str
    name: str
    version: str
    abi: list[dict[str, Any]]
    source_input: Mapping[str, Any]
    arguments: bytes
    seconds: int
    storage_layout: Mapping[str, Any] | None = None

    @property
    def sources(self) -> dict[str, str]:
        """The texts by file."""
        return {name: item["content"] for name, item in self.source_input["sources"].items()}


class VerifiedStore:
    """Documents in Foundry's form with a member more, in a folder or in memory. Any thread."""

    def __init__(self, folder: Path | None, *, most_contracts: int, most_bytes: int) -> None:
        """`folder`: None for memory alone. It is made with the first contract."""
        self._folder = folder
        self._most_contracts = most_contracts
        self._most_bytes = most_bytes
        self._sizes: dict[bytes, int] = {}
        self._matches: dict[bytes, Match] = {}
        self._documents: dict[bytes, bytes] = {}
        self._lock = Lock()

    @property
    def has_folder(self) -> bool:
        """Whether an earlier run may have left contracts."""
        return self._folder is not None and self._folder.is_dir()

    def load(self) -> Iterator[KnownContract]:
        """The contracts of the folder; files that are damaged are told in the log and left."""
        for path in sorted(self._folder.glob("0x*.json")) if self._folder is not None else ():
            try:
                data = path.read_bytes()
                document = json.loads(data)
                match = _verified(document).match
                contract = next(contracts_in(document, path))
                code_hash = bytes.fromhex(path.stem[2:])
            except (*_DAMAGES, AttributeError, StopIteration) as error:
                LOGGER.warning("%s is no verified contract and is left: %s", path, error)
                continue
            with self._lock:
                self._note(code_hash, len(data), match)
            yield contract

    def get(self, code_hash: bytes) -> VerifiedContract | None:
        """The contract of a code."""
        with self._lock:
            if code_hash not in self._sizes:
                return None
            data = self._documents.get(code_hash)
        try:
            return _verified(json.loads(self._path(code_hash).read_bytes() if data is None else data))
        except _DAMAGES as error:
            LOGGER.warning("the verified contract of code 0x%s cannot be read: %s", code_hash.hex(), error)
            return None

    def add(
        self, code_hash: bytes, artifact: Artifact, submission: Submission, match: Match, arguments: bytes
    ) -> KnownContract:
        """Keep a contract, in place of an earlier one of the same code that matches worse.

        Raises AsWellKnownError, StoreFullError, OSError.
        """
        document = artifact.as_json() | {
            MEMBER: {
                "match": match.value,
                "version": str(submission.version),
                "input": submission.standard_json(),
                "arguments": arguments.hex(),
                "seconds": int(time.time()),
            }
        }
        data = json.dumps(document).encode()
        with self._lock:
            if self._matches.get(code_hash) in (Match.EXACT, match):
                raise AsWellKnownError
            others = {key: size for key, size in self._sizes.items() if key != code_hash}
            if len(others) >= self._most_contracts or sum(others.values()) + len(data) > self._most_bytes:
                raise StoreFullError(
                    f"{len(others):,} verified contracts are kept, and this one has {len(data):,} bytes"
                )
            if self._folder is None:
                self._documents[code_hash] = data
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                replace_file(self._path(code_hash), data)
            self._note(code_hash, len(data), match)
        return contract_of(artifact)

    def _note(self, code_hash: bytes, size_bytes: int, match: Match) -> None:
        self._sizes[code_hash], self._matches[code_hash] = size_bytes, match

    def _path(self, code_hash: bytes) -> Path:
        assert self._folder is not None
        return self._folder / f"0x{code_hash.hex()}.json"


def _verified(document: Mapping[str, Any]) -> VerifiedContract:
    """Raises LookupError, ValueError, TypeError for a document without the member, or with another form of it."""
    said = document[MEMBER]
    sources = said["input"]["sources"]
    if not all(isinstance(item["content"], str) for item in sources.values()):
        raise ValueError("a source without a text")
    return VerifiedContract(
        match=Match(said["match"]),
        file=str(document["sourceName"]),
        name=str(document["contractName"]),
        version=str(said["version"]),
        abi=list(document["abi"]),
        source_input=said["input"],
        arguments=bytes.fromhex(said["arguments"]),
        seconds=int(said["seconds"]),
        storage_layout=document.get("storageLayout"),
    )
