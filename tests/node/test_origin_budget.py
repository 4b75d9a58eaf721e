"""--compute-units-per-second: the rate at which a node of the origin is asked."""

import time
from collections.abc import Iterator

import pytest

from testing.forked import ForkedNode
from testing.node_process import zevm_command
from testing.origin_chain import forked
from testing.origin_proxy import OriginProxy
from zevm.node.origin.budget import CallBudget
from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.transport import Place


class Clock:
    """A clock that stands, at `seconds`, until it is set."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_units_of_a_second_are_spent_at_once_and_later_calls_wait_for_theirs() -> None:
    clock = Clock()
    budget = CallBudget(200, clock)
    assert [budget.spend(1) for _ in range(12)] == pytest.approx([0.0] * 10 + [0.1, 0.2])
    assert budget.free_from(1) == pytest.approx(clock.seconds + 0.3)
    clock.seconds += 0.2
    assert budget.spend(1) == pytest.approx(0.1)
    # a pause saves no more than one second's
    clock.seconds += 3_600
    assert [budget.spend(5) for _ in range(3)] == pytest.approx([0.0, 0.0, 0.5])
    # more than a second's in one message waits for all that is above it
    clock.seconds += 3_600
    assert budget.spend(50) == pytest.approx(4.0)


def test_a_node_with_a_budget_is_left_alone_for_the_longer_of_its_waits() -> None:
    clock = Clock()
    node = Endpoint(Place("http://127.0.0.1:9", {}), 1.0, CallBudget(200, clock))
    assert node.turn(10) == 0.0
    assert node.turn(10) == pytest.approx(1.0)
    assert node.free_from(1) == pytest.approx(clock.seconds + 1.1)
    node.rest(30.0)
    assert 29.0 < node.turn(1) <= 30.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[OriginProxy]:
    with ForkedNode(zevm_command("--memory")) as origin, OriginProxy(origin.url) as proxy:
        yield proxy


def seconds_and_calls(proxy: OriginProxy, *flags: str) -> tuple[float, int]:
    """How long a fork takes to ask for transactions that there are not, and how many calls that were."""
    with forked(proxy.url, *flags) as node, node.connect() as rpc:
        begun, asked = time.monotonic(), proxy.calls.total()
        for number in range(20):
            assert rpc.call("eth_getTransactionByHash", f"0x{number + 1:064x}") is None
        return time.monotonic() - begun, proxy.calls.total() - asked


@pytest.mark.slow
def test_a_fork_keeps_to_the_units_of_the_flag(proxy: OriginProxy) -> None:
    seconds, calls = seconds_and_calls(proxy, "--compute-units-per-second", "200")
    assert calls >= 20
    assert seconds >= (calls - 10) / 10


@pytest.mark.slow
def test_the_units_can_be_lifted(proxy: OriginProxy) -> None:
    """At one unit a second these calls would take 400 s."""
    seconds, calls = seconds_and_calls(proxy, "--compute-units-per-second", "1", "--no-rate-limit")
    assert calls >= 20
    assert seconds < 200
