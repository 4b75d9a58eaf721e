"""The canonical chain on disk: its head, and the three ways it moves (commit, patch, rewind), each one batch."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from zevm.chain.blocks.execution import SealedBlock
from zevm.chain.canonical.appending import VERSION_KEY, append_block, append_head
from zevm.chain.canonical.log_search import log_keys
from zevm.chain.canonical.marks import Adopted, Checkpoints, Horizon
from zevm.chain.canonical.patches import prepare_patch
from zevm.chain.canonical.pruning import Pruning
from zevm.chain.canonical.records import Records
from zevm.chain.errors import InvalidRequestError, UnknownBlockError
from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Header
from zevm.chain.types.receipt import encode_receipts
from zevm.core.records import quick_init
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, ForeignDatabaseError, OriginError, StorageError, StorageProblem
from zevm.storage.ledger import Ledger
from zevm.storage.origin import Origin
from zevm.storage.primitives import ZERO_ADDRESS, Hash32
from zevm.storage.schema import LAST_PATCH, MetaName, Version
from zevm.storage.state import StateBase, StateUpdate
from zevm.storage.state_record import decode_update
from zevm.storage.store import Batch

Addition = Callable[[Batch, tuple[BlockAndReceipts, ...]], None]
"""Puts more into a rewind's batch, knowing the blocks that it removes."""


@quick_init
@dataclass(frozen=True, slots=True)
class Head:
    """The newest block and the latest state, which development patches may have moved past the block's root."""

    header: Header
    state: StateBase
    version: Version

    @property
    def number(self) -> int:
        """The head's number."""
        return self.header.number


