"""Exceptions that hold nothing: what failed leaves no memory behind.

An exception keeps its traceback, that the frames it went through, and those everything that the failed work had made.
Where such a frame, or a future, refers to the exception again, all of it stays until the oldest generation of the
garbage collector is looked through, which may be hundreds of megabytes later.
"""

import traceback


def release(error: BaseException) -> None:
    """Clear the local variables of every finished frame that `error` and its causes went through.

    The traceback can be printed as before.
    """
    for item in _chain(error):
        traceback.clear_frames(item.__traceback__)


def forget_origin(error: BaseException) -> None:
    """Cut `error` and its causes off from the frames that they went through, and from one another."""
    for item in _chain(error):
        traceback.clear_frames(item.__traceback__)
        item.__traceback__ = item.__cause__ = item.__context__ = None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    wanted: list[BaseException | None] = [error]
    while wanted:
        item = wanted.pop()
        if item is not None and not any(item is other for other in found):
            found.append(item)
            wanted += (item.__cause__, item.__context__)
    return found
