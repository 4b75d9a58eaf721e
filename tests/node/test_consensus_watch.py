"""The watch over the consensus client: what the log says while no call comes."""

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zevm.chain.blockchain import Chain
from zevm.chain.rules.genesis import load_default_genesis
from zevm.node.consensus_watch import SILENCE_SECONDS, ConsensusWatch
from zevm.node.core import Observers
from zevm.storage.database import Database

WAIT_SECONDS = 20


class Lines(logging.Handler):
    """Collects messages, and lets a test wait for a number of them."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.messages.append(record.getMessage())
            self._changed.notify_all()

    def wait(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= count, WAIT_SECONDS), self.messages
            return list(self.messages)


@pytest.fixture
def chain() -> Iterator[Chain]:
    database = Database.open(None)
    chain = Chain(database, load_default_genesis())
    yield chain
    chain.close()
    database.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, handler = logging.getLogger("zevm.node"), Lines()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_silence_is_told_once_and_so_is_its_end(chain: Chain, lines: Lines) -> None:
    watch = ConsensusWatch(chain, Path("jwt.hex"), silence_seconds=0.05)
    watch.start()
    head = f"0x{chain.head.header.hash.hex()}"
    silent = rf"no call of the consensus client for \d+ s: the head is block 0 {head}, no block is final"
    lines.wait(1)
    watch.called()
    first, back, again = lines.wait(3)
    assert re.fullmatch(silent, first)
    assert re.fullmatch(silent, again)
    assert re.fullmatch(r"the consensus client calls again, after \d+ s", back)
    watch.close()
    assert len(lines.messages) == 3


def test_calls_of_others_do_not_count(chain: Chain, lines: Lines) -> None:
    watch = ConsensusWatch(chain, Path("jwt.hex"), silence_seconds=0.05)
    observers = Observers(lambda *_: None, None, watch)
    watch.start()
    lines.wait(1)
    observers.called("eth_blockNumber", [], 0.0, None)
    assert len(lines.messages) == 1
    observers.called("engine_exchangeCapabilities", [], 0.0, None)
    assert lines.wait(2)[1].startswith("the consensus client calls again, after ")
    watch.close()


def test_a_client_that_calls_is_not_called_silent(chain: Chain, lines: Lines) -> None:
    assert SILENCE_SECONDS == 120
    watch = ConsensusWatch(chain, Path("jwt.hex"))
    watch.start()
    watch.called()
    watch.close()
    assert lines.messages == []


def test_a_watch_that_was_not_started_can_be_closed(chain: Chain, lines: Lines) -> None:
    before = threading.active_count()
    watch = ConsensusWatch(chain, Path("jwt.hex"), silence_seconds=0)
    watch.close()
    watch.called()
    assert threading.active_count() == before
    assert lines.messages == []
