"""Trials of a module's functions: what strangers reach, and what calls back."""

from collections.abc import Iterator, Sequence

from zevm.analysis.audit import rules
from zevm.analysis.audit.finding import Evidence, Finding, Place, Severity
from zevm.analysis.audit.trial.assembler import actor, forwarded
from zevm.analysis.audit.trial.functions import TriedFunction
from zevm.analysis.audit.trial.reentry import reenter, rich
from zevm.analysis.audit.trial.strangers import intrudes, runs_probe
from zevm.analysis.audit.trial.world import ATTACKER, DEPLOYER, STRANGER, World

_RIGHTS = ("admin", "owner", "minter", "operator", "role", "auth", "ward", "guardian", "keeper")
"""Words in the names of functions that say who may do something."""


def confirmed(world: World, functions: Sequence[TriedFunction], used: set[str | None]) -> Iterator[Finding]:
    """The weaknesses that trials show. used: the host functions that the module may call."""
    changing = [function for function in functions if function.changes_state]
    owners = owner_slots(world)
    for function in changing:
        if "call_contract" in used:
            found = reenter(world, function, changing)
            if found is not None:
                yield _finding(rules.REENTRANCY, function, "a callee enters again before the call ends", str(found))
        if "delegate_call_contract" in used:
            told = runs_probe(world, function)
            if told is not None:
                yield _finding(rules.DELEGATECALL, function, "a stranger chooses code that runs on its storage", told)
        told = intrudes(world, function, owners) or _grants(world, function, functions)
        if told is not None and "set the entry" not in told:
            yield _finding(rules.ACCESS, function, "any caller reaches what only an owner should", told)
        if "tx_origin" in used and _trusts_origin(world, function):
            told = f"{function.name} accepts a contract that its owner calls, and no stranger"
            yield _finding(rules.TX_ORIGIN, function, "the transaction's sender is trusted", told, Severity.MEDIUM)


def _finding(
    rule: str, function: TriedFunction, reason: str, details: str, severity: Severity = Severity.HIGH
) -> Finding:
    return Finding(rule, severity, Place(function.name), reason, Evidence.CONFIRMED, details)


def owner_slots(world: World) -> list[int]:
    """The slots that hold the deployer's address after the constructor's run."""
    # the constructor's writes lie beneath the copies that trials make
    number = int.from_bytes(DEPLOYER, "big")
    slots = world.constructed.items()
    return sorted(slot for slot, value in slots if number in (value, value >> 96, value & ((1 << 160) - 1)))


def _grants(world: World, function: TriedFunction, functions: Sequence[TriedFunction]) -> str | None:
    """Whether a stranger's call gives the stranger a balance or a right that a view tells of."""
    questions = [other for other in functions if not other.changes_state and _is_telling(other)]
    if not questions:
        return None
    for data in function.inputs(STRANGER):
        changed = rich(world)
        before = [_answer(changed, question) for question in questions]
        outcome = changed.call(STRANGER, changed.target, data)
        if outcome is None or not outcome.succeeded:
            continue
        for question, old in zip(questions, before, strict=True):
            new = _answer(changed, question)
            if old == 0 and new:
                return f"{function.name}, called by a stranger for nothing, made {question.name} of the stranger {new}"
    return None


def _is_telling(function: TriedFunction) -> bool:
    name = function.name.partition("(")[0].lower()
    return function.types == "address" and (name == "balanceof" or any(word in name for word in _RIGHTS))


def _answer(world: World, question: TriedFunction) -> int | None:
    data = question.input(STRANGER)
    outcome = None if data is None else world.copy().call(STRANGER, world.target, data)
    if outcome is None or not outcome.succeeded or len(outcome.output) != 32:
        return None
    return int.from_bytes(outcome.output, "big")


def _trusts_origin(world: World, function: TriedFunction) -> bool:
    """Whether a call through a contract succeeds for the deployer's transactions and fails for a stranger's."""
    for data in function.inputs(STRANGER):
        results = []
        for person in (DEPLOYER, STRANGER):
            changed = rich(world)
            changed.state.set_code(ATTACKER, actor(changed.target, b"", 0, person))
            outcome = changed.call(person, ATTACKER, forwarded(changed.target, 0, data))
            results.append(outcome is not None and outcome.succeeded)
        if results == [True, False]:
            return True
    return False
