"""An audit from beginning to end: suspicions from the code, then trials on a copy of the state."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from zevm.analysis.audit import rules
from zevm.analysis.audit.evm import detect
from zevm.analysis.audit.evm.contract import EvmContract, Function
from zevm.analysis.audit.evm.events import Path, Store
from zevm.analysis.audit.evm.guards import conditions_of
from zevm.analysis.audit.evm.slots import reads_of, variable_of
from zevm.analysis.audit.evm.terms import Term
from zevm.analysis.audit.finding import Evidence, Finding, Report, in_order
from zevm.analysis.audit.loading import is_module
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.functions import TriedFunction
from zevm.analysis.audit.trial.ground import Ground, world_of
from zevm.analysis.audit.trial.reentry import reenter
from zevm.analysis.audit.trial.strangers import intrudes, runs_probe
from zevm.analysis.audit.trial.world import World, peopled, placed, share_of
from zevm.analysis.audit.wasm.audit import audit_wasm
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError

_MOST_NAMED = 8
"""Functions that a note names."""


def audit(subject: Subject, *, ground: Ground, deadline: Deadline | None = None) -> Report:
    """The report on a contract, whatever machine runs it. Raises AuditError, ExecutionTimeoutError at the deadline."""
    examine = audit_wasm if is_module(subject.code) else audit_evm
    return examine(subject, ground=ground, deadline=deadline)


def audit_evm(subject: Subject, *, ground: Ground, deadline: Deadline | None = None) -> Report:
    """The report on EVM bytecode. Raises AuditError without evmole, ExecutionTimeoutError at the deadline."""
    world, notes = world_of(subject, ground, deadline)
    code = subject.code if world is None else world.state.get_code(world.target)
    contract, suspected = detect.examine(code, subject.names, deadline=deadline)
    is_real = world is not None
    if world is None:
        owners = [(owner.variable.root, owner.bits) for owner in contract.owners if owner.variable.root is not None]
        blank = peopled(ground.environment, ground.reader, deadline)
        world = placed(blank, subject.code, [(slot, bits) for slot, bits in owners if slot < 1 << 64])
    tried = [_tried(function, subject) for function in contract.functions]
    open_still = [finding for finding in suspected if not (is_real and _is_used_up(finding, contract, world))]
    findings, untried = _on_trials(open_still, contract, world, tried)
    told = in_order(_placed(finding, subject) for finding in findings)
    notes = (*subject.notes, *notes, *_notes(contract), *untried)
    return Report(subject.name, "evm", told, len(contract.functions), notes)


def _tried(function: Function, subject: Subject) -> TriedFunction:
    types = function.arguments
    if function.selector in subject.names:
        types = subject.names[function.selector].partition("(")[2][:-1]
    mutability = next(
        (entry.get("stateMutability") for entry in subject.functions if subject.names.get(function.selector or b"", "").
         partition("(")[0] == entry["name"]), None,
    )  # fmt: skip
    payable = None if mutability is None else mutability == "payable"
    return TriedFunction(function.name, function.selector or b"", types, function.changes_state, payable)


def _is_used_up(finding: Finding, contract: EvmContract, world: World) -> bool:
    """Whether the state, as the constructor left it, closes an initialiser."""
    if finding.rule != rules.INITIALISER:
        return False
    function = next(item for item in contract.functions if item.name == finding.place.function)
    ways = [
        path for path in function.paths
        if any(isinstance(event, Store) and event.offset == finding.place.offset for event in path.events)
    ]  # fmt: skip
    return all(_is_closed(contract, path, world) for path in ways)


def _is_closed(contract: EvmContract, path: Path, world: World) -> bool:
    """Whether a condition of a path is false for the slots' values."""
    for condition in conditions_of(path):
        term = condition.term
        for read in reads_of(term):
            slot = read.args[0].value if isinstance(read.args[0], Term) else None
            if slot is not None and read.op == "sload":
                value = contract.terms.const(world.state.get_storage(world.target, slot))
                term = contract.terms.replaced(term, read, value)
        if term.value is not None and bool(term.value) != condition.holds:
            return True
    return False


