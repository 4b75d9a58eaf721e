"""Blocks, receipts and transaction positions, decoded from the ledger and kept in bounded caches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from lru import LRU

from zevm.chain.canonical.marks import Horizon
from zevm.chain.errors import PrunedHistoryError
from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.fees import BlockTips, tips_of
from zevm.chain.types import Block, Header, Receipt, Transaction
from zevm.storage import rlp
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.ledger import Ledger
from zevm.storage.primitives import Hash32
from zevm.storage.short_headers import HeaderLink

_CACHED_BLOCKS = 256
_CACHED_POSITIONS = 256
"""Of the transactions of blocks just committed, for clients that wait for a receipt. Each may keep its block."""
_CACHED_HEADERS = 2_048
"""More than a fee history asks for by default, so that it finds them all at the next block too."""

_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, slots=True)
class TransactionPosition:
    """A mined transaction's position: its block, and its index there."""

    block: Block
    index: int

    @property
    def transaction(self) -> Transaction:
        """The transaction itself."""
        return self.block.transactions[self.index]


class Records:
    """Decoded reads of the ledger. Safe to use from any thread.

    Blocks of a group of writes (storage.overlay) are held until it is written: the thread that makes them alone sees
    them before.
    """

    def __init__(self, ledger: Ledger, horizon: Horizon) -> None:
        self._ledger = ledger
        self._horizon = horizon
        self._headers: LRU[bytes, Header] = LRU(_CACHED_HEADERS)
        self._blocks: LRU[bytes, Block] = LRU(_CACHED_BLOCKS)
        self._receipts: LRU[bytes, tuple[Receipt, ...]] = LRU(_CACHED_BLOCKS)
        self._tips: LRU[bytes, BlockTips] = LRU(_CACHED_BLOCKS)
        self._caches: tuple[LRU[bytes, Any], ...] = (self._headers, self._blocks, self._receipts, self._tips)
        self._positions: LRU[bytes, TransactionPosition] = LRU(_CACHED_POSITIONS)
        self._held: dict[bytes, BlockAndReceipts] = {}
        self._holder = 0
        self._removals = 0

    def remember(self, record: BlockAndReceipts) -> None:
        """Keep a canonical block just committed, so that its readers need not decode it."""
        block = record.block
        block_hash = block.hash
        self._headers[block_hash] = block.header
        self._blocks[block_hash] = block
        self._receipts[block_hash] = record.receipts
        for index, transaction in enumerate(block.transactions[:_CACHED_POSITIONS]):
            self._positions[transaction.hash] = TransactionPosition(block, index)

    def hold(self, record: BlockAndReceipts) -> None:
        """Keep a block of a group of writes, for this thread alone."""
        self._holder = get_ident()
        self._held[record.block.hash] = record

    def show_held(self) -> None:
        """Let all threads have the blocks of a group, once it is written."""
        held, self._held = self._held, {}
        for record in held.values():
            self.remember(record)

    def forget_held(self) -> None:
        """Drop the blocks of a group that was not written."""
        self._held = {}

    def _held_here(self, block_hash: bytes) -> BlockAndReceipts | None:
        return self._held.get(block_hash) if self._held and self._holder == get_ident() else None

    def forget(self, block_hash: Hash32, transactions: Iterable[Transaction] = ()) -> None:
        """Drop a removed block. transactions: its own, where it was canonical."""
        self._removals += 1
        for transaction in transactions:
            self._positions.pop(transaction.hash, None)
        for cache in self._caches:
            cache.pop(block_hash, None)

    def forget_content(self, block_hash: bytes, transaction_hashes: Iterable[bytes]) -> None:
        """Drop what a pruned block no longer has: all but its header."""
        self._removals += 1
        for transaction_hash in transaction_hashes:
            self._positions.pop(transaction_hash, None)
        for cache in (self._blocks, self._receipts, self._tips):
            cache.pop(block_hash, None)

    def clear(self) -> None:
        """Drop everything: the chain is another one now."""
        self._removals += 1
        for cache in (*self._caches, self._positions):
            cache.clear()

    def _keep(self, cache: "LRU[bytes, Any]", block_hash: bytes, value: object, removals: int) -> None:
        """Keep a part of a block for others, unless a block was removed since `removals` were counted: maybe this."""
        cache[block_hash] = value
        if self._removals != removals:
            cache.pop(block_hash, None)

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block at a height."""
        return self._ledger.canonical_hash(number) if 0 <= number < 1 << 64 else None

    def header_by_hash(self, block_hash: Hash32) -> Header | None:
        """The header with this hash."""
        header, removals = self._headers.get(block_hash), self._removals
        if header is None and (held := self._held_here(block_hash)) is not None:
            return held.block.header
        if header is None and (data := self._ledger.header(block_hash)) is not None:
            header = _decoded("header", block_hash, partial(Header.decode, gaps=True), data)
            if header.hash != block_hash:
                raise CorruptionError(f"header {block_hash.hex()} is damaged", StorageProblem.RECORD_DAMAGED)
            self._keep(self._headers, block_hash, header, removals)
        return header

    def header_by_number(self, number: int) -> Header | None:
        """The canonical header at a height."""
        block_hash = self.canonical_hash(number)
        return None if block_hash is None else self.header_by_hash(block_hash)

    def link_of(self, block_hash: bytes) -> HeaderLink | None:
        """A block's parent, and whether the block is empty, by the start of its header: for walks over many blocks."""
        header: Header | None = self._headers.get(block_hash)
        if header is not None:
            return HeaderLink(header.parent_hash, header.transactions_root == EMPTY_ROOT)
        return _decoded("header", block_hash, self._ledger.header_link, block_hash)

    def block_by_hash(self, block_hash: Hash32) -> Block | None:
        """The block with this hash. Raises PrunedHistoryError."""
        block, removals = self._blocks.get(block_hash), self._removals
        if block is None and (held := self._held_here(block_hash)) is not None:
            return held.block
        if block is not None:
            return block
        header = self.header_by_hash(block_hash)
        if header is None:
            return None
        body = self._ledger.body(block_hash)
        if body is None and self._ledger.header(block_hash) is None:
            # removed between the two reads
            return None
        if body is None:
            self._horizon.refuse(header.number)
            raise CorruptionError(f"block {header.number} has no body", StorageProblem.RECORD_DAMAGED)
        block = _decoded("body", block_hash, partial(Block.decode_body, header), body)
        self._keep(self._blocks, block_hash, block, removals)
        return block

    def block_by_number(self, number: int) -> Block | None:
        """The canonical block at a height. Raises PrunedHistoryError."""
        block_hash = self.canonical_hash(number)
        return None if block_hash is None else self.block_by_hash(block_hash)

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """A block's receipts in transaction order; None for an unknown block. Raises PrunedHistoryError."""
        receipts, removals = self._receipts.get(block_hash), self._removals
        if receipts is None and (held := self._held_here(block_hash)) is not None:
            return held.receipts
        if receipts is None and (data := self._ledger.receipts(block_hash)) is not None:
            receipts = _decoded("receipts", block_hash, decode_receipts, data)
            self._keep(self._receipts, block_hash, receipts, removals)
        if receipts is None and (header := self.header_by_hash(block_hash)) is not None:
            self._horizon.refuse(header.number)
        return receipts

    def tips(self, block_hash: Hash32) -> BlockTips | None:
        """A block's lowest tips; None for an unknown or a pruned block."""
        tips, removals = self._tips.get(block_hash), self._removals
        if tips is None and (held := self._held_here(block_hash)) is not None:
            return tips_of(held.block.header, held.receipts)
        if tips is None and (header := self.header_by_hash(block_hash)) is not None:
            receipts = None if header.number < self._horizon.number else self.receipts(block_hash)
            if receipts is not None:
                tips = tips_of(header, receipts)
                self._keep(self._tips, block_hash, tips, removals)
        return tips

    def record(self, block_hash: Hash32) -> BlockAndReceipts | None:
        """A block together with its receipts."""
        block, receipts = self.block_by_hash(block_hash), self.receipts(block_hash)
        return None if block is None or receipts is None else BlockAndReceipts(block, receipts)

    def header_of_transaction(self, transaction_hash: Hash32) -> Header | None:
        """The header of the canonical block that holds a transaction."""
        recent: TransactionPosition | None = self._positions.get(transaction_hash)
        if recent is not None:
            return recent.block.header
        position = self._ledger.transaction_position(transaction_hash)
        return None if position is None else self.header_by_number(position[0])

    def find_transaction(self, transaction_hash: Hash32) -> TransactionPosition | None:
        """The position of a canonical transaction."""
        recent: TransactionPosition | None = self._positions.get(transaction_hash)
        if recent is not None:
            return recent
        position = self._ledger.transaction_position(transaction_hash)
        if position is None:
            return None
        number, index = position
        try:
            block = self.block_by_number(number)
        except PrunedHistoryError:
            return None
        # a reorganisation between the two reads can leave the position pointing elsewhere
        if block is None or index >= len(block.transactions) or block.transactions[index].hash != transaction_hash:
            return None
        return TransactionPosition(block, index)


def decode_receipts(data: bytes) -> tuple[Receipt, ...]:
    """The receipts of a block as the ledger keeps them. Raises RlpError."""
    return tuple(Receipt.decode_stored(item) for item in rlp.decode_list(data))


def _decoded(part: str, block_hash: bytes, decode: Callable[[bytes], _Decoded], data: bytes) -> _Decoded:
    """A stored part of a block. Raises CorruptionError where it cannot be what a node wrote."""
    try:
        return decode(data)
    except rlp.RlpError as error:
        name = f"the {part} of block {block_hash.hex()}"
        raise CorruptionError(f"{name} cannot be read: {error}", StorageProblem.FILES_DAMAGED) from error
