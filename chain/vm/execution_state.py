"""The state of block execution, as executors, checks and tracers see it: methods, and no field.

ExecutionState  what an engine, its tracers and its callers ask of a state
Effects         what a run on an engine of its own leaves behind
StateObserver   who listens to what happens to one

Addresses are 20 bytes, slots and values integers below 2**256, balances wei.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from zevm.chain.types import Log
from zevm.storage.account import Account, StateDiff, StateReader
from zevm.storage.primitives import Address, Hash32

Fields = tuple[int, int, Hash32]
"""An account's nonce, balance in wei, and code hash."""

_Slots = Mapping[Address, Mapping[int, int]]
StateContents = tuple[
    Mapping[Address, Account | None],
    Mapping[Address, Fields | None],
    _Slots,
    _Slots,
    Mapping[Address, bool],
    Mapping[bytes, bytes],
]
"""Accounts, slots and codes that a state has read and written: the arguments of `net_change`."""

NewAccounts = Mapping[Address, Fields | None]
NewSlots = Mapping[tuple[Address, int], int]
"""New values of accounts, None of one that is gone, and of slots."""


class Effects(NamedTuple):
    """Changes since a checkpoint that nothing undid, even where they end at what was there before.

    accounts: None where there is none left. slots: by address and slot. codes: of accounts whose code was set, by hash.
    touched, destroyed: addresses, in any order. refund: what was added to the counter, negative where it sank.
    """

    accounts: dict[Address, Fields | None]
    slots: dict[tuple[Address, int], int]
    codes: dict[bytes, bytes]
    touched: frozenset[Address]
    destroyed: frozenset[Address]
    logs: tuple[Log, ...]
    refund: int


class TransactionChanges(NamedTuple):
    """Net changes of a whole transaction: values that end as they were are left out, even if they changed meanwhile.

    accounts: None where there is none left, with no slots of it. slots: by address and slot. codes: by hash, of
    accounts whose code was set. log_ordinals: of each log that remains its place among all that were made, failed
    frames' too; logs_made: their number. named_addresses, named_slots: what instructions named, in failed frames too;
    empty where the observer does not ask for it.
    """

    accounts: dict[Address, Fields | None]
    slots: dict[tuple[Address, int], int]
    codes: dict[bytes, bytes]
    log_ordinals: Sequence[int] = ()
    logs_made: int = 0
    named_addresses: Sequence[Address] = ()
    named_slots: Sequence[tuple[Address, int]] = ()


class Codes(Protocol):
    """The part of a state that knows accounts' code."""

    def get_code_hash(self, address: Address) -> Hash32:
        """The hash of the code; EMPTY_KECCAK where there is none or no account."""
        ...

    def get_code(self, address: Address) -> bytes:
        """The account's code, b"" where it has none."""
        ...


PlainCall = tuple[Address, bytes, Mapping[int, int] | None]
"""A contract, the hash of the code whose effect is known, and the slots that it sets; None of a queue of requests."""


