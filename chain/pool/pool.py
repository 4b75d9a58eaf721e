"""Waiting transactions: who may enter, what can execute now, what waits, and who has to leave when it is full.

Executable transactions continue their account's nonce and can be paid for; the others are queued. One thread
writes (the chain writer); any thread may read: every method takes the pool's lock and returns copies.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction, pooled
from zevm.chain.pool.admission import check_account, check_basics, check_delegation, check_replacement
from zevm.chain.pool.eviction import executable_victims, queued_victims
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.ordering import Selection, TransactionOrder
from zevm.chain.types import BlobSidecar, Transaction
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.validation import validate_static
from zevm.storage.account import EMPTY_ACCOUNT, StateReader
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32

__all__ = ["AddResult", "Pool", "PoolSnapshot", "PoolStats", "TransactionOrder"]

EXPIRY_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AddResult:
    """The effect of an accepted transaction.

    executable: it can go into the next block. replaced: the transaction with the same nonce that it replaced. dropped:
    hashes of evicted transactions of others.
    """

    executable: bool
    replaced: Transaction | None = None
    dropped: tuple[Hash32, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Numbers of transactions."""

    pending: int
    queued: int


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """The pool's content at one moment, in order of arrival."""

    entries: tuple[PooledTransaction, ...]
    touched_at_seconds: dict[Address, float]


