"""A state in dicts, for executions without a database."""

from dataclasses import dataclass, field

from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address, Hash32, Wei


@dataclass(frozen=True, slots=True)
class MemoryAccount:
    """Such a state's account. storage: value by slot."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def code_hash(self) -> Hash32:
        """keccak256 of the code."""
        return keccak256(self.code) if self.code else EMPTY_KECCAK


class MemoryReader:
    """A StateReader over a dict. It has no real storage roots: set slots show UNSETTLED_ROOT.

    reads: of accounts and slots so far. touched: the addresses that were asked for.
    """

    root = EMPTY_ROOT

    def __init__(self, accounts: dict[Address, MemoryAccount]) -> None:
        self.accounts = accounts
        self.codes: dict[bytes, bytes] = {account.code_hash: account.code for account in accounts.values()}
        self.reads = 0
        self.touched: set[bytes] = set()

    def account(self, address: Address) -> Account | None:
        """The account at an address."""
        self.reads += 1
        self.touched.add(address)
        found = self.accounts.get(address)
        if found is None:
            return None
        return Account(
            found.nonce, Wei(found.balance), UNSETTLED_ROOT if found.storage else EMPTY_ROOT, found.code_hash
        )

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot, 0 where it has none."""
        self.reads += 1
        return self.accounts[address].storage.get(slot, 0)

    def code(self, code_hash: bytes) -> bytes:
        """The code with a hash. Raises KeyError."""
        return self.codes[code_hash]


def diff_of(accounts: dict[Address, MemoryAccount]) -> StateDiff:
    """The diff that makes the accounts out of nothing."""
    diff = StateDiff()
    for address, account in accounts.items():
        diff.accounts[address] = AccountChange(account.nonce, Wei(account.balance), account.code_hash)
        if account.storage:
            diff.storage[address] = dict(account.storage)
        if account.code:
            diff.code[account.code_hash] = account.code
    return diff