class ExecutionState(Protocol):
    """A mutable state over a reader, which every change since a checkpoint can be undone in.

    Not thread-safe for writes; reads may race each other.
    """

    __slots__ = ()

    @property
    def observer(self) -> "StateObserver | None":
        """The listener to what happens; None for no listener."""
        ...

    def observe(self, observer: "StateObserver | None") -> None:
        """Replace the listener."""
        ...

    # Accounts

    def account_fields(self, address: Address) -> Fields | None:
        """Nonce, balance and code hash at once; None where the account does not exist."""
        ...

    def account_exists(self, address: Address) -> bool:
        """Whether the state has an entry for the account, empty or not."""
        ...

    def account_is_empty(self, address: Address) -> bool:
        """No nonce, balance or code (EIP-161); true of accounts that do not exist."""
        ...

    def get_balance(self, address: Address) -> int:
        """Wei, 0 where the account does not exist."""
        ...

    def set_balance(self, address: Address, balance: int) -> None:
        """Set the balance, creating the account if need be."""
        ...

    def add_balance(self, address: Address, amount: int) -> None:
        """Add wei (or take, when negative); zero changes nothing and creates nothing. A credit ends at MAX_BALANCE."""
        ...

    def can_receive(self, sender: Address, recipient: Address, amount: int) -> bool:
        """Whether a transfer leaves the recipient's balance within MAX_BALANCE."""
        ...

    def transfer(self, sender: Address, recipient: Address, amount: int) -> None:
        """Move wei that the sender has, as a call, a creation or a self-destruction does."""
        ...

    def get_nonce(self, address: Address) -> int:
        """The account's nonce, 0 where it does not exist."""
        ...

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the nonce, creating the account if need be."""
        ...

    def increment_nonce(self, address: Address) -> None:
        """Add one to the nonce."""
        ...

    def get_code_hash(self, address: Address) -> Hash32:
        """The hash of the code; EMPTY_KECCAK where there is none or no account."""
        ...

    def get_code(self, address: Address) -> bytes:
        """The account's code, b"" where it has none."""
        ...

    def set_code(self, address: Address, code: bytes) -> None:
        """Set the code, creating the account if need be."""
        ...

    def create_empty(self, address: Address) -> None:
        """Make sure that the account exists: what touching did before EIP-161."""
        ...

    def delete_account(self, address: Address) -> None:
        """Remove the account with its storage."""
        ...

    # Storage

    def get_storage(self, address: Address, slot: int) -> int:
        """The slot's present value."""
        ...

    def first_storage(self, address: Address, slot: int) -> tuple[int, bool]:
        """The slot's present value, and whether surely no slot of the account is set: then no other need be asked."""
        ...

    def get_original_storage(self, address: Address, slot: int) -> int:
        """The slot's value when the transaction began (EIP-2200)."""
        ...

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Set the slot; 0 clears it."""
        ...

    def make_plain_calls(self, calls: Sequence[PlainCall]) -> int:
        """Make the effects of calls between two transactions, up to one whose effect is another; how many they were."""
        ...

    def clear_storage(self, address: Address) -> None:
        """Clear every slot of the account, those of the reader too."""
        ...

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is set (EIP-7610)."""
        ...

    # What lasts one transaction

    def begin_transaction(self) -> None:
        """Forget what lasts one transaction: access lists, original values, transient slots, logs, refunds."""
        ...

    def end_transaction(self, *, clear_empty: bool) -> None:
        """Remove destroyed accounts, and with `clear_empty` touched empty ones; forget per-transaction things."""
        ...

    def add_warm_addresses(self, addresses: Iterable[Address]) -> None:
        """Addresses accessed from the transaction's start (EIP-2929, 2930, 3651); no checkpoint undoes it."""
        ...

    def add_warm_slots(self, address: Address, slots: Iterable[int]) -> None:
        """Slots accessed from the transaction's start (EIP-2930); no checkpoint undoes it."""
        ...

    def warm_address(self, address: Address) -> bool:
        """Add to the accessed addresses (EIP-2929); True when it was cold."""
        ...

    def warm_unnamed(self, address: Address) -> bool:
        """As `warm_address`, for one that no instruction names: a new contract, the target of a delegation."""
        ...

    def warm_slot(self, address: Address, slot: int) -> bool:
        """Add to the accessed slots (EIP-2929); True when it was cold."""
        ...

    def is_warm(self, address: Address) -> bool:
        """Whether the transaction accessed the address (EIP-2929)."""
        ...

    def has_warm_slots(self) -> bool:
        """Whether the transaction accessed any slot."""
        ...

    def is_warm_slot(self, address: Address, slot: int) -> bool:
        """Whether the transaction accessed the slot (EIP-2929)."""
        ...

    def accessed(self) -> tuple[frozenset[Address], frozenset[tuple[Address, int]]]:
        """The addresses and the slots that the transaction accessed so far."""
        ...

    def touch(self, address: Address) -> None:
        """Note that the account goes at the end of the transaction if it is empty then (EIP-161)."""
        ...

    def mark_created(self, address: Address) -> None:
        """Note that the contract came to be in this transaction (EIP-6780)."""
        ...

    def is_created(self, address: Address) -> bool:
        """Whether the contract came to be in this transaction (EIP-6780)."""
        ...

    def mark_destroyed(self, address: Address) -> None:
        """Note that the account goes at the end of the transaction."""
        ...

    def destroyed_count(self) -> int:
        """Number of accounts that the transaction so far deletes at its end."""
        ...

    def get_transient(self, address: Address, slot: int) -> int:
        """A transient slot (EIP-1153)."""
        ...

    def set_transient(self, address: Address, slot: int, value: int) -> None:
        """Set a transient slot."""
        ...

    def add_log(self, log: Log) -> None:
        """Append a log entry of the running transaction."""
        ...

    def log_count(self) -> int:
        """Number of the running transaction's logs, without those of failed frames."""
        ...

    def logs_from(self, place: int) -> tuple[Log, ...]:
        """The running transaction's logs in order, from the one at this place on."""
        ...

    def add_refund(self, gas: int) -> None:
        """Add to (or, negative, take from) the refund counter."""
        ...

    def get_refund(self) -> int:
        """The refund counter, in gas."""
        ...

    # Checkpoints

    def record(self) -> int:
        """A checkpoint to go back to; it may span transactions."""
        ...

    def discard(self, checkpoint: int) -> None:
        """Undo everything since the checkpoint."""
        ...

    # Runs on an engine that has a state of its own

    def absorb(self, effects: Effects) -> None:
        """Make the changes of a run that stood on this state, so that a checkpoint can undo them.

        Access lists and transient slots are not among them: the run is the last thing that its transaction does.
        """
        ...

    def effects_since(self, checkpoint: int) -> Effects:
        """The changes of the running transaction since a checkpoint within it, as `absorb` takes them."""
        ...

    def absorb_changes(self, accounts: NewAccounts, slots: NewSlots, codes: Mapping[bytes, bytes]) -> None:
        """As `absorb_transaction`, where nothing listens."""
        ...

    def absorb_transaction(self, changes: TransactionChanges) -> None:
        """Make the changes of a whole transaction that stood on this state, and end it."""
        ...

    def changes_since(self, checkpoint: int) -> TransactionChanges:
        """The net changes of a transaction that has ended, and that began at a checkpoint, without logs."""
        ...

    # Results

    def contents(self) -> StateContents:
        """Accounts, slots and codes, read and written: the arguments of `net_change`."""
        ...

    def diff(self) -> StateDiff:
        """The net change against the reader: accounts, slots, wiped storage, new code."""
        ...

    def fork_reader(self) -> StateReader:
        """A live reader of this state, for another state to stand on."""
        ...


class StateObserver:
    """Listens to a state, and hears of what failed frames do too; each method here takes no notice.

    hears_live: whether it must hear of each thing as it happens: else `on_logs` and `on_accesses` may tell of a whole
    transaction at its end. hears_accesses: whether `on_accesses` does anything.
    """

    hears_live = True
    hears_accesses = False

    def on_address_access(self, address: Address) -> None:
        """An instruction names the account, warm or cold (EIP-2929)."""

    def on_slot_access(self, address: Address, slot: int) -> None:
        """An instruction names the slot, warm or cold (EIP-2929)."""

    def on_log(self, place: int) -> None:
        """A log is about to be appended at this place of the running transaction's; one that was there is undone."""

    def on_logs(self, ordinals: Sequence[int], made: int) -> None:
        """A whole transaction appended `made` logs; those that remain are these among them, in order."""

    def on_accesses(self, addresses: Iterable[Address], slots: Iterable[tuple[Address, int]]) -> None:
        """The instructions of a whole transaction named these."""

    def on_transfer(self, state: ExecutionState, sender: Address, recipient: Address, amount: int) -> None:
        """Wei has moved, as a call, a creation or a self-destruction moves it."""
