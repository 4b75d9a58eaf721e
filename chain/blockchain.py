"""The chain as the rooms above see it: the reads of ChainView, and the writes, for the writer thread alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from zevm.chain.blocks.branch import Branch, Filler
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.context import BlockSettings
from zevm.chain.blocks.execution import BlockExecution, SealedBlock
from zevm.chain.blocks.importer import Verifier
from zevm.chain.blocks.instant import Built, InstantMining
from zevm.chain.blocks.mining import Mining
from zevm.chain.canonical.chain import LAST_PATCH, Addition, Checkpoints, Version
from zevm.chain.canonical.memory_guard import MemoryGuard
from zevm.chain.canonical.patches import PatchedState
from zevm.chain.canonical.snapshots import ChainSnapshot, NodeState, Snapshots
from zevm.chain.concurrency.writer import Steps, Turn, Writer, run_through
from zevm.chain.errors import (
    BlockError,
    ChainError,
    DrivenChainError,
    InvalidRequestError,
    Reason,
    TransactionError,
)
from zevm.chain.events import BlockAndReceipts, Events, HeadChanged, TransactionAdded, TransactionsDropped
from zevm.chain.options import ChainOptions
from zevm.chain.pool.journal import PoolJournal
from zevm.chain.pool.pool import AddResult
from zevm.chain.rules.blobs import check_sidecar
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Header, Transaction
from zevm.chain.types.transaction import InvalidSignatureError, encode_network_form
from zevm.chain.view import ChainView
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.zvm.faults import NodeFaultError
from zevm.storage.account import StateDiff
from zevm.storage.database import Database
from zevm.storage.primitives import Address, Hash32
from zevm.storage.store import Batch


class Chain(ChainView):
    """The chain with its writer. `start` begins timed mining; `close` ends everything but the database."""

    def __init__(
        self, database: Database, genesis: Genesis, options: ChainOptions | None = None, clock: Clock | None = None
    ) -> None:
        options = options or ChainOptions()
        super().__init__(database, genesis, options, clock or Clock())
        self.clock.least_step = 0 if options.equal_timestamps else 1
        self.events = Events()
        self._memory = MemoryGuard(self)
        self.writer = Writer(self._memory)
        self.mining = Mining(
            self.writer,
            self.mine,
            options.mining,
            external_consensus=options.external_consensus,
            equal_timestamps=options.equal_timestamps,
        )
        self._verifier = Verifier(self.spec, self.canonical, database.state)
        self._instant = InstantMining(self, self._memory, partial(self._build, allow_empty=False))
        self.snapshots = Snapshots()
        self.impersonated: set[bytes] = set()
        self.auto_impersonate = options.auto_impersonate
        self._journal = PoolJournal(database)
        self.writer.run(self.follow_disk)

    def start(self) -> None:
        """Begin mining at an interval, where the mode asks for it."""
        self.mining.start()

    def take_up(self) -> None:
        """Under instant mining, mine what an earlier run left waiting: before anyone is served, who would see half."""
        self.writer.run(self._instant.mine_left)

    def close(self) -> None:
        """Stop the timer and the writer, after what is queued. The database stays open."""
        self.mining.stop()
        self.writer.stop()
        if self.zvm is not None:
            self.zvm.close()

    def send_transaction(self, transaction: Transaction, *, local: bool = False) -> Hash32:
        """Admit a transaction to the pool and, under instant mining, put it into a block at once.

        Returns its hash once it is durable. Raises TransactionError with geth's text.
        NodeFaultError: the block with it could not be made; it waits in the pool, as durable as any.
        local: it comes from this node's own accounts, which the pool's price and count limits spare.
        """
        try:
            sender = transaction.sender
        except InvalidSignatureError as error:
            raise TransactionError(Reason.INVALID_SENDER, "invalid sender") from error
        if self.options.external_consensus and transaction.is_impersonated:
            raise TransactionError(
                Reason.INVALID_SENDER, "invalid sender: an unsigned transaction is valid on no chain but its own"
            )
        if transaction.sidecar is not None:
            check_sidecar(transaction, self.spec.of(self.next_header()))
        added = self.pool.add(transaction, sender, local=local)
        try:
            if added.executable:
                self._instant.mine(transaction)
        except (ChainError, NodeFaultError):
            # what it displaced is gone from the pool, whatever became of it
            self._settle(transaction, added)
            raise
        self._settle(transaction, added)
        return transaction.hash

    def mine(
        self, count: int = 1, interval_seconds: int | None = None, timestamp: int | None = None
    ) -> list[BlockAndReceipts]:
        """Make blocks now and at one go; see `mine_in_steps`."""
        mined: list[BlockAndReceipts] = []
        run_through(self.mine_in_steps(count, interval_seconds, timestamp, mined.append))
        return mined

    def mine_in_steps(
        self,
        count: int,
        interval_seconds: int | None = None,
        timestamp: int | None = None,
        told: Callable[[BlockAndReceipts], object] | None = None,
    ) -> Steps[None]:
        """Make blocks now, empty ones too, as work that other writes may come between.

        interval_seconds: between the second and later blocks' timestamps. timestamp: the first block's. told: is
        called with each block. Only the last block of each part is synced to the medium: none of them is acknowledged
        before it.
        """
        self.refuse_when_driven()
        if count > 1 and interval_seconds is not None:
            self.clock.check_interval(interval_seconds)
        if timestamp is not None:
            self.clock.set_next_timestamp(timestamp, self.head.header.timestamp)
        turn = Turn()
        for index in range(count):
            if index and interval_seconds is not None:
                parent_timestamp = self.head.header.timestamp
                self.clock.set_next_timestamp(parent_timestamp + interval_seconds, parent_timestamp)
            is_last, stands_aside = index == count - 1, turn.is_over
            record = self._mine_block(sync=is_last or stands_aside)
            if told is not None:
                told(record)
            if stands_aside and not is_last:
                yield
                turn = Turn()
        self._instant.mine_left()

    def import_block(self, block: Block, *, sync: bool = True, development: bool = False) -> None:
        """Verify and execute a child of the head and make it the head; see `verify`."""
        head = self.head
        sealed = self.verify(block, head.header, recoveries=self.settings.recoveries, development=development)
        self._commit(sealed, sync=sync)
        self._reset_pool(mined={transaction.hash for transaction in sealed.block.transactions})
        self.events.publish(HeadChanged((sealed.record,)))

    def verify(
        self,
        block: Block,
        parent: Header,
        *,
        block_hash: Callable[[int], Hash32 | None] | None = None,
        recoveries: tuple[tuple[bytes, bytes], ...] = (),
        development: bool = False,
    ) -> SealedBlock:
        """Check and execute a child of `parent`, and write nothing. Raises BlockError; the block is kept as a bad one.

        See blocks.importer.
        """
        try:
            return self._verifier.verify_and_execute(
                block, parent, block_hash=block_hash, recoveries=recoveries, development=development
            )
        except BlockError:
            self.keep_bad_block(block)
            raise

    def patch_state(self, change: Callable[[ExecutionState], None]) -> None:
        """Change accounts of the latest state without a transaction; durable when this returns."""
        self.refuse_when_driven()
        state = PatchedState(self.head.state)
        change(state)
        self.canonical.patch(state.diff())
        self._reset_pool()
        self._instant.mine_left()

    def adopt(
        self,
        history: Sequence[BlockAndReceipts],
        change: Callable[[ExecutionState], None],
        states: Mapping[int, StateDiff] | None = None,
    ) -> None:
        """Put linked blocks of elsewhere, oldest first, in the place of this chain's, and change accounts; durable.

        The clock goes on from the newest one where that is ahead of it. See CanonicalChain.adopt.
        """
        self.refuse_when_driven()
        state = PatchedState(self.head.state)
        change(state)
        self.canonical.adopt(history, state.diff(), states or {}, lambda batch: self._journal.replace(batch, ()))
        self.snapshots = Snapshots()
        self.clock.reach(self.head.header.timestamp)
        self._change_pool(self.pool.clear)
        self.events.publish(HeadChanged((history[-1],)))

    def snapshot(self) -> int:
        """Remember everything as it is now; the number to revert to."""
        head = self.head
        node = NodeState(
            self.pool.snapshot(),
            self.clock.state,
            self.mining.mode,
            self.settings,
            frozenset(self.impersonated),
            self.auto_impersonate,
        )
        return self.snapshots.add(ChainSnapshot(head.version, head.header.hash, node))

    def revert(self, number: int) -> bool:
        """Return to a snapshot, which is used up with all later ones; False where it is unknown."""
        self.refuse_when_driven()
        snapshot = self.snapshots.take_back(number)
        if snapshot is None:
            return False
        node = snapshot.node
        waiting = [entry.transaction for entry in node.pool.entries]
        removed = self.canonical.rewind(snapshot.version, lambda batch, _: self._journal.replace(batch, waiting))
        self.clock.state, self.settings = node.clock, node.settings
        self.impersonated, self.auto_impersonate = set(node.impersonated), node.auto_impersonate
        self.mining.set_mode(node.mining)
        self._change_pool(lambda: self.pool.restore(node.pool))
        self.events.publish(HeadChanged((), removed))
        return True

    def rollback(self, depth: int) -> tuple[BlockAndReceipts, ...]:
        """Remove the newest `depth` blocks for good; their transactions do not come back."""
        self.refuse_when_driven()
        target = Version(self._ancestor(depth).number, LAST_PATCH)
        self.snapshots.drop_after(target)
        removed = self.canonical.rewind(target)
        self._reset_pool()
        self.events.publish(HeadChanged((), removed))
        return removed

    def reorg(self, depth: int, transactions: Sequence[Sequence[Transaction | Filler]]) -> Steps[None]:
        """Replace the newest `depth` blocks by as many new ones, as work that other writes may come between.

        transactions[i] go into the i-th new block; what has to be filled is filled when its turn has come. What the
        removed blocks held returns to the pool, as in any reorganisation, and waits there. The blocks are replaced all
        at once, when the last one is built; where another write has changed the chain meanwhile, InvalidRequestError
        is raised and none of them is.
        """
        self.refuse_when_driven()
        if len(transactions) > depth:
            raise InvalidRequestError(f"{len(transactions)} blocks of transactions for a reorganisation of {depth}")
        head, turn = self.head, Turn()
        target = self._ancestor(depth)
        branch = Branch(target, spec=self.spec, history=self.canonical, states=self.database.state, clock=self.clock)
        for index in range(depth):
            branch.extend(transactions[index] if index < len(transactions) else (), self.settings)
            if turn.is_over:
                yield
                turn = Turn()
                if self.head is not head:
                    raise InvalidRequestError("another request has changed the chain meanwhile: ask again")
        self.switch_to(target, branch.blocks)

    def switch_to(
        self,
        ancestor: Header,
        branch: Sequence[SealedBlock],
        *,
        also: Addition | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Make a branch upon a canonical block the chain, in one batch; the pool and the listeners follow.

        also, checkpoints: see CanonicalChain.replace. What removed blocks held returns to the pool.
        """
        target = Version(ancestor.number, LAST_PATCH)
        self.snapshots.drop_after(target)
        given = {transaction.hash for sealed in branch for transaction in sealed.block.transactions}

        def additions(batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
            self._keep_removed(given, batch, removed)
            for sealed in branch:
                self._keep_blobs(batch, sealed.block)
            if also is not None:
                also(batch, removed)

        removed = self.canonical.replace(target, branch, additions, checkpoints)
        self._reset_pool(mined=given)
        for record in reversed(removed):
            for transaction in record.block.transactions:
                if transaction.hash not in given:
                    self._return_to_pool(self._with_sidecar(transaction))
        self.events.publish(HeadChanged(tuple(sealed.record for sealed in branch), removed))

    def rewind_to(self, number: int) -> None:
        """Make block `number` the head and drop the pool's stale transactions."""
        self.snapshots.drop_after(Version(number, LAST_PATCH))
        removed = self.canonical.rewind(Version(number, LAST_PATCH))
        self._reset_pool()
        self.events.publish(HeadChanged((), removed))

    def reset(self, also: Addition | None = None) -> None:
        """Go back to the genesis block with an empty pool and the settings of a fresh start.

        also: see CanonicalChain.replace.
        """
        self.refuse_when_driven()

        def additions(batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
            self._journal.replace(batch, ())
            if also is not None:
                also(batch, removed)

        removed = self.canonical.restart(additions)
        self.snapshots = Snapshots()
        self.clock.state = Clock().state
        options = self.options
        self.settings = BlockSettings(options.coinbase, options.gas_limit, options.minimum_gas_price)
        self.impersonated, self.auto_impersonate = set(), options.auto_impersonate
        self.mining.set_mode(options.mining)
        self._change_pool(self.pool.clear)
        self.events.publish(HeadChanged((), removed))

    def drop_transaction(self, transaction_hash: Hash32) -> bool:
        """Remove a waiting transaction; whether there was one."""
        dropped = self.pool.get(transaction_hash) is not None
        self._replace_pool(lambda: self.pool.remove(transaction_hash))
        return dropped

    def drop_transactions_of(self, sender: Address) -> None:
        """Remove all waiting transactions of an account."""
        self._replace_pool(lambda: self.pool.remove_sender(sender))

    def drop_all_transactions(self) -> None:
        """Empty the pool."""
        self._replace_pool(self.pool.clear)

    def change_settings(self, **changes: object) -> None:
        """Replace fields of the BlockSettings for coming blocks."""
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]

    def set_automine(self, enabled: bool) -> Steps[None]:
        """Switch instant mining; see `mine_waiting`."""
        self.mining.set_automine(enabled)
        yield from self.mine_waiting()

    def mine_waiting(self) -> Steps[None]:
        """Under instant mining, put what waits and fits into blocks now, as work that other writes may come between.

        Raises StorageError, NodeFaultError.
        """
        return self._instant.mine_in_steps()

    def set_chain_id(self, chain_id: int) -> None:
        """Ask another chain id of transactions, until the node stops. For development."""
        self.refuse_when_driven()
        self.chain_id = chain_id
        self.spec.set_chain_id(chain_id)
        # a restart asks the old id again: what has left the pool must not come back then
        self._replace_pool(self._reset_pool_alone)

    def blob_sidecar_of(self, transaction_hash: Hash32) -> Transaction | None:
        """A mined or waiting blob transaction with its sidecar."""
        waiting = self.pool.get(transaction_hash)
        if waiting is not None:
            return waiting
        data = self.database.ledger.blob_transaction(transaction_hash)
        return None if data is None else Transaction.decode(data)

    def follow_disk(self) -> None:
        """Let the pool hold what the ledger keeps of it: at a start, and after a write failed. On the writer's thread.

        What no block can hold any more is forgotten.
        """
        self._reset_pool()
        stored = self._journal.load()
        for transaction_hash in self.pool.hashes() - stored.keys():
            self.pool.remove(transaction_hash)
        stale = []
        for transaction_hash, data in stored.items():
            if self.pool.get(transaction_hash) is not None:
                continue
            transaction = Transaction.decode(data)
            try:
                if self.options.external_consensus and transaction.is_impersonated:
                    raise TransactionError(Reason.INVALID_SENDER, "invalid sender")
                self.pool.add(transaction, transaction.sender, local=True)
            except ChainError:
                stale.append(transaction_hash)
        self._forget_pooled(stale)

    def refuse_when_driven(self) -> None:
        """Raise DrivenChainError where a consensus client alone may change the chain."""
        if self.options.external_consensus:
            raise DrivenChainError

    def _settle(self, transaction: Transaction, added: AddResult) -> None:
        """Make the pool durable as it stands after a transaction came, in one batch, and tell of what waits."""
        gone = (*added.dropped, *(() if added.replaced is None else (added.replaced.hash,)))
        if self.pool.get(transaction.hash) is None:
            self._forget_pooled(gone)
            return
        batch = Batch()
        self._journal.delete(batch, gone)
        self._journal.put(batch, transaction)
        self.database.write(batch)
        self.events.publish(TransactionAdded(transaction))
        if gone:
            self.events.publish(TransactionsDropped(gone))

    def _mine_block(self, *, sync: bool) -> BlockAndReceipts:
        record, _ = self._build(sync=sync)
        assert record is not None
        self.events.publish(HeadChanged((record,)))
        return record

    def _build(self, *, sync: bool = True, allow_empty: bool = True) -> Built:
        """Build a block upon the head of what waits and fits, and commit it. None for an unwanted empty one."""
        head, context = self.head, self.next_context()
        execution = BlockExecution(context.environment, self.database.state, head.state)
        refused = self.fill(execution)
        if not execution.transactions and not allow_empty:
            return None, refused
        sealed = execution.seal(context.header)
        self._commit(sealed, sync=sync)
        self.clock.take(head.header.timestamp)
        self.settings = self.settings.after_block()
        self._reset_pool(mined={transaction.hash for transaction in sealed.block.transactions})
        # a failure of what comes after does not undo this block
        self._memory.remember()
        return sealed.record, refused

    def _commit(self, sealed: SealedBlock, *, sync: bool) -> None:
        """Write a block and what goes with it, in one batch. The pool is to be reset after it."""

        def additions(batch: Batch) -> None:
            self._journal.delete(batch, [transaction.hash for transaction in sealed.block.transactions])
            self._keep_blobs(batch, sealed.block)

        self.canonical.commit(sealed, additions, sync=sync)

    def _ancestor(self, depth: int) -> Header:
        """The header `depth` blocks below the head."""
        number = self.head.number - depth
        header = self.header_by_number(number) if depth >= 0 and number >= self.genesis.number else None
        if header is None:
            raise InvalidRequestError(f"rollback depth {depth} is greater than the head's height {self.head.number}")
        self.canonical.refuse_before_adopted(number)
        return header

    def _reset_pool(self, mined: Collection[bytes] = ()) -> None:
        self._forget_pooled(self._reset_pool_alone(mined))

    def _reset_pool_alone(self, mined: Collection[bytes] = ()) -> list[Hash32]:
        """Let the pool follow the head; the hashes that left it, of which the journal is to be told."""
        return self.pool.reset(self.next_context().environment, self.head.state, mined)

    def _replace_pool(self, change: Callable[[], object]) -> None:
        """Change the pool's content as a whole, and make the change durable."""
        before = self.pool.hashes()
        change()
        batch = Batch()
        self._journal.replace(batch, [waiting for item in self.pool.hashes() if (waiting := self.pool.get(item))])
        if batch.operations:
            self.database.write(batch)
        dropped = before - self.pool.hashes()
        if dropped:
            self.events.publish(TransactionsDropped(tuple(sorted(dropped))))
        self._reset_pool()

    def _change_pool(self, change: Callable[[], object]) -> None:
        """Change the pool's content to what is durable already."""
        before = self.pool.hashes()
        change()
        self._reset_pool()
        dropped = before - self.pool.hashes()
        if dropped:
            self.events.publish(TransactionsDropped(tuple(sorted(dropped))))

    def _keep_removed(self, mined: set[Hash32], batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
        """Put the removed blocks' transactions into the durable pool, but for those that are mined again."""
        self._journal.delete(batch, mined)
        for record in removed:
            for transaction in record.block.transactions:
                if transaction.hash not in mined:
                    self._journal.put(batch, self._with_sidecar(transaction))

    def _with_sidecar(self, transaction: Transaction) -> Transaction:
        """A blob transaction of a block with the blobs that this node keeps of it."""
        known = self.blob_sidecar_of(transaction.hash) if transaction.blob_versioned_hashes else None
        return known or transaction

    def _forget_pooled(self, hashes: Sequence[Hash32]) -> None:
        self._journal.forget(hashes)
        if hashes:
            self.events.publish(TransactionsDropped(tuple(hashes)))

    def _keep_blobs(self, batch: Batch, block: Block) -> None:
        for transaction in block.transactions:
            waiting = self.pool.get(transaction.hash) if transaction.blob_versioned_hashes else None
            if waiting is not None and waiting.sidecar is not None:
                self.database.ledger.put_blob_transaction(batch, transaction.hash, encode_network_form(waiting))

    def _return_to_pool(self, transaction: Transaction) -> None:
        try:
            self.pool.add(transaction, transaction.sender, local=True)
        except ChainError:
            # what the new blocks made impossible is gone, as with any reorganisation
            self._forget_pooled((transaction.hash,))
