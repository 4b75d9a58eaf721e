"""The records of a running transaction: its frames, what they share, and who may run their code.

A Frame is what py-evm calls a computation, with our stack, memory and gas: its opcodes and precompiles run on it
unchanged, as it has every attribute and method that they use. Logs, refunds and self-destructs go to the state, so
that a failed frame takes them along and a parent keeps nothing of its children. What runs a frame is message_calls.py.
"""

from __future__ import annotations  # the records name each other

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

from eth.exceptions import VMError

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types import Log
from zevm.chain.vm.console import CONSOLE_BYTES, CONSOLE_CALL_BYTES, CONSOLE_CUT
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.execution_state import Codes
from zevm.chain.vm.faults import GasShortageError, MemoryWordsError
from zevm.chain.vm.message import Message
from zevm.chain.vm.opcodes import Operation
from zevm.chain.vm.program import Program
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.tracer import Tracer
from zevm.storage.primitives import Address

UNLIMITED_WORDS = UNLIMITED_GAS = 1 << 256
"""More memory than any gas pays for, and more gas than any limit."""


class ForkTraits(NamedTuple):
    """A fork's rules for frames, beyond its opcodes and precompiles. Sizes in bytes, None for no limit."""

    has_empty_accounts: bool
    code_deposit_must_succeed: bool
    code_size_limit: int | None
    rejects_reserved_code: bool
    initcode_size_limit: int | None


class Frame:
    """A running message; each fork has a subclass (fork_table.py).

    stack: ints, top last. memory: grown in whole words. error: the fault that ended the frame, if one did.
    return_data: the last child's output. program: the decoded code.
    """

    __slots__ = (
        "address",
        "block_state",
        "error",
        "gas_left",
        "is_static",
        "memory",
        "msg",
        "output",
        "program",
        "return_data",
        "stack",
        "state",
        "transaction_context",
    )

    program: Program
    traits: ClassVar[ForkTraits]
    operations: ClassVar[tuple[Operation, ...]]
    program_of: ClassVar[staticmethod[[bytes], Program]]
    blocks_between_looks: ClassVar[int] = 2_000
    """Blocks that run between two looks at the clock. A block has 256 instructions at most."""

    def __init__(self, state: PyEvmState, message: Message, context: TransactionContext) -> None:
        self.state = state
        self.block_state = state.block_state
        self.msg = message
        self.transaction_context = context
        self.address = message.storage_address
        self.is_static = message.is_static
        self.gas_left = message.gas
        self.stack: list[int] = []
        self.memory = bytearray()
        self.return_data = b""
        self.output = b""
        self.error: VMError | None = None

    def fail(self, fault: VMError) -> None:
        """End the frame with a fault: all gas and the output go, except for REVERT."""
        # the fault's traceback holds this frame, which would hold it in turn
        fault.__traceback__ = fault.__context__ = None
        self.error = fault
        if fault.burns_gas:
            self.gas_left = 0
        if fault.erases_return_data:
            self.output = b""
            self.return_data = b""

    def run_precompile(self, precompile: Precompile) -> None:
        """Run the precompile that the frame calls. Raises VMError."""
        precompile(self)

    # Gas

    def consume_gas(self, amount: int, reason: str = "") -> None:
        """Take gas. Raises OutOfGas."""
        left = self.gas_left - amount
        if left < 0:
            raise GasShortageError(reason, amount)
        self.gas_left = left

    def refund_gas(self, amount: int) -> None:
        """Change the transaction's refund counter."""
        self.block_state.add_refund(amount)

    def get_gas_remaining(self) -> int:
        """The gas left, as an instruction of py-evm's looks at it."""
        self.transaction_context.spare_gas = 0
        return self.gas_left

    # Stack

    def stack_pop1_int(self) -> int:
        """Pop one word. Underflow was ruled out before the instruction ran."""
        return self.stack.pop()

    def stack_pop1_bytes(self) -> bytes:
        """Pop one word as 32 bytes."""
        return self.stack.pop().to_bytes(32, "big")

    def stack_pop_ints(self, count: int) -> list[int]:
        """Pop `count` words, the top one first."""
        pop = self.stack.pop
        return [pop() for _ in range(count)]

    def stack_push_int(self, value: int) -> None:
        """Push a word."""
        self.stack.append(value)

    def stack_push_bytes(self, value: bytes) -> None:
        """Push up to 32 bytes as a word."""
        self.stack.append(int.from_bytes(value, "big"))

    # Memory

    def extend_memory(self, start_position: int, size: int) -> None:
        """Grow the memory to hold [start, start + size), in words, and pay for it. Raises OutOfGas, MemoryWordsError.

        The price is the difference of C_mem(a) = G_memory * a + a ** 2 // 512 for a words, with G_memory = 3
        (Yellow Paper, appendix H).
        """
        if not size:
            return
        memory = self.memory
        old_words = len(memory) >> 5
        words = (start_position + size + 31) >> 5
        if words > old_words:
            left = self.gas_left - 3 * (words - old_words) - (words * words >> 9) + (old_words * old_words >> 9)
            if left < 0:
                raise GasShortageError("memory", self.gas_left - left)
            if words > self.transaction_context.memory_words:
                raise MemoryWordsError(words, self.transaction_context.memory_words)
            self.gas_left = left
            memory.extend(bytes((words - old_words) << 5))

    def memory_write(self, start_position: int, size: int, value: bytes) -> None:
        """Write into memory that was extended before."""
        if size:
            self.memory[start_position : start_position + size] = value

    def memory_read_bytes(self, start_position: int, size: int) -> bytes:
        """Read memory that was extended before."""
        return bytes(self.memory[start_position : start_position + size])

    # Results

    def add_log_entry(self, account: Address, topics: tuple[int, ...], data: bytes) -> None:
        """Append a log to the transaction's."""
        self.block_state.add_log(Log(account, tuple(topic.to_bytes(32, "big") for topic in topics), data))


