"""The open VMs of this process: closed at its end, and left alone by its copies, which have none of their threads."""

import atexit
import os
import weakref
from typing import Protocol


class Closable(Protocol):
    """A VM, as far as this needs it."""

    def close(self) -> None:
        """Finish and close; idempotent."""
        ...

    def forget(self) -> None:
        """Count as closed without touching a thread or a file."""
        ...


OPEN_VMS: "weakref.WeakSet[Closable]" = weakref.WeakSet()


def _close_all() -> None:
    for vm in tuple(OPEN_VMS):
        vm.close()


def _forget_all() -> None:
    for vm in tuple(OPEN_VMS):
        vm.forget()
    OPEN_VMS.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
