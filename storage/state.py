"""The state: accounts, storage and code, latest by plain keys and every past one by what changed since.

Accounts lie in a secure trie (keccak256(address) -> RLP account), storage in one more per account
(keccak256(slot) -> RLP integer). The latest state lies in flat records, from which reverse differences
lead back; an index says which of them changed an account or slot, so that every past value is one
look-up away (storage.history). Trie nodes are derived from that, and written behind (storage.state_nodes).
Reads may come from any thread; `apply` and `rewind` belong to the one writer.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from zevm.storage import node_removal, preimages, state_update, trie
from zevm.storage.account import EMPTY_ACCOUNT, EMPTY_ROOT, Account, StateDiff, StateReader, decode_account
from zevm.storage.adoption import Earlier, put_adopted
from zevm.storage.cache import ByteCache
from zevm.storage.errors import CorruptionError, MissingNodeError, OriginError, StorageProblem
from zevm.storage.flat_state import (
    BatchView,
    FlatOperations,
    flat_arguments,
    flat_records,
    flat_root,
    forget_flat,
    last_patch,
    operations_of_flat,
    put_flat,
    put_root,
    rewind_flat,
)
from zevm.storage.history import BEFORE_ALL, LatestVersion, changes_between, forget_differences, roots_of
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.origin import Origin, OriginSnapshot, attach_again, check_proved, put_detached
from zevm.storage.origin_update import prepare_on_origin
from zevm.storage.primitives import FIRST_KEY, STATE_TRIE, Hash32, TrieKey
from zevm.storage.rebuilding import RebuildLimit, checked, rebuild, values_before, values_since
from zevm.storage.rlp import decode, decode_int
from zevm.storage.schema import ACCOUNT, Version, code_key, end_of, node_key, range_of, slots_prefix
from zevm.storage.state_check import PROBLEM_LIMIT, StateCheck
from zevm.storage.state_nodes import (
    HashNodes,
    NodeLimits,
    PathNodes,
    StateNodes,
    Written,
    forget_nodes,
)
from zevm.storage.state_proofs import AccountProof, prove_account
from zevm.storage.state_readers import (
    BaseReader,
    HistoryReader,
    LatestReader,
    OverOrigin,
    StateBase,
    TrieReader,
    UpdateReader,
)
from zevm.storage.state_record import updates_after
from zevm.storage.state_update import NodesOf, StateUpdate, TrieGround
from zevm.storage.store import Batch, Reader, Snapshot

__all__ = ["StateBase", "StateStore", "StateUpdate", "Version"]


class StateStore:
    """The state's part of the database."""

    def __init__(
        self,
        store: Reader,
        *,
        limits: NodeLimits | None = None,
        origin: Origin | None = None,
        node_cache_bytes: int = 8 * 1024 * 1024,
        code_cache_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._store = store
        # nothing lists the nodes beneath a fork, as writing them by path would ask for
        self._limits = NodeLimits(states=None) if origin is not None else limits or NodeLimits()
        self._origin = origin
        self._paths = None if self._limits.states is None else PathNodes(store, node_cache_bytes, self._limits)
        beneath = None if origin is None else origin.node
        self._nodes: StateNodes = self._paths or HashNodes(store, node_cache_bytes, beneath)
        self._codes = ByteCache(code_cache_bytes)
        self._rebuilding = Lock()
        self._latest = LatestVersion(store)

    @property
    def nodes(self) -> NodesOf:
        """The trie nodes at hand."""
        return self._nodes.of

    def root(self, view: Reader | None = None) -> Hash32:
        """The root of the latest state, as the flat records say."""
        return flat_root(self._store if view is None else view)

    def holds(self, root: Hash32) -> bool:
        """Whether the trie nodes of the state with this root are at hand."""
        return root == EMPTY_ROOT or self._nodes.holds(root)

    def latest(self, view: Snapshot, root: Hash32) -> StateBase:
        """Read the latest state out of `view`. Raises CorruptionError when `view` is at another root."""
        _check_root(view, root)
        return self._marked(LatestReader(view, root, self._code))

    def latest_after(self, view: Snapshot, previous: StateBase, update: StateUpdate) -> StateBase:
        """As `latest`, of the state that a written update has made of the one that `previous` reads.

        What `previous` has decoded need not be decoded again.
        """
        _check_root(view, update.root)
        if isinstance(previous, OverOrigin):
            previous = previous.inner
        if isinstance(previous, LatestReader):
            return self._marked(previous.followed_by(update, view))
        return self._marked(LatestReader(view, update.root, self._code))

    def at(self, view: Snapshot, version: Version, root: Hash32) -> StateBase:
        """Read the state after a version, whose root is `root`, out of `view`, which is at a later one."""
        return self._marked(
            HistoryReader(
                view.as_of(version) if isinstance(view, OriginSnapshot) else view,
                version,
                root,
                self._code,
                self.provide,
            )
        )

    def before_fork(self, number: int, root: Hash32) -> StateBase:
        """Read the state after a block of the chain that this one is a fork of."""
        assert self._origin is not None
        return self._marked(BaseReader(self._origin.state(number, root)))

    def _marked(self, reader: StateBase) -> StateBase:
        return reader if self._origin is None else OverOrigin(reader)

    def begin_at(self, batch: Batch, root: Hash32) -> None:
        """Put into `batch` that the latest state is the forked one, of which an account has been read."""
        put_root(batch, root)
        if root != EMPTY_ROOT:
            batch.put(node_key(root), trie.node_at(self.nodes(STATE_TRIE), "", root))

    def by_trie(self, root: Hash32) -> StateBase:
        """Read a state through its trie nodes; reads raise MissingNodeError where they are not at hand."""
        check_proved(self._origin)
        return TrieReader(self._nodes.of, root, self._code)

    def provide(self, view: Reader, version: Version, root: Hash32) -> None:
        """See to it that the nodes of the state after `version`, as `view` shows it, are at hand.

        Raises CorruptionError when the differences since then do not lead back to `root`, NodesNotKeptError when there
        are too many of them.
        """
        if self.holds(root):
            return
        limits = self._limits
        limit = RebuildLimit(limits.rebuild_seconds, limits.rebuild_values, limits.rebuild_differences, version)
        # one at a time: each takes memory, and none is quicker beside another
        with limit.turn(self._rebuilding):
            if not self.holds(root):
                self._make_again(view, version, root, limit)

    def _make_again(self, view: Reader, version: Version, root: Hash32, limit: RebuildLimit) -> None:
        base = flat_root(view)
        age = self._nodes.age(base)
        if age is None:
            raise limit.passed_by()
        try:
            rebuilt = rebuild(self.nodes, base, values_before(view, version, limit), limit)
        except MissingNodeError:
            if self._nodes.age(base) is None:
                raise limit.passed_by() from None
            raise
        self._nodes.remember(root, checked(rebuilt, root), base, age)
        if not self.holds(root):
            raise limit.passed_by()

    def recover(self, version: Version, root: Hash32) -> Batch | None:
        """Make the nodes of the latest state, which is at `version`, that were not written before the last stop.

        `stray_nodes` are removed before; what it gives is to be written. Raises CorruptionError when they do not lead
        to `root`.
        """
        if self._paths is None:
            return self._recover_all(root)
        if self.holds(root):
            return None
        written = Written.read(self._store)
        if written is not None and written.version > version:
            written = None
        self._paths.begin(written or Written(Version(0), EMPTY_ROOT))
        if written is None:
            rebuilt = rebuild(self.nodes, EMPTY_ROOT, flat_records(self._store))
        else:
            since = values_since(self._store, written.version)
            rebuilt = rebuild(self.nodes, written.root, since.values, whole=since.whole)
        self._paths.add(Batch(), checked(rebuilt, root))
        return None

    def _recover_all(self, root: Hash32) -> Batch | None:
        """The nodes of the latest state, for a chain that keeps every node from here on, and did not before."""
        batch = Batch()
        if not self.holds(root):
            self._nodes.add(batch, checked(rebuild(self.nodes, EMPTY_ROOT, flat_records(self._store)), root))
        return batch if batch.operations else None

    def put_last_nodes(self, batch: Batch, version: Version, root: Hash32) -> Callable[[], None] | None:
        """Put into `batch` the nodes of the latest state that were not written; None where there are none.

        Call the result once the batch is written.
        """
        paths = self._paths
        if paths is None or paths.written.root == root:
            return None
        changes = paths.put_all(batch, version, root)
        return lambda: paths.took(changes, version, root)

    @property
    def is_settling_near(self) -> bool:
        """Whether `settle` may have long work after the next state."""
        return self._paths is not None and self._paths.is_turn_near

    def settle(self, version: Version, root: Hash32) -> Batch | None:
        """After the latest state became durable: what to write behind it now, if anything; then call `settled`."""
        return None if self._paths is None else self._paths.turn(version, root)

    def settled(self, version: Version) -> None:
        """The batch that `settle` gave has been written."""
        if self._paths is not None:
            self._paths.wrote(version)

    def prepare(self, base: Hash32 | StateUpdate, diff: StateDiff) -> StateUpdate:
        """The state that `diff` makes of the one at `base`, a root or an unwritten update. Writes nothing."""
        if self._origin is None:
            return state_update.prepare(self.nodes, base, diff, known=self._nodes.known)
        return prepare_on_origin(self._origin, self._store, self.nodes, base, diff)

    def ground(self, base: Hash32 | StateUpdate) -> TrieGround | None:
        """The trie nodes of the state at `base`, for who makes the next one; None where `prepare` alone can."""
        is_alone = self._origin is None
        return state_update.ground_of(self.nodes, base, self._nodes.known) if is_alone else None

    def reader_over(self, update: StateUpdate, base: StateReader | None = None) -> StateBase:
        """Read the state as after an unwritten update; `base` may be given where a faster reader is at hand."""
        if base is None:
            base = self.by_trie(update.base) if isinstance(update.base, bytes) else self.reader_over(update.base)
        return UpdateReader(update, base)

    def apply(
        self, batch: Batch, update: StateUpdate, version: Version, operations: FlatOperations = operations_of_flat
    ) -> None:
        """Put nodes, code, flat records and the way back into `batch`. operations: makes those of the last two.

        The update must stand on the latest state, as it will be after what `batch` already holds:
        ValueError otherwise, or when the version is taken.
        """
        is_free = self._latest.passed_by(version)
        batch.operations += operations(flat_arguments(self._store, batch, update, version, is_free=is_free))
        if self._origin is not None:
            put_detached(batch, update.wiped, version)
        self._put_nodes(batch, update)

    def apply_alone(self, batch: Batch, update: StateUpdate, version: Version) -> Callable[[], None]:
        """Put nodes, code and flat records into `batch`, and no way back. Raises ValueError as `apply`.

        Call the result once the batch is written.
        """
        put_flat(BatchView(self._store, batch), batch, update)
        self._put_nodes(batch, update)
        return self.put_last_nodes(batch, version, update.root) or (lambda: None)

    def forget(self, batch: Batch) -> None:
        """Put into `batch` the removal of the latest state, which is the empty one then; `begin` follows the write."""
        forget_flat(self._store, batch)
        if self._paths is not None:
            forget_nodes(self._store, batch)

    def begin(self) -> None:
        """Know no nodes but those that the store holds."""
        if self._paths is not None:
            self._paths.begin(Written.read(self._store) or Written(Version(0), EMPTY_ROOT))

    def forget_history(self, batch: Batch) -> None:
        """Put into `batch` the removal of the ways back from the latest state, which stays."""
        forget_differences(self._store, batch)

    def adopt(self, batch: Batch, update: StateUpdate, version: Version, earlier: Earlier) -> Callable[[], None]:
        """Put the latest state into `batch`, with another history before it; see `put_adopted`.

        Call the result once the batch is written.
        """
        self._latest.passed_by(version)
        put_adopted(self._store, batch, update, version, earlier)
        if self._origin is not None:
            put_detached(batch, update.wiped, version)
        self._put_nodes(batch, update)
        return self.put_nodes_behind(batch, BEFORE_ALL, version, update.root)

    def keep(self, batch: Batch, update: StateUpdate) -> None:
        """Take nodes, code and preimages alone of a state that is not the latest one."""
        self._put_nodes(batch, update)
        for flat_key in update.flat_keys():
            if self._store.get(flat_key) is None:
                preimages.put(batch, flat_key)

    def _put_nodes(self, batch: Batch, update: StateUpdate) -> None:
        nodes = update.nodes
        self._nodes.renew(batch, update.base_root)
        if not nodes and update.root != update.base_root:
            nodes = state_update.with_nodes(self.nodes, update).nodes
        self._nodes.add(batch, nodes)
        for code_hash, code in update.code.items():
            batch.put(code_key(code_hash), code)

    def updates_after(self, number: int) -> Iterator[tuple[Version, StateUpdate]]:
        """The update of each state after block `number`, newest first, without nodes and code.

        Raises CorruptionError when a reverse difference is damaged.
        """
        return updates_after(self._store, number)

    def rewind(self, batch: Batch, to: Version) -> Hash32:
        """Lead the state back to version `to`, forget later versions, and return the root reached.

        Raises CorruptionError when the recorded way back is broken.
        """
        way = rewind_flat(self._store, batch, to)
        if self._origin is not None:
            attach_again(self._store, batch, to)
        if self.holds(way.root):
            self._nodes.renew(batch, way.root)
        else:
            self._nodes.add(batch, checked(rebuild(self.nodes, way.start, way.records), way.root))
        return way.root

    def rewind_records(self, batch: Batch, to: Version) -> Hash32:
        """As `rewind`, without nodes: no state is made on this one before it is recovered."""
        return rewind_flat(self._store, batch, to).root

    def nodes_beyond(self, version: Version) -> Iterator[node_removal.Step]:
        """The removal of all nodes under their paths, where they are of a state after `version`."""
        written = Written.read(self._store)
        if written is not None and written.version > version:
            yield from node_removal.path_nodes(self._store)

    def stray_nodes(self) -> Iterator[node_removal.Step]:
        """The removal of nodes that `recover` must not find, or need not; it comes before `recover`.

        Those under their paths where all are kept under their hashes, or where no record says of which state they are;
        those under their hashes where they are to be kept, and have begun to go.
        """
        if self._paths is None or Written.read(self._store) is None:
            yield from node_removal.path_nodes(self._store)
        if self._paths is None and node_removal.is_marked(self._store):
            yield from node_removal.hashed_nodes(self._store)
            yield node_removal.Step(node_removal.unmarked(), 0)

    @property
    def has_unneeded_nodes(self) -> bool:
        """Whether nodes lie under their hashes, from a time when all were kept so, and no longer are."""
        return self._paths is not None and node_removal.has_hashed_nodes(self._store)

    def unneeded_nodes(self) -> Iterator[node_removal.Step]:
        """Their removal; once it and what else it frees is written, `node_removal.unmarked` follows."""
        yield from node_removal.hashed_nodes(self._store)

    def provide_updates(self, updates: Sequence[StateUpdate]) -> None:
        """See to it that the nodes of the last of them are at hand. Each stands on the one before, the first on a state
        whose nodes are.
        """
        base, age = updates[0].base_root, self._nodes.age(updates[0].base_root)
        fresh: dict[bytes, bytes] = {}
        for update in updates:
            fresh |= state_update.with_nodes(state_update.over(self.nodes, [fresh]), update).nodes
        if age is not None:
            self._nodes.remember(updates[-1].root, fresh, base, age)

    def put_nodes_behind(self, batch: Batch, reached: Version, version: Version, root: Hash32) -> Callable[[], None]:
        """Put the nodes into `batch` where it takes the way back from the written ones: it goes back to `reached`.

        version, root: of the latest state after the batch. Call the result once the batch is written.
        """
        paths = self._paths
        if paths is None or reached >= paths.written.version:
            return lambda: None
        changes = paths.put_all(batch, version, root)
        return lambda: paths.took(changes, version, root)

    def last_patch(self, number: int) -> int:
        """The newest patch of a block; 0 if there is none."""
        return last_patch(self._store, number)

    def forget_cached(self) -> None:
        """Empty the caches, which may have learnt nodes and code of a batch that was not written."""
        self._nodes.clear()
        self._codes.clear()

    def accounts(self, view: Reader) -> Iterator[tuple[bytes, Account]]:
        """All accounts of the latest state, by address; of a fork its changed ones, empty where it has removed them."""
        for key, record in view.iterate(*range_of(ACCOUNT)):
            yield key[1:], decode_account(record) if record else EMPTY_ACCOUNT

    def slots(self, view: Reader, address: bytes) -> Iterator[tuple[int, int]]:
        """All slots of an account in the latest state, ascending, with their values."""
        prefix = slots_prefix(address)
        for key, value in view.iterate(prefix, end_of(prefix)):
            yield int.from_bytes(key[len(prefix) :], "big"), int.from_bytes(value, "big")

    def accounts_at(self, root: Hash32, start: TrieKey = FIRST_KEY) -> Iterator[tuple[TrieKey, Account]]:
        """All accounts of a state whose nodes are at hand, by keccak256(address), from `start` on."""
        with self._listing():
            for key, record in trie.iterate(self.nodes(STATE_TRIE), root, start):
                yield key, decode_account(record)

    def slots_at(
        self, owner: TrieKey, storage_root: Hash32, start: TrieKey = FIRST_KEY
    ) -> Iterator[tuple[TrieKey, int]]:
        """All slots of the account with key `owner`, by keccak256(slot), from `start` on, with their values."""
        with self._listing():
            for key, value in trie.iterate(self.nodes(owner), storage_root, start):
                yield key, decode_int(decode(value))

    @contextmanager
    def _listing(self) -> Iterator[None]:
        """Raise OriginError where a list comes to what was never read of the origin."""
        check_proved(self._origin)
        try:
            yield
        except MissingNodeError:
            if self._origin is None:
                raise
            raise OriginError(
                "the accounts and slots of a forked chain cannot be listed: a proof leads to one of them alone"
            ) from None

    def version_of(self, view: Reader, number: int, root: Hash32) -> Version | None:
        """The version after block `number` whose state has this root; None where there is none."""
        for version, after in roots_of(view, number):
            if after == root:
                return version
        return None

    def differences(self, after: Version, upto: Version, view: Reader | None = None) -> Iterator[list[bytes]]:
        """The flat keys that each version after one, up to another, changed, the oldest first."""
        for _, fields in changes_between(self._store if view is None else view, after, upto):
            yield fields[::2]

    def prove_account(
        self,
        base: Hash32 | StateUpdate,
        address: bytes,
        slots: list[int],
        check: Callable[[], None] = lambda: None,
    ) -> AccountProof:
        """Proofs of an account and of its slots in any written state (its root), or as after an unwritten update.

        check: called before each slot; what it raises ends the work.
        """
        check_proved(self._origin)
        return prove_account(self.nodes, base, address, slots, check)

    def verify(self, root: Hash32, view: Reader | None = None, limit: int = PROBLEM_LIMIT) -> list[str]:
        """Check a whole state past all caches: every node and code against its hash.

        With `view`, also that the flat records there are exactly this state. Returns what is wrong,
        each in one line that names it, at most `limit` of them; [] for a sound state. Takes memory
        in proportion to the number of accounts, and to the slots of the largest one.
        """
        reader = self._store if view is None else view
        return StateCheck(reader, self._nodes.past_caches(reader), root, limit).run(compare_flat=view is not None)

    def preimage(self, trie_key: TrieKey) -> bytes | None:
        """The address (20 bytes) or slot (32 bytes) with this hash, None where no state ever had it."""
        return preimages.find(self._store, trie_key)

    def code(self, code_hash: bytes) -> bytes:
        """Written code by its hash. Raises CorruptionError where it is missing."""
        return self._code(code_hash)

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


def _check_root(view: Reader, root: Hash32) -> None:
    held = flat_root(view)
    if held != root:
        raise CorruptionError(
            f"latest state has root {held.hex()}, expected {root.hex()}", StorageProblem.RECORD_DAMAGED
        )
