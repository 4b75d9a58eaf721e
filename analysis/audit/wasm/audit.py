"""The audit of a WebAssembly contract."""

from collections.abc import Iterator
from dataclasses import replace

from zevm.analysis.audit.finding import Finding, Report, in_order
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.functions import TriedFunction
from zevm.analysis.audit.trial.ground import Ground, world_of
from zevm.analysis.audit.trial.world import World
from zevm.analysis.audit.wasm import detect
from zevm.analysis.audit.wasm.trials import confirmed
from zevm.analysis.audit.wasm.walk import Walk
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError

_VIEWS = ("view", "pure")


def audit_wasm(subject: Subject, *, ground: Ground, deadline: Deadline | None = None) -> Report:
    """The report on a module, raw or compressed. Raises ExecutionTimeoutError at the deadline."""
    module = detect.opened(subject.code)
    if isinstance(module, Finding):
        return Report(subject.name, "wasm", (module,), 0, ())
    walk = Walk(module)
    walk.examine()
    refused = tuple(detect.forbidden(module))
    suspected = list(detect.suspicions(walk))
    functions = functions_of(subject)
    world, slow = (None, ()) if refused else world_of(subject, ground, deadline)
    notes = [*slow, *_notes(subject, world, refused=bool(refused) or bool(slow))]
    shown: list[Finding] = []
    if world is not None:
        used = {walk.host_name(index) for index in walk.reachable()}
        try:
            shown.extend(confirmed(world, functions, used))
        except ExecutionTimeoutError:
            notes.append("the time was over before every function had been tried: weaknesses may be left")
    kept = [finding for finding in suspected if finding.rule not in {found.rule for found in shown}]
    told = in_order(_placed(finding, subject) for finding in (*refused, *shown, *kept))
    return Report(subject.name, "wasm", told, len(functions), tuple(notes))


def functions_of(subject: Subject) -> list[TriedFunction]:
    """The functions that the ABI names."""
    found = []
    for selector, signature in subject.names.items():
        entry = next(item for item in subject.functions if signature.startswith(item["name"] + "("))
        mutability = entry.get("stateMutability", "nonpayable")
        types = signature.partition("(")[2][:-1]
        found.append(TriedFunction(signature, selector, types, mutability not in _VIEWS, mutability == "payable"))
    return found


def _notes(subject: Subject, world: World | None, *, refused: bool) -> Iterator[str]:
    if not subject.functions:
        yield "no ABI is known, so that no function was called: the order of host calls alone was examined"
    if world is None and not refused:
        yield "the constructor did not run with made-up arguments, so that no function was called"


def _placed(finding: Finding, subject: Subject) -> Finding:
    known = None if finding.place.offset is None else subject.locate(finding.place.offset)
    if known is None:
        return finding
    return replace(finding, place=replace(finding.place, source=known[0], line=known[1]))
