"""Rules about who may do what: access, destruction, delegation, initialisers, tx.origin."""

from collections.abc import Iterator

from zevm.analysis.audit import rules
from zevm.analysis.audit.evm import guards
from zevm.analysis.audit.evm.contract import OUTSIDE, EvmContract, Function, bits_of
from zevm.analysis.audit.evm.events import Call, Condition, Destruction, Path, Store
from zevm.analysis.audit.evm.run import TRANSFER, TRANSFERS, selector_of
from zevm.analysis.audit.evm.slots import reads_of, variable_of
from zevm.analysis.audit.evm.terms import Taint, Term
from zevm.analysis.audit.finding import Finding, Place, Severity


def find(contract: EvmContract) -> Iterator[Finding]:
    """The findings of these rules."""
    for function in contract.functions:
        for path in function.paths:
            yield from _origin(function, path)
            yield from _delegation(contract, function, path)
            yield from _destruction(contract, function, path)
            if not contract.is_guarded(path):
                yield from _writes(contract, function, path)
                yield from _payments(contract, function, path)
                yield from _arbitrary_calls(contract, function, path)


def finding(rule: str, severity: Severity, function: Function, offset: int, reason: str) -> Finding:
    """A suspected finding in a function."""
    return Finding(rule, severity, Place(function.name, offset), reason)


def _origin(function: Function, path: Path) -> Iterator[Finding]:
    for condition in guards.conditions_of(path):
        if _authorises_origin(condition):
            yield finding(
                rules.TX_ORIGIN, Severity.MEDIUM, function, condition.offset,
                "the transaction's sender (tx.origin) is compared for authority; any contract that it calls passes",
            )  # fmt: skip


def _authorises_origin(condition: Condition) -> bool:
    term = condition.term
    if any(part.args[0].taint & Taint.ORIGIN for part in reads_of(term) if isinstance(part.args[0], Term)):
        return True
    if not term.taint & Taint.ORIGIN or term.op not in ("EQ", "SUB", "XOR") or term.taint & Taint.CALLER:
        return False
    left, right = term.parts()
    other = right if left.taint & Taint.ORIGIN else left
    return bool(other.taint & Taint.STORAGE) or bool(other.value)