class CanonicalChain:
    """Owns the database. Moves are made on the writer thread; `head` and reads are for any thread.

    kept_blocks: number of newest blocks whose content and states stay; None for all, as of a fork.
    """

    def __init__(self, database: Database, genesis: Genesis, kept_blocks: int | None = None) -> None:
        self.database = database
        self.genesis = genesis
        self.horizon = Horizon.of(database)
        self.records = Records(database.ledger, self.horizon)
        self._pruning: Pruning | None = None
        if kept_blocks is not None and database.origin is None:
            self._pruning = Pruning(database, self.records, self.horizon, kept_blocks)
        if database.ledger.head() is None:
            batch = Batch()
            self._begin(genesis, batch)
            database.write(batch)
        self._check_genesis()
        self._adopted = Adopted.of(database)
        self._head = self._load_head()
        self._ahead: Head | None = None
        self._first_patch = 0
        marked = database.ledger.meta(MetaName.CHECKPOINTS)
        self._checkpoints = Checkpoints() if marked is None else Checkpoints.decode(marked)

    @property
    def checkpoints(self) -> Checkpoints:
        """The blocks that a consensus client last named safe and finalized; they may be gone after a rewind."""
        return self._checkpoints

    @property
    def head(self) -> Head:
        """The head as one consistent view; for the thread of a group of writes, the one that it makes."""
        ahead = self._ahead
        return self._head if ahead is None or self.database.group_bytes is None else ahead

    def root_of(self, header: Header) -> Hash32:
        """The state root to read at a block: the header's, or what patches made of it before the next block."""
        override = self.database.ledger.working_root(header.number)
        if override is not None and self.records.canonical_hash(header.number) == header.hash:
            return override
        return header.state_root

    def root_held(self, header: Header) -> Hash32:
        """The state root at a block, whose trie nodes are then at hand. Raises UnknownBlockError."""
        base = self.state_of(header).base
        assert isinstance(base, bytes), "the state of a written block is written"
        return base

    def state_of(self, header: Header) -> StateBase:
        """The state after a block. Raises UnknownBlockError for adopted ones before the newest, PrunedHistoryError."""
        head = self.head
        if header.hash == head.header.hash:
            return head.state
        origin = self.database.origin
        if origin is not None and header.number < origin.number:
            return self.database.state.before_fork(header.number, header.state_root)
        if header.number < self._adopted.last and self.database.ledger.working_root(header.number) is None:
            raise UnknownBlockError(
                f"the state of block {header.number} is not kept: "
                f"blocks up to {self._adopted.last} came from a state file"
            )
        states, view = self.database.state, self.database.snapshot()
        ledger = Ledger.over(view)
        if ledger.canonical_hash(header.number) != header.hash:
            return self._side_state(header)
        self.horizon.refuse_state(header.number)
        root = ledger.working_root(header.number) or header.state_root
        return states.at(view, Version(header.number, LAST_PATCH), root)

    def _side_state(self, header: Header) -> StateBase:
        """The state after a block that is kept but not canonical. Raises UnknownBlockError."""
        states, updates = self.database.state, []
        cursor: Header | None = header
        while cursor is not None and not states.holds(cursor.state_root):
            data = self.database.ledger.side_update(cursor.number, cursor.hash)
            if data is None:
                break
            updates.append(decode_update(data))
            cursor = self.records.header_by_hash(cursor.parent_hash)
        if updates and cursor is not None and self.root_held(cursor) == updates[-1].base_root:
            states.provide_updates(updates[::-1])
        if not states.holds(header.state_root):
            raise UnknownBlockError(f"the state of block {header.number} 0x{header.hash.hex()} is not kept")
        return states.by_trie(header.state_root)

    @property
    def first_own(self) -> int:
        """The number of the first block that was made or verified here: those before came from a state file."""
        return max(self.genesis.number, self._adopted.last + 1)

    def refuse_before_kept(self, number: int) -> None:
        """Raise InvalidRequestError where going back to block `number` would need a state that is not kept."""
        self.horizon.refuse_going_back(number)
        self._adopted.refuse_before(number)

    def adopt(
        self,
        history: Sequence[BlockAndReceipts],
        diff: StateDiff,
        states: Mapping[int, StateDiff],
        also: Callable[[Batch], None],
    ) -> None:
        """Put linked blocks of elsewhere in the place of this chain's, and patch the latest state; one batch.

        history: oldest first, at least one. The state is a patch of the last of them: earlier states of their headers
        are absent, except those in `states`, by number, each from the empty state. also: adds to the batch.
        """
        header, first = history[-1].block.header, history[0].block.number
        genesis = self.genesis.with_changes(number=first)
        adopted = Adopted(header.number, self._adopted.first if self._adopted.last >= 0 else self.genesis.number)
        update = prepare_patch(self.database.state, self.head.state.root, diff)
        version, batch = Version(header.number, 1), Batch()
        self.database.ledger.forget_blocks(batch)
        earlier = [(number, self.database.state.prepare(EMPTY_ROOT, states[number])) for number in sorted(states)]
        nodes_written = self.database.state.adopt(batch, update, version, earlier)
        for record in history:
            append_block(self.database.ledger, batch, record)
        self.database.ledger.put_working_root(batch, header.number, update.root)
        for number, kept in earlier:
            self.database.ledger.put_working_root(batch, number, kept.root)
        self.database.ledger.put_meta(batch, MetaName.GENESIS, genesis.encode())
        self.database.ledger.put_meta(batch, MetaName.ADOPTED, adopted.encode())
        self.database.ledger.delete_meta(batch, MetaName.PRUNED)
        batch_version(batch, version)
        also(batch)
        self.database.write(batch)
        nodes_written()
        self.genesis, self._adopted, self.horizon.number = genesis, adopted, 0
        self.records.clear()
        self._head = self._head_at(header, update.root, version)

    def restart(self, also: Addition) -> tuple[BlockAndReceipts, ...]:
        """Go back to the genesis block; give the removed blocks, newest first, but for adopted and pruned ones."""
        is_adopted = self._adopted.last >= 0
        if not is_adopted and not self.horizon.number:
            return self.rewind(Version(self.genesis.number, self._first_patch), also)
        removed = tuple(self.own_blocks())
        first = self._adopted.first if is_adopted else self.genesis.number
        genesis, batch = self.genesis.with_changes(number=first), Batch()
        self.database.ledger.forget_blocks(batch)
        self.database.state.forget_history(batch)
        self.database.state.forget(batch)
        for mark in (MetaName.ADOPTED, MetaName.PRUNED):
            self.database.ledger.delete_meta(batch, mark)
        self._begin(genesis, batch)
        also(batch, removed)
        self.database.write(batch)
        self.database.state.begin()
        self.genesis, self._adopted, self.horizon.number = genesis, Adopted(), 0
        self.records.clear()
        self._head = self._load_head()
        return removed

    def own_blocks(self) -> Iterable[BlockAndReceipts]:
        """The blocks that were made or verified here, newest first; neither the first, adopted nor pruned ones."""
        lowest = max(self.genesis.number + 1, self._adopted.last + 1, self.horizon.number)
        for number in range(self._head.number, lowest - 1, -1):
            block_hash = self.records.canonical_hash(number)
            record = None if block_hash is None else self.records.record(block_hash)
            if record is not None:
                yield record

    def commit(self, sealed: SealedBlock, also: Callable[[Batch], None] | None = None, *, sync: bool = True) -> None:
        """Make a child of the head the new head: block, state, indexes and head pointer in one batch.

        also: puts more into the batch.
        """
        block, receipts = sealed.record.block, sealed.record.receipts
        version = Version(block.number)
        batch = Batch()
        database = self.database
        append_head(database.ledger, database.state, batch, sealed.record, sealed.header, sealed.update)
        if also is not None:
            also(batch)
        database.write(batch, sync=sync)
        head = self._head_after(block.header, sealed.update, version)
        self._move_to(head, BlockAndReceipts(block, receipts))

    def begin_with(self, diff: StateDiff) -> None:
        """Patch the first block, for good: `restart` comes back to the state after it."""
        self.patch(diff)
        self._first_patch = self._head.version.patch

    def patch(self, diff: StateDiff, root: Hash32 | None = None) -> None:
        """Change the latest state without a block. Raises InvalidRequestError if that does not lead to `root`."""
        head = self.head
        version = Version(head.number, head.version.patch + 1)
        update = prepare_patch(self.database.state, head.state.root, diff)
        if root is not None and update.root != root:
            raise InvalidRequestError(
                f"the change of the state after block {head.number} leads to 0x{update.root.hex()}, not 0x{root.hex()}"
            )
        batch = Batch()
        self.database.state.apply(batch, update, version)
        self.database.ledger.put_working_root(batch, head.number, update.root)
        batch_version(batch, version)
        self.database.write(batch)
        self._move_to(self._head_after(head.header, update, version))

    def show_group(self) -> None:
        """Make the head that a group of writes has led to the head for all threads, once it is written and ended."""
        ahead = self._ahead
        if ahead is not None:
            self.records.show_held()
            self._head = self._head_at(ahead.header, ahead.state.root, ahead.version)
            self._ahead = None
            self._settle()

    def forget_group(self) -> None:
        """Go back to the head before a group of writes that failed."""
        self.records.forget_held()
        self._ahead = None

    def _move_to(self, head: Head, record: BlockAndReceipts | None = None) -> None:
        """Make `head` the head, and `record` its block where that is new: in a group, for this thread alone."""
        if self.database.group_bytes is not None:
            self._ahead = head
            if record is not None:
                self.records.hold(record)
            return
        if record is not None:
            self.records.remember(record)
        self._head = head
        self._settle()

    def mark(self, checkpoints: Checkpoints) -> None:
        """Move the checkpoints alone."""
        batch = Batch()
        self.database.ledger.put_meta(batch, MetaName.CHECKPOINTS, checkpoints.encode())
        self.database.write(batch)
        self._checkpoints = checkpoints

    def rewind(self, target: Version, also: Addition | None = None) -> tuple[BlockAndReceipts, ...]:
        """Go back to a state; the removed blocks are returned, newest first. See `replace`."""
        return self.replace(target, (), also)

    def replace(
        self,
        target: Version,
        branch: Sequence[SealedBlock],
        also: Addition | None = None,
        checkpoints: Checkpoints | None = None,
        *,
        keep_removed: bool = False,
    ) -> tuple[BlockAndReceipts, ...]:
        """Go back to a state and on from there with a branch, in one batch; give the removed blocks, newest first.

        target: a patch index beyond the block's last one keeps all its patches.
        also: is given the batch and the removed blocks, and adds what must be written with them.
        checkpoints: the new ones, None to leave them as they are.
        keep_removed: leave the removed blocks themselves to `also`, which forgets those that it does not keep.
        """
        header = self.records.header_by_number(target.number)
        if header is None or target.number > self._head.number:
            raise InvalidRequestError(f"cannot rewind to block {target.number}: the head is {self._head.number}")
        self.refuse_before_kept(target.number)
        states, ledger = self.database.state, self.database.ledger
        version = reached = Version(target.number, min(target.patch, states.last_patch(target.number)))
        batch = Batch()
        removed = tuple(self._remove_blocks(batch, target.number, keep_blocks=keep_removed))
        root = states.rewind(batch, version)
        if version.patch:
            ledger.put_working_root(batch, target.number, root)
        else:
            ledger.delete_working_root(batch, target.number)
        for sealed in branch:
            header, root, version = sealed.block.header, sealed.update.root, Version(sealed.block.number)
            states.apply(batch, sealed.update, version)
            append_block(ledger, batch, sealed.record, is_stored=sealed.is_stored, header=sealed.header)
        batch_version(batch, version)
        nodes_written = states.put_nodes_behind(batch, reached, version, root)
        if also is not None:
            also(batch, removed)
        if checkpoints is not None:
            ledger.put_meta(batch, MetaName.CHECKPOINTS, checkpoints.encode())
        self.database.write(batch)
        nodes_written()
        self._checkpoints = checkpoints or self._checkpoints
        for record in removed:
            self.records.forget(record.block.hash, record.block.transactions)
        for sealed in branch:
            self.records.remember(BlockAndReceipts(sealed.block, sealed.record.receipts))
        self._head = self._head_at(header, root, version)
        self._settle()
        return removed

    def _remove_blocks(self, batch: Batch, number: int, *, keep_blocks: bool) -> Iterable[BlockAndReceipts]:
        for height in range(self._head.number, number, -1):
            block_hash = self.records.canonical_hash(height)
            record = None if block_hash is None else self.records.record(block_hash)
            if record is None:
                raise CorruptionError(f"block {height} is missing", StorageProblem.RECORD_DAMAGED)
            self.database.ledger.remove_head(
                batch,
                number=height,
                block_hash=record.block.hash,
                parent_hash=record.block.header.parent_hash,
                transaction_hashes=[transaction.hash for transaction in record.block.transactions],
                log_keys=log_keys(record.receipts),
                keep_block=keep_blocks,
            )
            self.database.ledger.delete_working_root(batch, height)
            yield record

    @property
    def first_number(self) -> int:
        """The number of the oldest block."""
        return self.genesis.number if self.database.origin is None else 0

    @property
    def first_kept(self) -> int:
        """The number of the first block from which on all are kept with their content and states."""
        return max(self.first_number, self.horizon.number)

    def _begin(self, genesis: Genesis, batch: Batch) -> None:
        if self.database.origin is not None:
            self._begin_on(self.database.origin, genesis, batch)
            return
        state = self.database.state
        update = state.prepare(EMPTY_ROOT, genesis.diff())
        header = genesis.header(update.root)
        withdrawals = None if header.withdrawals_root is None else ()
        version = Version(header.number)
        state.apply(batch, update, version)
        append_block(self.database.ledger, batch, BlockAndReceipts(Block(header, withdrawals=withdrawals), ()))
        self.database.ledger.put_meta(batch, MetaName.GENESIS, genesis.encode())
        batch_version(batch, version)

    def _begin_on(self, origin: Origin, genesis: Genesis, batch: Batch) -> None:
        """Put the forked block of another chain into `batch`, as this chain's first. Raises OriginError."""
        block_hash = self.records.canonical_hash(origin.number)
        record = None if block_hash is None else self.records.record(block_hash)
        if record is None:
            raise OriginError(f"block {origin.number} is not there")
        header = record.block.header
        state = self.database.state
        if header.state_root != EMPTY_ROOT:
            # any proof begins with the root's node
            state.before_fork(header.number, header.state_root).account(ZERO_ADDRESS)
        state.begin_at(batch, header.state_root)
        append_block(self.database.ledger, batch, record)
        self.database.ledger.put_meta(batch, MetaName.GENESIS, genesis.encode())
        batch_version(batch, Version(header.number))

    def _check_genesis(self) -> None:
        stored = self.database.ledger.meta(MetaName.GENESIS)
        if stored != self.genesis.encode():
            raise ForeignDatabaseError(
                "the data directory holds a chain with another genesis", StorageProblem.OTHER_GENESIS
            )

    def _load_head(self) -> Head:
        ledger = self.database.ledger
        pointer, encoded_version = ledger.head(), ledger.meta(MetaName.STATE_VERSION)
        header = None if pointer is None else self.records.header_by_hash(pointer[1])
        if header is None or encoded_version is None:
            raise CorruptionError("the head block is missing", StorageProblem.RECORD_DAMAGED)
        root, version = self.root_of(header), Version.decode(encoded_version)
        for step in self.database.state.stray_nodes():
            self.database.write(step.batch, sync=False)
        recovered = self.database.state.recover(version, root)
        if recovered is not None:
            self.database.write(recovered)
        return self._head_at(header, root, version)

    def finish(self) -> None:
        """Write the nodes that a start would have to make again. Where that fails, it does."""
        head, batch = self._head, Batch()
        if not self.database.on_disk:
            return
        written = self.database.state.put_last_nodes(batch, head.version, head.state.root)
        if written is not None:
            with suppress(StorageError):
                self.database.write(batch)
                written()

    def _settle(self) -> None:
        """Write trie nodes behind the head where it is time to. They are derived: what fails here is tried again."""
        states, head = self.database.state, self._head
        batch = states.settle(head.version, head.state.root)
        if batch is not None:
            with suppress(StorageError):
                self.database.write(batch, sync=False)
                states.settled(head.version)
        if self._prunes_at(head.number):
            self.prune()

    @property
    def is_settling_near(self) -> bool:
        """Whether there may be long work behind the next block: trie nodes to write, old blocks to prune."""
        return self.database.state.is_settling_near or self._prunes_at(self._head.number + 1)

    def _prunes_at(self, number: int) -> bool:
        """Whether old blocks are pruned behind block `number`."""
        return self._pruning is not None and self._pruning.is_due(self.genesis.number, number)

    def prune(self) -> bool:
        """Remove what is not to be kept of some of the oldest blocks; whether there are more of them."""
        head = self._head
        return self._pruning is not None and self._pruning.step(self.genesis.number, head.version, head.state.root)

    def renew_view(self) -> None:
        """Read the head from a new snapshot."""
        self._head = self._head_at(self._head.header, self._head.state.root, self._head.version)

    def _head_at(self, header: Header, root: Hash32, version: Version) -> Head:
        view = self.database.snapshot()
        return Head(header, self.database.state.latest(view, root), version)

    def _head_after(self, header: Header, update: StateUpdate, version: Version) -> Head:
        view = self.database.snapshot()
        return Head(header, self.database.state.latest_after(view, self.head.state, update), version)


def put_record(ledger: Ledger, batch: Batch, record: BlockAndReceipts) -> None:
    """Put a block with its receipts into a batch, encoded for the ledger."""
    block = record.block
    header = block.header.encode_and_hash()
    ledger.put_block(
        batch,
        block_hash=block.hash,
        header=header,
        body=block.encode_body(),
        receipts=encode_receipts(record.receipts),
    )


def batch_version(batch: Batch, version: Version) -> None:
    """Record which state the flat state is."""
    batch.put(VERSION_KEY, version.encode())


def stored_genesis(database: Database) -> Genesis | None:
    """The genesis of the chain that a database holds, if it holds one."""
    data = database.ledger.meta(MetaName.GENESIS)
    return None if data is None else Genesis.from_json(json.loads(data))
