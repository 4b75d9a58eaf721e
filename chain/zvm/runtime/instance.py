"""One running instance, and the callbacks through which its code reaches the host."""

import threading
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref, c_void_p
from ctypes import cast as address_cast
from typing import Any, Protocol, cast

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.faults import HostTrapError, OutOfInkError
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.runtime import capi
from zevm.chain.zvm.runtime.deadlines import NEXT_EPOCH
from zevm.chain.zvm.runtime.engine import Import, Program, Signature
from zevm.core import CORE

HostCallback = Callable[..., int | None]
"""(instance, *parameters as unsigned ints) -> the result, or None for a host function without one."""

_ENDED = "a host function uses an instance whose run has ended"
_I64 = capi.I64
_global_get, _global_set = capi.global_get, capi.global_set
"""By short names, since every host call that charges goes through them."""

_MASK_32 = 0xFFFFFFFF
MASK_64 = 0xFFFFFFFFFFFFFFFF
_WRITABLE = 0x200
_BINDINGS_KEPT = 8
_NOTHING = memoryview(bytearray())
"""Memory not yet looked at. Writable, since nothing may be written to it."""
_INK: int = capi.Scratch.ink.offset + capi.EXTERN_ITEM
_STACK: int = capi.Scratch.stack.offset + capi.EXTERN_ITEM
_MEMORY: int = capi.Scratch.memory.offset + capi.EXTERN_ITEM


class Instance:
    """A host function's view of the calling instance. Usable only until the run ends.

    context: what the caller of run passed. is_interrupted: it has met its deadline.
    """

    __slots__ = (
        "_has_memory",
        "_scratch",
        "_store",
        "_value",
        "_view",
        "context",
        "deadline",
        "failure",
        "is_interrupted",
        "stack_mark",
    )

    def __init__(self, context: Any, deadline: Deadline | None = None) -> None:
        self.context = context
        self.deadline = deadline
        self.is_interrupted = False
        self.failure: BaseException | None = None
        self.stack_mark: Any = None
        self._store: int | None = None
        self._scratch: Any = None
        self._value = 0
        self._has_memory = False
        self._view = _NOTHING

    def attach(self, scratch: capi.Scratch, value_address: int, has_memory: bool) -> None:
        """Take what will describe the instance: `scratch` gets its store, its ink and, if it has one, its memory."""
        self._scratch, self._value, self._has_memory = scratch, value_address, has_memory

    def detach(self) -> None:
        """The store goes: nothing of it may be touched from now on."""
        if self._view is not _NOTHING:
            self._view.release()
            self._view = _NOTHING
        self._store = self._scratch = self.failure = None

    def read(self, pointer: int, length: int) -> bytes:
        """`length` bytes of memory from `pointer`. HostTrapError: outside of it."""
        end = pointer + length
        if end > len(self._view):
            self._refresh(end)
        return self._view[pointer:end].tobytes()

    def write(self, pointer: int, data: bytes) -> None:
        """Put `data` into memory at `pointer`. HostTrapError: outside of it, and nothing is written."""
        end = pointer + len(data)
        if end > len(self._view):
            self._refresh(end)
        self._view[pointer:end] = data

    def check(self, pointer: int, length: int) -> None:
        """HostTrapError unless memory holds `length` bytes from `pointer`."""
        if pointer + length > len(self._view):
            self._refresh(pointer + length)

    def charge(self, ink: int) -> None:
        """Debit ink. OutOfInkError: it does not suffice, and the rest is consumed."""
        if not ink:
            return
        left = self.ink_left - ink
        self.ink_left = max(left, 0)
        if left < 0:
            raise OutOfInkError(f"a host function costs {ink} ink, {left + ink} are left")

    @property
    def ink_left(self) -> int:
        """Ink not yet used. May be set, as after a nested call that gives gas back."""
        store, value = self._store or self._open(), self._value
        _global_get(store, value + _INK, value)
        left: int = self._scratch.value & MASK_64
        return left

    @ink_left.setter
    def ink_left(self, ink: int) -> None:
        store, value, scratch = self._store or self._open(), self._value, self._scratch
        scratch.kind = _I64
        scratch.value = ink
        _global_set(store, value + _INK, value)

    @property
    def stack_words_left(self) -> int:
        """Stack words that the open functions leave."""
        value = self._value
        capi.global_get(self._open(), value + _STACK, value)
        return int(self._scratch.value) & _MASK_32

    @property
    def pages(self) -> int:
        """Size of the memory in pages of 64 KiB."""
        self._refresh(0)
        return len(self._view) // PAGE_BYTES

    def _open(self) -> int:
        """The store's context. NodeFaultError: the run has ended, the store is gone."""
        context: int = 0 if self._scratch is None else self._scratch.context
        if not context:
            raise NodeFaultError(_ENDED)
        self._store = context
        return context

    def _refresh(self, end: int) -> None:
        """Map the whole memory again, since it may have grown; it must reach to `end`."""
        store, handle = self._open(), self._value + _MEMORY
        size = capi.memory_size(store, handle) if self._has_memory else 0
        if size != len(self._view):
            self._view = capi.view_memory(capi.memory_data(store, handle), size, _WRITABLE)
        if end > size:
            raise HostTrapError(f"memory access up to byte {end}, the memory has {size}")


