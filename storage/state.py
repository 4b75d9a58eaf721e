"""The state: accounts, storage and code, latest by plain keys and every past one through its trie.

Accounts lie in a secure trie (keccak256(address) -> RLP account), storage in one more per account
(keccak256(slot) -> RLP integer). Nodes and code are found by their hash and never deleted, so every
root that was ever written stays readable. The flat records of the latest state save the walk.
Reads may come from any thread; `apply` and `rewind` belong to the one writer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zevm.storage import preimages, state_update, trie
from zevm.storage.account import EMPTY_ROOT, Account, StateDiff, StateReader, decode_account
from zevm.storage.cache import ByteCache
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.flat_state import Version, apply_flat, flat_root, forget_flat, last_patch, rewind_flat
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.rlp import decode, decode_int
from zevm.storage.schema import ACCOUNT, UNDO, code_key, end_of, node_key, range_of, slots_prefix
from zevm.storage.state_check import PROBLEM_LIMIT, StateCheck
from zevm.storage.state_readers import LatestReader, StateBase, TrieReader, UpdateReader
from zevm.storage.state_record import updates_after
from zevm.storage.state_update import StateUpdate, hashed, slot_hash
from zevm.storage.store import Batch, Reader, Snapshot
from zevm.storage.trie_difference import differing_keys

__all__ = ["AccountProof", "SlotProof", "StateBase", "StateStore", "StateUpdate", "Version"]


@dataclass(frozen=True, slots=True)
class SlotProof:
    """A storage slot, its value (0 where absent), and the storage trie's nodes from the root towards it."""

    slot: int
    value: int
    proof: list[bytes]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account (None where absent), the state trie's nodes towards it, and its slots (EIP-1186)."""

    account: Account | None
    proof: list[bytes]
    slots: list[SlotProof]


