"""The C interface of wasmtime, as much of it as the runtime needs, bound raw by ctypes.

The Python package of wasmtime is not imported: a host call through it costs 10 to 25 times as much, and it
carries exceptions in a variable that all threads share. Its shared library is loaded by path instead. Addresses
are plain ints. The layouts below are those of exactly one version, so another one is refused.

Functions bound by `_quick` keep Python's global lock: they last less than a microsecond. Functions bound by
`_slow` release it: they compile, instantiate or execute.
"""

import ctypes
import importlib.metadata
import importlib.util
import platform
import sys
from ctypes import c_bool, c_char_p, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from zevm.chain.errors import NodeFaultError

VERSION = "50.0.1"
"""The only version of wasmtime whose layouts these are, and with which compiled code is exchanged."""

_LIBRARIES = {
    ("linux", "x86_64"): "linux-x86_64/_libwasmtime.so",
    ("linux", "aarch64"): "linux-aarch64/_libwasmtime.so",
    ("darwin", "x86_64"): "darwin-x86_64/_libwasmtime.dylib",
    ("darwin", "arm64"): "darwin-aarch64/_libwasmtime.dylib",
}

I32 = 0
I64 = 1
TYPE_FUNCTION = 0
TYPE_MEMORY = 3
CRANELIFT = 1
OPTIMISE_NONE = 0
OPTIMISE_SPEED = 1

TRAP_UNREACHABLE = 9
TRAPS = {
    1: "out of bounds memory access",
    2: "misaligned memory access",
    3: "out of bounds table access",
    4: "call of a null function",
    5: "indirect call type mismatch",
    6: "integer overflow",
    7: "integer divide by zero",
    8: "invalid conversion to integer",
    9: "unreachable",
}
"""Traps that are the contract's own, by wasmtime's code. All others are faults of the node."""


class Extern(ctypes.Structure):
    """wasmtime_extern_t: what an export is, and at EXTERN_ITEM its function, global or memory."""

    _fields_ = (("kind", c_uint64), ("item", c_uint64 * 3))


EXTERN_ITEM: int = Extern.item.offset


class Scratch(ctypes.Structure):
    """Everything that one run exchanges with the library, in one allocation, used by address.

    kind, value: a wasmtime_val_t. instance: a wasmtime_instance_t. trap: a wasm_trap_t's address. context: the store's.
    """

    _fields_ = (
        ("kind", c_uint64),
        ("value", c_int64),
        ("_room", c_uint64 * 2),
        ("memory", Extern),
        ("ink", Extern),
        ("stack", Extern),
        ("other", Extern),
        ("instance", c_uint64 * 2),
        ("trap", c_uint64),
        ("context", c_uint64),
    )


class Vector(ctypes.Structure):
    """wasm_*_vec_t: a size and an address"""

    _fields_ = (("size", c_size_t), ("data", c_void_p))


Callback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, ctypes.POINTER(c_int64), c_size_t)
"""wasmtime_func_unchecked_callback_t. Value i is slot 2 * i; the result goes to slot 0; it returns a trap or 0."""

EpochCallback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, ctypes.POINTER(c_uint64), ctypes.POINTER(c_uint8))
"""(context, data, epochs that it may go on for, how it goes on) -> an error, which ends the run, or 0."""
EPOCH_CONTINUE = 0


def _load() -> ctypes.CDLL:
    installed = importlib.metadata.version("wasmtime")
    if installed != VERSION:
        raise NodeFaultError(f"wasmtime {installed} is installed, ZVM needs exactly {VERSION}: install that")
    machine = {"AMD64": "x86_64", "ARM64": "aarch64"}.get(platform.machine(), platform.machine())
    name = _LIBRARIES.get((sys.platform, machine))
    package = importlib.util.find_spec("wasmtime")
    if name is None or package is None or package.origin is None:
        raise NodeFaultError(f"wasmtime has no library for {sys.platform} on {machine}")
    return ctypes.CDLL(str(Path(package.origin).parent / name))


library = _load()


def address_of(name: str) -> int:
    """The address of a function of the library."""
    return ctypes.cast(getattr(library, name), c_void_p).value or 0


