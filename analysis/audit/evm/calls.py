"""Rules about calls: reentrancy, and results that are dropped."""

from collections.abc import Iterator

from zevm.analysis.audit import rules
from zevm.analysis.audit.evm import guards
from zevm.analysis.audit.evm.contract import EvmContract, Function, forwards_gas
from zevm.analysis.audit.evm.control import finding, is_listed
from zevm.analysis.audit.evm.events import Call, Condition, Load, Path, Store
from zevm.analysis.audit.evm.slots import Variable, reads_of, variable_of
from zevm.analysis.audit.evm.terms import Taint, Term
from zevm.analysis.audit.finding import Finding, Severity

_LAST_PRECOMPILE = 0x1FF


def find(contract: EvmContract) -> Iterator[Finding]:
    """The findings of these rules."""
    for function in contract.functions:
        yield from _unchecked(function)
        for path in function.paths:
            yield from _reentrancies(contract, function, path)


def _reentrancies(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    for call in path.events:
        if not isinstance(call, Call) or not _may_return_here(contract, path, call):
            continue
        stale = stale_variables(path, call)
        if not stale:
            continue
        if not guards.is_locked_at(contract.terms, path.events, call):
            yield finding(
                rules.REENTRANCY, Severity.HIGH, function, call.offset,
                "an account that the caller chooses is called before storage is written on which the call depends"
                f" ({_slots(stale)})",
            )  # fmt: skip
            continue
        other = _entered_meanwhile(contract, function, path, call, stale)
        if other is not None:
            yield finding(
                rules.REENTRANCY, Severity.HIGH, function, call.offset,
                f"during the call the lock leaves {other.name} open, which uses storage that is written afterwards"
                f" ({_slots(stale)})",
            )  # fmt: skip


def _may_return_here(contract: EvmContract, path: Path, call: Call) -> bool:
    """Whether an outsider gets to run code in a call, with gas to call back."""
    if call.kind not in ("CALL", "CALLCODE") or not forwards_gas(call) or contract.is_privileged(path):
        return False
    if call.target.value is not None and call.target.value <= _LAST_PRECOMPILE:
        return False
    return contract.is_chosen_outside(call.target) and not _is_fixed(contract, path, call.target)


def _is_fixed(contract: EvmContract, path: Path, target: Term) -> bool:
    return bool(target.taint & Taint.CALLDATA) and is_listed(contract, path, target)


def stale_variables(path: Path, call: Call) -> set[Variable]:
    """The variables that a call depends on and that are written only after it."""
    needed = _used_before(path, call)
    written = {variable_of(event.key) for event in path.after(call) if isinstance(event, Store) and not event.transient}
    return needed & written


def _used_before(path: Path, call: Call) -> set[Variable]:
    """Variables read before a call that decide on it (whether, how much, to whom), or on later writes."""
    loaded = {variable_of(event.key) for event in path.before(call) if isinstance(event, Load) and not event.transient}
    deciding = [call.value, call.target, *call.payload]
    deciding += [event.term for event in path.before(call) if isinstance(event, Condition)]
    deciding += [event.value for event in path.after(call) if isinstance(event, Store)]
    used = {variable_of(read.args[0]) for term in deciding for read in reads_of(term)}  # type: ignore[arg-type]
    return loaded & used


def _entered_meanwhile(
    contract: EvmContract, function: Function, path: Path, call: Call, stale: set[Variable]
) -> Function | None:
    """A function that an outsider may run during a locked call, and that reads and writes a stale variable."""
    held = [event for event in path.before(call) if isinstance(event, Store)]
    for other in contract.functions:
        if other is function or not other.changes_state:
            continue
        for way in other.paths:
            written = {variable_of(event.key) for event in way.events if isinstance(event, Store)}
            read = {variable_of(event.key) for event in way.events if isinstance(event, Load)}
            if not (stale & written & read) or contract.is_privileged(way) or not _takes(way, stale):
                continue
            if not any(guards.contradicted(contract.terms, item, held) for item in guards.conditions_of(way)):
                return other
    return None


def _takes(way: Path, stale: set[Variable]) -> bool:
    """Whether a function lowers or clears a stale variable, rather than adding to it."""
    for event in way.events:
        if isinstance(event, Store) and variable_of(event.key) in stale and event.value.op in ("SUB", "const"):
            return True
    return False


def _slots(variables: set[Variable]) -> str:
    names = sorted(
        f"{'entries of ' if variable.entry else ''}slot {_short(variable.root)}"
        for variable in variables
    )  # fmt: skip
    return ", ".join(names)


def _short(slot: int | None) -> str:
    if slot is None:
        return "?"
    return str(slot) if slot < 1 << 32 else f"0x{slot:064x}"[:12] + "…"


def _unchecked(function: Function) -> Iterator[Finding]:
    """Calls whose success no path of the function looks at."""
    ignored: dict[int, Call] = {}
    checked: set[int] = set()
    for path in function.paths:
        for call in path.events:
            if isinstance(call, Call) and call.kind != "STATICCALL":
                if _is_used(path, call):
                    checked.add(call.offset)
                elif call.target.value is None or call.target.value > _LAST_PRECOMPILE:
                    ignored[call.offset] = call
    for offset in sorted(ignored.keys() - checked):
        yield finding(
            rules.UNCHECKED_CALL, Severity.MEDIUM, function, offset,
            f"the result of {ignored[offset].kind} is dropped: a failed call goes unnoticed",
        )  # fmt: skip


def _is_used(path: Path, call: Call) -> bool:
    terms = [event.term for event in path.events if isinstance(event, Condition)]
    terms += [event.value for event in path.events if isinstance(event, Store)]
    return any(term.contains(call.result) for term in (*terms, *path.output))
