"""Host functions of the core in place of those in Python, which are their reference (docs/core.md): one run's side."""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

from zevm.chain.zvm.faults import ExitError, HostStopError, HostTrapError, OutOfInkError
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.host.functions import FUNCTIONS
from zevm.chain.zvm.host.functions.environment import VALUES
from zevm.chain.zvm.host.functions.state import (
    load_slot,
    storage_cache_bytes32,
    storage_flush_cache,
    storage_load_bytes32,
    store_slots,
)
from zevm.chain.zvm.price_table import PriceTable
from zevm.chain.zvm.runtime import capi
from zevm.chain.zvm.runtime.instance import HostCallback, Instance
from zevm.core import CORE

_API = (
    "wasmtime_caller_context",
    "wasmtime_context_get_data",
    "wasmtime_context_set_data",
    "wasmtime_global_get",
    "wasmtime_global_set",
    "wasmtime_memory_data",
    "wasmtime_memory_data_size",
    "wasmtime_trap_new_code",
    "wasmtime_store_new",
    "wasmtime_store_context",
    "wasmtime_store_limiter",
    "wasmtime_store_epoch_deadline_callback",
    "wasmtime_store_delete",
    "wasmtime_context_set_epoch_deadline",
    "wasmtime_instance_pre_instantiate",
    "wasmtime_instance_export_get",
    "wasmtime_trap_code",
    "wasm_trap_delete",
    "wasmtime_error_new",
    "wasmtime_error_delete",
    "wasmtime_func_call_unchecked",
)
"""The order of `Api` in core/zig/wasmtime.zig."""

_PRICES = struct.Struct("=13Q")
_VALUES = tuple(VALUES.values())

_STOPS: Mapping[int, Callable[[int, int], HostStopError]] = {
    1: lambda status, _: ExitError(status),
    2: lambda price, left: OutOfInkError(f"a host function costs {price} ink, {left} are left"),
    3: lambda gas, left: OutOfInkError(f"{gas} gas must be left, {left} are"),
    4: lambda end, size: HostTrapError(f"memory access up to byte {end}, the memory has {size}"),
}
"""By the numbers of `End` in core/zig/wasm_frame.zig."""


@cache
def native_addresses() -> Mapping[HostCallback, int]:
    """The core's host functions by those in Python for which they stand. There is a core."""
    assert CORE.library is not None
    _start()
    return {FUNCTIONS[name]: address for name, address in CORE.library.wasm_functions().items()}


@cache
def machine_addresses() -> Mapping[HostCallback, int]:
    """The same for contracts that are frames of the core's machine: all host functions."""
    assert CORE.library is not None
    _start()
    return {FUNCTIONS[name]: address for name, address in CORE.library.wasm_machine_functions().items()}


@cache
def _start() -> None:
    """Tell the core where wasmtime's functions are."""
    assert CORE.library is not None
    CORE.library.wasm_start(tuple(capi.address_of(name) for name in _API))


@lru_cache(maxsize=16)
def packed_prices(table: PriceTable) -> bytes:
    """Prices that the core charges beyond the fixed ones: `Prices` in core/zig/wasm_frame.zig."""
    prices = table.host_functions
    return _PRICES.pack(
        prices.read_byte,
        prices.write_byte,
        prices.keccak_word,
        prices.power_byte,
        0 if table.state is not None else prices.storage_miss_gas,
        *chain(*prices.storage_read_tiers),
        *chain(*prices.storage_write_tiers),
    )


class NativeHost:
    """Answers to the core's host functions in one run (core/zig/wasm_objects.zig)."""

    __slots__ = ("_context", "_instance", "addresses", "run")

    def __init__(self, context: HostContext) -> None:
        assert CORE.library is not None
        self._context = context
        self.run = CORE.library.wasm_run
        self._instance: Instance
        self.addresses = native_addresses()

    def begin(self, instance: Instance, scratch: int, *, has_memory: bool) -> int | None:
        """See runtime.instance.Native."""
        assert CORE.library is not None
        self._instance = instance
        prices = packed_prices(self._context.scope.price_table)
        try:
            run: int = CORE.library.wasm_begin(scratch, has_memory, prices, self._context.data, self)
        except CORE.library.RefusedError:
            return None
        return run

    def failure(self, run: int) -> BaseException | None:
        """See runtime.instance.Native."""
        assert CORE.library is not None
        found = CORE.library.wasm_failure(run)
        if found is None or isinstance(found, BaseException):
            return found
        kind, first, second = found
        return _STOPS[kind](first, second)

    def end(self, run: int) -> None:
        """See runtime.instance.Native. What a function in Python has set as output stays."""
        assert CORE.library is not None
        output = CORE.library.wasm_end(run)
        if self._context.output is None:
            self._context.output = output

    # The core's questions

    def value(self, index: int) -> int | bytes:
        """A value of the environment."""
        return _VALUES[index](self._context.frame)

    def load(self, key: bytes) -> bytes:
        """A slot of the state, paid for."""
        return load_slot(self._instance, key)

    def store(self, writes: list[tuple[bytes, bytes]]) -> None:
        """Write (key, value) to the state, paid for."""
        store_slots(self._instance, writes)

    def take_storage(
        self, slots: Sequence[tuple[bytes, bytes, bytes | None]], written: Sequence[int], loads: int, writes: int
    ) -> None:
        """Take the storage cache. slots: key, value, what the state has where that is known. written: indexes."""
        context = self._context
        context.values = {key: value for key, value, _ in slots}
        context.stored = {key: stored for key, _, stored in slots if stored is not None}
        context.unflushed = {slots[index][0]: None for index in written}
        context.loads, context.writes = loads, writes

    def load_through(self, key_pointer: int, target: int) -> None:
        """storage_load_bytes32 of a run whose cache is here."""
        storage_load_bytes32(self._instance, key_pointer, target)

    def cache_through(self, key_pointer: int, value_pointer: int) -> None:
        """storage_cache_bytes32, likewise."""
        storage_cache_bytes32(self._instance, key_pointer, value_pointer)

    def flush_through(self, clear: int) -> None:
        """storage_flush_cache, likewise."""
        storage_flush_cache(self._instance, clear)
