"""Admission, order, replacement, limits, eviction and resets of the pool."""

import itertools
import threading
from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey

from zevm.chain.errors import TransactionError
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.pool import Pool, PoolStats
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.types import Authorization, BlobSidecar, Transaction, TransactionType
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage import rlp
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Hash32

A, B, C, D = (bytes([item]) * 20 for item in (0xA1, 0xB2, 0xC3, 0xD4))
GWEI = 10**9
ETHER = 10**18
RULES = ForkRules(Fork.BPO2, 1, BlobParameters(14, 21, 11_684_671))


class State:
    """A reader over a dict of accounts; unknown addresses are rich."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, Account] = {}
        self.codes: dict[bytes, bytes] = {}

    root = EMPTY_ROOT

    def account(self, address: bytes) -> Account | None:
        return self.accounts.get(address, Account(balance=1000 * ETHER))

    def set(self, address: bytes, nonce: int = 0, balance: int = 1000 * ETHER, code: bytes = b"") -> None:
        code_hash = keccak256(code) if code else EMPTY_KECCAK
        self.codes[code_hash] = code
        self.accounts[address] = Account(nonce, balance, EMPTY_ROOT, code_hash)

    def storage(self, address: bytes, slot: int) -> int:  # noqa: ARG002  the pool reads no storage
        raise AssertionError

    def code(self, code_hash: bytes) -> bytes:
        return self.codes[code_hash]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def environment(gas_limit: int = 30_000_000, rules: ForkRules = RULES) -> BlockEnvironment:
    return BlockEnvironment(rules, bytes(20), 1, 1, gas_limit, lambda _: Hash32(b""), base_fee_per_gas=GWEI)


def make_pool(state: State | None = None, clock: Clock | None = None, order: str = "fees", **limits: Any) -> Pool:
    pool = Pool(PoolLimits(**limits), order=order, clock=clock or Clock())
    pool.reset(environment(), state or State())
    return pool


def tx(sender: bytes, nonce: int, fee: int = 10 * GWEI, tip: int = GWEI, **fields: Any) -> Transaction:
    values: dict[str, Any] = {
        "type": TransactionType.DYNAMIC_FEE,
        "chain_id": 1,
        "nonce": nonce,
        "max_fee_per_gas": fee,
        "max_priority_fee_per_gas": tip,
        "gas_limit": 21_000,
        "to": bytes(20),
    }
    return Transaction(**(values | fields)).impersonating(sender)


SIDECAR = BlobSidecar(1, (), (), ())


def blob_tx(sender: bytes, nonce: int, fee: int = 10 * GWEI, tip: int = GWEI, blob_fee: int = 10) -> Transaction:
    return tx(
        sender,
        nonce,
        fee,
        tip,
        type=TransactionType.BLOB,
        max_fee_per_blob_gas=blob_fee,
        blob_versioned_hashes=(b"\x01" * 32,),
        sidecar=SIDECAR,
    )


def fill(pool: Pool, sender: bytes, nonces: range, **fields: Any) -> list[Transaction]:
    made = [tx(sender, nonce, **fields) for nonce in nonces]
    for item in made:
        pool.add(item, sender)
    return made


def refusal(pool: Pool, transaction: Transaction, *, local: bool = False) -> str:
    version, hashes = pool.version, pool.hashes()
    with pytest.raises(TransactionError) as caught:
        pool.add(transaction, transaction.sender, local=local)
    assert (pool.version, pool.hashes()) == (version, hashes)
    return caught.value.message


# Executable and queued.


def test_gaps_are_queued_and_promoted() -> None:
    pool = make_pool()
    third, second, first = tx(A, 2), tx(A, 1), tx(A, 0)
    assert pool.add(third, A).executable is False
    assert pool.add(second, A).executable is False
    assert pool.stats() == PoolStats(pending=0, queued=2)
    assert pool.next_nonce(A, 0) == 0
    assert pool.add(first, A).executable is True
    assert pool.stats() == PoolStats(pending=3, queued=0)
    assert pool.pending() == {A: (first, second, third)}
    assert pool.queued() == {}
    assert pool.next_nonce(A, 0) == 3
    assert pool.get(second.hash) is second
    assert pool.get(bytes(32)) is None
    assert pool.hashes() == {first.hash, second.hash, third.hash}


def test_every_change_raises_the_version() -> None:
    pool = make_pool()
    seen = [pool.version]
    for change in (
        lambda: pool.add(tx(A, 0), A),
        lambda: pool.remove(tx(A, 0).hash),
        lambda: pool.add(tx(A, 0), A),
        lambda: pool.remove_sender(A),
        pool.clear,
        lambda: pool.restore(pool.snapshot()),
        lambda: pool.reset(environment(), State()),
    ):
        change()
        seen.append(pool.version)
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_removal_queues_the_later_ones() -> None:
    pool = make_pool()
    made = fill(pool, A, range(4))
    assert pool.remove(made[1].hash) is made[1]
    assert pool.remove(made[1].hash) is None
    assert pool.pending() == {A: (made[0],)}
    assert pool.queued() == {A: (made[2], made[3])}
    assert set(pool.remove_sender(A)) == {made[0].hash, made[2].hash, made[3].hash}
    assert pool.remove_sender(A) == []
    assert pool.stats() == PoolStats(0, 0)
    assert pool.executable_count == 0


def test_an_unprepared_pool_refuses_to_guess() -> None:
    with pytest.raises(RuntimeError, match="never reset"):
        Pool().add(tx(A, 0), A)


# Refusals.


def test_known_and_stale() -> None:
    state = State()
    state.set(A, nonce=5)
    pool = make_pool(state)
    pool.add(tx(A, 5), A)
    assert refusal(pool, tx(A, 5)) == "already known"
    assert refusal(pool, tx(A, 4)) == "nonce too low: next nonce 5, tx nonce 4"


def test_basic_refusals() -> None:
    pool = make_pool(minimum_tip_wei=5)
    assert refusal(pool, tx(A, 0, gas_limit=20_999)) == "intrinsic gas too low: gas 20999, minimum needed 21000"
    assert refusal(pool, tx(A, 0, tip=4)) == ("transaction gas price below minimum: gas tip cap 4, minimum needed 5")
    data = b"\x01" * 1000
    assert refusal(pool, tx(A, 0, gas_limit=37_001, data=data)) == (
        "insufficient gas for floor data gas cost: gas 37001, minimum needed 61000"
    )
    assert refusal(pool, tx(A, 0, chain_id=2)) == "invalid chain id for signer: have 2 want 1"
    assert pool.add(tx(A, 0, tip=4), A, local=True).executable
    assert pool.add(tx(A, 1, tip=5), A).executable


def test_block_gas_limit_at_and_past() -> None:
    pool = make_pool()
    pool.reset(environment(gas_limit=50_000), State())
    assert pool.add(tx(A, 0, gas_limit=50_000), A).executable
    assert refusal(pool, tx(A, 1, gas_limit=50_001)) == "exceeds block gas limit"


def test_size_at_and_past_the_limit() -> None:
    base = len(tx(A, 0, gas_limit=10**7, data=bytes(60_000)).encoded) - 60_000
    exact = tx(A, 0, gas_limit=10**7, data=bytes(128 * 1024 - base - 1))
    # From 65,536 bytes on, the length prefixes of data and list take one byte more each.
    exact = replace(exact, data=exact.data[: len(exact.data) - (len(exact.encoded) - 128 * 1024)])
    assert len(exact.encoded) == 128 * 1024
    pool = make_pool()
    assert pool.add(exact, A).executable
    over = replace(exact, data=exact.data + b"\0", nonce=1)
    assert refusal(pool, over) == "oversized data: transaction size 131073, limit 131072"
    assert make_pool(max_transaction_bytes=0).add(replace(over, nonce=0), A).executable


def test_funds_of_one_and_of_all() -> None:
    state = State()
    cost = 21_000 * 10 * GWEI
    state.set(A, balance=2 * cost)
    pool = make_pool(state)
    text = "insufficient funds for gas * price + value"
    assert refusal(pool, tx(A, 0, value=cost + 1)) == (
        f"{text}: balance {2 * cost}, tx cost {2 * cost + 1}, overshot 1"
    )
    pool.add(tx(A, 0), A)
    assert refusal(pool, tx(A, 1, value=5)) == (
        f"{text}: balance {2 * cost}, queued cost {cost}, tx cost {cost + 5}, overshot 5"
    )
    assert refusal(pool, tx(A, 0, fee=20 * GWEI, tip=2 * GWEI, value=3)) == (
        f"{text}: balance {2 * cost}, tx cost {2 * cost + 3}, overshot 3"
    )
    pool.add(tx(A, 1), A)
    assert refusal(pool, tx(A, 1, fee=12 * GWEI, tip=2 * GWEI)) == (
        f"{text}: balance {2 * cost}, queued cost {2 * cost}, tx bumped {cost // 5}, overshot {cost // 5}"
    )
    assert make_pool(state, check_balances=False).add(tx(A, 0, value=ETHER), A).executable


def test_what_left_no_longer_counts_against_the_funds() -> None:
    state = State()
    cost = 21_000 * 10 * GWEI
    state.set(A, balance=3 * cost)
    pool = make_pool(state)
    fill(pool, A, range(3))
    pool.remove(tx(A, 2).hash)
    assert pool.add(tx(A, 2), A).executable
    pool.remove(tx(A, 2).hash)
    pool.add(tx(A, 1, fee=15 * GWEI, tip=2 * GWEI), A)
    assert refusal(pool, tx(A, 2)).endswith(f"queued cost {5 * cost // 2}, tx cost {cost}, overshot {cost // 2}")


@pytest.mark.parametrize(
    ("fee", "tip", "accepted"),
    [
        (110, 11, True),
        (109, 11, False),
        (110, 10, False),
        (101, 11, False),
        (200, 9, False),
        (99, 20, False),
    ],
)
def test_replacement_needs_ten_percent_on_both(fee: int, tip: int, accepted: bool) -> None:
    pool = make_pool()
    old, new = tx(A, 0, fee=100 * GWEI, tip=10 * GWEI), tx(A, 0, fee=fee * GWEI, tip=tip * GWEI)
    pool.add(old, A)
    pool.add(tx(A, 1), A)
    if not accepted:
        assert refusal(pool, new) == "replacement transaction underpriced"
        return
    result = pool.add(new, A)
    assert (result.replaced, result.executable) == (old, True)
    assert pool.get(old.hash) is None
    assert pool.stats() == PoolStats(2, 0)
    assert pool.pending()[A][0] is new


def test_tiny_fees_still_have_to_rise() -> None:
    pool = make_pool()
    pool.add(tx(A, 0, fee=1, tip=0), A)
    assert refusal(pool, tx(A, 0, fee=1, tip=0, value=1)) == "replacement transaction underpriced"
    assert refusal(pool, tx(A, 0, fee=2, tip=0)) == "replacement transaction underpriced"
    assert pool.add(tx(A, 0, fee=2, tip=1), A).replaced is not None


def test_queued_transactions_are_replaced_too() -> None:
    pool = make_pool()
    old, new = tx(A, 3), tx(A, 3, fee=11 * GWEI, tip=2 * GWEI)
    pool.add(old, A)
    result = pool.add(new, A)
    assert (result.replaced, result.executable) == (old, False)
    assert pool.queued() == {A: (new,)}


# Blobs.


def test_blob_transactions_need_a_sidecar_and_a_fee() -> None:
    pool = make_pool()
    assert refusal(pool, blob_tx(A, 0).without_sidecar()) == "missing sidecar in blob transaction"
    assert refusal(pool, blob_tx(A, 0, blob_fee=0)) == (
        "transaction gas price below minimum: blob fee cap 0, minimum needed 1"
    )
    added = blob_tx(A, 0)
    assert pool.add(added, A).executable
    waiting = pool.get(added.hash)
    assert waiting is not None
    assert waiting.sidecar is SIDECAR


def test_accounts_hold_blobs_or_plain_transactions() -> None:
    pool = make_pool()
    pool.add(blob_tx(A, 0), A)
    pool.add(tx(B, 1), B)
    assert refusal(pool, tx(A, 1)) == "address already reserved"
    assert refusal(pool, blob_tx(B, 0)) == "address already reserved"
    pool.remove_sender(A)
    assert pool.add(tx(A, 0), A).executable


@pytest.mark.parametrize(
    ("fee", "tip", "blob_fee", "reason"),
    [
        (20, 2, 20, None),
        (10, 2, 20, "new tx gas fee cap 10 <= 10 queued"),
        (20, 1, 20, "new tx gas tip cap 1 <= 1 queued"),
        (20, 2, 10, "new tx blob gas fee cap 10 <= 10 queued"),
        (19, 2, 20, "new tx gas fee cap 19 < 10 queued + 100% replacement penalty"),
        (20, 2, 19, "new tx blob gas fee cap 19 < 10 queued + 100% replacement penalty"),
    ],
)
def test_blob_replacement_doubles_every_cap(fee: int, tip: int, blob_fee: int, reason: str | None) -> None:
    pool = make_pool()
    pool.add(blob_tx(A, 0, 10, 1, 10), A)
    new = blob_tx(A, 0, fee, tip, blob_fee)
    if reason is None:
        assert pool.add(new, A).replaced is not None
    else:
        assert refusal(pool, new) == f"replacement transaction underpriced: {reason}"


def test_blob_transactions_per_account_at_and_past_the_limit() -> None:
    pool = make_pool()
    for nonce in range(16):
        assert pool.add(blob_tx(A, nonce), A).executable
    assert refusal(pool, blob_tx(A, 16)) == "account limit exceeded: pooled 16 txs"
    assert pool.add(blob_tx(A, 3, 20 * GWEI, 2 * GWEI, 20), A).replaced is not None
    assert pool.add(blob_tx(A, 16), A, local=True).executable


# Selection.


def drain(pool: Pool, base_fee: int | None = GWEI, blob_base_fee: int | None = 1) -> list[tuple[bytes, int]]:
    return [(item.sender, item.nonce) for item in pool.select(base_fee, blob_base_fee)]


def test_fees_decide_between_senders_and_nonces_within() -> None:
    pool = make_pool()
    pool.add(tx(A, 0, tip=1), A)
    pool.add(tx(A, 1, tip=9), A)
    pool.add(tx(B, 0, tip=5), B)
    pool.add(tx(C, 0, tip=5), C)
    pool.add(tx(D, 1, tip=100), D)
    assert drain(pool) == [(B, 0), (C, 0), (A, 0), (A, 1)]


def test_the_effective_tip_counts_not_the_caps() -> None:
    pool = make_pool()
    pool.add(tx(A, 0, fee=GWEI + 3, tip=GWEI), A)
    pool.add(tx(B, 0, fee=5 * GWEI, tip=4), B)
    pool.add(
        tx(C, 0, type=TransactionType.LEGACY, fee=GWEI + 5, tip=GWEI + 5, chain_id=None),
        C,
    )
    assert drain(pool) == [(C, 0), (B, 0), (A, 0)]
    assert drain(pool, base_fee=None) == [(B, 0), (C, 0), (A, 0)]


def test_arrival_decides_under_fifo() -> None:
    pool = make_pool(order="fifo")
    pool.add(tx(B, 0, tip=1), B)
    pool.add(tx(A, 1, tip=9), A)
    pool.add(tx(A, 0, tip=9), A)
    pool.add(tx(C, 0, tip=100), C)
    # A's second transaction arrived before its first, but waits for it.
    assert drain(pool) == [(B, 0), (A, 0), (A, 1), (C, 0)]
    with pytest.raises(ValueError, match="newest"):
        Pool(order="newest")


def test_who_cannot_pay_the_block_waits() -> None:
    pool = make_pool()
    pool.add(tx(A, 0, fee=GWEI - 1, tip=0), A)
    pool.add(tx(A, 1), A)
    pool.add(tx(B, 0, fee=GWEI, tip=0), B)
    pool.add(blob_tx(C, 0, blob_fee=6), C)
    assert drain(pool, blob_base_fee=6) == [(C, 0), (B, 0)]
    assert drain(pool, blob_base_fee=7) == [(B, 0)]
    assert pool.stats() == PoolStats(4, 0)


def test_skipping_a_sender_and_later_changes() -> None:
    pool = make_pool()
    fill(pool, A, range(3), tip=5)
    fill(pool, B, range(2), tip=3)
    selection = pool.select(GWEI, 1)
    assert next(selection).sender == A
    selection.skip_sender(A)
    pool.clear()
    assert [(item.sender, item.nonce) for item in selection] == [(B, 0), (B, 1)]


# Resets.


def test_reset_drops_used_nonces_and_tells_which() -> None:
    state = State()
    pool = make_pool(state)
    made = fill(pool, A, range(4))
    foreign = tx(B, 0)
    pool.add(foreign, B)
    state.set(A, nonce=2)
    assert pool.reset(environment(), state, mined={made[0].hash}) == [made[1].hash]
    assert pool.pending() == {A: (made[2], made[3]), B: (foreign,)}
    state.set(A, nonce=4)
    state.set(B, nonce=1)
    assert set(pool.reset(environment(), state)) == {made[2].hash, made[3].hash, foreign.hash}
    assert pool.stats() == PoolStats(0, 0)


def test_reset_queues_what_cannot_be_paid_and_takes_it_back() -> None:
    state = State()
    pool = make_pool(state)
    cheap, dear, after = tx(A, 0), tx(A, 1, value=5 * ETHER), tx(A, 2)
    for item in (cheap, dear, after):
        pool.add(item, A)
    state.set(A, balance=ETHER)
    assert pool.reset(environment(), state) == []
    assert pool.pending() == {A: (cheap,)}
    assert pool.queued() == {A: (dear, after)}
    assert pool.next_nonce(A, 0) == 1
    state.set(A, balance=6 * ETHER)
    pool.reset(environment(), state)
    assert pool.stats() == PoolStats(3, 0)


def test_reset_after_a_rewind_queues_the_gap() -> None:
    state = State()
    state.set(A, nonce=3)
    pool = make_pool(state)
    fill(pool, A, range(3, 5))
    state.set(A, nonce=2)
    pool.reset(environment(), state)
    assert pool.stats() == PoolStats(0, 2)
    assert pool.add(tx(A, 2), A).executable
    assert pool.stats() == PoolStats(3, 0)


def test_reset_drops_what_no_block_can_hold() -> None:
    state = State()
    pool = make_pool(state)
    small, large, after = tx(A, 0), tx(A, 1, gas_limit=60_000), tx(A, 2)
    for item in (small, large, after):
        pool.add(item, A)
    assert pool.reset(environment(gas_limit=59_999), state) == [large.hash]
    assert pool.stats() == PoolStats(1, 1)
    older = ForkRules(Fork.BERLIN, 1)
    assert set(pool.reset(environment(rules=older), state)) == {small.hash, after.hash}


def test_snapshots_bring_everything_back() -> None:
    clock, state = Clock(), State()
    pool = make_pool(state, clock, order="fifo")
    fill(pool, B, range(2))
    fill(pool, A, range(1))
    pool.add(tx(C, 7), C, local=True)
    kept, pending, queued = pool.snapshot(), pool.pending(), pool.queued()
    clock.seconds += 60
    pool.remove_sender(B)
    pool.add(tx(D, 0), D)
    pool.restore(kept)
    assert (pool.pending(), pool.queued()) == (pending, queued)
    assert pool.snapshot() == kept
    assert drain(pool) == [(B, 0), (B, 1), (A, 0)]
    pool.add(tx(D, 0), D)
    assert drain(pool)[-1] == (D, 0)


def test_snapshot_of_used_nonces_survives_until_the_reset() -> None:
    state = State()
    pool = make_pool(state)
    fill(pool, A, range(3))
    kept = pool.snapshot()
    state.set(A, nonce=2)
    pool.reset(environment(), state)
    pool.restore(kept)
    state.set(A, nonce=0)
    assert pool.reset(environment(), state) == []
    assert pool.stats() == PoolStats(3, 0)


# Limits.


def test_queue_per_account_at_and_past_the_limit() -> None:
    pool = make_pool()
    fill(pool, A, range(1, 65))
    assert pool.stats() == PoolStats(0, 64)
    assert refusal(pool, tx(A, 65)) == "account limit exceeded: pooled 64 txs"
    assert pool.add(tx(A, 65), A, local=True).executable is False
    assert pool.add(tx(B, 1), B).executable is False
    assert pool.add(tx(A, 0), A).executable
    assert pool.stats() == PoolStats(66, 1)


def sender(index: int) -> bytes:
    return b"\x51" + index.to_bytes(19, "big")


def test_queue_in_all_at_and_past_the_limit() -> None:
    pool = make_pool(global_queue=6)
    fill(pool, A, range(1, 5))
    fill(pool, B, range(1, 3))
    assert pool.stats() == PoolStats(0, 6)
    result = pool.add(tx(C, 1), C)
    # The one with the most gives way, from its end.
    assert result.dropped == (tx(A, 4).hash,)
    assert pool.stats() == PoolStats(0, 6)
    assert refusal(pool, tx(A, 9)) == "transaction underpriced"
    assert pool.add(tx(A, 0), A).executable


def test_price_decides_among_equals_in_the_queue() -> None:
    pool = make_pool(global_queue=3)
    for index in range(3):
        pool.add(tx(sender(index), 1, fee=(10 + index) * GWEI), sender(index))
    assert refusal(pool, tx(A, 1, fee=10 * GWEI)) == "transaction underpriced"
    assert pool.add(tx(A, 1, fee=10 * GWEI + 1), A).dropped == (tx(sender(0), 1, fee=10 * GWEI).hash,)


def test_full_of_local_transactions() -> None:
    pool = make_pool(global_queue=2, global_slots=2)
    for index in range(2):
        pool.add(tx(sender(index), 1), sender(index), local=True)
        pool.add(tx(sender(9 + index), 0), sender(9 + index), local=True)
    assert refusal(pool, tx(A, 1, fee=99 * GWEI)) == "txpool is full"
    assert refusal(pool, tx(A, 0, fee=99 * GWEI)) == "txpool is full"
    assert pool.add(tx(A, 0), A, local=True).executable


def test_executables_at_and_past_the_limit() -> None:
    pool = make_pool(global_slots=10, account_slots=4)
    fill(pool, A, range(10), fee=100 * GWEI, tip=50 * GWEI)
    assert pool.stats() == PoolStats(10, 0)
    assert refusal(pool, tx(A, 10, fee=200 * GWEI)) == "txpool is full"
    # The cheapest honest transaction still displaces one of those beyond the guaranteed share.
    for nonce in range(4):
        result = pool.add(tx(B, nonce, fee=2 * GWEI, tip=1), B)
        assert result.executable
        assert result.dropped == (tx(A, 9 - nonce, fee=100 * GWEI, tip=50 * GWEI).hash,)
    assert refusal(pool, tx(B, 4, fee=900 * GWEI)) == "txpool is full"
    for nonce in range(2):
        pool.add(tx(C, nonce, fee=2 * GWEI, tip=1), C)
    assert {address: len(items) for address, items in pool.pending().items()} == {A: 4, B: 4, C: 2}
    # Nobody holds more than the share now: price decides.
    assert refusal(pool, tx(D, 0, fee=2 * GWEI, tip=1)) == "transaction underpriced"
    assert pool.add(tx(D, 0, fee=2 * GWEI, tip=2), D).dropped == (tx(B, 3, fee=2 * GWEI, tip=1).hash,)


def test_nobody_displaces_himself() -> None:
    pool = make_pool(global_slots=2, global_queue=2)
    for nonce in (0, 5):
        pool.add(tx(A, nonce, fee=2 * GWEI, tip=1), A)
        pool.add(tx(B, nonce, fee=5 * GWEI, tip=1), B)
    assert refusal(pool, tx(A, 1, fee=4 * GWEI, tip=1)) == "transaction underpriced"
    assert refusal(pool, tx(A, 6, fee=4 * GWEI, tip=1)) == "transaction underpriced"
    assert pool.add(tx(A, 1, fee=6 * GWEI, tip=1), A).dropped == (tx(B, 0, fee=5 * GWEI, tip=1).hash,)


@pytest.mark.slow
def test_default_limits_at_and_past() -> None:
    pool = make_pool()
    for index in range(512):
        fill(pool, sender(index), range(10))
    assert pool.stats() == PoolStats(5120, 0)
    assert refusal(pool, tx(A, 0)) == "transaction underpriced"
    for index in range(16):
        fill(pool, sender(1000 + index), range(1, 65))
    assert pool.stats() == PoolStats(5120, 1024)
    assert refusal(pool, tx(sender(1000), 65)) == "account limit exceeded: pooled 64 txs"
    assert pool.add(tx(A, 1), A).dropped != ()
    assert pool.stats() == PoolStats(5120, 1024)


def test_lifted_limits() -> None:
    pool = make_pool(account_queue=0, global_queue=0, global_slots=0, lifetime_seconds=0)
    fill(pool, A, range(1, 1200))
    assert pool.stats() == PoolStats(0, 1199)
    pool.add(tx(A, 0), A)
    assert pool.stats() == PoolStats(1200, 0)


def test_large_transactions_take_several_slots() -> None:
    large: dict[str, Any] = {"data": bytes(32 * 1024), "gas_limit": 10**6}
    pool = make_pool(global_slots=5, account_slots=9)
    for item in (sender(0), sender(1)):
        pool.add(tx(item, 0, **large), item)
    assert pool.add(tx(sender(2), 0), sender(2)).dropped == ()
    assert refusal(pool, tx(sender(2), 1)) == "transaction underpriced"
    assert len(pool.add(tx(sender(3), 0, fee=11 * GWEI), sender(3)).dropped) == 1
    assert pool.stats() == PoolStats(3, 0)


def test_promotion_waits_for_room() -> None:
    pool = make_pool(global_slots=3)
    fill(pool, A, range(1, 5))
    pool.add(tx(A, 0), A)
    assert pool.stats() == PoolStats(3, 2)
    state = State()
    state.set(A, nonce=2)
    pool.reset(environment(), state)
    assert pool.stats() == PoolStats(3, 0)


def test_fallen_back_transactions_are_cut_to_the_queue_limits() -> None:
    state = State()
    pool = make_pool(state, account_queue=3, global_queue=5)
    for item in (A, B):
        fill(pool, item, range(6))
        state.set(item, balance=0)
    pool.add(tx(C, 0), C, local=True)
    state.set(C, balance=0)
    assert len(pool.reset(environment(), state)) == 8
    assert {address: len(items) for address, items in pool.queued().items()} == {A: 1, B: 3, C: 1}


def test_lifetime_at_and_past_the_limit() -> None:
    clock, state = Clock(), State()
    pool = make_pool(state, clock)
    remote, local, executable = tx(A, 1), tx(B, 1), tx(C, 0)
    pool.add(remote, A)
    pool.add(local, B, local=True)
    pool.add(executable, C)
    clock.seconds += 3 * 3600
    assert pool.reset(environment(), state) == []
    clock.seconds += 1
    assert pool.reset(environment(), state) == [remote.hash]
    assert pool.hashes() == {local.hash, executable.hash}


def test_activity_renews_the_lifetime_and_arrivals_trigger_expiry() -> None:
    clock = Clock()
    pool = make_pool(State(), clock)
    pool.add(tx(A, 5), A)
    clock.seconds += 2 * 3600
    pool.add(tx(A, 6), A)
    pool.add(tx(B, 5), B)
    clock.seconds += 2 * 3600
    pool.add(tx(C, 0), C)
    assert pool.stats() == PoolStats(1, 3)
    clock.seconds += 3601
    pool.add(tx(D, 0), D)
    assert pool.stats() == PoolStats(2, 0)


def test_one_account_cannot_push_out_others() -> None:
    """CVE-2022-23328: many expensive transactions that can never be paid for together."""
    state = State()
    attacker = sender(0xBAD)
    state.set(attacker, balance=100 * ETHER)
    pool = make_pool(state, global_slots=55, global_queue=20, account_slots=4)
    honest = [tx(sender(index), 0, fee=2 * GWEI, tip=1) for index in range(50)]
    for item in honest:
        pool.add(item, item.sender)
    refused = 0
    for nonce in itertools.chain(range(1, 200), range(200)):
        try:
            pool.add(tx(attacker, nonce, fee=5_000 * GWEI, tip=1000 * GWEI, value=10 * ETHER), attacker)
        except TransactionError:
            refused += 1
    assert refused > 300
    assert all(pool.get(item.hash) is item for item in honest)
    late = tx(A, 0, fee=2 * GWEI, tip=1)
    assert pool.stats().pending == 55
    assert pool.add(late, A).dropped != ()
    assert pool.get(late.hash) is late
    assert all(pool.get(item.hash) is item for item in honest)


# Delegated accounts (EIP-7702), where the operator asks for geth's rule.

DELEGATED = b"\xef\x01\x00" + bytes(20)


def test_delegated_accounts_get_one_transaction_in_flight() -> None:
    state = State()
    state.set(A, code=DELEGATED)
    state.set(B, code=DELEGATED + b"\0")
    pool = make_pool(state, limit_delegated=True)
    assert refusal(pool, tx(A, 1)) == "gapped-nonce tx from delegated accounts"
    pool.add(tx(A, 0), A)
    assert refusal(pool, tx(A, 1)) == "in-flight transaction limit reached for delegated accounts"
    assert pool.add(tx(A, 0, fee=20 * GWEI, tip=2 * GWEI), A).replaced is not None
    fill(pool, B, range(2))
    free = make_pool(state)
    fill(free, A, range(3))
    assert free.stats() == PoolStats(3, 0)


def authorized(key: PrivateKey, nonce: int) -> Authorization:
    message = keccak256(b"\x05" + rlp.encode([rlp.encode_int(1), bytes(20), rlp.encode_int(nonce)]))
    signature = key.sign_recoverable(message, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return Authorization(1, bytes(20), nonce, signature[64], r, s)


def test_pending_authorizations_bind_the_authority() -> None:
    key = PrivateKey(b"\x07" * 32)
    authority = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    pool = make_pool(limit_delegated=True)
    delegating: dict[str, Any] = {
        "type": TransactionType.SET_CODE,
        "authorization_list": (authorized(key, 0),),
        "gas_limit": 100_000,
    }
    pool.add(tx(A, 0, **delegating), A)
    assert refusal(pool, tx(authority, 1)) == "gapped-nonce tx from delegated accounts"
    pool.add(tx(authority, 0), authority)
    assert refusal(pool, tx(authority, 1)) == "in-flight transaction limit reached for delegated accounts"
    pool.remove_sender(A)
    pool.add(tx(authority, 1), authority)
    assert refusal(pool, tx(A, 0, **delegating)) == "authority already reserved"
    assert not pool._authorities


def test_readers_may_run_beside_the_writer() -> None:
    pool = make_pool(account_queue=0, global_queue=0)
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                stats = pool.stats()
                assert stats.pending >= 0
                assert stats.queued >= 0
                for items in pool.pending().values():
                    assert [item.nonce for item in items] == list(range(len(items)))
                list(pool.select(GWEI, 1))
                pool.hashes()
                pool.snapshot()
        except BaseException as error:  # the main thread reports it
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for index in range(30):
        for nonce in reversed(range(8)):
            pool.add(tx(sender(index), nonce), sender(index))
        pool.remove(tx(sender(index), 4).hash)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert pool.stats() == PoolStats(30 * 4, 30 * 3)
