"""An event touches those who listen to it: counted by the subscriptions that are asked, not by time."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.rpc.support import ALICE, BOB, TOPIC, block, log, transaction
from zevm.chain.events import HeadChanged, StatePatched, TransactionAdded
from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.limits import Limits
from zevm.rpc.notifications import selectors
from zevm.rpc.notifications.events import HeadEvent, TransactionEvent
from zevm.rpc.notifications.filters import Filters
from zevm.rpc.notifications.subscriptions import Caller, Frame, Subscription, Subscriptions

MANY = 500


class FakeConnection:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.told: list[Frame] = []
        self.was_cut = False

    def notify(self, frame: Frame) -> None:
        self.told.append(frame)

    def admit_notification(self, frame: Frame) -> bool:  # noqa: ARG002
        return True

    def enqueue(self, frame: Frame) -> None:
        self.told.append(frame)

    def release(self, frame: Frame) -> None: ...

    def cut(self, reason: str) -> None:  # noqa: ARG002
        self.was_cut = True


class Counted:
    """Counts which selectors are asked about which event."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        for kind in (selectors.NewHeads, selectors.Logs, selectors.PendingTransactions, selectors.TransactionReceipts):
            monkeypatch.setattr(kind, "select", self._counting(kind.__name__, kind.select))

    def _counting(self, name: str, select: Any) -> Any:
        def counting(selector: Any, event: Any) -> Any:
            self.asked[name] += 1
            return select(selector, event)

        return counting

    def of_last(self) -> dict[str, int]:
        asked, self.asked = dict(self.asked), Counter()
        return asked


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def opened(hub: Subscriptions, connection: FakeConnection, name: str, argument: Any = None) -> Subscription:
    identifier = hub.open(Caller(connection), name, argument)
    subscription = connection.subscriptions[identifier]
    subscription.activate()
    return subscription


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


async def told(hub: Subscriptions, *events: Any) -> None:
    for event in events:
        hub.publish(event)
    while hub._fan_out_task is not None:
        await asyncio.sleep(0)


def heads(*added: Any, removed: Any = ()) -> HeadEvent:
    return HeadEvent(HeadChanged(added, removed))


async def test_an_event_asks_the_listeners_of_its_kind(counted: Counted) -> None:
    hub = Subscriptions(Limits())
    connections = [FakeConnection() for _ in range(MANY)]
    for number, connection in enumerate(connections):
        opened(hub, connection, "newHeads")
        opened(hub, connection, "logs", {"address": "0x" + address(number).hex()})
    await told(hub, TransactionEvent(transaction(1)))
    assert counted.of_last() == {}
    assert hub.waiting_bytes == 0
    await told(hub, heads(block(1)))
    assert counted.of_last() == {"NewHeads": MANY}
    await told(hub, heads(block(2, (log(address(7)),), (log(address(9)), log(address(MANY))))))
    assert counted.of_last() == {"NewHeads": MANY, "Logs": 2}
    assert [number for number, connection in enumerate(connections) if len(connection.told) == 3] == [7, 9]
    await told(hub, heads(removed=(block(2, (log(address(7)),)),)))
    assert counted.of_last() == {"NewHeads": MANY, "Logs": 1}
    opened(hub, connections[0], "newPendingTransactions")
    await told(hub, TransactionEvent(transaction(2)))
    assert counted.of_last() == {"PendingTransactions": 1}


async def test_all_receivers_share_the_bytes() -> None:
    hub = Subscriptions(Limits())
    connections = [FakeConnection() for _ in range(20)]
    for connection in connections:
        opened(hub, connection, "newHeads")
        opened(hub, connection, "logs")
        opened(hub, connection, "logs", {"address": ["0x" + ALICE.hex()], "topics": [None]})
    await told(hub, heads(block(1, (log(ALICE, TOPIC, data=bytes(1_000)),))))
    payloads = {id(frame[1]) for connection in connections for frame in connection.told}
    assert sum(len(connection.told) for connection in connections) == 60
    assert len(payloads) == 2


async def test_a_connection_is_told_in_the_order_of_its_subscriptions() -> None:
    hub, connection = Subscriptions(Limits()), FakeConnection()
    made = [
        opened(hub, connection, "logs", {"address": ["0x" + BOB.hex(), "0x" + ALICE.hex(), "0x" + BOB.hex()]}),
        opened(hub, connection, "newHeads"),
        opened(hub, connection, "syncing"),
        opened(hub, connection, "transactionReceipts"),
        opened(hub, connection, "logs"),
    ]
    event = heads(block(1, (log(ALICE), log(BOB)), (log(address(5)), log(ALICE, TOPIC))))
    await told(hub, event)
    alice, bob, other, last = [item.encoded for item in event.logs]
    head, receipts = event.heads[0], event.all_receipts[0]
    expected = [alice, bob, last, head, receipts, alice, bob, other, last]
    assert [frame[1] for frame in connection.told] == expected
    by_subscription = [made[index].identifier for index in (0, 0, 0, 1, 3, 4, 4, 4, 4)]
    assert [frame[0].decode().split('"')[13] for frame in connection.told] == by_subscription


async def test_who_has_left_is_in_no_set() -> None:
    hub, connection = Subscriptions(Limits()), FakeConnection()
    for argument in (None, {"address": "0x" + ALICE.hex()}):
        opened(hub, connection, "logs", argument).cancel()
    kept = opened(hub, connection, "newHeads")
    kept.cancel()
    kept.cancel()
    assert len(hub) == 0
    assert hub._listeners._by_key == {}
    assert not hub.hears(HeadChanged(()))
    await told(hub, heads(block(1, (log(ALICE),))))
    assert connection.told == []


async def test_a_thread_can_ask_whether_an_event_is_heard() -> None:
    arrived, head = TransactionAdded(transaction(1)), HeadChanged((block(1),))
    for name, hears in (
        ("newHeads", (False, True)),
        ("logs", (False, True)),
        ("transactionReceipts", (False, True)),
        ("newPendingTransactions", (True, False)),
        ("syncing", (False, False)),
    ):
        hub = Subscriptions(Limits())
        opened(hub, FakeConnection(), name)
        assert (hub.hears(arrived), hub.hears(head)) == hears, name
        assert not hub.hears(StatePatched())


async def test_filters_too_are_asked_by_kind_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    filters = Filters(Limits())
    logs = [filters.new_log_filter(LogFilter(addresses=(address(number),))) for number in range(MANY)]
    every = filters.new_log_filter(LogFilter())
    blocks = filters.new_block_filter()
    asked: list[Any] = []
    select = selectors.LogsInRange.select

    def counted(item: Any, event: Any) -> Any:
        asked.append(item)
        return select(item, event)

    monkeypatch.setattr(selectors.LogsInRange, "select", counted)
    filters.publish(TransactionEvent(transaction(1)))
    filters.publish(heads(block(1)))
    assert asked == []
    filters.publish(heads(block(2, (log(address(3)),))))
    while filters._events:
        await asyncio.sleep(0)
    assert len(asked) == 2
    assert [len(filters.changes(identifier)) for identifier in (logs[3], logs[4], every, blocks)] == [1, 0, 1, 2]
