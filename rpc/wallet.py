"""The interface of the node's accounts for the RPC methods. The node package implements it."""

from typing import Protocol

from zevm.chain.types import Transaction
from zevm.storage.primitives import Address


class UnknownAccountError(Exception):
    """The node holds no key for the address. Geth's text: "unknown account"."""

    def __init__(self, address: Address | None = None) -> None:
        super().__init__("unknown account")
        self.address = address


class Wallet(Protocol):
    """Signs for the accounts whose keys the node holds. All methods may be called from any thread."""

    def addresses(self) -> list[Address]:
        """The 20-byte addresses, in the order of the banner."""
        ...

    def sign_transaction(self, address: Address, transaction: Transaction) -> Transaction:
        """A copy of `transaction` signed with the key of `address`. Raises UnknownAccountError."""
        ...

    def sign_message(self, address: Address, data: bytes) -> bytes:
        """The 65-byte signature r || s || v (27 or 28) of an EIP-191 message. Raises UnknownAccountError."""
        ...

    def sign_typed_data(self, address: Address, domain_separator: bytes, struct_hash: bytes) -> bytes:
        """The 65-byte signature of EIP-712 data by its two hashes of 32 bytes. Raises UnknownAccountError."""
        ...
