"""Ways to read a state: flat, by what changed since, through the trie, over an unwritten update, and of elsewhere."""

from collections.abc import Callable
from typing import Protocol

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, Account, StateReader, decode_account
from zevm.storage.history import value_at
from zevm.storage.memory import MemorySnapshot
from zevm.storage.primitives import STATE_TRIE, Address, Hash32
from zevm.storage.rlp import decode, decode_int
from zevm.storage.schema import Version, account_key, slot_key
from zevm.storage.state_update import NodesOf, StateUpdate, hashed, slot_hash
from zevm.storage.store import Snapshot

CodeOf = Callable[[bytes], bytes]
_ACCOUNTS_KEPT = 1024
"""Decoded accounts that one reader keeps; full, it forgets them all, which costs less than order."""


class StateBase(StateReader, Protocol):
    """A state that a new one can be prepared on."""

    @property
    def base(self) -> Hash32 | StateUpdate:
        """The base for StateStore.prepare: the root, or the update while it is unwritten."""
        ...


class LatestReader:
    """The newest state out of the flat records of one snapshot: one lookup per read.

    is_in_memory: no read waits for a medium, or goes through more than a dict. known: accounts that were read before.
    view: the snapshot.
    """

    __slots__ = ("_code_of", "_get", "is_in_memory", "known", "root", "view")

    def __init__(
        self, view: Snapshot, root: Hash32, code_of: CodeOf, accounts: dict[bytes, Account | None] | None = None
    ) -> None:
        self.root, self.view = root, view
        self.is_in_memory = isinstance(view, MemorySnapshot)
        self._get = view.get
        self._code_of = code_of
        self.known: dict[bytes, Account | None] = accounts or {}

    def followed_by(self, update: StateUpdate, view: Snapshot) -> "LatestReader":
        """The reader of the state that an update has made of this one: what was decoded need not be again."""
        if update.base_root != self.root:
            raise ValueError(f"update stands on root {update.base_root.hex()}, the reader on {self.root.hex()}")
        kept, changed = self.known, update.decoded
        known = dict(kept) if len(kept) + len(update.accounts) <= _ACCOUNTS_KEPT else {}
        if len(changed) < len(update.accounts):
            for address in update.accounts:
                known.pop(address, None)
        known.update(changed)
        return LatestReader(view, update.root, self._code_of, known)

    @property
    def base(self) -> Hash32:
        """The root."""
        return self.root

    def account(self, address: bytes) -> Account | None:
        """The account at `address`, or None."""
        accounts = self.known
        if address in accounts:
            return accounts[address]
        record = self._get(account_key(address))
        account = None if record is None else decode_account(record)
        # A dict of its own once full, never cleared: another thread may stand between `in` and the read.
        if len(accounts) >= _ACCOUNTS_KEPT:
            self.known = accounts = {}
        accounts[address] = account
        return account

    def storage(self, address: bytes, slot: int) -> int:
        """The value of a slot; 0 where absent."""
        value = self._get(slot_key(address, slot))
        return 0 if value is None else int.from_bytes(value, "big")

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        return self._code_of(code_hash)


class HistoryReader:
    """The state after a version, as the flat records of one snapshot and the differences since then tell.

    held: makes sure that the state's trie nodes are at hand, for what others build on it.
    """

    __slots__ = ("_accounts", "_code_of", "_held", "_version", "_view", "root")

    def __init__(
        self,
        view: Snapshot,
        version: Version,
        root: Hash32,
        code_of: CodeOf,
        held: Callable[[Snapshot, Version, Hash32], None],
    ) -> None:
        self.root = root
        self._view = view
        self._version = version
        self._code_of = code_of
        self._held = held
        self._accounts: dict[bytes, Account | None] = {}

    @property
    def base(self) -> Hash32:
        """The root."""
        self._held(self._view, self._version, self.root)
        return self.root

    def account(self, address: bytes) -> Account | None:
        """The account at `address`, or None."""
        accounts = self._accounts
        if address in accounts:
            return accounts[address]
        record = value_at(self._view, account_key(address), self._version)
        account = None if record is None else decode_account(record)
        if len(accounts) >= _ACCOUNTS_KEPT:
            self._accounts = accounts = {}
        accounts[address] = account
        return account

    def storage(self, address: bytes, slot: int) -> int:
        """The value of a slot; 0 where absent."""
        value = value_at(self._view, slot_key(address, slot), self._version)
        return 0 if value is None else int.from_bytes(value, "big")

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        return self._code_of(code_hash)


class TrieReader:
    """Any state whose nodes are at hand, through its trie."""

    __slots__ = ("_accounts", "_code_of", "_nodes", "root")

    def __init__(self, nodes: NodesOf, root: Hash32, code_of: CodeOf) -> None:
        self.root = root
        self._nodes = nodes
        self._code_of = code_of
        self._accounts: dict[bytes, Account | None] = {}

    @property
    def base(self) -> Hash32:
        """The root."""
        return self.root

    def account(self, address: bytes) -> Account | None:
        """The account at `address`, or None. Raises MissingNodeError when the state is not held."""
        accounts = self._accounts
        if address in accounts:
            return accounts[address]
        record = trie.get(self._nodes(STATE_TRIE), self.root, hashed(address))
        account = None if record is None else decode_account(record)
        if len(accounts) >= _ACCOUNTS_KEPT:
            self._accounts = accounts = {}
        accounts[address] = account
        return account

    def storage(self, address: bytes, slot: int) -> int:
        """The value of a slot; 0 where absent. Raises MissingNodeError when the state is not held."""
        account = self.account(address)
        if account is None or account.storage_root == EMPTY_ROOT:
            return 0
        value = trie.get(self._nodes(hashed(address)), account.storage_root, slot_hash(slot))
        return 0 if value is None else decode_int(decode(value))

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        return self._code_of(code_hash)


class BaseReader:
    """A state of elsewhere, whose trie nodes are had as they are asked for."""

    __slots__ = ("account", "code", "root", "storage")

    def __init__(self, reader: StateReader) -> None:
        self.root = reader.root
        self.account = reader.account
        self.storage = reader.storage
        self.code = reader.code

    @property
    def base(self) -> Hash32:
        """The root."""
        return self.root


class OverOrigin:
    """A state over a forked chain, whose reads may wait for another node."""

    __slots__ = ("account", "code", "inner", "root", "storage")

    def __init__(self, inner: StateBase) -> None:
        self.inner = inner
        self.root = inner.root
        self.account = inner.account
        self.storage = inner.storage
        self.code = inner.code

    @property
    def base(self) -> Hash32 | StateUpdate:
        """See StateBase."""
        return self.inner.base


class UpdateReader:
    """The state that an unwritten update makes of the one that `base` reads."""

    __slots__ = ("_base", "_update", "root")

    def __init__(self, update: StateUpdate, base: StateReader) -> None:
        if base.root != update.base_root:
            raise ValueError(f"update stands on root {update.base_root.hex()}, the reader on {base.root.hex()}")
        self.root = update.root
        self._update = update
        self._base = base

    @property
    def beneath(self) -> StateReader:
        """The state without the update."""
        return self._base

    @property
    def base(self) -> StateUpdate:
        """The unwritten update."""
        return self._update

    def account(self, address: Address) -> Account | None:
        """The account at `address`, or None."""
        update = self._update
        return update.account(address) if address in update.accounts else self._base.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0 where absent."""
        update = self._update
        slots = update.storage.get(address)
        if slots is not None and slot in slots:
            return slots[slot]
        return 0 if address in update.wiped else self._base.storage(address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        code = self._update.code.get(code_hash)
        return self._base.code(code_hash) if code is None else code
