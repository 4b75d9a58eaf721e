"""Blocks, receipts, indexes and the pool as bytes under their keys. Knows no chain types."""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from zevm.core import replaced_by
from zevm.storage import schema
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.primitives import Hash32
from zevm.storage.schema import MetaName
from zevm.storage.short_headers import short, whole
from zevm.storage.store import Batch, ReadableStore, Reader, Snapshot

STEPS_BEFORE_SEEK = 8
"""Postings that are stepped over before a seek is the cheaper way on."""


def log_key(item: bytes) -> bytes:
    """The 8-byte digest under which the log index keeps an item.

    An item is an address (20 bytes), or a topic with its position before it (1 + 32 bytes). Two items may share a
    digest: the index answers with candidates, which the caller checks against the logs themselves.
    """
    return hashlib.blake2b(item, digest_size=schema.LOG_KEY_SIZE).digest()


class Ledger:
    """The canonical chain in a store, and side blocks.

    Reads see the newest committed batch; writes go into the caller's batch.
    """

    def __init__(self, store: ReadableStore) -> None:
        self._store = store
        self._may_have_sides: bool | None = None
        """None until somebody asks."""

    @classmethod
    def over(cls, view: Snapshot) -> "Ledger":
        """The ledger as a snapshot has it, for point reads."""
        return cls(cast(ReadableStore, view))

    def head(self) -> tuple[int, Hash32] | None:
        """Number and hash of the newest block, or None before genesis."""
        value = self.meta(MetaName.HEAD)
        if value is None:
            return None
        if len(value) != schema.NUMBER_SIZE + schema.HASH_SIZE:
            raise CorruptionError(f"the head pointer has {len(value)} bytes, want 40", StorageProblem.FILES_DAMAGED)
        return schema.decode_number(value[: schema.NUMBER_SIZE]), Hash32(value[schema.NUMBER_SIZE :])

    def header(self, block_hash: bytes) -> bytes | None:
        """The header's RLP."""
        stored = self._store.get(schema.header_key(block_hash))
        return None if stored is None else whole(stored)

    def body(self, block_hash: bytes) -> bytes | None:
        """The body's RLP."""
        return self._store.get(schema.body_key(block_hash))

    def receipts(self, block_hash: bytes) -> bytes | None:
        """The RLP list of the block's stored receipts."""
        return self._store.get(schema.receipts_key(block_hash))

    def canonical_hash(self, number: int) -> Hash32 | None:
        """Hash of the canonical block at `number`."""
        return cast("Hash32 | None", self._store.get(schema.canonical_key(number)))

    def number_of(self, block_hash: bytes) -> int | None:
        """Number of a canonical block."""
        value = self._store.get(schema.number_key(block_hash))
        return None if value is None else schema.decode_number(value)

    def transaction_position(self, transaction_hash: bytes) -> tuple[int, int] | None:
        """Block number and index of a canonical transaction."""
        value = self._store.get(schema.position_key(transaction_hash))
        return None if value is None else decode_position(value)

    def append(
        self,
        batch: Batch,
        *,
        number: int,
        block_hash: bytes,
        transaction_hashes: Sequence[bytes],
        log_keys: Iterable[bytes],
    ) -> None:
        """Put the indexes of a block that `put_block` has put, and move the head to it.

        log_keys: digests from `log_key`.
        """
        self.forget_side(batch, number, block_hash)
        batch.operations += index_operations(number, block_hash, transaction_hashes, [*dict.fromkeys(log_keys)])

    def forget_side(self, batch: Batch, number: int, block_hash: bytes) -> None:
        """Put into `batch` that a block is no side block, or none any more."""
        if self._may_have_sides is None:
            self._may_have_sides = next(self.side_blocks(), None) is not None
        if not self._may_have_sides:
            # most chains have none, and what is not there is looked for in every file
            return
        side_key = schema.side_key(number, block_hash)
        if self._store.get(side_key) is not None:
            batch.delete(side_key)

    def remove_head(
        self,
        batch: Batch,
        *,
        number: int,
        block_hash: bytes,
        parent_hash: bytes,
        transaction_hashes: Sequence[bytes],
        log_keys: Iterable[bytes],
        keep_block: bool = False,
    ) -> None:
        """Delete the newest block with its indexes, and move the head to its parent.

        keep_block: delete the indexes alone; the caller calls `put_side` or `delete_block`.
        Several blocks go in one batch, newest first. Genesis stays: ValueError.
        """
        if number == 0:
            raise ValueError("block 0 is the genesis block and stays")
        if not keep_block:
            self.delete_block(batch, block_hash)
        batch.delete(schema.canonical_key(number))
        batch.delete(schema.number_key(block_hash))
        for transaction_hash in transaction_hashes:
            batch.delete(schema.position_key(transaction_hash))
        for key in set(log_keys):
            batch.delete(schema.log_posting_key(key, number))
        self._put_head(batch, number - 1, parent_hash)

    def forget_blocks(self, batch: Batch) -> None:
        """Put into `batch` the removal of all blocks, canonical and side blocks, with their indexes."""
        families = (
            schema.HEADER,
            schema.BODY,
            schema.RECEIPTS,
            schema.CANONICAL,
            schema.NUMBER,
            schema.POSITION,
            schema.LOG,
            schema.OVERRIDE,
            schema.SIDE,
        )
        for family in families:
            for key, _ in self._store.iterate(*schema.range_of(family), fill_cache=False):
                batch.delete(key)

    def put_side(self, batch: Batch, *, number: int, block_hash: bytes, update: bytes) -> None:
        """Keep what a block that is not canonical makes of its parent's state. It has no indexes."""
        self._may_have_sides = True
        batch.put(schema.side_key(number, block_hash), update)

    def delete_side(self, batch: Batch, number: int, block_hash: bytes) -> None:
        """Forget a block that is not canonical."""
        self.delete_block(batch, block_hash)
        batch.delete(schema.side_key(number, block_hash))

    def side_update(self, number: int, block_hash: bytes) -> bytes | None:
        """The state update of a side block; None where there is no such block, or it is canonical."""
        return self._store.get(schema.side_key(number, block_hash))

    def side_blocks(self) -> Iterator[tuple[int, Hash32]]:
        """Number and hash of every side block, lowest first."""
        start = 1 + schema.NUMBER_SIZE
        for key, _ in self._store.iterate(*schema.range_of(schema.SIDE), fill_cache=False):
            yield schema.decode_number(key[1:start]), Hash32(key[start:])

    def log_blocks(
        self, groups: Sequence[Sequence[bytes]], first: int, last: int, check: Callable[[], None] | None = None
    ) -> Iterator[int]:
        """Ascending numbers of blocks in first..last that have, for every group, at least one of its keys.

        Lazy: the index is read as far as the caller iterates. No groups: every number. An empty group: none.
        The answer is that of the moment of the call, whatever is written meanwhile. check: is called all along, as
        there may be much between two numbers; it stops the search by raising.
        """
        if not groups:
            return iter(range(first, last + 1))
        return _intersect(self._store.snapshot(), groups, first, min(last, schema.MAX_NUMBER), check)

    def meta(self, name: MetaName) -> bytes | None:
        """A named value."""
        return self._store.get(schema.meta_key(name))

    def put_meta(self, batch: Batch, name: MetaName, value: bytes) -> None:
        """Set a named value."""
        batch.put(schema.meta_key(name), value)

    def delete_meta(self, batch: Batch, name: MetaName) -> None:
        """Remove a named value."""
        batch.delete(schema.meta_key(name))

    def blob_transaction(self, transaction_hash: bytes) -> bytes | None:
        """The network form of a mined blob transaction, blobs included."""
        return self._store.get(schema.blobs_key(transaction_hash))

    def put_blob_transaction(self, batch: Batch, transaction_hash: Hash32, data: bytes) -> None:
        """Keep a blob transaction with its blobs, which no block holds."""
        batch.put(schema.blobs_key(transaction_hash), data)

    def working_root(self, number: int) -> Hash32 | None:
        """The state root after the patches of a block; None if its state was never patched."""
        root = self._store.get(schema.override_key(number))
        return None if root is None else Hash32(root)

    def put_working_root(self, batch: Batch, number: int, root: Hash32) -> None:
        """Record the state root after a patch of block `number`."""
        batch.put(schema.override_key(number), root)

    def delete_working_root(self, batch: Batch, number: int) -> None:
        """Forget the patched root: the header's holds again."""
        batch.delete(schema.override_key(number))

    def put_pooled(self, batch: Batch, transaction_hash: Hash32, data: bytes) -> None:
        """Keep a waiting transaction across restarts."""
        batch.put(schema.pooled_key(transaction_hash), data)

    def delete_pooled(self, batch: Batch, transaction_hash: bytes) -> None:
        """Forget a waiting transaction."""
        batch.delete(schema.pooled_key(transaction_hash))

    def pooled(self) -> Iterator[tuple[Hash32, bytes]]:
        """Waiting transactions: hash and data, ordered by hash."""
        for key, value in self._store.iterate(*schema.range_of(schema.POOLED)):
            yield Hash32(key[1:]), value

    def put_block(self, batch: Batch, *, block_hash: bytes, header: bytes, body: bytes, receipts: bytes) -> None:
        """Put a block as RLP: header, body and stored receipts."""
        batch.put(schema.header_key(block_hash), short(header))
        batch.put(schema.body_key(block_hash), body)
        batch.put(schema.receipts_key(block_hash), receipts)

    def delete_block(self, batch: Batch, block_hash: bytes) -> None:
        """Forget a block as such; its indexes stay."""
        batch.delete(schema.header_key(block_hash))
        batch.delete(schema.body_key(block_hash))
        batch.delete(schema.receipts_key(block_hash))

    def _put_head(self, batch: Batch, number: int, block_hash: bytes) -> None:
        batch.operations.append(_head_operation(number, block_hash))


