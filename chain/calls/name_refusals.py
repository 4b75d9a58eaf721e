"""Refusals of the name service's contracts in words: what methods and commands say of a revert."""

from zevm.chain.rules.name_service import TOP_LEVEL_NAMES
from zevm.storage.keccak import keccak256

REASONS = {
    "InvalidName(string)": "no name that the registrar gives: a label of 1 to 63 bytes, a dot, and a top-level name",
    "UnknownTopLevelName(string)": f"not directly below {', '.join(f'.{name}' for name in TOP_LEVEL_NAMES[:-1])} "
    f"or .{TOP_LEVEL_NAMES[-1]}",
    "NameNotAvailable(string)": "registered already, until 90 days after it expires; take another name",
    "NameNotRegistered(string)": "not registered, or expired",
    "NotOwner(string,address)": "not the sender's",
    "NotOwner(bytes32,address)": "it, or the name above it, has another owner",
    "NotAuthorised(bytes32,address)": "not the sender's",
    "InvalidOwner(address)": "the zero address owns no name; give another owner",
    "InvalidDuration(uint64)": "at least 1 day (86400 seconds) and at most 36500 days (3153600000 seconds) from now "
    "are possible",
    "InvalidAddress(uint256,bytes)": "an address of a chain of the EVM has 20 bytes; give another one",
}
"""By the error's signature: what is wrong with a name, to be said after the name."""

_SIGNATURES = {keccak256(signature.encode())[:4]: signature for signature in REASONS}


def refusal_of(output: bytes) -> str | None:
    """The signature in REASONS of the error that a contract of the name service reverted with; None for another one."""
    return _SIGNATURES.get(output[:4])
