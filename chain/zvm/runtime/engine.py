"""Compilation of instrumented modules to machine code, and the settings that all nodes share."""

import ctypes
import mmap
import sys
import threading
from collections.abc import Callable, Sequence
from ctypes import byref, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from zevm.chain.errors import NodeFaultError
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.module.rules import RENEW
from zevm.chain.zvm.runtime import capi

MAXIMUM_PAGES = 1024
MEMORY_LIMIT_BYTES = MAXIMUM_PAGES * PAGE_BYTES
"""Backstop for one instance. The chain's own cap is charged for, and met, before it."""
MAXIMUM_FRAMES = 1025
"""Instances of one thread that may be open at once: depth 0 to 1,024."""
MAXIMUM_TABLE_ELEMENTS = 65_536
NATIVE_STACK_BYTES = 4 * 1024 * 1024
"""Maximum of one instance's use of its thread's stack: 64 bytes for each of its 65,536 stack words, which run out
before (measured: at most 16 bytes a word, for a function with 255 parameters).
"""

_RESERVATION_BYTES = 4 << 30
_GUARD_BYTES = 32 << 20
POOL_THREADS = 2
"""Threads that may use one pool at a time, each with a call of the deepest nesting."""
_IDLE_SLOTS = 62
"""For instances that wait for another run (core/zig/wasm_instances.zig), 48 at most."""
_POOL_SLOTS = POOL_THREADS * MAXIMUM_FRAMES + _IDLE_SLOTS
_WARM_SLOTS = 64
_RESIDENT_BYTES = 64 * 1024
"""Of a freed slot, cleared by writing instead of by unmapping: 70 MB in all after one call of the deepest nesting."""

SETTINGS: dict[str, int] = {
    "strategy": capi.CRANELIFT,
    "epoch_interruption": True,
    "consume_fuel": False,
    "parallel_compilation": False,
    "cranelift_nan_canonicalization": True,
    "max_wasm_stack": NATIVE_STACK_BYTES,
    "async_stack_size": 2 * NATIVE_STACK_BYTES,
    "memory_reservation": _RESERVATION_BYTES,
    "memory_guard_size": _GUARD_BYTES,
    "memory_may_move": False,
    "memory_init_cow": False,
    "native_unwind_info": False,
    "debug_info": False,
    "wasm_bulk_memory": True,
    "wasm_multi_value": False,
    "wasm_simd": False,
    "wasm_relaxed_simd": False,
    "wasm_relaxed_simd_deterministic": True,
    "wasm_threads": False,
    "shared_memory": False,
    "wasm_tail_call": False,
    "wasm_multi_memory": False,
    "wasm_memory64": False,
    "wasm_exceptions": False,
    "wasm_gc": False,
    "gc_support": False,
    "wasm_function_references": False,
    "wasm_component_model_async": False,
    "wasm_component_model_more_async_builtins": False,
    "wasm_component_model_async_stackful": False,
    "wasm_component_model": False,
    "concurrency_support": False,
    "wasm_reference_types": False,
    "wasm_custom_page_sizes": False,
    "wasm_wide_arithmetic": False,
    "wasm_stack_switching": False,
}
"""wasmtime's options in the order in which they are set: a wrong combination ends the process at start.

The chain's own validator decides what a module may hold; the feature switches are the second fence.
memory_init_cow would put an image of the memory into the code: 16 MiB for a module of 84 bytes whose two data
segments lie so far apart. Without it the segments are copied at each start, which a call pays for by their bytes.
Compiled code is exchanged only between engines that agree on all of them.
"""


