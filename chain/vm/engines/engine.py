"""Which engine the messages of a chain run on. ZEVM_EVM names it for chains that name none."""

import os
from enum import Enum
from functools import cache
from threading import Lock

from zevm.chain.errors import EngineDifferenceError
from zevm.core import CORE


class Engine(Enum):
    """NATIVE: the core, and py-evm for what it refuses. PY_EVM: py-evm alone. CHECK: both, and they must agree."""

    NATIVE = "native"
    PY_EVM = "py-evm"
    CHECK = "check"

    @property
    def uses_core(self) -> bool:
        """Whether it asks for the core, which has to be there."""
        return self is not Engine.PY_EVM


NATIVE, PY_EVM, CHECK = Engine
"""The engines by plain names: the look-up of an Enum's member takes a fifth of a microsecond, at each call."""

EVM = "ZEVM_EVM"


@cache
def default_engine() -> Engine:
    """The engine of a chain that names none. Raises ValueError as `engine_named`."""
    named = os.environ.get(EVM)
    if named:
        return engine_named(named)
    return Engine.PY_EVM if CORE.library is None else Engine.NATIVE


class FunctionChecks:
    """Comparison of the core's functions with their references in Python, while any chain's engine is CHECK.

    It holds for the whole process. A function that gives another result than its reference raises
    EngineDifferenceError then, so that no block comes of it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._owners: set[int] = set()

    def begin(self, owner: object, engine: Engine) -> None:
        """A chain with this engine is open."""
        if engine is Engine.CHECK and CORE.library is not None:
            with self._lock:
                self._owners.add(id(owner))
                CORE.library.check(EngineDifferenceError)

    def end(self, owner: object) -> None:
        """The chain is closed; idempotent."""
        with self._lock:
            self._owners.discard(id(owner))
            if not self._owners and CORE.library is not None:
                CORE.library.check(None)


FUNCTION_CHECKS = FunctionChecks()


def engine_named(name: str | None) -> Engine:
    """The engine of a setting's text, the default for None. Raises ValueError where there is no core for it."""
    engine = default_engine() if name is None else Engine(name)
    if engine.uses_core and CORE.library is None:
        raise ValueError(f"the engine {engine.value} wants the native core, and there is none: {CORE.reason}")
    return engine
