"""Answers for the core about WebAssembly while its machine runs a transaction or a call (core/zig/wasm_machine.zig)."""

import struct
import sys
from collections.abc import Callable

from lru import LRU

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.vm.execution_state import Codes
from zevm.chain.vm.host_interface import TransactionContext, WasmProgram, WasmTerms
from zevm.chain.zvm.brief_runs import BRIEF_GAS, BRIEF_PAGES
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.execution import CALL_DATA_LIMIT_BYTES
from zevm.chain.zvm.host.functions import CONTRACT_CALLBACKS
from zevm.chain.zvm.host.functions.console import print_line
from zevm.chain.zvm.host.native import machine_addresses, packed_prices
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import INK_PER_GAS, PriceTable
from zevm.chain.zvm.runtime import native_stack
from zevm.chain.zvm.runtime.deadlines import ticker
from zevm.chain.zvm.runtime.engine import MAXIMUM_TABLE_ELEMENTS, NATIVE_STACK_BYTES, Program
from zevm.chain.zvm.runtime.instance import Binding
from zevm.chain.zvm.runtime.native_stack import HOST_BYTES
from zevm.chain.zvm.runtime.program_cache import HOT
from zevm.chain.zvm.runtime.runtime import INK_PER_HEAT
from zevm.chain.zvm.scope import FRAME_STACK_WORDS, TRANSACTION_STACK_WORDS, Lender, Programs, TransactionScope
from zevm.storage.primitives import Address

_TERMS = struct.Struct("=12Q")


class CorePrograms:
    """Answers about WebAssembly in one run, on the thread that runs it; ends with `close`.

    lender: lends the programs for so long, unless the run has a scope, which does. running: gives the run's context.
    """

    __slots__ = ("_deadline", "_lender", "_price_table", "_programs", "_running", "_scope", "_state", "_watched")

    def __init__(
        self,
        price_table: PriceTable,
        lender: Lender,
        state: Codes,
        running: Callable[[], TransactionContext],
        deadline: Deadline | None,
        scope: TransactionScope | None,
    ) -> None:
        self._price_table, self._lender, self._state, self._running = price_table, lender, state, running
        self._deadline, self._scope = deadline, scope
        self._programs: Programs | None = None
        self._watched: set[int] | None = None

    def terms(self) -> WasmTerms:
        """How contracts run, without programs."""
        table, scope = self._price_table, self._scope
        pages = table.pages.instance_pages_limit if scope is None else scope.instance_pages_limit
        is_brief = isinstance(self._deadline, BriefDeadline)
        # no clock ends a run so soon as a brief one has to end: its work is bounded
        is_interrupted = self._deadline is not None and not is_brief
        return WasmTerms(_packed_terms(table, pages, is_brief=is_brief), native_stack.lowest(), is_interrupted)

    def program(self, address: Address) -> WasmProgram | None:
        """The compiled code of an account, and the facts of it (core/zig/host_objects.zig). None: no valid module.

        Raises ExecutionTimeoutError.
        """
        programs, deadline, code_hash = self._programs, self._deadline, self._state.get_code_hash(address)
        if programs is None:
            programs = self._programs = self._borrow()
        if deadline is not None:
            deadline.check()
        program: Program | None = programs.ready(code_hash, of_chain=deadline is None)
        if program is None:
            try:
                program = programs.get(
                    code_hash,
                    lambda: prepare(self._state.get_code(address), self._price_table),
                    of_chain=deadline is None,
                    deadline=deadline,
                )
            except ModuleRefusedError:
                return None
        if deadline is not None and not isinstance(deadline, BriefDeadline):
            self._watch(program.engine.address, deadline)
        facts = program.core_facts
        if facts is None:
            facts = program.core_facts = _facts(program, self._price_table)
        answer = program, facts
        if deadline is None:
            programs.publish(code_hash, answer)
        return answer

    def print(self, text: bytes) -> None:
        """A line of the console."""
        print_line(self._running(), text.decode(errors="replace"))

    def close(self) -> None:
        """The run has ended."""
        if self._watched is not None and self._deadline is not None:
            for engine in self._watched:
                ticker.end(engine, self._deadline)
        if self._programs is None:
            return
        if self._scope is None:
            self._lender.give_back(self._programs)
        else:
            self._scope.__exit__()

    def _borrow(self) -> Programs:
        if self._scope is None:
            return self._lender.borrow()
        return self._scope.__enter__().programs

    def _watch(self, engine: int, deadline: Deadline) -> None:
        """Have the engine's epoch advance at the deadline."""
        if self._watched is None:
            self._watched = set()
        if engine not in self._watched:
            ticker.begin(engine, deadline)
            self._watched.add(engine)


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
        sys.maxsize if program.optimised else HOT,
    )


_PACKED: "LRU[tuple[int, int, bool], tuple[PriceTable, bytes]]" = LRU(16)
"""By a table's id, pages, and whether the run is brief; with the table, which keeps its id. To hash one takes long."""


def _packed_terms(table: PriceTable, instance_pages: int, *, is_brief: bool) -> bytes:
    """`Terms` of core/zig/wasm_terms.zig, and the curve of pages."""
    key = id(table), instance_pages, is_brief
    packed = _PACKED.get(key)
    if packed is None:
        packed = _PACKED[key] = (table, _pack(table, instance_pages, is_brief=is_brief))
    return packed[1]


def _pack(table: PriceTable, instance_pages: int, *, is_brief: bool) -> bytes:
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
        BRIEF_GAS * INK_PER_GAS if is_brief else 0,
        BRIEF_PAGES,
    )
    return packed_prices(table) + terms + struct.pack(f"={len(pages.curve)}Q", *pages.curve)
