"""The writer's role on other threads: lent while the writer has nothing to do, and to one of them at a time."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from zevm.chain.concurrency.interrupts import DeferredSignals
from zevm.chain.concurrency.writer import NOT_LENT, Writer, WriterStoppedError, WrongThreadError
from zevm.storage.errors import StorageError


class RecordingGuard:
    """Notes what a writer asks of it (zevm.chain.concurrency.writer.Guard)."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def remember(self) -> None:
        self.calls.append("remember")

    def undo(self) -> None:
        self.calls.append("undo")


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A writer that lends."""
    writer = Writer(lends=True)
    writer.run(int)
    yield writer
    writer.stop()


def lent(writer: Writer, function: Any, *arguments: Any) -> Any:
    """Work on this thread, once the writer's has given its role back."""
    while (result := writer.run_here(function, *arguments)) is NOT_LENT:
        pass
    return result


def test_the_borrower_has_the_role_and_nobody_else(writer: Writer) -> None:
    seen: list[Any] = []

    def elsewhere() -> None:
        seen.append(writer.is_current)
        seen.append(writer.run_here(int))
        with pytest.raises(WrongThreadError):
            writer.assert_here()

    def work() -> str:
        writer.assert_here()
        seen.append(writer.run_here(threading.get_ident))
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        return "done"

    assert lent(writer, work) == "done"
    assert seen == [threading.get_ident(), False, NOT_LENT]
    assert not writer.is_current
    with pytest.raises(WrongThreadError):
        writer.assert_here()


def test_work_that_waits_goes_first(writer: Writer) -> None:
    go, order = threading.Event(), list[str]()
    waiting = [writer.submit(go.wait), writer.submit(order.append, "submitted")]
    assert writer.run_here(order.append, "here") is NOT_LENT
    go.set()
    writer.run_short(order.append, "short")
    assert order == ["submitted", "short"]
    assert all(work.done() for work in waiting)


def test_work_keeps_the_order_of_its_submission(writer: Writer) -> None:
    """Also where the writer's thread has not woken up yet."""
    order: list[int] = []
    for number in range(0, 200, 2):
        lent(writer, int)
        writer.submit(order.append, number)
        writer.run_short(order.append, number + 1)
    assert order == list(range(200))


def test_the_writers_thread_waits_for_the_borrower(writer: Writer) -> None:
    order: list[str] = []

    def work() -> None:
        submitted.append(writer.submit(order.append, "submitted"))
        assert not submitted[0].done()
        order.append("here")

    submitted: list[Any] = []
    lent(writer, work)
    submitted[0].result(timeout=30)
    assert order == ["here", "submitted"]


def test_many_threads_share_the_role_one_at_a_time(writer: Writer) -> None:
    inside, counts, here = list[int](), [0], [0]

    def work() -> None:
        inside.append(1)
        count = counts[0]
        assert len(inside) == 1
        counts[0] = count + 1
        inside.pop()

    def client() -> None:
        for number in range(200):
            if number % 3 == 0:
                writer.run(work)
            elif writer.run_here(work) is NOT_LENT:
                writer.submit(work).result()
            else:
                here[0] += 1

    threads = [threading.Thread(target=client) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1_800]
    assert here[0] > 0


def test_a_writer_that_syncs_lends_nothing() -> None:
    writer = Writer()
    try:
        assert writer.run_here(int) is NOT_LENT
        assert writer.run_short(int) == 0
    finally:
        writer.stop()
    with pytest.raises(WriterStoppedError):
        writer.run_short(int)


def test_lent_work_is_guarded_as_any_other() -> None:
    guard = RecordingGuard()
    writer = Writer(guard, lends=True)

    def fail(error: Exception) -> None:
        raise error

    try:
        lent(writer, int)
        with pytest.raises(ValueError, match="refused"):
            lent(writer, fail, ValueError("refused"))
        with pytest.raises(StorageError):
            lent(writer, fail, StorageError("the disk is full"))
        assert guard.calls == ["remember"] * 3 + ["undo"]
    finally:
        writer.stop()


def test_a_stop_waits_for_the_borrower_who_cannot_stop_the_writer(writer: Writer) -> None:
    inside, go, done = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        with pytest.raises(RuntimeError, match="cannot wait for its end"):
            writer.stop()
        inside.set()
        go.wait()
        done.append("work")

    borrower = threading.Thread(target=lent, args=(writer, work))
    borrower.start()
    inside.wait()

    def stop() -> None:
        writer.stop()
        done.append("stop")

    stopping = threading.Thread(target=stop)
    stopping.start()
    go.set()
    stopping.join()
    borrower.join()
    assert done == ["work", "stop"]
    assert writer.run_here(int) is NOT_LENT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGALRM])
def test_a_signal_interrupts_no_lent_work(writer: Writer, number: int) -> None:
    done: list[str] = []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        os.kill(os.getpid(), number)
        done.append("whole")

    previous = signal.signal(number, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            lent(writer, work)
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, previous)
    assert done == ["whole"]
    assert lent(writer, int) == 0


def test_every_deferred_signal_is_delivered() -> None:
    came: list[int] = []

    def note(number: int, _: object) -> None:
        came.append(number)
        if number == signal.SIGUSR1:
            raise KeyboardInterrupt

    def send_deferred() -> None:
        with DeferredSignals():
            for number in numbers:
                os.kill(os.getpid(), number)
            assert came == []

    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    previous = [signal.signal(number, note) for number in numbers]
    try:
        with pytest.raises(KeyboardInterrupt):
            send_deferred()
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
    assert sorted(came) == sorted(numbers)
