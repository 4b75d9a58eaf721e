"""The machine of WebAssembly contracts as `chain/vm` sees it: what code it claims, and who runs it.

wasmtime and what needs it are imported when the first contract runs: a chain without one starts without it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.vm.execution_state import Codes
from zevm.chain.vm.host_interface import CoreWasm, Frame, Precompile, TransactionContext, WasmTerms
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, MAGIC
from zevm.chain.zvm.module.limits import LIMITS
from zevm.chain.zvm.precompiles import PRECOMPILES
from zevm.chain.zvm.price_table import PRICE_TABLES, PriceTable
from zevm.chain.zvm.scope import ENTRY, Entry, Programs, TransactionScope
from zevm.storage.primitives import Address


@dataclass(frozen=True, slots=True)
class ProgramUsage:
    """Compiled programs that are kept. disk_programs, disk_bytes: None where they are kept in memory alone."""

    memory_programs: int
    memory_module_bytes: int
    disk_programs: int | None
    disk_bytes: int | None


class ZvmMachine:
    """Runs contracts under one price table. Every method may be called from any thread.

    Runs take pooled instances, which are several times as fast; they suffice for two threads: the one that executes
    blocks, and one other at a time. Further concurrent runs take instances made on demand. directory: where compiled
    code is kept, None for memory only. console: whether modules may print.
    """

    def __init__(self, price_table: str, directory: Path | None = None, *, console: bool = False) -> None:
        prices = PRICE_TABLES[price_table]
        self.price_table: PriceTable = prices.with_console() if console else prices
        self.precompiles: Mapping[Address, Precompile] = MappingProxyType(
            {address: body.__get__(self) for address, body in PRECOMPILES.items()}
        )
        self.initcode_size_limit = 2 * LIMITS["stored code bytes"]
        self._directory = directory
        self._lock = threading.Lock()
        self._block_thread: int | None = None
        self._others_turn = threading.Lock()
        self._caches: dict[bool, Programs] = {}
        self._core_programs: Callable[..., CoreWasm] | None = None
        self._block_terms: WasmTerms | None = None
        self._lowest_stack: Callable[[], int] = int

    def claims(self, code: bytes) -> bool:
        """Whether code begins as a module, or as a compressed one."""
        return code[:3] == COMPRESSED_PREFIX or code[:4] == MAGIC

    def execute(self, frame: Frame) -> None:
        """Run the frame's code. Raises VMError, ExecutionTimeoutError, NodeFaultError."""
        from zevm.chain.zvm.execution import execute

        with self.scope_of(frame.transaction_context) as scope:
            execute(frame, scope)

    def deploy(self, frame: Frame, code: bytes) -> None:
        """Check, charge for and store a module, and run its constructor. Raises as `execute`."""
        from zevm.chain.zvm.execution import deploy

        with self.scope_of(frame.transaction_context) as scope:
            deploy(frame, scope, code)

    def runs_in_core(self, context: TransactionContext) -> bool:
        """Whether the core may run contracts: at the EVM's prices for state, by their entry point, unwatched."""
        return context.host_tracer is None and self._lends(context.deadline, context.wasm_scope)

    def lend(
        self,
        state: Codes,
        running: Callable[[], TransactionContext],
        deadline: Deadline | None,
        scope: TransactionScope | None = None,
    ) -> CoreWasm | None:
        """The answers for the core while it runs contracts of the state; None where it may not (`runs_in_core`).

        running: gives the execution's context, which no tracer watches, where its deadline and scope do not suffice.
        """
        if not self._lends(deadline, scope):
            return None
        make = self._core_programs
        # on a thread that others wait for nothing is loaded, and no stack is used whose size is unknown
        if isinstance(deadline, BriefDeadline) and (make is None or not self._lowest_stack()):
            return None
        if make is None:
            from zevm.chain.zvm.core_programs import CorePrograms
            from zevm.chain.zvm.runtime.native_stack import lowest

            self._lowest_stack = lowest
            make = self._core_programs = CorePrograms
        made = make(self.price_table, self, state, running, deadline, scope)
        if deadline is None and scope is None and self._is_block_thread() and self.block_terms() is None:
            self._block_terms = made.terms()._replace(programs=self.programs(pooled=True).answers)
        return made

    def block_terms(self) -> WasmTerms | None:
        """See WasmMachine. A thread that is gone may have left its number to another one, with another stack."""
        terms = self._block_terms
        if terms is None or threading.get_ident() != self._block_thread:
            return None
        return terms if terms.stack_low == self._lowest_stack() else None

    def _is_block_thread(self) -> bool:
        """Whether this thread makes blocks: the first that asks."""
        if self._block_thread is None:
            self._block_thread = threading.get_ident()
        return threading.get_ident() == self._block_thread

    def _lends(self, deadline: Deadline | None, scope: TransactionScope | None) -> bool:
        return self.price_table.state is None and (
            scope is None or (scope.entry == ENTRY and not isinstance(deadline, BriefDeadline))
        )

    def scope_of(self, context: TransactionContext) -> TransactionScope:
        """The shared data of the transaction's WebAssembly frames; created by the first of them."""
        if context.wasm_scope is None:
            context.wasm_scope = self.new_scope(for_blocks=context.deadline is None)
        scope: TransactionScope = context.wasm_scope
        return scope

    def new_scope(self, *, for_blocks: bool, entry: Entry = ENTRY, pages_limit: int | None = None) -> TransactionScope:
        """A TransactionScope for one transaction or call; see there. Who first asks for blocks is their thread."""
        if for_blocks:
            self._is_block_thread()
        return TransactionScope(self.price_table, self, entry=entry, pages_limit=pages_limit)

    def borrow(self) -> Programs:
        """The compiled programs for a run on this thread, which ends with `give_back`."""
        if threading.get_ident() == self._block_thread or self._others_turn.acquire(blocking=False):
            return self.programs(pooled=True)
        return self.programs(pooled=False)

    def give_back(self, programs: Programs) -> None:
        """End a run on this thread, which `borrow` began."""
        if programs is self._caches.get(True) and threading.get_ident() != self._block_thread:
            self._others_turn.release()

    def programs(self, *, pooled: bool) -> Programs:
        """The compiled programs for pooled instances, or for instances made on demand."""
        found = self._caches.get(pooled)
        return self._open_cache(pooled=pooled) if found is None else found

    def usage(self) -> ProgramUsage:
        """Number of compiled programs. Reads the directory, so not for the event loop. Raises OSError."""
        kept = [cache.kept() for cache in list(self._caches.values())]
        files = None
        if self._directory is not None:
            from zevm.chain.zvm.runtime.program_files import file_sizes

            files = file_sizes(self._directory)
        return ProgramUsage(
            memory_programs=sum(programs for programs, _ in kept),
            memory_module_bytes=sum(size for _, size in kept),
            disk_programs=None if files is None else len(files),
            disk_bytes=None if files is None else sum(files),
        )

    def close(self) -> None:
        """End the compilation in the background, and let the programs go."""
        with self._lock:
            caches, self._caches = self._caches, {}
            self._block_terms = None
        for cache in caches.values():
            cache.close()

    def _open_cache(self, *, pooled: bool) -> Programs:
        from zevm.chain.zvm.runtime.engine import shared_engine
        from zevm.chain.zvm.runtime.program_cache import ProgramCache

        with self._lock:
            if pooled not in self._caches:
                engine = shared_engine(pooled=pooled)
                self._caches[pooled] = ProgramCache(self._directory, engine, variant=self.price_table.name)
            return self._caches[pooled]
