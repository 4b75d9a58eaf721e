"""Account records and the difference between two states: what chain hands to storage."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from storage.keccak import EMPTY_KECCAK

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
"""Root hash of an empty Merkle-Patricia trie."""


class Account(NamedTuple):
    """An account as the state trie holds it (Yellow Paper 4.1)."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = EMPTY_ROOT
    code_hash: bytes = EMPTY_KECCAK


EMPTY_ACCOUNT = Account()


class StateReader(Protocol):
    """Read access to one state. Implementations are safe to use from any thread."""

    @property
    def root(self) -> bytes:
        """The 32-byte state root that this reader answers for."""
        ...

    def account(self, address: bytes) -> Account | None:
        """The account at a 20-byte address, or None where the trie has no entry."""
        ...

    def storage(self, address: bytes, slot: int) -> int:
        """The 256-bit value of a storage slot; 0 where absent."""
        ...

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash; b"" for EMPTY_KECCAK. Raises CorruptionError when unknown."""
        ...


class AccountChange(NamedTuple):
    """The new scalar fields of an account; its storage root follows from the slots."""

    nonce: int
    balance: int
    code_hash: bytes


@dataclass(slots=True)
class StateDiff:
    """What one block (or one development patch) changes.

    accounts: address -> new fields, or None where the account ceases to exist.
    storage: address -> slot -> value; 0 deletes the slot. Only of accounts in `accounts`.
    wiped: addresses whose whole old storage goes before `storage` is applied.
    code: code hash -> code newly seen.
    """

    accounts: dict[bytes, AccountChange | None] = field(default_factory=dict)
    storage: dict[bytes, dict[int, int]] = field(default_factory=dict)
    wiped: set[bytes] = field(default_factory=set)
    code: dict[bytes, bytes] = field(default_factory=dict)
