"""Waiting transactions: who may enter, what can execute now, what waits, and who has to leave when it is full.

Executable transactions continue their account's nonce and can be paid for; the others are queued. One thread
writes (the chain writer); any thread may read: every method takes the pool's lock and returns copies.

What a change costs depends on what it changes, not on what waits: who is first in a block, who is to leave a full pool,
and which accounts a new head concerns are known without looking at the others.
"""

import math
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction
from zevm.chain.pool.admission import check_account, check_delegation, check_replacement, checked
from zevm.chain.pool.content import PoolContent
from zevm.chain.pool.eviction import executable_victims, queued_victims
from zevm.chain.pool.held import HeldTransactions
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.ordering import Selection
from zevm.chain.pool.ready import TransactionOrder
from zevm.chain.types import BlobSidecar, Transaction
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address, Hash32

__all__ = ["AddResult", "Pool", "PoolSnapshot", "PoolStats", "TransactionOrder"]

EXPIRY_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AddResult:
    """The effect of an accepted transaction.

    executable: it can go into the next block. replaced: the transaction with the same nonce that it replaced. dropped:
    hashes of transactions of others that were evicted, or had waited too long.
    """

    executable: bool
    replaced: Transaction | None = None
    dropped: tuple[Hash32, ...] = ()


class Changed(NamedTuple):
    """The accounts that a new head has changed: at least those with another nonce, balance or code than in a state.

    since: the root of that state.
    """

    since: bytes
    accounts: Iterable[Address]


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


