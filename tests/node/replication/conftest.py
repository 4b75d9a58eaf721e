"""Leaders and followers in this process, over TCP."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import zevm
from tests.node.replication.links import Door, dial_to
from zevm.chain.events import Event
from zevm.node.replication import dialling
from zevm.node.replication.service import Replication
from zevm.node.settings import NodeSettings

WAIT_SECONDS = 20


def replication_of(node: zevm.Node) -> Replication:
    replication = node._opened().core.replication
    assert replication is not None
    return replication


class Pair:
    """A node that leads, with the port that its followers reach it at."""

    def __init__(self, node: zevm.Node) -> None:
        self.node = node
        self.door: Door | None = None

    def lead(self, port: int = 0) -> str:
        """Serve followers; the address."""
        running = self.node._opened()
        server, replication = running.server, replication_of(self.node)

        async def begin() -> Door:
            replication.lead(server.dispatcher.answer)
            leader = replication.leader
            assert leader is not None
            door = Door(leader.serve)
            await door.open(port)
            return door

        self.door = server.in_process.run(begin()).result()
        return f"127.0.0.1:{self.door.port}"

    def cut(self) -> None:
        assert self.door is not None
        self.node._door().run(self.door.cut()).result()

    def shut(self) -> None:
        if self.door is not None:
            self.node._door().run(self.door.shut()).result()


def wait_for(node: zevm.Node, condition: Callable[[], bool]) -> None:
    """Wait until a chain's event has made a condition true."""
    happened = threading.Event()

    def listen(_: Event) -> None:
        happened.set()

    cancel = node.chain.events.subscribe(listen)
    try:
        while not condition():
            assert happened.wait(WAIT_SECONDS), "the follower does not get there"
            happened.clear()
    finally:
        cancel()


def same(one: zevm.Node, other: zevm.Node) -> bool:
    """Whether two nodes have the same head and state."""
    left, right = one.chain.head, other.chain.head
    return left.header.hash == right.header.hash and left.state.root == right.state.root


def caught_up(follower: zevm.Node, leader: zevm.Node) -> None:
    """Wait until a follower is where its leader is."""
    wait_for(follower, lambda: same(follower, leader))


class Told(logging.Handler):
    """Sets an event with each record of a follower."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = threading.Event()

    def emit(self, _: logging.LogRecord) -> None:
        self.happened.set()


def refusal_of(node: zevm.Node, words: str) -> str:
    """Wait until a follower refuses its leader; the reason, in which the words are found."""
    follower, told = replication_of(node).follower, Told()
    assert follower is not None
    logger = logging.getLogger("zevm.node.replication")
    logger.addHandler(told)
    try:
        while (refusal := follower.report().refusal) is None:
            assert told.happened.wait(WAIT_SECONDS), "the follower refuses nothing"
            told.happened.clear()
    finally:
        logger.removeHandler(told)
    assert re.search(words, refusal), refusal
    return refusal


Open = Callable[..., zevm.Node]


@pytest.fixture(autouse=True)
def over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers reach their leaders over TCP."""

    def dial_of(settings: NodeSettings) -> object:
        return None if settings.follow is None else dial_to(settings.follow)

    monkeypatch.setattr(dialling, "dial_of", dial_of)


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open nodes; what is open at the end of the test is closed, the newest first."""
    nodes: list[zevm.Node] = []

    def begin(**settings: Any) -> zevm.Node:
        node = zevm.Node(**settings)
        node.open()
        nodes.append(node)
        return node

    yield begin
    for node in reversed(nodes):
        node.close()


@pytest.fixture
def leading(opened: Open) -> Iterator[Pair]:
    """A development node that leads."""
    pair = Pair(opened())
    yield pair
    pair.shut()
