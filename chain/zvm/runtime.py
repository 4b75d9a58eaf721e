"""Runs instrumented WebAssembly modules: one fresh instance per run, dropped when it ends.

`Engine` compiles, `ProgramCache` keeps what was compiled, `run` executes. The instrumented module counts its own
ink and stack words in exported globals; wasmtime only executes it, so every conforming engine gives the same result.
"""

import ctypes
import time
from collections.abc import Sequence
from ctypes import byref, c_void_p
from dataclasses import dataclass
from enum import Enum
from typing import Any

from chain.zvm import capi, native_stack
from chain.zvm.deadlines import epochs_until, ticker
from chain.zvm.engine import (
    MAXIMUM_FRAMES,
    MAXIMUM_TABLE_ELEMENTS,
    MEMORY_LIMIT_BYTES,
    Engine,
    Import,
    Program,
    Signature,
)
from chain.zvm.faults import (
    ExitError,
    HostStopError,
    HostTrapError,
    NodeFaultError,
    OutOfInkError,
    OutOfPagesError,
)
from chain.zvm.instance import Binding, HookFunction, Instance, bind, frames
from chain.zvm.program_cache import ProgramCache

__all__ = [
    "End",
    "Engine",
    "ExitError",
    "HookFunction",
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


@dataclass(frozen=True, slots=True)
class RunResult:
    """values: the entry's result, or the status when it exited, unsigned. trap: why, when it trapped."""

    end: End
    values: tuple[int, ...]
    ink_left: int
    trap: str | None


@dataclass(frozen=True, slots=True)
class _Job:
    context: object
    ink: int
    stack_words: int
    entry: str
    arguments: Sequence[int]
    deadline: float | None


INK_PER_HEAT = 100_000_000
"""Ink that heats a program as much as one run more: 10,000 gas, about half a millisecond."""

_FAULTS = {1: End.OUT_OF_INK, 2: End.OUT_OF_STACK}
"""What the exported global zvm_fault says when the instrumented code has stopped itself."""

_MASKS = {"i": 0xFFFFFFFF, "I": 0xFFFFFFFFFFFFFFFF}


def run(
    program: Program,
    hooks: Sequence[HookFunction],
    *,
    context: object,
    ink: int,
    stack_words: int,
    entry: str = "user_entrypoint",
    arguments: Sequence[int] = (),
    deadline: float | None = None,
) -> RunResult:
    """Instantiate a program, call one of its functions and drop the instance.

    hooks: one per import, in their order, the same function objects in every run. May be called from a hook.
    deadline: time.monotonic() value, off chain only; the run is interrupted at most a tick before it.
    Raises what a hook raises other than HostStopError, and NodeFaultError.
    """
    open_frames = frames.stack
    if len(open_frames) >= MAXIMUM_FRAMES:
        raise NodeFaultError(f"{MAXIMUM_FRAMES} instances are open on this thread: the call depth was not checked")
    native_stack.require(open_frames[-1].stack_mark if open_frames else None)
    job = _Job(context, ink, stack_words, entry, arguments, deadline)
    if deadline is None:
        result = _run(program, hooks, job)
    elif time.monotonic() >= deadline:
        return RunResult(End.INTERRUPTED, (), ink, None)
    else:
        with ticker.watch(program.engine.address):
            result = _run(program, hooks, job)
    program.heat += 1 + (ink - result.ink_left) // INK_PER_HEAT
    return result


def _run(program: Program, hooks: Sequence[HookFunction], job: _Job) -> RunResult:
    slots = _arguments(program, job)
    binding = bind(program, hooks)
    instance = Instance(job.context)
    store = capi.store_new(program.engine.address, None, None)
    frames.stack.append(instance)
    try:
        capi.store_limit(store, MEMORY_LIMIT_BYTES, MAXIMUM_TABLE_ELEMENTS, 1, 1, 1)
        context = capi.store_context(store)
        capi.context_set_epoch_deadline(context, epochs_until(job.deadline))
        exports = _Exports(context, _instantiate(binding, context))
        instance.attach(context, exports.find("memory").memory, exports.find("zvm_ink").global_)
        instance.ink_left = job.ink
        exports.write("zvm_stack", job.stack_words)
        trap = _call(context, exports.find(job.entry).function, slots)
        if instance.failure is not None:
            return _stopped(instance, instance.failure)
        if trap is not None:
            return _trapped(instance, exports, trap, job.deadline)
        result = program.exports[job.entry].result
        values = (slots[0] & _MASKS[result],) if result else ()
        return RunResult(End.RETURNED, values, instance.ink_left, None)
    finally:
        instance.detach()
        frames.stack.pop()
        capi.store_delete(store)


def _arguments(program: Program, job: _Job) -> Any:
    """The argument slots, which the result replaces. Unchecked calls trust them, so the count is checked here."""
    signature = program.exports.get(job.entry)
    if signature is None or len(signature.parameters) != len(job.arguments):
        raise NodeFaultError(f"a checked module has no function {job.entry} of {len(job.arguments)} parameters")
    slots = (ctypes.c_int64 * (2 * max(1, len(job.arguments))))()
    for index, (kind, value) in enumerate(zip(signature.parameters, job.arguments, strict=True)):
        slots[2 * index] = value & _MASKS[kind]
    return slots


def _instantiate(binding: Binding, context: int) -> Any:
    """The new wasmtime_instance_t: two words."""
    instance, trap = (ctypes.c_uint64 * 2)(), c_void_p()
    error = capi.template_instantiate(binding.template, context, instance, byref(trap))
    if error:
        raise NodeFaultError(f"no room for an instance: {capi.take_error(error)}")
    if trap.value:
        raise NodeFaultError(f"a checked module traps while it is instantiated: {capi.take_trap(trap.value)[1]}")
    return instance


def _call(context: int, function: capi.Function, slots: Any) -> tuple[int | None, str] | None:
    """Call a function; its trap, if any."""
    trap = c_void_p()
    error = capi.function_call(context, byref(function), slots, len(slots) // 2, byref(trap))
    if error:
        raise NodeFaultError(f"wasmtime cannot call a checked function: {capi.take_error(error)}")
    return capi.take_trap(trap.value) if trap.value else None


class _Exports:
    """The exports of one instance by name."""

    def __init__(self, context: int, instance: Any) -> None:
        self._context = context
        self._instance = instance

    def find(self, name: str) -> capi.ExternItem:
        """The export; NodeFaultError when a checked module lacks it."""
        item, raw = capi.Extern(), name.encode()
        if not capi.instance_export(self._context, self._instance, raw, len(raw), byref(item)):
            raise NodeFaultError(f"an instrumented module lacks its export {name}")
        found: capi.ExternItem = item.of
        return found

    def write(self, name: str, value: int) -> None:
        """Set an i32 global."""
        content = capi.Value(capi.I32)
        content.i32 = value
        error = capi.global_set(self._context, byref(self.find(name).global_), byref(content))
        if error:
            raise NodeFaultError(f"global {name} cannot be set: {capi.take_error(error)}")

    def read(self, name: str) -> int:
        """An i32 global."""
        content = capi.Value()
        capi.global_get(self._context, byref(self.find(name).global_), byref(content))
        return int(content.i32)


def _stopped(instance: Instance, failure: BaseException) -> RunResult:
    """The outcome that a hook chose. What is no HostStopError goes on to the caller of run."""
    if not isinstance(failure, HostStopError):
        raise failure
    left = instance.ink_left
    if isinstance(failure, ExitError):
        return RunResult(End.EXITED, (failure.status,), left, None)
    if isinstance(failure, OutOfInkError):
        return RunResult(End.OUT_OF_INK, (), 0, None)
    if isinstance(failure, OutOfPagesError):
        return RunResult(End.OUT_OF_MEMORY, (), left, None)
    return RunResult(End.TRAPPED, (), left, str(failure))


def _trapped(instance: Instance, exports: _Exports, trap: tuple[int | None, str], deadline: float | None) -> RunResult:
    code, text = trap
    left = instance.ink_left
    if code == capi.TRAP_INTERRUPT and deadline is not None:
        return RunResult(End.INTERRUPTED, (), left, None)
    if code not in capi.TRAPS:
        raise NodeFaultError(f"trap {code}, which is not the contract's: {text}")
    fault = exports.read("zvm_fault")
    if fault:
        return RunResult(_FAULTS[fault], (), left, None)
    return RunResult(End.TRAPPED, (), left, capi.TRAPS[code])
