"""The machine of WebAssembly contracts as `chain/vm` sees it: what code it claims, and who runs it.

wasmtime and what needs it are imported when the first contract runs: a chain without one starts without it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from chain.vm.foreign import Frame, Precompile, TransactionContext
from chain.zvm.limits import LIMITS
from chain.zvm.precompiles import PRECOMPILES
from chain.zvm.schedule import SCHEDULES, Schedule
from chain.zvm.scope import ENTRY, Entry, TransactionScope

if TYPE_CHECKING:
    from chain.zvm.program_cache import ProgramCache

_MAGIC = b"\0asm\x01\0\0\0"
_COMPRESSED_PREFIX = b"\xef\xf0\x00"


@dataclass(frozen=True, slots=True)
class ProgramUsage:
    """Compiled programs that are kept. disk_programs, disk_bytes: None where they are kept in memory alone."""

    memory_programs: int
    memory_module_bytes: int
    disk_programs: int | None
    disk_bytes: int | None


class ZvmMachine:
    """Runs contracts under one price schedule. Every method may be called from any thread.

    Blocks are executed on pooled instances, which one thread alone uses; everything with a deadline, and every
    other thread, on instances made on demand. directory: where compiled code is kept, None for memory alone.
    """

    def __init__(self, schedule: str, directory: Path | None = None) -> None:
        self.schedule: Schedule = SCHEDULES[schedule]
        self.precompiles: Mapping[bytes, Precompile] = MappingProxyType(
            {address: body.__get__(self) for address, body in PRECOMPILES.items()}
        )
        self.initcode_size_limit = 2 * LIMITS["stored code bytes"]
        self._directory = directory
        self._lock = threading.Lock()
        self._block_thread: int | None = None
        self._caches: dict[bool, ProgramCache] = {}

    def claims(self, code: bytes) -> bool:
        """Whether code begins as a module, or as a compressed one."""
        return code[:3] == _COMPRESSED_PREFIX or code[:8] == _MAGIC

    def execute(self, frame: Frame) -> None:
        """Run the frame's code. Raises VMError, ExecutionTimeoutError, NodeFaultError."""
        from chain.zvm.execution import execute

        execute(frame, self.scope_of(frame.transaction_context))

    def deploy(self, frame: Frame, code: bytes) -> None:
        """Check, charge for and store a module, and run its constructor. Raises as `execute`."""
        from chain.zvm.execution import deploy

        deploy(frame, self.scope_of(frame.transaction_context), code)

    def scope_of(self, context: TransactionContext) -> TransactionScope:
        """What the transaction's WebAssembly frames share; made by the first of them."""
        if context.foreign_scope is None:
            context.foreign_scope = self.new_scope(for_blocks=context.deadline is None)
        scope: TransactionScope = context.foreign_scope
        return scope

    def new_scope(self, *, for_blocks: bool, entry: Entry = ENTRY, pages_limit: int | None = None) -> TransactionScope:
        """A TransactionScope for one transaction or call; see there."""
        programs = self.programs(for_blocks=for_blocks)
        return TransactionScope(self.schedule, programs, entry=entry, pages_limit=pages_limit)

    def programs(self, *, for_blocks: bool) -> "ProgramCache":
        """The compiled programs for blocks, on the first thread that asks for them, or for all other runs."""
        if for_blocks:
            thread = threading.get_ident()
            if self._block_thread is None:
                self._block_thread = thread
            for_blocks = self._block_thread == thread
        found = self._caches.get(for_blocks)
        return self._open_cache(pooled=for_blocks) if found is None else found

    def usage(self) -> ProgramUsage:
        """How many compiled programs are kept. Reads the directory, so not for the event loop. Raises OSError."""
        kept = [cache.kept() for cache in list(self._caches.values())]
        files = None
        if self._directory is not None:
            from chain.zvm.program_files import file_sizes

            files = file_sizes(self._directory)
        return ProgramUsage(
            memory_programs=sum(programs for programs, _ in kept),
            memory_module_bytes=sum(size for _, size in kept),
            disk_programs=None if files is None else len(files),
            disk_bytes=None if files is None else sum(files),
        )

    def close(self) -> None:
        """End the compilation in the background."""
        for cache in self._caches.values():
            cache.close()

    def _open_cache(self, *, pooled: bool) -> "ProgramCache":
        from chain.zvm.engine import Engine
        from chain.zvm.program_cache import ProgramCache

        with self._lock:
            if pooled not in self._caches:
                engine = Engine(pooled=pooled)
                self._caches[pooled] = ProgramCache(self._directory, engine, variant=self.schedule.name)
            return self._caches[pooled]
