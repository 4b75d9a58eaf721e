"""The check mode: a message runs on both engines, and what they leave must be the same."""

from copy import copy

from zevm.chain.errors import EngineDifferenceError
from zevm.chain.vm.engines import py_evm, replay
from zevm.chain.vm.engines.case import Case
from zevm.chain.vm.engines.comparison import differences_of
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.engines.native import NativeRun
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.py_evm_state import PyEvmState


def run_with_both_hosts(
    frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext
) -> Ending:
    """Run a message in frames twice: WebAssembly calls the core's host functions, then those in Python.

    The second run's effects stay. Raises EngineDifferenceError, with the state as it was.
    """
    state = evm_state.block_state
    checkpoint, spare_gas = state.record(), context.spare_gas
    # what it counts begins anew
    scope = copy(context.wasm_scope)
    ending = py_evm.run(frames, evm_state, message, context)
    found = NativeRun(ending, context.spare_gas, state.effects_since(checkpoint))
    state.discard(checkpoint)
    context.spare_gas, context.wasm_scope = spare_gas, scope
    return run_on_both(frames, evm_state, message, context, found)


def run_on_both(
    frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext, found: NativeRun
) -> Ending:
    """Run the message on py-evm too, whose effects stay. found: the run on the core, with its effects in no state yet.

    Raises EngineDifferenceError, with the state as it was, and a file that replays the message.
    """
    state = evm_state.block_state
    checkpoint = state.record()
    native_console = context.take_console()
    has_native_hosts, context.has_native_hosts = context.has_native_hosts, False
    try:
        ending = py_evm.run(frames, evm_state, message, context)
    finally:
        context.has_native_hosts = has_native_hosts
    reference = NativeRun(ending, context.spare_gas, state.effects_since(checkpoint))
    differences = [*differences_of(found, reference)]
    if native_console != context.console:
        differences.append(f"console: native {native_console}, py-evm {context.console}")
    if not differences:
        return ending
    state.discard(checkpoint)
    file = replay.write(Case.of(evm_state, message, context), differences)
    raise EngineDifferenceError(f"the engines do not agree: {'; '.join(differences)[:1_000]}; {file} replays it")
