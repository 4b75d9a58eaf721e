"""Selectors: how call data name a function, and revert data an error (Solidity's ABI)."""

from typing import Final

from zevm.storage.keccak import keccak256

SELECTOR_BYTES: Final = 4


def signature_selector(signature: str) -> bytes:
    """The first four bytes of the hash of a canonical signature, as `transfer(address,uint256)`."""
    return keccak256(signature.encode())[:SELECTOR_BYTES]
