"""A stored chain led back by keys and hashes alone: no block is decoded, so that one which cannot be is removed too.

It goes in steps, each one batch that leaves a consistent chain; what is under way takes memory for one step.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from zevm.chain.canonical.chain import batch_version
from zevm.chain.canonical.log_search import log_keys
from zevm.chain.canonical.marks import Adopted, Horizon
from zevm.chain.canonical.records import decode_receipts
from zevm.chain.errors import InvalidRequestError
from zevm.storage import schema
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.integrity import Progress, transaction_hashes
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError
from zevm.storage.store import Batch

STEP_BLOCKS = 256
STEP_OPERATIONS = 50_000
"""A step ends with the block that reaches either."""


def _silent(_part: str, _done: int, _total: int) -> None:
    """Tell no one."""


def rewind_ledger(database: Database, number: int, progress: Progress = _silent) -> None:
    """Make block `number` the head, with all its patches. Raises InvalidRequestError, CorruptionError."""
    head = database.ledger.head()
    if head is None or number > head[0] or database.ledger.canonical_hash(number) is None:
        newest = "none" if head is None else str(head[0])
        raise InvalidRequestError(f"cannot rewind to block {number}: the head is {newest}")
    Horizon.of(database).refuse_going_back(number)
    Adopted.of(database).refuse_before(number)
    _forget_nodes(database, number, progress)
    first = height = head[0]
    progress("blocks", 0, first - number)
    while height != number:
        height = _step(database, height, number)
        progress("blocks", first - height, first - number)


def _forget_nodes(database: Database, number: int, progress: Progress) -> None:
    """Remove the trie nodes under their paths where they are of a state after block `number`."""
    sizes = database.store.approximate_sizes([schema.range_of(schema.STATE_NODE), schema.range_of(schema.SLOT_NODE)])
    done = 0
    for step in database.state.nodes_beyond(schema.Version(number, schema.LAST_PATCH)):
        database.write(step.batch, sync=False)
        done += step.size_bytes
        progress("trie nodes, bytes", done, max(sum(sizes), done))
    # nothing of them is at hand any more, even where the state that is gone back to has their root
    database.state.begin()


def _step(database: Database, height: int, number: int) -> int:
    """One batch, from the head at `height` down towards `number`; the new head."""
    batch = Batch()
    lowest = max(number, height - STEP_BLOCKS)
    while height > lowest and len(batch.operations) < STEP_OPERATIONS:
        _remove_block(database, batch, height)
        height -= 1
    ledger, states = database.ledger, database.state
    version = schema.Version(height, min(schema.LAST_PATCH, states.last_patch(height)))
    root = states.rewind_records(batch, version)
    if version.patch:
        ledger.put_working_root(batch, height, root)
    else:
        ledger.delete_working_root(batch, height)
    batch_version(batch, version)
    database.write(batch, sync=height == number)
    return height


def _remove_block(database: Database, batch: Batch, height: int) -> None:
    """Put the removal of the block at `height`, the head by then, into the batch."""
    ledger = database.ledger
    block_hash, parent_hash = ledger.canonical_hash(height), ledger.canonical_hash(height - 1)
    if block_hash is None or parent_hash is None:
        raise CorruptionError(
            f"block {height if block_hash is None else height - 1} is missing", StorageProblem.FILES_DAMAGED
        )
    ledger.remove_head(
        batch,
        number=height,
        block_hash=block_hash,
        parent_hash=parent_hash,
        transaction_hashes=_transactions_of(database, block_hash),
        log_keys=_log_keys_of(database, height, block_hash),
    )
    ledger.delete_working_root(batch, height)


def _transactions_of(database: Database, block_hash: Hash32) -> list[bytes]:
    body = database.ledger.body(block_hash)
    with suppress(RlpError):
        return [] if body is None else list(transaction_hashes(body))
    return []


def _log_keys_of(database: Database, height: int, block_hash: Hash32) -> Iterable[bytes]:
    """The index entries of a block: by its receipts, or, where those cannot be read, by a look at the whole index."""
    receipts = database.ledger.receipts(block_hash)
    with suppress(RlpError):
        if receipts is not None:
            return log_keys(decode_receipts(receipts))
    return _postings_of(database, height)


def _postings_of(database: Database, height: int) -> Iterator[bytes]:
    end = schema.encode_number(height)
    for key, _ in database.store.iterate(*schema.range_of(schema.LOG), fill_cache=False):
        if key.endswith(end):
            yield key[1 : 1 + schema.LOG_KEY_SIZE]
