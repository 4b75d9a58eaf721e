"""One call frame: py-evm's computation with our stack, memory, gas and message path.

py-evm's opcodes and precompiles run on it unchanged; the methods they use are overridden by lean ones.
Logs, refunds and self-destructs go to the BlockState's journal, so that a failed frame takes them along
and a parent keeps nothing of its children.
"""

from typing import ClassVar, NamedTuple

from eth.abc import ComputationAPI
from eth.exceptions import InsufficientFunds, OutOfGas, ReservedBytesInCode, VMError
from eth.vm.computation import BaseComputation

from chain.types import Log
from chain.vm import interpreter
from chain.vm.faults import CodeSizeError, CodeStoreError, InitcodeSizeError, describe_fault
from chain.vm.interface import FrameStart
from chain.vm.message import Message, TransactionContext
from chain.vm.operations import Operation
from chain.vm.world import World

GAS_CODE_DEPOSIT_BYTE = 200


class ForkTraits(NamedTuple):
    """What a fork says about frames, beyond its opcodes and precompiles. Sizes in bytes, None for no limit."""

    has_empty_accounts: bool
    code_deposit_must_succeed: bool
    code_size_limit: int | None
    rejects_reserved_code: bool
    initcode_size_limit: int | None


class Frame(BaseComputation):  # type: ignore[misc]
    """A running message. `gas_left` and `stack` (ints, top last) are public to instructions."""

    traits: ClassVar[ForkTraits]
    operations: ClassVar[tuple[Operation, ...]]

    def __init__(self, state: World, message: Message, context: TransactionContext) -> None:
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
        self._output = b""
        self._error: VMError | None = None

    # Running messages

    @classmethod
    def apply_message(
        cls,
        state: World,
        message: Message,
        transaction_context: TransactionContext,
        parent_computation: ComputationAPI | None = None,
    ) -> "Frame":
        """Transfer the value and run the code; undo everything when it fails."""
        block_state = state.block_state
        checkpoint = block_state.record()
        if message.should_transfer_value and message.value:
            balance = block_state.get_balance(message.sender)
            if balance < message.value:
                raise InsufficientFunds(f"balance {balance} < value {message.value}")
            block_state.set_balance(message.sender, balance - message.value)
            block_state.add_balance(message.storage_address, message.value)
        state.touch_account(message.storage_address)
        frame = cls.apply_computation(state, message, transaction_context, parent_computation)
        if frame._error is not None:
            block_state.discard(checkpoint)
        return frame

    @classmethod
    def apply_create_message(
        cls,
        state: World,
        message: Message,
        transaction_context: TransactionContext,
        parent_computation: ComputationAPI | None = None,
    ) -> "Frame":
        """Run creation code and store what it returns. Raises InitcodeSizeError into the creating frame."""
        if cls.initcode_too_long(state, message.code):
            raise InitcodeSizeError("initcode too long")
        block_state = state.block_state
        checkpoint = block_state.record()
        block_state.mark_created(message.storage_address)
        if not cls.traits.has_empty_accounts:
            block_state.increment_nonce(message.storage_address)
        frame = cls.apply_message(state, message, transaction_context, parent_computation)
        if frame._error is None:
            frame._store_code(frame._output)
        if frame._error is not None:
            block_state.discard(checkpoint)
        return frame

    @classmethod
    def initcode_too_long(cls, state: World, code: bytes) -> bool:
        """Whether creation code breaks EIP-3860's limit, or twice the configured code size limit."""
        limit = cls.traits.initcode_size_limit
        if limit is None:
            return False
        if state.code_size_limit is not None:
            limit = 2 * state.code_size_limit
        return len(code) > limit

    def _store_code(self, code: bytes) -> None:
        traits = self.traits
        limit = traits.code_size_limit if self.state.code_size_limit is None else self.state.code_size_limit
        try:
            if limit is not None and len(code) > limit:
                raise CodeSizeError("code too long")
            if traits.rejects_reserved_code and code[:1] == b"\xef":
                raise ReservedBytesInCode("code begins with 0xef")
            price = len(code) * GAS_CODE_DEPOSIT_BYTE
            if price > self.gas_left:
                if not traits.code_deposit_must_succeed:
                    self._output = b""
                    return
                raise CodeStoreError("code deposit")
            self.gas_left -= price
            self.block_state.set_code(self.address, code)
        except VMError as fault:
            self.fail(fault)

    @classmethod
    def apply_computation(
        cls,
        state: World,
        message: Message,
        transaction_context: TransactionContext,
        parent_computation: ComputationAPI | None = None,  # noqa: ARG003
    ) -> "Frame":
        """Run the precompile or the code of a message on a new frame; a VMError ends up in the frame."""
        frame = cls(state, message, transaction_context)
        tracer = transaction_context.tracer
        if tracer is not None:
            tracer.on_enter(_describe_start(message))
        precompile = transaction_context.precompiles.get(message.code_address)
        try:
            if precompile is None:
                interpreter.run(frame)
            elif not message.is_delegation:
                precompile(frame)
        except VMError as fault:
            frame.fail(fault)
        if tracer is not None:
            error = None if frame._error is None else describe_fault(frame._error)
            tracer.on_exit(message.gas - frame.gas_left, frame._output, error)
        return frame

    def fail(self, fault: VMError) -> None:
        """End the frame with a fault: all gas and the output go, except for REVERT."""
        self._error = fault
        if fault.burns_gas:
            self.gas_left = 0
        if fault.erases_return_data:
            self._output = b""
            self.return_data = b""

    # Gas

    def consume_gas(self, amount: int, reason: str = "") -> None:
        """Take gas. Raises OutOfGas."""
        left = self.gas_left - amount
        if left < 0:
            raise OutOfGas(reason)
        self.gas_left = left

    def return_gas(self, amount: int) -> None:
        """Give gas back that a child did not use."""
        self.gas_left += amount

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

    stack_pop1_any = stack_pop1_int

    def stack_pop_ints(self, count: int) -> list[int]:
        """Pop `count` words, the top one first."""
        pop = self.stack.pop
        return [pop() for _ in range(count)]

    stack_pop_any = stack_pop_ints

    def stack_pop_bytes(self, count: int) -> list[bytes]:
        """Pop `count` words as 32 bytes each, the top one first."""
        return [word.to_bytes(32, "big") for word in self.stack_pop_ints(count)]

    def stack_push_int(self, value: int) -> None:
        """Push a word."""
        self.stack.append(value)

    def stack_push_bytes(self, value: bytes) -> None:
        """Push up to 32 bytes as a word."""
        self.stack.append(int.from_bytes(value, "big"))

    def stack_swap(self, position: int) -> None:
        """Swap the top with the word `position` below it."""
        stack = self.stack
        stack[-1], stack[-position - 1] = stack[-position - 1], stack[-1]

    def stack_dup(self, position: int) -> None:
        """Push a copy of the word at `position`, 1 being the top."""
        self.stack.append(self.stack[-position])

    # Memory

    def extend_memory(self, start_position: int, size: int) -> None:
        """Grow the memory to hold [start, start + size), in words, and pay for it. Raises OutOfGas."""
        if not size:
            return
        memory = self.memory
        old_words = len(memory) >> 5
        words = (start_position + size + 31) >> 5
        if words > old_words:
            left = self.gas_left - 3 * (words - old_words) - (words * words >> 9) + (old_words * old_words >> 9)
            if left < 0:
                raise OutOfGas("memory")
            self.gas_left = left
            memory.extend(bytes((words - old_words) << 5))

    def memory_write(self, start_position: int, size: int, value: bytes) -> None:
        """Write into memory that was extended before."""
        if size:
            self.memory[start_position : start_position + size] = value

    def memory_read_bytes(self, start_position: int, size: int) -> bytes:
        """Read memory that was extended before."""
        return bytes(self.memory[start_position : start_position + size])

    def memory_copy(self, destination: int, source: int, length: int) -> None:
        """Copy within memory that was extended before."""
        if length:
            self.memory[destination : destination + length] = self.memory[source : source + length]

    # Results

    @property
    def output(self) -> bytes:
        """The returned or revert data."""
        return self._output

    @output.setter
    def output(self, value: bytes) -> None:
        self._output = value

    def add_log_entry(self, account: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """Append a log to the transaction's."""
        self.block_state.add_log(Log(account, tuple(topic.to_bytes(32, "big") for topic in topics), data))


def _describe_start(message: Message) -> FrameStart:
    return FrameStart(
        kind=message.kind,
        depth=message.depth,
        sender=message.sender,
        address=message.storage_address,
        code_address=message.code_address,
        value=message.value,
        gas_limit=message.gas,
        data=message.code if message.is_create else message.data,
    )
