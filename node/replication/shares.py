"""The share of a leader that followers of one address may have: sessions, calls, and comparisons of states.

In IPv6, an address means its network of 64 bits (rpc.memory.sources).
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from zevm.node.replication.frames import RefusedError
from zevm.rpc.limits import Limits

WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 1_024


class Allowance:
    """Entries of states that may be compared for one address within a minute. Used on any thread."""

    def __init__(self, share: str, most: int) -> None:
        self._share = share
        self._most = most
        self._used = 0
        self._ends_at = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise RefusedError while all of it is used."""
        with self._lock:
            now = time.monotonic()
            if now >= self._ends_at:
                self._used, self._ends_at = 0, now + WINDOW_SECONDS
            if self._used >= self._most:
                raise RefusedError(
                    f"the leader has compared {self._used} entries of states for {self._share or 'this follower'}, and "
                    f"{self._most} a minute are the limit: it goes on in {self._ends_at - now:.0f} s, or raise "
                    "--rpc-replica-compared-entries there"
                )

    def count(self, entries: int) -> None:
        """Note a comparison."""
        with self._lock:
            self._used += entries


class Shares:
    """The sessions and calls of each address at one leader. On the event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    @contextmanager
    def session(self, share: str) -> Iterator[Allowance]:
        """Count a follower while it is served; its allowance of comparisons. Raises RefusedError."""
        limits = self._limits
        if self._sessions.total() >= limits.replica_followers:
            raise RefusedError(
                f"{limits.replica_followers} followers are connected, which is the limit: follow one of them, "
                "or raise --rpc-replica-followers at the leader"
            )
        if self._sessions[share] >= limits.replica_followers_per_address:
            raise RefusedError(
                f"{limits.replica_followers_per_address} followers of {share} are connected, which is the limit of an "
                "address: follow one of them, or raise --rpc-replica-followers-per-address at the leader"
            )
        with _counted(self._sessions, share):
            yield self._allowance(share)

    @contextmanager
    def call(self, share: str) -> Iterator[None]:
        """Count a forwarded call while it runs. Raises RefusedError."""
        limits = self._limits
        if self._calls.total() >= limits.replica_calls:
            raise RefusedError(
                f"{limits.replica_calls} calls of followers are running at the leader: try again later, or "
                "raise --rpc-replica-calls there"
            )
        if self._calls[share] >= limits.replica_calls_per_address:
            raise RefusedError(
                f"{limits.replica_calls_per_address} calls of followers of {share} are running at the leader: try "
                "again later, or raise --rpc-replica-calls-per-address there"
            )
        with _counted(self._calls, share):
            yield

    def _allowance(self, share: str) -> Allowance:
        """The one of an address; the addresses that came longest ago are forgotten."""
        allowance = self._allowances.pop(share, None) or Allowance(share, self._limits.replica_compared_entries)
        self._allowances[share] = allowance
        if len(self._allowances) > _MOST_ADDRESSES:
            self._allowances.popitem(last=False)
        return allowance


@contextmanager
def _counted(counter: Counter[str], share: str) -> Iterator[None]:
    counter[share] += 1
    try:
        yield
    finally:
        counter[share] -= 1
        if not counter[share]:
            del counter[share]
