"""A database of schema 1 becomes one of the present schema: past states by an index, in place of all tries.

Every step can be repeated: an interrupted migration begins again, and skips what it has written. The file FORMAT names
the schema; only the mark of the migration goes after it has been written.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from zevm.storage import node_removal, schema
from zevm.storage.account import encode_account
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.history import postings_of, put_difference
from zevm.storage.integrity import Progress
from zevm.storage.primitives import Hash32, TrieKey
from zevm.storage.rlp import encode_int
from zevm.storage.schema import MetaName, Version, account_key, encode_number, range_of, slot_key
from zevm.storage.state import StateStore
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Batch

OLD_SCHEMA = 1
STEP_OPERATIONS = 20_000


def migrate(database: Database, progress: Progress, *, keep_nodes: bool = False) -> None:
    """Make the records since schema 2 out of those of schema 1. Raises StorageError; nothing is lost then.

    keep_nodes: leave the trie nodes of every state where they are, unless an interrupted run has begun to remove them.
    """
    if not node_removal.is_marked(database.store):
        _index_adopted(database)
        _index(database, progress)
    if not keep_nodes or node_removal.is_marked(database.store):
        _drop_nodes(database, progress)
    # in this order: without the mark an old database would be taken for one whose migration has not begun
    database.mark_migrated()
    database.write(node_removal.unmarked())


def _index(database: Database, progress: Progress) -> None:
    """Postings for every reverse difference, from where the last run got."""
    store = database.store
    first, stop = range_of(schema.UNDO)
    mark = store.get(node_removal.MARK_KEY)
    start = first if mark is None else mark + b"\x00"
    total = schema.decode_number(_last_key(database)[1:9]) + 1
    batch = Batch()
    for key, record in store.iterate(start, stop, fill_cache=False):
        batch.put_all(postings_of(key, record))
        if len(batch.operations) >= STEP_OPERATIONS:
            batch.put(node_removal.MARK_KEY, key)
            database.write(batch, sync=False)
            progress("history index, blocks", schema.decode_number(key[1:9]), total)
            batch = Batch()
    batch.put(node_removal.MARK_KEY, _last_key(database))
    database.write(batch)


def _last_key(database: Database) -> bytes:
    newest = next(database.store.iterate(*range_of(schema.UNDO), reverse=True), None)
    return schema.UNDO.prefix + encode_number(0) if newest is None else newest[0]


def _drop_nodes(database: Database, progress: Progress) -> None:
    """Remove the nodes under their hashes; those of the latest state are made again at the next start."""
    size = database.store.approximate_sizes([range_of(schema.NODE)])[0]
    done = 0
    for step in node_removal.hashed_nodes(database.store):
        database.write(step.batch, sync=False)
        done += step.size_bytes
        progress("old trie nodes, bytes", done, max(size, done))
    for part, (first, stop) in enumerate(node_removal.reclaimable()):
        progress("space of old trie nodes", part, node_removal.RECLAIMED_PARTS)
        database.reclaim(first, stop)


def _index_adopted(database: Database) -> None:
    """Differences between the states that a state file brought, which were kept by their tries alone."""
    adopted = database.ledger.meta(MetaName.ADOPTED)
    if adopted is None or database.store.get(node_removal.MARK_KEY) is not None:
        return
    last = schema.decode_number(adopted[:8])
    roots = [
        (Version(number := schema.decode_number(key[1:]), int(number == last)), Hash32(root))
        for key, root in database.store.iterate(*range_of(schema.OVERRIDE))
        if schema.decode_number(key[1:]) <= last
    ]
    states = StateStore(database.store, limits=NodeLimits(states=None))
    batch = Batch()
    for (_, before, old), (version, after, new) in pairwise(_states(states, roots)):
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        put_difference(batch, version, [(key, old.get(key, b"")) for key in changed], before=before, after=after)
    # a whole index is told from one that has only these by the mark
    batch.put(node_removal.MARK_KEY, schema.UNDO.prefix)
    database.write(batch)


def _states(
    states: StateStore, roots: list[tuple[Version, Hash32]]
) -> Iterator[tuple[Version, Hash32, Mapping[bytes, bytes]]]:
    for version, root in roots:
        yield version, root, _records(states, root)


def _records(states: StateStore, root: Hash32) -> dict[bytes, bytes]:
    """The flat records of a state whose nodes are kept under their hashes."""
    records: dict[bytes, bytes] = {}
    for key, account in states.accounts_at(root):
        address = _plain(states, key)
        records[account_key(address)] = encode_account(account)
        for slot, value in states.slots_at(key, account.storage_root):
            records[slot_key(address, int.from_bytes(_plain(states, slot), "big"))] = encode_int(value)
    return records


def _plain(states: StateStore, trie_key: TrieKey) -> bytes:
    plain = states.preimage(trie_key)
    if plain is None:
        text = f"the address or slot behind {trie_key.hex()} is missing"
        raise CorruptionError(text, StorageProblem.RECORD_DAMAGED)
    return plain