class StateStore:
    """The state's part of the database."""

    def __init__(
        self, store: Reader, *, node_cache_bytes: int = 8 * 1024 * 1024, code_cache_bytes: int = 8 * 1024 * 1024
    ) -> None:
        self._store = store
        self._nodes = ByteCache(node_cache_bytes)
        self._codes = ByteCache(code_cache_bytes)

    def root(self, view: Reader | None = None) -> bytes:
        """The root of the latest state, as the flat records say."""
        return flat_root(self._store if view is None else view)

    def holds(self, root: bytes) -> bool:
        """Whether the state with this root was written."""
        # Past the cache, which learns nodes at `apply`, before the batch is written.
        return root == EMPTY_ROOT or self._store.get(node_key(root)) is not None

    def latest(self, view: Snapshot, root: bytes) -> StateBase:
        """Read the latest state out of `view`. Raises CorruptionError when `view` is at another root."""
        _check_root(view, root)
        return LatestReader(view, root, self._code)

    def latest_after(self, view: Snapshot, previous: StateBase, update: StateUpdate) -> StateBase:
        """As `latest`, of the state that a written update has made of the one that `previous` reads.

        What `previous` has decoded need not be decoded again.
        """
        _check_root(view, update.root)
        if isinstance(previous, LatestReader):
            return previous.followed_by(update, view)
        return LatestReader(view, update.root, self._code)

    def at(self, root: bytes) -> StateBase:
        """Read any written state through its trie; reads raise MissingNodeError when it was never written."""
        return TrieReader(self._node, root, self._code)

    def prepare(self, base: bytes | StateUpdate, diff: StateDiff) -> StateUpdate:
        """The state that `diff` makes of the one at `base`, a root or an unwritten update. Writes nothing."""
        return state_update.prepare(self._node, base, diff)

    def reader_over(self, update: StateUpdate, base: StateReader | None = None) -> StateBase:
        """Read the state as after an unwritten update; `base` may be given where a faster reader is at hand."""
        if base is None:
            base = self.at(update.base) if isinstance(update.base, bytes) else self.reader_over(update.base)
        return UpdateReader(update, base)

    def apply(self, batch: Batch, update: StateUpdate, version: Version) -> None:
        """Put nodes, code, flat records and the way back into `batch`.

        The update must stand on the latest state, as it will be after what `batch` already holds:
        ValueError otherwise, or when the version is taken.
        """
        apply_flat(self._store, batch, update, version)
        self._put_nodes(batch, update)

    def forget(self, batch: Batch) -> None:
        """Put into `batch` the removal of the flat records: the latest state is the empty one then."""
        forget_flat(self._store, batch)

    def forget_history(self, batch: Batch) -> None:
        """Put into `batch` the removal of the ways back from the latest state, which stays."""
        for key, _ in self._store.iterate(*range_of(UNDO), fill_cache=False):
            batch.delete(key)

    def keep_nodes(self, batch: Batch, update: StateUpdate) -> None:
        """Put nodes, code and preimages alone into `batch`: the state is then read through its trie, not the latest."""
        self._put_nodes(batch, update)
        for flat_key in update.flat_keys():
            if self._store.get(flat_key) is None:
                preimages.put(batch, flat_key)

    def _put_nodes(self, batch: Batch, update: StateUpdate) -> None:
        batch.put_all([(node_key(node_hash), raw) for node_hash, raw in update.nodes.items()])
        self._nodes.put_all(update.nodes)
        for code_hash, code in update.code.items():
            batch.put(code_key(code_hash), code)

    def updates_after(self, number: int) -> Iterator[tuple[Version, StateUpdate]]:
        """The update of each state after block `number`, newest first, without nodes and code.

        Raises CorruptionError when a reverse difference is damaged.
        """
        return updates_after(self._store, number)

    def rewind(self, batch: Batch, to: Version) -> bytes:
        """Lead the flat state back to version `to`, forget later versions, and return the root reached.

        Raises CorruptionError when the recorded way back is broken.
        """
        return rewind_flat(self._store, batch, to)

    def last_patch(self, number: int) -> int:
        """The newest patch of a block; 0 if there is none."""
        return last_patch(self._store, number)

    def forget_cached(self) -> None:
        """Empty the caches, which may have learnt nodes and code of a batch that was not written."""
        self._nodes.clear()
        self._codes.clear()

    def accounts(self, view: Reader) -> Iterator[tuple[bytes, Account]]:
        """All accounts of the latest state, by address."""
        for key, record in view.iterate(*range_of(ACCOUNT)):
            yield key[1:], decode_account(record)

    def slots(self, view: Reader, address: bytes) -> Iterator[tuple[int, int]]:
        """All slots of an account in the latest state, ascending, with their values."""
        prefix = slots_prefix(address)
        for key, value in view.iterate(prefix, end_of(prefix)):
            yield int.from_bytes(key[len(prefix) :], "big"), int.from_bytes(value, "big")

    def accounts_at(self, root: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Account]]:
        """All accounts of any state, by keccak256(address), from `start` on."""
        for key, record in trie.iterate(self._node, root, start):
            yield key, decode_account(record)

    def slots_at(self, storage_root: bytes, start: bytes = b"") -> Iterator[tuple[bytes, int]]:
        """All slots of a storage trie, by keccak256(slot), from `start` on, with their values."""
        for key, value in trie.iterate(self._node, storage_root, start):
            yield key, decode_int(decode(value))

    def differing_accounts(self, one: bytes, other: bytes) -> Iterator[bytes]:
        """keccak256(address) of each account that two states do not have alike, ascending."""
        return differing_keys(self._node, one, other)

    def differing_slots(self, one: bytes, other: bytes) -> Iterator[bytes]:
        """keccak256(slot) of each slot that two storage tries do not have alike, by their roots, ascending."""
        return differing_keys(self._node, one, other)

    def prove_account(
        self,
        base: bytes | StateUpdate,
        address: bytes,
        slots: list[int],
        check: Callable[[], None] = lambda: None,
    ) -> AccountProof:
        """Proofs of an account and of its slots in any written state (its root), or as after an unwritten update.

        check: called before each slot; what it raises ends the work.
        """
        root = base if isinstance(base, bytes) else base.root
        nodes = state_update.nodes_over(self._node, base)
        record, account_proof = trie.get_with_proof(nodes, root, hashed(address))
        account = None if record is None else decode_account(record)
        storage_root = EMPTY_ROOT if account is None else account.storage_root
        proofs = []
        for slot in slots:
            check()
            value, proof = trie.get_with_proof(nodes, storage_root, slot_hash(slot))
            proofs.append(SlotProof(slot, 0 if value is None else decode_int(decode(value)), proof))
        return AccountProof(account, account_proof, proofs)

    def verify(self, root: bytes, view: Reader | None = None, limit: int = PROBLEM_LIMIT) -> list[str]:
        """Check a whole state past all caches: every node and code against its hash.

        With `view`, also that the flat records there are exactly this state. Returns what is wrong,
        each in one line that names it, at most `limit` of them; [] for a sound state. Takes memory
        in proportion to the number of accounts, and to the slots of the largest one.
        """
        return StateCheck(self._store if view is None else view, root, limit).run(compare_flat=view is not None)

    def preimage(self, trie_key: bytes) -> bytes | None:
        """The address (20 bytes) or slot (32 bytes) with this hash, None where no state ever had it."""
        return preimages.find(self._store, trie_key)

    def node(self, node_hash: bytes) -> bytes | None:
        """A written trie node by its hash, or None."""
        return self._node(node_hash)

    def code(self, code_hash: bytes) -> bytes:
        """Written code by its hash. Raises CorruptionError where it is missing."""
        return self._code(code_hash)

    def _node(self, node_hash: bytes) -> bytes | None:
        raw = self._nodes.get(node_hash)
        if raw is None:
            raw = self._store.get(node_key(node_hash))
            if raw is not None:
                self._nodes.put(node_hash, raw)
        return raw

    def _code(self, code_hash: bytes) -> bytes:
        if code_hash == EMPTY_KECCAK:
            return b""
        code = self._codes.get(code_hash)
        if code is None:
            code = self._store.get(code_key(code_hash))
            if code is None:
                raise CorruptionError(f"code {code_hash.hex()} is missing", StorageProblem.RECORD_DAMAGED)
            self._codes.put(code_hash, code)
        return code


def _check_root(view: Reader, root: bytes) -> None:
    held = flat_root(view)
    if held != root:
        raise CorruptionError(
            f"latest state has root {held.hex()}, expected {root.hex()}", StorageProblem.RECORD_DAMAGED
        )
