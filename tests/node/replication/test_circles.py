"""Nodes that follow each other in a circle: one of them sees it, and refuses."""

from __future__ import annotations

import logging

import pytest

from testing.ports import free_ports
from tests.node.replication.conftest import WAIT_SECONDS, Open, Pair, Told, caught_up, replication_of
from tests.node.replication.test_replica_faults import GENESIS
from zevm.node.replication.lineage import MOST_LEADERS
from zevm.node.replication.messages import MessageError, Welcome


@pytest.mark.parametrize(
    ("count", "words"), [(1, "it is this node itself"), (3, "it follows this node, with 1 others in between")]
)
def test_a_circle_is_refused(count: int, words: str, opened: Open) -> None:
    told, logger = Told(), logging.getLogger("zevm.node.replication")
    logger.addHandler(told)
    pairs: list[Pair] = []
    try:
        ports = free_ports(count)
        for index, port in enumerate(ports):
            pair = Pair(opened(follow=f"127.0.0.1:{ports[(index + 1) % count]}", genesis=GENESIS))
            pair.lead(port)
            pairs.append(pair)
        followers = [replication_of(pair.node).follower for pair in pairs]
        while not (refusals := [item.report().refusal for item in followers if item and item.report().refusal]):
            assert told.happened.wait(WAIT_SECONDS), "no node sees the circle"
            told.happened.clear()
        assert refusals[0].startswith(words), refusals
        assert refusals[0].endswith("no node of a circle makes blocks; --follow the one that makes them")
    finally:
        logger.removeHandler(told)
        for pair in pairs:
            pair.shut()


def test_a_line_is_followed_to_its_end_whichever_node_comes_first(opened: Open, leading: Pair) -> None:
    (port,) = free_ports(1)
    middle = Pair(opened(follow=f"127.0.0.1:{port}", genesis=leading.node.chain.genesis))
    last = opened(follow=middle.lead())
    # the middle node gets its leader after its follower
    leading.lead(port)
    leading.node.request("anvil_mine", 3)
    caught_up(last, leading.node)
    path = replication_of(last)._lineage.path
    assert path[1:] == replication_of(middle.node)._lineage.path
    assert path[2:] == replication_of(leading.node)._lineage.path
    middle.shut()


def test_a_line_has_a_length() -> None:
    nodes = tuple(bytes([number]) * 16 for number in range(MOST_LEADERS + 1))
    longest = Welcome(bytes(32), b"", {}, "", 0, nodes[:-1])
    assert Welcome.decode(longest.encode()) == longest
    with pytest.raises(MessageError, match="one too many"):
        Welcome.decode(Welcome(bytes(32), b"", {}, "", 0, nodes).encode())
