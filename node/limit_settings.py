"""The settings that are limits, of the server and of the pool: one for each row of their tables."""

from dataclasses import fields
from typing import Any

from zevm.chain.pool.limits import PoolLimits
from zevm.node.setting_kinds import LIMITS, POOL, dashed, setting
from zevm.rpc.limits import limit_rows

POOL_EFFECTS = {
    "account_slots": "Executable transactions guaranteed to an account when the pool is full.",
    "global_slots": "Slots of 32 KiB for executable transactions of all accounts; 0 for no limit.",
    "account_queue": "Queued transactions of one account; 0 for no limit.",
    "global_queue": "Slots of 32 KiB for queued transactions of all accounts; 0 for no limit.",
    "account_blob_transactions": "Blob transactions of one account; 0 for no limit.",
    "lifetime_seconds": "How long queued transactions stay after their account's last activity; 0 for no limit.",
    "max_transaction_bytes": "Size of one transaction, without blobs; 0 for no limit.",
    "minimum_tip_wei": "Minimum priority fee per gas.",
    "price_bump_percent": "Required increase of both fee caps in a replacement transaction.",
    "blob_price_bump_percent": "Required increase of all fee caps in a replacement blob transaction.",
    "limit_delegated": "Limit accounts with delegated code (EIP-7702) to one transaction in flight, as geth does.",
}
_ZERO_MEANS_NONE = frozenset({"transaction_fee_cap_wei", "log_block_range"})
_LEAST_DATAGRAM_BYTES = 1_200
"""QUIC asks no less of a path (RFC 9000, 14)."""
_MOST_SECONDS = 10**9
_MOST = 2**60
"""Of most limits; of streams it is QUIC's own (RFC 9000, 4.6)."""
_MOST_OF_KIND = {"_wei": 2**256 - 1, "_gas": 2**64 - 1, "evm_workers": 1_024, "datagram_bytes": 65_527}
"""End of a name -> the most. Each worker is a thread from the start; of datagrams it is UDP's (RFC 9000, 18.2)."""


def limit_fields() -> dict[str, Any]:
    """A field for each of the server's and the pool's limits."""
    found: dict[str, Any] = {}
    for row in limit_rows():
        least: dict[str, Any] = {"ge": 0} if row.name in _ZERO_MEANS_NONE else {"gt": 0}
        if row.name.endswith("datagram_bytes"):
            least = {"ge": _LEAST_DATAGRAM_BYTES}
        most = _most(row.name, type(row.default))
        field = setting(row.default, row.flag, panel=LIMITS, metavar="NUMBER", about=row.effect + ".", le=most, **least)
        found[f"rpc_{row.name}"] = (type(row.default), field)
    for item in fields(PoolLimits):
        if item.name == "check_balances":
            continue
        name, kind = f"pool_{item.name}", type(item.default)
        extra: dict[str, Any] = {} if kind is bool else {"metavar": "NUMBER", "ge": 0, "le": _most(name, kind)}
        field = setting(item.default, f"--{dashed(name)}", panel=POOL, about=POOL_EFFECTS[item.name], **extra)
        found[name] = (kind, field)
    return found


def _most(name: str, kind: type) -> int:
    """The largest value of a limit."""
    if kind is float:
        return _MOST_SECONDS
    return next((most for end, most in _MOST_OF_KIND.items() if name.endswith(end)), _MOST)
