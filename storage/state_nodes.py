"""The nodes of states: under their paths, written behind the blocks; or under their hashes, for good.

Nodes are derived data. What is in memory alone is made again, after a crash, from the flat state and the reverse
differences since the version that META's NODES names.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple, Protocol

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.cache import ByteCache
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.keccak import keccak256
from zevm.storage.memory import MemoryStore
from zevm.storage.node_changes import NodeChanges, node_changes
from zevm.storage.node_removal import NODES_KEY
from zevm.storage.primitives import Hash32, TrieKey
from zevm.storage.rebuilt_states import RebuiltStates
from zevm.storage.schema import (
    HASH_SIZE,
    NODE,
    SLOT_NODE,
    STATE_NODE,
    VERSION_SIZE,
    Version,
    node_key,
    path_key,
    range_of,
)
from zevm.storage.state_update import NodesOf
from zevm.storage.store import Batch, Reader

_NODE_OVERHEAD_BYTES = 200
_NEAR_BYTES = 512 * 1024
"""More than the nodes that a short block makes."""


class NodeLimits(NamedTuple):
    """Bounds of the nodes in memory.

    states: number of newest states of which every node is at hand, unless they take more than `bytes`; None keeps the
    nodes of every state on the disk.
    entries, blocks: nodes of the newest state are written once this number of them waits, or of blocks has passed. A
    start after a crash goes over the differences of that number of blocks.
    rebuild_seconds, rebuild_values: time that the nodes of an older state may take to be made again, and most accounts
    and slots that may have changed since. rebuild_differences: more states than this are gone back over by the index.
    """

    states: int | None = 1024
    bytes: int = 16 * 1024 * 1024
    entries: int = 65_536
    blocks: int = 8_192
    rebuild_seconds: float = 5
    rebuild_values: int = 250_000
    rebuild_differences: int = 4096


class Written(NamedTuple):
    """The state whose nodes the store holds."""

    version: Version
    root: Hash32

    def encode(self) -> bytes:
        """44 bytes: number, patch, root."""
        return self.version.encode() + self.root

    @classmethod
    def read(cls, reader: Reader) -> "Written | None":
        """The store's record; None where it holds no nodes. Raises CorruptionError."""
        data = reader.get(NODES_KEY)
        if data is None:
            return None
        if len(data) != VERSION_SIZE + HASH_SIZE:
            raise CorruptionError("the record of the written trie nodes is damaged", StorageProblem.RECORD_DAMAGED)
        return cls(Version.decode(data[:VERSION_SIZE]), Hash32(data[VERSION_SIZE:]))


class StateNodes(Protocol):
    """The nodes of written states."""

    def of(self, owner: TrieKey) -> trie.Nodes:
        """The nodes of the state trie (STATE_TRIE) or of the storage trie of one of its keys."""
        ...

    @property
    def known(self) -> Sequence[dict[bytes, bytes]]:
        """Nodes by hash that `of` looks at first in any trie, for who can look there without it."""
        ...

    def holds(self, root: Hash32) -> bool:
        """Whether all nodes of the state with this root are at hand."""
        ...

    def add(self, batch: Batch, nodes: dict[bytes, bytes]) -> None:
        """Take the new nodes of a state that `batch` writes."""
        ...

    def age(self, root: Hash32) -> int | None:
        """When the nodes of a state were taken, counted for `remember`; None where they are not at hand."""
        ...

    def remember(self, root: Hash32, nodes: dict[bytes, bytes], base: Hash32, age: int) -> None:
        """Take the nodes of a past state that were made out of those of another, which was of that age before.

        Any thread may call.
        """
        ...

    def renew(self, batch: Batch, root: Hash32) -> None:
        """Keep the nodes of a state, on which a new one stands that `batch` writes, as long as those of that."""
        ...

    def past_caches(self, reader: Reader) -> NodesOf:
        """The bytes that `reader` holds where a node should be; what is in memory alone comes from there."""
        ...

    def clear(self) -> None:
        """Empty the caches."""
        ...


Beneath = Callable[[TrieKey, str, bytes], bytes | None]