class Instrumented(Protocol):
    """The part of `chain.zvm.module.prepare.Prepared` that compilation needs."""

    @property
    def instrumented(self) -> bytes: ...
    @property
    def initial_pages(self) -> int: ...
    @property
    def data_bytes(self) -> int: ...
    @property
    def activation_gas(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """Types of a function's parameters, "i" = i32 and "I" = i64, and of its result, "" = none."""

    parameters: str
    result: str


@dataclass(frozen=True, slots=True)
class Import:
    """An imported function. `type_address`: its wasm_functype_t, owned by the program."""

    module: str
    name: str
    signature: Signature
    type_address: int


class Program:
    """A compiled module: machine code in memory that any number of threads may instantiate.

    imports: in the module's order. exports: its functions; has_memory: and a memory.
    initial_pages, data_bytes, activation_gas: of the module, for pricing.
    callbacks: what its imports are bound to, by who runs it.
    code_bytes: of its image in memory. is_of_chain: whether a block's transaction has deployed or run its code.
    heat: how much it has run, see `chain.zvm.runtime.program_cache`; threads add to it unlocked, it need not be exact.
    heat_address: where the core adds to it, 64 bits with a sign. core_facts: the facts that the core receives of it.
    is_apart: whether no brief run may be of it (chain.zvm.brief_runs); None before the first.
    Two programs of the same code differ in `optimised` alone.
    """

    def __init__(self, engine: "Engine", address: int, source: Instrumented, *, optimised: bool) -> None:
        self.engine = engine
        self.address = address
        self.optimised = optimised
        self._heat = ctypes.c_int64()
        self.instrumented = source.instrumented
        self.initial_pages = source.initial_pages
        self.data_bytes = source.data_bytes
        self.activation_gas = source.activation_gas
        self.bindings: dict[tuple[Sequence[object], bool], object] = {}
        self.last_binding: tuple[Sequence[object], object, object] | None = None
        self.callbacks: dict[int, Sequence[object]] = {}
        self.core_facts: tuple[object, ...] | None = None
        self.is_apart: bool | None = None
        self._import_types = capi.Vector()
        capi.module_imports(address, byref(self._import_types))
        self.imports = tuple(_import_of(item) for item in capi.pointers(self._import_types))
        self.exports, self.has_memory = _exports(address)
        self.code_bytes = _image_bytes(address)
        self.is_of_chain = False

    @property
    def heat(self) -> int:
        """See the class."""
        return self._heat.value

    @heat.setter
    def heat(self, heat: int) -> None:
        self._heat.value = heat

    @property
    def heat_address(self) -> int:
        """See the class."""
        return ctypes.addressof(self._heat)

    def serialise(self) -> bytes:
        """The machine code, for `Engine.load` of an engine with the same settings."""
        code = capi.Vector()
        _check(capi.module_serialize(self.address, byref(code)), "compiled code cannot be serialised")
        return capi.take_bytes(code)

    def __del__(self) -> None:
        if hasattr(self, "_import_types"):
            self.core_facts = None
            self.bindings.clear()
            capi.importtype_vec_delete(byref(self._import_types))
        if hasattr(self, "address"):
            capi.module_delete(self.address)


class Engine:
    """Compiles and holds programs.

    pooled: instances take prepared slots, which is several times as fast; for POOL_THREADS at a time, since the slots
    suffice for that number of deepest calls. Otherwise memory is mapped on demand, for any number of threads. If the
    address space does not suffice for the slots, `pooled` falls back to that.
    """

    def __init__(self, *, pooled: bool) -> None:
        self.pooled = pooled and _address_space_suffices()
        self.address = _new_engine(pooled=self.pooled, optimise=capi.OPTIMISE_NONE)
        self._optimiser: int | None = None
        self._lock = threading.Lock()

    def compile(self, prepared: Instrumented, *, optimise: bool) -> Program:
        """Machine code of a prepared module. `chain.zvm.module.limits` bounds the time it takes.

        NodeFaultError: the compiler refuses what the chain's validator accepts.
        """
        if not optimise:
            address = _compile(self.address, prepared.instrumented)
            return Program(self, address, prepared, optimised=False)
        with self._lock:
            if self._optimiser is None:
                self._optimiser = _new_engine(pooled=False, optimise=capi.OPTIMISE_SPEED)
        elsewhere = Program(self, _compile(self._optimiser, prepared.instrumented), prepared, optimised=True)
        return self.load(elsewhere.serialise(), prepared, optimised=True)

    def load(self, code: bytes, source: Instrumented, *, optimised: bool) -> Program:
        """A program from what `Program.serialise` gave. The code is executed: it must be the node's own.

        NodeFaultError: the code is from another version, machine or configuration.
        """
        module = c_void_p()
        error = capi.module_deserialize(self.address, code, len(code), byref(module))
        _check(error, "compiled code cannot be loaded")
        return Program(self, module.value or 0, source, optimised=optimised)

    def __del__(self, delete: Callable[[int], None] = capi.engine_delete) -> None:
        # the module's names may be gone when the interpreter ends
        for name in ("address", "_optimiser"):
            if getattr(self, name, None) is not None:
                delete(getattr(self, name))


@cache
def shared_engine(*, pooled: bool) -> Engine:
    """The process's engine of a kind. All machines have the same settings, and a pool reserves 9 TB of addresses."""
    return Engine(pooled=pooled)


def why_refused(module: bytes) -> str | None:
    """Why an engine with the settings of all nodes would not compile a module; None: it would."""
    error = capi.module_validate(_validator(), module, len(module))
    return capi.take_error(error) if error else None


@cache
def _validator() -> int:
    return _new_engine(pooled=False, optimise=capi.OPTIMISE_NONE)


def _check(error: int | None, what: str) -> None:
    if error:
        raise NodeFaultError(f"{what}: {capi.take_error(error)}")


def _compile(engine: int, module: bytes) -> int:
    address = c_void_p()
    error = capi.module_new(engine, module, len(module), byref(address))
    _check(error, f"the compiler refuses a checked module of {len(module)} bytes")
    return address.value or 0


def _new_engine(*, pooled: bool, optimise: int) -> int:
    config = capi.config_new()
    for name, value in SETTINGS.items():
        capi.set_config(config, name, value)
    capi.set_config(config, "cranelift_opt_level", optimise)
    if pooled:
        pool = capi.pool_new()
        for name, value in _pool_settings().items():
            capi.set_pool(pool, name, value)
        capi.pool_use(config, pool)
        capi.pool_delete(pool)
    return int(capi.engine_new(config))


def _pool_settings() -> dict[str, int]:
    return {
        "total_core_instances": _POOL_SLOTS,
        "total_memories": _POOL_SLOTS,
        "total_tables": _POOL_SLOTS,
        "max_memories_per_module": 1,
        "max_tables_per_module": 1,
        "max_memory_size": MEMORY_LIMIT_BYTES,
        "table_elements": MAXIMUM_TABLE_ELEMENTS,
        "max_unused_warm_slots": _WARM_SLOTS,
        "linear_memory_keep_resident": _RESIDENT_BYTES,
        "table_keep_resident": _RESIDENT_BYTES,
        "total_stacks": 0,
        "total_gc_heaps": 0,
        "total_component_instances": 0,
    }


def _address_space_suffices() -> bool:
    """Whether the pool's reservation can be mapped: wasmtime ends the process when it cannot."""
    size = _POOL_SLOTS * (_RESERVATION_BYTES + 2 * _GUARD_BYTES)
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE, prot=0).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


