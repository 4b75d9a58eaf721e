"""Integrity checks of the database that need no Ethereum semantics beyond hashes and block numbers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from zevm.storage import preimages, rlp, schema
from zevm.storage.errors import StorageError
from zevm.storage.history import postings_of, version_name
from zevm.storage.keccak import keccak256
from zevm.storage.ledger import decode_position
from zevm.storage.schema import Family
from zevm.storage.short_headers import whole
from zevm.storage.store import Reader, Store

MAX_PROBLEMS = 100
"""Problems reported in one go; damage of one kind tends to repeat."""

_PARENT_HASH_ITEM, _NUMBER_ITEM = 0, 8
_KEYED_BY_HASH = frozenset({schema.HEADER, schema.NODE, schema.CODE})
_LAST_KEY = b"\xff" * 64

Progress = Callable[[str, int, int], None]
"""Called with a part, its done amount, and its approximate total: bytes of keys, or blocks."""

TOLD_EVERY_BYTES = 4 * 1024 * 1024
TOLD_EVERY_BLOCKS = 1_000
TOLD_EVERY_ENTRIES = 10_000


class _Bounds(NamedTuple):
    """Numbers of the first block, of the head, and of the first block that was not pruned, apart from the first."""

    first: int
    head: int
    kept: int

    @property
    def pruned(self) -> int:
        """Number of blocks without body and receipts."""
        return max(0, min(self.kept, self.head + 1) - self.first - 1)

    def is_pruned(self, number: int) -> bool:
        """Whether a block has no body and no receipts."""
        return self.first < number < self.kept


class _Report:
    """Problems found so far, bounded."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)
        else:
            self._more += 1

    def finish(self) -> list[str]:
        return self.problems + ([f"and {self._more} more problems"] if self._more else [])


def recent_check(store: Store, count: int) -> list[str]:
    """Problems among the newest `count` blocks: all parts present, header hashes to its key, parents in line."""
    view = store.snapshot()
    report = _Report()
    try:
        bounds = _bounds(view, report)
        for number in range(bounds.head, max(bounds.first - 1, bounds.head - count), -1):
            _check_block(view, number, bounds, report)
    except StorageError as error:
        report.add(str(error))
    finally:
        view.close()
    return report.finish()


def scrub(store: Store, progress: Progress | None = None) -> list[str]:
    """Read every key with its checksum and report every problem that shows without executing anything.

    Checked: values kept under their hash, key sizes and prefixes, canonical blocks from the first to the head without
    a gap, each with header, body, receipts and parent, positions of transactions in both directions, no index past the
    head; and of pruned blocks the headers and parents alone.
    """
    announce = progress or (lambda _, __, ___: None)
    view = store.snapshot()
    report = _Report()
    try:
        try:
            bounds = _bounds(view, report)
        except StorageError as error:
            report.add(str(error))
            bounds = _Bounds(0, schema.MAX_NUMBER, 0)
        counts = {}
        families = sorted(schema.FAMILIES, key=lambda family: family.prefix)
        sizes = store.approximate_sizes([schema.range_of(family) for family in families])
        for family, size in zip(families, sizes, strict=True):
            counts[family] = _scan_family(view, family, bounds, report, partial(announce, family.name), size)
        _check_prefixes(view, report)
        _check_history(view, counts[schema.HISTORY], report, partial(announce, "history index against state diffs"))
        if bounds.head != schema.MAX_NUMBER:
            _check_chain(view, bounds, counts, report, partial(announce, "canonical chain"))
    finally:
        view.close()
    return report.finish()


def readable(store: Store) -> bool:
    """Whether every block of the store passes its checksum."""
    try:
        for _ in store.iterate(b"", _LAST_KEY):
            pass
    except StorageError:
        return False
    return True


def transaction_hashes(body: bytes) -> Iterator[bytes]:
    """Hashes of the transactions in a stored body. Raises RlpError."""
    return map(keccak256, stored_transactions(body))


def stored_transactions(body: bytes) -> Iterator[bytes]:
    """The transactions in a stored body, [transactions, uncles, withdrawals?], as they are hashed. Raises RlpError.

    A typed transaction stands in the list as a string, a legacy one as a list (EIP-2718); the string's content or the
    list's encoding is what is hashed.
    """
    for item in rlp.split_list(rlp.split_list(body)[0]):
        content = item if item[0] >= 0xC0 else rlp.decode(item)
        assert isinstance(content, bytes)
        yield content


