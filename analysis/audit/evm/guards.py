"""Checks on a path that keep strangers out: comparisons of the caller, locks, and switches that work once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zevm.analysis.audit.evm.events import Call, Condition, Event, Path, Store
from zevm.analysis.audit.evm.slots import ADDRESS_BITS, Variable, read_bits, reads_of, variable_of
from zevm.analysis.audit.evm.terms import Taint, Term, Terms

_COMPARISONS = frozenset({"LT", "GT", "SLT", "SGT"})
_EQUALITIES = frozenset({"EQ", "SUB", "XOR"})


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of a variable."""

    variable: Variable
    bits: int

    def overlaps(self, variable: Variable, bits: int) -> bool:
        """Whether a write of these bits touches the field."""
        return variable == self.variable and bool(bits & self.bits)


def conditions_of(path: Path) -> Iterator[Condition]:
    """The branches of a path in their order."""
    return (event for event in path.events if isinstance(event, Condition))


def caller_checks(path: Path) -> Iterator[Condition]:
    """The conditions that not every caller meets."""
    return (condition for condition in conditions_of(path) if keeps_out(condition))


def is_guarded(path: Path) -> bool:
    """Whether a condition anywhere on the path excludes strangers: a revert undoes what was done before it."""
    return any(True for _ in caller_checks(path))


def keeps_out(condition: Condition) -> bool:
    """Whether a condition depends on who calls in a way that an outsider cannot choose."""
    term, taint = condition.term, condition.term.taint
    if taint & (Taint.CALLER | Taint.ORIGIN) and _is_identity_check(term, holds=condition.holds):
        return True
    if taint & Taint.OWN_ENTRY and _is_entry_check(term, holds=condition.holds):
        return True
    if taint & Taint.SIGNATURE and term.op in _EQUALITIES and taint & (Taint.STORAGE | Taint.CALLDATA):
        return condition.holds == (term.op == "EQ")
    return bool(taint & Taint.ANSWER) and term.op not in ("returndatasize",)


def _is_identity_check(term: Term, *, holds: bool) -> bool:
    """Whether the caller, or the origin, must be somebody certain."""
    if term.op == "OR":
        return any(_is_identity_check(part, holds=holds) for part in term.parts())
    if term.op == "AND" and holds:
        return any(_is_identity_check(part, holds=True) for part in term.parts())
    if term.op == "ISZERO":
        return _is_identity_check(term.parts()[0], holds=not holds)
    if term.op not in _EQUALITIES or holds != (term.op == "EQ"):
        return False
    left, right = term.parts()
    for side, other in ((left, right), (right, left)):
        if side.taint & (Taint.CALLER | Taint.ORIGIN) and not side.taint & Taint.STORAGE:
            return _is_certain(other)
    return False


def _is_certain(other: Term) -> bool:
    """Whether a word is not for the caller to choose: a constant, or from storage or another contract."""
    if other.value is not None:
        return other.value != 0
    return bool(other.taint & (Taint.STORAGE | Taint.RESULT | Taint.ANSWER)) or other.op == "address"


def _is_entry_check(term: Term, *, holds: bool) -> bool:
    """Whether the caller's entry of a mapping must be set, or large enough."""
    if term.op in _COMPARISONS:
        return not checks_a_sum(term)
    if term.op == "ISZERO":
        return _is_entry_check(term.parts()[0], holds=not holds)
    if term.op == "EQ" and all(part.value is None for part in term.parts()):
        return holds and not checks_a_sum(term)
    if term.op == "EQ":
        return holds
    return holds


def checks_a_sum(term: Term) -> bool:
    """Whether one side of a comparison is a sum or product with the other: a check against overflow."""
    if len(term.parts()) != 2:
        return False
    left, right = term.parts()
    for side, other in ((left, right), (right, left)):
        if side.op in ("ADD", "MUL", "DIV") and other.value is None and side.contains(other):
            return True
    return False


