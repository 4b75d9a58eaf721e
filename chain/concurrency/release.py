"""Exceptions that hold nothing: what failed leaves no memory behind.

An exception keeps its traceback, that the frames it went through, and those everything that the failed work had made.
Where such a frame, or a future, refers to the exception again, all of it stays until the oldest generation of the
garbage collector is looked through, which may be hundreds of megabytes later.
"""

import gc
from types import FrameType, TracebackType


def release(error: BaseException) -> None:
    """Clear the local variables of every finished frame that `error` and its causes went through.

    The traceback can be printed as before.
    """
    for item in _chain(error):
        _clear_finished(item.__traceback__)


def forget_origin(error: BaseException) -> None:
    """Cut `error` and its causes off from the frames that they went through, and from one another."""
    for item in _chain(error):
        _clear_finished(item.__traceback__)
        item.__traceback__ = item.__cause__ = item.__context__ = None


def _clear_finished(trace: TracebackType | None) -> None:
    """Clear what can never run again.

    A coroutine may have caught the exception and wait for something else by now. To clear its frame would end it there,
    without an exception, and its task would wait for ever (`traceback.clear_frames` does so before Python 3.13).
    """
    while trace is not None:
        if _is_finished(trace.tb_frame):
            trace.tb_frame.clear()
        trace = trace.tb_next


def _is_finished(frame: FrameType) -> bool:
    """Whether a frame neither runs nor is suspended: it alone owns its variables then, and shows them to the collector.

    Until then the thread's stack or the generator owns them, and the frame refers to neither them nor its code.
    """
    return any(item is frame.f_code for item in gc.get_referents(frame))


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    wanted: list[BaseException | None] = [error]
    while wanted:
        item = wanted.pop()
        if item is not None and not any(item is other for other in found):
            found.append(item)
            wanted += (item.__cause__, item.__context__)
    return found
