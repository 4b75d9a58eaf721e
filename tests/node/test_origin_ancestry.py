"""Ancestors of a forked block, asked for by many threads at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import zevm
from testing.counting_client import CountingClient, origin_of
from zevm.storage import schema

BLOCKS = 200
THREADS = 8


def test_threads_that_ask_for_different_ancestors_read_each_header_once() -> None:
    with zevm.Node() as node:
        node.request("anvil_mine", hex(BLOCKS))
        client = CountingClient(node)
        origin = origin_of(client)
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
