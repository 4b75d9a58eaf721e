"""Forks of a chain whose node hangs: what is local is answered, however many wait for the rest."""

import select
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testing.forked import ForkedNode
from testing.node_process import RpcConnection, RpcError, zevm_command
from testing.origin_chain import SENDER, Chain, forked, store, stored, word
from testing.origin_proxy import OriginProxy

pytestmark = pytest.mark.slow

HUNG = 24
"""Calls that hang: more than there are workers, and than may be asked of a node at once."""

DEPLOYER = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
"""An account of the origin that no fork reads by itself."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


@pytest.fixture
def proxy(origin: Chain) -> Iterator[OriginProxy]:
    with OriginProxy(origin.node.url) as proxy:
        yield proxy


def ask(rpc: RpcConnection, contract: str, slot: int) -> None:
    """Begin a call that reads a slot."""
    params = [{"to": contract, "data": "0x" + word(slot)}, "latest"]
    rpc.send(rpc.frame({"jsonrpc": "2.0", "id": slot, "method": "eth_call", "params": params}))


def test_calls_of_what_is_local_are_answered_while_many_hang(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url, "--rpc-evm-queue-ms", "60000") as node, node.connect() as rpc, ExitStack() as stack:
        assert stored(rpc, origin.contract, 1) == 1001
        store(rpc, origin.contract, 2, 5)
        proxy.held.clear()
        hung = [stack.enter_context(node.connect()) for _ in range(HUNG)]
        for slot, connection in enumerate(hung):
            ask(connection, origin.contract, 8 + slot)
        for slot, value in ((1, 1001), (2, 5)) * 5:
            assert stored(rpc, origin.contract, slot) == value
        trace = rpc.call("debug_traceCall", {"to": origin.contract, "data": "0x" + word(2)}, "latest", {})
        assert int(trace["returnValue"], 16) == 5
        assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) > 0
        assert not proxy.held.is_set()
        proxy.held.set()
        assert all(b'"result":"0x' in connection.receive() for connection in hung)


def test_a_wait_ends_in_time_and_its_fetch_goes_on(origin: Chain, proxy: OriginProxy) -> None:
    """fork_wait_seconds."""
    with forked(proxy.url, "--rpc-fork-wait-seconds", "0.5") as node, node.connect() as rpc:
        assert stored(rpc, origin.contract, 0) == 1000
        proxy.held.clear()
        for _ in range(2):
            with pytest.raises(RpcError, match=f"slot 0x9 of {origin.contract} at block .* has not come") as caught:
                stored(rpc, origin.contract, 9)
            assert caught.value.code == -32000
        with pytest.raises(RpcError, match=rf"{DEPLOYER} at block \d+ has not come"):
            rpc.call("eth_getBalance", DEPLOYER, "latest")
        known = proxy.requests
        proxy.held.set()
        assert stored(rpc, origin.contract, 9) == 1009
        assert proxy.requests == known


def test_no_more_wait_than_may(origin: Chain, proxy: OriginProxy) -> None:
    """fork_waits; and fork_fetches: of several, one at a time is asked for."""
    options = ("--rpc-fork-waits", "2", "--rpc-fork-fetches", "1")
    with forked(proxy.url, *options) as node, node.connect() as rpc, ExitStack() as stack:
        assert stored(rpc, origin.contract, 0) == 1000
        proxy.held.clear()
        known = proxy.requests
        hung = [stack.enter_context(node.connect()) for _ in range(3)]
        for slot, connection in enumerate(hung):
            ask(connection, origin.contract, 30 + slot)
        refused = select.select(hung, [], [], 60)[0]
        assert len(refused) == 1
        assert b"2 executions wait for the forked chain" in refused[0].receive()
        assert proxy.requests <= known + 1
        proxy.held.set()
        assert all(b'"result":"0x' in connection.receive() for connection in hung if connection not in refused)