def _bind(prototype: Any, name: str, result: Any, arguments: tuple[Any, ...]) -> Any:
    return prototype(result, *arguments)(address_of(name))


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    return _bind(ctypes.PYFUNCTYPE, name, result, arguments)


def _slow(name: str, result: Any, *arguments: Any) -> Any:
    return _bind(ctypes.CFUNCTYPE, name, result, arguments)


_P = c_void_p

config_new = _quick("wasm_config_new", _P)
pool_new = _quick("wasmtime_pooling_allocation_config_new", _P)
pool_delete = _quick("wasmtime_pooling_allocation_config_delete", None, _P)
pool_use = _quick("wasmtime_pooling_allocation_strategy_set", None, _P, _P)
engine_new = _slow("wasm_engine_new_with_config", _P, _P)
engine_delete = _slow("wasm_engine_delete", None, _P)
engine_increment_epoch = _quick("wasmtime_engine_increment_epoch", None, _P)

module_validate = _slow("wasmtime_module_validate", _P, _P, c_char_p, c_size_t)
module_new = _slow("wasmtime_module_new", _P, _P, c_char_p, c_size_t, _P)
module_serialize = _slow("wasmtime_module_serialize", _P, _P, _P)
module_deserialize = _slow("wasmtime_module_deserialize", _P, _P, c_char_p, c_size_t, _P)
module_image_range = _quick("wasmtime_module_image_range", None, _P, _P, _P)
module_delete = _slow("wasmtime_module_delete", None, _P)
module_imports = _quick("wasmtime_module_imports", None, _P, _P)
module_exports = _quick("wasmtime_module_exports", None, _P, _P)

importtype_vec_delete = _quick("wasm_importtype_vec_delete", None, _P)
exporttype_vec_delete = _quick("wasm_exporttype_vec_delete", None, _P)
importtype_module = _quick("wasm_importtype_module", ctypes.POINTER(Vector), _P)
importtype_name = _quick("wasm_importtype_name", ctypes.POINTER(Vector), _P)
importtype_type = _quick("wasm_importtype_type", _P, _P)
exporttype_name = _quick("wasm_exporttype_name", ctypes.POINTER(Vector), _P)
exporttype_type = _quick("wasm_exporttype_type", _P, _P)
externtype_kind = _quick("wasm_externtype_kind", c_uint8, _P)
externtype_as_functype = _quick("wasm_externtype_as_functype_const", _P, _P)
functype_params = _quick("wasm_functype_params", ctypes.POINTER(Vector), _P)
functype_results = _quick("wasm_functype_results", ctypes.POINTER(Vector), _P)
valtype_kind = _quick("wasm_valtype_kind", c_uint8, _P)

linker_new = _quick("wasmtime_linker_new", _P, _P)
linker_delete = _quick("wasmtime_linker_delete", None, _P)
linker_allow_shadowing = _quick("wasmtime_linker_allow_shadowing", None, _P, c_bool)
linker_define = _quick(
    "wasmtime_linker_define_func_unchecked",
    _P,
    *(_P, c_char_p, c_size_t, c_char_p, c_size_t, _P, Callback, _P, _P),
)
linker_instantiate_pre = _slow("wasmtime_linker_instantiate_pre", _P, _P, _P, _P)
template_instantiate = _slow("wasmtime_instance_pre_instantiate", _P, _P, _P, _P, _P)
template_delete = _quick("wasmtime_instance_pre_delete", None, _P)

store_new = _quick("wasmtime_store_new", _P, _P, _P, _P)
store_context = _quick("wasmtime_store_context", _P, _P)
store_limit = _quick("wasmtime_store_limiter", None, _P, c_int64, c_int64, c_int64, c_int64, c_int64)
store_delete = _slow("wasmtime_store_delete", None, _P)
store_epoch_callback = _quick("wasmtime_store_epoch_deadline_callback", None, _P, EpochCallback, _P, _P)
context_set_epoch_deadline = _quick("wasmtime_context_set_epoch_deadline", None, _P, c_uint64)

