"""A state in memory, and shorthands for blocks and code, for tests of execution."""

from dataclasses import dataclass, field

from chain.forks import BlobParameters, Fork, Rules
from chain.vm.block_state import UNSETTLED_ROOT
from chain.vm.interface import BlockEnvironment
from storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff
from storage.keccak import EMPTY_KECCAK, keccak256

SENDER = b"\x11" * 20
CONTRACT = b"\x33" * 20
COINBASE = b"\x99" * 20
ETHER = 10**18
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class FakeAccount:
    """What a test's state holds at an address."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def code_hash(self) -> bytes:
        """keccak256 of the code."""
        return keccak256(self.code) if self.code else EMPTY_KECCAK


class MemoryReader:
    """A StateReader over a dict. It has no real storage roots: set slots show UNSETTLED_ROOT."""

    root = EMPTY_ROOT

    def __init__(self, accounts: dict[bytes, FakeAccount]) -> None:
        self.accounts = accounts
        self.codes = {account.code_hash: account.code for account in accounts.values()}
        self.reads = 0

    def account(self, address: bytes) -> Account | None:
        self.reads += 1
        found = self.accounts.get(address)
        if found is None:
            return None
        return Account(found.nonce, found.balance, UNSETTLED_ROOT if found.storage else EMPTY_ROOT, found.code_hash)

    def storage(self, address: bytes, slot: int) -> int:
        self.reads += 1
        return self.accounts[address].storage.get(slot, 0)

    def code(self, code_hash: bytes) -> bytes:
        return self.codes[code_hash]


def diff_of(accounts: dict[bytes, FakeAccount]) -> StateDiff:
    """The diff that makes the accounts out of nothing."""
    diff = StateDiff()
    for address, account in accounts.items():
        diff.accounts[address] = AccountChange(account.nonce, account.balance, account.code_hash)
        if account.storage:
            diff.storage[address] = dict(account.storage)
        if account.code:
            diff.code[account.code_hash] = account.code
    return diff


def rules_of(fork: Fork = Fork.OSAKA, **changes: object) -> Rules:
    """Rules of the development chain."""
    blob = BlobParameters(6, 9, 5_007_716) if fork >= Fork.CANCUN else None
    return Rules(fork, 31337, blob, **changes)  # type: ignore[arg-type]


def environment_of(fork: Fork = Fork.OSAKA, **changes: object) -> BlockEnvironment:
    """Block 1 of the development chain, base fee 1 gwei."""
    values: dict[str, object] = {
        "rules": rules_of(fork),
        "coinbase": COINBASE,
        "number": 1,
        "timestamp": 1000,
        "gas_limit": 60_000_000,
        "block_hash": lambda number: keccak256(str(number).encode()),
        "base_fee_per_gas": GWEI if fork >= Fork.LONDON else None,
        "blob_base_fee": 1 if fork >= Fork.CANCUN else None,
    }
    return BlockEnvironment(**(values | changes))  # type: ignore[arg-type]
