"""Timed mining, the clock and the difficulty of blocks before the merge."""

import threading

import pytest

from tests.chain.chain_fixtures import open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.concurrency.writer import Writer, WriterStoppedError
from zevm.chain.events import HeadChanged
from zevm.chain.options import ChainOptions
from zevm.chain.rules.difficulty import next_difficulty
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Header


@pytest.fixture
def timed():
    chain = open_chain(options=ChainOptions(mining=MiningMode(automine=False, interval_ms=20)))
    yield chain
    chain.close()


def wait_for_blocks(chain: Chain, count: int) -> threading.Event:
    reached = threading.Event()

    def listen(event) -> None:
        if isinstance(event, HeadChanged) and chain.head.number >= count:
            reached.set()

    chain.events.subscribe(listen)
    return reached


def test_blocks_come_at_the_interval_and_take_what_waits(timed) -> None:
    transaction_hash = timed.writer.run(timed.send_transaction, transfer(0))
    assert timed.head.number == 0
    reached = wait_for_blocks(timed, 3)
    timed.start()
    assert reached.wait(10)
    assert timed.find_transaction(transaction_hash).block.number == 1


def test_the_switches_are_independent(timed) -> None:
    timed.start()
    timed.mining.set_automine(True)
    assert timed.mining.mode == MiningMode(automine=True, interval_ms=20)
    timed.mining.set_interval_ms(0)
    assert timed.mining.mode == MiningMode(automine=True, interval_ms=0)
    head = timed.writer.run(lambda: timed.head.number)
    timed.writer.run(timed.send_transaction, transfer(0))
    assert timed.head.number == head + 1


def test_an_interval_can_be_resumed(timed) -> None:
    timed.start()
    timed.mining.set_interval_ms(0)
    stopped_at = timed.writer.run(lambda: timed.head.number)
    reached = wait_for_blocks(timed, stopped_at + 2)
    timed.mining.set_interval_ms(10)
    assert reached.wait(10)


def test_a_stopped_writer_refuses_work() -> None:
    writer = Writer()
    assert writer.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        writer.run(lambda: 1 // 0)
    writer.stop()
    with pytest.raises(WriterStoppedError):
        writer.submit(lambda: 1)


def test_the_clock() -> None:
    seconds = 1000.9
    clock = Clock(lambda: seconds)
    assert clock.peek(10) == 1000
    assert clock.peek(1000) == clock.take(1000) == 1001
    assert clock.increase(50) == 50
    assert clock.peek(0) == 1050
    assert clock.increase(50, parent_timestamp=2000) == 1050
    assert clock.peek(0) == 2050
    assert clock.set_time(500) == -500
    assert clock.now() == 500
    clock.set_next_timestamp(9000, 8999)
    assert clock.take(8999) == 9000
    assert clock.peek(9000) == 9001
    clock.set_interval(12)
    assert clock.take(9000) == 9012
    assert clock.remove_interval()
    assert not clock.remove_interval()


# Ethereum mainnet's own blocks: parent difficulty, number, timestamps, and the difficulty that followed
@pytest.mark.parametrize(
    ("fork", "number", "difficulty", "parent_time", "time", "want"),
    [
        (Fork.FRONTIER, 0, 17_179_869_184, 0, 1_438_269_988, 17_171_480_576),
        (Fork.FRONTIER, 1, 17_171_480_576, 1_438_269_988, 1_438_270_017, 17_163_096_064),
        (Fork.PARIS, 15_537_393, 11_055_787_484_078_698, 1, 13, 0),
    ],
)
def test_difficulty(fork: Fork, number: int, difficulty: int, parent_time: int, time, want) -> None:
    parent = Header(parent_hash=bytes(32), number=number, difficulty=difficulty, timestamp=parent_time)
    assert next_difficulty(parent, time, fork) == want
