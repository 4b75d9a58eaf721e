"""From deployed bytes to a module that meters itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportedFunction:
    """A function that a module exports. Types are one character each: `i` is i32, `I` is i64."""

    name: str
    parameters: str
    results: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module that passed every rule, and its instrumented form.

    The instrumented module exports "memory", the module's own functions by their names, and mutable globals
    "zvm_ink" (i64, left), "zvm_stack" (i32, words left) and "zvm_fault" (i32: 0 none, 1 out of ink, 2 out of stack).
    """

    stored: bytes
    """What the account keeps as its code."""
    instrumented: bytes
    activation_gas: int
    initial_pages: int
    maximum_pages: int
    """In 64 KiB pages."""
    data_bytes: int
    """Length of all data segments."""
    imports: tuple[tuple[str, str], ...]
    """(module, name) of each import in order; keys of `HOOKS`."""
    exports: tuple[ExportedFunction, ...]
    init_payload: bytes | None
    """Call data of the constructor, from a trailing custom section `zvm.init`."""