class HashNodes:
    """Every node of every state, under its hash: any state that was ever written can be proved.

    Others are made again where not every state's nodes were kept from the beginning.
    beneath: the nodes of the chain that this one is a fork of, by the key of their trie, path and hash.
    """

    def __init__(self, store: Reader, cache_bytes: int, beneath: Beneath | None = None) -> None:
        self._store = store
        self._beneath = beneath
        self._cache = ByteCache(cache_bytes)
        self._rebuilt = RebuiltStates()
        self._batch: Batch | None = None
        self._unwritten: dict[bytes, bytes] = {}
        """Nodes in the newest batch: until it is written they may have left the cache."""

    def of(self, owner: TrieKey) -> trie.Nodes:
        """The nodes, by their hash."""
        beneath = self._beneath
        if beneath is None:
            return self._find
        return lambda path, node_hash: self._find(path, node_hash) or beneath(owner, path, node_hash)

    @property
    def known(self) -> Sequence[dict[bytes, bytes]]:
        """None: a cache drops what was not looked for."""
        return ()

    def holds(self, root: Hash32) -> bool:
        """Whether the root's node was written, or the state was made again lately."""
        # past the cache, which learns nodes before the batch is written
        return self._store.get(node_key(root)) is not None or root in self._rebuilt

    def age(self, root: Hash32) -> int | None:
        """The same for all."""
        return 0 if root == EMPTY_ROOT or self.holds(root) else None

    def add(self, batch: Batch, nodes: dict[bytes, bytes]) -> None:
        """Put the nodes into `batch`."""
        batch.put_all([(node_key(node_hash), raw) for node_hash, raw in nodes.items()])
        self._cache.put_all(nodes)
        if batch is not self._batch:
            self._batch, self._unwritten = batch, {}
        self._unwritten.update(nodes)

    def remember(self, root: Hash32, nodes: dict[bytes, bytes], base: Hash32, age: int) -> None:
        """Keep them in memory, a few states at a time."""
        self._rebuilt.add(root, self._rebuilt.nodes(base) | nodes, age)

    def renew(self, batch: Batch, root: Hash32) -> None:
        """Put them into `batch` where they are in memory alone."""
        self.add(batch, self._rebuilt.nodes(root))

    def past_caches(self, reader: Reader) -> NodesOf:
        """The bytes that `reader` holds under a hash."""
        return lambda _owner: lambda _path, node_hash: reader.get(node_key(node_hash))

    def clear(self) -> None:
        """Forget nodes of a batch that was not written."""
        self._batch, self._unwritten = None, {}
        self._cache.clear()

    def _find(self, _path: str, node_hash: bytes) -> bytes | None:
        raw = self._cache.get(node_hash)
        if raw is None:
            raw = self._store.get(node_key(node_hash))
            if raw is None:
                return self._unwritten.get(node_hash) or self._rebuilt.find(node_hash)
            self._cache.put(node_hash, raw)
        return raw


