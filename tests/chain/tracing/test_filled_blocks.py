"""Walks over blocks with transactions see all of them, whatever the chain does, and read each header once."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.chain.chain_fixtures import ALICE, MANUAL, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.canonical.records import Records
from zevm.chain.tracing import filled_blocks
from zevm.chain.tracing.filled_blocks import FilledBlocks


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filled_blocks, "SPAN_BLOCKS", 8)


@pytest.fixture
def chain() -> Iterator[Chain]:
    running = open_chain(options=MANUAL)
    yield running
    running.close()


class Growing:
    """Makes blocks, some with a transaction."""

    def __init__(self, chain: Chain, seed: int) -> None:
        self.chain = chain
        self.random = Random(seed)

    def grow(self, count: int) -> None:
        for _ in range(count):
            if self.random.random() < 0.3:
                nonce = self.chain.head.state.account(ALICE).nonce
                self.chain.writer.run(self.chain.send_transaction, transfer(nonce))
            self.chain.writer.run(self.chain.mine)


def truth(chain: Chain, numbers: range) -> list[int]:
    return [number for number in numbers if chain.block_by_number(number).transactions]


def found(filled: FilledBlocks, numbers: range) -> list[int]:
    return list(filled.within(numbers, lambda _: None))


@pytest.mark.parametrize("seed", range(4))
def test_all_blocks_with_transactions_are_found_whatever_was_known_before(chain: Chain, seed: int) -> None:
    growing, filled = Growing(chain, seed), FilledBlocks(chain)
    for _ in range(12):
        growing.grow(growing.random.randrange(1, 9))
        if growing.random.random() < 0.4:
            chain.writer.run(chain.rewind_to, growing.random.randrange(chain.head.number))
            growing.grow(3)
        first = growing.random.randrange(chain.head.number + 1)
        last = growing.random.randrange(first, chain.head.number + 1)
        for numbers in (range(first, last + 1), range(last, first - 1, -1), range(chain.head.number, -1, -1)):
            assert found(filled, numbers) == truth(chain, numbers)


def test_a_header_is_read_once(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    Growing(chain, 1).grow(40)
    filled, read = FilledBlocks(chain), list[bytes]()
    link_of = Records.link_of

    def noted(records: Records, block_hash: bytes) -> Any:
        read.append(block_hash)
        return link_of(records, block_hash)

    monkeypatch.setattr(Records, "link_of", noted)
    want = truth(chain, range(40, -1, -1))
    assert found(filled, range(40, -1, -1)) == want
    assert len(read) == len(set(read)) == 41
    assert found(filled, range(40, -1, -1)) == want
    assert found(filled, range(3, 30)) == truth(chain, range(3, 30))
    assert len(read) == 41
    Growing(chain, 2).grow(1)
    assert found(filled, range(41, -1, -1)) == truth(chain, range(41, -1, -1))
    assert len(read) == 42


def test_a_walk_ends_where_its_check_says_so(chain: Chain) -> None:
    Growing(chain, 1).grow(30)
    told = list[int]()

    def check(number: int) -> None:
        told.append(number)
        if number < 16:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        list(FilledBlocks(chain).within(range(30, -1, -1), check))
    assert told == [30, 23, 15]


def test_a_block_that_is_removed_meanwhile_is_not_taken_for_an_empty_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    Growing(chain, 1).grow(12)
    filled, gone = FilledBlocks(chain), chain.header_by_number(10).hash
    link_of = Records.link_of
    with monkeypatch.context() as patch:
        patch.setattr(Records, "link_of", lambda records, each: None if each == gone else link_of(records, each))
        assert set(range(8, 11)) <= set(found(filled, range(12, 7, -1)))
    assert found(filled, range(12, 7, -1)) == truth(chain, range(12, 7, -1))


def test_few_spans_are_kept(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filled_blocks, "KEPT_SPANS", 2)
    Growing(chain, 1).grow(60)
    filled = FilledBlocks(chain)
    assert found(filled, range(60, -1, -1)) == truth(chain, range(60, -1, -1))
    assert len(filled._spans) == 2


def test_a_chain_that_begins_earlier_than_the_one_before_is_looked_at_again(chain: Chain) -> None:
    """Its newest block may be the same: two state files of one chain, with more and with fewer of its blocks."""
    Growing(chain, 1).grow(12)
    history = [chain.records.record(chain.header_by_number(number).hash) for number in range(13)]
    other = open_chain(options=MANUAL)
    filled = FilledBlocks(other)
    for begin in (5, 3, 0):
        other.writer.run(other.adopt, history[begin:], lambda _: None)
        for numbers in (range(begin, 13), range(12, begin - 1, -1)):
            assert found(filled, numbers) == truth(other, numbers)
    other.close()
