"""A block at the chain's head as operations for the database: itself, its receipts and its indexes."""

from collections.abc import Sequence

from zevm.chain.canonical.log_search import log_keys
from zevm.chain.events import BlockAndReceipts
from zevm.chain.types import Receipt
from zevm.chain.types.block import body_transactions
from zevm.chain.types.receipt import encode_receipts
from zevm.core import replaced_by
from zevm.storage import rlp, schema
from zevm.storage.ledger import Ledger, index_operations
from zevm.storage.short_headers import short
from zevm.storage.store import Batch


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
