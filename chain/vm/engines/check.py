"""The check mode: a message runs on both engines, and what they leave must be the same."""

from collections.abc import Iterator
from typing import Any

from zevm.chain.errors import EngineDifferenceError
from zevm.chain.vm.engines import py_evm
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.engines.native import NativeRun
from zevm.chain.vm.execution_state import Effects
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.py_evm_state import PyEvmState


def run_on_both(
    frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext, found: NativeRun
) -> Ending:
    """Run the message on py-evm too, whose effects stay. found: the run on the core, with its effects in no state yet.

    Raises EngineDifferenceError, with the state as it was, and a file that replays the message.
    """
    state = evm_state.block_state
    checkpoint = state.record()
    native_console = context.take_console()
    ending = py_evm.run(frames, evm_state, message, context)
    reference = NativeRun(ending, context.spare_gas, state.effects_since(checkpoint))
    differences = [*differences_of(found, reference)]
    if native_console != context.console:
        differences.append(f"console: native {native_console}, py-evm {context.console}")
    if not differences:
        return ending
    from zevm.chain.vm.engines import replay  # it stands on this module
    from zevm.chain.vm.engines.case import Case

    state.discard(checkpoint)
    file = replay.write(Case.of(evm_state, message, context), differences)
    raise EngineDifferenceError(f"the engines do not agree: {'; '.join(differences)[:1_000]}; {file} replays it")


def differences_of(native: NativeRun, reference: NativeRun) -> Iterator[str]:
    """What differs, a line each."""
    for name in Ending._fields:
        yield from _difference(name, getattr(native.ending, name), getattr(reference.ending, name))
    yield from _difference("spare gas", native.spare_gas, reference.spare_gas)
    yield from effects_differences(native.effects, reference.effects)


def effects_differences(native: Effects, reference: Effects) -> Iterator[str]:
    """What differs in the state; codes by their hashes, which the accounts hold."""
    for kind, ours, theirs in (
        ("account", native.accounts, reference.accounts),
        ("slot", native.slots, reference.slots),
    ):
        for key in ours.keys() | theirs.keys():
            yield from _difference(f"{kind} {_show(key)}", ours.get(key, "unchanged"), theirs.get(key, "unchanged"))
    for name in ("touched", "destroyed", "logs", "refund"):
        yield from _difference(name, getattr(native, name), getattr(reference, name))


def _difference(name: str, native: Any, reference: Any) -> Iterator[str]:
    if native != reference:
        yield f"{name}: native {_show(native)}, py-evm {_show(reference)}"


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list | frozenset):
        return f"({', '.join(map(_show, value))})"
    return str(value)