class _Frames(threading.local):
    """The open instances of each thread, innermost last."""

    def __init__(self) -> None:
        self.stack: list[Instance] = []


frames = _Frames()


def _look_at_deadline(_context: int, _data: int, epochs: Any, kind: Any) -> int:
    """The epoch has advanced for a run that has met its deadline: for this one, or for another, and it goes on."""
    instance = frames.stack[-1]
    deadline = instance.deadline
    if deadline is not None and not deadline.expired():
        epochs[0] = NEXT_EPOCH
        kind[0] = capi.EPOCH_CONTINUE
        return 0
    instance.is_interrupted = True
    return int(capi.error_new(b"the deadline has passed"))


look_at_deadline = capi.EpochCallback(_look_at_deadline)
"""One C function for all stores."""
look_at_deadline_address: int = address_cast(look_at_deadline, c_void_p).value or 0


class Native(Protocol):
    """Host functions in machine code, for one run, and what makes an instance that has them."""

    @property
    def addresses(self) -> Mapping[HostCallback, int]:
        """The address of the C function in place of a callback, where there is one."""
        ...

    def begin(self, instance: Instance, scratch: int, *, has_memory: bool) -> int | None:
        """The address of a run, or None where there is no memory for it. scratch: the address of a capi.Scratch."""
        ...

    def run(
        self,
        run: int,
        engine: int,
        template: int,
        memory_bytes: int,
        table_elements: int,
        entry: bytes,
        ink: int,
        stack_words: int,
        slots: int,
        slot_count: int,
        at_epoch: int,
        /,
    ) -> tuple[int, int, int]:
        """See zevm.core._core.wasm_run."""
        ...

    def failure(self, run: int) -> BaseException | None:
        """Why a function in machine code stopped the run, if one did."""
        ...

    def end(self, run: int) -> None:
        """The run and its store go."""
        ...


class Binding:
    """A program tied to its host functions, ready to be instantiated on any thread.

    addresses: C functions in place of callbacks.
    """

    def __init__(
        self, program: Program, callbacks: Sequence[HostCallback], addresses: Mapping[HostCallback, int]
    ) -> None:
        if len(callbacks) != len(program.imports):
            raise NodeFaultError(f"{len(callbacks)} host functions for a module with {len(program.imports)} imports")
        self._callbacks = [
            capi.Callback(addresses[callback]) if callback in addresses else _callback(callback, item.signature)
            for callback, item in zip(callbacks, program.imports, strict=True)
        ]
        linker = capi.linker_new(program.engine.address)
        try:
            capi.linker_allow_shadowing(linker, True)
            for item, callback in zip(program.imports, self._callbacks, strict=True):
                _define(linker, item, callback)
            template = c_void_p()
            error = capi.linker_instantiate_pre(linker, program.address, byref(template))
            if error:
                raise NodeFaultError(f"a checked module cannot be linked: {capi.take_error(error)}")
            assert template.value is not None, "it was made"
            self.template = template.value
        finally:
            capi.linker_delete(linker)

    def __del__(self) -> None:
        if getattr(self, "template", None):
            if CORE.library is not None:
                CORE.library.wasm_forget(self.template)
            capi.template_delete(self.template)


