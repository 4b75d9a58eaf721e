"""Faults of the store.

StorageError
├── CorruptionError      bytes that differ from the written ones
├── DatabaseLockedError  another process, or this one, holds the data directory
├── ForeignDatabaseError not a zEVM database, another chain's, or another schema version's
├── OriginError          the chain beneath a fork gave no answer, or a false one
├── NodesNotKeptError    the trie of a past state would take too long to be made again
└── MissingNodeError     a trie node the store does not hold

None of these is ever an outcome of a transaction: they stop the work and reach the operator. The message says what
is wrong, and `problem` what kind of fault it is, where something can be done about it: the packages that talk to
people know the commands.
"""

from enum import Enum, auto


class StorageProblem(Enum):
    """Kinds of faults that the operator can do something about."""

    NO_DATABASE = auto()
    """The folder has no database, and none is to be made."""
    FOLDER_IS_FILE = auto()
    """The data directory is a file."""
    FOREIGN_FILES = auto()
    """The folder holds files of another program."""
    OTHER_SCHEMA = auto()
    """Another version of this program wrote the database."""
    OLDER_SCHEMA = auto()
    """An older version of this program wrote the database, which can be taken over."""
    OTHER_GENESIS = auto()
    """The database holds a chain that began otherwise."""
    IN_USE = auto()
    """Another process holds the data directory."""
    IN_USE_HERE = auto()
    """This process holds the data directory already."""
    FORMAT_DAMAGED = auto()
    """The file that marks the database as ours cannot be read."""
    FILES_DAMAGED = auto()
    """Files or records cannot be read: it is to be found out what else, and where the chain is still sound."""
    RECORD_DAMAGED = auto()
    """Records contradict each other, or one is missing."""
    SIDE_BLOCK_DAMAGED = auto()
    """A side block contradicts itself, or a part of it is missing."""
    LAST_WRITE_UNKNOWN = auto()
    """Nothing tells which write was the last that was acknowledged."""
    WRITES_LOST = auto()
    """Acknowledged writes are missing."""
    UNPROVED = auto()
    """The state beneath a fork is believed, not proved: it has no trie."""
    NODES_NOT_KEPT = auto()
    """The trie of a past state is not kept: its values can be read, not proved."""


class StorageError(Exception):
    """Root of every fault of the store. `problem` is None where nothing is to be done but to look at the message."""

    def __init__(self, message: str, problem: StorageProblem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class CorruptionError(StorageError):
    """The database is damaged. The message names what is wrong."""


class DatabaseLockedError(StorageError):
    """A process has the data directory open; the message carries its id, or says that it is this one."""


class ForeignDatabaseError(StorageError):
    """The directory holds another program's, another chain's or another version's data."""


class OriginError(StorageError):
    """The chain beneath a fork cannot be read: no answer in time, an error, or an answer that is not proved.

    The message names the endpoint and the call.
    """


class NodesNotKeptError(StorageError):
    """The trie nodes of a past state are not kept, and to make them again takes longer than is allowed."""


class MissingNodeError(StorageError):
    """A trie node is absent.

    `node_hash` is the 32-byte hash that was asked for.
    """

    def __init__(self, node_hash: bytes) -> None:
        super().__init__(f"missing trie node {node_hash.hex()}")
        self.node_hash = node_hash
