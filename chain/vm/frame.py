"""One call frame: what py-evm calls a computation, with our stack, memory, gas and message path.

py-evm's opcodes and precompiles run on it unchanged: it has every attribute and method that they use.
Logs, refunds and self-destructs go to the state, so that a failed frame takes them along
and a parent keeps nothing of its children.
"""

from typing import ClassVar, NamedTuple

from eth.exceptions import InsufficientFunds, ReservedBytesInCode, VMError

from zevm.chain.types import Log
from zevm.chain.vm import interpreter
from zevm.chain.vm.faults import (
    BalanceOverflowError,
    CodeSizeError,
    CodeStoreError,
    GasShortageError,
    InitcodeSizeError,
    describe_fault,
)
from zevm.chain.vm.message import Message, TransactionContext, describe_start
from zevm.chain.vm.operations import Operation
from zevm.chain.vm.program import Program
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.storage.primitives import Address

GAS_CODE_DEPOSIT_BYTE = 200


class ForkTraits(NamedTuple):
    """What a fork says about frames, beyond its opcodes and precompiles. Sizes in bytes, None for no limit."""

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
    program_of: "ClassVar[staticmethod[[bytes], Program]]"

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

    # Running messages

    @classmethod
    def apply_message(cls, state: PyEvmState, message: Message, context: TransactionContext) -> "Frame":
        """Transfer the value and run the code; undo everything when it fails."""
        frame = cls(state, message, context)
        frame._enter()
        frame._transfer_and_run()
        frame._leave()
        return frame

    @classmethod
    def apply_create_message(cls, state: PyEvmState, message: Message, context: TransactionContext) -> "Frame":
        """Run creation code and store what it returns. Raises InitcodeSizeError into the creating frame."""
        if cls.initcode_too_long(state, message.code):
            raise InitcodeSizeError("initcode too long")
        frame = cls(state, message, context)
        frame._enter()
        block_state = state.block_state
        checkpoint = block_state.record()
        block_state.mark_created(message.storage_address)
        if not cls.traits.has_empty_accounts:
            block_state.increment_nonce(message.storage_address)
        frame._transfer_and_run()
        if frame.error is None:
            frame._store_code(frame.output)
        if frame.error is not None:
            block_state.discard(checkpoint)
        frame._leave()
        return frame

    def _enter(self) -> None:
        context = self.transaction_context
        context.frames.append(self)
        if context.tracer is not None:
            context.tracer.on_enter(describe_start(self.msg))

    def _leave(self) -> None:
        context = self.transaction_context
        context.frames.pop()
        if context.tracer is not None:
            error = None if self.error is None else describe_fault(self.error)
            context.tracer.on_exit(self.msg.gas - self.gas_left, self.output, error)

    def _transfer_and_run(self) -> None:
        """Move the value and run the precompile or the code; a VMError ends up in the frame, its effects undone."""
        message, block_state = self.msg, self.block_state
        checkpoint = block_state.record()
        if message.should_transfer_value and message.value:
            balance = block_state.get_balance(message.sender)
            if balance < message.value:
                raise InsufficientFunds(f"balance {balance} < value {message.value}")
        precompile = self.transaction_context.precompiles.get(message.code_address)
        try:
            if message.should_transfer_value and message.value and message.kind != "CALLCODE":
                self._transfer()
            self.state.touch_account(message.storage_address)
            if precompile is None:
                interpreter.run(self)
            elif not message.is_delegation:
                self.transaction_context.check_deadline()
                precompile(self)
        except VMError as fault:
            self.fail(fault)
            block_state.discard(checkpoint)

    def _transfer(self) -> None:
        """Pay the frame's account; a CALLCODE's is its caller's, which pays itself. Raises BalanceOverflowError."""
        message, block_state = self.msg, self.block_state
        if not block_state.can_receive(message.sender, message.storage_address, message.value):
            raise BalanceOverflowError("balance overflow")
        block_state.transfer(message.sender, message.storage_address, message.value)

    @classmethod
    def initcode_too_long(cls, state: PyEvmState, code: bytes) -> bool:
        """Whether creation code breaks EIP-3860's limit, or twice the configured code size limit."""
        limit = cls.traits.initcode_size_limit
        if state.wasm_machine is not None and state.wasm_machine.claims(code):
            return len(code) > state.wasm_machine.initcode_size_limit
        if limit is None:
            return False
        if state.code_size_limit is not None:
            limit = 2 * state.code_size_limit
        return len(code) > limit

    def _store_code(self, code: bytes) -> None:
        traits, wasm_machine = self.traits, self.state.wasm_machine
        limit = traits.code_size_limit if self.state.code_size_limit is None else self.state.code_size_limit
        try:
            if wasm_machine is not None and wasm_machine.claims(code):
                wasm_machine.deploy(self, code)
                return
            if limit is not None and len(code) > limit:
                raise CodeSizeError("code too long")
            if traits.rejects_reserved_code and code[:1] == b"\xef":
                raise ReservedBytesInCode("code begins with 0xef")
            price = len(code) * GAS_CODE_DEPOSIT_BYTE
            if price > self.gas_left:
                if not traits.code_deposit_must_succeed:
                    return
                raise CodeStoreError("code deposit")
            self.gas_left -= price
            self.block_state.set_code(self.address, code)
        except VMError as fault:
            self.fail(fault)

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
        """The gas left."""
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
        """Grow the memory to hold [start, start + size), in words, and pay for it. Raises OutOfGas.

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
