"""A contract's functions with all their paths, and what they say together: owners, roles, variables open to all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from zevm.analysis.audit.evm import guards
from zevm.analysis.audit.evm.code import Code, decode
from zevm.analysis.audit.evm.dispatcher import EntryPoint
from zevm.analysis.audit.evm.events import Call, Condition, Path, Store
from zevm.analysis.audit.evm.explorer import Bounds, Exploration, Explorer
from zevm.analysis.audit.evm.guards import Field
from zevm.analysis.audit.evm.run import Entry
from zevm.analysis.audit.evm.slots import IMPLEMENTATION_SLOTS, Variable, changed_bits, reads_of, variable_of
from zevm.analysis.audit.evm.terms import WORD, Taint, Term, Terms
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.rules.gas import STIPEND_GAS

OUTSIDE = Taint.CALLDATA | Taint.CALLER | Taint.ORIGIN
"""Origins that the caller chooses."""
MOST_FUNCTIONS = 256
"""Further functions are left out; no real contract has as many."""
_UNKNOWN_SELECTOR = bytes.fromhex("7a65766d")
_CONST_LIKE = frozenset({"pure", "view"})


@dataclass(frozen=True, slots=True)
class Function:
    """One entry of a contract. name: as findings show it. selector: None for plain transfers of ether."""

    name: str
    selector: bytes | None
    arguments: str
    changes_state: bool
    paths: tuple[Path, ...]
    complete: bool


@dataclass(slots=True)
class EvmContract:
    """An explored contract. open: variables that any caller may set to a chosen value -> a function that does.

    owners, roles: variables that checks of the caller read. balances: mappings that bound what a caller may take.
    amounts: variables that hold sums or wei. delegates: variables that decide which code runs.
    """

    code: Code
    terms: Terms
    functions: list[Function]
    open: dict[Variable, str] = field(default_factory=dict)
    owners: list[Field] = field(default_factory=list)
    roles: set[Variable] = field(default_factory=set)
    balances: set[Variable] = field(default_factory=set)
    amounts: set[Variable] = field(default_factory=set)
    delegates: set[Variable] = field(default_factory=set)
    is_late: bool = False
    """Whether the time was over before every rule had read every path."""

    def paths(self) -> Iterator[Path]:
        """All paths of all functions."""
        return (path for function in self.functions for path in function.paths)

    def is_guarded(self, path: Path) -> bool:
        """Whether strangers fail on a path."""
        return any(not self._opens(condition) for condition in guards.caller_checks(path))

    def is_privileged(self, path: Path) -> bool:
        """Whether only an owner, a role, or the holder of a key passes, which no payment makes of a stranger."""
        return any(
            not self._opens(condition) and not self._is_personal(condition) for condition in guards.caller_checks(path)
        )

    def _opens(self, condition: Condition) -> bool:
        """Whether a check compares with a variable that any caller may set."""
        read = [variable_of(read.args[0]) for read in reads_of(condition.term)]  # type: ignore[arg-type]
        return bool(read) and all(variable in self.open for variable in read)

    def _is_personal(self, condition: Condition) -> bool:
        """Whether a check is about an entry that anybody can have: a balance, an item of one's own."""
        if condition.term.taint & (Taint.ANSWER | Taint.SIGNATURE):
            return False
        read = [variable_of(read.args[0]) for read in reads_of(condition.term)]  # type: ignore[arg-type]
        return any(variable.entry and variable not in self.roles for variable in read)

    def is_chosen_outside(self, target: Term) -> bool:
        """Whether a caller chooses an address, or has chosen it earlier."""
        if target.taint & OUTSIDE and not target.taint & Taint.STORAGE:
            return True
        return any(variable_of(read.args[0]) in self.open for read in reads_of(target))  # type: ignore[arg-type]


