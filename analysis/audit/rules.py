"""The rules of an audit in one table: identifier, title, severity, meaning, remedy, and gaps."""

from dataclasses import dataclass

from zevm.analysis.audit.finding import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. severity: the usual one; a finding may be graver or milder. swc: the SWC registry's number, or "".

    misses: weaknesses of this kind that the rule does not find.
    """

    identifier: str
    title: str
    severity: Severity
    meaning: str
    remedy: str
    misses: str
    swc: str = ""


_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

REENTRANCY = "reentrancy"
ACCESS = "access-control"
DELEGATECALL = "delegatecall-to-input"
ARBITRARY_CALL = "arbitrary-call"
TX_ORIGIN = "tx-origin"
SELFDESTRUCT = "selfdestruct"
UNCHECKED_CALL = "unchecked-call"
ARITHMETIC = "unchecked-arithmetic"
LOOP = "unbounded-loop"
INITIALISER = "open-initialiser"
IMPORTS = "forbidden-import"

_ROWS = (
    Rule(
        REENTRANCY, "Reentrancy", _HIGH,
        "An account that an outsider chooses is called with gas to call back, and the storage that the call depends on"
        " changes only afterwards.",
        "Write storage before the call, or hold a lock during it.",
        "Reentrancy across two contracts, through the callbacks of tokens at fixed addresses (ERC-777, ERC-1155), and"
        " views that answer wrongly during a call (read-only reentrancy).",
        "SWC-107",
    ),
    Rule(
        ACCESS, "Missing access control", _HIGH,
        "Any caller reaches a sensitive operation: destruction, a change of owner, role or implementation, a payment of"
        " the contract's own ether or tokens, a creation of balance.",
        "Compare the caller with an owner or a role before the operation.",
        "Sensitive variables that no check of a caller reads, such as a fee or a price; checks of the caller that are"
        " there but wrong; a transferFrom of a token that takes no allowance off, or from another mapping than the one"
        " that is checked.",
        "SWC-105",
    ),
    Rule(
        DELEGATECALL, "DELEGATECALL to an address from input", _HIGH,
        "Any caller chooses the code that runs on this contract's storage.",
        "Delegate to an address that is fixed, or that only an owner sets.",
        "Targets that an outsider influences through another contract.",
        "SWC-112",
    ),
    Rule(
        ARBITRARY_CALL, "Arbitrary call", _HIGH,
        "Any caller chooses both the target and the data of a call: it acts as the contract, and spends the tokens that"
        " the contract holds or that others have allowed it to spend.",
        "Fix the target or the function, list the targets, or let only an owner call.",
        "Data that is put together from parts, such as a selector from input with arguments of the contract's own. A"
        " router that never holds anything and gets no allowance is reported although it is safe.",
    ),
    Rule(
        TX_ORIGIN, "Authorisation by tx.origin", _MEDIUM,
        "A check compares the transaction's sender with a stored address: a contract that the owner calls passes it.",
        "Compare msg.sender.",
        "A tx.origin that is stored and compared in a later transaction.",
        "SWC-115",
    ),
    Rule(
        SELFDESTRUCT, "SELFDESTRUCT", _LOW,
        "The contract can be emptied, and on forks before Cancun deleted, by those who pass its checks.",
        "Leave SELFDESTRUCT out; it is deprecated (EIP-6049).",
        "SELFDESTRUCT in code that is reached by DELEGATECALL.",
        "SWC-106",
    ),
    Rule(
        UNCHECKED_CALL, "Ignored result of a call", _MEDIUM,
        "A call that fails goes unnoticed, and the function ends as if it had succeeded.",
        "Require the success of the call.",
        "A token's `false` that is ignored although the call itself is checked.",
        "SWC-104",
    ),
    Rule(
        ARITHMETIC, "Unchecked arithmetic", _LOW,
        "A sum, difference or product of input is stored, and no comparison on the way excludes an overflow.",
        "Use Solidity 0.8 or later without `unchecked`, or compare before.",
        "Overflow that changes a branch, an index or a payment and is not stored; casts that cut bits off. Bounds that"
        " follow from an invariant are not seen: such arithmetic is reported although it is safe.",
        "SWC-101",
    ),
    Rule(
        LOOP, "Unbounded loop", _LOW,
        "The number of rounds comes from a stored length that grows or from input, and each round costs state access.",
        "Bound the rounds, or let each account fetch its own share.",
        "Loops whose bound is computed by another contract.",
        "SWC-128",
    ),
    Rule(
        INITIALISER, "Open initialiser", _MEDIUM,
        "A function sets the owner, once, for the first caller, and the constructor does not use it up.",
        "Initialise in the creation's transaction; in logic contracts, disable the initialiser in the constructor.",
        "Initialisers that set nothing that a check of a caller reads.",
        "SWC-118",
    ),
    Rule(
        IMPORTS, "Forbidden import", _HIGH,
        "The module asks for functions that the host does not have: it cannot be deployed.",
        "Link against `vm_hooks`, `zvm` and, on development chains, `console` only.",
        "Nothing: the host's table decides.",
    ),
)  # fmt: skip

RULES = {rule.identifier: rule for rule in _ROWS}
"""Rules by identifier, in the order of docs/audit.md."""
