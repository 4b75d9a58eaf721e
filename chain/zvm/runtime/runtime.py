"""Runs instrumented WebAssembly modules: one fresh instance per run, dropped when it ends.

`Engine` compiles, `ProgramCache` keeps what was compiled, `run` executes. The instrumented module counts its own
ink and stack words in exported globals; wasmtime only executes it, so every conforming engine gives the same result.
"""

import ctypes
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.faults import (
    ExitError,
    HostStopError,
    HostTrapError,
    OutOfInkError,
    OutOfPagesError,
)
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.runtime import capi, native_stack
from zevm.chain.zvm.runtime.deadlines import FOREVER, NEXT_EPOCH, ticker
from zevm.chain.zvm.runtime.engine import (
    MAXIMUM_FRAMES,
    MAXIMUM_PAGES,
    MAXIMUM_TABLE_ELEMENTS,
    Engine,
    Import,
    Program,
    Signature,
)
from zevm.chain.zvm.runtime.instance import Binding, HostCallback, Instance, Native, bind, frames, look_at_deadline
from zevm.chain.zvm.runtime.program_cache import ProgramCache

__all__ = [
    "End",
    "Engine",
    "ExitError",
    "HostCallback",
    "HostStopError",
    "HostTrapError",
    "Import",
    "Instance",
    "NodeFaultError",
    "OutOfInkError",
    "OutOfPagesError",
    "Program",
    "ProgramCache",
    "RunResult",
    "Signature",
    "run",
]


class End(Enum):
    """How a run ended."""

    RETURNED = "returned"
    EXITED = "exited"
    TRAPPED = "trapped"
    OUT_OF_INK = "out of ink"
    OUT_OF_STACK = "out of stack"
    OUT_OF_MEMORY = "out of memory"
    INTERRUPTED = "interrupted"


class RunResult(NamedTuple):
    """values: the entry's result, or the status when it exited, unsigned.

    trap: why, when it trapped or ran out of memory. backtrace: where it stopped before its end, as (function's index,
    offset in its body as instrumented) of each open call, innermost first; empty unless it was asked for.
    """

    end: End
    values: tuple[int, ...]
    ink_left: int
    trap: str | None
    backtrace: tuple[tuple[int, int], ...] = ()


INK_PER_HEAT = 100_000_000
"""Ink that heats a program as much as one run more: 10,000 gas, about half a millisecond."""

_FAULTS = {1: End.OUT_OF_INK, 2: End.OUT_OF_STACK}
"""Values of the exported global zvm_fault when the instrumented code has stopped itself."""

_MASKS = {"i": 0xFFFFFFFF, "I": 0xFFFFFFFFFFFFFFFF}


def run(
    program: Program,
    callbacks: Sequence[HostCallback],
    *,
    context: object,
    ink: int,
    stack_words: int,
    entry: str = "user_entrypoint",
    arguments: Sequence[int] = (),
    memory_pages: int = MAXIMUM_PAGES,
    deadline: Deadline | None = None,
    with_backtrace: bool = False,
    native: Native | None = None,
) -> RunResult:
    """Instantiate a program, call one of its functions and drop the instance.

    callbacks: one per import, in their order, the same function objects in every run. A callback may call this again.
    memory_pages: beyond so many, memory.grow gives -1; at least the program's initial ones.
    deadline: off chain only; the run is interrupted a tick after it at most, or after it was cancelled.
    native: the core's functions in place of those callbacks that it has, for this run alone.
    Raises what a host function raises other than HostStopError, and NodeFaultError.
    """
    open_frames = frames.stack
    if len(open_frames) >= MAXIMUM_FRAMES:
        raise NodeFaultError(f"{MAXIMUM_FRAMES} instances are open on this thread: the call depth was not checked")
    native_stack.require(open_frames[-1].stack_mark if open_frames else None)
    if deadline is None:
        result = _run(
            program, callbacks, context, ink, stack_words, entry, arguments, memory_pages, None, with_backtrace, native
        )
    elif deadline.expired():
        return RunResult(End.INTERRUPTED, (), ink, None)
    else:
        with ticker.watch(program.engine.address, deadline):
            result = _run(
                program, callbacks, context, ink, stack_words, entry, arguments, memory_pages, deadline, with_backtrace,
                native,
            )  # fmt: skip
    program.heat += 1 + (ink - result.ink_left) // INK_PER_HEAT
    return result