class Pool:
    """The pool of one chain. `reset` must have been called once before the first `add`.

    clock: seconds that only go forward; counts the lifetime of queued transactions.
    """

    def __init__(
        self,
        limits: PoolLimits | None = None,
        *,
        order: str = TransactionOrder.FEES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or PoolLimits()
        self.order = TransactionOrder(order)
        self.version = 0
        self._clock = clock
        self._lock = threading.RLock()
        self._accounts: dict[Address, PoolAccount] = {}
        self._by_hash: dict[Hash32, PooledTransaction] = {}
        self._authorities: Counter[bytes] = Counter()
        self._arrivals = 0
        self._slots = 0
        self._executable_slots = 0
        self._executable_count = 0
        self._expired_at = clock()
        self._environment: BlockEnvironment | None = None
        self._reader: StateReader | None = None

    # Reads.

    @property
    def executable_count(self) -> int:
        """Number of transactions that can go into blocks now."""
        return self._executable_count

    def get(self, transaction_hash: Hash32) -> Transaction | None:
        """A waiting transaction, with its sidecar."""
        entry = self._by_hash.get(transaction_hash)
        return None if entry is None else entry.transaction

    def hashes(self) -> set[Hash32]:
        """The hashes of all waiting transactions."""
        with self._lock:
            return set(self._by_hash)

    def stats(self) -> PoolStats:
        """Numbers of executable and of queued transactions."""
        with self._lock:
            return PoolStats(self._executable_count, len(self._by_hash) - self._executable_count)

    def pending(self) -> dict[Address, tuple[Transaction, ...]]:
        """Executable transactions by sender, nonces ascending."""
        return self._listed(PoolAccount.executable)

    def queued(self) -> dict[Address, tuple[Transaction, ...]]:
        """Queued transactions by sender, nonces ascending."""
        return self._listed(PoolAccount.queued)

    def _listed(
        self, entries_of: Callable[[PoolAccount], list[PooledTransaction]]
    ) -> dict[Address, tuple[Transaction, ...]]:
        with self._lock:
            listed = {address: entries_of(account) for address, account in self._accounts.items()}
        return {
            address: tuple([entry.transaction for entry in entries]) for address, entries in listed.items() if entries
        }

    def next_nonce(self, address: Address, state_nonce: int) -> int:
        """The nonce after the account's executable transactions; at least `state_nonce`."""
        with self._lock:
            account = self._accounts.get(address)
            return state_nonce if account is None else max(state_nonce, account.executable_end)

    def select(self, base_fee: int | None, blob_base_fee: int | None, minimum_price: int = 0) -> Selection:
        """Executable transactions for a block with these fees, in the pool's order; none that pays less at most."""
        with self._lock:
            accounts = [account.executable() for account in self._accounts.values()]
        return Selection(accounts, self.order, base_fee, blob_base_fee, minimum_price)

    def snapshot(self) -> PoolSnapshot:
        """The content as it is now; for `restore`."""
        with self._lock:
            entries = sorted(self._by_hash.values(), key=lambda entry: entry.arrival)
            touched = {address: account.touched_at_seconds for address, account in self._accounts.items()}
            return PoolSnapshot(tuple(entries), touched)

    def sidecars_of(self, hashes: Collection[bytes]) -> dict[bytes, tuple[BlobSidecar, int]]:
        """Waiting blobs by versioned hash: the sidecar that holds one, and its index there."""
        wanted, found = set(hashes), {}
        with self._lock:
            entries = [entry.transaction for entry in self._by_hash.values() if entry.is_blob]
        for transaction in entries:
            for index, versioned_hash in enumerate(transaction.blob_versioned_hashes):
                if versioned_hash in wanted and transaction.sidecar is not None:
                    found[versioned_hash] = transaction.sidecar, index
        return found

    # Writes.

    def add(self, transaction: Transaction, sender: Address, *, local: bool = False) -> AddResult:
        """Admit a transaction, or raise TransactionError with geth's text and change nothing.

        local: it comes from the node's own accounts. A blob transaction's sidecar must have been checked.
        """
        with self._lock:
            if transaction.hash in self._by_hash:
                raise TransactionError(Reason.ALREADY_KNOWN, "already known")
            environment = self._current_environment()
            entry = pooled(
                transaction,
                sender,
                environment.rules,
                local=local,
                arrival=self._arrivals,
                with_authorities=self.limits.limit_delegated,
            )
            check_basics(entry, environment, self.limits)
            account = self._accounts.get(sender) or self._read_account(sender)
            old = self._check_entry(entry, account)
            dropped = self._make_room(entry, old, account)
            self._insert(entry, old, account)
            self._expire_if_due()
            self.version += 1
            return AddResult(
                entry.nonce < account.executable_end, None if old is None else old.transaction, tuple(dropped)
            )

    def reset(self, environment: BlockEnvironment, reader: StateReader, mined: Collection[bytes] = ()) -> list[Hash32]:
        """Follow a new head: `environment` is the next block's, `reader` the state before it.

        Drops used nonces, what no block can hold any more, and what waited too long; queues what cannot be paid
        now; makes executable what has become so. Returns the hashes that left, without those in `mined`.
        """
        with self._lock:
            rules_changed = self._environment is None or self._environment.rules != environment.rules
            self._environment, self._reader = environment, reader
            before = set(self._by_hash)
            for address in list(self._accounts):
                self._reset_account(self._accounts[address], rules_changed)
            self._expire()
            self._truncate_queue()
            self.version += 1
            return [item for item in before if item not in self._by_hash and item not in mined]

    def remove(self, transaction_hash: Hash32) -> Transaction | None:
        """Take a transaction out; the sender's later ones are queued. None where it is unknown."""
        with self._lock:
            entry = self._by_hash.get(transaction_hash)
            if entry is None:
                return None
            self._drop(entry)
            self.version += 1
            return entry.transaction

    def remove_sender(self, sender: Address) -> list[Hash32]:
        """Take out all transactions of an account; their hashes."""
        with self._lock:
            account = self._accounts.get(sender)
            entries = [] if account is None else [*account.by_nonce.values()]
            for entry in reversed(entries):
                self._drop(entry)
            self.version += 1
            return [entry.transaction.hash for entry in entries]

    def clear(self) -> list[Hash32]:
        """Take out everything; the hashes."""
        with self._lock:
            hashes = list(self._by_hash)
            self._accounts.clear()
            self._by_hash.clear()
            self._authorities.clear()
            self._slots = self._executable_slots = self._executable_count = 0
            self.version += 1
            return hashes

    def restore(self, snapshot: PoolSnapshot) -> None:
        """Replace the content by a snapshot's, judged by the state of the last reset.

        After a rewind of the chain, follow up with `reset`.
        """
        with self._lock:
            self.clear()
            for entry in snapshot.entries:
                account = self._accounts.get(entry.sender) or self._read_account(entry.sender)
                self._insert(entry, None, account)
                account.touched_at_seconds = snapshot.touched_at_seconds[entry.sender]
            self.version += 1

    # Inside the lock.

    def _current_environment(self) -> BlockEnvironment:
        if self._environment is None:
            raise RuntimeError("the pool was never reset to a head")
        return self._environment

    def _read_account(self, address: Address) -> PoolAccount:
        """A fresh record of an account; it enters the pool with its first transaction."""
        account = PoolAccount(address, 0, 0, is_delegated=False, touched_at_seconds=self._clock())
        self._read_state(account)
        return account

    def _read_state(self, account: PoolAccount) -> None:
        assert self._reader is not None
        state = self._reader.account(account.address) or EMPTY_ACCOUNT
        account.move_to(state.nonce)
        account.balance_wei = state.balance
        account.is_delegated = False
        if state.code_hash != EMPTY_KECCAK:
            code = self._reader.code(state.code_hash)
            account.is_delegated = delegation_of(code) is not None

    def _check_entry(self, entry: PooledTransaction, account: PoolAccount) -> PooledTransaction | None:
        """Check against the account; the transaction to be replaced, if any."""
        check_account(entry, account, self.limits)
        if self.limits.limit_delegated:
            check_delegation(entry, account, self._authorities[entry.sender] > 0)
            for authority in entry.authorities:
                other = self._accounts.get(authority)
                if other is not None and len(other.by_nonce) > 1:
                    raise TransactionError(Reason.AUTHORITY_RESERVED, "authority already reserved")
        old = account.by_nonce.get(entry.nonce)
        if old is not None:
            check_replacement(old, entry, self.limits)
        return old

    def _make_room(self, entry: PooledTransaction, old: PooledTransaction | None, account: PoolAccount) -> list[Hash32]:
        """Drop what has to give way to `entry`. Raises TransactionError, with nothing dropped, if it does not fit."""
        if entry.local:
            return []
        needed = entry.slots - (0 if old is None else old.slots)
        accounts = self._accounts.values()
        if entry.nonce <= account.executable_end:
            missing = self._executable_slots + needed - self.limits.global_slots
            full = self.limits.global_slots > 0 and needed > 0 and missing > 0
            victims = executable_victims(entry, account, accounts, missing, self.limits) if full else []
        else:
            most, count = self.limits.account_queue, account.queued_count
            if most and old is None and count >= most:
                raise TransactionError(Reason.ACCOUNT_LIMIT_EXCEEDED, f"account limit exceeded: pooled {count} txs")
            missing = self._slots - self._executable_slots + needed - self.limits.global_queue
            full = self.limits.global_queue > 0 and needed > 0 and missing > 0
            victims = queued_victims(entry, account, accounts, missing) if full else []
        for victim in victims:
            self._drop(victim)
        return [victim.transaction.hash for victim in victims]

    def _insert(self, entry: PooledTransaction, old: PooledTransaction | None, account: PoolAccount) -> None:
        if old is not None:
            self._forget(old)
        self._accounts[entry.sender] = account
        self._by_hash[entry.transaction.hash] = entry
        self._authorities.update(entry.authorities)
        self._slots += entry.slots
        self._arrivals += 1
        account.touched_at_seconds = self._clock()
        self._change(account, lambda: account.put(entry))
        self._promote(account)

    def _forget(self, entry: PooledTransaction) -> None:
        """Take an entry out of the indexes; the caller takes it out of its account."""
        del self._by_hash[entry.transaction.hash]
        self._slots -= entry.slots
        for authority in entry.authorities:
            self._authorities[authority] -= 1
            if not self._authorities[authority]:
                del self._authorities[authority]

    def _drop(self, entry: PooledTransaction) -> None:
        """Take an entry out of the pool; the sender's later ones are queued."""
        account = self._accounts[entry.sender]
        self._change(account, lambda: account.retreat_to(entry.nonce))
        del account.by_nonce[entry.nonce]
        self._forget(entry)
        if not account.by_nonce:
            del self._accounts[entry.sender]

    def _change(self, account: PoolAccount, change: Callable[[], None]) -> None:
        """Change what an account has executable, and the totals with it."""
        count, slots = account.executable_count, account.executable_slots
        change()
        self._executable_count += account.executable_count - count
        self._executable_slots += account.executable_slots - slots

    def _promote(self, account: PoolAccount) -> None:
        """Promote transactions that continue the account's nonces, are paid for, and fit into the limits."""
        while True:
            entry = account.by_nonce.get(account.executable_end)
            if entry is None or not self._may_execute(entry, account):
                return
            self._change(account, account.advance)
            account.touched_at_seconds = self._clock()

    def _may_execute(self, entry: PooledTransaction, account: PoolAccount) -> bool:
        if self.limits.check_balances and entry.cost_wei > account.balance_wei:
            return False
        room = self.limits.global_slots - self._executable_slots
        return entry.local or not self.limits.global_slots or entry.slots <= room

    def _reset_account(self, account: PoolAccount, rules_changed: bool) -> None:
        self._change(account, lambda: self._read_state(account))
        for entry in list(account.by_nonce.values()):
            if entry.nonce < account.state_nonce or not self._fits_a_block(entry, rules_changed):
                self._drop(entry)
        if account.by_nonce:
            self._promote(account)

    def _fits_a_block(self, entry: PooledTransaction, rules_changed: bool) -> bool:
        environment = self._current_environment()
        if entry.transaction.gas_limit > environment.gas_limit:
            return False
        if not rules_changed:
            return True
        try:
            validate_static(entry.transaction, environment.rules)
        except TransactionError:
            return False
        return True

    def _expire_if_due(self) -> None:
        if self._clock() - self._expired_at >= EXPIRY_INTERVAL_SECONDS:
            self._expire()

    def _expire(self) -> None:
        """Drop queued remote transactions of accounts that did nothing for the lifetime."""
        self._expired_at = self._clock()
        if not self.limits.lifetime_seconds:
            return
        oldest = self._expired_at - self.limits.lifetime_seconds
        for account in list(self._accounts.values()):
            if account.touched_at_seconds < oldest:
                for entry in self._droppable(account):
                    self._drop(entry)

    def _truncate_queue(self) -> None:
        """Bring the queue within its limits after executable transactions fell back into it."""
        per_account, in_all = self.limits.account_queue, self.limits.global_queue
        for account in list(self._accounts.values()) if per_account else []:
            excess = account.queued_count - per_account
            for entry in list(self._droppable(account))[:excess] if excess > 0 else []:
                self._drop(entry)
        if not in_all or self._slots - self._executable_slots <= in_all:
            return
        for account in sorted(self._accounts.values(), key=lambda account: account.touched_at_seconds):
            for entry in self._droppable(account):
                if self._slots - self._executable_slots <= in_all:
                    return
                self._drop(entry)

    def _droppable(self, account: PoolAccount) -> Iterator[PooledTransaction]:
        """Queued remote transactions, highest nonce first."""
        return (entry for entry in reversed(account.queued()) if not entry.local)
