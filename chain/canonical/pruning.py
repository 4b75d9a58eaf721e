"""Old blocks of which a chain does not keep everything: what is not kept goes behind the head, in steps.

kept of every block        header, canonical hash, number
removed of an old one      body, receipts, positions of its transactions, its entries of the log index, its blobs,
                           the differences by which states before the one before it are read

A step is one batch: it moves the horizon (META's PRUNED) and removes what lies below. So a stop at any time leaves a
whole chain. The chain's first block, which tools ask for, keeps its body, receipts and positions.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from zevm.chain.canonical.log_search import log_keys
from zevm.chain.canonical.marks import Horizon
from zevm.chain.canonical.records import Records, decode_receipts
from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.chain.concurrency.writer import AbandonedError, Writer, WriterStoppedError
from zevm.chain.types import TransactionType
from zevm.storage import schema
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageError, StorageProblem
from zevm.storage.history import BEFORE_ALL, delete_difference, read_difference
from zevm.storage.integrity import stored_transactions
from zevm.storage.keccak import keccak256
from zevm.storage.ledger import decode_position
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError
from zevm.storage.schema import MetaName, Version
from zevm.storage.state_nodes import Written
from zevm.storage.store import Batch

LOGGER = logging.getLogger("zevm.chain")

MINIMUM_KEPT_BLOCKS = 256
"""As many as a node looks at itself: for the newest logs, fees, the check of a start, reorganisations."""

LAG_BLOCKS = 64
"""Blocks more than are to be kept that gather before a step."""

STEP_BLOCKS = 128
STEP_OPERATIONS = 10_000
"""A step ends with the block that reaches either."""

NODES_LAG_BLOCKS = 1_024
"""Blocks more than are to be kept that stay for the trie nodes' sake; past it, nodes are written before their turn."""


@dataclass(slots=True)
class _Step:
    """A batch that removes the content of blocks, by their hashes with those of their transactions.

    reached: the first block that it leaves as it is.
    """

    reached: int
    batch: Batch = field(default_factory=Batch)
    blocks: dict[bytes, list[bytes]] = field(default_factory=dict)