def _delegation(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    for call in path.events:
        if not isinstance(call, Call) or call.kind not in ("DELEGATECALL", "CALLCODE"):
            continue
        chosen = call.target.taint & (Taint.CALLDATA | Taint.CALLER) and not call.target.taint & Taint.STORAGE
        if chosen and not contract.is_privileged(path) and not is_listed(contract, path, call.target):
            yield finding(
                rules.DELEGATECALL, Severity.HIGH, function, call.offset,
                "the target of DELEGATECALL comes from the call data, and no check of the caller or of the target"
                " stands before it",
            )  # fmt: skip


def is_listed(contract: EvmContract, path: Path, target: Term) -> bool:
    """Whether a condition compares an address from outside with a constant or with storage."""
    cores = [part for part in target.walk() if part.op in ("calldata", "caller")]
    for condition in guards.conditions_of(path):
        term = condition.term
        keys = [read.args[0] for read in reads_of(term) if variable_of(read.args[0]) not in contract.amounts]  # type: ignore[arg-type]
        if condition.holds and any(isinstance(key, Term) and key.contains(core) for key in keys for core in cores):
            return True
        known = any(part.taint & Taint.STORAGE or part.value for part in term.parts())
        fixed = known and term.op == "EQ" and condition.holds
        if fixed and any(term.contains(core) for core in cores):
            return True
    return False


def _destruction(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    for event in path.events:
        if not isinstance(event, Destruction):
            continue
        if contract.is_guarded(path):
            yield finding(
                rules.SELFDESTRUCT,
                Severity.LOW,
                function,
                event.offset,
                "authorised callers can destroy the contract",
            )
        else:
            reason = f"{_stranger(contract, path)} reaches SELFDESTRUCT"
            yield finding(rules.ACCESS, Severity.HIGH, function, event.offset, reason)


def _writes(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    """Writes of owners, roles, implementations and balances on a path that every caller may take."""
    once = guards.works_once(contract.terms, path)
    for store in path.events:
        if not isinstance(store, Store) or store.transient:
            continue
        reason = _sensitive(contract, path, store)
        if reason is None:
            continue
        if once:
            yield finding(
                rules.INITIALISER, Severity.MEDIUM, function, store.offset,
                f"the first caller {reason}; check that the deployment uses the function up",
            )  # fmt: skip
        else:
            yield finding(rules.ACCESS, Severity.HIGH, function, store.offset, f"{_stranger(contract, path)} {reason}")


def _stranger(contract: EvmContract, path: Path) -> str:
    """The accounts that pass a path without a guard: any caller, perhaps after a call that opens its checks."""
    read = [read for condition in guards.caller_checks(path) for read in reads_of(condition.term)]
    openers = {contract.open.get(variable_of(part.args[0])) for part in read}  # type: ignore[arg-type]
    after = " and ".join(sorted(filter(None, openers)))
    who = "any account without code" if any(map(_wants_no_contract, guards.conditions_of(path))) else "any caller"
    return f"{who}, after a call of {after} that opens the check of the caller," if after else who


def _wants_no_contract(condition: Condition) -> bool:
    """Whether a condition asks that the caller is the transaction's sender."""
    term = condition.term
    both = {part.op for part in term.walk()} >= {"caller", "origin"}
    return both and term.op in ("EQ", "SUB", "XOR") and condition.holds == (term.op == "EQ")


def _sensitive(contract: EvmContract, path: Path, store: Store) -> str | None:
    """The sensitive effect of a write, as the end of a sentence; None for an ordinary write."""
    variable, bits, value = variable_of(store.key), bits_of(store), store.value
    if variable in contract.open and variable not in contract.delegates and _costs_value(path):
        return None
    if value.taint & OUTSIDE and any(owner.overlaps(variable, bits) for owner in contract.owners):
        return "sets the variable that authorises callers or decides which code runs"
    own_entry = bool(store.key.taint & Taint.CALLER) or _names_the_caller(path, store.key)
    if variable in contract.roles and not own_entry and store.key.taint & OUTSIDE and _grants(store):
        return "grants a role to an address of its choice"
    if variable in contract.balances and _mints(path, store):
        return "creates balance out of nothing"
    return None


def _names_the_caller(path: Path, key: Term) -> bool:
    """Whether a condition makes a part of a key equal to the caller."""
    for condition in guards.conditions_of(path):
        term = condition.term
        if term.op in ("EQ", "SUB", "XOR") and term.taint & Taint.CALLER and condition.holds == (term.op == "EQ"):
            cores = [part for part in term.walk() if part.op == "calldata"]
            if any(key.contains(core) for core in cores):
                return True
    return False


def _costs_value(path: Path) -> bool:
    """Whether a condition asks for wei: what follows is bought."""
    return any(_asks_for_wei(condition) for condition in guards.conditions_of(path))


def _asks_for_wei(condition: Condition) -> bool:
    """Whether a condition compares the wei that come along, rather than refusing them."""
    if condition.term.op == "callvalue":
        return condition.holds
    return any(
        part.op in ("EQ", "LT", "GT", "SUB", "XOR") and any(side.taint & Taint.VALUE for side in part.parts())
        for part in condition.term.walk()
    )


def _grants(store: Store) -> bool:
    value = store.value
    if value.op in ("ADD", "SUB", "MUL") or value.taint & Taint.VALUE:
        return False
    if value.op == "AND" and value.parts()[0].value is not None and value.parts()[1].op == "sload":
        return False  # it only clears bits
    return value.value != 0


def _mints(path: Path, store: Store) -> bool:
    """Whether an entry grows by an amount from the call data that nothing on the path bounds."""
    value = store.value
    if value.op != "ADD" or value.taint & (Taint.VALUE | Taint.RESULT) or _is_the_callers_own_book(store.key):
        return False
    amounts = [part for part in value.parts() if part.taint & Taint.CALLDATA and not part.taint & Taint.STORAGE]
    if not amounts or not any(read.args[0] is store.key for read in reads_of(value)):
        return False
    return not any(_bounds(condition, amounts[0]) for condition in guards.conditions_of(path))


def _is_the_callers_own_book(key: Term) -> bool:
    """Whether an entry belongs to a mapping of mappings in which each caller has one: books of a token, say."""
    return key.op == "keccak" and any(part.op == "keccak" and part.taint & Taint.CALLER for part in key.parts())


def _bounds(condition: Condition, amount: Term) -> bool:
    """Whether a condition limits an amount by an entry, by paid wei or by another contract's answer."""
    term = condition.term
    if term.taint & (Taint.RESULT | Taint.SIGNATURE) and term.op != "returndatasize":
        return True
    if guards.checks_a_sum(term) or not term.contains(amount):
        return False
    return bool(term.taint & (Taint.ENTRY | Taint.VALUE))


def _payments(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    calls = [event for event in path.events if isinstance(event, Call) and event.kind == "CALL"]
    if not calls or _earns(contract, path) or guards.works_once(contract.terms, path):
        return
    for call in calls:
        if _pays_ether(contract, call):
            yield finding(
                rules.ACCESS, Severity.HIGH, function, call.offset,
                f"{_stranger(contract, path)} has the contract's ether sent to an address of its choice",
            )  # fmt: skip
        elif _pays_tokens(call):
            yield finding(
                rules.ACCESS, Severity.HIGH, function, call.offset,
                f"{_stranger(contract, path)} has the contract's tokens sent to an address of its choice",
            )  # fmt: skip


def _arbitrary_calls(contract: EvmContract, function: Function, path: Path) -> Iterator[Finding]:
    """Calls whose target and input are both the caller's: what others granted to the contract can be used by it."""
    chosen = [event for event in path.events if isinstance(event, Call) and _is_chosen(contract, path, event)]
    if not chosen or _earns(contract, path) or guards.works_once(contract.terms, path):
        return
    for call in chosen:
        yield finding(
            rules.ARBITRARY_CALL, Severity.HIGH, function, call.offset,
            f"{_stranger(contract, path)} has the contract call an address with data of its choice",
        )  # fmt: skip


def _is_chosen(contract: EvmContract, path: Path, call: Call) -> bool:
    """Whether an outsider chooses the target of a call and its selector."""
    if call.kind != "CALL" or not call.payload or selector_of(call) is not None:
        return False
    first = call.payload[0].taint
    is_data_chosen = bool(first & Taint.CALLDATA) and not first & (Taint.STORAGE | Taint.RESULT)
    return is_data_chosen and contract.is_chosen_outside(call.target) and not is_listed(contract, path, call.target)


def _earns(contract: EvmContract, path: Path) -> bool:
    """Whether the path asks for something that not everybody has: an entry, wei, an answer, a secret."""
    asked = {
        f"returndata@{call.offset}"
        for call in path.events
        if isinstance(call, Call) and not contract.is_chosen_outside(call.target) and selector_of(call) not in TRANSFERS
    }
    return any(_asks_for_something(condition, asked) for condition in guards.conditions_of(path))


def _asks_for_something(condition: Condition, asked: set[str]) -> bool:
    term, taint = condition.term, condition.term.taint
    if taint & Taint.ENTRY and not guards.checks_a_sum(term):
        return True
    if _asks_for_wei(condition):
        return True
    if taint & Taint.SIGNATURE:
        return True
    if any(part.op in asked for part in term.walk()):
        return term.op not in ("SLT", "LT", "GT")
    return term.op == "EQ" and any(part.op == "keccak" for part in term.parts())


def _pays_ether(contract: EvmContract, call: Call) -> bool:
    value = call.value
    if value.value == 0 or value.taint & Taint.ENTRY or (value.taint and value.taint == Taint.VALUE):
        return False
    return contract.is_chosen_outside(call.target)


def _pays_tokens(call: Call) -> bool:
    if selector_of(call) != TRANSFER or len(call.payload) < 3:
        return False
    recipient, amount = call.payload[1], call.payload[2]
    own = amount.taint & Taint.ENTRY
    return bool(recipient.taint & OUTSIDE) and not recipient.taint & Taint.STORAGE and not own
