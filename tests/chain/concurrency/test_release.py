"""Exceptions that hold nothing: what has failed is freed, and what goes on elsewhere is left alone."""

import asyncio
import weakref
from collections.abc import Callable, Generator

import pytest

from zevm.chain.concurrency.release import forget_origin, release

CLEARING = pytest.mark.parametrize("clear", [release, forget_origin])


class Large:
    """Something that failed work has made."""


class SharedError(Exception):
    """Raised in several tasks as one object, as a future's exception is in each that awaits it."""


def _caught(work: Callable[[], object], expected: type[Exception] = SharedError) -> Exception:
    try:
        work()
    except expected as error:
        return error
    raise AssertionError("nothing was raised")


@CLEARING
def test_finished_frames_hold_nothing(clear: Callable[[BaseException], None]) -> None:
    made: list[weakref.ref[Large]] = []

    def keep() -> Large:
        large = Large()
        made.append(weakref.ref(large))
        return large

    def fail() -> None:
        _large = keep()
        raise SharedError

    def fail_amid_steps() -> Generator[None, None, None]:
        _large = keep()
        yield
        fail()

    async def fail_in_a_coroutine() -> None:
        _large = keep()
        await asyncio.sleep(0)
        list(fail_amid_steps())

    def fail_for_a_cause() -> None:
        _large = keep()
        try:
            asyncio.run(fail_in_a_coroutine())
        except SharedError as error:
            raise ValueError from error

    failure = _caught(fail_for_a_cause, ValueError)
    assert [reference() is not None for reference in made] == [True] * 4
    clear(failure)
    assert [reference() for reference in made] == [None] * 4


@CLEARING
async def test_a_coroutine_that_has_caught_the_error_goes_on(clear: Callable[[BaseException], None]) -> None:
    """The frame of each is in the error's traceback, since both have raised the same object."""
    shared, goes_on, caught = SharedError(), asyncio.Event(), asyncio.Event()

    async def wait_for_more() -> str:
        kept = "kept"
        try:
            raise shared
        except SharedError:
            caught.set()
        await goes_on.wait()
        return kept

    async def give_up() -> None:
        raise shared

    waiting = asyncio.create_task(wait_for_more())
    await caught.wait()
    with pytest.raises(SharedError) as raised:
        await give_up()
    clear(raised.value)
    goes_on.set()
    async with asyncio.timeout(10):
        assert await waiting == "kept"


@CLEARING
def test_a_generator_that_has_caught_the_error_goes_on(clear: Callable[[BaseException], None]) -> None:
    shared = SharedError()

    def steps() -> Generator[int, None, None]:
        number = 7
        try:
            raise shared
        except SharedError:
            yield number
        yield number + 1

    def fail() -> None:
        raise shared

    walked = steps()
    assert next(walked) == 7
    clear(_caught(fail))
    assert list(walked) == [8]
