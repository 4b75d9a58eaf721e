"""WebAssembly text with the exports that instrumentation adds, for tests of the runtime alone."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from wasmtime import wat2wasm

from zevm.chain.concurrency.recursion import deep_recursion
from zevm.chain.concurrency.threads import STACK_BYTES

_STACK_SIZE = threading.Lock()
COUNTERS = """
  (global $ink (export "zvm_ink") (mut i64) (i64.const 0))
  (global $stack (export "zvm_stack") (mut i32) (i32.const 0))
  (global $fault (export "zvm_fault") (mut i32) (i32.const 0))
"""


@dataclass(frozen=True)
class Module:
    """What the runtime needs of a prepared module."""

    instrumented: bytes
    initial_pages: int = 1
    data_bytes: int = 0
    activation_gas: int = 0


def module(body: str, *, imports: str = "", memory: str = '(memory (export "memory") 1 2000)') -> Module:
    """A module from its imports and the rest of its text."""
    text = f"(module {imports} {memory} {COUNTERS} {body})"
    return Module(bytes(wat2wasm(text)))


def on_thread(function: Callable[[], object], stack_bytes: int = STACK_BYTES) -> object:
    """Run on a new thread with a native stack of that size; its result or its exception."""
    results: list[object] = []

    def work() -> None:
        try:
            with deep_recursion:
                results.append(function())
        except BaseException as error:
            results.append(error)

    # the size is the process's: two callers at once would each take the other's for what was there before
    with _STACK_SIZE:
        previous = threading.stack_size(stack_bytes)
        try:
            thread = threading.Thread(target=work)
            thread.start()
        finally:
            threading.stack_size(previous)
    thread.join()
    return results[0]
