"""Frames of executions on a thread that others wait for: every step that takes long looks at the clock.

Between two looks there are a few hundred short instructions, or one that works on BRIEF_BYTES at most. What cannot be
bounded so is left to a worker: creations, code that no worker has run, the dearest precompiles, and WebAssembly but for
a function that is called by itself (chain/zvm/functions.py), and in the core. Its runs have other bounds
(chain/zvm/brief_runs.py).
"""

from collections.abc import Callable
from typing import ClassVar

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline, NotBriefError
from zevm.chain.vm.frame import Frame, Precompile, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.program import Program
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.storage.account import Account, StateReader
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state_readers import LatestReader

BRIEF_BYTES = 32 * 1024
"""Most bytes of memory of one frame, and so of what one instruction hashes, copies or logs."""

BRIEF_CODE_BYTES = 64 * 1024
"""Most bytes of code: to find its program takes time in proportion."""

SCANNED_BYTES = 1024
"""Most bytes of code that are scanned for jump destinations here, for the first time."""


class BriefFrame(Frame):
    """A frame under a BriefDeadline; each fork has a subclass (fork_table.py). Raises NotBriefError."""

    __slots__ = ()

    blocks_between_looks = 4
    brief_precompiles: ClassVar[frozenset[Precompile]] = frozenset()

    def __init__(self, state: PyEvmState, message: Message, context: TransactionContext) -> None:
        machine, code = context.wasm_machine, message.code
        if message.is_create or len(code) > BRIEF_CODE_BYTES:
            raise NotBriefError
        if machine is not None and machine.claims(code) and (message.depth or context.wasm_scope is None):
            raise NotBriefError
        super().__init__(state, message, context)

    def run_precompile(self, precompile: Precompile) -> None:
        """Run one of those that are brief."""
        if precompile not in self.brief_precompiles or len(self.msg.data) > BRIEF_BYTES:
            raise NotBriefError
        precompile(self)

    def consume_gas(self, amount: int, reason: str = "") -> None:
        """Take gas. What pays for more than its constant price takes longer, so the clock is looked at."""
        self.transaction_context.check_deadline()
        super().consume_gas(amount, reason)

    def extend_memory(self, start_position: int, size: int) -> None:
        """Grow the memory, within BRIEF_BYTES."""
        if size and start_position + size > BRIEF_BYTES:
            raise NotBriefError
        super().extend_memory(start_position, size)

    def stack_pop1_int(self) -> int:
        """Pop one word for an instruction of py-evm's: BLOCKHASH reads the chain, and some of old forks the state."""
        self.transaction_context.check_deadline()
        return self.stack.pop()


def brief_programs(program_of: Callable[[bytes], Program]) -> Callable[[bytes], Program]:
    """As `program_of`, for code that was run before or is short. Raises NotBriefError for other code."""

    def brief_program_of(code: bytes) -> Program:
        program = program_of(code)
        if len(code) > SCANNED_BYTES and not program.is_scanned:
            raise NotBriefError
        return program

    return brief_program_of


def watched(reader: StateReader, deadline: Deadline | None) -> StateReader:
    """A state whose reads look at the clock, if there is only a BriefDeadline's time, and they may take long."""
    if not isinstance(deadline, BriefDeadline) or (isinstance(reader, LatestReader) and reader.is_in_memory):
        return reader
    return WatchedReader(reader, deadline.check)


class WatchedReader:
    """A state that looks at the clock before every read, which may come from the disk."""

    __slots__ = ("_check", "_reader")

    def __init__(self, reader: StateReader, check: Callable[[], None]) -> None:
        self._reader = reader
        self._check = check

    @property
    def root(self) -> Hash32:
        """The state's root."""
        return self._reader.root

    def account(self, address: Address) -> Account | None:
        """The account at an address, or None."""
        self._check()
        return self._reader.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0 where absent."""
        self._check()
        return self._reader.storage(address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        self._check()
        return self._reader.code(code_hash)
