"""zEVM's own machine, in Zig (docs/core.md): behind the functions in Python that are its reference and its fallback."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from zevm.core.loading import load

_Function = TypeVar("_Function", bound=Callable[..., object])

CORE = load()
"""The extension, or why there is none; chosen once, at the first import."""

references: dict[str, Callable[..., Any]] = {}
"""The functions in Python, by the names of the core's functions that replace them."""


def replaced_by(name: str, result: Callable[..., object] | None = None) -> Callable[[_Function], _Function]:
    """A decorator: the core's function of this name in place of the one below, where the core is loaded.

    The core takes positional arguments of the usual kinds, and what is well formed. All else it hands to the function
    in Python, which decides and words the errors: so both give the same answers, and the same exceptions.
    result: makes what is returned out of the core's answer.
    """

    def choose(reference: _Function) -> _Function:
        references[name] = reference
        if CORE.library is None:
            return reference
        CORE.library.bind(name, reference, result)
        return cast(_Function, getattr(CORE.library, name))

    return choose
