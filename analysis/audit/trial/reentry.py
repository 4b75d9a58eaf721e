"""Trials of reentrancy: an account that calls back once, against the same two calls one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zevm.analysis.audit.trial.assembler import actor, forwarded
from zevm.analysis.audit.trial.functions import TriedFunction
from zevm.analysis.audit.trial.world import ATTACKER, DEPLOYER, DRIVER, VICTIM, World
from zevm.chain.rules.units import ETHER

_ARMED, _RESULT = 0, 1
_SUCCEEDED = 2
_OTHERS_MONEY = 50 * ETHER
_MOST_OTHERS = 12
_MOST_PREPARATIONS = 24
"""Functions that are called to prepare a state."""


@dataclass(frozen=True, slots=True)
class Reentry:
    """A successful reentrancy. gained, gained_in_order: the attacker's wei by reentering, and by calling twice."""

    function: str
    entered: str
    gained: int
    gained_in_order: int

    def __str__(self) -> str:
        how = f"{self.function} was entered again by {self.entered} during its call"
        if self.gained != self.gained_in_order:
            return f"{how}; the caller got {_ether(self.gained)}, in order {_ether(self.gained_in_order)}"
        return f"{how}; storage ends in another state than by the calls in order"


def _ether(wei: int) -> str:
    return f"{wei / ETHER:g} ether"


def reenter(world: World, function: TriedFunction, others: Sequence[TriedFunction]) -> Reentry | None:
    """A call of a function that profits from calling back; None if none is found. Raises ExecutionTimeoutError.

    others: the contract's functions, which prepare the state and may be called back.
    """
    for prepared in _preparations(world, function, others):
        for data in function.inputs(ATTACKER):
            for value in function.values:
                found = _attempt(prepared, function, data, value, others)
                if found is not None:
                    return found
    return None


def _preparations(world: World, function: TriedFunction, others: Sequence[TriedFunction]) -> Iterator[World]:
    """States in which the function may have something to pay: after deposits of others and the attacker, or gifts."""
    rich = world.copy()
    rich.state.add_balance(rich.target, _OTHERS_MONEY)
    steps = [other for other in others if other.changes_state and other.name != function.name][:_MOST_PREPARATIONS]
    paying = [other for other in steps if other.payable is not False]
    deposited = _armed(rich, b"", 0)
    for other in paying:
        _try(deposited, VICTIM, other, VICTIM, 5 * ETHER)
        _try(deposited, ATTACKER, other, ATTACKER, ETHER)
    yield deposited.copy()
    given = _armed(rich, b"", 0)
    for other in steps:
        _try(given, DEPLOYER, other, ATTACKER, 0)
    for other in steps:
        _try(given, ATTACKER, other, ATTACKER, ETHER if other.payable is not False else 0)
    yield given.copy()
    for other in steps:
        _try(deposited, ATTACKER, other, ATTACKER, 0)
    yield deposited.copy()
    yield rich


def _try(world: World, sender: bytes, function: TriedFunction, address: bytes, value: int) -> None:
    """A call that may fail, for its effect."""
    for amount in (ETHER, 1):
        data = function.input(address, amount)
        if data is None:
            return
        if sender == ATTACKER:
            outcome = world.call(DRIVER, ATTACKER, forwarded(world.target, value, data))
        else:
            outcome = world.call(type(world.target)(sender), world.target, data, value)
        if outcome is not None and outcome.succeeded:
            return


def _armed(world: World, payload: bytes, value: int) -> World:
    changed = world.copy()
    changed.state.set_code(ATTACKER, actor(world.target, payload, value, DRIVER))
    changed.state.set_storage(ATTACKER, _ARMED, int(bool(payload)))
    return changed.copy()


def _attempt(
    prepared: World, function: TriedFunction, data: bytes, value: int, others: Sequence[TriedFunction]
) -> Reentry | None:
    if not _succeeds(_armed(prepared, b"", 0), data, value):
        return None
    entered = [(function, data, value)]
    for other in others[:_MOST_OTHERS]:
        again = other.input(ATTACKER)
        if other.changes_state and other.name != function.name and again:
            entered.append((other, again, 0))
    for other, again, wei in entered:
        found = _compare(prepared, (function, data, value), (other, again, wei))
        if found is not None:
            return found
    return None


def _compare(
    prepared: World, outer: tuple[TriedFunction, bytes, int], inner: tuple[TriedFunction, bytes, int]
) -> Reentry | None:
    """The reentrancy, if calling back has another end than calling twice."""
    function, data, value = outer
    other, again, wei = inner
    nested = _armed(prepared, again, wei)
    before = nested.balance(ATTACKER)
    if not _succeeds(nested, data, value) or nested.state.get_storage(ATTACKER, _RESULT) != _SUCCEEDED:
        return None
    in_order = _armed(prepared, b"", 0)
    _succeeds(in_order, data, value)
    _succeeds(in_order, again, wei)
    reverse = _armed(prepared, b"", 0)
    _succeeds(reverse, again, wei)
    _succeeds(reverse, data, value)
    gained = nested.balance(ATTACKER) - before
    ends = [(world.balance(ATTACKER) - before, world.slots()) for world in (in_order, reverse)]
    best = max(gain for gain, _ in ends)
    if gained > best:
        return Reentry(function.name, other.name, gained, best)
    if gained == ends[0][0] and all(slots != nested.slots() for _, slots in ends) and function is other:
        return Reentry(function.name, other.name, gained, ends[0][0])
    return None


def _succeeds(world: World, data: bytes, value: int) -> bool:
    outcome = world.call(DRIVER, ATTACKER, forwarded(world.target, value, data))
    return outcome is not None and outcome.succeeded


def rich(world: World, wei: int = _OTHERS_MONEY) -> World:
    """The world with more ether in the contract."""
    changed = world.copy()
    changed.state.add_balance(changed.target, wei)
    return changed