def bind(
    program: Program, callbacks: Sequence[HostCallback], addresses: Mapping[HostCallback, int] | None = None
) -> Binding:
    """The binding of a program to these host functions, kept for the next run.

    Host functions are functions of a module, the same for every run: what differs between runs belongs in the context.
    addresses: see `Binding`; always the same mapping, or None.
    """
    last = program.last_binding
    if last is not None and last[0] is callbacks and last[1] is addresses:
        return cast(Binding, last[2])
    key = tuple(callbacks)
    found = program.bindings.get((key, addresses is None))
    if found is None:
        found = Binding(program, key, addresses or {})
        if len(program.bindings) >= _BINDINGS_KEPT:
            program.bindings.clear()
        program.bindings[key, addresses is None] = found
    binding = cast(Binding, found)
    if key is callbacks:
        program.last_binding = (key, addresses, binding)
    return binding


def _define(linker: int, item: Import, callback: Any) -> None:
    module, name = item.module.encode(), item.name.encode()
    error = capi.linker_define(linker, module, len(module), name, len(name), item.type_address, callback, None, None)
    if error:
        raise NodeFaultError(f"host function {item.module}.{item.name} cannot be defined: {capi.take_error(error)}")


def _callback(callback: HostCallback, signature: Signature) -> Any:
    """The C function of a host function. Whatever that raises is kept for the caller of run: C cannot pass it on."""
    take = _TAKERS.get(signature.parameters) or _taker(signature.parameters)
    current = frames

    def enter(_environment: int, _caller: int, slots: Any, _size: int) -> int:
        instance = current.stack[-1]
        try:
            instance.stack_mark = slots
            result = take(callback, instance, slots)
            if result is not None:
                slots[0] = result
        except BaseException as error:
            instance.failure = error
            return int(capi.trap_new(capi.TRAP_UNREACHABLE))
        return 0

    return capi.Callback(enter)


def _taker(parameters: str) -> Callable[[HostCallback, Instance, Any], int | None]:
    masks = tuple((2 * index, _MASK_32 if kind == "i" else MASK_64) for index, kind in enumerate(parameters))

    def take(callback: HostCallback, instance: Instance, slots: Any) -> int | None:
        return callback(instance, *[slots[index] & mask for index, mask in masks])

    return take


_TAKERS: dict[str, Callable[[HostCallback, Instance, Any], int | None]] = {
    "": lambda callback, instance, _s: callback(instance),
    "i": lambda callback, instance, s: callback(instance, s[0] & _MASK_32),
    "ii": lambda callback, instance, s: callback(instance, s[0] & _MASK_32, s[2] & _MASK_32),
    "iii": lambda callback, instance, s: callback(instance, s[0] & _MASK_32, s[2] & _MASK_32, s[4] & _MASK_32),
    "iiii": lambda callback, instance, s: callback(
        instance, s[0] & _MASK_32, s[2] & _MASK_32, s[4] & _MASK_32, s[6] & _MASK_32
    ),
    "iiiIi": lambda callback, instance, s: callback(
        instance, s[0] & _MASK_32, s[2] & _MASK_32, s[4] & _MASK_32, s[6] & MASK_64, s[8] & _MASK_32
    ),
    "iiiiIi": lambda callback, instance, s: callback(
        instance,
        s[0] & _MASK_32,
        s[2] & _MASK_32,
        s[4] & _MASK_32,
        s[6] & _MASK_32,
        s[8] & MASK_64,
        s[10] & _MASK_32,
    ),
}
"""The common shapes without the loop, which would cost as much as the host call itself."""
