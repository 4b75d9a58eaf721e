"""debug_getRaw*: blocks, headers, receipts and transactions in their own encodings."""

from chain.references import BlockReference, BlockTag
from chain.types import Block, Receipt
from rpc import codec
from rpc.encoding import hexadecimal
from rpc.errors import ServerError
from rpc.methods.reading import block_at, on_writer
from rpc.registry import Cost, Param, method
from rpc.services import Services

BLOCK = Param("block", codec.block_reference, summary="number, tag, hash or EIP-1898 object")
NOTHING = "0x"
"""What geth answers for a number that no block has."""


async def _find(services: Services, reference: BlockReference, what: str) -> Block | None:
    """The block; None for an unknown number. Raises ServerError for an unknown hash."""
    block = await block_at(services, reference)
    if block is None and reference.hash is not None:
        raise ServerError(f"{what} #0x{reference.hash.hex()} not found")
    return block


@method("debug_getRawBlock", cost=Cost.ASYNC, params=(BLOCK,), result="RLP")
async def get_raw_block(services: Services, reference: BlockReference) -> str:
    """A block's RLP."""
    block = await _find(services, reference, "block")
    return NOTHING if block is None else hexadecimal(block.encode())


@method("debug_getRawHeader", cost=Cost.ASYNC, params=(BLOCK,), result="RLP")
async def get_raw_header(services: Services, reference: BlockReference) -> str:
    """A header's RLP."""
    block = await _find(services, reference, "header")
    return NOTHING if block is None else hexadecimal(block.header.encode())


@method("debug_getRawReceipts", cost=Cost.ASYNC, params=(BLOCK,), result="[EIP-2718 bytes] or null")
async def get_raw_receipts(services: Services, reference: BlockReference) -> list[str] | None:
    """The receipts of a block, each as the receipts root commits to it."""
    receipts: tuple[Receipt, ...] | None
    if reference.tag is BlockTag.PENDING:
        receipts = (await on_writer(services, services.chain.pending)).receipts
    else:
        block = await _find(services, reference, "block")
        receipts = None if block is None else services.chain.receipts(block.hash)
    return None if receipts is None else [hexadecimal(receipt.encode()) for receipt in receipts]


@method("debug_getRawTransactions", cost=Cost.ASYNC, params=(BLOCK,), result="[EIP-2718 bytes] or null")
async def get_raw_transactions(services: Services, reference: BlockReference) -> list[str] | None:
    """The transactions of a block."""
    block = await _find(services, reference, "block")
    return None if block is None else [hexadecimal(item.encoded) for item in block.transactions]


@method(
    "debug_getRawTransaction",
    cost=Cost.LIGHT,
    params=(Param("transactionHash", codec.hash32),),
    result="EIP-2718 bytes",
)
def get_raw_transaction(services: Services, transaction_hash: bytes) -> str:
    """A transaction's bytes, mined or in the pool; "0x" where it is unknown."""
    position = services.chain.find_transaction(transaction_hash)
    if position is not None:
        return hexadecimal(position.transaction.encoded)
    waiting = services.chain.pool.get(transaction_hash)
    return NOTHING if waiting is None else hexadecimal(waiting.encoded)
