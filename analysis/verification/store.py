"""The verified contracts: by the hash of an account's code, so that what a chain takes back leaves nothing wrong."""

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final

from zevm.analysis.known_contract import KnownContract, contract_of, contracts_in
from zevm.analysis.verification.comparison import YUL, Match
from zevm.analysis.verification.errors import AsWellKnownError, StoreFullError
from zevm.analysis.verification.submission import Submission
from zevm.contracts.artifact import Artifact, replace_file

LOGGER = logging.getLogger("zevm.analysis")
PARSED_BYTES: Final = 64 << 20
"""Size of the documents whose contracts are kept parsed, the latest that were asked for."""
CREATION_BYTES_LEAST: Final = 64
"""Shorter creation code names nothing: the beginning of others' may be equal."""
_DAMAGES = (ValueError, LookupError, TypeError, RecursionError, FileNotFoundError)
"""Errors of reading a file that is not one of these, or is gone."""
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


@dataclass(slots=True, eq=False)
class _Record:
    """Of a kept contract. rank: of its match. parsed: its document as it was last read, None: not at hand."""

    size_bytes: int
    match: Match
    rank: int
    known: KnownContract
    document: bytes | None = None
    parsed: VerifiedContract | None = None


class VerifiedStore:
    """Documents in Foundry's form with a member more, in a folder or in memory. Any thread."""

    def __init__(self, folder: Path | None, *, most_contracts: int, most_bytes: int) -> None:
        """`folder`: None for memory alone. It is made with the first contract."""
        self._folder = folder
        self._most_contracts = most_contracts
        self._most_bytes = most_bytes
        self._records: dict[bytes, _Record] = {}
        self._parsed: OrderedDict[bytes, _Record] = OrderedDict()
        self._lock = Lock()
        self._reading = Lock()

    @property
    def has_folder(self) -> bool:
        """Whether an earlier run may have left contracts."""
        return self._folder is not None and self._folder.is_dir()

    def load(self) -> Iterator[KnownContract]:
        """The contracts of the folder; files that are damaged are told in the log and left.

        Half a file, of a process that was killed, is deleted.
        """
        with self._lock, suppress(OSError):
            for path in self._folder.glob(".0x*.json.new") if self._folder is not None else ():
                path.unlink()
        for path in sorted(self._folder.glob("0x*.json")) if self._folder is not None else ():
            try:
                data = path.read_bytes()
                document = json.loads(data)
                found = _verified(document)
                contract = _by_whole_creation(next(contracts_in(document, path)))
                code_hash = bytes.fromhex(path.stem[2:])
            except (*_DAMAGES, OSError, AttributeError, StopIteration) as error:
                LOGGER.warning("%s is no verified contract and is left: %s", path, error)
                continue
            rank = _rank(found.match, found.source_input["language"])
            with self._lock:
                self._records.setdefault(code_hash, _Record(len(data), found.match, rank, contract))
            yield contract

    def get(self, code_hash: bytes) -> VerifiedContract | None:
        """The contract of a code; parsed once, as long as it is asked for now and then."""
        found = self._at_hand(code_hash)
        if found is not None:
            return found
        # who asks at the same time waits, and finds it
        with self._reading:
            return self._at_hand(code_hash) or self._read(code_hash)

    def match_of(self, code_hash: bytes) -> Match | None:
        """The match of a kept contract."""
        with self._lock:
            record = self._records.get(code_hash)
            return None if record is None else record.match

    def _at_hand(self, code_hash: bytes) -> VerifiedContract | None:
        with self._lock:
            record = self._parsed.get(code_hash)
            if record is None:
                return None
            self._parsed.move_to_end(code_hash)
            return record.parsed

    def _read(self, code_hash: bytes) -> VerifiedContract | None:
        with self._lock:
            record = self._records.get(code_hash)
        if record is None:
            return None
        try:
            document = record.document
            found = _verified(json.loads(self._path(code_hash).read_bytes() if document is None else document))
        except OSError as error:
            self._tell_unread(code_hash, error)
            if isinstance(error, FileNotFoundError):
                self._drop(code_hash, record)
            return None
        except _DAMAGES as error:
            self._tell_unread(code_hash, error)
            self._drop(code_hash, record)
            return None
        self._keep_parsed(code_hash, record, found)
        return found

    def _keep_parsed(self, code_hash: bytes, record: _Record, found: VerifiedContract) -> None:
        with self._lock:
            if self._records.get(code_hash) is not record:
                return
            record.parsed = found
            self._parsed[code_hash] = record
            while sum(kept.size_bytes for kept in self._parsed.values()) > PARSED_BYTES:
                self._parsed.popitem(last=False)[1].parsed = None

    def _drop(self, code_hash: bytes, record: _Record) -> None:
        """Forget a contract whose document is damaged or gone, so that its sources may be sent again."""
        with self._lock:
            if self._records.get(code_hash) is record:
                del self._records[code_hash]

    @staticmethod
    def _tell_unread(code_hash: bytes, error: Exception) -> None:
        LOGGER.warning("the verified contract of code 0x%s cannot be read: %s", code_hash.hex(), error)

    def add(
        self, code_hash: bytes, artifact: Artifact, submission: Submission, match: Match, arguments: bytes
    ) -> tuple[KnownContract, KnownContract | None]:
        """Keep a contract, in place of an earlier one of the same code that matches worse; it, and the earlier one.

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
        record = _Record(len(data), match, _rank(match, submission.language), _by_whole_creation(contract_of(artifact)))
        with self._lock:
            earlier = self._records.get(code_hash)
            if earlier is not None and earlier.rank >= record.rank:
                raise AsWellKnownError
            others = [other.size_bytes for key, other in self._records.items() if key != code_hash]
            if len(others) >= self._most_contracts or sum(others) + len(data) > self._most_bytes:
                raise StoreFullError(
                    f"{len(others):,} verified contracts are kept, and this one has {len(data):,} bytes"
                )
            if self._folder is None:
                record.document = data
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                replace_file(self._path(code_hash), data)
            self._records[code_hash] = record
            self._parsed.pop(code_hash, None)
        return record.known, None if earlier is None else earlier.known

    def _path(self, code_hash: bytes) -> Path:
        assert self._folder is not None
        return self._folder / f"0x{code_hash.hex()}.json"


def _rank(match: Match, language: object) -> int:
    """Of a match among those of the same code: anybody can write any code in Yul, and call it as he likes."""
    return 0 if language == YUL else 1 + (match is Match.EXACT)


def _by_whole_creation(contract: KnownContract) -> KnownContract:
    """The contract, recognised by its creation code only if that holds what it deploys.

    The creation code is a stranger's: were it a beginning that many contracts have, all of them would bear his name.
    """
    creation = contract.creation
    is_whole = len(creation) >= CREATION_BYTES_LEAST and contract.runtime in creation
    return contract if is_whole else replace(contract, creation=b"", creation_holes=())


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
