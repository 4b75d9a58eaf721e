"""The state while a block is executed: dict overlays over a StateReader, with an undo log.

Every mutable thing is a dict, and every change appends (dict, key, previous value) to one journal; going back is
popping. A checkpoint is the length of the journal, and `discard` costs what it undoes. It may span transactions.

Reads cache what the reader answered. `diff` compares with that cache, so it is the net change.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from zevm.chain.types import Log
from zevm.chain.vm.execution_state import (
    Effects,
    ExecutionState,
    Fields,
    NewAccounts,
    NewSlots,
    PlainCall,
    StateContents,
    StateObserver,
    TransactionChanges,
)
from zevm.chain.vm.loaded_accounts import LoadedAccounts, known_accounts
from zevm.chain.vm.net_change import changed_since, changed_slots, changes_of, codes_set, net_change
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT, OverlayReader
from zevm.chain.vm.state_changes import StateParts, make_changes, make_plain_calls
from zevm.storage.account import EMPTY_ROOT, MAX_BALANCE, Account, StateDiff, StateReader
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address, Hash32

RIPEMD160: Final = Address(bytes(19) + b"\x03")
"""Touched even by a frame that failed, as the main network's block 2,675,119 has it (EIP-161, note on 0x03)."""

_ABSENT: Any = object()
_NEW: Fields = (0, 0, EMPTY_KECCAK)


