"""Rules about numbers: arithmetic without a check, loops without a bound."""

from collections.abc import Iterator

from zevm.analysis.audit import rules
from zevm.analysis.audit.evm import guards
from zevm.analysis.audit.evm.contract import EvmContract, Function
from zevm.analysis.audit.evm.control import finding
from zevm.analysis.audit.evm.events import Call, Condition, Event, Path, Round, Store
from zevm.analysis.audit.evm.slots import reads_of
from zevm.analysis.audit.evm.terms import Taint, Term
from zevm.analysis.audit.finding import Finding, Severity

_ARITHMETIC = frozenset({"ADD", "SUB", "MUL"})
_NARROW_BITS = 128
_CHECKED_SINCE = (0, 8)


def find(contract: EvmContract) -> Iterator[Finding]:
    """The findings of these rules."""
    version = contract.code.solidity
    old = version is not None and version[:2] < _CHECKED_SINCE
    for function in contract.functions:
        for path in function.paths:
            yield from _arithmetic(function, path, old=old)
            if function.changes_state and contract.code.has_loops:
                yield from _loops(function, path)


def _arithmetic(function: Function, path: Path, *, old: bool) -> Iterator[Finding]:
    conditions = [condition.term for condition in guards.conditions_of(path)]
    for store in path.events:
        if not isinstance(store, Store):
            continue
        for part in store.value.walk():
            if part.op in _ARITHMETIC and _is_risky(part) and not any(_checks(term, part) for term in conditions):
                why = (
                    "before Solidity 0.8 nothing checks it" if old else "no comparison on the way excludes an overflow"
                )
                yield finding(
                    rules.ARITHMETIC, Severity.LOW, function, store.offset,
                    f"a {_NAMES[part.op]} with a number from the call data is stored, and {why}",
                )  # fmt: skip


_NAMES = {"ADD": "sum", "SUB": "difference", "MUL": "product"}


def _is_risky(term: Term) -> bool:
    """Whether a result can leave 256 bits by a number of the caller's."""
    left, right = term.parts()
    if not any(side.taint & Taint.CALLDATA and side.op in ("calldata", *_ARITHMETIC) for side in (left, right)):
        return False
    others = [side for side in (left, right) if side.value is None]
    return len(others) == 2 and not all(map(_is_narrow, others))


def _is_narrow(term: Term) -> bool:
    mask = term.parts()[0].value if term.op == "AND" else None
    return mask is not None and mask < 1 << _NARROW_BITS


def _checks(condition: Term, term: Term) -> bool:
    """Whether a condition is about a result, or compares its operands."""
    if condition.contains(term):
        return True
    return all(condition.contains(side) for side in term.parts() if side.value is None)


def _loops(function: Function, path: Path) -> Iterator[Finding]:
    for place, event in enumerate(path.events):
        if not isinstance(event, Round):
            continue
        first = next(
            (start for start, earlier in enumerate(path.events[:place])
             if isinstance(earlier, Condition) and earlier.offset == event.offset), None,
        )  # fmt: skip
        if first is None:
            continue
        begun = path.events[first]
        assert isinstance(begun, Condition)
        bound = _common_bound(begun.term, event.term)
        body = path.events[first:place]
        if bound is None or not _costs(body):
            continue
        calls = any(isinstance(item, Call) and item.kind == "CALL" for item in body)
        yield from _told(function, event.offset, bound, calls=calls)


def _told(function: Function, offset: int, bound: Term, *, calls: bool) -> Iterator[Finding]:
    if bound.taint & Taint.STORAGE:
        severity = Severity.MEDIUM if calls else Severity.LOW
        each = " with a call in each" if calls else ""
        yield finding(rules.LOOP, severity, function, offset, f"the rounds{each} are as many as a stored length says")
    elif bound.taint & Taint.CALLDATA and calls:
        reason = "the rounds with a call in each are as many as the call data says; one that fails ends all"
        yield finding(rules.LOOP, Severity.LOW, function, offset, reason)


def _common_bound(first: Term, second: Term) -> Term | None:
    """The side that two rounds' conditions share, where the other side counts."""
    if first is second or first.op != second.op or first.op not in ("LT", "GT", "EQ", "SLT", "SGT"):
        return None
    for side in first.parts():
        others = [part for part in second.parts() if part is not side]
        if side.value is None and side in second.parts() and len(others) == 1 and _is_length(side):
            return side
    return None


def _is_length(term: Term) -> bool:
    """Whether a word may be a length: read from a slot or the call data as it is."""
    if term.op in ("sload", "calldata"):
        return True
    return term.op == "AND" and bool(reads_of(term)) and term.parts()[1].op == "sload"


def _costs(body: tuple[Event, ...]) -> bool:
    return any(isinstance(event, Call | Store) for event in body)