def owner_fields(paths: Iterable[Path]) -> list[Field]:
    """The variables that a check compares the caller with."""
    found: dict[Field, None] = {}
    for path in paths:
        for condition in caller_checks(path):
            for read in reads_of(condition.term):
                variable = variable_of(read.args[0])  # type: ignore[arg-type]
                compared = condition.term.taint & (Taint.CALLER | Taint.ORIGIN) and not read.taint & Taint.OWN_ENTRY
                bits = read_bits(condition.term, read)
                if compared and read.op == "sload" and bits & ADDRESS_BITS << _shift(bits):
                    found[Field(variable, bits)] = None
    return list(found)


def _shift(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def role_variables(paths: Iterable[Path]) -> set[Variable]:
    """The mappings whose entry for the caller must be set, and that never hold an amount."""
    every = list(paths)
    found = set()
    for path in every:
        for condition in caller_checks(path):
            term = condition.term
            if term.op in _COMPARISONS or not condition.holds or (term.op == "EQ" and not _with_constant(term)):
                continue
            for read in reads_of(term):
                if read.taint & Taint.OWN_ENTRY and read.op == "sload":
                    found.add(variable_of(read.args[0]))  # type: ignore[arg-type]
    return found - amounts(every)


def _with_constant(term: Term) -> bool:
    return any(part.value is not None for part in term.parts())


def amounts(paths: Iterable[Path]) -> set[Variable]:
    """The variables into which sums, differences or wei are written."""
    return {
        variable_of(event.key)
        for path in paths
        for event in path.events
        if isinstance(event, Store) and (event.value.op in ("ADD", "SUB", "MUL") or event.value.taint & Taint.VALUE)
    }


def balance_variables(paths: Iterable[Path]) -> set[Variable]:
    """The mappings whose entry for the caller is compared with an amount."""
    found = set()
    for path in paths:
        for condition in caller_checks(path):
            if condition.term.op not in _COMPARISONS:
                continue
            for read in reads_of(condition.term):
                if read.taint & Taint.OWN_ENTRY and read.op == "sload":
                    found.add(variable_of(read.args[0]))  # type: ignore[arg-type]
    return found


def contradicted(terms: Terms, condition: Condition, stores: Iterable[Store]) -> bool:
    """Whether writes make a condition false for the next caller."""
    term = condition.term
    for store in stores:
        name = "tload" if store.transient else "sload"
        read = next((part for part in term.walk() if part.op == name and part.args[0] is store.key), None)
        if read is None:
            continue
        after = terms.replaced(term, read, store.value)
        value = after.value
        if value is None and not condition.holds and _is_never_zero(after):
            return True
        if value is None and condition.holds and after.op == "EQ" and _is_never_zero(after):
            continue
        if value is not None and bool(value) != condition.holds:
            return True
    return False


def _is_never_zero(term: Term) -> bool:
    """Whether a word is an address that somebody has, as far as the code tells."""
    if term.op in ("caller", "origin", "address"):
        return True
    if term.op == "OR" and any(part.value for part in term.parts()):
        return True
    return term.op in ("OR", "AND", "SHL", "MUL") and any(map(_is_never_zero, term.parts()))


def works_once(terms: Terms, path: Path) -> bool:
    """Whether the path closes itself: it writes a value that one of its conditions forbids."""
    stores: list[Store] = [event for event in path.events if isinstance(event, Store)]
    return any(
        contradicted(terms, condition, stores)
        for condition in conditions_of(path)
        if condition.term.taint & Taint.STORAGE and not condition.term.taint & Taint.ENTRY
    )


def is_locked_at(terms: Terms, events: Iterable[Event], call: Call) -> bool:
    """Whether a second run would fail while a call is open: writes before it forbid it."""
    conditions: list[Condition] = []
    stores: list[Store] = []
    for event in events:
        if event is call:
            break
        if isinstance(event, Condition):
            conditions.append(event)
        elif isinstance(event, Store):
            stores.append(event)
    return any(contradicted(terms, condition, _latest(stores)) for condition in conditions)


def _latest(stores: list[Store]) -> list[Store]:
    """Of several writes of one slot the last one."""
    return list({(store.transient, id(store.key)): store for store in stores}.values())
