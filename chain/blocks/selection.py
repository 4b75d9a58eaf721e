"""Which waiting transactions go into a block: the pool's order, as far as each still executes."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from zevm.chain.blocks.context import BlockSettings
from zevm.chain.blocks.execution import AT_ONCE, BlockExecution, SealedBlock
from zevm.chain.blocks.importer import MAX_BLOCK_BYTES
from zevm.chain.concurrency.steps import Turn
from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.ordering import Offers
from zevm.chain.pool.pool import Changed
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.gas import TRANSACTION_GAS
from zevm.chain.types import Transaction
from zevm.storage.primitives import Address

_HEAD_AND_WITHDRAWAL_BYTES = 64 * 1024
"""Part of a block's maximum size (EIP-7934) that is reserved for everything but transactions."""
_LENGTH_BYTES = 9
"""The most that RLP puts before a transaction in a block."""

PART_GAS = 4_000_000
"""Gas that transactions may buy which run without a look at the clock, but for the first of them."""
PART_SECONDS = 0.05
"""Time in which sends of several clients are executed before those that have been are answered."""

Refusals = dict[bytes, TransactionError]
"""Why transactions that were tried did not fit into a block, by their hash."""


def check_price(transaction: Transaction, settings: BlockSettings) -> None:
    """Check that the price reaches the minimum of this node's blocks. Raises TransactionError with geth's text."""
    have, needed = transaction.max_fee_per_gas, settings.minimum_gas_price
    if have < needed:
        raise TransactionError(
            Reason.PRICE_BELOW_MINIMUM,
            f"transaction gas price below minimum: gas fee cap {have}, minimum needed {needed}",
        )


def fill_block(execution: BlockExecution, offers: Offers, *, max_transactions: int | None) -> Refusals:
    """Add the transactions that are offered until gas, count (where there is a limit) or the offers are exhausted.

    The senders' later transactions are skipped where one did not fit.
    """
    filling, waiting = _Filling(execution, offers, max_transactions), iter(offers)
    while chunk := list(islice(waiting, AT_ONCE)):
        if not filling.add(chunk):
            break
    return filling.refused


def fill_in_order(
    execution: BlockExecution, entries: Sequence[PooledTransaction], *, max_transactions: int | None
) -> Refusals:
    """As `fill_block`, of these transactions up to the first that does not fit, or that would come too late.

    The first one waits for the others: it does no longer than PART_SECONDS, and for what runs then.
    """
    filling, waiting, turn = _Filling(execution, _Listed(), max_transactions), deque(entries), Turn(PART_SECONDS)
    while waiting:
        part: list[PooledTransaction] = []
        gas = 0
        while waiting and len(part) < AT_ONCE and gas < PART_GAS:
            gas += waiting[0].transaction.gas_limit
            part.append(waiting.popleft())
        if not filling.add_in_order(part) or turn.is_over:
            break
    return filling.refused


class _Listed:
    """The offers of a block whose transactions are given."""

    def __iter__(self) -> Iterator[PooledTransaction]:
        return iter(())

    def skip_sender(self, sender: Address) -> None:
        """Nothing behind one that is refused is tried."""


def fill_alone(
    execution: BlockExecution, entries: Sequence[PooledTransaction], *, max_transactions: int | None
) -> Refusals:
    """As `fill_block`, of one transaction for an empty block."""
    entry = entries[0]
    is_sized = execution.environment.rules.fork >= Fork.OSAKA
    if max_transactions == 0 or execution.gas_left < TRANSACTION_GAS or (is_sized and _size(entry) > _most_bytes()):
        return {}
    try:
        execution.add(entry.transaction, gas=entry.gas, checked_rules=entry.rules)
    except TransactionError as error:
        return {entry.transaction.hash: error}
    return {}


class _Filling:
    """Of one block."""

    __slots__ = ("_bytes_left", "_execution", "_max_transactions", "_offers", "refused")

    def __init__(self, execution: BlockExecution, offers: Offers, max_transactions: int | None) -> None:
        self.refused: Refusals = {}
        self._execution, self._offers, self._max_transactions = execution, offers, max_transactions
        is_sized = execution.environment.rules.fork >= Fork.OSAKA
        self._bytes_left = _most_bytes() if is_sized else None

    def add(self, waiting: list[PooledTransaction]) -> bool:
        """Add what fits of them, in order, plain ones together; whether more may fit."""
        while waiting:
            fitting = self._fitting(waiting)
            done = self._add_plain(fitting)
            if done:
                waiting = waiting[done:]
                continue
            if not fitting or self._execution.gas_left < TRANSACTION_GAS:
                return False
            waiting = self._add_first(waiting)
        return True

    def add_in_order(self, waiting: list[PooledTransaction]) -> bool:
        """Add them up to the first that does not fit; whether all fitted."""
        while waiting and not self.refused:
            fitting = self._fitting(waiting)
            done = self._add_plain(fitting)
            if done:
                waiting = waiting[done:]
            elif not fitting or self._execution.gas_left < TRANSACTION_GAS:
                return False
            else:
                waiting = self._add_first(waiting)
        return not self.refused

    def _add_first(self, waiting: list[PooledTransaction]) -> list[PooledTransaction]:
        """Add the first of them where it executes; those that may come after it."""
        entry = waiting[0]
        transaction = entry.transaction
        try:
            self._execution.add(transaction, gas=entry.gas, checked_rules=entry.rules)
        except TransactionError as error:
            self.refused[transaction.hash] = error
            self._offers.skip_sender(entry.sender)
            return [other for other in waiting if other.sender != entry.sender]
        self._take_space(waiting[:1])
        return waiting[1:]

    def _add_plain(self, entries: list[PooledTransaction]) -> int:
        if not self._execution.runs_plain:
            return 0
        rules = self._execution.environment.rules
        gas = [entry.gas if entry.rules is rules else None for entry in entries]
        done = self._execution.add_plain([entry.transaction for entry in entries], gas)
        self._take_space(entries[:done])
        return done

    def _fitting(self, entries: list[PooledTransaction]) -> list[PooledTransaction]:
        """The first ones that the block's size and count leave space for, if all of them are added."""
        if self._max_transactions is not None:
            entries = entries[: max(0, self._max_transactions - len(self._execution.transactions))]
        bytes_left = self._bytes_left
        if bytes_left is None:
            return entries
        for index, entry in enumerate(entries):
            bytes_left -= _size(entry)
            if bytes_left < 0:
                return entries[:index]
        return entries

    def _take_space(self, entries: list[PooledTransaction]) -> None:
        if self._bytes_left is not None:
            self._bytes_left -= sum(map(_size, entries))


def _most_bytes() -> int:
    """Of a block's transactions."""
    return MAX_BLOCK_BYTES - _HEAD_AND_WITHDRAWAL_BYTES


def _size(entry: PooledTransaction) -> int:
    return len(entry.transaction.encoded) + _LENGTH_BYTES


def changed_by(first: SealedBlock, *others: SealedBlock) -> Changed:
    """The accounts that consecutive blocks have changed, which the pool is to look at."""
    return Changed(first.update.base_root, [key for sealed in (first, *others) for key in sealed.update.accounts])
