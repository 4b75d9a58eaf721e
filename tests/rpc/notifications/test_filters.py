"""Polling filters: what they collect, and their bounds."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.rpc.support import ALICE, BOB, TOPIC, block, log, transaction
from zevm.chain.events import HeadChanged
from zevm.chain.types.block_reference import EARLIEST, LATEST, BlockReference
from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.errors import InvalidParamsError, LimitExceededError
from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import OutputBudget
from zevm.rpc.notifications.events import HeadEvent, TransactionEvent
from zevm.rpc.notifications.filters import FilterNotFoundError, Filters, check_log_filter


@pytest.fixture(autouse=True)
def one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """All filters are offered an event at once."""
    monkeypatch.setattr("zevm.rpc.notifications.filters.SLICE_SECONDS", 1_000.0)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def heads(*added: Any, removed: Any = ()) -> HeadEvent:
    return HeadEvent(HeadChanged(added, removed))


def collect(filters: Filters, identifier: str) -> list[Any]:
    return [orjson.loads(change) for change in filters.changes(identifier)]


async def test_blocks_and_transactions_since_the_last_call() -> None:
    filters = Filters(Limits())
    filters.publish(heads(block(1)))
    blocks, hashes, whole = (
        filters.new_block_filter(),
        filters.new_pending_transaction_filter(),
        filters.new_pending_transaction_filter(full=True),
    )
    assert len({blocks, hashes, whole}) == 3
    assert all(len(identifier) == 34 and identifier[2] != "0" for identifier in (blocks, hashes, whole))
    second, third, arrived = block(2), block(3), transaction(1)
    filters.publish(heads(second, third))
    filters.publish(TransactionEvent(arrived))
    assert collect(filters, blocks) == ["0x" + second.block.hash.hex(), "0x" + third.block.hash.hex()]
    assert collect(filters, blocks) == []
    assert collect(filters, hashes) == ["0x" + arrived.hash.hex()]
    assert collect(filters, whole)[0]["nonce"] == "0x1"


async def test_logs_of_the_range_with_removed_ones() -> None:
    filters = Filters(Limits())
    every = filters.new_log_filter(LogFilter(from_block=EARLIEST, to_block=LATEST))
    ranged = filters.new_log_filter(LogFilter(from_block=BlockReference(number=2), to_block=BlockReference(number=3)))
    chosen = filters.new_log_filter(LogFilter(addresses=(BOB,), topics=((TOPIC,),)))
    old = block(3, (log(ALICE), log(BOB, TOPIC)), (log(BOB),))
    for item in (block(1, (log(),)), block(2, (log(),)), old, block(4, (log(),))):
        filters.publish(heads(item))
    filters.publish(heads(removed=(old,)))
    assert [entry["blockNumber"] for entry in collect(filters, every)] == [
        "0x1",
        "0x2",
        *["0x3"] * 3,
        "0x4",
        *["0x3"] * 3,
    ]
    assert [entry["blockNumber"] for entry in collect(filters, ranged)] == ["0x2", *["0x3"] * 6]
    entries = collect(filters, chosen)
    assert [(entry["removed"], entry["logIndex"]) for entry in entries] == [(False, "0x1"), (True, "0x1")]
    assert entries[0]["transactionHash"] == "0x" + old.block.transactions[0].hash.hex()


async def test_unknown_and_uninstalled_filters() -> None:
    filters = Filters(Limits())
    identifier = filters.new_block_filter()
    with pytest.raises(FilterNotFoundError, match=r"^filter not found$"):
        filters.criteria(identifier)
    assert filters.uninstall(identifier) is True
    assert filters.uninstall(identifier) is False
    for use in (filters.changes, filters.criteria):
        with pytest.raises(FilterNotFoundError):
            use(identifier)


async def test_idle_filters_go_used_ones_stay() -> None:
    clock = Clock()
    filters = Filters(Limits(filter_idle_seconds=300.0), clock)
    used, idle = filters.new_block_filter(), filters.new_block_filter()
    clock.now += 200
    filters.changes(used)
    clock.now += 100
    assert len(filters) == 2
    clock.now += 0.1
    assert len(filters) == 1
    with pytest.raises(FilterNotFoundError):
        filters.changes(idle)
    assert filters.changes(used) == []


async def test_number_limit() -> None:
    clock = Clock()
    filters = Filters(Limits(filters=2), clock)
    first = filters.new_block_filter()
    filters.new_block_filter()
    with pytest.raises(LimitExceededError, match="2 filters"):
        filters.new_block_filter()
    filters.uninstall(first)
    filters.new_block_filter()
    clock.now += 10_000
    filters.new_block_filter()
    assert len(filters) == 1


async def test_item_limit() -> None:
    filters = Filters(Limits(filter_items=3))
    identifier = filters.new_block_filter()
    filters.publish(heads(block(1), block(2), block(3)))
    assert len(filters.changes(identifier)) == 3
    filters.publish(heads(block(1), block(2), block(3)))
    filters.publish(heads(block(4)))
    with pytest.raises(FilterNotFoundError):
        filters.changes(identifier)


async def test_b9_byte_limit_of_one_filter() -> None:
    """B9: by bytes as well as by number; what was collected is given back."""
    size = len(heads(block(1, (log(data=bytes(1_000)),))).logs[0].encoded)
    for limit, kept in ((3 * size, True), (3 * size - 1, False)):
        budget = OutputBudget(10**9)
        filters = Filters(Limits(response_bytes=limit), budget=budget)
        identifier = filters.new_log_filter(LogFilter())
        for number in (1, 2, 3):
            filters.publish(heads(block(number, (log(data=bytes(1_000)),))))
        assert len(filters) == kept
        if kept:
            assert budget.used_bytes == 3 * size
            assert len(filters.changes(identifier)) == 3
        assert budget.used_bytes == 0


async def test_b9_filters_of_all_clients_share_the_output_budget() -> None:
    """B9: what many filters hold is held once, and past the budget the greatest give way."""
    budget = OutputBudget(100_000)
    filters = Filters(Limits(), budget=budget)
    for _ in range(20):
        filters.new_log_filter(LogFilter())
    few = filters.new_block_filter()
    for number in range(20):
        filters.publish(heads(block(number, (log(data=bytes(2_000)),))))
        await asyncio.sleep(0)
        assert len(filters) == 21
        assert budget.used_bytes < 100_000
    for number in range(20, 40):
        filters.publish(heads(block(number, (log(data=bytes(2_000)),))))
        await asyncio.sleep(0)
    assert len(filters) == 1
    assert len(filters.changes(few)) == 40
    assert budget.used_bytes == 0


async def test_b9_many_filters_stop_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """B9: filters are offered an event in slices; each sees it once, and before it is asked."""
    monkeypatch.setattr("zevm.rpc.notifications.filters.SLICE_SECONDS", 0.0)
    filters = Filters(Limits())
    identifiers = [filters.new_block_filter() for _ in range(50)]
    filters.publish(heads(block(1)))
    filters.publish(heads(block(2)))
    assert filters.waiting_bytes > 0
    late = filters.new_block_filter()
    first, last = identifiers[0], identifiers[-1]
    assert len(filters.changes(last)) == 2
    assert len(filters.changes(first)) == 2
    turns = 0
    while filters.waiting_bytes:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 50
    assert [len(filters.changes(identifier)) for identifier in identifiers] == [0, *[2] * 48, 0]
    assert filters.changes(late) == []


async def test_s3_events_that_wait_for_filters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.rpc.notifications.filters.SLICE_SECONDS", 0.0)
    filters = Filters(Limits(event_bytes=10 * 1_024))
    for _ in range(5):
        filters.new_block_filter()
    for number in range(11):
        filters.publish(heads(block(number)))
    assert len(filters) == 5
    filters.publish(heads(block(11)))
    assert len(filters) == 0
    while filters.waiting_bytes:
        await asyncio.sleep(0)


def test_criteria_that_are_refused() -> None:
    filters = Filters(Limits())
    with pytest.raises(InvalidParamsError, match="blockHash"):
        filters.new_log_filter(LogFilter(block_hash=bytes(32)))
    with pytest.raises(InvalidParamsError, match=r"^invalid block range params$"):
        filters.new_log_filter(LogFilter(from_block=BlockReference(number=3), to_block=BlockReference(number=2)))


@pytest.mark.parametrize("what", ["addresses", "topics"])
def test_address_and_topic_limits(what: str) -> None:
    limits = Limits(log_addresses=3, log_topics=3)

    def criteria(count: int) -> LogFilter:
        items = tuple(bytes((number,)) * 32 for number in range(count))
        return LogFilter(addresses=items) if what == "addresses" else LogFilter(topics=((), items))

    check_log_filter(criteria(2), limits)
    check_log_filter(criteria(3), limits)
    with pytest.raises(InvalidParamsError, match="exceed max addresses or topics per search position"):
        check_log_filter(criteria(4), limits)
