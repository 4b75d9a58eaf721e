"""Bounds of a transaction that is admitted, executed and mined on a thread that others wait for: see BriefDeadline.

Its deadline watches the execution. The steps around it look at no clock, so what they work on is small.
"""

from typing import Protocol

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.pool.pool import Pool
from zevm.chain.types import Transaction
from zevm.chain.vm.brief import BRIEF_BYTES
from zevm.chain.vm.interface import Outcome
from zevm.storage.account import StateDiff

BRIEF_CHANGES = 24
"""Most accounts, slots and codes that a block changes: each costs its place in a trie."""

BRIEF_LOGS = 8
"""Most logs of a transaction: each costs its hashes in the bloom filter, and keys for searches."""


BRIEF_WAITING = 2_048
"""Most transactions that wait, for one that will only wait as well: each may have to be looked at."""


class Settling(Protocol):
    """The blocks of a chain (chain.canonical.chain.CanonicalChain), behind which there is work at times."""

    @property
    def is_settling_near(self) -> bool:
        """Whether that may be long behind the next block."""
        ...


def bound_send(transaction: Transaction, pool: Pool, blocks: Settling, deadline: Deadline, *, is_mined: bool) -> None:
    """Raise NotBriefError for a large transaction.

    is_mined: it goes into a block at once. Then also where trie nodes may be written or old blocks pruned behind that,
    and where others wait: it may displace them, or be mined with them. So to take out a transaction that turns out to
    be long leaves the pool as it was. One that waits is not taken out.
    """
    if is_mined:
        deadline.bound(blocks.is_settling_near, 0)
        deadline.bound(not pool.is_empty, 0)
    else:
        deadline.bound(pool.size, BRIEF_WAITING)
    deadline.bound(len(transaction.blob_versioned_hashes) + len(transaction.authorization_list), 0)
    deadline.bound(len(transaction.encoded), BRIEF_BYTES)


def bound_outcome(outcome: Outcome, deadline: Deadline) -> None:
    """Raise NotBriefError for many logs, or much data in them."""
    deadline.bound(len(outcome.logs), BRIEF_LOGS)
    deadline.bound(sum([len(log.data) for log in outcome.logs]), BRIEF_BYTES)


def has_more_changes(diff: StateDiff, most: int) -> bool:
    """Whether a state changes in more than this number of accounts, slots and codes, or a whole storage goes."""
    return bool(diff.wiped) or len(diff.accounts) + sum(map(len, diff.storage.values())) + len(diff.code) > most


def bound_changes(diff: StateDiff, deadline: Deadline) -> None:
    """Raise NotBriefError for many changes of a state, and for an account whose whole storage goes."""
    deadline.bound(has_more_changes(diff, BRIEF_CHANGES), 0)