def _run(
    program: Program,
    callbacks: Sequence[HostCallback],
    context: object,
    ink: int,
    stack_words: int,
    entry: str,
    arguments: Sequence[int],
    memory_pages: int,
    deadline: Deadline | None,
    with_backtrace: bool,
    native: Native | None,
) -> RunResult:
    result_type, slots = _prepare_call(program, entry, arguments)
    instance = Instance(context, deadline)
    call = _Call()
    native_run = call.begin(native, instance, program.has_memory)
    binding = bind(program, callbacks, native.addresses if native is not None and native_run else None)
    store = capi.store_new(program.engine.address, native_run, None)
    frames.stack.append(instance)
    try:
        capi.store_limit(store, memory_pages * PAGE_BYTES, MAXIMUM_TABLE_ELEMENTS, 1, 1, 1)
        call.store = capi.store_context(store)
        # what fills the memory at the start looks at the epoch too, and must not be interrupted: it is no run yet
        capi.context_set_epoch_deadline(call.store, FOREVER)
        call.instantiate(binding, program.has_memory)
        if deadline is not None:
            capi.store_epoch_callback(store, look_at_deadline, None, None)
            capi.context_set_epoch_deadline(call.store, NEXT_EPOCH)
        instance.attach(call.store, call.scratch, call.base, program.has_memory)
        instance.ink_left = ink
        call.set_stack_words(stack_words)
        error = call.invoke(entry.encode(), slots)
        if call.scratch.trap and native is not None and native_run and instance.failure is None:
            instance.failure = native.failure(native_run)
        if instance.failure is not None:
            backtrace = _take_backtrace(call.scratch.trap, wanted=with_backtrace)
            return _stopped(instance, instance.failure)._replace(backtrace=backtrace)
        if instance.is_interrupted:
            capi.error_delete(error)
            return RunResult(End.INTERRUPTED, (), instance.ink_left, None)
        if error:
            raise NodeFaultError(f"wasmtime cannot call a checked function: {capi.take_error(error)}")
        if call.scratch.trap:
            return _trapped(instance, call, with_backtrace=with_backtrace)
        values = (slots[0] & _MASKS[result_type],) if result_type else ()
        return RunResult(End.RETURNED, values, instance.ink_left, None)
    finally:
        instance.detach()
        frames.stack.pop()
        capi.store_delete(store)
        if native is not None and native_run:
            native.end(native_run)


def _prepare_call(program: Program, entry: str, arguments: Sequence[int]) -> tuple[str, Any]:
    """(result type, slots of the arguments, which the result replaces).

    wasmtime trusts the slots in an unchecked call, so their count is checked here.
    """
    signature = program.exports.get(entry)
    if signature is None or len(signature.parameters) != len(arguments):
        raise NodeFaultError(f"a checked module has no function {entry} of {len(arguments)} parameters")
    slots = (ctypes.c_int64 * (2 * max(1, len(arguments))))()
    for index, kind in enumerate(signature.parameters):
        slots[2 * index] = arguments[index] & _MASKS[kind]
    return signature.result, slots