def _bounds(view: Reader, report: _Report) -> _Bounds:
    """The chain's ends, of which a genesis may set the first; 0 and -1 without any block."""
    lowest = next(view.iterate(*schema.range_of(schema.CANONICAL)), None)
    first = 0 if lowest is None else schema.decode_number(lowest[0][1:])
    value = view.get(schema.meta_key(schema.MetaName.HEAD))
    if value is None:
        if lowest is not None:
            report.add("there are blocks, but no head pointer")
        return _Bounds(0, -1, 0)
    number, head_hash = schema.decode_number(value[: schema.NUMBER_SIZE]), value[schema.NUMBER_SIZE :]
    if view.get(schema.canonical_key(number)) != head_hash:
        report.add(f"the head pointer names block {number} {head_hash.hex()}, which is not the canonical one")
    pruned = view.get(schema.meta_key(schema.MetaName.PRUNED))
    return _Bounds(first, number, 0 if pruned is None else schema.decode_number(pruned))


def _scan_family(
    view: Reader, family: Family, bounds: _Bounds, report: _Report, told: Callable[[int, int], None], size: int
) -> int:
    """Read all keys of a family; how many there are. told: of the bytes read, and of `size`, about as many in all."""
    count = read = 0
    next_told = TOLD_EVERY_BYTES
    told(0, size)
    try:
        for key, value in view.iterate(*schema.range_of(family), fill_cache=False):
            count += 1
            read += len(key) + len(value)
            if read >= next_told:
                told(read, max(size, read))
                next_told = read + TOLD_EVERY_BYTES
            problem = _check_pair(family, key, value, bounds)
            if problem:
                report.add(f"{family.name}: {problem}")
    except StorageError as error:
        report.add(f"{family.name}: {error}")
    return count


def count_keys(reader: Reader, family: Family, size: int, progress: Progress) -> int:
    """Number of keys of a family that takes about `size` bytes."""
    count = read = next_told = 0
    for key, value in reader.iterate(*schema.range_of(family), fill_cache=False):
        if read >= next_told:
            progress(f"{family.name}, bytes", read, max(size, read))
            next_told = read + TOLD_EVERY_BYTES
        count += 1
        read += len(key) + len(value)
    return count


def _check_pair(family: Family, key: bytes, value: bytes, bounds: _Bounds) -> str | None:
    if family.key_size is not None and len(key) != family.key_size:
        return f"key {key.hex()} has {len(key)} bytes, want {family.key_size}"
    if family in _KEYED_BY_HASH:
        hashed = whole(value) if family is schema.HEADER else value
        return None if keccak256(hashed) == key[1:] else f"the value under {key[1:].hex()} has another hash"
    if family is schema.PREIMAGE and not preimages.is_sound(key, value):
        return f"the record under {key[1:].hex()} has another hash"
    number = _number_in(family, key)
    if number is not None and number > bounds.head:
        return f"key {key.hex()} names block {number}, past the head {bounds.head}"
    # the first kept block stands on the state after the block before it, of which the root may be one of patches
    oldest = {schema.CANONICAL: 0, schema.OVERRIDE: bounds.kept - 1}.get(family, bounds.kept)
    if number is not None and number < oldest:
        return f"key {key.hex()} names block {number}, and blocks before {bounds.kept} were pruned"
    return None


def _number_in(family: Family, key: bytes) -> int | None:
    """The block number that a key of this family contains."""
    if family is schema.LOG:
        return schema.decode_number(key[-schema.NUMBER_SIZE :])
    if family is schema.HISTORY:
        return schema.decode_number(key[-schema.VERSION_SIZE : -schema.PATCH_SIZE])
    if family in (schema.CANONICAL, schema.UNDO, schema.OVERRIDE):
        return schema.decode_number(key[1 : 1 + schema.NUMBER_SIZE])
    return None


def _check_history(view: Reader, count: int, report: _Report, told: Callable[[int, int], None]) -> None:
    """Each old value is found by the index, and the index names nothing else. count: of the entries of the index."""
    expected = next_told = 0
    try:
        for key, record in view.iterate(*schema.range_of(schema.UNDO), fill_cache=False):
            if expected >= next_told:
                told(expected, max(count, expected))
                next_told = expected + TOLD_EVERY_ENTRIES
            for posting, offset in postings_of(key, record):
                expected += 1
                if view.get(posting) != offset:
                    report.add(f"history index: {posting.hex()} does not lead to {version_name(key)}")
    except StorageError as error:
        report.add(str(error))
        return
    if count != expected:
        report.add(f"history index: {count} entries are kept, the reverse state diffs have {expected}")