Precompile = Callable[[Frame], Any]
"""Reads the frame's message, charges its gas and sets its output. Raises VMError."""


WasmProgram = tuple[object, tuple[object, ...]]
"""Compiled code, and the facts of it that the core reads (core/zig/host_objects.zig)."""


class WasmTerms(NamedTuple):
    """How another machine's code runs in the core.

    packed: prices and limits (core/zig/wasm_terms.zig). stack_low: the lowest address of the thread's stack, 0 if
    unknown. has_deadline: whether it may be interrupted. programs: what `CoreWasm.program` would answer, by the hash of
    the code, for the core to take without a question; None where it has to ask.
    """

    packed: bytes
    stack_low: int
    has_deadline: bool
    programs: dict[bytes, WasmProgram] | None = None


class CoreWasm(Protocol):
    """Questions of the core to another machine in one run. None: Python has to run it."""

    def terms(self) -> WasmTerms: ...
    def program(self, address: Address, /) -> WasmProgram | None: ...
    def print(self, text: bytes, /) -> None: ...
    def close(self) -> None: ...


class WasmMachine(Protocol):
    """Another machine under the same accounts, frames and gas. Code that it claims runs there, not in the EVM."""

    @property
    def precompiles(self) -> Mapping[Address, Precompile]:
        """Precompiles that come with it, by 20-byte address."""
        ...

    @property
    def initcode_size_limit(self) -> int:
        """Bytes that creation data which it claims may have."""
        ...

    def claims(self, code: bytes) -> bool:
        """Whether code, or creation data, is for this machine: by its first bytes alone."""
        ...

    def runs_in_core(self, context: TransactionContext) -> bool:
        """Whether the core may run code of this machine in the execution."""
        ...

    def lend(
        self, state: Codes, running: Callable[[], TransactionContext], deadline: Deadline | None, scope: Any = None
    ) -> CoreWasm | None:
        """The answers for the core while it runs such code, until they are closed; None where Python has to run it.

        running: gives the context of the execution, which has no tracer, where a question needs more of it than its
        deadline and its wasm_scope.
        """
        ...

    def block_terms(self) -> WasmTerms | None:
        """Terms for runs without a deadline, a tracer or a wasm_scope on the thread that makes blocks, with programs.

        None before its first such run, on other threads, and where the core may not run the code. Nothing is lent.
        """
        ...

    def execute(self, frame: Frame) -> None:
        """Run the frame's code: set its gas_left and output. Raises VMError."""
        ...

    def deploy(self, frame: Frame, code: bytes) -> None:
        """Check, charge for and store what a creation returned, and run its constructor. Raises VMError."""
        ...


