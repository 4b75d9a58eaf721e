"""The outermost message of a transaction, call or system call, on the engine that its chain asks for."""

from collections import Counter

from zevm.chain.vm.engines import native, py_evm
from zevm.chain.vm.engines.check import run_on_both, run_with_both_hosts
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.message_calls import runs
from zevm.chain.vm.py_evm_state import PyEvmState

messages: Counter[str] = Counter()
"""Messages that began since the process did: "native", "py-evm", and "refused", which the core gave up for py-evm."""


def run_message(frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext) -> Ending:
    """Run a message with all that it calls; its effects are in the state. A transaction runs wholly on one engine.

    Raises ExecutionTimeoutError at the deadline, and EngineDifferenceError where both engines run and do not agree.
    """
    takes_core = context.engine is not Engine.PY_EVM and native.takes(evm_state, message, context)
    # without code there is nothing to run, and frames cost less than the way into the core
    if not takes_core or (context.engine is Engine.NATIVE and not runs(message, context)):
        messages["py-evm"] += 1
        return _in_frames(frames, evm_state, message, context)
    found = native.run(frames, evm_state, message, context)
    if found is None:
        messages["refused"] += 1
        return _in_frames(frames, evm_state, message, context)
    messages["native"] += 1
    if context.engine is Engine.CHECK:
        return run_on_both(frames, evm_state, message, context, found)
    evm_state.block_state.absorb(found.effects)
    context.spare_gas = found.spare_gas
    return found.ending


def _in_frames(frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext) -> Ending:
    """A message that the core does not run; in check mode with both sets of host functions, where there may be any."""
    is_compared = (
        context.engine is Engine.CHECK
        and context.wasm_machine is not None
        and context.tracer is None
        and evm_state.block_state.observer is None
    )
    run = run_with_both_hosts if is_compared else py_evm.run
    return run(frames, evm_state, message, context)
