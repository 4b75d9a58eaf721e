"""Limits of the pool, and its conditions for a transaction."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of the pool; geth's values. A count of 0 lifts that limit.

    Slots are units of 32 KiB: most transactions take one. Local transactions (the node's own accounts)
    are spared every limit but the size of a transaction and the replacement rule.
    """

    account_slots: int = 16
    """Executable transactions that an account may have even when the pool is full."""
    global_slots: int = 5_120
    """Slots of executable transactions of all accounts."""
    account_queue: int = 64
    """Queued transactions (nonce gap, or not affordable now) of one account."""
    global_queue: int = 1_024
    """Slots of queued transactions of all accounts."""
    account_blob_transactions: int = 16
    """Blob transactions of one account."""
    lifetime_seconds: float = 3 * 3_600
    """How long queued transactions stay after their account's last activity."""
    max_transaction_bytes: int = 128 * 1024
    """Size of one transaction, blobs apart."""
    minimum_tip_wei: int = 0
    """Least priority fee per gas."""
    price_bump_percent: int = 10
    """Required increase of both fee caps in a replacement."""
    blob_price_bump_percent: int = 100
    """Required increase of all three fee caps in a replacement blob transaction."""
    check_balances: bool = True
    """Whether the sender must be able to pay for its transactions."""
    limit_delegated: bool = False
    """Whether accounts with delegated code (EIP-7702) may have one transaction in flight only, as in geth."""