class TransactionContext:
    """The values of ORIGIN, GASPRICE and BLOBHASH, and the run's deadline, tracer, console and precompiles.

    warm_precompiles: the fork's precompiles at their own addresses, accessed from the start (EIP-2929).
    precompile_entries: `precompiles` for the core (engines/native.py). engine: what the outermost message runs on.
    deadline: None for no limit. step_tracer: the tracer, if it wants instructions. host_tracer: if it wants host calls.
    console: inputs of calls to the console address. frames: the open ones, innermost last.
    has_native_hosts: whether WebAssembly calls the core's host functions, where there is a core.
    wasm_machine: None where the chain has none. wasm_scope: what it keeps for the transaction.
    memory_words: the most 32-byte words of one EVM frame's memory; on a chain gas alone bounds it.
    spare_gas: by how much a lower gas limit leaves the course the same, as far as code has looked at its gas; 0 of a
    transaction with more than one frame.
    """

    __slots__ = (
        "_console_bytes_left",
        "blob_versioned_hashes",
        "console",
        "deadline",
        "engine",
        "frames",
        "gas_price",
        "has_native_hosts",
        "host_tracer",
        "memory_words",
        "origin",
        "precompile_entries",
        "precompiles",
        "spare_gas",
        "step_tracer",
        "tracer",
        "warm_entries",
        "warm_precompiles",
        "wasm_machine",
        "wasm_scope",
    )

    def __init__(
        self,
        origin: Address,
        gas_price: int,
        blob_versioned_hashes: tuple[bytes, ...],
        precompiles: dict[Address, Precompile],
        warm_precompiles: Collection[Address],
        deadline: Deadline | None = None,
        tracer: Tracer | None = None,
        wasm_machine: WasmMachine | None = None,
        engine: Engine = Engine.PY_EVM,
        *,
        precompile_entries: bytes = b"",
        warm_entries: bytes = b"",
    ) -> None:
        self.engine = engine
        self.precompile_entries = precompile_entries
        self.warm_entries = warm_entries
        self.origin = origin
        self.gas_price = gas_price
        self.blob_versioned_hashes = blob_versioned_hashes
        self.precompiles = precompiles
        self.warm_precompiles = warm_precompiles
        self.deadline = deadline
        self.tracer = tracer
        self.step_tracer = tracer if tracer is not None and tracer.wants_steps else None
        wants_host_calls = tracer is not None and (tracer.wants_steps or tracer.wants_host_calls)
        self.host_tracer = tracer if wants_host_calls else None
        self.console: list[bytes] = []
        self._console_bytes_left = CONSOLE_BYTES
        self.frames: list[Frame] = []
        self.wasm_machine = wasm_machine
        self.wasm_scope: Any = None
        self.has_native_hosts = engine.uses_core
        self.memory_words = UNLIMITED_WORDS
        self.spare_gas = UNLIMITED_GAS

    def print_console(self, data: bytes | memoryview) -> None:
        """Note what a contract prints; past CONSOLE_BYTES one line says so, and the rest is neither kept nor copied."""
        if self._console_bytes_left < 0:
            return
        self._console_bytes_left -= len(data) + CONSOLE_CALL_BYTES
        self.console.append(CONSOLE_CUT if self._console_bytes_left < 0 else bytes(data))

    def take_console(self) -> list[bytes]:
        """The inputs of console calls so far, which are forgotten: the same message is about to run again."""
        console, self.console, self._console_bytes_left = self.console, [], CONSOLE_BYTES
        return console

    def abandon(self) -> None:
        """Let go of all after execution was given up: open frames hold the context, and a tracer may hold frames."""
        self.frames.clear()
        self.tracer = self.step_tracer = self.host_tracer = self.wasm_scope = None

    def check_deadline(self) -> None:
        """Raise ExecutionTimeoutError when the deadline has passed."""
        if self.deadline is not None:
            self.deadline.check()
