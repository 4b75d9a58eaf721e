"""Measure what the pool costs, empty and full: processor time of one thread, without signatures and without a disk.

    python -m bench.pool [--pending 100000] [--rounds 5]

The first rows add transactions to a pool of the default limits: while it is empty, when it is full of others that
offer less, and when it is full of better ones. The others are of a pool without limits, in which that many
transactions wait, each of its own sender with its own price: blocks that mine none of them, and one that mines 1,000.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from statistics import median

from zevm.chain.errors import TransactionError
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.pool.pool import Changed, Pool
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32, Wei

GWEI = 10**9
RULES = ForkRules(Fork.BPO2, 1, BlobParameters(14, 21, 11_684_671))
BLOCK_TRANSFERS = 1_000
ADDED = 500


class Rich:
    """A state in which all accounts are rich; `nonces` holds those that are not 0."""

    root = EMPTY_ROOT

    def __init__(self) -> None:
        self.nonces: dict[bytes, int] = {}

    def account(self, address: Address) -> Account:
        """The account at an address."""
        return Account(nonce=self.nonces.get(address, 0), balance=Wei(10**24))

    def storage(self, address: Address, slot: int) -> int:
        """No account has any."""
        raise NotImplementedError

    def code(self, code_hash: bytes) -> bytes:
        """No account has any."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: median microseconds of processor time for one."""

    title: str
    microseconds: float


def environment(base_fee: int) -> BlockEnvironment:
    """The next block."""
    return BlockEnvironment(RULES, ZERO_ADDRESS, 1, 1, 10**9, lambda _: Hash32(b""), base_fee_per_gas=base_fee)


def transfers(count: int, cap: int, seed: int) -> list[tuple[Transaction, Address]]:
    """Transfers of as many senders, whose fee caps are from `cap` to half as much more."""
    source = random.Random(seed)
    made = []
    for _ in range(count):
        sender, fee = Address(source.randbytes(20)), source.randrange(cap, cap * 3 // 2)
        transaction = Transaction(
            type=TransactionType.DYNAMIC_FEE, chain_id=1, nonce=0, to=ZERO_ADDRESS, gas_limit=21_000,
            max_fee_per_gas=fee, max_priority_fee_per_gas=source.randrange(GWEI),
        ).impersonating(sender)  # fmt: skip
        made.append((transaction, sender))
    for transaction, _ in made:
        # as at a node, where it is known from the signature's check
        assert transaction.hash
    return made


def times(actions: Iterable[Callable[[], object]]) -> list[float]:
    """Microseconds of processor time of each."""
    found = []
    for action in actions:
        began = time.thread_time_ns()
        action()
        found.append((time.thread_time_ns() - began) / 1_000)
    return found


def fill(pool: Pool, state: Rich, waiting: Iterable[tuple[Transaction, Address]]) -> Pool:
    """The pool, with these transactions."""
    pool.reset(environment(GWEI), state)
    for transaction, sender in waiting:
        pool.add(transaction, sender)
    return pool


def adding(*pools: tuple[Pool, int]) -> list[float]:
    """Median microseconds for one more in each pool, at fee caps from that on; a refusal counts too.

    The pools take turns, so that a busy machine is as busy for all.
    """

    def add(pool: Pool, transaction: Transaction, sender: Address) -> None:
        with suppress(TransactionError):
            pool.add(transaction, sender)

    made = [transfers(ADDED, cap, seed) for seed, (_, cap) in enumerate(pools)]
    turns = (
        partial(add, pool, *item)
        for items in zip(*made, strict=True)
        for (pool, _), item in zip(pools, items, strict=True)
    )
    found = times(turns)
    return [median(found[index :: len(pools)]) for index in range(len(pools))]


def rows(pending: int, rounds: int) -> Iterable[Row]:
    """Measure all."""
    limit = PoolLimits().global_slots
    empty, full, better = [fill(Pool(), Rich(), transfers(count, 4 * GWEI, count)) for count in (0, limit, limit + 1)]
    titles = (
        "add, empty pool",
        f"add, full pool ({limit:,}), displacing another",
        f"add, full pool ({limit:,}), refused",
    )
    yield from map(Row, titles, adding((empty, 8 * GWEI), (full, 8 * GWEI), (better, GWEI)))
    state, base_fees = Rich(), [GWEI * 2 * (8 + number % 2) // 8 for number in range(rounds)]
    large = fill(Pool(PoolLimits(global_slots=0)), state, transfers(pending, 2 * GWEI, 6))
    for title, height in (("all can pay", 1), ("half can pay", 1.25), ("none can pay", 10)):
        fees = [int(fee * height) for fee in base_fees]
        list(zip(range(1), large.select(fees[-1], 1), strict=False))
        blocks = times(partial(empty_block, large, state, fee) for fee in fees)
        yield Row(f"follow an empty block, {pending:,} pending, {title}", median(blocks))
    blocks = times(partial(mine, large, state, fee) for fee in base_fees)
    yield Row(f"select and follow a block of {BLOCK_TRANSFERS:,}, {pending:,} pending", median(blocks))


def empty_block(pool: Pool, state: Rich, base_fee: int) -> None:
    """A block of elsewhere that changes one account, and the first choice for the next one."""
    pool.reset(environment(base_fee), state, changed=Changed(EMPTY_ROOT, [ZERO_ADDRESS]))
    next(pool.select(base_fee, 1), None)


def mine(pool: Pool, state: Rich, base_fee: int) -> None:
    """A block of the best transactions, and what the pool does after it."""
    chosen = [entry for _, entry in zip(range(BLOCK_TRANSFERS), pool.select(base_fee, 1), strict=False)]
    state.nonces |= {entry.sender: entry.nonce + 1 for entry in chosen}
    mined = {entry.transaction.hash for entry in chosen}
    pool.reset(environment(base_fee), state, mined, Changed(EMPTY_ROOT, [entry.sender for entry in chosen]))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="what the pool costs, empty and full")
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| | processor time |\n|---|---:|")
    for row in rows(options.pending, options.rounds):
        print(f"| {row.title} | {row.microseconds:,.1f} µs |", flush=True)


if __name__ == "__main__":
    main()