class Pruning:
    """Of one chain; used on its writer's thread alone. kept_blocks: number of newest blocks that keep everything."""

    def __init__(self, database: Database, records: Records, horizon: Horizon, kept_blocks: int) -> None:
        self._database = database
        self._records = records
        self._horizon = horizon
        self._kept_blocks = max(MINIMUM_KEPT_BLOCKS, kept_blocks)
        self._is_stuck = False

    def is_due(self, first: int, head: int) -> bool:
        """Whether enough blocks are too old for a step, and can go. first, head: numbers of the chain's ends."""
        wanted, start = self._wanted(head), max(self._horizon.number, first)
        if self._is_stuck or wanted - start < LAG_BLOCKS:
            return False
        try:
            return self._reachable(wanted) > start
        except StorageError:
            # the step tells
            return True

    def _wanted(self, head: int) -> int:
        """The horizon as it should be."""
        return head - self._kept_blocks + 1

    def step(self, first: int, head: Version, root: Hash32) -> bool:
        """Prune some of the oldest blocks; whether there are more of them.

        first: number of the chain's first block. head, root: of the latest state. A failure changes nothing, and a
        later step repeats it.
        """
        before, start = self._horizon.number, max(self._horizon.number, first)
        try:
            stop = start if self._is_stuck else self._reachable(self._wanted(head.number))
            if stop <= start:
                return False
            self._write_nodes(stop, head, root)
            step = self._removal(start, stop, first)
            self._horizon.number = step.reached
            self._database.write(step.batch, sync=False)
        except StorageError as error:
            self._horizon.number = before
            if isinstance(error, CorruptionError):
                self._is_stuck = True
                LOGGER.warning("no more blocks are pruned until the next start: %s", error)
            return False
        for block_hash, transaction_hashes in step.blocks.items():
            self._records.forget_content(block_hash, transaction_hashes)
        return step.reached < stop

    def _reachable(self, wanted: int) -> int:
        """The horizon to go to: a start needs the differences since the state whose trie nodes are written."""
        written = Written.read(self._database.store)
        if written is not None and 0 < wanted - written.version[0] < NODES_LAG_BLOCKS:
            return written.version[0]
        return wanted

    def _write_nodes(self, stop: int, head: Version, root: Hash32) -> None:
        """Write the trie nodes of the latest state, where those that are written are of one before block `stop`."""
        database = self._database
        written = Written.read(database.store)
        if written is None or written.version[0] >= stop:
            return
        batch = Batch()
        nodes_written = database.state.put_nodes_behind(batch, BEFORE_ALL, head, root)
        database.write(batch, sync=False)
        nodes_written()

    def _removal(self, start: int, stop: int, first: int) -> _Step:
        """The removal of the blocks from `start` on, up to `stop` or to the size of a step."""
        step, last = _Step(start), min(stop, start + STEP_BLOCKS)
        while step.reached < last and len(step.batch.operations) < STEP_OPERATIONS:
            if step.reached == first:
                self._remove_from_index(step.batch, first)
            else:
                self._remove_content(step, step.reached)
                self._remove_root(step.batch, step.reached - 1)
            self._remove_differences(step.batch, step.reached)
            step.reached += 1
        self._database.ledger.put_meta(step.batch, MetaName.PRUNED, schema.encode_number(step.reached))
        return step

    def _remove_content(self, step: _Step, number: int) -> None:
        """Remove a block's body, receipts and indexes."""
        block_hash, body = self._remove_from_index(step.batch, number)
        step.batch.delete(schema.body_key(block_hash))
        step.batch.delete(schema.receipts_key(block_hash))
        try:
            step.blocks[block_hash] = list(self._remove_transactions(step.batch, number, body))
        except RlpError as error:
            raise _damaged(number, error) from error

    def _remove_from_index(self, batch: Batch, number: int) -> tuple[Hash32, bytes]:
        """Remove a block's entries of the log index; its hash and its body."""
        ledger = self._database.ledger
        block_hash = ledger.canonical_hash(number)
        body = None if block_hash is None else ledger.body(block_hash)
        receipts = None if block_hash is None else ledger.receipts(block_hash)
        if block_hash is None or body is None or receipts is None:
            raise CorruptionError(f"block {number} is incomplete", StorageProblem.RECORD_DAMAGED)
        try:
            for key in log_keys(decode_receipts(receipts)):
                batch.delete(schema.log_posting_key(key, number))
        except RlpError as error:
            raise _damaged(number, error) from error
        return block_hash, body

    def _remove_transactions(self, batch: Batch, number: int, body: bytes) -> Iterator[bytes]:
        """The hashes of a block's transactions; their indexes go, unless a later block holds the transaction again."""
        for content in stored_transactions(body):
            transaction_hash = keccak256(content)
            yield transaction_hash
            position = self._database.store.get(schema.position_key(transaction_hash))
            if position is None or decode_position(position)[0] != number:
                continue
            batch.delete(schema.position_key(transaction_hash))
            if content[0] == TransactionType.BLOB:
                batch.delete(schema.blobs_key(transaction_hash))

    def _remove_differences(self, batch: Batch, number: int) -> None:
        """Remove the way back over a block and its patches."""
        start, stop = schema.undo_key(Version(number)), schema.undo_key(Version(number + 1))
        for key, record in self._database.store.iterate(start, stop, fill_cache=False):
            delete_difference(batch, key, read_difference(key, record)[2][::2])

    def _remove_root(self, batch: Batch, number: int) -> None:
        """The root after a block's patches, of a state that no kept block stands on."""
        if self._database.ledger.working_root(number) is not None:
            self._database.ledger.delete_working_root(batch, number)


def _damaged(number: int, error: RlpError) -> CorruptionError:
    return CorruptionError(f"block {number} is damaged: {error}", StorageProblem.RECORD_DAMAGED)


class Prunable(Protocol):
    """The parts of chain.canonical.chain.CanonicalChain that remove old blocks."""

    @property
    def first_kept(self) -> int:
        """The first block from which on all are kept with their content and states."""
        ...

    def prune(self) -> bool:
        """Prune some of the oldest blocks, on the writer's thread; whether there are more of them."""
        ...


class ServingChain(Protocol):
    """A chain (chain.blockchain.Chain) that goes on meanwhile."""

    writer: Writer

    @property
    def canonical(self) -> Prunable:
        """The blocks."""
        ...


def prune_in_steps(chain: ServingChain, cancellation: Cancellation) -> None:
    """Prune a chain that has not been until now, while it goes on; on a thread of its own."""
    before = chain.canonical.first_kept
    with suppress(AbandonedError, WriterStoppedError):
        chain.writer.submit(_caught_up, chain, cancellation=cancellation).result()
    kept = chain.canonical.first_kept
    if kept > before:
        LOGGER.info("blocks before %d were pruned", kept)


def _caught_up(chain: ServingChain) -> Steps[None]:
    """Work of the writer that other work may come between."""
    turn = Turn()
    while chain.canonical.prune():
        if turn.is_over:
            yield
            turn = Turn()
