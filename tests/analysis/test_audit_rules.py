"""Rules over small bytecode: each weakness is found, and not found once it is mended."""

import pytest

from tests.analysis.audited_code import (
    CLEAR_ENTRY,
    DELEGATE,
    DEPOSIT,
    HAS_ENTRY,
    IS_OWNER,
    LOCK,
    PAY_ENTRY,
    SET_OWNER,
    UNLOCK,
    contract,
)
from zevm.analysis.audit import rules
from zevm.analysis.audit.audit import audit
from zevm.analysis.audit.finding import Evidence, Finding, Severity
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.assembler import assemble
from zevm.analysis.audit.trial.ground import blank_ground
from zevm.chain.concurrency.deadline import Deadline


def findings(first: str, second: str = "0 0 REVERT") -> list[Finding]:
    report = audit(Subject("Small", contract(first, second)), ground=blank_ground(None))
    assert report.notes == ()
    return list(report.findings)


def found(first: str, second: str = "0 0 REVERT") -> set[tuple[str, str]]:
    return {(finding.rule, finding.evidence.value) for finding in findings(first, second)}


ANY_CALL = """
    36 CALLDATASIZE SUB 36 0 CALLDATACOPY
    0 0 36 CALLDATASIZE SUB 0 0 4 CALLDATALOAD GAS CALL ISZERO @fail JUMPI
"""
"""A call of the address in the first argument with the data behind it."""

