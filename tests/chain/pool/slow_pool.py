"""A pool that keeps nothing by heart: it looks at everything for everything. What the real one is held against."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chain.pool.test_pool import Clock, State
from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PooledTransaction, pooled
from zevm.chain.pool.admission import check_account, check_basics, check_replacement
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.types import Transaction
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.validation import validate_static
from zevm.storage.account import EMPTY_ACCOUNT


@dataclass
class SlowAccount:
    """One sender's transactions; everything but the first five fields is counted anew each time."""

    address: bytes
    state_nonce: int
    balance_wei: int
    executable_end: int
    touched: float
    by_nonce: dict[int, PooledTransaction] = field(default_factory=dict)

    @property
    def executable(self) -> list[PooledTransaction]:
        return [self.by_nonce[nonce] for nonce in range(self.state_nonce, self.executable_end)]

    @property
    def queued(self) -> list[PooledTransaction]:
        return [self.by_nonce[nonce] for nonce in sorted(self.by_nonce) if nonce >= self.executable_end]

    @property
    def executable_count(self) -> int:
        return len(self.executable)

    @property
    def queued_count(self) -> int:
        return len(self.by_nonce) - self.executable_count

    @property
    def executable_cost_wei(self) -> int:
        return sum(entry.cost_wei for entry in self.executable)

    @property
    def holds_blobs(self) -> bool:
        return any(entry.is_blob for entry in self.by_nonce.values())


