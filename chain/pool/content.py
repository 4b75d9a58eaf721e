"""The transactions of a pool with their indexes: a change costs in proportion to itself, not to the pool.

Who is first in a block, who is to leave a full pool, and which accounts a new head concerns: an index for each follows
every change of an account, in steps that the pool's size does not lengthen but by its logarithm.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from zevm.chain.errors import TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction
from zevm.chain.pool.eviction import EXECUTABLE, QUEUED, Holders
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.ready import ReadyOrder, TransactionOrder
from zevm.chain.rules.forks import ForkRules
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.validation import validate_static
from zevm.storage.account import EMPTY_ACCOUNT, Account, StateReader
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32

_STALE_ITEMS = 64
"""Outdated items that a heap may have besides as many as are valid, before it is made again."""


class PoolContent:
    """The transactions by account, with their indexes. Not for use by two threads: `Pool` holds the lock."""

    def __init__(self, limits: PoolLimits, order: TransactionOrder, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.order = order
        self._clock = clock
        self._accounts: dict[Address, PoolAccount] = {}
        self._by_hash: dict[Hash32, PooledTransaction] = {}
        self._authorities: Counter[bytes] = Counter()
        self._arrivals = 0
        self._sequence = 0
        self._slots = 0
        self._executable_slots = 0
        self._executable_count = 0
        self._executable_remote = 0
        self._gone: list[Hash32] = []
        self._blobs: dict[Hash32, PooledTransaction] = {}
        self._ready = ReadyOrder(self.order)
        self._holders: tuple[Holders, Holders] | None = None
        self._gas_limits: list[tuple[int, int, PooledTransaction]] = []
        self._queued: dict[Address, PoolAccount] = {}
        self._crowded: dict[Address, PoolAccount] = {}
        self._lacking_room: dict[Address, PoolAccount] = {}
        self._quiet_since = math.inf
        self._followed_at = -math.inf
        self._expired_at = clock()
        self._environment: BlockEnvironment | None = None
        self._checked_rules: ForkRules | None = None
        self._reader: StateReader | None = None

    def _current_environment(self) -> BlockEnvironment:
        if self._environment is None:
            raise RuntimeError("the pool was never reset to a head")
        return self._environment

    def _read_account(self, address: Address) -> PoolAccount:
        """A fresh record of an account; it enters the pool with its first transaction."""
        assert self._reader is not None
        state = self._reader.account(address) or EMPTY_ACCOUNT
        is_delegated = self._is_delegated(state)
        return PoolAccount(address, state.nonce, state.balance, is_delegated, touched_at_seconds=self._clock())

    def _read_state(self, account: PoolAccount) -> None:
        assert self._reader is not None
        state = self._reader.account(account.address) or EMPTY_ACCOUNT
        account.move_to(state.nonce)
        account.balance_wei, account.is_delegated = state.balance, self._is_delegated(state)

    def _is_delegated(self, state: Account) -> bool:
        if state.code_hash == EMPTY_KECCAK:
            return False
        assert self._reader is not None
        return delegation_of(self._reader.code(state.code_hash)) is not None

    def _insert(self, entry: PooledTransaction, old: PooledTransaction | None, account: PoolAccount) -> None:
        if old is not None:
            self._forget(old)
        if entry.sender not in self._accounts:
            self._accounts[entry.sender] = account
            self._sequence += 1
            account.sequence = self._sequence
        self._by_hash[entry.transaction.hash] = entry
        if entry.is_blob:
            self._blobs[entry.transaction.hash] = entry
        if entry.authorities:
            self._authorities.update(entry.authorities)
        heapq.heappush(self._gas_limits, (-entry.transaction.gas_limit, entry.arrival, entry))
        self._slots += entry.slots
        self._arrivals += 1
        account.touched_at_seconds = self._clock()
        self._change(account, lambda: account.put(entry))
        self._promote(account)
        self._index(account)

    def _forget(self, entry: PooledTransaction) -> None:
        """Take an entry out of the indexes; the caller takes it out of its account."""
        del self._by_hash[entry.transaction.hash]
        self._gone.append(entry.transaction.hash)
        self._slots -= entry.slots
        if entry.is_blob:
            del self._blobs[entry.transaction.hash]
        if len(self._gas_limits) > 2 * len(self._by_hash) + _STALE_ITEMS:
            self._gas_limits = [item for item in self._gas_limits if self._holds(item[2])]
            heapq.heapify(self._gas_limits)
        for authority in entry.authorities:
            self._authorities[authority] -= 1
            if not self._authorities[authority]:
                del self._authorities[authority]

    def _holds(self, entry: PooledTransaction) -> bool:
        return self._by_hash.get(entry.transaction.hash) is entry

    def _drop(self, entry: PooledTransaction) -> None:
        """Take an entry out of the pool; the sender's later ones are queued."""
        account = self._accounts[entry.sender]
        if entry.nonce < account.executable_end:
            account.touched_at_seconds = self._active_at(account)
            self._change(account, lambda: account.retreat_to(entry.nonce))
        account.take_out(entry.nonce)
        self._forget(entry)
        if not account.by_nonce:
            del self._accounts[entry.sender]
            self._lacking_room.pop(entry.sender, None)
        self._index(account)

    def _index(self, account: PoolAccount) -> None:
        """Let the indexes follow a change of an account."""
        address = account.address
        self._ready.set_head(address, account.head)
        queued_count = account.queued_count
        if queued_count:
            self._queued[address] = account
            self._quiet_since = min(self._quiet_since, self._active_at(account))
            if queued_count > self.limits.account_queue > 0:
                self._crowded[address] = account
        elif address in self._queued:
            del self._queued[address]
        if self._holders is not None:
            for holders in self._holders:
                holders.refresh(account)

    def _active_at(self, account: PoolAccount) -> float:
        """When an account last did something; one that has executable transactions is active at every head."""
        touched = account.touched_at_seconds
        return max(touched, self._followed_at) if account.executable_count else touched

    def _change(self, account: PoolAccount, change: Callable[[], None]) -> None:
        """Change what an account has executable, and the totals with it."""
        count, slots, remote = account.executable_count, account.executable_slots, account.executable_remote
        change()
        self._executable_count += account.executable_count - count
        self._executable_slots += account.executable_slots - slots
        self._executable_remote += account.executable_remote - remote

    def _promote(self, account: PoolAccount) -> None:
        """Promote transactions that continue the account's nonces, are paid for, and fit into the limits."""
        self._lacking_room.pop(account.address, None)
        while (entry := self._next_paid(account)) is not None:
            if not self._has_room(entry):
                self._lacking_room[account.address] = account
                return
            self._advance(account)

    def _next_paid(self, account: PoolAccount) -> PooledTransaction | None:
        """The transaction that continues the executable ones, where the account can pay for it."""
        entry = account.by_nonce.get(account.executable_end)
        is_paid = entry is not None and (not self.limits.check_balances or entry.cost_wei <= account.balance_wei)
        return entry if is_paid else None

    def _advance(self, account: PoolAccount) -> None:
        self._change(account, account.advance)
        account.touched_at_seconds = self._clock()

    def _has_room(self, entry: PooledTransaction) -> bool:
        room = self.limits.global_slots - self._executable_slots
        return entry.local or not self.limits.global_slots or entry.slots <= room

    def _holders_of_all(self) -> tuple[Holders, Holders]:
        """The accounts in order of eviction, for executable and for queued ones: kept once the pool was full."""
        if self._holders is None:
            accounts = self._accounts.values()
            self._holders = Holders(EXECUTABLE, accounts), Holders(QUEUED, accounts)
        return self._holders

    def _forget_holders_if_roomy(self) -> None:
        """A pool that is no more than half full pays nothing for the order of eviction."""
        limits = self.limits
        parts = (
            (self._executable_slots, limits.global_slots),
            (self._slots - self._executable_slots, limits.global_queue),
        )
        if all(2 * used <= limit or not limit for used, limit in parts):
            self._holders = None

    def _executable_at(self, sender: Address, nonce: int) -> PooledTransaction | None:
        account = self._accounts.get(sender)
        return None if account is None or nonce >= account.executable_end else account.by_nonce[nonce]

    def _concerned(self, changed: Iterable[Address] | None) -> list[PoolAccount]:
        """The accounts that a new head concerns, in the order in which they came."""
        if changed is None:
            return list(self._accounts.values())
        accounts = {address: self._accounts[address] for address in changed if address in self._accounts}
        gas_limit, unfit = self._current_environment().gas_limit, self._gas_limits
        while unfit and (-unfit[0][0] > gas_limit or not self._holds(unfit[0][2])):
            entry = heapq.heappop(unfit)[2]
            if self._holds(entry):
                accounts[entry.sender] = self._accounts[entry.sender]
        return sorted(accounts.values(), key=_sequence)

    def _follow_state(self, account: PoolAccount, rules_changed: bool) -> None:
        """Read the account again; what was executable stays so where it still continues the nonce and is paid for."""
        account.touched_at_seconds = self._active_at(account)
        executable_end = account.executable_end
        self._change(account, lambda: self._read_state(account))
        for entry in list(account.by_nonce.values()):
            if entry.nonce < account.state_nonce or not self._fits_a_block(entry, rules_changed):
                self._drop(entry)
        while account.executable_end < executable_end and self._next_paid(account) is not None:
            self._advance(account)

    def _queue_excess(self) -> None:
        """Queue executable transactions beyond the limit, as local ones may cause: the first accounts' remote ones."""
        for account in list(self._accounts.values()) if self._has_excess() else []:
            if not self._has_excess():
                return
            if account.executable_remote:
                first = next(entry.nonce for entry in account.executable() if not entry.local)
                account.touched_at_seconds = self._clock()
                self._change(account, partial(account.retreat_to, first))
                self._promote(account)
                self._index(account)

    def _has_excess(self) -> bool:
        return self._executable_slots > self.limits.global_slots > 0 and self._executable_remote > 0

    def _promote_all(self, followed: list[PoolAccount]) -> None:
        """Promote what a new head lets execute, of the accounts that it concerns and of those that lacked space."""
        lacking = self._lacking_room if self._executable_slots < self.limits.global_slots else {}
        concerned = lacking | {account.address: account for account in followed if account.by_nonce}
        for account in sorted(concerned.values(), key=_sequence):
            self._promote(account)
            self._index(account)

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

    def _expire(self) -> None:
        """Drop queued remote transactions of accounts that did nothing for the lifetime."""
        self._expired_at = self._clock()
        oldest = self._expired_at - self.limits.lifetime_seconds
        if not self.limits.lifetime_seconds or self._quiet_since >= oldest:
            return
        self._quiet_since = math.inf
        for account in sorted(self._queued.values(), key=_sequence):
            active_at, droppable = self._active_at(account), list(self._droppable(account))
            if active_at < oldest:
                for entry in droppable:
                    self._drop(entry)
            elif droppable:
                self._quiet_since = min(self._quiet_since, active_at)

    def _truncate_queue(self) -> None:
        """Bring the queue within its limits after executable transactions fell back into it."""
        crowded, self._crowded = sorted(self._crowded.values(), key=_sequence), {}
        for account in crowded:
            excess = account.queued_count - self.limits.account_queue
            for entry in list(self._droppable(account))[:excess] if excess > 0 else []:
                self._drop(entry)
        in_all = self.limits.global_queue
        if not in_all or self._slots - self._executable_slots <= in_all:
            return
        for account in sorted(self._queued.values(), key=lambda account: (self._active_at(account), account.sequence)):
            for entry in self._droppable(account):
                if self._slots - self._executable_slots <= in_all:
                    return
                self._drop(entry)

    def _droppable(self, account: PoolAccount) -> Iterator[PooledTransaction]:
        """Queued remote transactions, highest nonce first."""
        return (entry for entry in reversed(account.queued()) if not entry.local)


def _sequence(account: PoolAccount) -> int:
    return account.sequence
