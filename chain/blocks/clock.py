"""The chain's clock: wall time, shifted and fixed by development requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from zevm.chain.errors import EqualTimestampsError, InvalidRequestError
from zevm.chain.rules.bounds import TIMESTAMP, TIMESTAMP_INTERVAL


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clock's part of a snapshot, in seconds."""

    offset: int = 0
    next_timestamp: int | None = None
    interval: int | None = None


class Timeline:
    """The time that the clocks of several chains share: what moves one moves all. offset: see Clock."""

    def __init__(self) -> None:
        self.offset = 0


class Clock:
    """Chooses the timestamps of blocks, in seconds since 1970.

    On a timeline of several chains a revert takes the time of all back, and where two chains move the time at the same
    instant, one of the moves holds.
    """

    def __init__(self, now: Callable[[], float] = time.time, timeline: Timeline | None = None) -> None:
        self._now = now
        self._timeline = timeline or Timeline()
        self._state = ClockState()
        self.least_step = 1
        """Seconds that lie between blocks at least: 1 by Ethereum's rules, 0 where equal timestamps may be."""

    @property
    def state(self) -> ClockState:
        """The clock's part of a snapshot; one that is set sets the timeline too."""
        if self._state.offset != self._timeline.offset:
            self._state = replace(self._state, offset=self._timeline.offset)
        return self._state

    @state.setter
    def state(self, state: ClockState) -> None:
        self._state = state
        self._timeline.offset = state.offset

    @property
    def offset(self) -> int:
        """Seconds by which the chain's time is ahead of the wall's."""
        return self.state.offset

    def now(self) -> int:
        """The chain's time."""
        return int(self._now()) + self.state.offset

    def increase(self, seconds: int, parent_timestamp: int = 0) -> int:
        """Move the clock `seconds` past what it shows; the whole offset in seconds is returned.

        Quick blocks can run ahead of the wall clock: then the clock moves from `parent_timestamp` on, so that
        the next block is never less than `seconds` after its parent. Raises InvalidRequestError past the last time.
        """
        ahead = max(0, parent_timestamp - self.now())
        TIMESTAMP.check(self.now() + ahead + seconds)
        self.state = replace(self.state, offset=self.state.offset + ahead + seconds)
        return self.state.offset

    def set_time(self, timestamp: int) -> int:
        """Let the chain's time be `timestamp` now; the offset is returned. Raises InvalidRequestError."""
        self.state = replace(self.state, offset=TIMESTAMP.check(timestamp) - int(self._now()))
        return self.state.offset

    def reach(self, timestamp: int) -> None:
        """Let the chain's time be no earlier than `timestamp`."""
        if timestamp > self.now():
            self.set_time(timestamp)

    def set_next_timestamp(self, timestamp: int, parent_timestamp: int) -> None:
        """Fix the next block's timestamp, and let time go on from there."""
        if timestamp < parent_timestamp + self.least_step:
            than = "lower than or equal to" if self.least_step else "lower than"
            raise InvalidRequestError(
                f"Timestamp error: {timestamp} is {than} previous block's timestamp {parent_timestamp}"
            )
        self.state = replace(self.state, next_timestamp=TIMESTAMP.check(timestamp))

    def check_interval(self, seconds: int) -> None:
        """Raise InvalidRequestError for an interval between blocks that may not be."""
        if seconds < self.least_step:
            raise EqualTimestampsError(
                f"Timestamp error: an interval of {seconds} seconds gives blocks equal timestamps"
            )

    def set_interval(self, seconds: int) -> None:
        """Let every block be `seconds` after its parent, whatever the wall clock says. Raises InvalidRequestError."""
        self.check_interval(seconds)
        self.state = replace(self.state, interval=TIMESTAMP_INTERVAL.check(seconds))

    def remove_interval(self) -> bool:
        """Undo `set_interval`; whether there was one."""
        had_one = self.state.interval is not None
        self.state = replace(self.state, interval=None)
        return had_one

    def peek(self, parent_timestamp: int) -> int:
        """The timestamp that a block built now would have."""
        earliest, state = parent_timestamp + self.least_step, self.state
        if state.next_timestamp is not None:
            return max(state.next_timestamp, earliest)
        if state.interval is not None:
            return parent_timestamp + max(state.interval, self.least_step)
        return max(int(self._now()) + state.offset, earliest)

    def pass_block(self, parent_timestamp: int) -> None:
        """Use up a fixed next timestamp, which the block after the one with `parent_timestamp` has taken."""
        if self._state.next_timestamp is not None:
            self.take(parent_timestamp)

    def take(self, parent_timestamp: int) -> int:
        """As `peek`, and use up a fixed next timestamp: later blocks follow it."""
        timestamp = self.peek(parent_timestamp)
        if self.state.next_timestamp is not None:
            self.state = replace(self.state, next_timestamp=None, offset=timestamp - int(self._now()))
        return timestamp