class PathNodes:
    """The nodes of the newest states, in memory and under their paths.

    In memory: those of the states since the turn before last, by hash; what leads from the written state to that of
    the last turn, by path; and the nodes written last, so that blocks that change the same nodes again ask no file.
    Only the writer turns, and only to a state that is durable.
    """

    def __init__(self, store: Reader, cache_bytes: int, limits: NodeLimits) -> None:
        self._store = store
        self._cache = ByteCache(cache_bytes)
        self._limits = limits
        self._lock = Lock()
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._rebuilt = RebuiltStates()
        self._young_bytes = 0
        self._young_states = 0
        self._old_bytes = 0
        self._turns = 0
        self._waiting: dict[bytes, bytes | None] = {}
        self._settled: dict[bytes, bytes | None] = {}
        self._keeps_settled = not isinstance(store, MemoryStore)
        written = Written.read(store)
        self._written = written or Written(Version(0), EMPTY_ROOT)
        self._turned_root = self._written.root

    @property
    def written(self) -> Written:
        """The state whose nodes the store holds."""
        return self._written

    def of(self, owner: TrieKey) -> trie.Nodes:
        """The nodes of a trie, by path and hash."""

        def find(path: str, node_hash: bytes) -> bytes | None:
            raw = self._young.get(node_hash) or self._old.get(node_hash) or self._cache.get(node_hash)
            return raw or self._find(path_key(owner, path), node_hash) or self._find_late(node_hash)

        return find

    @property
    def known(self) -> Sequence[dict[bytes, bytes]]:
        """Those of the newest states."""
        return self._young, self._old

    def holds(self, root: Hash32) -> bool:
        """Whether the state is one of the newest, or was made again lately."""
        return self.age(root) is not None

    def age(self, root: Hash32) -> int | None:
        """The number of turns before its nodes were taken; they go at the second turn after it."""
        turns = self._turns
        if root == self._turned_root or root in self._young or root == EMPTY_ROOT:
            return turns
        return turns - 1 if root in self._old else self._rebuilt.age(root)

    def add(self, batch: Batch, nodes: dict[bytes, bytes]) -> None:  # noqa: ARG002  they are written later
        """Keep the new nodes of a state."""
        with self._lock:
            self._young.update(nodes)
            self._young_bytes += sum(map(len, nodes.values())) + len(nodes) * _NODE_OVERHEAD_BYTES
            self._young_states += 1

    def remember(self, root: Hash32, nodes: dict[bytes, bytes], base: Hash32, age: int) -> None:
        """Keep them as long as what they share with newer states, and a few states at a time.

        Not where that has gone meanwhile.
        """
        with self._lock:
            if age >= self._turns - 1:
                self._rebuilt.add(root, self._rebuilt.nodes(base) | nodes, age)

    def renew(self, batch: Batch, root: Hash32) -> None:
        """Keep the nodes of a state as long as new ones."""
        if root == self._turned_root or root in self._young:
            return
        if self.age(root) != self._turns:
            # of the states before it too: nothing tells whose a node is
            with self._lock:
                self._young = self._old | self._young
                self._young_bytes += self._old_bytes
                self._young_states += self._limits.states or 0
        if root not in self._young:
            self.add(batch, self._rebuilt.nodes(root))

    def past_caches(self, reader: Reader) -> NodesOf:
        """The bytes that `reader` holds under a path, where nothing waits to be written there."""

        def of(owner: TrieKey) -> trie.Nodes:
            def find(path: str, node_hash: bytes) -> bytes | None:
                raw = self._young.get(node_hash) or self._old.get(node_hash)
                key = path_key(owner, path)
                return raw or self._waiting.get(key) or reader.get(key)

            return find

        return of

    def clear(self) -> None:
        """Nothing to forget: nodes are found by their hash, and a node that no state leads to does no harm."""

    @property
    def is_turn_near(self) -> bool:
        """Whether a turn may follow the next state."""
        states = self._limits.states or 0
        return self._young_states + 1 >= states or self._young_bytes + _NEAR_BYTES >= self._limits.bytes

    def turn(self, version: Version, root: Hash32) -> Batch | None:
        """After the state at `version` became durable: free memory, and give what to write if it is time for that."""
        assert self._limits.states is not None
        full = self._young_states >= self._limits.states or self._young_bytes >= self._limits.bytes
        if not full:
            return None
        self._take(node_changes(self.of, old_root=self._turned_root, new_root=root, known=self.known), root)
        blocks = version.number - self._written.version.number
        if len(self._waiting) < self._limits.entries and blocks < self._limits.blocks:
            return None
        return self.batch_of_waiting(version)

    def batch_of_waiting(self, version: Version) -> Batch:
        """The way from the written state to that of the last turn, which is the one at `version`."""
        batch = Batch()
        batch.operations += self._waiting.items()
        batch.put(NODES_KEY, Written(version, self._turned_root).encode())
        return batch

    def wrote(self, version: Version) -> None:
        """The batch of `batch_of_waiting` has been written."""
        self._written = Written(version, self._turned_root)
        if self._keeps_settled:
            self._settled = self._waiting
        self._waiting = {}

    def put_all(self, batch: Batch, version: Version, root: Hash32) -> NodeChanges:
        """Put the nodes into `batch` that make the state at `version` the written one; `took` follows the write."""
        changes = node_changes(self.of, old_root=self._turned_root, new_root=root, known=self.known)
        batch.operations += (self._waiting | changes.entries).items()
        batch.put(NODES_KEY, Written(version, root).encode())
        return changes

    def took(self, changes: NodeChanges, version: Version, root: Hash32) -> None:
        """The batch of `put_all` has been written."""
        self._take(changes, root)
        self.wrote(version)

    def begin(self, written: Written) -> None:
        """Start from what the store holds now, and nothing else."""
        self._young, self._old, self._waiting, self._settled = {}, {}, {}, {}
        self._young_bytes = self._young_states = self._old_bytes = 0
        self._written, self._turned_root = written, written.root
        self._rebuilt = RebuiltStates()
        self._cache.clear()

    def _take(self, changes: NodeChanges, root: Hash32) -> None:
        with self._lock:
            # in an order that leaves every node of the newest states to be found, since readers look while this runs
            self._old, self._old_bytes = self._young | changes.removed, self._young_bytes
            self._waiting = self._waiting | changes.entries
            self._turned_root = root
            self._young, self._young_bytes, self._young_states = {}, 0, 0
            self._turns += 1
            self._rebuilt.forget_before(self._turns - 1)

    def _find(self, key: bytes, node_hash: bytes) -> bytes | None:
        for look_up in (self._waiting.get, self._settled.get, self._store.get):
            raw = look_up(key)
            if raw is not None and keccak256(raw) == node_hash:
                self._cache.put(node_hash, raw)
                return raw
        return None

    def _find_late(self, node_hash: bytes) -> bytes | None:
        """A node that a turn took from its path since it was looked for, or one that was made again."""
        return self._old.get(node_hash) or self._young.get(node_hash) or self._rebuilt.find(node_hash)


def forget_nodes(reader: Reader, batch: Batch) -> None:
    """Put into `batch` the removal of every node."""
    for family in (NODE, STATE_NODE, SLOT_NODE):
        for key, _ in reader.iterate(*range_of(family), fill_cache=False):
            batch.delete(key)
    batch.delete(NODES_KEY)
