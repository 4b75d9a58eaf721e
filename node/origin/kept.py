"""Answers that forks of a block have read, on disk: for later forks of the same block, also where there is no network.

<folder>/<hash of the forked block>/zevm.lock   the process that has it open; <hash>-headers with --fork-verify headers
                                    block.json  the block, and by which URL and name it was asked for
                                    leveldb/    n<hash> trie nodes, c<hash> code, r<key> other records

One batch for each answer that was taken, so that a killed process leaves whole answers. Nodes and code are looked at
again when they are read: what the disk has lost or altered is asked for again.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import orjson

from zevm.chain.canonical.group_limits import MEBIBYTE
from zevm.chain.types import Header
from zevm.node.origin.fork import Verified
from zevm.storage.directory import DirectoryLock
from zevm.storage.errors import CorruptionError, DatabaseLockedError, StorageError
from zevm.storage.keccak import keccak256
from zevm.storage.leveldb import LevelOptions, LevelStore
from zevm.storage.schema import HASH_SIZE
from zevm.storage.store import Batch

LOGGER = logging.getLogger("zevm.node")

NODE_PREFIX, CODE_PREFIX, RECORD_PREFIX = b"n", b"c", b"r"
"""Beginnings of the keys: of a node or code its hash follows, of a record its name."""

_BLOCK_NAME, _STORE_NAME = "block.json", "leveldb"
_VERSION = 3
_OPTIONS = LevelOptions(
    cache_bytes=8 * MEBIBYTE,
    write_buffer_bytes=4 * MEBIBYTE,
    recent_bytes=0,
    recent_prefixes=frozenset(),
    sought_prefixes=frozenset(),
)


class KeptBlock(NamedTuple):
    """A block that was forked: its chain's id, its header, and the price schedule of its WebAssembly contracts.

    features: what its node says of the chain's rules (node.origin.features), as JSON.
    """

    chain_id: int
    header: Header
    zvm: str | None = None
    features: dict[str, Any] | None = None


class Kept:
    """Trie nodes, code and records of one block's chain. Any thread may call.

    folder: None keeps nothing. most_bytes: then nothing more is kept.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = 0) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock: DirectoryLock | None = None
        self._store: LevelStore | None = None
        self._bytes = 0
        self._writes = folder is not None
        self._users, self._sharing = 1, Lock()
        if folder is not None:
            self._open(folder)

    def node(self, node_hash: bytes) -> bytes | None:
        """The trie node with this hash, if it was kept."""
        return self._hashed(NODE_PREFIX, node_hash)

    def code(self, code_hash: bytes) -> bytes | None:
        """The code with this hash, if it was kept."""
        return self._hashed(CODE_PREFIX, code_hash)

    def record(self, key: bytes) -> bytes | None:
        """The record under a key, if it was kept."""
        return None if self._store is None else self._get(RECORD_PREFIX + key)

    def put(
        self,
        nodes: Mapping[bytes, bytes] | None = None,
        codes: Mapping[bytes, bytes] | None = None,
        records: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """Keep the content of one answer, all of it or nothing."""
        if self._store is None or not self._writes:
            return
        batch = Batch()
        for prefix, items in ((NODE_PREFIX, nodes), (CODE_PREFIX, codes), (RECORD_PREFIX, records)):
            batch.put_all((prefix + key, value) for key, value in (items or {}).items())
        size = sum(len(key) + len(value or b"") for key, value in batch.operations)
        if self._bytes + size > self._most_bytes:
            self._give_up(f"it has {self._most_bytes} bytes (--rpc-fork-disk-bytes)")
            return
        try:
            self._store.write(batch, sync=False)
            self._bytes += size
        except StorageError as error:
            self._give_up(str(error))

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """All that is kept, by key, in ascending order. Raises StorageError."""
        return iter(()) if self._store is None else self._store.iterate(b"", b"\xff", fill_cache=False)

    @property
    def is_open(self) -> bool:
        """Whether there is a folder, and no other process has it."""
        return self._store is not None

    def shared(self) -> "Kept":
        """The same, for one more user."""
        with self._sharing:
            self._users += 1
        return self

    def close(self) -> None:
        """Release files and lock once the last user has closed."""
        with self._sharing:
            self._users -= 1
            if self._users <= 0:
                self._release()

    def _release(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = DirectoryLock(folder)
            self._store = _opened(folder / _STORE_NAME)
            self._bytes = _size(folder)
        except DatabaseLockedError:
            LOGGER.warning("another process keeps the answers for forks of the same block: this one keeps nothing")
        except (StorageError, OSError) as error:
            LOGGER.warning("answers of the forked chain are not kept: %s", error)
        if self._store is None:
            self._release()

    def _hashed(self, prefix: bytes, digest: bytes) -> bytes | None:
        value = None if self._store is None else self._get(prefix + digest)
        return value if value is not None and keccak256(value) == digest else None

    def _get(self, key: bytes) -> bytes | None:
        store = self._store
        try:
            return None if store is None else store.get(key)
        except StorageError:
            # it is asked for again
            return None

    def _give_up(self, why: str) -> None:
        self._writes = False
        LOGGER.warning("no more answers of the forked chain are kept in %s: %s", self._folder, why)


def _opened(path: Path) -> LevelStore:
    try:
        return LevelStore(path, options=_OPTIONS)
    except CorruptionError as error:
        LOGGER.warning("%s: the files are damaged, and begun again", error)
        shutil.rmtree(path)
        return LevelStore(path, options=_OPTIONS)


class KeptForks:
    """The folder of all that is kept. most_bytes: of all blocks together; those not used for longest go first.

    verified: by what the answers are checked; those that were checked by less are in other folders.
    """

    def __init__(self, folder: Path, most_bytes: int, verified: Verified = Verified.PROOFS) -> None:
        self._folder = folder
        self._ending = "" if verified is Verified.PROOFS else f"-{verified.value}"
        self._most_bytes = most_bytes

    def open(self, block: KeptBlock, url: str, named: str) -> Kept:
        """The kept answers of a block, which was asked for by this name at this URL."""
        folder = self._folder / (block.header.hash.hex() + self._ending)
        self._make_room(folder)
        kept = Kept(folder, self._most_bytes)
        with suppress(OSError):
            _note(folder, block, _digest(url), named)
        return kept

    def last(self, url: str, named: str) -> KeptBlock | None:
        """The block that this name stood for, when it was last asked for at this URL."""
        asked = [_digest(url), named]
        for folder in sorted(self._folders(), key=_used_at, reverse=True):
            noted = _read(folder)
            if noted is not None and folder.name[2 * HASH_SIZE :] == self._ending and asked in noted["asked"]:
                header = Header.decode(bytes.fromhex(noted["header"]))
                return KeptBlock(noted["chainId"], header, noted["zvm"], noted["features"])
        return None

    def _folders(self) -> Iterable[Path]:
        with suppress(OSError):
            return [path for path in self._folder.iterdir() if (path / _BLOCK_NAME).is_file()]
        return ()

    def _make_room(self, own: Path) -> None:
        """Delete what was not used for longest, until a tenth of the bound is free."""
        sizes = {folder: _size(folder) for folder in self._folders()}
        total = sum(sizes.values())
        for folder in sorted(sizes, key=_used_at):
            if total <= self._most_bytes - self._most_bytes // 10:
                return
            if folder != own and _erased(folder):
                total -= sizes[folder]


def _erased(folder: Path) -> bool:
    """Whether a folder that no process has open is deleted now."""
    try:
        lock = DirectoryLock(folder)
    except (StorageError, OSError):
        return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
    return not folder.exists()


def _note(folder: Path, block: KeptBlock, digest: str, named: str) -> None:
    noted = _read(folder)
    asked = [] if noted is None else noted["asked"]
    if [digest, named] not in asked:
        asked.append([digest, named])
    content = {
        "version": _VERSION,
        "chainId": block.chain_id,
        "header": block.header.encode().hex(),
        "zvm": block.zvm,
        "features": block.features,
        "asked": asked[-64:],
    }
    fresh = folder / f"{_BLOCK_NAME}.new"
    fresh.write_bytes(orjson.dumps(content | {"checksum": _checksum(content)}))
    # its time is that of the last use
    fresh.replace(folder / _BLOCK_NAME)


def _read(folder: Path) -> dict[str, Any] | None:
    with suppress(OSError, orjson.JSONDecodeError):
        noted = orjson.loads((folder / _BLOCK_NAME).read_bytes())
        if isinstance(noted, dict) and noted.pop("checksum", None) == _checksum(noted) and noted["version"] == _VERSION:
            return noted
    return None


def _checksum(content: Mapping[str, Any]) -> str:
    return sha256(orjson.dumps(content)).hexdigest()


def _used_at(folder: Path) -> float:
    with suppress(OSError):
        return (folder / _BLOCK_NAME).stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _digest(url: str) -> str:
    """A URL may hold a key, which is not written down."""
    return sha256(url.encode()).hexdigest()
