"""The chain for the packages above: the reads of ChainView, and the writes, only for the writer thread."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from zevm.chain.blocks.branch import Branch, Filler
from zevm.chain.blocks.brief_sends import bound_send
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.context import BlockSettings, NextContext
from zevm.chain.blocks.execution import BlockExecution, BodyRoots, SealedBlock
from zevm.chain.blocks.importer import Verifier
from zevm.chain.blocks.instant import Built, InstantMining
from zevm.chain.blocks.joint_sends import JointSends
from zevm.chain.blocks.mining import Mining
from zevm.chain.blocks.selection import changed_by
from zevm.chain.canonical.chain import Addition
from zevm.chain.canonical.marks import Checkpoints
from zevm.chain.canonical.memory_guard import MemoryGuard
from zevm.chain.canonical.patches import PatchedState
from zevm.chain.canonical.shared_sync import SharedSync
from zevm.chain.canonical.snapshots import ChainSnapshot, Snapshots, node_state, restore_all_but_pool
from zevm.chain.concurrency.deadline import Deadline, NotBriefError
from zevm.chain.concurrency.steps import Steps, Turn, run_through
from zevm.chain.concurrency.writer import Writer, WriterStoppedError, writes
from zevm.chain.errors import BlockError, ChainError, InvalidRequestError, NodeFaultError
from zevm.chain.events import BlockAndReceipts, Events, HeadChanged, StatePatched
from zevm.chain.options import ChainOptions
from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.admission import sender_of
from zevm.chain.pool.durable import DurablePool
from zevm.chain.pool.pool import Changed
from zevm.chain.rules.blobs import check_sidecar
from zevm.chain.rules.genesis import Genesis, check_begin
from zevm.chain.types import Block, Header, Transaction
from zevm.chain.view import ChainView, Ground
from zevm.chain.vm.engines.engine import FUNCTION_CHECKS
from zevm.chain.vm.execution_state import ExecutionState
from zevm.storage.account import StateDiff
from zevm.storage.database import Database
from zevm.storage.primitives import Address, Hash32
from zevm.storage.schema import LAST_PATCH, Version
from zevm.storage.store import Batch


class Chain(ChainView):
    """The chain with its writer. `start` begins timed mining; `close` ends everything but the database."""

    def __init__(
        self, database: Database, genesis: Genesis, options: ChainOptions | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(database, genesis, options := options or ChainOptions(), clock or Clock())
        self.clock.least_step = 0 if options.equal_timestamps else 1
        self.events = Events()
        self._memory = MemoryGuard(self)
        sharing = SharedSync(self, self._memory, options.write_groups)
        self.writer = Writer(self._memory, sharing, lends=database.is_in_memory)
        self.mining = Mining(
            self.writer,
            self.mine,
            options.mining,
            external_consensus=options.external_consensus or options.leader is not None,
            equal_timestamps=options.equal_timestamps,
        )
        self._instant = InstantMining(self, self._memory, partial(self._build, allow_empty=False))
        self._joint = JointSends(self._instant, self._memory, options.write_groups, self.send_transaction, database)
        self.snapshots = Snapshots()
        self.impersonated: set[bytes] = set()
        self.auto_impersonate = options.auto_impersonate
        self._keep_on_ground()
        self.writer.run(self.follow_disk)
        FUNCTION_CHECKS.begin(self, self.spec.engine)

    def _keep_on_ground(self) -> None:
        """Verify blocks and keep the pool on what the chain stands on."""
        self._verifier = Verifier(self.spec, self.canonical, self.database.state)
        unsigned = not self.options.external_consensus
        self._waiting = DurablePool(self.pool, self.database, self.events, self.next_block, takes_unsigned=unsigned)

    def start(self) -> None:
        """Begin mining at an interval, where the mode asks for it."""
        self.mining.start()

    def take_up(self) -> None:
        """Under instant mining, mine what an earlier run left waiting: before anyone is served, who would see half."""
        self.writer.run(self._instant.mine_left)

    def close(self) -> None:
        """Stop the timer and the writer, after what is queued. The database stays open."""
        self.mining.stop()
        try:
            with suppress(WriterStoppedError):
                self.writer.run(self.canonical.finish)
        finally:
            self.writer.stop()
            FUNCTION_CHECKS.end(self)
            if self.zvm is not None:
                self.zvm.close()

    @writes
    def send_transaction(
        self, transaction: Transaction, *, local: bool = False, deadline: Deadline | None = None
    ) -> Hash32:
        """Admit a transaction to the pool and, under instant mining, put it into a block at once.

        Returns its hash once it is durable. Raises TransactionError with geth's text.
        NodeFaultError: the block with it could not be made; it waits in the pool, as durable as any.
        local: it comes from this node's own accounts, which the pool's price and count limits spare.
        deadline: a BriefDeadline, under which NotBriefError leaves everything as it was.
        """
        self.require_no_leader()
        sender = sender_of(transaction, takes_unsigned=not self.options.external_consensus)
        if transaction.sidecar is not None:
            check_sidecar(transaction, self.spec.of(self.next_header()))
        if deadline is not None:
            bound_send(transaction, self.pool, self.canonical, deadline, is_mined=self.mining.automine)
        if self._instant.mine_alone(transaction, sender, deadline, local=local):
            return transaction.hash
        added = self.pool.add(transaction, sender, local=local)
        try:
            if added.executable:
                self._instant.mine(transaction, deadline)
        except NotBriefError:
            self.pool.remove(transaction.hash)
            raise
        except (ChainError, NodeFaultError):
            # what it displaced is gone from the pool, whatever became of it
            self._waiting.settle(transaction, added)
            raise
        self._waiting.settle(transaction, added)
        return transaction.hash

    @writes
    def send_transactions(self, transactions: Sequence[Transaction]) -> list[Hash32 | Exception]:
        """Send what came together, several in one block; hashes of the first ones, or errors. See JointSends."""
        return self._joint.send(transactions)

    @writes
    def mine(
        self, count: int = 1, interval_seconds: int | None = None, timestamp: int | None = None
    ) -> list[BlockAndReceipts]:
        """Make blocks now and at one go; see `mine_in_steps`."""
        mined: list[BlockAndReceipts] = []
        run_through(self.mine_in_steps(count, interval_seconds, timestamp, mined.append))
        return mined

    @writes
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
        self.require_own_chain()
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

    @writes
    def import_block(self, block: Block, *, sync: bool = True, development: bool = False) -> None:
        """Verify and execute a child of the head and make it the head; see `verify`."""
        sealed = self.verify(block, self.head.header, recoveries=self.settings.recoveries, development=development)
        self._commit(sealed, sync=sync)
        self._waiting.committed((sealed.block,), changed=changed_by(sealed))
        self.events.publish(HeadChanged((sealed.record,)))

    @writes
    def verify(
        self,
        block: Block,
        parent: Header,
        *,
        roots: BodyRoots | None = None,
        block_hash: Callable[[int], Hash32 | None] | None = None,
        recoveries: tuple[tuple[bytes, bytes], ...] = (),
        development: bool = False,
    ) -> SealedBlock:
        """Check and execute a child of `parent`, and write nothing. Raises BlockError; the block is kept as a bad one.

        See blocks.importer.
        """
        try:
            return self._verifier.verify_and_execute(
                block, parent, roots=roots, block_hash=block_hash, recoveries=recoveries, development=development
            )
        except BlockError:
            self.keep_bad_block(block)
            raise

    @writes
    def patch_state(self, change: Callable[[ExecutionState], None]) -> None:
        """Change accounts of the latest state without a transaction; durable when this returns."""
        self.require_own_chain()
        state = PatchedState(self.head.state)
        change(state)
        diff, since = state.diff(), self.head.state.root
        self.canonical.patch(diff)
        self._waiting.follow_head(changed=Changed(since, diff.accounts))
        self.events.publish(StatePatched())
        self._instant.mine_left()

    @writes
    def begin_with(self, change: Callable[[ExecutionState], None]) -> None:
        """Change accounts of the first block's state for good: `reset` keeps the change."""
        state = PatchedState(self.head.state)
        change(state)
        diff, since = state.diff(), self.head.state.root
        self.canonical.begin_with(diff)
        self._waiting.follow_head(changed=Changed(since, diff.accounts))

    @writes
    def follow_patch(self, diff: StateDiff, root: Hash32) -> None:
        """Change accounts as the leader has; durable. Raises InvalidRequestError if that does not lead to `root`."""
        since = self.head.state.root
        self.canonical.patch(diff, root)
        self._waiting.follow_head(changed=Changed(since, diff.accounts))
        self.events.publish(StatePatched())

    @writes
    def adopt(
        self,
        history: Sequence[BlockAndReceipts],
        change: Callable[[ExecutionState], None],
        states: Mapping[int, StateDiff] | None = None,
    ) -> None:
        """Put linked blocks of elsewhere, oldest first, in the place of this chain's, and change accounts; durable.

        The clock goes on from the newest one where that is ahead of it. See CanonicalChain.adopt, check_begin.
        """
        self.require_own_chain()
        check_begin(history[-1].block.header, self.schedule)
        change(state := PatchedState(self.head.state))
        self.canonical.adopt(history, state.diff(), states or {}, lambda batch: self._waiting.replace_all(batch, ()))
        self.snapshots.clear()
        self.clock.reach(self.head.header.timestamp)
        self._waiting.take_over(self.pool.clear)
        self.events.publish(HeadChanged((history[-1],)))

    @writes
    def snapshot(self) -> int:
        """Remember everything as it is now; the number to revert to."""
        return self.snapshots.add(self._present())

    @writes
    def is_at(self, number: int) -> bool:
        """Whether nothing has changed since a snapshot; False where it is unknown."""
        return self.snapshots.taken.get(number) == self._present()

    @writes
    def revert(self, number: int) -> bool:
        """Return to a snapshot, which is used up; False where it is unknown. See Snapshots."""
        self.require_own_chain()
        snapshot = self.snapshots.taken.get(number)
        if snapshot is None:
            return False
        if snapshot == self._present():
            self.snapshots.use_up(number)
            return True
        node = snapshot.node
        waiting = [entry.transaction for entry in node.pool.entries]
        removed = self.canonical.rewind(snapshot.version, lambda batch, _: self._waiting.replace_all(batch, waiting))
        self.snapshots.use_up(number)
        restore_all_but_pool(self, node)
        self._waiting.take_over(lambda: self.pool.restore(node.pool))
        self.events.publish(HeadChanged((), removed))
        return True

    def _present(self) -> ChainSnapshot:
        """Everything as it is now."""
        head = self.head
        return ChainSnapshot(head.version, head.header.hash, head.state.root, node_state(self))

    @writes
    def rollback(self, depth: int) -> tuple[BlockAndReceipts, ...]:
        """Remove the newest `depth` blocks for good; their transactions do not come back."""
        self.require_own_chain()
        target = Version(self.ancestor(depth).number, LAST_PATCH)
        removed = self.canonical.rewind(target)
        self.snapshots.drop_after(target)
        self._waiting.follow_head()
        self.events.publish(HeadChanged((), removed))
        return removed

    @writes
    def reorg(self, depth: int, transactions: Sequence[Sequence[Transaction | Filler]]) -> Steps[None]:
        """Replace the newest `depth` blocks by as many new ones, as work that other writes may come between.

        transactions[i] go into the i-th new block; what has to be filled is filled when its turn has come. What the
        removed blocks held returns to the pool, as in any reorganisation, and waits there. The blocks are replaced all
        at once, when the last one is built; where another write has changed the chain meanwhile, InvalidRequestError
        is raised and none of them is.
        """
        self.require_own_chain()
        if len(transactions) > depth:
            raise InvalidRequestError(f"{len(transactions)} blocks of transactions for a reorganisation of {depth}")
        head, target = self.head, self.ancestor(depth)
        branch = Branch(target, spec=self.spec, history=self.canonical, states=self.database.state, clock=self.clock)
        yield from branch.grow(depth, transactions, lambda: self.settings, lambda: self.head is head)
        self.switch_to(target, branch.blocks)

    @writes
    def switch_to(
        self,
        ancestor: Header,
        branch: Sequence[SealedBlock],
        *,
        also: Addition | None = None,
        checkpoints: Checkpoints | None = None,
        keep_removed: bool = False,
    ) -> None:
        """Make a branch on a canonical block the chain, in one batch; the pool and the listeners follow.

        also, checkpoints, keep_removed: see CanonicalChain.replace. What removed blocks held returns to the pool.
        """
        target = Version(ancestor.number, LAST_PATCH)
        blocks = [sealed.block for sealed in branch]

        def additions(batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
            self._waiting.commit(batch, blocks, removed)
            if also is not None:
                also(batch, removed)

        removed = self.canonical.replace(target, branch, additions, checkpoints, keep_removed=keep_removed)
        self.snapshots.drop_after(target)
        self._waiting.committed(blocks, reversed(removed), changed_by(*branch) if branch and not removed else None)
        self.events.publish(HeadChanged(tuple(sealed.record for sealed in branch), removed))

    @writes
    def rewind_to(self, number: int, *, patch: int = LAST_PATCH) -> None:
        """Make block `number` the head, with that many of its patches, and drop the pool's stale transactions."""
        removed = self.canonical.rewind(target := Version(number, patch))
        self.snapshots.drop_after(target)
        self._waiting.follow_head()
        self.events.publish(HeadChanged((), removed))

    @writes
    def reset(self, also: Addition | None = None) -> None:
        """Go back to the genesis block with an empty pool and the settings of a fresh start.

        also: see CanonicalChain.replace.
        """
        self.require_own_chain()

        def additions(batch: Batch, removed: tuple[BlockAndReceipts, ...]) -> None:
            self._waiting.replace_all(batch, ())
            if also is not None:
                also(batch, removed)

        removed = self.canonical.restart(additions)
        self._start_afresh()
        self.events.publish(HeadChanged((), removed))

    @writes
    def begin_again(self, ground: Ground) -> None:
        """Be another chain, which `ground` holds, with an empty pool and the settings of a fresh start.

        Nothing of this one is read any more, but by who reads it now. The ground's database must be in memory.
        """
        self.require_own_chain()
        first = ground.canonical.records.record(ground.canonical.head.header.hash)
        removed, zvm = tuple(self.canonical.own_blocks()), self.zvm
        assert first is not None
        with self._changing_ground():
            self.bad_blocks = {}
            self._stand_on(ground)
            self._keep_on_ground()
            self._start_afresh()
        self.events.publish(HeadChanged((first,), removed))
        if zvm is not None:
            zvm.close()

    def _start_afresh(self) -> None:
        """Take the settings of a start, and forget the pool."""
        self.snapshots.clear()
        self.clock.state = Clock().state
        options = self.options
        self.settings = BlockSettings(options.coinbase, options.gas_limit, options.minimum_gas_price)
        self.impersonated, self.auto_impersonate = set(), options.auto_impersonate
        self.mining.set_mode(options.mining)
        self._waiting.take_over(self.pool.clear)

    @writes
    def drop_transaction(self, transaction_hash: Hash32) -> bool:
        """Remove a waiting transaction; whether there was one."""
        is_known = self.pool.get(transaction_hash) is not None
        self._waiting.take_out(lambda: [transaction_hash] if self.pool.remove(transaction_hash) else [])
        return is_known

    @writes
    def drop_transactions_of(self, sender: Address) -> None:
        """Remove all waiting transactions of an account."""
        self._waiting.take_out(lambda: self.pool.remove_sender(sender))

    @writes
    def drop_all_transactions(self) -> None:
        """Empty the pool."""
        self._waiting.take_out(self.pool.clear)

    @writes
    def change_settings(self, /, **changes: object) -> None:
        """Replace fields of the BlockSettings for coming blocks."""
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]

    @writes
    def set_automine(self, enabled: bool) -> Steps[None]:
        """Switch instant mining; see `mine_waiting`."""
        self.mining.set_automine(enabled)
        yield from self.mine_waiting()

    @writes
    def mine_waiting(self) -> Steps[None]:
        """Under instant mining, put what waits and fits into blocks, in steps. Raises StorageError, NodeFaultError."""
        return self._instant.mine_in_steps()

    @writes
    def set_chain_id(self, chain_id: int) -> None:
        """Ask another chain id of transactions, until the node stops. For development."""
        self.require_own_chain()
        self.chain_id = chain_id
        self.spec.set_chain_id(chain_id)
        # a restart asks the old id again: what has left the pool must not come back then
        self._waiting.take_out(self._waiting.judge)

    def blob_sidecar_of(self, transaction_hash: Hash32) -> Transaction | None:
        """A mined or waiting blob transaction with its sidecar."""
        return self._waiting.sidecar_of(transaction_hash)

    @writes
    def renew_view(self) -> None:
        """Read the latest state from a new snapshot: what is removed stays on the disk as long as an older one."""
        self.canonical.renew_view()
        self._waiting.follow_head()

    @writes
    def follow_disk(self) -> None:
        """Let the pool hold what the ledger keeps of it: at a start, and after a write failed."""
        self._waiting.follow_disk()

    def _mine_block(self, *, sync: bool) -> BlockAndReceipts:
        record, _ = self._build(sync=sync)
        assert record is not None
        self.events.publish(HeadChanged((record,)))
        return record

    def _build(
        self,
        deadline: Deadline | None = None,
        *,
        sync: bool = True,
        allow_empty: bool = True,
        lone: Sequence[PooledTransaction] = (),
        context: NextContext | None = None,
    ) -> Built:
        """Build a block on the head from pending transactions, and commit it. None for an unwanted empty one.

        lone: of the first of these instead (Pool.lone). context: the block's, where it is at hand.
        """
        head, context = self.head, context or self.next_context()
        execution = BlockExecution(context.environment, self.database.state, head.state, deadline=deadline)
        refused = self.fill_block(execution, lone)
        if not execution.transactions and not allow_empty:
            return None, refused
        sealed, lone = execution.seal(context.header), lone[: len(execution.transactions)]
        self._commit(sealed, sync=sync, lone=lone)
        self.clock.pass_block(head.header.timestamp)
        self.settings = self.settings.after_block()
        if lone:
            self._waiting.passed(lone)
        else:
            self._waiting.committed((sealed.block,), changed=changed_by(sealed))
        # a failure of what comes after does not undo this block
        self._memory.remember()
        return sealed.record, refused

    def _commit(self, sealed: SealedBlock, *, sync: bool, lone: Sequence[PooledTransaction] = ()) -> None:
        """Write a block and what goes with it, in one batch. The pool is to be told after it."""
        self.canonical.commit(sealed, lambda batch: self._waiting.commit(batch, (sealed.block,), lone=lone), sync=sync)
        self._pending.drop()