def explored(
    raw: bytes, names: dict[bytes, str], *, bounds: Bounds | None = None, deadline: Deadline | None = None
) -> EvmContract:
    """The contract of deployed bytecode. names: selector -> signature, of an ABI. Raises AuditError."""
    code, terms, chosen = decode(raw, deadline), Terms(), bounds or Bounds()
    functions: list[Function] = []
    steps = 0
    for entry in islice(entries_of(code, names), MOST_FUNCTIONS):
        left = replace(chosen, steps=min(chosen.steps, chosen.total_steps - steps))
        found = _exploration(Explorer(code, terms, Entry(entry.selector or None), left, deadline))
        steps += found.steps
        name = _name_of(entry, names)
        paths = found.paths
        changes = entry.mutability not in _CONST_LIKE
        functions.append(Function(name, entry.selector or None, entry.arguments, changes, paths, found.complete))
    contract = EvmContract(code, terms, functions)
    _interpret(contract)
    return contract


def _exploration(explorer: Explorer) -> Exploration:
    """The paths of a function; none of them if the time is over."""
    try:
        return explorer.explore()
    except ExecutionTimeoutError:
        return Exploration((), complete=False)


def entries_of(code: Code, names: dict[bytes, str]) -> Iterator[EntryPoint]:
    """The functions, those that only the ABI names too, and what runs under other call data and under none."""
    known = {entry.selector for entry in code.entries}
    yield from code.entries
    for selector, signature in names.items():
        if selector not in known:
            yield EntryPoint(selector, signature.partition("(")[2].rstrip(")"), "")
    yield EntryPoint(_UNKNOWN_SELECTOR, "", "")
    yield EntryPoint(b"", "", "payable")


def _name_of(entry: EntryPoint, names: dict[bytes, str]) -> str:
    if not entry.selector:
        return "receive"
    if entry.selector == _UNKNOWN_SELECTOR:
        return "fallback"
    return names.get(entry.selector, f"0x{entry.selector.hex()}({entry.arguments})")


def _interpret(contract: EvmContract) -> None:
    """Find owners, roles and balances, then the variables that are open: until no further one is."""
    paths = list(contract.paths())
    contract.owners = [item for item in guards.owner_fields(paths) if not item.variable.entry]
    contract.delegates = delegate_variables(paths)
    contract.owners += [
        Field(variable, WORD) for variable in contract.delegates if variable not in
        {item.variable for item in contract.owners}
    ]  # fmt: skip
    contract.roles = guards.role_variables(paths)
    contract.amounts = guards.amounts(paths)
    contract.balances = guards.balance_variables(paths)
    while True:
        before = len(contract.open)
        for function in contract.functions:
            for path in function.paths:
                if not contract.is_privileged(path) and not guards.works_once(contract.terms, path):
                    contract.open = dict.fromkeys(_chosen_variables(path), function.name) | contract.open
        if len(contract.open) == before:
            return


def _chosen_variables(path: Path) -> Iterator[Variable]:
    for event in path.events:
        if isinstance(event, Store) and not event.transient and _holds_an_address(event):
            yield variable_of(event.key)


def _holds_an_address(store: Store) -> bool:
    """Whether a write puts an address of the caller's choice into a slot."""
    value = store.value
    if value.op == "OR":
        return any(part.taint & OUTSIDE and _is_plain(part) for part in value.parts())
    return bool(value.taint & OUTSIDE) and _is_plain(value)


def _is_plain(value: Term) -> bool:
    return value.op in ("caller", "origin", "calldata", "AND", "SHL", "MUL", "opaque")


def delegate_variables(paths: Iterable[Path]) -> set[Variable]:
    """The variables whose content is called with DELEGATECALL."""
    found = {Variable(slot) for slot in IMPLEMENTATION_SLOTS}
    for path in paths:
        for event in path.events:
            if isinstance(event, Call) and event.kind in ("DELEGATECALL", "CALLCODE"):
                reads = [variable_of(read.args[0]) for read in reads_of(event.target)]  # type: ignore[arg-type]
                found |= {variable for variable in reads if not variable.entry}
    return found


def bits_of(store: Store) -> int:
    """The bits of its slot that a write may change."""
    return changed_bits(store.key, store.value)


def forwards_gas(call: Call) -> bool:
    """Whether the callee gets more gas than a transfer's stipend, so that it can call back."""
    if call.gas.value is not None:
        return call.gas.value > STIPEND_GAS
    stipend = call.gas.op == "MUL" and any(part.value == STIPEND_GAS for part in call.gas.parts())
    return not stipend