def _on_trials(
    suspected: Sequence[Finding], contract: EvmContract, world: World, tried: Sequence[TriedFunction]
) -> tuple[list[Finding], list[str]]:
    """The findings after their trials, and a note that names the trials without an end.

    Each trial gets an equal part of the time that is left, so that one endless function does not take that of others.
    """
    findings, unended = [], []
    for done, finding in enumerate(suspected):
        deadline = share_of(world.deadline, 1 / (len(suspected) - done))
        try:
            findings.append(_on_trial(finding, contract, replace(world, deadline=deadline), tried))
        except ExecutionTimeoutError:
            findings.append(finding)
            unended.append(f"{finding.rule} of {finding.place.function}")
    if not unended:
        return findings, []
    named = ", ".join(unended[:_MOST_NAMED]) + (" and others" if len(unended) > _MOST_NAMED else "")
    return findings, [f"the time was over before these trials had ended, so that they stay suspected: {named}"]


def _on_trial(finding: Finding, contract: EvmContract, world: World, tried: Sequence[TriedFunction]) -> Finding:
    """The finding, confirmed if a trial shows it."""
    test = _TRIALS.get(finding.rule)
    function = next((item for item in tried if item.name == finding.place.function), None)
    if test is None or function is None:
        return finding
    told = test(finding, contract, world, function, tried)
    if told is None:
        return finding
    return replace(finding, evidence=Evidence.CONFIRMED, details=told)


def _try_reentrancy(
    _finding: Finding, _contract: EvmContract, world: World, function: TriedFunction, tried: Sequence[TriedFunction]
) -> str | None:
    found = reenter(world, function, tried)
    return None if found is None else str(found)


def _try_access(
    finding: Finding, contract: EvmContract, world: World, function: TriedFunction, _tried: Sequence[TriedFunction]
) -> str | None:
    return intrudes(world, function, _written_slots(contract, finding))


def _try_delegation(
    _finding: Finding, _contract: EvmContract, world: World, function: TriedFunction, _tried: Sequence[TriedFunction]
) -> str | None:
    return runs_probe(world, function)


def _written_slots(contract: EvmContract, finding: Finding) -> list[int]:
    """The slots of the variables that the finding's write is about; none for other findings and for entries."""
    slots = set()
    for function in contract.functions:
        if function.name != finding.place.function:
            continue
        for path in function.paths:
            for event in path.events:
                if isinstance(event, Store) and event.offset == finding.place.offset:
                    variable = variable_of(event.key)
                    if variable.root is not None and not variable.entry:
                        slots.add(variable.root)
    return sorted(slots)


_Trial = Callable[[Finding, EvmContract, World, TriedFunction, Sequence[TriedFunction]], str | None]
_TRIALS: dict[str, _Trial] = {
    rules.REENTRANCY: _try_reentrancy,
    rules.ACCESS: _try_access,
    rules.INITIALISER: _try_access,
    rules.DELEGATECALL: _try_delegation,
}
"""Rule -> its trial."""


def _placed(finding: Finding, subject: Subject) -> Finding:
    """The finding with its line of source, where one is known."""
    offset = finding.place.offset
    known = None if offset is None else subject.locate(offset)
    if known is None:
        return finding
    return replace(finding, place=replace(finding.place, source=known[0], line=known[1]))


def _notes(contract: EvmContract) -> Iterable[str]:
    partial = [function.name for function in contract.functions if not function.complete]
    if partial:
        others = " and others" if len(partial) > _MOST_NAMED else ""
        yield f"not every path was followed in {', '.join(partial[:_MOST_NAMED])}{others}"
    if contract.is_late:
        yield "the time was over before every rule had read every path"
    if not contract.code.dispatched:
        yield "the functions were guessed from constants, as the control flow took too long to analyse"