class _Call:
    """One instance in its store, by addresses in a scratch buffer."""

    __slots__ = ("base", "scratch", "store")

    def __init__(self) -> None:
        self.store = 0
        self.scratch = capi.Scratch()
        self.base = ctypes.addressof(self.scratch)

    def begin(self, native: Native | None, instance: Instance, has_memory: bool) -> int | None:
        """The address of the run for the core's functions; None where it has none."""
        if native is None:
            return None
        memory = self.base + _MEMORY_ITEM if has_memory else 0
        return native.begin(instance, self.base + _INK_ITEM, memory)

    def instantiate(self, binding: Binding, has_memory: bool) -> None:
        """Make the instance and find its ink, and its memory if any."""
        base, scratch = self.base, self.scratch
        error = capi.template_instantiate(binding.template, self.store, base + _INSTANCE, base + _TRAP)
        if error:
            raise NodeFaultError(f"no memory for an instance: {capi.take_error(error)}")
        if scratch.trap:
            raise NodeFaultError(f"a checked module traps while it is instantiated: {capi.take_trap(scratch.trap)[1]}")
        if has_memory:
            self._find(b"memory", base + _MEMORY)
        self._find(b"zvm_ink", base + _INK)

    def invoke(self, name: bytes, slots: Any) -> Any:
        """Call an exported function: an error if it could not run to its end; a trap is left in the scratch buffer."""
        base = self.base
        self._find(name, base + _OTHER)
        return capi.function_call(self.store, base + _OTHER_ITEM, slots, len(slots) // 2, base + _TRAP)

    def set_stack_words(self, words: int) -> None:
        """Set how many stack words the code may use."""
        base, scratch = self.base, self.scratch
        self._find(b"zvm_stack", base + _STACK)
        scratch.kind = capi.I32
        scratch.value = words
        error = capi.global_set(self.store, base + _STACK_ITEM, base)
        if error:
            raise NodeFaultError(f"the stack words cannot be set: {capi.take_error(error)}")

    def read_i32(self, name: bytes) -> int:
        """A global."""
        self._find(name, self.base + _OTHER)
        capi.global_get(self.store, self.base + _OTHER_ITEM, self.base)
        return int(self.scratch.value) & 0xFFFFFFFF

    def _find(self, name: bytes, target: int) -> None:
        if not capi.instance_export(self.store, self.base + _INSTANCE, name, len(name), target):
            raise NodeFaultError(f"an instrumented module lacks its export {name.decode()}")


_INSTANCE: int = capi.Scratch.instance.offset
_TRAP: int = capi.Scratch.trap.offset
_MEMORY: int = capi.Scratch.memory.offset
_MEMORY_ITEM: int = _MEMORY + capi.EXTERN_ITEM
_INK: int = capi.Scratch.ink.offset
_INK_ITEM: int = _INK + capi.EXTERN_ITEM
_STACK: int = capi.Scratch.stack.offset
_STACK_ITEM: int = _STACK + capi.EXTERN_ITEM
_OTHER: int = capi.Scratch.other.offset
_OTHER_ITEM: int = _OTHER + capi.EXTERN_ITEM


def _stopped(instance: Instance, failure: BaseException) -> RunResult:
    """The outcome that a host function chose. What is no HostStopError goes on to the caller of run."""
    if not isinstance(failure, HostStopError):
        raise failure
    left = instance.ink_left
    if isinstance(failure, ExitError):
        return RunResult(End.EXITED, (failure.status,), left, None)
    if isinstance(failure, OutOfInkError):
        return RunResult(End.OUT_OF_INK, (), 0, None)
    if isinstance(failure, OutOfPagesError):
        return RunResult(End.OUT_OF_MEMORY, (), left, str(failure))
    return RunResult(End.TRAPPED, (), left, str(failure))


def _take_backtrace(trap: int, *, wanted: bool) -> tuple[tuple[int, int], ...]:
    """Free the trap by which a host function stopped the run, if it got that far."""
    if not trap:
        return ()
    found = capi.trap_frames(trap) if wanted else ()
    capi.trap_delete(trap)
    return found


def _trapped(instance: Instance, call: _Call, *, with_backtrace: bool) -> RunResult:
    backtrace = capi.trap_frames(call.scratch.trap) if with_backtrace else ()
    code, text = capi.take_trap(call.scratch.trap)
    left = instance.ink_left
    if code not in capi.TRAPS:
        raise NodeFaultError(f"trap {code}, which is not the contract's: {text}")
    fault = call.read_i32(b"zvm_fault")
    if fault:
        return RunResult(_FAULTS[fault], (), left, None, backtrace)
    return RunResult(End.TRAPPED, (), left, capi.TRAPS[code], backtrace)
