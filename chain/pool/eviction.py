"""Eviction from a full pool. An account cannot displace others merely by many transactions or high promises.

Only remote transactions leave, and only an account's last one at a time, so that no nonce gap opens. First
leaves what accounts hold beyond their guaranteed share, the largest holder first; only then does price decide.
Queued transactions never displace executable ones. (The attack that this resists: CVE-2022-23328.)
"""

from collections.abc import Callable, Iterable

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction
from zevm.chain.pool.limits import PoolLimits
from zevm.storage.primitives import Address


def executable_victims(
    entry: PooledTransaction,
    account: PoolAccount,
    accounts: Iterable[PoolAccount],
    missing_slots: int,
    limits: PoolLimits,
) -> list[PooledTransaction]:
    """Executable transactions to evict for `missing_slots` free slots. Raises TransactionError if there are none.

    An account at or above its guaranteed number displaces no other.
    """
    if account.executable_count >= limits.account_slots:
        raise TransactionError(Reason.POOL_FULL, "txpool is full")
    tails = {other.address: other.executable() for other in accounts if other is not account}
    return _victims(entry, tails, missing_slots, lambda held: held > limits.account_slots)


def queued_victims(
    entry: PooledTransaction, account: PoolAccount, accounts: Iterable[PoolAccount], missing_slots: int
) -> list[PooledTransaction]:
    """Queued transactions to evict for `missing_slots` free slots. Raises TransactionError if there are none.

    An account gives way to those that have fewer queued than it.
    """
    tails = {other.address: other.queued() for other in accounts if other is not account}
    return _victims(entry, tails, missing_slots, lambda held: held > account.queued_count + 1)


def _victims(
    entry: PooledTransaction,
    tails: dict[Address, list[PooledTransaction]],
    missing_slots: int,
    has_too_many: Callable[[int], bool],
) -> list[PooledTransaction]:
    victims = []
    while missing_slots > 0:
        candidates = [held for held in tails.values() if held and not held[-1].local]
        if not candidates:
            raise TransactionError(Reason.POOL_FULL, "txpool is full")
        chosen = max(candidates, key=len)
        if not has_too_many(len(chosen)):
            chosen = min(candidates, key=lambda held: held[-1].price)
            if entry.price <= chosen[-1].price:
                raise TransactionError(Reason.UNDERPRICED, "transaction underpriced")
        victims.append(chosen.pop())
        missing_slots -= victims[-1].slots
    return victims