class SlowPool:
    """The rules of the pool, each as a walk over all accounts."""

    def __init__(self, limits: PoolLimits, order: str, clock: Clock) -> None:
        self.limits, self.order, self.clock = limits, order, clock
        self.accounts: dict[bytes, SlowAccount] = {}
        self.arrivals = 0
        self.expired_at = clock()

    # What is read.

    def entries(self) -> list[PooledTransaction]:
        return [entry for account in self.accounts.values() for entry in account.by_nonce.values()]

    def hashes(self) -> set[bytes]:
        return {entry.transaction.hash for entry in self.entries()}

    def listed(self, part: Callable[[SlowAccount], list[PooledTransaction]]) -> dict[bytes, tuple[Transaction, ...]]:
        parts = {address: part(account) for address, account in self.accounts.items()}
        return {address: tuple(entry.transaction for entry in entries) for address, entries in parts.items() if entries}

    def slots(self, part: Callable[[SlowAccount], list[PooledTransaction]]) -> int:
        return sum(entry.slots for account in self.accounts.values() for entry in part(account))

    def select(self, base_fee: int | None, blob_base_fee: int, minimum_price: int) -> Iterator[tuple[bytes, int]]:
        turns = {account.address: account.executable for account in self.accounts.values()}
        offered: list[tuple[int, int, PooledTransaction]] = []

        def offer(sender: bytes) -> None:
            entry = turns[sender].pop(0) if turns[sender] else None
            if entry is None or not can_pay(entry.transaction):
                turns[sender] = []
                return
            tip = (base_fee or 0) - entry.transaction.effective_gas_price(base_fee)
            heapq.heappush(offered, (entry.arrival if self.order == "fifo" else tip, entry.arrival, entry))

        def can_pay(transaction: Transaction) -> bool:
            pays_blobs = not transaction.blob_versioned_hashes or transaction.max_fee_per_blob_gas >= blob_base_fee
            return pays_blobs and transaction.max_fee_per_gas >= max(base_fee or 0, minimum_price)

        for sender in turns:
            offer(sender)
        while offered:
            entry = heapq.heappop(offered)[2]
            yield entry.sender, entry.nonce
            offer(entry.sender)

    # What changes it.

    def add(self, transaction: Transaction, sender: bytes, *, local: bool) -> tuple[bool, set[bytes]]:
        if transaction.hash in self.hashes():
            raise TransactionError(Reason.ALREADY_KNOWN, "already known")
        entry = pooled(
            transaction, sender, self.environment.rules, local=local, arrival=self.arrivals, with_authorities=False
        )
        check_basics(entry, self.environment, self.limits)
        account = self.accounts.get(sender) or self.read(sender)
        check_account(entry, account, self.limits)  # type: ignore[arg-type]  # it has all that is asked of one
        old = account.by_nonce.get(entry.nonce)
        if old is not None:
            check_replacement(old, entry, self.limits)
        before = self.hashes()
        for victim in [] if local else self.victims(entry, old, account):
            self.drop(victim)
        self.insert(entry, account)
        if self.clock() - self.expired_at >= 60:
            self.expire()
        gone = before - self.hashes()
        return entry.nonce < account.executable_end, gone - (set() if old is None else {old.transaction.hash})

    def insert(self, entry: PooledTransaction, account: SlowAccount) -> None:
        self.accounts.setdefault(entry.sender, account)
        account.by_nonce[entry.nonce] = entry
        account.touched = self.clock()
        self.arrivals += 1
        self.promote(account)

    def read(self, address: bytes) -> SlowAccount:
        found = self.state.account(address) or EMPTY_ACCOUNT
        return SlowAccount(address, found.nonce, found.balance, found.nonce, self.clock())

    def victims(
        self, entry: PooledTransaction, old: PooledTransaction | None, account: SlowAccount
    ) -> list[PooledTransaction]:
        limits, needed = self.limits, entry.slots - (0 if old is None else old.slots)
        if entry.nonce <= account.executable_end:
            missing = self.slots(_executable) + needed - limits.global_slots
            if needed <= 0 or missing <= 0 or not limits.global_slots:
                return []
            if account.executable_count >= limits.account_slots:
                raise TransactionError(Reason.POOL_FULL, "txpool is full")
            return self.pick(entry, account, missing, _executable, limits.account_slots)
        count = account.queued_count
        if limits.account_queue and old is None and count >= limits.account_queue:
            raise TransactionError(Reason.ACCOUNT_LIMIT_EXCEEDED, f"account limit exceeded: pooled {count} txs")
        missing = self.slots(_queued) + needed - limits.global_queue
        if needed <= 0 or missing <= 0 or not limits.global_queue:
            return []
        return self.pick(entry, account, missing, _queued, count + 1)

    def pick(
        self,
        entry: PooledTransaction,
        account: SlowAccount,
        missing: int,
        part: Callable[[SlowAccount], list[PooledTransaction]],
        fair: int,
    ) -> list[PooledTransaction]:
        tails = [part(other) for other in self.accounts.values() if other is not account]
        victims = []
        while missing > 0:
            candidates = [held for held in tails if held and not held[-1].local]
            if not candidates:
                raise TransactionError(Reason.POOL_FULL, "txpool is full")
            chosen = max(candidates, key=len)
            if len(chosen) <= fair:
                chosen = min(candidates, key=lambda held: held[-1].price)
                if entry.price <= chosen[-1].price:
                    raise TransactionError(Reason.UNDERPRICED, "transaction underpriced")
            victims.append(chosen.pop())
            missing -= victims[-1].slots
        return victims

    def drop(self, entry: PooledTransaction) -> None:
        account = self.accounts[entry.sender]
        account.executable_end = max(account.state_nonce, min(account.executable_end, entry.nonce))
        del account.by_nonce[entry.nonce]
        if not account.by_nonce:
            del self.accounts[entry.sender]

    def next_paid(self, account: SlowAccount) -> PooledTransaction | None:
        entry = account.by_nonce.get(account.executable_end)
        return entry if entry is not None and entry.cost_wei <= account.balance_wei else None

    def promote(self, account: SlowAccount, keep_before: int | None = None) -> None:
        """keep_before: go so far only, whatever room there is."""
        while (entry := self.next_paid(account)) is not None:
            room = self.limits.global_slots - self.slots(_executable)
            has_room = entry.local or not self.limits.global_slots or entry.slots <= room
            if not (has_room if keep_before is None else entry.nonce < keep_before):
                return
            account.executable_end += 1
            account.touched = self.clock()

    def reset(self, environment: BlockEnvironment, state: State) -> set[bytes]:
        before = self.hashes()
        self.environment, self.state = environment, state
        for account in list(self.accounts.values()):
            executable_end, read = account.executable_end, self.read(account.address)
            account.state_nonce = account.executable_end = read.state_nonce
            account.balance_wei = read.balance_wei
            for entry in list(account.by_nonce.values()):
                if entry.nonce < account.state_nonce or not _fits(entry, environment):
                    self.drop(entry)
            self.promote(account, keep_before=executable_end)
        for account in list(self.accounts.values()):
            remote = [entry.nonce for entry in account.executable if not entry.local]
            if self.slots(_executable) > self.limits.global_slots > 0 and remote:
                account.executable_end = remote[0]
                self.promote(account)
        for account in list(self.accounts.values()):
            self.promote(account)
        self.expire()
        self.truncate()
        return before - self.hashes()

    def expire(self) -> None:
        self.expired_at = self.clock()
        for account in list(self.accounts.values()):
            if account.touched < self.clock() - self.limits.lifetime_seconds:
                for entry in _droppable(account):
                    self.drop(entry)

    def truncate(self) -> None:
        for account in list(self.accounts.values()):
            for entry in _droppable(account)[: max(0, account.queued_count - self.limits.account_queue)]:
                self.drop(entry)
        for account in sorted(self.accounts.values(), key=lambda account: account.touched):
            for entry in _droppable(account):
                if self.slots(_queued) > self.limits.global_queue:
                    self.drop(entry)

    def restore(self, kept: list[tuple[PooledTransaction, float]]) -> None:
        self.accounts = {}
        for entry, touched in sorted(kept, key=lambda item: item[0].arrival):
            account = self.accounts.get(entry.sender) or self.read(entry.sender)
            self.insert(entry, account)
            account.touched = touched


def _executable(account: SlowAccount) -> list[PooledTransaction]:
    return account.executable


def _queued(account: SlowAccount) -> list[PooledTransaction]:
    return account.queued


def _droppable(account: SlowAccount) -> list[PooledTransaction]:
    return [entry for entry in reversed(account.queued) if not entry.local]


def _fits(entry: PooledTransaction, environment: BlockEnvironment) -> bool:
    try:
        validate_static(entry.transaction, environment.rules)
    except TransactionError:
        return False
    return entry.transaction.gas_limit <= environment.gas_limit
