"""The deep check of one state: every node and code against its hash, the flat records against the trie."""

from collections.abc import Iterator

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, Account, decode_account
from zevm.storage.errors import CorruptionError
from zevm.storage.flat_state import flat_root
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import STATE_TRIE, Hash32, TrieKey
from zevm.storage.rlp import encode_bytes
from zevm.storage.schema import ACCOUNT, SLOT, Family, code_key, range_of
from zevm.storage.state_update import NodesOf
from zevm.storage.store import Reader

PROBLEM_LIMIT = 100


class _LimitReachedError(Exception):
    """Enough problems were found."""


class StateCheck:
    """One run over one state. Reads past all caches, and goes on past what is broken."""

    def __init__(self, reader: Reader, nodes: NodesOf, root: Hash32, limit: int) -> None:
        self._reader = reader
        self._nodes = nodes
        self._root = root
        self._limit = limit
        self._problems: list[str] = []
        self._codes_seen: set[bytes] = {EMPTY_KECCAK}

    def run(self, *, compare_flat: bool) -> list[str]:
        """The problems, one line each, at most the limit."""
        try:
            if compare_flat:
                self._compare_flat()
            else:
                self._check_trie()
        except _LimitReachedError:
            self._problems.append(f"more than {self._limit} problems; the check stopped here")
        except CorruptionError as error:
            self._problems.append(f"the check could not go on: {error}")
        return self._problems

    def _add(self, problem: str) -> None:
        if len(self._problems) >= self._limit:
            raise _LimitReachedError
        self._problems.append(problem)

    def _walk(self, name: str, owner: TrieKey, root: Hash32, holes: list[str]) -> Iterator[tuple[TrieKey, bytes]]:
        """The entries of a trie; faults are reported, and their paths added to `holes`."""

        def report(path: str, node_hash: bytes, fault: str) -> None:
            holes.append(path)
            self._add(f"{name}: node {node_hash.hex()} at path {path or '(root)'} {fault}")

        yield from trie.survey(self._nodes(owner), root, report)

    def _check_trie(self) -> None:
        for key, record in self._walk("state trie", STATE_TRIE, self._root, []):
            name = f"account with key hash {key.hex()}"
            account = self._account(name, record)
            if account is not None:
                self._check_storage(name, key, account.storage_root)

    def _check_storage(self, name: str, owner: TrieKey, storage_root: Hash32) -> None:
        """Walk a storage trie."""
        for _ in self._walk(f"storage trie of {name}", owner, storage_root, []):
            pass

    def _account(self, name: str, record: bytes) -> Account | None:
        """Decode a record of the trie and check its code."""
        try:
            account = decode_account(record)
        except CorruptionError as error:
            self._add(f"{name}: {error}")
            return None
        code_hash = account.code_hash
        if code_hash not in self._codes_seen:
            self._codes_seen.add(code_hash)
            self._check_code(name, code_hash)
        return account

    def _check_code(self, name: str, code_hash: bytes) -> None:
        try:
            code = self._reader.get(code_key(code_hash))
        except CorruptionError as error:
            self._add(f"code {code_hash.hex()} of {name} is damaged: {error}")
            return
        if code is None:
            self._add(f"code {code_hash.hex()} of {name} is missing")
        elif keccak256(code) != code_hash:
            self._add(f"code {code_hash.hex()} of {name} is damaged: its bytes have another hash")

    def _compare_flat(self) -> None:
        held = flat_root(self._reader)
        if held != self._root:
            self._add(f"flat state belongs to root {held.hex()}, not to {self._root.hex()}")
        holes: list[str] = []
        expected = dict(self._walk("state trie", STATE_TRIE, self._root, holes))
        slots = _Grouped(self._flat("flat slots", SLOT))
        for key, record in self._flat("flat accounts", ACCOUNT):
            address = key[1:]
            self._report_orphans(slots, address)
            own_slots = slots.take(address)
            hashed = TrieKey(keccak256(address))
            proven = expected.pop(hashed, None)
            name = f"account 0x{address.hex()}"
            if proven is not None:
                if proven != record:
                    self._add(f"{name}: flat record differs from the trie")
                self._compare_account(name, hashed, proven, own_slots)
            elif not _covered(hashed, holes):
                self._add(f"{name} is in the flat state, not in the trie")
        self._report_orphans(slots, None)
        for left, proven in expected.items():
            name = f"account with key hash {left.hex()}"
            self._add(f"{name} is in the trie, not in the flat state")
            self._compare_account(name, left, proven, None)

    def _report_orphans(self, slots: "_Grouped", address: bytes | None) -> None:
        for orphan in slots.before(address):
            self._add(f"flat slots of 0x{orphan.hex()} have no account")

    def _compare_account(
        self, name: str, owner: TrieKey, record: bytes, slots: list[tuple[bytes, bytes]] | None
    ) -> None:
        """Check an account of the trie, and that `slots`, unless None, are its storage."""
        account = self._account(name, record)
        if account is None:
            return
        if slots is None:
            self._check_storage(name, owner, account.storage_root)
        else:
            self._compare_slots(name, owner, account.storage_root, slots)

    def _compare_slots(self, name: str, owner: TrieKey, storage_root: Hash32, flat: list[tuple[bytes, bytes]]) -> None:
        if storage_root == EMPTY_ROOT and not flat:
            return
        holes: list[str] = []
        expected = dict(self._walk(f"storage trie of {name}", owner, storage_root, holes))
        for slot, value in flat:
            hashed = TrieKey(keccak256(slot))
            proven = expected.pop(hashed, None)
            if proven is None and _covered(hashed, holes):
                continue
            if proven is None:
                self._add(f"{name}: slot 0x{slot.hex()} is in the flat state, not in the trie")
            elif proven != encode_bytes(value):
                self._add(f"{name}: slot 0x{slot.hex()} differs between flat state and trie")
        for left in expected:
            self._add(f"{name}: slot with key hash {left.hex()} is in the trie, not in the flat state")

    def _flat(self, name: str, family: Family) -> Iterator[tuple[bytes, bytes]]:
        """The records of a flat family, up to where they cannot be read."""
        last = family.prefix
        try:
            for key, value in self._reader.iterate(*range_of(family)):
                last = key
                yield key, value
        except CorruptionError as error:
            self._add(f"{name} after key {last.hex()} are unreadable: {error}")


class _Grouped:
    """The flat slots, taken address by address in ascending order."""

    def __init__(self, rows: Iterator[tuple[bytes, bytes]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, address: bytes) -> list[tuple[bytes, bytes]]:
        """The 32-byte slots and values of `address`, which is the least one left."""
        taken = []
        while self._next is not None and self._next[0][1:21] == address:
            taken.append((self._next[0][21:], self._next[1]))
            self._next = next(self._rows, None)
        return taken

    def before(self, address: bytes | None) -> Iterator[bytes]:
        """Pass all addresses less than `address` (None: all), and name them."""
        while self._next is not None and (address is None or self._next[0][1:21] < address):
            orphan = self._next[0][1:21]
            self.take(orphan)
            yield orphan


def _covered(key: bytes, holes: list[str]) -> bool:
    """Whether a key lies under one of the paths that could not be read."""
    return any(key.hex().startswith(path) for path in holes)
