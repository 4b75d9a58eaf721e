"""Account records and the difference between two states: what chain hands to storage."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, cast

from zevm.storage.errors import CorruptionError
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32, Wei
from zevm.storage.rlp import encode_uint

EMPTY_ROOT = Hash32(bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"))
"""Root hash of an empty Merkle-Patricia trie."""


class Account(NamedTuple):
    """An account as the state trie holds it (Yellow Paper 4.1)."""

    nonce: int = 0
    balance: Wei = Wei(0)
    storage_root: Hash32 = EMPTY_ROOT
    code_hash: Hash32 = EMPTY_KECCAK


EMPTY_ACCOUNT = Account()

_account_of = cast("Callable[[int, int, bytes, bytes], Account]", Account)
"""Account, of fields that a record has; typed without the calls that NewTypes cost."""


MAX_NONCE = (1 << 64) - 1
MAX_BALANCE = (1 << 256) - 1
"""In wei."""


def encode_account(account: Account) -> bytes:
    """The RLP of [nonce, balance, storage root, code hash], as trie and flat state hold it.

    Raises ValueError for what `decode_account` would not take: a nonce beyond 64 bits, a balance beyond 256.
    """
    nonce, balance, storage_root, code_hash = account
    if not (0 <= nonce <= MAX_NONCE and 0 <= balance <= MAX_BALANCE):
        raise ValueError(f"no account can have nonce {nonce} and balance {balance}: they have 64 and 256 bits")
    scalars = encode_uint(nonce) + encode_uint(balance)
    # Two hashes alone are 66 bytes: the payload always has a size of one byte.
    return b"\xf8" + bytes((len(scalars) + 66,)) + scalars + b"\xa0" + storage_root + b"\xa0" + code_hash


def decode_account(data: bytes) -> Account:
    """Decode `encode_account`'s result; CorruptionError for anything else."""
    size = len(data)
    if size < 70 or data[0] != 0xF8 or data[1] != size - 2 or data[-66] != 0xA0 or data[-33] != 0xA0:
        raise CorruptionError(f"{size} bytes are not an account record")
    nonce, position = _read_int(data, 2)
    balance, position = _read_int(data, position)
    if position != size - 66 or nonce > MAX_NONCE or balance > MAX_BALANCE:
        raise CorruptionError(f"{size} bytes are not an account record")
    return _account_of(nonce, balance, data[-65:-33], data[-32:])


def _read_int(data: bytes, position: int) -> tuple[int, int]:
    prefix = data[position]
    if prefix < 0x80:
        return prefix, position + 1
    stop = position + prefix - 0x7F
    return int.from_bytes(data[position + 1 : stop], "big"), stop


class StateReader(Protocol):
    """Read access to one state. Implementations are safe to use from any thread."""

    @property
    def root(self) -> Hash32:
        """The state root that this reader answers for."""
        ...

    def account(self, address: Address) -> Account | None:
        """The account at a 20-byte address, or None where the trie has no entry."""
        ...

    def storage(self, address: Address, slot: int) -> int:
        """The 256-bit value of a storage slot; 0 where absent."""
        ...

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash; b"" for EMPTY_KECCAK. Raises CorruptionError when unknown."""
        ...


class AccountChange(NamedTuple):
    """The new scalar fields of an account; its storage root follows from the slots."""

    nonce: int
    balance: Wei
    code_hash: Hash32


@dataclass(slots=True)
class StateDiff:
    """The changes of one block or one development patch.

    accounts: address -> new fields, or None where the account ceases to exist.
    storage: address -> slot -> value; 0 deletes the slot. Only of accounts in `accounts`.
    wiped: addresses whose whole old storage goes before `storage` is applied.
    code: code hash -> code newly seen.
    storage_roots: address -> the storage root before the difference, where its maker knows it; saves a look-up.
    """

    accounts: dict[Address, AccountChange | None] = field(default_factory=dict)
    storage: dict[Address, dict[int, int]] = field(default_factory=dict)
    wiped: set[bytes] = field(default_factory=set)
    code: dict[bytes, bytes] = field(default_factory=dict)
    storage_roots: dict[bytes, Hash32] = field(default_factory=dict, compare=False)


EMPTY_RECORD = encode_account(EMPTY_ACCOUNT)
"""An account with nothing at all."""