class Pool(PoolContent):
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
        super().__init__(limits or PoolLimits(), TransactionOrder(order), clock)
        self.version = 0
        self._lock = threading.RLock()
        self._selections: weakref.WeakSet[Selection] = weakref.WeakSet()
        self._held: HeldTransactions | None = None

    # Reads.

    @property
    def is_empty(self) -> bool:
        """Whether no transaction waits."""
        return not self._by_hash

    @property
    def size(self) -> int:
        """Number of transactions that wait."""
        return len(self._by_hash)

    @property
    def executable_count(self) -> int:
        """Number of transactions that can go into blocks now."""
        return self._executable_count

    def get(self, transaction_hash: Hash32) -> Transaction | None:
        """A waiting transaction, with its sidecar."""
        entry = self._by_hash.get(transaction_hash)
        if entry is None and (held := self._shown) is not None:
            entry = held.get(transaction_hash)
        return None if entry is None else entry.transaction

    @property
    def _shown(self) -> HeldTransactions | None:
        """Transactions that this thread is to see besides the waiting ones."""
        held = self._held
        return held if held is not None and held.is_shown else None

    def hashes(self) -> set[Hash32]:
        """The hashes of all waiting transactions."""
        with self._lock:
            return set(self._by_hash)

    def stats(self) -> PoolStats:
        """Numbers of executable and of queued transactions."""
        with self._lock:
            held = self._shown
            executable_count = self._executable_count + (0 if held is None else len(held))
            return PoolStats(executable_count, len(self._by_hash) - self._executable_count)

    def pending(self) -> dict[Address, tuple[Transaction, ...]]:
        """Executable transactions by sender, nonces ascending."""
        with self._lock:
            listed, held = self._listed(PoolAccount.executable), self._shown
            return listed if held is None else held.before(listed)

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

    def of_sender(self, address: Address) -> tuple[tuple[Transaction, ...], tuple[Transaction, ...]]:
        """An account's executable and its queued transactions, nonces ascending."""
        with self._lock:
            account, held = self._accounts.get(address), self._shown
            entries = ([], []) if account is None else (account.executable(), account.queued())
            mined = () if held is None else held.of_sender(address)
        executable, queued = [tuple([entry.transaction for entry in part]) for part in entries]
        return mined + executable, queued

    def next_nonce(self, address: Address, state_nonce: int) -> int:
        """The nonce after the account's executable transactions; at least `state_nonce`."""
        with self._lock:
            account, held = self._accounts.get(address), self._shown
            mined = () if held is None else held.of_sender(address)
            after_mined = max(state_nonce, mined[-1].nonce + 1) if mined else state_nonce
            return after_mined if account is None else max(after_mined, account.executable_end)

    def select(self, base_fee: int | None, blob_base_fee: int | None, minimum_price: int = 0) -> Selection:
        """Executable transactions for a block with these fees, in the pool's order; none that pays less at most."""
        with self._lock:
            selection = Selection(self._ready, self._executable_at, self._lock, base_fee, blob_base_fee, minimum_price)
            self._selections.add(selection)
            return selection

    def snapshot(self) -> PoolSnapshot:
        """The content as it is now; for `restore`."""
        with self._lock:
            entries = sorted(self._by_hash.values(), key=lambda entry: entry.arrival)
            touched = {address: self._active_at(account) for address, account in self._accounts.items()}
            return PoolSnapshot(tuple(entries), touched)

    def sidecars_of(self, hashes: Collection[bytes]) -> dict[bytes, tuple[BlobSidecar, int]]:
        """Waiting blobs by versioned hash: the sidecar that holds one, and its index there."""
        wanted, found = set(hashes), {}
        with self._lock:
            entries = [entry.transaction for entry in self._blobs.values()]
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
            entry = self._checked(transaction, sender, local=local)
            account = self._accounts.get(sender) or self._read_account(sender)
            old = self._check_entry(entry, account)
            victims = self._find_room(entry, old, account)
            self._begin_change()
            for victim in victims:
                self._drop(victim)
            self._insert(entry, old, account)
            self._expire_if_due()
            replaced = None if old is None else old.transaction
            dropped = [item for item in self._gone if replaced is None or item != replaced.hash]
            return AddResult(entry.nonce < account.executable_end, replaced, tuple(dropped))

    def lone(self, transaction: Transaction, sender: Address, *, local: bool = False) -> PooledTransaction | None:
        """A transaction as `add` would admit it, where no other waits and it can execute now. Raises TransactionError.

        It stays outside: what mines it at once tells `passed`. None where it is to be added.
        """
        with self._lock:
            return None if self._by_hash else self._lone(transaction, self._read_account(sender), local=local)

    def lone_run(self, sent: Iterable[tuple[Transaction, Address]]) -> list[PooledTransaction]:
        """The first of some transactions and their senders, up to one that would not be `lone` behind the others.

        The others take all that they may cost from their senders.
        """
        entries: list[PooledTransaction] = []
        with self._lock:
            accounts: dict[Address, PoolAccount] = {}
            for transaction, sender in () if self._by_hash else sent:
                account = accounts.get(sender) or self._read_account(sender)
                try:
                    entry = self._lone(transaction, account, local=False)
                except TransactionError:
                    break
                if entry is None:
                    break
                account.move_to(transaction.nonce + 1)
                account.balance_wei -= entry.cost_wei
                accounts[sender] = account
                entries.append(entry)
        return entries

    def _lone(self, transaction: Transaction, account: PoolAccount, *, local: bool) -> PooledTransaction | None:
        if transaction.blob_versioned_hashes or transaction.nonce != account.state_nonce:
            return None
        entry = self._checked(transaction, account.address, local=local)
        self._check_entry(entry, account)
        fits = local or not self.limits.global_slots or entry.slots <= self.limits.global_slots
        return entry if fits else None

    def passed(self, entries: Sequence[PooledTransaction], environment: BlockEnvironment, reader: StateReader) -> None:
        """Follow a head that has mined `lone` transactions and nothing else; otherwise as `reset`."""
        with self._lock:
            self._begin_change()
            self._arrivals += len(entries)
            if self._held is not None:
                self._held.keep(entries)
            self._checked_rules, self._environment, self._reader = environment.rules, environment, reader
            self._followed_at = self._expired_at = self._clock()

    def reset(
        self,
        environment: BlockEnvironment,
        reader: StateReader,
        mined: Collection[bytes] = (),
        changed: Changed | None = None,
    ) -> list[Hash32]:
        """Follow a new head: `environment` is the next block's, `reader` the state before it.

        changed: what it has changed, None where that is unknown. If that is since the state of the last reset, the
        other accounts' transactions stand as they did, and are not looked at.

        Drops used nonces, what no block can hold any more, and what waited too long; queues what cannot be paid
        now, and what local transactions leave no space for; makes executable what has become so, in the order in which
        the accounts came. Returns the hashes that left, without those in `mined`.
        """
        with self._lock:
            self._begin_change()
            if self._held is not None:
                self._held.keep(entry for item in mined if (entry := self._by_hash.get(Hash32(item))) is not None)
            rules_changed = self._checked_rules != environment.rules
            self._checked_rules = environment.rules
            is_known = changed is not None and self._reader is not None and self._reader.root == changed.since
            self._environment, self._reader = environment, reader
            followed = self._concerned(changed.accounts if changed and is_known and not rules_changed else None)
            for account in followed:
                self._follow_state(account, rules_changed)
            self._queue_excess()
            self._promote_all(followed)
            self._followed_at = self._clock()
            self._expire()
            self._truncate_queue()
            self._forget_holders_if_roomy()
            return [item for item in self._gone if item not in mined]

    def hold(self) -> None:
        """From now on, let other threads than this one see what a head has mined as waiting, until `show`."""
        self._held = HeldTransactions()

    def show(self, reader: StateReader | None = None) -> None:
        """Let all threads see what this one sees. reader: another one of the state of the last reset."""
        with self._lock:
            self._held = None
            if reader is not None and self._reader is not None and reader.root == self._reader.root:
                self._reader = reader

    def remove(self, transaction_hash: Hash32) -> Transaction | None:
        """Take a transaction out; the sender's later ones are queued. None where it is unknown."""
        with self._lock:
            entry = self._by_hash.get(transaction_hash)
            if entry is None:
                return None
            self._begin_change()
            self._drop(entry)
            return entry.transaction

    def remove_sender(self, sender: Address) -> list[Hash32]:
        """Take out all transactions of an account; their hashes."""
        with self._lock:
            account = self._accounts.get(sender)
            entries = [] if account is None else [*account.by_nonce.values()]
            self._begin_change()
            for entry in sorted(entries, key=lambda entry: -entry.nonce):
                self._drop(entry)
            return [entry.transaction.hash for entry in entries]

    def clear(self) -> list[Hash32]:
        """Take out everything; the hashes."""
        with self._lock:
            self._begin_change()
            hashes = list(self._by_hash)
            for held in (self._by_hash, self._blobs):
                held.clear()
            for accounts in (self._accounts, self._queued, self._crowded, self._lacking_room):
                accounts.clear()
            for index in (self._authorities, self._gas_limits, self._ready):
                index.clear()
            self._slots = self._executable_slots = self._executable_count = self._executable_remote = 0
            self._holders, self._quiet_since = None, math.inf
            return hashes

    def restore(self, snapshot: PoolSnapshot) -> None:
        """Replace the content by a snapshot's, judged by the state of the last reset.

        After a rewind of the chain, follow up with `reset`.
        """
        with self._lock:
            self.clear()
            self._checked_rules = None
            for entry in snapshot.entries:
                account = self._accounts.get(entry.sender) or self._read_account(entry.sender)
                self._insert(entry, None, account)
                account.touched_at_seconds = snapshot.touched_at_seconds[entry.sender]
                self._index(account)

    # Inside the lock.

    def _begin_change(self) -> None:
        """Complete the selections, which see nothing of the change, and begin its record."""
        self._detach_selections()
        self._gone = []
        self.version += 1

    def _detach_selections(self) -> None:
        if self._selections:
            for selection in self._selections:
                selection.detach()
            self._selections.clear()

    def _checked(self, transaction: Transaction, sender: Address, *, local: bool) -> PooledTransaction:
        """A transaction that could wait, as far as that needs no state. Raises TransactionError."""
        return checked(
            transaction, sender, self._current_environment(), self.limits, local=local, arrival=self._arrivals
        )

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

    def _find_room(
        self, entry: PooledTransaction, old: PooledTransaction | None, account: PoolAccount
    ) -> list[PooledTransaction]:
        """The transactions that `entry` displaces. Raises TransactionError if it does not fit."""
        if entry.local:
            return []
        limits, needed = self.limits, entry.slots - (0 if old is None else old.slots)
        if entry.nonce <= account.executable_end:
            missing = self._executable_slots + needed - limits.global_slots
            full = limits.global_slots > 0 and needed > 0 and missing > 0
            return executable_victims(entry, account, self._holders_of_all()[0], missing, limits) if full else []
        most, count = limits.account_queue, account.queued_count
        if most and old is None and count >= most:
            raise TransactionError(Reason.ACCOUNT_LIMIT_EXCEEDED, f"account limit exceeded: pooled {count} txs")
        missing = self._slots - self._executable_slots + needed - limits.global_queue
        full = limits.global_queue > 0 and needed > 0 and missing > 0
        return queued_victims(entry, account, self._holders_of_all()[1], missing) if full else []

    def _expire_if_due(self) -> None:
        if self._clock() - self._expired_at >= EXPIRY_INTERVAL_SECONDS:
            self._expire()
