"""Executions: bounded at once, refused after the queue time, under a deadline, on deep stacks."""

import asyncio
import sys
import threading
import time
from concurrent.futures import Future

import pytest

from testing.speed import PATIENCE_SECONDS
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.concurrency.waiting import ImpatientError, wait_for
from zevm.rpc.errors import LimitExceededError
from zevm.rpc.execution.workers import Waits, Workers


async def test_as_many_as_workers_run_at_once_and_more_are_refused_in_time() -> None:
    workers = Workers(2, queue_ms=100, timeout_seconds=5)
    gate = threading.Event()

    def wait(deadline: Deadline) -> str:  # noqa: ARG001
        gate.wait(PATIENCE_SECONDS)
        return threading.current_thread().name

    running = [asyncio.get_running_loop().create_task(workers.run(wait)) for _ in range(2)]
    await asyncio.sleep(0.02)
    begun = time.monotonic()
    with pytest.raises(LimitExceededError, match=r"^limit exceeded: all 2 execution workers were busy for 100 ms"):
        await workers.run(wait)
    assert 0.09 < time.monotonic() - begun < PATIENCE_SECONDS
    waiting = asyncio.get_running_loop().create_task(workers.run(wait))
    await asyncio.sleep(0.02)
    gate.set()
    assert {await task for task in running} == {"evm-0", "evm-1"}
    assert (await waiting).startswith("evm-")
    workers.close()


async def test_the_deadline_counts_from_the_start_of_the_job() -> None:
    workers = Workers(1, queue_ms=1_000, timeout_seconds=0.2)

    def remaining(deadline: Deadline) -> float:
        left = deadline.remaining()
        time.sleep(max(0.0, left))
        return left

    first, second = await asyncio.gather(workers.run(remaining), workers.run(remaining))
    assert first == pytest.approx(0.2, abs=0.05)
    assert second == pytest.approx(0.2, abs=0.05)
    workers.close()


async def test_errors_come_back_and_the_worker_goes_on() -> None:
    workers = Workers(1, queue_ms=100, timeout_seconds=1)

    def fail(deadline: Deadline) -> None:  # noqa: ARG001
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match=r"^no$"):
            await workers.run(fail)
    assert await workers.run(lambda deadline: deadline.at > 0) is True
    workers.close()


async def test_a_cancelled_jobs_deadline_has_passed_at_once() -> None:
    workers = Workers(1, queue_ms=1_000, timeout_seconds=60)
    loop, started, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def spin(deadline: Deadline) -> None:
        loop.call_soon_threadsafe(started.set)
        while not deadline.expired():
            pass
        loop.call_soon_threadsafe(ended.set)

    task = loop.create_task(workers.run(spin))
    await started.wait()
    task.cancel()
    await asyncio.wait_for(ended.wait(), 5)
    assert task.cancelled()
    assert await workers.run(lambda deadline: not deadline.expired()) is True
    workers.close()


async def test_a_cancelled_job_keeps_its_worker_until_it_ends() -> None:
    workers = Workers(1, queue_ms=50, timeout_seconds=1)
    gate = threading.Event()
    task = asyncio.get_running_loop().create_task(workers.run(lambda deadline: gate.wait(PATIENCE_SECONDS)))  # noqa: ARG005
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(LimitExceededError):
        await workers.run(lambda deadline: deadline.at)
    gate.set()
    for _ in range(100):
        try:
            assert await workers.run(lambda deadline: deadline.at) > 0
            break
        except LimitExceededError:
            continue
    workers.close()


async def test_stacks_hold_a_thousand_nested_native_calls() -> None:
    workers = Workers(1, queue_ms=100, timeout_seconds=5)
    # from 3.12 on the interpreter itself bounds native recursion, whatever the stack
    depth = 20_000 if sys.version_info < (3, 12) else 400

    def nest(depth: int) -> int:
        # sorted() calls back through C, as contract calls do through the interpreter's library code
        return depth if depth == 0 else sorted([depth], key=lambda item: nest(item - 1))[0]

    def deep(deadline: Deadline) -> int:  # noqa: ARG001
        return nest(depth)

    previous = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        assert await workers.run(deep) == depth
    finally:
        sys.setrecursionlimit(previous)
    workers.close()
    assert threading.stack_size() == 0


async def test_close_ends_the_threads() -> None:
    before = set(threading.enumerate())
    workers = Workers(3, queue_ms=100, timeout_seconds=5)
    started = [thread for thread in threading.enumerate() if thread not in before]
    assert len(started) == 3
    workers.close()
    workers.close()
    for thread in started:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


async def test_a_job_that_waits_for_another_node_steps_aside() -> None:
    """Others run meanwhile; its wait does not count towards its deadline, and ends at `seconds`, or with its client."""
    workers = Workers(1, queue_ms=60_000, timeout_seconds=60, waits=Waits(2, 60))
    fetched: Future[int] = Future()

    def ask(deadline: Deadline) -> tuple[int, float, bool]:
        at = deadline.remaining() + time.monotonic()
        value = wait_for(fetched)
        return value, deadline.cancellation.waited_seconds, deadline.remaining() + time.monotonic() > at

    def local(deadline: Deadline) -> str:  # noqa: ARG001
        return threading.current_thread().name

    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(workers.run(ask)) for _ in range(2))
    for _ in range(3):
        await workers.run(local)
    while workers.aside != 2:
        await workers.run(local)
    with pytest.raises(LimitExceededError, match="2 executions wait for the forked chain"):
        await workers.run(ask)
    second.cancel()
    while workers.aside != 1:
        await workers.run(local)
    assert not first.done()
    fetched.set_result(7)
    value, waited, is_later = await first
    assert value == 7
    assert waited > 0
    assert is_later
    workers.close()


async def test_a_wait_has_an_end() -> None:
    workers = Workers(1, queue_ms=1_000, timeout_seconds=60, waits=Waits(2, 0.01))
    with pytest.raises(ImpatientError, match=r"no answer within 0\.01 s"):
        await workers.run(_wait_for_ever)
    workers.close()


async def test_the_end_of_the_node_ends_its_waits() -> None:
    workers = Workers(1, queue_ms=60_000, timeout_seconds=60, waits=Waits(2, 3_600))
    waiting = asyncio.get_running_loop().create_task(workers.run(_wait_for_ever))
    while not workers.aside:
        await workers.run(_nothing)
    workers.close()
    with pytest.raises(ExecutionTimeoutError):
        await waiting
    workers.join()


def _wait_for_ever(deadline: Deadline) -> None:  # noqa: ARG001
    wait_for(Future())


def _nothing(deadline: Deadline) -> None:  # noqa: ARG001
    return