def _check_prefixes(view: Reader, report: _Report) -> None:
    """Nothing lies outside the families."""
    prefixes = sorted(family.prefix for family in schema.FAMILIES)
    starts = [b"", *(schema.end_of(prefix) for prefix in prefixes)]
    try:
        for start, stop in zip(starts, [*prefixes, _LAST_KEY], strict=True):
            pair = next(view.iterate(start, stop), None) if start < stop else None
            if pair is not None:
                report.add(f"key {pair[0].hex()} belongs to no family of the schema")
    except StorageError as error:
        report.add(str(error))


def _check_chain(
    view: Reader,
    bounds: _Bounds,
    counts: dict[Family, int],
    report: _Report,
    told: Callable[[int, int], None],
) -> None:
    placed, (first, head, _) = 0, bounds
    for number in range(first, head + 1):
        if (number - first) % TOLD_EVERY_BLOCKS == 0:
            told(number - first, head + 1 - first)
        try:
            placed += _check_block(view, number, bounds, report)
        except StorageError as error:
            report.add(f"block {number}: {error}")
    if report.problems:
        return
    if placed != counts[schema.POSITION]:
        report.add(
            f"transaction positions: {counts[schema.POSITION]} are kept, {placed} belong to transactions of the chain"
        )
    blocks = head + 1 - first
    sides = counts[schema.SIDE]
    whole_ones = sides - bounds.pruned
    for family, beside in (
        (schema.HEADER, sides),
        (schema.BODY, whole_ones),
        (schema.RECEIPTS, whole_ones),
        (schema.NUMBER, 0),
    ):
        if counts[family] != blocks + beside:
            more = f", {bounds.pruned} of them pruned" if bounds.pruned and beside == whole_ones else ""
            more += f", and there are {sides} side blocks" if sides and beside else ""
            report.add(f"{family.name}: {counts[family]} are kept, the chain from {first} to {head} has {blocks}{more}")


def _check_block(view: Reader, number: int, bounds: _Bounds, report: _Report) -> int:
    """Check one canonical block and what it links to; how many of its transactions have their position kept."""
    block_hash = view.get(schema.canonical_key(number))
    if block_hash is None:
        report.add(f"block {number}: no canonical hash")
        return 0
    parts = {
        "header": _whole_header(view, block_hash),
        "body": view.get(schema.body_key(block_hash)),
        "receipts": view.get(schema.receipts_key(block_hash)),
        "number": view.get(schema.number_key(block_hash)),
    }
    content = ("body", "receipts") if bounds.is_pruned(number) else ()
    for name, value in parts.items():
        if value is None and name not in content:
            report.add(f"block {number} {block_hash.hex()}: no {name}")
        if value is not None and name in content:
            report.add(f"block {number} {block_hash.hex()}: it has {name}, and blocks before {bounds.kept} were pruned")
    header, body, encoded_number = parts["header"], parts["body"], parts["number"]
    if encoded_number is not None and encoded_number != schema.encode_number(number):
        report.add(f"block {number} {block_hash.hex()}: its hash is filed under number {encoded_number.hex()}")
    try:
        if header is not None:
            _check_header(view, number, bounds.first, block_hash, header, report)
        return 0 if body is None else _check_positions(view, number, body, report)
    except rlp.RlpError as error:
        report.add(f"block {number} {block_hash.hex()}: {error}")
        return 0


def _whole_header(view: Reader, block_hash: bytes) -> bytes | None:
    stored = view.get(schema.header_key(block_hash))
    return None if stored is None else whole(stored)


def _check_header(view: Reader, number: int, first: int, block_hash: bytes, header: bytes, report: _Report) -> None:
    if keccak256(header) != block_hash:
        report.add(f"block {number}: the header under {block_hash.hex()} has hash {keccak256(header).hex()}")
        return
    items = rlp.decode_list(header)
    if rlp.decode_int(items[_NUMBER_ITEM]) != number:
        report.add(f"block {number} {block_hash.hex()}: its header says number {rlp.decode_int(items[_NUMBER_ITEM])}")
    parent = items[_PARENT_HASH_ITEM]
    if number > first and parent != view.get(schema.canonical_key(number - 1)):
        report.add(f"block {number} {block_hash.hex()}: its parent is not canonical block {number - 1}")


def _check_positions(view: Reader, number: int, body: bytes, report: _Report) -> int:
    kept = 0
    for index, transaction_hash in enumerate(transaction_hashes(body)):
        value = view.get(schema.position_key(transaction_hash))
        position = None if value is None else decode_position(value)
        if position == (number, index):
            kept += 1
        elif position is None or position[0] <= number:
            # A later block may hold the same transaction again, after a development call that lowered a nonce.
            report.add(f"transaction {transaction_hash.hex()} of block {number} is filed under {position}")
    return kept
