"""Which waiting transactions a restart brings back: the ledger's record of the pool. For the writer's thread alone."""

from collections.abc import Collection, Iterable

from zevm.chain.types import Transaction
from zevm.chain.types.transaction import encode_network_form
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.primitives import Hash32
from zevm.storage.store import Batch


class PoolJournal:
    """Puts changes of the pool into batches; `kept` are the hashes that the ledger holds once those are written.

    After a failed write `load` reads them again.
    """

    def __init__(self, database: Database) -> None:
        self.kept: set[Hash32] = set()
        self._database = database
        self._overdue: set[bytes] = set()

    def load(self) -> dict[Hash32, bytes]:
        """The transactions that are kept: hash -> network form."""
        stored = dict(self._database.ledger.pooled())
        self.kept = set(stored)
        return stored

    def add(self, batch: Batch, transaction: Transaction) -> None:
        """Keep a transaction."""
        self._database.ledger.put_pooled(batch, transaction.hash, encode_network_form(transaction))
        self.kept.add(transaction.hash)
        self._overdue.discard(transaction.hash)

    def remove(self, batch: Batch, hashes: Iterable[bytes]) -> None:
        """Forget transactions, those that are kept."""
        for transaction_hash in self.kept.intersection(hashes) if self.kept else ():
            self._database.ledger.delete_pooled(batch, transaction_hash)
            self.kept.discard(transaction_hash)

    def replace_all(self, batch: Batch, transactions: Iterable[Transaction]) -> None:
        """Keep these transactions and no others."""
        wanted = {transaction.hash: transaction for transaction in transactions}
        self.remove(batch, self.kept - wanted.keys())
        for transaction_hash in wanted.keys() - self.kept:
            self.add(batch, wanted[transaction_hash])

    def forget(self, hashes: Collection[bytes]) -> None:
        """Forget transactions that have left the pool of themselves; what the medium refuses now goes with the next.

        A restart validates each kept transaction again, so no acknowledgement depends on this write.
        """
        self._overdue |= self.kept.intersection(hashes)
        if not self._overdue:
            return
        batch = Batch()
        for transaction_hash in self._overdue:
            self._database.ledger.delete_pooled(batch, transaction_hash)
        try:
            self._database.write(batch, sync=False)
        except StorageError:
            return
        self.kept -= self._overdue
        self._overdue = set()
