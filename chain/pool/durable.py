"""The pool with its record on the disk: what waits outlives the process, and listeners learn of what left.

For the writer's thread alone, but for `sidecar_of`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from zevm.chain.errors import ChainError, Reason, TransactionError
from zevm.chain.events import BlockAndReceipts, Events, TransactionAdded, TransactionsDropped
from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.journal import PoolJournal
from zevm.chain.pool.pool import AddResult, Changed, Pool
from zevm.chain.types import Block, Transaction
from zevm.chain.types.transaction import encode_network_form
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage.account import StateReader
from zevm.storage.database import Database
from zevm.storage.primitives import Hash32
from zevm.storage.store import Batch

NextBlock = Callable[[], tuple[BlockEnvironment, StateReader]]
"""The block that waiting transactions are to fit into, and the state before it."""


class DurablePool:
    """Changes a pool and its journal together.

    next_block: what the pool is judged by. takes_unsigned: whether transactions of impersonated accounts come back.
    """

    def __init__(
        self, pool: Pool, database: Database, events: Events, next_block: NextBlock, *, takes_unsigned: bool
    ) -> None:
        self._pool = pool
        self._database = database
        self._events = events
        self._next_block = next_block
        self._takes_unsigned = takes_unsigned
        self._journal = PoolJournal(database)

    def settle(self, transaction: Transaction, added: AddResult) -> None:
        """Make the pool durable as it stands after a transaction came, in one batch, and tell of what waits."""
        gone = (*added.dropped, *(() if added.replaced is None else (added.replaced.hash,)))
        if self._pool.get(transaction.hash) is None:
            self._forget(gone)
            return
        batch = Batch()
        self._journal.remove(batch, gone)
        self._journal.add(batch, transaction)
        self._database.write(batch)
        self._events.publish(TransactionAdded(transaction))
        self._tell(gone)

    def follow_head(self, mined: Collection[Hash32] = (), changed: Changed | None = None) -> None:
        """Drop what a new head has mined or made impossible. changed: see Pool.reset."""
        self._forget(self.judge(mined, changed))

    def judge(self, mined: Collection[Hash32] = (), changed: Changed | None = None) -> list[Hash32]:
        """Let the pool follow the head; the hashes that left it, of which the journal is to be told."""
        environment, state = self._next_block()
        return self._pool.reset(environment, state, mined, changed)

    def follow_disk(self) -> None:
        """Let the pool hold what the ledger keeps of it: at a start, and after a write failed.

        What no block can hold any more is forgotten.
        """
        self.follow_head()
        stored = self._journal.load()
        for transaction_hash in self._pool.hashes() - stored.keys():
            self._pool.remove(transaction_hash)
        stale = []
        for transaction_hash, data in stored.items():
            if self._pool.get(transaction_hash) is not None:
                continue
            transaction = Transaction.decode(data)
            try:
                if transaction.is_impersonated and not self._takes_unsigned:
                    raise TransactionError(Reason.INVALID_SENDER, "invalid sender")
                self._pool.add(transaction, transaction.sender, local=True)
            except ChainError:
                stale.append(transaction_hash)
        self._forget(stale)

    def take_out(self, take_out: Callable[[], Iterable[Hash32]]) -> None:
        """Take transactions out of the pool, and make that durable. take_out: does so, and returns their hashes."""
        gone = sorted(take_out())
        batch = Batch()
        self._journal.remove(batch, gone)
        if batch.operations:
            self._database.write(batch)
        self._tell(gone)
        _, state = self._next_block()
        self.follow_head(changed=Changed(state.root, ()))

    def take_over(self, change: Callable[[], object]) -> None:
        """Change the pool's content to what is durable already."""
        before = self._pool.hashes()
        change()
        self.follow_head()
        self._tell(sorted(before - self._pool.hashes()))

    def replace_all(self, batch: Batch, transactions: Iterable[Transaction]) -> None:
        """Put into a batch that these transactions wait, and no others; `take_over` follows it."""
        self._journal.replace_all(batch, transactions)

    def commit(
        self,
        batch: Batch,
        blocks: Iterable[Block],
        removed: Iterable[BlockAndReceipts] = (),
        *,
        lone: Sequence[PooledTransaction] = (),
    ) -> None:
        """Put into a batch with new blocks that their transactions wait no more, and with which blobs they came.

        removed: blocks that leave the chain with it. Their transactions wait again, but for those that are mined again.
        lone: all that a single block has, without blobs (Pool.lone).
        """
        if lone:
            self._journal.remove(batch, [entry.transaction.hash for entry in lone])
            return
        blocks = list(blocks)
        mined = _hashes_of(blocks)
        self._journal.remove(batch, mined)
        for record in removed:
            for transaction in record.block.transactions:
                if transaction.hash not in mined:
                    self._journal.add(batch, self._with_sidecar(transaction))
        for block in blocks:
            self._keep_blobs(batch, block)

    def committed(
        self,
        blocks: Iterable[Block],
        removed: Iterable[BlockAndReceipts] = (),
        changed: Changed | None = None,
    ) -> None:
        """Follow the head once the batch of `commit` was written; what removed blocks held comes back, oldest first.

        changed: see Pool.reset.
        """
        mined = _hashes_of(blocks)
        self.follow_head(mined, changed)
        for record in removed:
            for transaction in record.block.transactions:
                if transaction.hash not in mined:
                    self._return(self._with_sidecar(transaction))

    def passed(self, entries: Sequence[PooledTransaction]) -> None:
        """Follow a head that has mined transactions that never waited (Pool.lone), and nothing else."""
        self._pool.passed(entries, *self._next_block())

    def sidecar_of(self, transaction_hash: Hash32) -> Transaction | None:
        """A mined or waiting blob transaction with its blobs. Any thread."""
        waiting = self._pool.get(transaction_hash)
        if waiting is not None:
            return waiting
        data = self._database.ledger.blob_transaction(transaction_hash)
        return None if data is None else Transaction.decode(data)

    def _with_sidecar(self, transaction: Transaction) -> Transaction:
        """A blob transaction of a block with the blobs that this node keeps of it."""
        known = self.sidecar_of(transaction.hash) if transaction.blob_versioned_hashes else None
        return known or transaction

    def _keep_blobs(self, batch: Batch, block: Block) -> None:
        for transaction in block.transactions:
            waiting = self._pool.get(transaction.hash) if transaction.blob_versioned_hashes else None
            if waiting is not None and waiting.sidecar is not None:
                self._database.ledger.put_blob_transaction(batch, transaction.hash, encode_network_form(waiting))

    def _return(self, transaction: Transaction) -> None:
        try:
            self._pool.add(transaction, transaction.sender, local=True)
        except ChainError:
            # what the new blocks made impossible is gone, as with any reorganisation
            self._forget((transaction.hash,))

    def _forget(self, hashes: Sequence[Hash32]) -> None:
        self._journal.forget(hashes)
        self._tell(hashes)

    def _tell(self, dropped: Sequence[Hash32]) -> None:
        if dropped:
            self._events.publish(TransactionsDropped(tuple(dropped)))


def _hashes_of(blocks: Iterable[Block]) -> set[Hash32]:
    return {transaction.hash for block in blocks for transaction in block.transactions}
