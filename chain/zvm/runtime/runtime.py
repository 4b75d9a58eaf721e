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
from zevm.chain.zvm.runtime.instance import (
    MASK_64,
    HostCallback,
    Instance,
    Native,
    bind,
    frames,
    look_at_deadline,
    look_at_deadline_address,
)
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
    plan = _Plan(entry, arguments, ink, stack_words, memory_pages * PAGE_BYTES, deadline)
    if deadline is None:
        result = _run(program, callbacks, context, plan, native, with_backtrace=with_backtrace)
    elif deadline.expired():
        return RunResult(End.INTERRUPTED, (), ink, None)
    else:
        with ticker.watch(program.engine.address, deadline):
            result = _run(program, callbacks, context, plan, native, with_backtrace=with_backtrace)
    program.heat += 1 + (ink - result.ink_left) // INK_PER_HEAT
    return result


class _Plan(NamedTuple):
    """The call of a run, see `run`."""

    entry: str
    arguments: Sequence[int]
    ink: int
    stack_words: int
    memory_bytes: int
    deadline: Deadline | None


def _run(
    program: Program,
    callbacks: Sequence[HostCallback],
    context: object,
    plan: _Plan,
    native: Native | None,
    *,
    with_backtrace: bool,
) -> RunResult:
    result_type, slots = _prepare_call(program, plan.entry, plan.arguments)
    instance = Instance(context, plan.deadline)
    call = _call_of(native, instance, program)
    frames.stack.append(instance)
    try:
        instance.attach(call.scratch, call.base, program.has_memory)
        error, left = call.run(program, callbacks, plan, slots)
        if call.scratch.trap and instance.failure is None:
            instance.failure = call.failure()
        if instance.failure is not None:
            backtrace = _take_backtrace(call.scratch.trap, wanted=with_backtrace)
            return _stopped(instance, instance.failure)._replace(backtrace=backtrace)
        if instance.is_interrupted:
            capi.error_delete(error)
            return RunResult(End.INTERRUPTED, (), left, None)
        if error:
            raise NodeFaultError(f"wasmtime cannot call a checked function: {capi.take_error(error)}")
        if call.scratch.trap:
            return _trapped(instance, call, with_backtrace=with_backtrace)
        values = (slots[0] & _MASKS[result_type],) if result_type else ()
        return RunResult(End.RETURNED, values, left, None)
    finally:
        instance.detach()
        frames.stack.pop()
        call.end()


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
    """One instance in its store, by addresses in a scratch buffer; made and called in Python."""

    __slots__ = ("_store", "base", "scratch")

    def __init__(self) -> None:
        self._store: int | None = None
        self.scratch = capi.Scratch()
        self.base = ctypes.addressof(self.scratch)

    def run(
        self, program: Program, callbacks: Sequence[HostCallback], plan: _Plan, slots: Any
    ) -> tuple[int | None, int]:
        """Make the instance and call it: (an error if it could not run to its end, ink left).

        A trap is left in the scratch buffer.
        """
        binding, base, scratch = bind(program, callbacks), self.base, self.scratch
        self._store = store = capi.store_new(program.engine.address, None, None)
        capi.store_limit(store, plan.memory_bytes, MAXIMUM_TABLE_ELEMENTS, 1, 1, 1)
        scratch.context = context = capi.store_context(store)
        # what fills the memory at the start looks at the epoch too, and must not be interrupted: it is no run yet
        capi.context_set_epoch_deadline(context, FOREVER)
        error = capi.template_instantiate(binding.template, context, base + _INSTANCE, base + _TRAP)
        _require_made(scratch, error)
        if plan.deadline is not None:
            capi.store_epoch_callback(store, look_at_deadline, None, None)
            capi.context_set_epoch_deadline(context, NEXT_EPOCH)
        if program.has_memory:
            self._find(b"memory", base + _MEMORY)
        self._set(b"zvm_ink", _INK, capi.I64, plan.ink)
        self._set(b"zvm_stack", _STACK, capi.I32, plan.stack_words)
        self._find(plan.entry.encode(), base + _OTHER)
        error = capi.function_call(context, base + _OTHER_ITEM, slots, len(slots) // 2, base + _TRAP)
        capi.global_get(context, base + _INK_ITEM, base)
        return error, int(scratch.value) & MASK_64

    def failure(self) -> BaseException | None:
        """Why a host function that is not in Python stopped the run, if one did."""
        return None

    def end(self) -> None:
        """The store goes."""
        if self._store is not None:
            capi.store_delete(self._store)

    def _set(self, name: bytes, extern: int, kind: int, value: int) -> None:
        base, scratch = self.base, self.scratch
        self._find(name, base + extern)
        scratch.kind = kind
        scratch.value = value
        error = capi.global_set(scratch.context, base + extern + capi.EXTERN_ITEM, base)
        if error:
            raise NodeFaultError(f"{name.decode()} cannot be set: {capi.take_error(error)}")

    def read_i32(self, name: bytes) -> int:
        """A global."""
        self._find(name, self.base + _OTHER)
        capi.global_get(self.scratch.context, self.base + _OTHER_ITEM, self.base)
        return int(self.scratch.value) & 0xFFFFFFFF

    def _find(self, name: bytes, target: int) -> None:
        if not capi.instance_export(self.scratch.context, self.base + _INSTANCE, name, len(name), target):
            raise NodeFaultError(f"an instrumented module lacks its export {name.decode()}")


class _NativeCall(_Call):
    """One that the core makes and calls. run_address: None where the core has no memory for it."""

    __slots__ = ("_native", "run_address")

    def __init__(self, native: Native, instance: Instance, program: Program) -> None:
        super().__init__()
        self._native = native
        self.run_address = native.begin(instance, self.base, has_memory=program.has_memory)

    def run(
        self, program: Program, callbacks: Sequence[HostCallback], plan: _Plan, slots: Any
    ) -> tuple[int | None, int]:
        """See _Call."""
        assert self.run_address is not None
        binding = bind(program, callbacks, self._native.addresses)
        course, error, left = self._native.run(
            self.run_address,
            program.engine.address,
            binding.template,
            plan.memory_bytes,
            MAXIMUM_TABLE_ELEMENTS,
            plan.entry.encode(),
            plan.ink,
            plan.stack_words,
            ctypes.addressof(slots),
            len(slots) // 2,
            0 if plan.deadline is None else look_at_deadline_address,
        )
        if course:
            _require_made(self.scratch, error)
            raise NodeFaultError("an instrumented module lacks an export")
        return error, left

    def failure(self) -> BaseException | None:
        """See _Call."""
        assert self.run_address is not None
        return self._native.failure(self.run_address)

    def end(self) -> None:
        """See _Call."""
        assert self.run_address is not None
        self._native.end(self.run_address)


def _call_of(native: Native | None, instance: Instance, program: Program) -> _Call:
    """The core's call, unless it is not wanted or there is no memory for it."""
    if native is not None:
        call = _NativeCall(native, instance, program)
        if call.run_address is not None:
            return call
    return _Call()


def _require_made(scratch: capi.Scratch, error: int | None) -> None:
    """NodeFaultError unless the instance was made."""
    if error:
        raise NodeFaultError(f"no memory for an instance: {capi.take_error(error)}")
    if scratch.trap:
        raise NodeFaultError(f"a checked module traps while it is instantiated: {capi.take_trap(scratch.trap)[1]}")


_INSTANCE: int = capi.Scratch.instance.offset
_TRAP: int = capi.Scratch.trap.offset
_MEMORY: int = capi.Scratch.memory.offset
_INK: int = capi.Scratch.ink.offset
_INK_ITEM: int = _INK + capi.EXTERN_ITEM
_STACK: int = capi.Scratch.stack.offset
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
