"""The pool does in few steps what a pool that looks at everything does: held against it through random histories."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.chain.pool.slow_pool import SlowPool, _executable, _queued
from tests.chain.pool.test_pool import ETHER, GWEI, RULES, SIDECAR, Clock, State, environment, tx
from zevm.chain.errors import TransactionError
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.pool import Changed, Pool, PoolSnapshot
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import TransactionType
from zevm.storage.account import EMPTY_ROOT

SENDERS = [bytes([number]) * 20 for number in range(1, 7)]
LIMITS = [
    PoolLimits(account_slots=2, global_slots=7, account_queue=3, global_queue=5, lifetime_seconds=300),
    PoolLimits(account_slots=1, global_slots=4, account_queue=1, global_queue=2, lifetime_seconds=100),
    PoolLimits(
        account_slots=3,
        global_slots=20,
        account_queue=5,
        global_queue=9,
        lifetime_seconds=300,
        account_blob_transactions=2,
        minimum_tip_wei=1,
        blob_price_bump_percent=10,
    ),
]
OLD_RULES = ForkRules(Fork.LONDON, 1)
SLOT = 32 * 1024

senders = st.sampled_from(SENDERS)
fees = st.sampled_from([None, 0, GWEI, GWEI + 1, 2 * GWEI, 3 * GWEI])


class PoolMachine(RuleBasedStateMachine):
    """Does to both pools the same, and compares what they answer and hold."""

    @initialize(order=st.sampled_from(["fees", "fees", "fifo"]), limits=st.sampled_from(LIMITS))
    def begin(self, order: str, limits: PoolLimits) -> None:
        self.clock, self.state = Clock(), State()
        self.fast, self.slow = Pool(limits, order=order, clock=self.clock), SlowPool(limits, order, self.clock)
        self.gas_limit, self.fork_rules = 30_000_000, RULES
        self.changed: set[bytes] = set()
        self.kept: tuple[PoolSnapshot, list[Any]] | None = None
        for sender in SENDERS:
            self.state.set(sender)
        self.follow(knows_changes=False)

    @rule(
        sender=senders,
        nonce=st.integers(0, 6),
        cap=st.sampled_from([GWEI, 2 * GWEI, 3 * GWEI, 8 * GWEI]),
        tip=st.sampled_from([0, 1, GWEI, 2 * GWEI]),
        kind=st.sampled_from(["plain", "plain", "plain", "large", "hungry", "dear", "blob"]),
        blob_cap=st.sampled_from([1, 2, 4, 8]),
        local=st.sampled_from([False, False, False, True]),
    )
    def add(self, sender: bytes, nonce: int, cap: int, tip: int, kind: str, blob_cap: int, *, local: bool) -> None:
        fields: dict[str, dict[str, Any]] = {
            "plain": {},
            "large": {"data": bytes(2 * SLOT), "gas_limit": 8_000_000},
            "hungry": {"gas_limit": 8_000_000},
            "dear": {"value": 6 * ETHER},
            "blob": {
                "type": TransactionType.BLOB,
                "max_fee_per_blob_gas": blob_cap,
                "blob_versioned_hashes": (b"\x01" * 32,),
                "sidecar": SIDECAR,
            },
        }
        transaction = tx(sender, nonce, cap, min(tip, cap), **fields[kind])
        answers = []
        for pool in (self.fast, self.slow):
            try:
                answers.append(pool.add(transaction, sender, local=local))
            except TransactionError as error:
                answers.append(str(error))
        if not isinstance(answers[0], str):
            answers[0] = answers[0].executable, set(answers[0].dropped)
        assert answers[0] == answers[1]

    @rule(sender=senders, nonce=st.integers(0, 5), balance=st.sampled_from([0, ETHER, 7 * ETHER, 100 * ETHER]))
    def change_account(self, sender: bytes, nonce: int, balance: int) -> None:
        self.state.set(sender, nonce, balance)
        self.changed.add(sender)

    @rule(sender=senders, count=st.integers(1, 3))
    def mine(self, sender: bytes, count: int) -> None:
        account = self.state.account(sender)
        assert account is not None
        self.state.set(sender, account.nonce + count, account.balance)
        self.changed.add(sender)
        self.follow(knows_changes=True)

    @rule(knows_changes=st.booleans())
    def follow(self, *, knows_changes: bool) -> None:
        block = environment(self.gas_limit, self.fork_rules)
        changed = Changed(EMPTY_ROOT, self.changed) if knows_changes else None
        gone = self.fast.reset(block, self.state, changed=changed)
        assert len(gone) == len(set(gone))
        assert set(gone) == self.slow.reset(block, self.state)
        self.changed = set()

    @rule(gas_limit=st.sampled_from([7_000_000, 30_000_000]), rules=st.sampled_from([RULES, RULES, RULES, OLD_RULES]))
    def change_blocks(self, gas_limit: int, rules: ForkRules) -> None:
        self.gas_limit, self.fork_rules = gas_limit, rules
        self.follow(knows_changes=True)

    @rule(seconds=st.sampled_from([1, 59, 200, 400]))
    def wait(self, seconds: int) -> None:
        self.clock.seconds += seconds

    @rule(sender=senders, nonce=st.integers(0, 6))
    def remove(self, sender: bytes, nonce: int) -> None:
        account = self.slow.accounts.get(sender)
        entry = None if account is None else account.by_nonce.get(nonce)
        if entry is not None:
            assert self.fast.remove(entry.transaction.hash) == entry.transaction
            self.slow.drop(entry)

    @rule(sender=senders)
    def remove_sender(self, sender: bytes) -> None:
        entries = [entry for entry in self.slow.entries() if entry.sender == sender]
        assert set(self.fast.remove_sender(sender)) == {entry.transaction.hash for entry in entries}
        for entry in entries:
            self.slow.drop(entry)

    @rule()
    def clear(self) -> None:
        assert set(self.fast.clear()) == self.slow.hashes()
        self.slow.accounts = {}

    @rule()
    def keep(self) -> None:
        touched = {account.address: account.touched for account in self.slow.accounts.values()}
        self.kept = self.fast.snapshot(), [(entry, touched[entry.sender]) for entry in self.slow.entries()]
        assert self.kept[0].touched_at_seconds == touched

    @rule()
    def restore(self) -> None:
        if self.kept is not None:
            self.fast.restore(self.kept[0])
            self.slow.restore(self.kept[1])
            self.follow(knows_changes=False)

    @rule(
        base_fee=fees,
        blob_base_fee=st.integers(1, 6),
        minimum=st.sampled_from([0, 0, 2 * GWEI]),
        first=st.integers(0, 8),
    )
    def select(self, base_fee: int | None, blob_base_fee: int, minimum: int, first: int) -> None:
        expected = list(self.slow.select(base_fee, blob_base_fee, minimum))
        selection = self.fast.select(base_fee, blob_base_fee, minimum)
        began = [(entry.sender, entry.nonce) for _, entry in zip(range(first), selection, strict=False)]
        # a selection of other fees, and what else changes the order, leave it as it was
        list(self.fast.select(3 * GWEI, 1))
        assert began + [(entry.sender, entry.nonce) for entry in selection] == expected

    @invariant()
    def is_the_same(self) -> None:
        assert self.fast.pending() == self.slow.listed(_executable)
        assert self.fast.queued() == self.slow.listed(_queued)
        stats = self.fast.stats()
        assert stats.pending == sum(account.executable_count for account in self.slow.accounts.values())
        assert stats.pending + stats.queued == len(self.slow.entries())


TestPoolMachine = pytest.mark.lengthy(PoolMachine.TestCase)
TestPoolMachine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
