"""The leader's chain as a follower gets it: blocks as they lie on the disk, and state changes outside of blocks.

Each reading is of one snapshot of the database, so that no batch mixes two chains. Any thread may read.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing

from zevm.chain.blockchain import Chain
from zevm.node.replication.frames import RefusedError
from zevm.node.replication.messages import UNKNOWN_BLOCK, UNKNOWN_STATE, Batch, Entry, Patch, Position, Want
from zevm.node.replication.shares import Allowance
from zevm.rpc.limits import Limits
from zevm.storage import rlp
from zevm.storage.account import AccountChange, StateDiff, StateReader
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.ledger import Ledger
from zevm.storage.primitives import Address, Hash32
from zevm.storage.schema import SLOT, MetaName, Version, address_in, decode_number, slot_in
from zevm.storage.state import StateStore
from zevm.storage.store import Snapshot

_STATE_ROOT = 3
"""Position of the state's root among a header's fields."""

_ENVELOPE_BYTES = 64 * 1024
"""Most bytes that a batch adds to its entries."""

_ACCOUNT_BYTES, _SLOT_BYTES = 130, 70
"""Most bytes that a patch needs for one."""


class Source:
    """Reads of one chain for its followers."""

    def __init__(self, chain: Chain, limits: Limits) -> None:
        self._chain = chain
        self._limits = limits
        self._differences = _Differences(limits.replica_difference_bytes)

    def after(self, want: Want, allowance: Allowance) -> Batch:
        """The batch after a position, within the limits. Raises RefusedError for what was pruned, and for a step larger
        than they allow.

        allowance: of comparisons, for the one that asks; a change that is kept costs none of it.
        """
        position, limits = want.position, self._limits
        with closing(self._chain.database.store.snapshot()) as view:
            comparing = _Comparing(view, self._chain.database.state, self._largest_entry, self._differences, allowance)
            reading = _Reading(Ledger.over(view), comparing, self._largest_entry)
            head = reading.head
            reading.refuse_pruned(position.number)
            if reading.hash_at(position.number) != position.block_hash:
                return Batch(head, unknown=UNKNOWN_BLOCK)
            if self._chain.database.state.version_of(view, position.number, position.root) is None:
                return Batch(head, unknown=UNKNOWN_STATE)
            entries: list[Entry] = []
            size, most = 0, min(want.most_entries, limits.replica_batch_blocks)
            for entry in reading.entries_after(position):
                if entries and (len(entries) >= most or size + entry.size > limits.replica_batch_bytes):
                    break
                entries.append(entry)
                size += entry.size
        return Batch(head, tuple(entries))

    def hashes(self, heights: list[int]) -> list[Hash32 | None]:
        """The canonical blocks' hashes at these heights, None where there is no block."""
        with closing(self._chain.database.store.snapshot()) as view:
            ledger = Ledger.over(view)
            head = ledger.head()
            top = -1 if head is None else head[0]
            return [ledger.canonical_hash(height) if height <= top else None for height in heights]

    @property
    def _largest_entry(self) -> int:
        return self._limits.replica_message_bytes - _ENVELOPE_BYTES


class _Reading:
    """The chain in one snapshot."""

    def __init__(self, ledger: Ledger, comparing: "_Comparing", largest_entry: int) -> None:
        pointer = ledger.head()
        if pointer is None:
            raise CorruptionError("the head block is missing", StorageProblem.RECORD_DAMAGED)
        self.head = pointer[0]
        self._ledger = ledger
        self._comparing = comparing
        self._largest_entry = largest_entry

    def refuse_pruned(self, number: int) -> None:
        """Raise RefusedError where what follows a block was pruned."""
        pruned = self._ledger.meta(MetaName.PRUNED)
        kept = 0 if pruned is None else decode_number(pruned)
        if number < kept:
            raise RefusedError(
                f"the leader has pruned what it had before block {kept}, and the follower is at block {number}: "
                "follow a node that keeps all blocks"
            )

    def hash_at(self, number: int) -> Hash32 | None:
        """The canonical block's hash at a height."""
        return self._ledger.canonical_hash(number) if number <= self.head else None

    def entries_after(self, position: Position) -> Iterator[Entry]:
        """Every step after a position that this chain has."""
        _, root = self._header_and_root(position.block_hash)
        patch = self._patch(position.number, present=position.root, header_root=root)
        if patch:
            yield self._checked(Entry(b"", patch), position.number)
        for number in range(position.number + 1, self.head + 1):
            block_hash = self._ledger.canonical_hash(number)
            body = None if block_hash is None else self._ledger.body(block_hash)
            if block_hash is None or body is None:
                raise CorruptionError(f"block {number} is missing", StorageProblem.RECORD_DAMAGED)
            header, root = self._header_and_root(block_hash)
            block = rlp.wrap_list(header + b"".join(rlp.split_list(body)))
            yield self._checked(Entry(block, self._patch(number, present=root, header_root=root)), number)

    def _header_and_root(self, block_hash: Hash32) -> tuple[bytes, Hash32]:
        """The encoded header, and the root of the state that it names."""
        header = self._ledger.header(block_hash)
        if header is None:
            raise CorruptionError(f"header {block_hash.hex()} is missing", StorageProblem.RECORD_DAMAGED)
        return header, Hash32(rlp.split_list(header)[_STATE_ROOT][1:])

    def _patch(self, number: int, *, present: Hash32, header_root: Hash32) -> bytes:
        """The change that leads from a state to the one that the next block stands on; empty for none."""
        root = self._ledger.working_root(number) or header_root
        return b"" if root == present else self._comparing.patch(number, present=present, root=root)

    def _checked(self, entry: Entry, number: int) -> Entry:
        if entry.size > self._largest_entry:
            raise _too_large(number, entry.size, self._largest_entry)
        return entry


