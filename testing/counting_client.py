"""Answers of a node in this process instead of another node's, counted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import zevm
from zevm.chain.rules.networks import schedule_of
from zevm.node.origin.blocks import header_of
from zevm.node.origin.client import Call, OriginClient
from zevm.node.origin.kept import Kept
from zevm.node.origin.source import RemoteOrigin


class CountingClient(OriginClient):
    """asked: times that each first parameter was asked for. rounds: messages, of any number of calls."""

    def __init__(self, node: "zevm.Node") -> None:
        super().__init__(())
        self.node = node
        self.asked: Counter[str] = Counter()
        self.rounds = 0

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        self.rounds += bool(calls)
        self.asked.update(str(call.params[0]) for call in calls)
        return [self.node.request(call.method, *call.params) for call in calls]


def origin_of(client: CountingClient, items: int = 1_000, kept: Kept | None = None) -> RemoteOrigin:
    """The node's chain up to its newest block, as the origin of a fork."""
    header = header_of(client.node.request("eth_getBlockByNumber", "latest", False))
    return RemoteOrigin(client, header, schedule_of(31_337, header), items, kept)
