"""A block at the chain's head as operations for the database: itself, its receipts and its indexes."""

from collections.abc import Mapping, Sequence

from zevm.chain.canonical.log_search import log_keys
from zevm.chain.events import BlockAndReceipts
from zevm.chain.types import Receipt, Transaction
from zevm.chain.types.block import body_transactions
from zevm.chain.types.receipt import encode_receipts
from zevm.core import references, replaced_by
from zevm.storage import rlp, schema
from zevm.storage.flat_state import FlatArguments
from zevm.storage.ledger import Ledger, index_operations
from zevm.storage.schema import MetaName
from zevm.storage.short_headers import SHORT, short
from zevm.storage.state import StateStore, StateUpdate, Version
from zevm.storage.store import Batch, Change

VERSION_KEY = schema.meta_key(MetaName.STATE_VERSION)


def append_block(
    ledger: Ledger, batch: Batch, record: BlockAndReceipts, *, is_stored: bool = False, header: bytes | None = None
) -> None:
    """Put a block with its receipts and indexes into a batch, and move the head to it.

    is_stored: the block itself and its receipts are there. header: its RLP, where it is at hand.
    """
    block = record.block
    number, block_hash = block.number, block.hash
    hashes = [transaction.hash for transaction in block.transactions]
    if is_stored:
        keys = log_keys(record.receipts)
        ledger.append(batch, number=number, block_hash=block_hash, transaction_hashes=hashes, log_keys=keys)
        return
    ledger.forget_side(batch, number, block_hash)
    batch.operations += block_operations(
        number,
        block_hash,
        hashes,
        short(header or block.header.encode()),
        [transaction.encoded for transaction in block.transactions],
        block.encode_rest(),
        record.receipts,
    )


def append_head(
    ledger: Ledger,
    states: StateStore,
    batch: Batch,
    record: BlockAndReceipts,
    header: bytes | None,
    update: StateUpdate,
) -> None:
    """Put a block with all of its own and with its state into a batch: it becomes the head.

    header: see `append_block`. Raises ValueError as StateStore.apply.
    """
    block = record.block
    number, block_hash = block.number, block.hash
    ledger.forget_side(batch, number, block_hash)
    whole, rest = header or block.header.encode(), block.encode_rest()

    def operations(flat: FlatArguments) -> list[Change]:
        return head_operations(flat, SHORT, number, block_hash, whole, block.transactions, rest, record.receipts)

    states.apply(batch, update, Version(number), operations)


@replaced_by("head_operations")
def head_operations(
    flat: FlatArguments,
    table: Mapping[bytes, bytes],
    number: int,
    block_hash: bytes,
    header: bytes,
    transactions: Sequence[Transaction],
    rest: bytes,
    receipts: Sequence[Receipt],
) -> list[Change]:
    """The operations of `flat_operations` with its arguments and of `block_operations`, and the state's version.

    table: of a header's items as they are stored. header: whole. The others are those of `block_operations`. Raises as
    `flat_operations`.
    """
    hashes = [transaction.hash for transaction in transactions]
    encoded = [transaction.encoded for transaction in transactions]
    stored = references["items_replaced"](header, table)
    # those in Python too: what the check mode compares with must not be the core's
    return [
        *references["flat_operations"](*flat),
        *references["block_operations"](number, block_hash, hashes, stored, encoded, rest, receipts),
        (VERSION_KEY, flat[1][1:]),
    ]


@replaced_by("block_operations")
def block_operations(
    number: int,
    block_hash: bytes,
    transaction_hashes: Sequence[bytes],
    header: bytes,
    transactions: Sequence[bytes],
    rest: bytes,
    receipts: Sequence[Receipt],
) -> list[tuple[bytes, bytes]]:
    """Keys and values of a canonical block, its receipts and its indexes, and of the head, which it becomes.

    header: as it is stored. transactions: encoded. rest: what the body has after their list, encoded.
    """
    return [
        (schema.header_key(block_hash), header),
        (schema.body_key(block_hash), rlp.wrap_list(body_transactions(transactions) + rest)),
        (schema.receipts_key(block_hash), encode_receipts(receipts)),
        *index_operations(number, block_hash, transaction_hashes, log_keys(receipts)),
    ]
