"""A data directory: whose it is, which process holds it, and small files that prove they are whole."""

import fcntl
import os
import threading
import zlib
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from zevm.storage.errors import CorruptionError, DatabaseLockedError, ForeignDatabaseError, StorageError, StorageProblem
from zevm.storage.schema import OLDEST_OPENED_VERSION, SCHEMA_VERSION

FORMAT_NAME = "FORMAT"
LOCK_NAME = "zevm.lock"
LEVELDB_NAME = "leveldb"
REPLACED_NAME = "replaced"
FORGOTTEN_NAME = "replaced.old"

PINS_NAME = "leader-keys.json"
"""The keys of the nodes that this one has followed."""

VERIFIED_NAME = "verified"
"""The folder of sources and artifacts of verified contracts."""

NODE_NAMES = frozenset(
    {PINS_NAME, VERIFIED_NAME, "zvm", "jwtsecret", "quic-ca.pem", "quic-cert.pem", "quic-key.pem", "quic-nonces"}
)
"""Files of a node in its directory besides the database; a user may have put them there before, to keep them."""

BESIDE_NAMES = (
    frozenset({LOCK_NAME, "FORMAT.new", "keystore", "logs", "zevm.toml", "zevm.ipc", "genesis.json", "console_history"})
    | {REPLACED_NAME, FORGOTTEN_NAME}
    | NODE_NAMES
)
"""Files that a directory for a new database may already contain."""

_DATABASE_NAMES = frozenset({LEVELDB_NAME, "SEQUENCE", "marks", "CHECKSUMS", "torn"})
"""The other files of a database (storage.database), which no directory has without its mark of ownership."""

_MAGIC = "zEVM database"
_OLDER = frozenset(f"schema {version}" for version in range(1, OLDEST_OPENED_VERSION))
_OPENED = frozenset(f"schema {version}" for version in range(OLDEST_OPENED_VERSION, SCHEMA_VERSION + 1))


def check_ownership(path: Path, schema: int = SCHEMA_VERSION) -> bool:
    """Whether `path` holds a database of ours, of a schema version; False when one can be made there.

    Raises ForeignDatabaseError when it holds something else, or another schema version's database, and
    CorruptionError when the file that says so is damaged or missing.
    """
    if not path.exists():
        return False
    if not path.is_dir():
        raise ForeignDatabaseError(f"the data directory {path} is a file", StorageProblem.FOLDER_IS_FILE)
    if not (path / FORMAT_NAME).exists():
        strangers = sorted(entry.name for entry in path.iterdir() if entry.name not in BESIDE_NAMES)
        # a directory whose database was set aside is ours, with all that its owner has put there
        if strangers and not (path / REPLACED_NAME / FORMAT_NAME).exists():
            if {LEVELDB_NAME, "SEQUENCE"} <= set(strangers) <= _DATABASE_NAMES:
                raise CorruptionError(f"the file {path / FORMAT_NAME} is missing", StorageProblem.FORMAT_DAMAGED)
            raise ForeignDatabaseError(
                f"the folder {path} holds files that are not zEVM's ({', '.join(strangers[:3])})",
                StorageProblem.FOREIGN_FILES,
            )
        return False
    _check_format(path, schema)
    return True


def is_ours(path: Path) -> bool:
    """As `check_ownership`, but another schema version's database, and a damaged one of ours, pass too."""
    file = path / FORMAT_NAME
    if file.is_file() and _MAGIC.encode() in file.read_bytes():
        return True
    return check_ownership(path)


def write_format(path: Path, schema: int = SCHEMA_VERSION) -> None:
    """Mark `path` as a database of ours, of a schema version."""
    write_sealed(path / FORMAT_NAME, [_MAGIC, f"schema {schema}", f"created by zevm-node {_version()}"])


def renew_format(path: Path) -> None:
    """Mark a database of an older schema version that is opened as it is as one of this, before anything is written."""
    lines = read_sealed(path / FORMAT_NAME)
    if lines is not None and lines[1] != f"schema {SCHEMA_VERSION}":
        write_sealed(path / FORMAT_NAME, [_MAGIC, f"schema {SCHEMA_VERSION}", *lines[2:]])


def _check_format(path: Path, schema: int) -> None:
    lines = read_sealed(path / FORMAT_NAME)
    if lines is None or lines[0] != _MAGIC:
        raise CorruptionError(
            f"the file {path / FORMAT_NAME} is damaged or another program's",
            StorageProblem.FORMAT_DAMAGED,
        )
    if lines[1] not in (_OPENED if schema == SCHEMA_VERSION else {f"schema {schema}"}):
        raise ForeignDatabaseError(
            f"the database at {path} has {lines[1]}, this program reads schema {SCHEMA_VERSION}; it was {lines[2]}",
            StorageProblem.OLDER_SCHEMA if lines[1] in _OLDER else StorageProblem.OTHER_SCHEMA,
        )


def _version() -> str:
    try:
        return metadata.version("zevm-node")
    except metadata.PackageNotFoundError:
        return "unknown"


def write_sealed(path: Path, lines: list[str]) -> None:
    """Replace a text file by `lines` and a checksum of them, atomically and durably."""
    content = "".join(f"{line}\n" for line in lines).encode()
    content += f"check {zlib.crc32(content):08x}\n".encode()
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def read_sealed(path: Path) -> list[str] | None:
    """The lines of a file that `write_sealed` wrote; None when it is absent or its checksum is wrong."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    body, mark, _ = content.rpartition(b"check ")
    if not mark or content != body + f"check {zlib.crc32(body):08x}\n".encode():
        return None
    return body.decode().splitlines()


def sync_directory(path: Path) -> None:
    """Make renames, creations and deletions in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DirectoryLock:
    """The exclusive right to a data directory, with the owner's process id in the lock file.

    A POSIX record lock: it ends with the process however that ends, and forked children do not carry it on.
    """

    _held: set[str] = set()  # noqa: RUF012  shared on purpose: record locks do not exclude within one process
    _held_lock = threading.Lock()

    def __init__(self, path: Path) -> None:
        self._name = os.path.realpath(path)
        with self._held_lock:
            if self._name in self._held:
                raise DatabaseLockedError(
                    f"the data directory {path} is in use by this process ({os.getpid()}) already",
                    StorageProblem.IN_USE_HERE,
                )
            self._descriptor: int | None = _acquire(path)
            self._held.add(self._name)

    def release(self) -> None:
        """Give the directory free; idempotent."""
        with self._held_lock:
            if self._descriptor is None:
                return
            self._held.discard(self._name)
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _acquire(path: Path) -> int:
    try:
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(f"cannot open {path / LOCK_NAME}: {error.strerror}") from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise DatabaseLockedError(
            f"the data directory {path} is in use by process {owner or 'unknown'}", StorageProblem.IN_USE
        ) from error
    # the process id only helps people: a full disk is told where it matters
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
