"""Reads of a state under a BriefDeadline: those that may wait for a medium look at the clock."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.vm.brief import watched
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.leveldb import LevelStore
from zevm.storage.memory import MemoryStore
from zevm.storage.primitives import ZERO_ADDRESS
from zevm.storage.state_readers import LatestReader


def latest(store: LevelStore | MemoryStore) -> LatestReader:
    return LatestReader(store.snapshot(), EMPTY_ROOT, lambda _: b"")


def test_the_newest_state_in_memory_is_read_without_a_look_at_the_clock() -> None:
    with closing(MemoryStore()) as store:
        reader = latest(store)
        assert watched(reader, BriefDeadline(0, Cancellation())) is reader


def test_a_state_on_the_disk_is_watched(tmp_path: Path) -> None:
    with closing(LevelStore(tmp_path)) as store:
        reader = latest(store)
        assert watched(reader, None) is reader
        assert watched(reader, Deadline.after(60)) is reader
        assert watched(reader, BriefDeadline(time.monotonic() + 60, Cancellation())).account(ZERO_ADDRESS) is None
        late = watched(reader, BriefDeadline(0, Cancellation()))
        reads = (lambda: late.account(ZERO_ADDRESS), lambda: late.storage(ZERO_ADDRESS, 1), lambda: late.code(b""))
        for read in reads:
            with pytest.raises(NotBriefError):
                read()
