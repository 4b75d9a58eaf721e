"""Executions nest as deep as the chain allows, whatever limit of Python's others in the process have set."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import zevm
from tests.chain.vm.support import assemble
from tests.chain.zvm.contracts import invoke, returning
from zevm.chain.concurrency.recursion import FRAMES, deep_recursion

LOW = 1_000
"""A plain program's limit; Hypothesis sets about 2,000 above the test's own frames."""


@pytest.fixture(autouse=True)
def low_limit() -> Iterator[None]:
    previous = sys.getrecursionlimit()
    sys.setrecursionlimit(LOW)
    yield
    assert sys.getrecursionlimit() == LOW
    sys.setrecursionlimit(previous)


def test_the_last_that_leaves_restores_the_limit() -> None:
    with deep_recursion:
        thread = threading.Thread(target=lambda: deep_recursion.__enter__())
        thread.start()
        thread.join()
        assert sys.getrecursionlimit() == FRAMES
    assert sys.getrecursionlimit() == FRAMES, "the thread is still inside"
    deep_recursion.__exit__(None, None, None)
    assert sys.getrecursionlimit() == LOW


def test_a_limit_that_others_set_meanwhile_stays() -> None:
    with deep_recursion:
        sys.setrecursionlimit(LOW + 1)
        with deep_recursion:
            assert sys.getrecursionlimit() == FRAMES
        assert sys.getrecursionlimit() == FRAMES, "one is still inside"
        sys.setrecursionlimit(LOW)


def test_a_higher_limit_stays() -> None:
    sys.setrecursionlimit(FRAMES + 1)
    with deep_recursion:
        assert sys.getrecursionlimit() == FRAMES + 1
    assert sys.getrecursionlimit() == FRAMES + 1
    sys.setrecursionlimit(LOW)


# Every way of executing, through both machines

GAS = 10**12
EVM = assemble("32 0 0 0 0 ADDRESS GAS CALL POP 0 MLOAD 1 ADD 0 MSTORE 32 0 RETURN")
TARGETS = {"evm": "0x" + "e1" * 20, "wasm": "0x" + "e2" * 20}
WASM = returning(
    f"(drop {invoke('call_contract', 64, 0, 0, 128, -1, 200)}) (drop {invoke('read_return_data', 0, 0, 32)})"
    + invoke("math_add_mod", 0, 256, 288),
    data={64: bytes.fromhex(TARGETS["wasm"][2:]), 256: (1).to_bytes(32), 288: b"\xff" * 32},
)


@pytest.fixture(scope="module")
def node() -> Iterator[zevm.Node]:
    with zevm.Node(gas_limit=GAS) as node:
        node.request("anvil_setCode", TARGETS["evm"], "0x" + EVM.hex())
        node.request("anvil_setCode", TARGETS["wasm"], "0x" + WASM.hex())
        yield node


@pytest.mark.lengthy
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_calls_nest_as_deep_as_their_gas_allows(node: zevm.Node, target: str) -> None:
    """The gas of a call is bounded: 1/64 of it stays behind at each level."""
    call: dict[str, Any] = {"to": target, "gas": hex(GAS)}
    assert int(node.request("eth_call", call, "latest"), 16) > 350
    assert int(node.request("eth_estimateGas", call), 16) > 21_000
    assert "error" not in node.request("eth_createAccessList", call, "latest")
    for tracer in ("callTracer", "flatCallTracer", "prestateTracer"):
        assert node.request("debug_traceCall", call, "latest", {"tracer": tracer})


@pytest.mark.lengthy
@pytest.mark.parametrize("machine", TARGETS)
def test_transactions_nest_1024_deep(node: zevm.Node, machine: str) -> None:
    transaction = {"from": node.accounts[0].address, "to": TARGETS[machine], "gas": hex(GAS)}
    sent = node.request("eth_sendTransaction", transaction)
    assert node.request("eth_getTransactionReceipt", sent)["status"] == "0x1"
    frame = node.request("debug_traceTransaction", sent, {"tracer": "callTracer"})
    levels = int(frame["output"], 16)
    assert levels == {"evm": 1_025, "wasm": 985}[machine], "985: what the gas suffices for"
    depth = 1
    while frame.get("calls"):
        frame, depth = frame["calls"][0], depth + 1
    assert depth in (levels, levels + 1), "the tracer shows a refused call too"
    assert len(node.request("trace_transaction", sent)) == depth
    assert node.request("debug_executionWitness", "latest")
