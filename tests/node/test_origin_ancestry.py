"""Ancestors of a forked block, asked for by many threads at once."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import zevm
from zevm.chain.rules.networks import schedule_of
from zevm.chain.types import Header
from zevm.node.origin.blocks import header_of
from zevm.node.origin.client import Call, OriginClient
from zevm.node.origin.source import RemoteOrigin
from zevm.storage import schema

BLOCKS = 200
THREADS = 8


class Counting(OriginClient):
    """Answers blocks of a node in this process, one call at a time, and counts them."""

    def __init__(self, node: "zevm.Node") -> None:
        super().__init__(())
        self.node = node
        self.asked: Counter[str] = Counter()

    def call_all(self, calls: Sequence[Call]) -> list[object]:
        self.asked.update(str(call.params[0]) for call in calls)
        return [self.node.request(call.method, *call.params) for call in calls]


def test_threads_that_ask_for_different_ancestors_read_each_header_once() -> None:
    with zevm.Node() as node:
        node.request("anvil_mine", hex(BLOCKS))
        client = Counting(node)
        header: Header = header_of(node.request("eth_getBlockByNumber", "latest", False))
        origin = RemoteOrigin(client, replace(header), schedule_of(31_337, header), 1_000)
        together = Barrier(THREADS)

        def ask(number: int) -> bytes | None:
            together.wait()
            return origin.record(schema.canonical_key(number))

        asked = [BLOCKS - 2 - 20 * index for index in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            hashes = list(threads.map(ask, asked))
        wanted = [node.request("eth_getBlockByNumber", hex(number), False)["hash"] for number in asked]
    assert [f"0x{block_hash.hex()}" for block_hash in hashes if block_hash] == wanted
    assert set(client.asked.values()) == {1}
    assert len(client.asked) == BLOCKS - 1 - min(asked)