def _head_operation(number: int, block_hash: bytes) -> tuple[bytes, bytes]:
    return schema.meta_key(MetaName.HEAD), schema.encode_number(number) + block_hash


@replaced_by("index_operations")
def index_operations(
    number: int, block_hash: bytes, transaction_hashes: Sequence[bytes], log_keys: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """Keys and values of a canonical block's indexes, and of the head, which it becomes."""
    encoded_number = schema.encode_number(number)
    return [
        (schema.canonical_key(number), block_hash),
        (schema.number_key(block_hash), encoded_number),
        *[
            (schema.position_key(transaction_hash), encoded_number + index.to_bytes(schema.INDEX_SIZE, "big"))
            for index, transaction_hash in enumerate(transaction_hashes)
        ],
        *[(schema.log_posting_key(key, number), b"") for key in log_keys],
        _head_operation(number, block_hash),
    ]


def decode_position(value: bytes) -> tuple[int, int]:
    """Block number and index out of a position's 12 bytes."""
    number, index = value[: schema.NUMBER_SIZE], value[schema.NUMBER_SIZE :]
    return int.from_bytes(number, "big"), int.from_bytes(index, "big")


class _Postings:
    """The ascending block numbers of one log key."""

    __slots__ = ("_key", "_last", "_pairs", "_reader", "current")

    def __init__(self, reader: Reader, key: bytes, first: int, last: int) -> None:
        self._reader = reader
        self._key = key
        self._last = last
        self.current: int | None = None
        self._open(first)

    def advance(self, target: int) -> None:
        """Move `current` to the first number >= target: a few steps, then a seek."""
        for _ in range(STEPS_BEFORE_SEEK):
            if self.current is None or self.current >= target:
                return
            self._step()
        if self.current is not None and self.current < target:
            self._open(target)

    def _open(self, first: int) -> None:
        start = schema.log_posting_key(self._key, first)
        stop = schema.log_posting_key(self._key, self._last) + b"\x00"
        self._pairs = self._reader.iterate(start, stop)
        self._step()

    def _step(self) -> None:
        pair = next(self._pairs, None)
        self.current = None if pair is None else schema.decode_number(pair[0][-schema.NUMBER_SIZE :])


class _Group:
    """The union of several posting lists, as a heap by their current numbers."""

    __slots__ = ("_heap",)

    def __init__(self, reader: Reader, keys: Sequence[bytes], first: int, last: int) -> None:
        lists = (_Postings(reader, key, first, last) for key in set(keys))
        self._heap = [(postings.current, id(postings), postings) for postings in lists if postings.current is not None]
        heapq.heapify(self._heap)

    def advance(self, target: int) -> int | None:
        """The first number >= target of any list; None when all are exhausted."""
        heap = self._heap
        while heap and heap[0][0] < target:
            postings = heap[0][2]
            postings.advance(target)
            if postings.current is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (postings.current, id(postings), postings))
        return heap[0][0] if heap else None


def _intersect(
    view: Snapshot,
    groups: Sequence[Sequence[bytes]],
    first: int,
    last: int,
    check: Callable[[], None] | None,
) -> Iterator[int]:
    try:
        if first > last:
            return
        lists = [_Group(view, keys, first, last) for keys in groups]
        target = first
        while target <= last:
            if check is not None:
                check()
            candidate = target
            for group in lists:
                found = group.advance(candidate)
                if found is None:
                    return
                candidate = found
            if candidate == target:
                yield target
                target += 1
            else:
                target = candidate
    finally:
        view.close()
