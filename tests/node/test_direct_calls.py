"""Calls of a node's own process that do without its event loop."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import zevm

ENDLESS = "0x5b600056"
"""JUMPDEST PUSH1 0 JUMP."""

CONTRACT = "0x" + "e1" * 20
CALL = {"to": CONTRACT, "gas": hex(2**62)}
TIMES = 50


@pytest.fixture
def node() -> Iterator[zevm.Node]:
    """An open node whose executions may last."""
    with zevm.Node(rpc_evm_timeout_seconds=600.0, rpc_call_gas=2**62) as node:
        node.request("anvil_setCode", CONTRACT, ENDLESS)
        yield node


class Held:
    """A node's event loop that does nothing until it is let go."""

    def __init__(self, node: zevm.Node) -> None:
        self._go, self._held = threading.Event(), threading.Event()
        node._door().run(self._hold())
        self._held.wait()

    async def _hold(self) -> None:
        self._held.set()
        self._go.wait()

    def let_go(self) -> None:
        """Go on."""
        self._go.set()


@pytest.fixture
def held(node: zevm.Node) -> Iterator[Held]:
    """The node's event loop, held."""
    held = Held(node)
    yield held
    held.let_go()


def pay(node: zevm.Node, payer: int = 0) -> Any:
    """The hash of a payment."""
    sender = node.accounts[payer].address
    return node.request("eth_sendTransaction", {"from": sender, "to": node.accounts[9].address, "value": "0x1"})


@pytest.mark.usefixtures("held")
def test_reads_writes_executions_and_refusals_need_no_event_loop(node: zevm.Node) -> None:
    sent = pay(node)
    receipt = node.request("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    block = node.request("eth_getBlockByHash", receipt["blockHash"], True)
    assert block["transactions"][0] == node.request("eth_getTransactionByHash", sent)
    assert node.request("eth_blockNumber") == block["number"]
    assert node.request("eth_call", {"to": "0x" + "04".zfill(40), "data": "0x1234"}, "latest") == "0x1234"
    assert node.request("eth_estimateGas", {"to": node.accounts[1].address}) == hex(21_000)
    for method, parameters, code in (
        ("eth_nothing", (), -32601),
        ("eth_getTransactionCount", (), -32602),
        ("eth_call", ({"to": "0x12"},), -32602),
        ("eth_sendTransaction", ({"from": "0x" + "77" * 20},), -32000),
        ("eth_call", ({"data": "0xfe", "gas": "0x30d40"}, "latest"), -32000),
    ):
        with pytest.raises(zevm.CallFailedError) as failed:
            node.request(method, *parameters)
        assert failed.value.code == code, method


def test_a_block_that_is_large_to_show_is_shown_on_the_callers_thread(node: zevm.Node, held: Held) -> None:
    node.request("anvil_setCode", CONTRACT, "0x5b5a61100010600057")  # until little gas is left
    sender = node.accounts[0].address
    sent = node.request("eth_sendTransaction", {"from": sender, "to": CONTRACT, "gas": hex(3_000_000)})
    receipt = node.request("eth_getTransactionReceipt", sent)
    assert int(receipt["gasUsed"], 16) > 2_000_000
    assert node.request("eth_getBlockByHash", receipt["blockHash"], True)["gasUsed"] == receipt["gasUsed"]
    held.let_go()
    assert node.request("eth_getBlockByNumber", receipt["blockNumber"], True)["gasUsed"] == receipt["gasUsed"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda node: node.request("eth_newBlockFilter"),
        lambda node: node.request("eth_getBalance", node.accounts[0].address, "latest"),
        lambda node: node._door().answer(b'[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}]'),
        lambda node: node.request("web3_sha3", "0x" + "00" * 100_000),
    ],
    ids=["filters", "coroutines", "batches", "large bodies"],
)
def test_what_belongs_to_the_event_loop_waits_for_it(
    node: zevm.Node, held: Held, ask: Callable[[zevm.Node], Any]
) -> None:
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask, node)
        assert node.request("eth_chainId") == "0x7a69"
        assert not asked.done()
        held.let_go()
        assert asked.result(timeout=30)


def test_an_execution_does_not_wait_for_another_one(node: zevm.Node) -> None:
    with ThreadPoolExecutor(1) as threads:
        endless = threads.submit(node.request, "eth_call", CALL, "latest")
        for _ in range(TIMES):
            assert node.request("eth_call", {"to": "0x" + "04".zfill(40), "data": "0x1234"}, "latest") == "0x1234"
        assert not endless.done()
        node.close()
        with pytest.raises(zevm.NodeClosedError):
            endless.result(timeout=30)


def test_an_interrupted_caller_leaves_no_execution_behind(node: zevm.Node) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            node.request("eth_call", CALL, "latest")
    finally:
        signal.signal(signal.SIGALRM, previous)
    node.close()  # which waits for what runs: ten minutes


def test_calls_of_many_threads_are_all_answered(node: zevm.Node) -> None:
    def work(payer: int) -> list[int]:
        numbers = []
        for _ in range(20):
            receipt = node.request("eth_getTransactionReceipt", pay(node, payer))
            assert node.request("eth_call", {"to": node.accounts[payer].address}, "latest") == "0x"
            assert int(node.request("eth_blockNumber"), 16) >= int(receipt["blockNumber"], 16)
            numbers.append(int(receipt["blockNumber"], 16))
        return numbers

    with ThreadPoolExecutor(4) as threads:
        numbers = [number for worked in threads.map(work, range(4)) for number in worked]
    assert sorted(numbers) == list(range(1, 81))
    assert int(node.request("eth_getBalance", node.accounts[9].address, "latest"), 16) == 10_000 * 10**18 + 80
