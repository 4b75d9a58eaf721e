"""The pool's transactions of one account by nonce; the first ones can execute now."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from zevm.chain.rules.forks import ForkRules
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.vm.gas_needs import GasNeeds, gas_needs
from zevm.chain.vm.validation import transaction_cost
from zevm.core.records import quick_init
from zevm.storage.primitives import Address

SLOT_BYTES = 32 * 1024
"""Bytes of one slot of the pool's limits; a larger transaction takes several."""


@quick_init
@dataclass(frozen=True, slots=True)
class PooledTransaction:
    """A waiting transaction.

    arrival: order of acceptance. cost_wei: the most it can take from the sender. slots: its share of the limits.
    authorities: accounts whose code its authorizations would set (EIP-7702); empty if not requested.
    rules: those that it came in under, by which it is valid as such. gas: what it must buy under their fork.
    """

    transaction: Transaction
    sender: Address
    local: bool
    arrival: int
    cost_wei: int
    slots: int
    authorities: tuple[Address, ...]
    rules: ForkRules
    gas: GasNeeds

    @property
    def nonce(self) -> int:
        """The transaction's nonce."""
        return self.transaction.nonce

    @property
    def is_blob(self) -> bool:
        """Whether it carries blobs."""
        return self.transaction.type is TransactionType.BLOB

    @property
    def price(self) -> tuple[int, int]:
        """Fee cap and tip, wei per gas: what counts when the pool is full."""
        return (self.transaction.max_fee_per_gas, self.transaction.max_priority_fee_per_gas)


def pooled(
    transaction: Transaction, sender: Address, rules: ForkRules, *, local: bool, arrival: int, with_authorities: bool
) -> PooledTransaction:
    """Work out once what the pool will ask of a transaction again and again.

    with_authorities: recover who signed the authorizations; costs a signature check each.
    """
    cost = transaction_cost(transaction)
    slots = -(-len(transaction.encoded) // SLOT_BYTES)
    authorizations = transaction.authorization_list if with_authorities else ()
    authorities = [authorization.authority for authorization in authorizations]
    known = tuple(authority for authority in authorities if authority is not None)
    gas = gas_needs(transaction, rules)
    return PooledTransaction(transaction, sender, local, arrival, cost, slots, known, rules, gas)


@dataclass(slots=True)
class PoolAccount:
    """One sender's transactions. Nonces in state_nonce..executable_end-1 are executable, higher ones queued.

    nonce, balance and delegation are those of the state the pool was last reset to. sequence: order in which the
    accounts came into the pool.
    """

    address: Address
    state_nonce: int
    balance_wei: int
    is_delegated: bool
    touched_at_seconds: float
    by_nonce: dict[int, PooledTransaction] = field(default_factory=dict)
    executable_end: int = field(init=False)
    executable_cost_wei: int = 0
    executable_slots: int = 0
    executable_remote: int = 0
    """Number of executable transactions that are not local."""
    sequence: int = -1
    _highest_nonce: int | None = None

    def __post_init__(self) -> None:
        self.executable_end = self.state_nonce

    @property
    def executable_count(self) -> int:
        """Number of transactions that can execute in sequence."""
        return self.executable_end - self.state_nonce

    @property
    def queued_count(self) -> int:
        """Number of transactions that wait for an earlier nonce, or for funds."""
        return len(self.by_nonce) - self.executable_count

    @property
    def holds_blobs(self) -> bool:
        """Whether its transactions are blob transactions; an account never has both kinds."""
        first = next(iter(self.by_nonce.values()), None)
        return first is not None and first.is_blob

    def executable(self) -> list[PooledTransaction]:
        """By nonce."""
        return [self.by_nonce[nonce] for nonce in range(self.state_nonce, self.executable_end)]

    def queued(self) -> list[PooledTransaction]:
        """By nonce."""
        return [self.by_nonce[nonce] for nonce in sorted(self.by_nonce) if nonce >= self.executable_end]

    @property
    def head(self) -> PooledTransaction | None:
        """The first executable transaction."""
        return self.by_nonce[self.state_nonce] if self.executable_end > self.state_nonce else None

    @property
    def last_executable(self) -> PooledTransaction | None:
        """The executable transaction with the highest nonce."""
        return self.by_nonce[self.executable_end - 1] if self.executable_end > self.state_nonce else None

    @property
    def last_queued(self) -> PooledTransaction | None:
        """The queued transaction with the highest nonce."""
        if len(self.by_nonce) == self.executable_end - self.state_nonce:
            return None
        if self._highest_nonce is None:
            self._highest_nonce = max(self.by_nonce)
        return self.by_nonce[self._highest_nonce] if self._highest_nonce >= self.executable_end else None

    def executable_backwards(self) -> Iterator[PooledTransaction]:
        """By nonce, highest first."""
        for nonce in range(self.executable_end - 1, self.state_nonce - 1, -1):
            yield self.by_nonce[nonce]

    def queued_backwards(self) -> Iterator[PooledTransaction]:
        """By nonce, highest first; the first one costs nothing."""
        last = self.last_queued
        if last is not None:
            yield last
            yield from self.queued()[-2::-1]

    def put(self, entry: PooledTransaction) -> None:
        """Insert, or replace the one with the same nonce; an executable nonce stays executable."""
        old = self.by_nonce.get(entry.nonce)
        self.by_nonce[entry.nonce] = entry
        if self._highest_nonce is not None and entry.nonce > self._highest_nonce:
            self._highest_nonce = entry.nonce
        if self.state_nonce <= entry.nonce < self.executable_end:
            assert old is not None
            self.executable_cost_wei += entry.cost_wei - old.cost_wei
            self.executable_slots += entry.slots - old.slots
            self.executable_remote += old.local - entry.local

    def take_out(self, nonce: int) -> None:
        """Remove the transaction with this nonce, which must be queued."""
        del self.by_nonce[nonce]
        if nonce == self._highest_nonce:
            self._highest_nonce = None

    def advance(self) -> None:
        """Make the transaction at `executable_end` executable."""
        entry = self.by_nonce[self.executable_end]
        self.executable_end += 1
        self.executable_cost_wei += entry.cost_wei
        self.executable_slots += entry.slots
        self.executable_remote += not entry.local

    def retreat_to(self, nonce: int) -> None:
        """Queue the executable transactions from `nonce` on."""
        while self.executable_end > max(nonce, self.state_nonce):
            self.executable_end -= 1
            entry = self.by_nonce[self.executable_end]
            self.executable_cost_wei -= entry.cost_wei
            self.executable_slots -= entry.slots
            self.executable_remote -= not entry.local

    def move_to(self, state_nonce: int) -> None:
        """Queue everything, after a new nonce of the account in the state."""
        self.retreat_to(self.state_nonce)
        self.state_nonce = self.executable_end = state_nonce