instance_export = _quick("wasmtime_instance_export_get", c_bool, _P, _P, c_char_p, c_size_t, _P)
function_call = _slow("wasmtime_func_call_unchecked", _P, _P, _P, _P, c_size_t, _P)
global_get = _quick("wasmtime_global_get", None, _P, _P, _P)
global_set = _quick("wasmtime_global_set", _P, _P, _P, _P)
memory_data = _quick("wasmtime_memory_data", _P, _P, _P)
memory_size = _quick("wasmtime_memory_data_size", c_size_t, _P, _P)

trap_new = _quick("wasmtime_trap_new_code", _P, c_uint8)
trap_code = _quick("wasmtime_trap_code", c_bool, _P, _P)
trap_message = _quick("wasm_trap_message", None, _P, _P)
trap_trace = _quick("wasm_trap_trace", None, _P, _P)
frame_function = _quick("wasm_frame_func_index", c_uint32, _P)
frame_offset = _quick("wasm_frame_func_offset", c_size_t, _P)
frames_delete = _quick("wasm_frame_vec_delete", None, _P)
trap_delete = _quick("wasm_trap_delete", None, _P)
error_new = _quick("wasmtime_error_new", _P, c_char_p)
error_message = _quick("wasmtime_error_message", None, _P, _P)
error_delete = _quick("wasmtime_error_delete", None, _P)
byte_vec_delete = _quick("wasm_byte_vec_delete", None, _P)

view_memory = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ctypes.cast(ctypes.pythonapi.PyMemoryView_FromMemory, c_void_p).value or 0
)
"""A memoryview over (address, size, 0x200 to write too). It does not keep the memory alive."""


def take_bytes(vector: Vector) -> bytes:
    """The bytes of a wasm_byte_vec_t that the callee filled; the vector is freed."""
    try:
        return ctypes.string_at(vector.data, vector.size) if vector.size else b""
    finally:
        byte_vec_delete(ctypes.byref(vector))


def take_error(error: int) -> str:
    """The text of a wasmtime_error_t, which is freed."""
    text = Vector()
    error_message(error, ctypes.byref(text))
    error_delete(error)
    return take_bytes(text).decode(errors="replace")


def take_trap(trap: int) -> tuple[int | None, str]:
    """(code, text) of a wasm_trap_t, which is freed; no code when the host made it."""
    code, text = c_uint8(), Vector()
    known = trap_code(trap, ctypes.byref(code))
    trap_message(trap, ctypes.byref(text))
    trap_delete(trap)
    return (code.value if known else None), take_bytes(text).rstrip(b"\0").decode(errors="replace")


def trap_frames(trap: int) -> tuple[tuple[int, int], ...]:
    """(function's index, offset in its body) of the calls that were open, innermost first."""
    found = Vector()
    trap_trace(trap, ctypes.byref(found))
    try:
        return tuple((frame_function(frame), frame_offset(frame)) for frame in pointers(found))
    finally:
        frames_delete(ctypes.byref(found))


def pointers(vector: Vector) -> list[int]:
    """The addresses that a vector of pointers holds."""
    return list((c_void_p * vector.size).from_address(vector.data)) if vector.size else []


def set_config(config: int, name: str, value: int) -> None:
    """Call wasmtime_config_<name>_set(config, value) with the type that the option has."""
    _quick(f"wasmtime_config_{name}_set", None, _P, _CONFIG_TYPES.get(name, c_bool))(config, value)


def set_pool(pool: int, name: str, value: int) -> None:
    """Call wasmtime_pooling_allocation_config_<name>_set(pool, value)."""
    kind = c_uint32 if name in _POOL_COUNTS else c_size_t
    _quick(f"wasmtime_pooling_allocation_config_{name}_set", None, _P, kind)(pool, value)


_CONFIG_TYPES: dict[str, Any] = {
    "strategy": c_uint8,
    "cranelift_opt_level": c_uint8,
    "max_wasm_stack": c_size_t,
    "async_stack_size": c_size_t,
    "memory_reservation": c_uint64,
    "memory_guard_size": c_uint64,
    "memory_reservation_for_growth": c_uint64,
}
_POOL_COUNTS = frozenset(
    (
        "max_unused_warm_slots",
        "total_memories",
        "total_tables",
        "total_core_instances",
        "total_stacks",
        "total_gc_heaps",
        "total_component_instances",
        "max_memories_per_module",
        "max_tables_per_module",
    )
)