WEAK = {
    "reentrancy": (f"{HAS_ENTRY} {PAY_ENTRY} {CLEAR_ENTRY}", DEPOSIT, rules.REENTRANCY, "confirmed"),
    "locked, but another function is not": (
        f"{LOCK} {HAS_ENTRY} {PAY_ENTRY} {CLEAR_ENTRY} {UNLOCK}",
        f"CALLVALUE @deposit JUMPI {HAS_ENTRY} {PAY_ENTRY} {CLEAR_ENTRY} STOP deposit: {DEPOSIT}",
        rules.REENTRANCY,
        "confirmed",
    ),
    "owner": (SET_OWNER, f"{IS_OWNER} 1 7 SSTORE", rules.ACCESS, "confirmed"),
    "destruction": ("CALLER SELFDESTRUCT", "0 0 REVERT", rules.ACCESS, "confirmed"),
    "payment": ("0 0 0 0 SELFBALANCE CALLER GAS CALL ISZERO @fail JUMPI", "STOP", rules.ACCESS, "confirmed"),
    "delegation": (DELEGATE, "STOP", rules.DELEGATECALL, "confirmed"),
    "call of anything": (ANY_CALL, "STOP", rules.ARBITRARY_CALL, "suspected"),
    "call of anything after an open check": (f"{IS_OWNER} {ANY_CALL}", SET_OWNER, rules.ARBITRARY_CALL, "suspected"),
    "origin": ("5 SLOAD ORIGIN EQ ISZERO @fail JUMPI 1 7 SSTORE", "STOP", rules.TX_ORIGIN, "suspected"),
    "ignored result": ("0 0 0 0 0 5 SLOAD GAS CALL POP", "STOP", rules.UNCHECKED_CALL, "suspected"),
    "sum": ("4 CALLDATALOAD 3 SLOAD ADD 3 SSTORE", "STOP", rules.ARITHMETIC, "suspected"),
    "guarded destruction": (f"{IS_OWNER} CALLER SELFDESTRUCT", "STOP", rules.SELFDESTRUCT, "suspected"),
    "loop": (
        "0 again: 3 SLOAD DUP2 LT ISZERO @done JUMPI DUP1 DUP1 SSTORE 1 ADD @again JUMP done: POP",
        "STOP",
        rules.LOOP,
        "suspected",
    ),
    "initialiser": ("5 SLOAD @fail JUMPI CALLER 5 SSTORE", f"{IS_OWNER} 1 7 SSTORE", rules.INITIALISER, "suspected"),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_weakness_is_found(name: str) -> None:
    first, second, rule, evidence = WEAK[name]
    assert (rule, evidence) in found(first, second)


SWEEP = "0 0 0 0 SELFBALANCE 4 CALLDATALOAD GAS CALL ISZERO @fail JUMPI"
REASONS = {
    "anybody": (SWEEP, "STOP", "any caller has the contract's ether"),
    "a check that another function opens": (
        f"{IS_OWNER} {SWEEP}",
        SET_OWNER,
        "any caller, after a call of 0x55667788(uint256) that opens the check of the caller, has the contract's ether",
    ),
    "an origin that another function opens": (
        f"{IS_OWNER.replace('CALLER', 'ORIGIN')} {SWEEP}",
        SET_OWNER,
        "any caller, after a call of 0x55667788(uint256) that opens the check of the caller, has the contract's ether",
    ),
    "people": (
        f"ORIGIN CALLER EQ ISZERO @fail JUMPI {SWEEP}", "STOP", "any account without code has the contract's ether"
    ),
    "people destroy": (
        "ORIGIN CALLER EQ ISZERO @fail JUMPI CALLER SELFDESTRUCT", "STOP", "any account without code reaches SELF"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_says_who_passes(name: str) -> None:
    first, second, words = REASONS[name]
    reasons = [item.reason for item in findings(first, second) if item.place.function.startswith("0x11223344")]
    assert any(reason.startswith(words) for reason in reasons), reasons


SOUND = {
    "effects first": (f"{HAS_ENTRY} {CLEAR_ENTRY} 0 0 0 0 1 CALLER GAS CALL ISZERO @fail JUMPI", DEPOSIT),
    "lock": (f"{LOCK} {HAS_ENTRY} {PAY_ENTRY} {CLEAR_ENTRY} {UNLOCK}", DEPOSIT),
    "a transfer's stipend": (f"{HAS_ENTRY} {PAY_ENTRY.replace('GAS CALL', '2300 CALL')} {CLEAR_ENTRY}", DEPOSIT),
    "owner alone": (f"{IS_OWNER} {SET_OWNER}", "STOP"),
    "owner's delegation": (f"{IS_OWNER} {DELEGATE}", "STOP"),
    "stored delegate": ("0 0 0 0 6 SLOAD GAS DELEGATECALL ISZERO @fail JUMPI", f"{IS_OWNER} 4 CALLDATALOAD 6 SSTORE"),
    "owner's call of anything": (f"{IS_OWNER} {ANY_CALL}", "STOP"),
    "a fixed function": (
        f"0x11223344 224 SHL 0 MSTORE {ANY_CALL.replace('36 0 CALLDATACOPY', '36 4 CALLDATACOPY')}",
        "STOP",
    ),
    "a fixed target": (ANY_CALL.replace("4 CALLDATALOAD", "6 SLOAD"), "STOP"),
    "only people": ("ORIGIN CALLER EQ ISZERO @fail JUMPI 1 7 SSTORE", "STOP"),
    "checked sum": ("4 CALLDATALOAD 3 SLOAD ADD DUP1 3 SLOAD GT @fail JUMPI 3 SSTORE", "STOP"),
    "ten rounds": ("0 again: 10 DUP2 LT ISZERO @done JUMPI DUP1 DUP1 SSTORE 1 ADD @again JUMP done: POP", "STOP"),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_code_has_no_finding(name: str) -> None:
    assert found(*SOUND[name]) == set()


def test_a_jump_to_an_offset_that_the_code_holds_as_data() -> None:
    """As in Vyper's dispatcher: two bytes of a table become the end of a word. Refusing wei is no price."""
    body = "CALLVALUE 36 CALLDATASIZE LT OR @fail JUMPI 4 CALLDATALOAD 5 SSTORE 5 SLOAD CALLER EQ POP STOP"
    guarded = f"check: {IS_OWNER} STOP fail: 0 0 REVERT"
    start = "CALLDATASIZE 32 EQ @check JUMPI 2 @table 1 ADD 30 CODECOPY 0 MLOAD JUMP"
    code = assemble(f"{start} set: {body} {guarded} table:")
    code += (code.index(b"\x56\x5b") + 1).to_bytes(2, "big")
    report = audit(Subject("Table", code, abi=SETTER), ground=blank_ground(None))
    assert rules.ACCESS in {finding.rule for finding in report.findings}


SETTER = [{"type": "function", "name": "set", "inputs": [{"name": "to", "type": "address"}], "outputs": []}]


def test_a_finding_names_its_place_and_its_severity() -> None:
    (finding,) = findings(DELEGATE)
    assert finding.severity is Severity.HIGH
    assert finding.evidence is Evidence.CONFIRMED
    assert finding.place.function == "0x11223344(address)"
    code = contract(DELEGATE)
    assert finding.place.offset is not None
    assert code[finding.place.offset] == 0xF4  # DELEGATECALL


@pytest.mark.lengthy
def test_code_that_takes_evmole_long_is_examined_without_it() -> None:
    """Its analysis of this code takes half a minute; the audit waits for a part of the time that it has."""
    dispatch = b"".join(b"\x80\x63" + number.to_bytes(4, "big") + b"\x14\x61\x4e\x20\x57" for number in range(1_500))
    loops = b"\x60\x04\x35\x15\x61\x4e\x20\x57" * 500
    code = (b"\x60\x00\x35\x60\xe0\x1c" + dispatch).ljust(20_000, b"\x5b") + b"\x5b" + loops
    report = audit(Subject("Slow", code), ground=blank_ground(None), deadline=Deadline.after(2))
    assert any("took too long" in note for note in report.notes)
