"""The engine that is always there: frames in Python, with py-evm's opcodes among their instructions."""

from zevm.chain.concurrency.recursion import deep_recursion
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.faults import describe_fault
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.message_calls import apply_create_message, apply_message, apply_transfer, runs
from zevm.chain.vm.py_evm_state import PyEvmState


def run(frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext) -> Ending:
    """Run an outermost message; its effects are in the state."""
    if context.tracer is None and not runs(message, context) and apply_transfer(evm_state, message):
        return Ending(message.gas, b"", None)
    apply = apply_create_message if message.is_create else apply_message
    with deep_recursion:
        frame = apply(frames, evm_state, message, context)
    return Ending(frame.gas_left, frame.output, None if frame.error is None else describe_fault(frame.error))
