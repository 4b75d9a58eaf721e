"""Answers for the core about WebAssembly while its machine runs a transaction or a call (core/zig/wasm_machine.zig)."""

import struct
from contextlib import ExitStack
from functools import lru_cache

from zevm.chain.vm.execution_state import Codes
from zevm.chain.vm.host_interface import InvalidModuleError, TransactionContext
from zevm.chain.zvm import execution
from zevm.chain.zvm.execution import CALL_DATA_LIMIT_BYTES
from zevm.chain.zvm.host.functions import CONTRACT_CALLBACKS
from zevm.chain.zvm.host.functions.console import print_line
from zevm.chain.zvm.host.native import machine_addresses, packed_prices
from zevm.chain.zvm.price_table import PriceTable
from zevm.chain.zvm.runtime import native_stack
from zevm.chain.zvm.runtime.deadlines import ticker
from zevm.chain.zvm.runtime.engine import MAXIMUM_TABLE_ELEMENTS, NATIVE_STACK_BYTES, Program
from zevm.chain.zvm.runtime.instance import Binding
from zevm.chain.zvm.runtime.native_stack import HOST_BYTES
from zevm.chain.zvm.runtime.runtime import INK_PER_HEAT
from zevm.chain.zvm.scope import FRAME_STACK_WORDS, TRANSACTION_STACK_WORDS, TransactionScope
from zevm.storage.primitives import Address

_TERMS = struct.Struct("=10Q")


class CorePrograms:
    """Answers about WebAssembly in one run, on the thread that runs it; ends with `close`."""

    __slots__ = ("_context", "_scope", "_state", "_ticking")

    def __init__(self, scope: TransactionScope, context: TransactionContext, state: Codes) -> None:
        self._context, self._state = context, state
        self._scope = scope.__enter__()
        self._ticking: dict[int, ExitStack] = {}

    def terms(self) -> tuple[bytes, int, bool]:
        """Prices and limits, the lowest address of the thread's stack, and whether the run has a deadline."""
        scope = self._scope
        terms = _packed_terms(scope.price_table, scope.instance_pages_limit)
        return terms, native_stack.lowest(), self._context.deadline is not None

    def program(self, address: Address) -> tuple[Program, tuple[object, ...]] | None:
        """The compiled code of an account, and the facts of it (core/zig/host_objects.zig). None: no valid module.

        Raises ExecutionTimeoutError.
        """
        context, state = self._context, self._state
        context.check_deadline()
        try:
            program = execution.find_program(
                context, self._scope, state.get_code_hash(address), lambda: state.get_code(address)
            )
        except InvalidModuleError:
            return None
        deadline, engine = context.deadline, program.engine.address
        if deadline is not None and engine not in self._ticking:
            self._ticking[engine] = stack = ExitStack()
            stack.enter_context(ticker.watch(engine, deadline))
        facts = program.core_facts
        if facts is None:
            facts = program.core_facts = _facts(program, self._scope.price_table)
        return program, facts

    def print(self, text: bytes) -> None:
        """A line of the console."""
        print_line(self._context, text.decode(errors="replace"))

    def close(self) -> None:
        """The run has ended."""
        for stack in self._ticking.values():
            stack.close()
        self._scope.__exit__()


def _facts(program: Program, table: PriceTable) -> tuple[object, ...]:
    callbacks = tuple(CONTRACT_CALLBACKS[item.module, item.name] for item in program.imports)
    binding = Binding(program, callbacks, machine_addresses())
    entry_gas = table.entry.price(program.data_bytes, program.activation_gas)
    return (
        binding,
        program.engine.address,
        binding.template,
        program.has_memory,
        program.initial_pages,
        entry_gas,
        program.heat_address,
    )


@lru_cache(maxsize=16)
def _packed_terms(table: PriceTable, instance_pages: int) -> bytes:
    """`Terms` of core/zig/wasm_terms.zig, and the curve of pages."""
    pages = table.pages
    terms = _TERMS.pack(
        table.host_functions.growth_of_none,
        CALL_DATA_LIMIT_BYTES,
        FRAME_STACK_WORDS,
        TRANSACTION_STACK_WORDS,
        instance_pages,
        pages.free_pages,
        pages.page_gas,
        MAXIMUM_TABLE_ELEMENTS,
        NATIVE_STACK_BYTES + HOST_BYTES,
        INK_PER_HEAT,
    )
    return packed_prices(table) + terms + struct.pack(f"={len(pages.curve)}Q", *pages.curve)
