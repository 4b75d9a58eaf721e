"""The state of a VM: accounts, storage and code in memory, or in a directory of their own.

It lies in the node's database, in the node's state trie, so that its root is what a chain with the same accounts has.
Reads may come from any thread, changes from the VM's.
"""

from collections.abc import Callable
from pathlib import Path

from zevm.chain.canonical.patches import PatchedState, prepare_patch
from zevm.covenant.errors import StateMismatch
from zevm.covenant.values import ContractAddress, StateHash
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.database import Database
from zevm.storage.errors import ForeignDatabaseError, StorageError, StorageProblem
from zevm.storage.primitives import Address, Hash32
from zevm.storage.schema import MetaName, Version, owner_key
from zevm.storage.state import StateBase, StateUpdate
from zevm.storage.store import Batch

_VERSION = Version(1)
"""Of every state: there is no way back, so that one number serves all."""


class World:
    """An open state. directory: None for memory. sync: whether a change survives a power failure once it is made.

    expected: the root that the state must have, None for any. Raises StorageError, StateMismatch.
    """

    def __init__(self, directory: Path | None, *, sync: bool, expected: StateHash | None = None) -> None:
        self._database = Database.open(directory, sync=sync)
        try:
            self._claim(directory)
            self._database.state.recover(_VERSION, self._database.state.root())
            self.reader: StateBase = self._latest()
            if expected is not None and self.root != expected:
                raise StateMismatch(f"the state has root 0x{self.root.hex()}, expected is 0x{expected.hex()}")
        except BaseException:
            self._database.discard()
            raise

    @property
    def root(self) -> Hash32:
        """The state's root, 32 bytes."""
        return self.reader.root

    def owner(self, address: ContractAddress) -> Address | None:
        """The address that deployed a contract, None for contracts that contracts have made."""
        found = self._database.store.get(owner_key(address))
        return None if found is None else Address(found)

    def commit(self, diff: StateDiff, *, owned: tuple[Address, Address] | None = None) -> None:
        """Make the changes durable. owned: a new contract and its deployer. Raises StorageError, without any change."""
        if diff.accounts:
            self._write(self._database.state.prepare(self.root, diff), owned)

    def patch(self, change: Callable[[PatchedState], None]) -> None:
        """Change accounts by hand. Raises InvalidRequestError for what no account can have, StorageError."""
        state = PatchedState(self.reader)
        change(state)
        diff = state.diff()
        if diff.accounts:
            self._write(prepare_patch(self._database.state, self.root, diff), None)

    def close(self) -> None:
        """Close the database; idempotent."""
        self._database.close()

    def _write(self, update: StateUpdate, owned: tuple[Address, Address] | None) -> None:
        batch, states = Batch(), self._database.state
        written = states.apply_alone(batch, update, _VERSION)
        if owned is not None:
            batch.put(owner_key(owned[0]), owned[1])
        try:
            self._database.write(batch)
        except StorageError:
            states.forget_cached()
            raise
        written()
        self.reader = self._latest()

    def _latest(self) -> StateBase:
        view = self._database.store.snapshot()
        return self._database.state.latest(view, self._database.state.root(view))

    def _claim(self, directory: Path | None) -> None:
        """Mark a new database as a VM's. Raises ForeignDatabaseError for a chain's."""
        ledger = self._database.ledger
        if ledger.meta(MetaName.COVENANT) is not None:
            return
        if ledger.head() is not None or self._database.state.root() != EMPTY_ROOT:
            raise ForeignDatabaseError(
                f"the folder {directory} holds the chain of a node, not the state of a Covenant VM; choose another",
                StorageProblem.FOREIGN_FILES,
            )
        batch = Batch()
        ledger.put_meta(batch, MetaName.COVENANT, b"")
        self._database.write(batch)
        self._database.keep()
