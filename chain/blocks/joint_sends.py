"""Sends that came together: those that can go into one block, each with the outcome that it would have had alone.

They are taken in the order in which they came. What has to come alone (what is refused, waits, or needs what the one
before it leaves) ends the block, and goes the way of a single send.
"""

from collections.abc import Callable, Sequence

from zevm.chain.blocks.instant import InstantMining
from zevm.chain.concurrency.groups import Guard, Limits
from zevm.chain.concurrency.steps import Turn
from zevm.chain.types import Transaction
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.types.transaction import recover_senders
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.primitives import Address, Hash32

SendAlone = Callable[[Transaction], Hash32]
"""Sends one transaction, and returns its hash. Raises ChainError, NodeFaultError, StorageError."""


class JointSends:
    """Of one chain; used on its writer's thread alone.

    alone: Chain.send_transaction.
    """

    def __init__(
        self,
        instant: InstantMining,
        memory: Guard,
        limits: Limits,
        alone: SendAlone,
        database: Database,
    ) -> None:
        self._instant, self._memory, self._limits = instant, memory, limits
        self._alone = alone
        self._database = database

    def send(self, transactions: Sequence[Transaction]) -> list[Hash32 | Exception]:
        """Send some transactions; the hashes of the first ones, at least of one, or why each was refused.

        The others are for later, where those have taken their share of time or of the medium.
        """
        transactions = transactions[: self._limits.commands]
        recover_senders(transactions)
        turn, outcomes = Turn(self._limits.seconds), list[Hash32 | Exception]()
        while len(outcomes) < len(transactions):
            if outcomes and (turn.is_over or (self._database.group_bytes or 0) >= self._limits.size_bytes):
                break
            rest = transactions[len(outcomes) :]
            count = self._mined_together(rest)
            outcomes += [item.hash for item in rest[:count]] if count else [self._outcome_alone(rest[0])]
        return outcomes

    def _mined_together(self, transactions: Sequence[Transaction]) -> int:
        """The number of the first ones that are in one block now; 0 where the first one is to come alone."""
        sent: list[tuple[Transaction, Address]] = []
        for transaction in transactions:
            try:
                sent.append((transaction, transaction.sender))
            except InvalidSignatureError:
                break
        try:
            self._memory.remember()
            return self._instant.mine_together(sent) if len(sent) > 1 else 0
        except StorageError:
            # the first one meets it again, and is told
            return 0

    def _outcome_alone(self, transaction: Transaction) -> Hash32 | Exception:
        try:
            self._memory.remember()
            return self._alone(transaction)
        except StorageError as error:
            return self._undone(error)
        except Exception as error:
            return error

    def _undone(self, error: StorageError) -> StorageError:
        try:
            self._memory.undo()
        except StorageError as another:
            return another
        return error