class _Differences:
    """The newest encoded changes, which the next follower asks for as well. Used on any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._patches: OrderedDict[tuple[bytes, bytes], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, states: tuple[bytes, bytes]) -> bytes | None:
        """The change that leads from one root to another."""
        with self._lock:
            patch = self._patches.get(states)
            if patch is not None:
                self._patches.move_to_end(states)
            return patch

    def put(self, states: tuple[bytes, bytes], patch: bytes) -> None:
        """Keep a change, and drop those that were used longest ago."""
        with self._lock:
            self._bytes += len(patch) - len(self._patches.pop(states, b""))
            self._patches[states] = patch
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._patches.popitem(last=False)[1])


class _Comparing:
    """Comparisons of states for one request."""

    def __init__(
        self,
        view: Snapshot,
        states: StateStore,
        largest_entry: int,
        differences: _Differences,
        allowance: Allowance,
    ) -> None:
        self._view = view
        self._states = states
        self._largest_entry = largest_entry
        self._differences = differences
        self._allowance = allowance

    def patch(self, number: int, *, present: Hash32, root: Hash32) -> bytes:
        """The encoded change from one state to another. Raises RefusedError."""
        patch = self._differences.get((present, root))
        if patch is None:
            self._allowance.check()
            diff = StateDiff()
            try:
                self._compare(number, diff, present=present, root=root)
            finally:
                self._allowance.count(len(diff.accounts) + sum(map(len, diff.storage.values())))
            patch = Patch(root, diff).encode()
            self._differences.put((present, root), patch)
        return patch

    def _compare(self, number: int, diff: StateDiff, *, present: Hash32, root: Hash32) -> None:
        """Note the difference of two states after the same block."""
        states, view, size = self._states, self._view, 0
        first, last = (states.version_of(view, number, state) for state in (present, root))
        if first is None or last is None:
            raise CorruptionError(f"a state of block {number} is missing", StorageProblem.RECORD_DAMAGED)
        before, after = states.at(view, first, present), states.at(view, last, root)
        for address, slots in self._changed(number, first, last).items():
            change = self._change(before, after, address, slots, diff)
            size += _ACCOUNT_BYTES + _SLOT_BYTES * len(diff.storage.get(address, ()))
            size += 0 if change is None else len(diff.code.get(change.code_hash, b""))
            if size > self._largest_entry:
                raise _too_large(number, size, self._largest_entry)

    def _changed(self, number: int, first: Version, last: Version) -> dict[Address, set[int]]:
        """Accounts, with their slots, that were written between two states; some may be as they were."""
        most = self._largest_entry // _SLOT_BYTES
        changed: dict[Address, set[int]] = {}
        count = 0
        for keys in self._states.differences(first, last, self._view):
            for key in keys:
                address, is_slot = address_in(key), key.startswith(SLOT.prefix)
                slots = changed.setdefault(address, set())
                count += is_slot and slot_in(key) not in slots
                if is_slot:
                    slots.add(slot_in(key))
            if count > most:
                self._allowance.count(count)
                raise _too_large(number, count * _SLOT_BYTES, self._largest_entry)
        return changed

    def _change(
        self, before: StateReader, after: StateReader, address: Address, slots: set[int], diff: StateDiff
    ) -> AccountChange | None:
        old, new = before.account(address), after.account(address)
        if old == new:
            return None
        if new is None:
            diff.accounts[address] = None
            return None
        if new.code_hash not in (EMPTY_KECCAK if old is None else old.code_hash, EMPTY_KECCAK):
            diff.code[new.code_hash] = after.code(new.code_hash)
        values = {slot: after.storage(address, slot) for slot in slots}
        differing = {slot: value for slot, value in values.items() if before.storage(address, slot) != value}
        if differing:
            diff.storage[address] = differing
        diff.accounts[address] = change = AccountChange(new.nonce, new.balance, new.code_hash)
        return change


def _too_large(number: int, size: int, largest_entry: int) -> RefusedError:
    return RefusedError(
        f"block {number} with the changes after it has {size} bytes or more, and a message of the leader at most "
        f"{largest_entry + _ENVELOPE_BYTES}: raise --rpc-replica-message-bytes there and here"
    )
