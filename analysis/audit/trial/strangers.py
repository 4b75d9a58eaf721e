"""Trials of authority: what a stranger's call does that only an owner's should."""

from collections.abc import Sequence

from zevm.analysis.audit.trial.assembler import PROBE_SLOT
from zevm.analysis.audit.trial.functions import TriedFunction
from zevm.analysis.audit.trial.reentry import rich
from zevm.analysis.audit.trial.world import PROBE_ADDRESS, STRANGER, Watcher, World
from zevm.chain.rules.units import ETHER


def intrudes(world: World, function: TriedFunction, variables: Sequence[int]) -> str | None:
    """The effect of a stranger's call, as a sentence; None without one. Raises ExecutionTimeoutError.

    variables: slots that authorise callers or hold code's addresses.
    """
    for data in function.inputs(STRANGER):
        for value in function.values:
            changed, watcher = rich(world), Watcher()
            before = changed.balance(STRANGER)
            outcome = changed.call(STRANGER, changed.target, data, value, watcher=watcher)
            if outcome is None or not outcome.succeeded:
                continue
            told = _effect(world, changed, watcher, changed.balance(STRANGER) - before, variables)
            if told is not None:
                return f"{function.name}, called by a stranger, {told}"
    return None


def _effect(world: World, changed: World, watcher: Watcher, gained: int, variables: Sequence[int]) -> str | None:
    if world.target in watcher.destroyed:
        return "ran SELFDESTRUCT"
    slots = changed.slots()
    for slot in variables:
        if slot in slots:
            return f"changed slot {hex(slot)} to {hex(slots[slot])}"
    if gained > 0:
        return f"paid the stranger {gained / ETHER:g} ether that others had paid in"
    granted = [slot for slot, value in slots.items() if value and slot >= 1 << 64]
    return f"set the entry {hex(granted[0])}" if granted and not variables else None


def runs_probe(world: World, function: TriedFunction) -> str | None:
    """Whether a stranger's code ran on the contract's storage, as a sentence. Raises ExecutionTimeoutError."""
    for data in function.inputs(PROBE_ADDRESS):
        for value in function.values:
            changed = world.copy()
            outcome = changed.call(STRANGER, changed.target, data, value)
            if outcome is not None and outcome.succeeded and changed.slots().get(PROBE_SLOT):
                return f"{function.name}, called by a stranger, ran code of the stranger's on the contract's storage"
    return None
