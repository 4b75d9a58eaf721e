"""Instant mining: what lies in the pool and fits goes into blocks at once, however it came to be so."""

import logging
from collections.abc import Sequence
from itertools import takewhile
from typing import Protocol

from zevm.chain.blocks.context import BlockSettings, NextContext
from zevm.chain.blocks.mining import Mining
from zevm.chain.blocks.selection import Refusals, check_price
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.concurrency.groups import Guard
from zevm.chain.concurrency.steps import Steps, Turn, run_through
from zevm.chain.errors import ChainError, NodeFaultError, TransactionError
from zevm.chain.events import BlockAndReceipts, Events, HeadChanged, TransactionAdded
from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.pool import Pool
from zevm.chain.types import Transaction
from zevm.chain.vm.validation import validate_against_block
from zevm.storage.errors import StorageError
from zevm.storage.primitives import Address

LOGGER = logging.getLogger("zevm.chain")


Built = tuple[BlockAndReceipts | None, Refusals]
"""A block of what fitted, None where nothing did, and why others did not fit."""


class MiningChain(Protocol):
    """The chain's interface for instant mining (chain.blockchain.Chain)."""

    settings: BlockSettings

    @property
    def mining(self) -> Mining:
        """The mode."""
        ...

    @property
    def pool(self) -> Pool:
        """The pool."""
        ...

    @property
    def events(self) -> Events:
        """Those who listen."""
        ...

    def next_context(self) -> NextContext:
        """The context of a block made now."""
        ...


class Build(Protocol):
    """Makes a block of the pool's transactions that fit, or of the first lone ones that do, and commits it."""

    def __call__(
        self, deadline: Deadline | None, *, lone: Sequence[PooledTransaction] = (), context: NextContext | None = None
    ) -> Built:
        """None for the block where nothing fits. context: the block's, where it is at hand."""
        ...


class InstantMining:
    """Of one chain; used on its writer's thread alone. It does nothing while the mining mode is another.

    build: makes a block of what fits and commits it, by a deadline where there is one.
    """

    def __init__(self, chain: MiningChain, memory: Guard, build: Build) -> None:
        self._chain = chain
        self._memory = memory
        self._build = build
        self._is_under_way = False

    def mine_alone(
        self, transaction: Transaction, sender: Address, deadline: Deadline | None = None, *, local: bool = False
    ) -> bool:
        """Mine a transaction while no other one waits, past the pool; False, and nothing done, where that cannot be.

        The pool is then the place where it is refused, or waits. Raises as `mine_in_steps`.
        """
        chain = self._chain
        entry = chain.pool.lone(transaction, sender, local=local) if chain.mining.automine else None
        if entry is None:
            return False
        context, least = self._next()
        try:
            record: BlockAndReceipts | None = None
            if transaction.max_fee_per_gas >= least:
                record, _ = self._build(deadline, lone=(entry,), context=context)
        except (ChainError, NodeFaultError):
            return False
        if record is None:
            return False
        chain.events.publish(TransactionAdded(transaction))
        chain.events.publish(HeadChanged((record,)))
        return True

    def mine_together(self, sent: Sequence[tuple[Transaction, Address]]) -> int:
        """Mine the first of some transactions in one block while no other one waits, past the pool; their number.

        0, and nothing done, where the first has to come alone. Those of a block find there what they would find in
        blocks of their own, but for the block: one that the others hinder, or that hinders them, is left for later.
        """
        chain = self._chain
        entries = chain.pool.lone_run(sent) if chain.mining.automine else []
        context, least = self._next()
        entries = list(takewhile(lambda entry: entry.transaction.max_fee_per_gas >= least, entries))
        while len(entries) > 1:
            try:
                record, _ = self._build(None, lone=entries, context=context)
            except (ChainError, NodeFaultError):
                record = None
            except StorageError:
                # such as a damaged record that one of them reads
                self._memory.undo()
                record = None
            if record is not None:
                for transaction in record.block.transactions:
                    chain.events.publish(TransactionAdded(transaction))
                chain.events.publish(HeadChanged((record,)))
                return len(record.block.transactions)
            entries = entries[: len(entries) // 2]
        return 0

    def _next(self) -> tuple[NextContext, int]:
        """The context of a block made now, and the least price of gas in it, in wei."""
        context = self._chain.next_context()
        return context, max(context.environment.base_fee_per_gas or 0, self._chain.settings.minimum_gas_price)

    def mine(self, transaction: Transaction | None = None, deadline: Deadline | None = None) -> None:
        """Mine at one go; see `mine_in_steps`."""
        run_through(self.mine_in_steps(transaction, deadline))

    def mine_in_steps(self, transaction: Transaction | None = None, deadline: Deadline | None = None) -> Steps[None]:
        """Mine until the pool has nothing that fits; refuse `transaction`, which has just come, if that did not.

        Other writes may come between. deadline: of each block. Raises TransactionError for the transaction,
        StorageError and NodeFaultError where no block could be made, NotBriefError where none could be in time.
        """
        chain, is_durable, turn = self._chain, False, Turn()
        while chain.mining.automine and chain.pool.executable_count:
            try:
                record, refused = self._build(deadline)
            except StorageError:
                if not is_durable:
                    raise
                # what the caller waits for is in a block, and so is what else was waiting in the ledger
                self._memory.undo()
                return
            if record is None:
                self._refuse_unfit(transaction, refused)
                return
            if not is_durable and (transaction is None or chain.pool.get(transaction.hash) is None):
                is_durable = True
                if transaction is not None:
                    chain.events.publish(TransactionAdded(transaction))
            chain.events.publish(HeadChanged((record,)))
            if turn.is_over:
                self._is_under_way = True
                try:
                    yield
                finally:
                    self._is_under_way = False
                turn = Turn()

    def mine_left(self) -> None:
        """Mine what fits after a command that stands whatever becomes of this; what no block takes waits on.

        Where work in steps is under way, the rest is left to that.
        """
        if self._is_under_way:
            return
        self._memory.remember()
        try:
            self.mine()
        except StorageError as error:
            self._memory.undo()
            LOGGER.error("waiting transactions cannot be mined: %s", error)
        except NodeFaultError as fault:
            LOGGER.critical("waiting transactions cannot be mined: %s", fault, exc_info=fault)

    def _refuse_unfit(self, transaction: Transaction | None, refused: Refusals) -> None:
        """A transaction that was sent and that no block takes now is an error, not a wait without end."""
        chain = self._chain
        if transaction is None or chain.pool.get(transaction.hash) is None:
            return
        environment = chain.next_context().environment
        try:
            if transaction.hash in refused:
                raise refused[transaction.hash]
            check_price(transaction, chain.settings)
            validate_against_block(transaction, environment, environment.gas_limit, None)
        except TransactionError:
            chain.pool.remove(transaction.hash)
            raise