class BlockState(ExecutionState):
    """The ExecutionState of one block over `reader`. observer: listens to changes; None for no listener."""

    __slots__ = (
        "_accounts", "_base", "_base_slots", "_codes", "_created", "_destroyed", "_journal", "_logs",
        "_new_codes", "_observer", "_originals", "_parts", "_reader", "_refund", "_slots", "_touched",
        "_transaction_start", "_transient", "_warm_addresses", "_warm_slots", "_wiped",
    )  # fmt: skip

    def __init__(self, reader: StateReader, observer: StateObserver | None = None) -> None:
        self._reader = reader
        self._observer = observer
        self._base: dict[Address, Account | None] = {}
        self._base_slots: dict[Address, dict[int, int]] = {}
        self._accounts = LoadedAccounts(reader, self._base)
        self._slots: dict[Address, dict[int, int]] = {}
        self._codes: dict[bytes, bytes] = {EMPTY_KECCAK: b""}
        self._new_codes: dict[bytes, bytes] = {}
        self._wiped: dict[Address, bool] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []
        self._parts = StateParts(
            reader,
            known_accounts(reader),
            self._base,
            self._accounts,
            self._slots,
            self._base_slots,
            self._wiped,
            self._journal,
        )
        self._transaction_start = -1
        self.begin_transaction()

    def begin_transaction(self) -> None:
        """Forget what lasts one transaction: access lists, original values, transient slots, logs, refunds."""
        # besides what the journal has: what it does not hold, or what outlives the undoing of its entry
        if len(self._journal) == self._transaction_start and not (
            self._warm_addresses or self._warm_slots or self._originals or self._touched
        ):
            return
        # undo entries of earlier transactions then work on dicts that no one reads
        self._transaction_start = len(self._journal)
        self._originals: dict[tuple[Address, int], int] = {}
        self._warm_addresses: dict[Address, bool] = {}
        self._warm_slots: dict[tuple[Address, int], bool] = {}
        self._transient: dict[tuple[Address, int], int] = {}
        self._touched: dict[Address, bool] = {}
        self._created: dict[Address, bool] = {}
        self._destroyed: dict[Address, bool] = {}
        self._logs: dict[int, Log] = {}
        self._refund: dict[None, int] = {None: 0}

    @property
    def observer(self) -> StateObserver | None:
        """The listener to changes."""
        return self._observer

    def observe(self, observer: StateObserver | None) -> None:
        """Replace the listener."""
        self._observer = observer

    # Accounts

    def _put(self, address: Address, previous: Fields | None, fields: Fields | None) -> None:
        self._journal.append((self._accounts, address, previous))
        self._accounts[address] = fields

    def account_fields(self, address: Address) -> Fields | None:
        """Nonce, balance and code hash at once; None where the account does not exist."""
        return self._accounts[address]

    def account_exists(self, address: Address) -> bool:
        """Whether the state has an entry for the account, empty or not."""
        return self._accounts[address] is not None

    def account_is_empty(self, address: Address) -> bool:
        """No nonce, balance or code (EIP-161); true of accounts that do not exist."""
        fields = self._accounts[address]
        return fields is None or fields == _NEW

    def get_balance(self, address: Address) -> int:
        """Wei."""
        fields = self._accounts[address]
        return 0 if fields is None else fields[1]

    def set_balance(self, address: Address, balance: int) -> None:
        """Set the balance, creating the account if need be."""
        previous = self._accounts[address]
        nonce, _, code_hash = previous or _NEW
        self._put(address, previous, (nonce, balance, code_hash))

    def add_balance(self, address: Address, amount: int) -> None:
        """Add wei (or take, when negative); zero changes nothing and creates nothing.

        A credit ends at MAX_BALANCE: no fee, reward, withdrawal or self-destruction can fail for it. Only development
        requests bring an account near; there clients differ (geth wraps, revm ends there, the specification raises).
        """
        if amount:
            previous = self._accounts[address]
            nonce, balance, code_hash = previous or _NEW
            self._put(address, previous, (nonce, min(balance + amount, MAX_BALANCE), code_hash))

    def can_receive(self, sender: Address, recipient: Address, amount: int) -> bool:
        """Whether a transfer leaves the recipient's balance within MAX_BALANCE."""
        return sender == recipient or self.get_balance(recipient) + amount <= MAX_BALANCE

    def transfer(self, sender: Address, recipient: Address, amount: int) -> None:
        """Move wei that the sender has, as a call, a creation or a self-destruction does."""
        self.add_balance(sender, -amount)
        self.add_balance(recipient, amount)
        if self._observer is not None:
            self._observer.on_transfer(self, sender, recipient, amount)

    def get_nonce(self, address: Address) -> int:
        """The account's nonce, 0 where it does not exist."""
        fields = self._accounts[address]
        return 0 if fields is None else fields[0]

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the nonce, creating the account if need be."""
        previous = self._accounts[address]
        _, balance, code_hash = previous or _NEW
        self._put(address, previous, (nonce, balance, code_hash))

    def increment_nonce(self, address: Address) -> None:
        """Add one to the nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code_hash(self, address: Address) -> Hash32:
        """The hash of the code; EMPTY_KECCAK where there is none or no account."""
        fields = self._accounts[address]
        return EMPTY_KECCAK if fields is None else fields[2]

    def get_code(self, address: Address) -> bytes:
        """The account's code, b"" where it has none."""
        fields = self._accounts[address]
        if fields is None or fields[2] is EMPTY_KECCAK:
            return b""
        code_hash = fields[2]
        try:
            return self._codes[code_hash]
        except KeyError:
            return self._load_code(address, code_hash)

    def _load_code(self, address: Address, code_hash: bytes) -> bytes:
        """Reads the previous code even if the same code was set meanwhile, so that a recorder of reads sees it."""
        base = self._base[address]
        if code_hash in self._new_codes and (base is None or base.code_hash != code_hash):
            return self._new_codes[code_hash]
        code = self._codes[code_hash] = self._reader.code(code_hash)
        return code

    def set_code(self, address: Address, code: bytes) -> None:
        """Set the code, creating the account if need be."""
        code_hash = keccak256(code) if code else EMPTY_KECCAK
        if code:
            self._new_codes[code_hash] = code
        previous = self._accounts[address]
        nonce, balance, _ = previous or _NEW
        self._put(address, previous, (nonce, balance, code_hash))

    def create_empty(self, address: Address) -> None:
        """Make sure that the account exists: what touching did before EIP-161."""
        if self._accounts[address] is None:
            self._put(address, None, _NEW)

    def delete_account(self, address: Address) -> None:
        """Remove the account with its storage."""
        previous = self._accounts[address]
        if previous is not None:
            self._put(address, previous, None)
            self.clear_storage(address)

    # Storage

    def _load_slot(self, address: Address, slot: int) -> int:
        value = 0
        if address not in self._wiped:
            if address not in self._base:
                _ = self._accounts[address]
            account = self._base[address]
            if account is not None and account.storage_root != EMPTY_ROOT:
                value = self._reader.storage(address, slot)
            self._base_slots.setdefault(address, {})[slot] = value
        self._slots.setdefault(address, {})[slot] = value
        return value

    def get_storage(self, address: Address, slot: int) -> int:
        """The slot's present value."""
        # most are cold where the core asks, and an exception costs as much as all else of a look-up
        slots = self._slots.get(address)
        value = None if slots is None else slots.get(slot)
        return self._load_slot(address, slot) if value is None else value

    def first_storage(self, address: Address, slot: int) -> tuple[int, bool]:
        """The slot's present value, and whether surely no slot of the account is set."""
        if self._slots.get(address):
            return self.get_storage(address, slot), False
        if address not in self._base:
            _ = self._accounts[address]
        account = self._base[address]
        if account is None or account.storage_root == EMPTY_ROOT or address in self._wiped:
            return 0, True
        return self._load_slot(address, slot), False

    def get_original_storage(self, address: Address, slot: int) -> int:
        """The slot's value when the transaction began (EIP-2200)."""
        try:
            return self._originals[address, slot]
        except KeyError:
            return self.get_storage(address, slot)

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Set the slot; 0 clears it."""
        slots = self._slots.get(address)
        previous = self._load_slot(address, slot) if slots is None or slot not in slots else slots[slot]
        if previous != value:
            self._originals.setdefault((address, slot), previous)
            slots = self._slots[address]
            self._journal.append((slots, slot, previous))
            slots[slot] = value

    def make_plain_calls(self, calls: Sequence[PlainCall]) -> int:
        """Make the effects of calls between two transactions, up to one whose effect is another; how many they were."""
        done = make_plain_calls(self._parts, calls)
        if done:
            self._transaction_start = len(self._journal)
        return done

    def clear_storage(self, address: Address) -> None:
        """Clear every slot of the account, those of the reader too."""
        self._journal.append((self._slots, address, self._slots.get(address, _ABSENT)))
        self._slots[address] = {}
        self._mark(self._wiped, address)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is set (EIP-7610)."""
        if any(self._slots.get(address, {}).values()):
            return True
        _ = self._accounts[address]
        account = self._base[address]
        return account is not None and account.storage_root != EMPTY_ROOT and address not in self._wiped

    # What lasts one transaction

    def _mark(self, marks: dict[Any, bool], key: Any) -> bool:
        if key in marks:
            return False
        self._journal.append((marks, key, _ABSENT))
        marks[key] = True
        return True

    def add_warm_addresses(self, addresses: Iterable[Address]) -> None:
        """Addresses accessed from the transaction's start (EIP-2929, 2930, 3651); no checkpoint undoes it."""
        # a dict's table is copied whole, in a fifth of the time
        self._warm_addresses.update(addresses if isinstance(addresses, dict) else dict.fromkeys(addresses, True))

    def add_warm_slots(self, address: Address, slots: Iterable[int]) -> None:
        """Slots accessed from the transaction's start (EIP-2930); no checkpoint undoes it."""
        self._warm_slots.update({(address, slot): True for slot in slots})

    def warm_address(self, address: Address) -> bool:
        """Add to the accessed addresses (EIP-2929); True when it was cold."""
        if self._observer is not None:
            self._observer.on_address_access(address)
        return address not in self._warm_addresses and self._mark(self._warm_addresses, address)

    def warm_unnamed(self, address: Address) -> bool:
        """As `warm_address`, for one that no instruction names: a new contract, the target of a delegation."""
        return self._mark(self._warm_addresses, address)

    def warm_slot(self, address: Address, slot: int) -> bool:
        """Add to the accessed slots (EIP-2929); True when it was cold."""
        if self._observer is not None:
            self._observer.on_slot_access(address, slot)
        key = (address, slot)
        return key not in self._warm_slots and self._mark(self._warm_slots, key)

    def is_warm(self, address: Address) -> bool:
        """Whether the transaction accessed the address (EIP-2929)."""
        return address in self._warm_addresses

    def has_warm_slots(self) -> bool:
        """Whether the transaction accessed any slot."""
        return bool(self._warm_slots)

    def is_warm_slot(self, address: Address, slot: int) -> bool:
        """Whether the transaction accessed the slot (EIP-2929)."""
        return (address, slot) in self._warm_slots

    def accessed(self) -> tuple[frozenset[Address], frozenset[tuple[Address, int]]]:
        """The addresses and the slots that the transaction accessed so far."""
        return frozenset(self._warm_addresses), frozenset(self._warm_slots)

    def touch(self, address: Address) -> None:
        """Note that the account goes at the end of the transaction if it is empty then (EIP-161)."""
        self._mark(self._touched, address)

    def mark_created(self, address: Address) -> None:
        """Note that the contract came to be in this transaction (EIP-6780)."""
        self._mark(self._created, address)

    def is_created(self, address: Address) -> bool:
        """Whether the contract came to be in this transaction (EIP-6780)."""
        return address in self._created

    def mark_destroyed(self, address: Address) -> None:
        """Note that the account goes at the end of the transaction."""
        self._mark(self._destroyed, address)

    def destroyed_count(self) -> int:
        """Number of accounts that the transaction so far deletes at its end."""
        return len(self._destroyed)

    def get_transient(self, address: Address, slot: int) -> int:
        """A transient slot (EIP-1153)."""
        return self._transient.get((address, slot), 0)

    def set_transient(self, address: Address, slot: int, value: int) -> None:
        """Set a transient slot."""
        key = (address, slot)
        self._journal.append((self._transient, key, self._transient.get(key, _ABSENT)))
        self._transient[key] = value

    def add_log(self, log: Log) -> None:
        """Append a log entry of the running transaction."""
        index = len(self._logs)
        if self._observer is not None:
            self._observer.on_log(index)
        self._journal.append((self._logs, index, _ABSENT))
        self._logs[index] = log

    def log_count(self) -> int:
        """Number of the running transaction's logs, without those of failed frames."""
        return len(self._logs)

    def logs_from(self, place: int) -> tuple[Log, ...]:
        """The running transaction's logs in order, from the one at this place on."""
        return tuple(self._logs.values())[place:]

    def add_refund(self, gas: int) -> None:
        """Add to (or, negative, take from) the refund counter."""
        self._journal.append((self._refund, None, self._refund[None]))
        self._refund[None] += gas

    def get_refund(self) -> int:
        """The refund counter, in gas."""
        return self._refund[None]

    def end_transaction(self, *, clear_empty: bool) -> None:
        """Remove destroyed accounts, and with `clear_empty` touched empty ones; forget per-transaction things."""
        for address in self._destroyed:
            self.delete_account(address)
        if clear_empty and (self._touched or len(self._journal) > self._transaction_start):
            entries = self._journal[self._transaction_start :]
            changed: set[Address] = {key for mapping, key, _ in entries if mapping is self._accounts}
            for address in changed.union(self._touched):
                if self._accounts[address] == _NEW:
                    self.delete_account(address)
        self.begin_transaction()

    # Checkpoints

    def record(self) -> int:
        """A checkpoint to go back to."""
        return len(self._journal)

    def discard(self, checkpoint: int) -> None:
        """Undo everything since the checkpoint."""
        journal = self._journal
        while len(journal) > checkpoint:
            mapping, key, previous = journal.pop()
            if mapping is self._touched and key == RIPEMD160:
                continue
            if previous is _ABSENT:
                del mapping[key]
            else:
                mapping[key] = previous
        self._transaction_start = min(self._transaction_start, checkpoint)

    # Runs on an engine that has a state of its own

    def absorb(self, effects: Effects) -> None:
        """Make the changes of a run that stood on this state, so that a checkpoint can undo them."""
        self._new_codes.update(effects.codes)
        for address, fields in effects.accounts.items():
            self._put(address, self._accounts[address], fields)
        for (address, slot), value in effects.slots.items():
            self.set_storage(address, slot, value)
        for address in effects.touched:
            self.touch(address)
        for address in effects.destroyed:
            self.mark_destroyed(address)
        for log in effects.logs:
            self.add_log(log)
        if effects.refund:
            self.add_refund(effects.refund)

    def effects_since(self, checkpoint: int) -> Effects:
        """The changes of the running transaction since a checkpoint within it, as `absorb` takes them."""
        entries = self._journal[checkpoint:]
        accounts, slots = changed_since(entries, self._accounts, self._slots)
        now = {address: self._accounts[address] for address in accounts}
        touched = {key for mapping, key, _ in entries if mapping is self._touched}
        if RIPEMD160 in self._touched:
            # this mark outlives its entry in the journal
            touched.add(RIPEMD160)
        destroyed = frozenset(key for mapping, key, _ in entries if mapping is self._destroyed)
        first_log = next((key for mapping, key, _ in entries if mapping is self._logs), len(self._logs))
        refund = next((before for mapping, _, before in entries if mapping is self._refund), self._refund[None])
        return Effects(
            now,
            {(address, slot): self._slots[address][slot] for address, slot in slots},
            codes_set(now, self._new_codes),
            frozenset(touched),
            destroyed,
            self.logs_from(first_log),
            self._refund[None] - refund,
        )

    def absorb_changes(self, accounts: NewAccounts, slots: NewSlots, codes: Mapping[bytes, bytes]) -> None:
        """As `absorb_transaction`, where nothing listens."""
        self._new_codes.update(codes)
        make_changes(self._parts, self.delete_account, accounts, slots)
        self.begin_transaction()

    def absorb_transaction(self, changes: TransactionChanges) -> None:
        """Make the changes of a whole transaction that stood on this state, and end it."""
        if self._observer is not None:
            self._observer.on_accesses(changes.named_addresses, changes.named_slots)
            self._observer.on_logs(changes.log_ordinals, changes.logs_made)
        self.absorb_changes(changes.accounts, changes.slots, changes.codes)

    def changes_since(self, checkpoint: int) -> TransactionChanges:
        """The net changes of a transaction that has ended, and that began at a checkpoint, without logs."""
        return changes_of(self._journal[checkpoint:], self._accounts, self._slots, self._new_codes)

    def diff(self) -> StateDiff:
        """The net change against the reader: accounts, slots, wiped storage, new code."""
        return net_change(*self.contents())

    def contents(self) -> StateContents:
        """See ExecutionState."""
        return self._base, self._accounts, self._slots, self._base_slots, self._wiped, self._new_codes

    def fork_reader(self) -> OverlayReader:
        """A live reader of this state, for another BlockState to stand on."""
        return OverlayReader(self, self._reader)

    def storage_root(self, address: Address) -> Hash32:
        """An existing account's storage root, UNSETTLED_ROOT where its slots have changed."""
        base = self._base[address]
        if changed_slots(address, self._slots, self._base_slots, self._wiped):
            return UNSETTLED_ROOT
        return EMPTY_ROOT if base is None or address in self._wiped else base.storage_root

    def code_of(self, code_hash: bytes) -> bytes:
        """Code by hash, of this state or beneath."""
        for codes in (self._codes, self._new_codes):
            if code_hash in codes:
                return codes[code_hash]
        return self._reader.code(code_hash)
