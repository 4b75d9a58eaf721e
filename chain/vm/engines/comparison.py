"""The differences between what two engines leave of one message."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any

from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.engines.native import NativeRun
from zevm.chain.vm.execution_state import Effects, TransactionChanges
from zevm.chain.vm.interface import Outcome
from zevm.storage.primitives import Address


def differences_of(native: NativeRun, reference: NativeRun) -> Iterator[str]:
    """Each difference in a line."""
    for name in Ending._fields:
        yield from _difference(name, getattr(native.ending, name), getattr(reference.ending, name))
    if reference.ending.error is None:
        # it tells of another gas limit for the same course, which a fault has ended
        yield from _difference("spare gas", native.spare_gas, reference.spare_gas)
    yield from effects_differences(native.effects, reference.effects)


def effects_differences(native: Effects, reference: Effects) -> Iterator[str]:
    """Each difference in the state; codes by their hashes, which the accounts hold."""
    yield from _changes_differences("account", native.accounts, reference.accounts)
    yield from _changes_differences("slot", native.slots, reference.slots)
    for name in ("touched", "destroyed", "logs", "refund"):
        yield from _difference(name, getattr(native, name), getattr(reference, name))


def outcome_differences(
    native: Outcome, changes: TransactionChanges, reference: Outcome, wanted: TransactionChanges
) -> Iterator[str]:
    """Each difference of a whole transaction in a line."""
    yield from call_differences(native, reference)
    yield from changes_differences(changes, wanted)


def changes_differences(native: TransactionChanges, reference: TransactionChanges) -> Iterator[str]:
    """Each difference between net changes in a line; codes by their hashes, which the accounts hold."""
    yield from _changes_differences("account", native.accounts, reference.accounts)
    yield from _changes_differences("slot", native.slots, reference.slots)


def call_differences(native: Outcome, reference: Outcome) -> Iterator[str]:
    """Each difference between how a transaction or a call ended, in a line."""
    for field in fields(Outcome):
        yield from _difference(field.name, getattr(native, field.name), getattr(reference, field.name))


def access_differences(
    changes: TransactionChanges, addresses: set[Address], slots: set[tuple[Address, int]]
) -> Iterator[str]:
    """Each difference between what the core says that instructions named, and what they did name."""
    reference: set[Any] = addresses | slots
    for access in sorted({*changes.named_addresses, *changes.named_slots} ^ reference, key=_show):
        yield f"access to {_show(access)} by {'py-evm' if access in reference else 'native'} alone"


def frame_differences(native: Sequence[tuple[Any, ...]], reference: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """The first difference between frames as two tracers saw them begin and end."""
    for place, (ours, theirs) in enumerate(zip_longest(native, reference)):
        if ours != theirs:
            yield from _difference(f"frame event {place}", ours, theirs)
            return


def _changes_differences(kind: str, ours: dict[Any, Any], theirs: dict[Any, Any]) -> Iterator[str]:
    for key in ours.keys() | theirs.keys():
        yield from _difference(f"{kind} {_show(key)}", ours.get(key, "unchanged"), theirs.get(key, "unchanged"))


def _difference(name: str, native: Any, reference: Any) -> Iterator[str]:
    if native != reference:
        yield f"{name}: native {_show(native)}, py-evm {_show(reference)}"


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list | frozenset):
        return f"({', '.join(map(_show, value))})"
    return str(value)
