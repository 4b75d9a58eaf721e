"""Small contracts in mnemonics for the tests of audits: deployed code with one function, `0x11223344`, or two."""

from zevm.analysis.audit.trial.assembler import assemble

FIRST, SECOND = bytes.fromhex("11223344"), bytes.fromhex("55667788")

_DISPATCH = """
    0 CALLDATALOAD 224 SHR
    DUP1 0x11223344 EQ @first JUMPI
    DUP1 0x55667788 EQ @second JUMPI
    0 0 REVERT
"""


def contract(first: str, second: str = "0 0 REVERT") -> bytes:
    """Deployed code whose two functions have these bodies; each is followed by STOP."""
    return assemble(f"{_DISPATCH} first: {first} STOP second: {second} STOP fail: 0 0 REVERT")


OWN_ENTRY = "CALLER 0 MSTORE 0 32 MSTORE 64 0 KECCAK256"
"""The key of the caller's entry in the mapping of slot 0."""
DEPOSIT = f"{OWN_ENTRY} DUP1 SLOAD CALLVALUE ADD SWAP1 SSTORE"
PAY_ENTRY = f"0 0 0 0 {OWN_ENTRY} SLOAD CALLER GAS CALL ISZERO @fail JUMPI"
CLEAR_ENTRY = f"0 {OWN_ENTRY} SSTORE"
HAS_ENTRY = f"{OWN_ENTRY} SLOAD ISZERO @fail JUMPI"
IS_OWNER = "5 SLOAD CALLER EQ ISZERO @fail JUMPI"
"""Slot 5 holds the owner."""
SET_OWNER = "4 CALLDATALOAD 5 SSTORE"
LOCK, UNLOCK = "9 SLOAD @fail JUMPI 1 9 SSTORE", "0 9 SSTORE"
DELEGATE = "0 0 0 0 4 CALLDATALOAD GAS DELEGATECALL ISZERO @fail JUMPI"
