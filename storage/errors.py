"""Faults of the store.

StorageError
├── CorruptionError      bytes that differ from the written ones; names the repair command
├── DatabaseLockedError  another process holds the data directory
├── ForeignDatabaseError not a zEVM database, another chain's, or another schema version's
└── MissingNodeError     a trie node the store does not hold (pruned, or damaged)

None of these is ever an outcome of a transaction: they stop the work and reach the operator.
"""


class StorageError(Exception):
    """Root of every fault of the store."""


class CorruptionError(StorageError):
    """The database is damaged. The message names what is wrong and the command that repairs it."""


class DatabaseLockedError(StorageError):
    """Another process has the data directory open; the message carries its process id."""


class ForeignDatabaseError(StorageError):
    """The directory holds another program's, another chain's or another version's data."""


class MissingNodeError(StorageError):
    """A trie node is absent.

    `node_hash` is the 32-byte hash that was asked for.
    """

    def __init__(self, node_hash: bytes) -> None:
        super().__init__(f"missing trie node {node_hash.hex()}")
        self.node_hash = node_hash
