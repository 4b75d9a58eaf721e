"""The pool's costs follow what changes, not what waits: counted in calls and in reads of the state, not in time."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

from tests.chain.chain_fixtures import ALICE, BOB, CAROL, KEYS, open_chain, transfer
from tests.chain.pool.test_pool import ETHER, GWEI, State, environment, make_pool, sender, tx
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.options import ChainOptions
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.pool import Changed, Pool
from zevm.storage.account import EMPTY_ROOT, Account

SLOTS = 100


def calls_in(work: Callable[[], object]) -> int:
    """The number of calls, of Python's functions and of built-in ones, while the work is done."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


class WatchedState(State):
    """Notes which accounts are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []

    def account(self, address: bytes) -> Account | None:
        self.read.append(address)
        return super().account(address)


def filled(count: int, first: int = 0, *, fee: int = 10 * GWEI, **limits: int) -> tuple[Pool, WatchedState]:
    state = WatchedState()
    pool = make_pool(state, **limits)
    for index in range(first, first + count):
        pool.add(tx(sender(index), 0, fee=fee + index), sender(index))
    state.read = []
    return pool, state


def median_cost_of_adding(pool: Pool, numbers: Iterator[int]) -> int:
    costs = []
    for _ in range(21):
        transaction = tx(sender(number := next(numbers)), 0, fee=20 * GWEI + number)
        assert transaction.hash
        costs.append(calls_in(partial(pool.add, transaction, transaction.sender)))
    return sorted(costs)[10]


def test_adding_to_a_full_pool_costs_at_most_twice() -> None:
    numbers = iter(range(10_000, 20_000))
    empty, full = make_pool(), filled(SLOTS, global_slots=SLOTS)[0]
    least, most = [median_cost_of_adding(pool, numbers) for pool in (empty, full)]
    assert full.stats().pending == SLOTS
    assert full.get(tx(sender(10_041), 0, fee=20 * GWEI + 10_041).hash) is not None
    assert most <= 2 * least
    larger = filled(4 * SLOTS, global_slots=4 * SLOTS)[0]
    assert median_cost_of_adding(larger, numbers) <= 1.1 * most


def test_one_full_account_gives_way_one_by_one() -> None:
    costs = []
    for count in (SLOTS, 4 * SLOTS):
        pool = make_pool(global_slots=count)
        for nonce in range(count):
            pool.add(tx(sender(1), nonce), sender(1))
        costs.append(median_cost_of_adding(pool, iter(range(10_000, 20_000))))
        assert pool.stats().pending == count
    assert costs[1] <= 1.1 * costs[0]


def test_a_head_looks_at_the_accounts_that_it_changed() -> None:
    pool, state = filled(SLOTS)
    state.set(sender(7), nonce=1)
    gone = pool.reset(environment(), state, changed=Changed(EMPTY_ROOT, [sender(7), sender(9), sender(5_000)]))
    assert state.read == [sender(7), sender(9)]
    assert gone == [tx(sender(7), 0, fee=10 * GWEI + 7).hash]
    state.read = []
    pool.reset(environment(), state, changed=Changed(bytes(32), []))
    assert len(state.read) == SLOTS - 1, "since another state than that of the last reset all may have changed"


def test_the_gas_limit_looks_at_those_beyond_it() -> None:
    pool, state = filled(SLOTS)
    large = tx(sender(5_000), 0, gas_limit=60_000)
    pool.add(large, sender(5_000))
    state.read = []
    assert pool.reset(environment(gas_limit=59_999), state, changed=Changed(EMPTY_ROOT, [])) == [large.hash]
    assert state.read == [sender(5_000)]


def cost_of_an_empty_block(count: int, base_fee: int) -> int:
    pool, state = filled(count, global_slots=0)

    def follow() -> None:
        pool.reset(environment(), state, changed=Changed(EMPTY_ROOT, [CAROL]))
        next(pool.select(base_fee, 1), None)

    return calls_in(follow)


def test_an_empty_block_costs_the_same_whatever_waits() -> None:
    for base_fee in (GWEI, 20 * GWEI):
        assert cost_of_an_empty_block(400, base_fee) <= cost_of_an_empty_block(40, base_fee) + 20


def test_the_best_are_found_without_the_others() -> None:
    pool, _ = filled(600, global_slots=0)
    for index, base_fee in enumerate((GWEI, 9 * GWEI, 10 * GWEI + 300)):
        selection = pool.select(base_fee, 1)
        cost = calls_in(partial(next, selection))
        assert len(list(selection)) == (599, 599, 299)[index]
        assert cost < 500, index


def test_what_outdates_does_not_pile_up() -> None:
    state = State()
    pool = Pool(PoolLimits(global_slots=20, account_queue=0, global_queue=20))
    pool.reset(environment(), state)
    for index in range(1_000):
        pool.add(tx(sender(index), index % 2, fee=10 * GWEI + index, tip=index), sender(index))
        state.set(sender(index % 20 + index // 20 * 20), balance=ETHER * (index % 2))
        if index % 50 == 0:
            pool.reset(environment(), state)
    assert pool._holders is not None
    heaps = [pool._ready.by_tip, pool._ready.by_cap, pool._gas_limits]
    heaps += [heap for holders in pool._holders for heap in (holders.by_count, holders.by_price)]
    assert max(map(len, heaps)) <= 200


def test_a_chain_tells_the_pool_what_its_blocks_and_patches_change() -> None:
    chain = open_chain(options=ChainOptions(mining=MiningMode(automine=False)))
    for key in KEYS:
        chain.writer.run(chain.send_transaction, transfer(1, key=key, to=CAROL))

    def followed_by(work: Callable[..., object], *arguments: object) -> list[bytes]:
        found: list[bytes] = []
        code = Pool._follow_state.__code__

        def watch(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code is code:
                found.append(frame.f_locals["account"].address)

        def watched() -> None:
            sys.setprofile(watch)
            try:
                work(*arguments)
            finally:
                sys.setprofile(None)

        chain.writer.run(watched)
        return found

    assert followed_by(chain.mine) == []
    assert followed_by(chain.patch_state, lambda state: state.set_balance(CAROL, 5)) == []
    assert followed_by(chain.patch_state, lambda state: state.set_balance(BOB, 5 * ETHER)) == [BOB]
    chain.writer.run(chain.send_transaction, transfer(0, to=CAROL))
    assert followed_by(chain.mine) == [ALICE]
    assert chain.pool.stats().pending == 0
    assert followed_by(chain.drop_transaction, bytes(32)) == []
    assert set(followed_by(chain.rollback, 1)) == {BOB}
    chain.close()