def _image_bytes(module: int) -> int:
    start, end = c_void_p(), c_void_p()
    capi.module_image_range(module, byref(start), byref(end))
    return (end.value or 0) - (start.value or 0)


def _text(vector: "ctypes._Pointer[capi.Vector]") -> str:
    content = vector.contents
    return ctypes.string_at(content.data, content.size).decode() if content.size else ""


def _types(vector: "ctypes._Pointer[capi.Vector]") -> str:
    kinds = [capi.valtype_kind(item) for item in capi.pointers(vector.contents)]
    return "".join({capi.I32: "i", capi.I64: "I"}.get(kind, "?") for kind in kinds)


def _signature(function_type: int) -> Signature:
    signature = Signature(_types(capi.functype_params(function_type)), _types(capi.functype_results(function_type)))
    if "?" in signature.parameters + signature.result or len(signature.result) > 1:
        raise NodeFaultError(f"a checked module has a function of type {signature}: only i32 and i64, one result")
    return signature


def _import_of(item: int) -> Import:
    function_type = capi.externtype_as_functype(capi.importtype_type(item))
    module, name = _text(capi.importtype_module(item)), _text(capi.importtype_name(item))
    if not function_type:
        raise NodeFaultError(f"a checked module imports {module}.{name}, which is not a function")
    return Import(module, name, _signature(function_type), function_type)


def _exports(module: int) -> tuple[dict[str, Signature], bool]:
    """(functions by name, but for the one that instrumentation adds, whether it exports "memory")"""
    types = capi.Vector()
    capi.module_exports(module, byref(types))
    try:
        functions, has_memory = {}, False
        for item in capi.pointers(types):
            kind, name = capi.exporttype_type(item), _text(capi.exporttype_name(item))
            if capi.externtype_kind(kind) == capi.TYPE_FUNCTION and name != RENEW:
                functions[name] = _signature(capi.externtype_as_functype(kind))
            elif capi.externtype_kind(kind) == capi.TYPE_MEMORY:
                has_memory |= name == "memory"
        return functions, has_memory
    finally:
        capi.exporttype_vec_delete(byref(types))
