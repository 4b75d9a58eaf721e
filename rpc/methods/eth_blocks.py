"""eth_: blocks, headers, uncles and receipts by block."""

from typing import Any

from chain.references import BlockReference, BlockTag
from chain.types import Block, Header
from rpc import codec, encoding
from rpc.encoding import Json
from rpc.methods.reading import block_at, encode_block, on_writer, record_at
from rpc.registry import Cost, Param, method
from rpc.services import Services

NUMBER = Param("block", codec.block_number, summary="number or tag")
HASH = Param("hash", codec.hash32)
FULL = Param("full", codec.boolean, default=False, summary="transaction objects instead of hashes")
INDEX = Param("index", codec.uint64)


@method("eth_blockNumber", cost=Cost.LIGHT, result="quantity")
def block_number(services: Services) -> str:
    """The number of the newest block."""
    return hex(services.chain.head.number)


@method("eth_getBlockByNumber", cost=Cost.ASYNC, params=(NUMBER, FULL), result="block or null")
async def get_block_by_number(services: Services, number: BlockReference, full: bool) -> Json | None:
    """A block by number or tag."""
    block = await block_at(services, number)
    if block is None:
        return None
    return encode_block(services, block, full=full, pending=number.tag is BlockTag.PENDING)


@method("eth_getBlockByHash", cost=Cost.LIGHT, params=(HASH, FULL), result="block or null")
def get_block_by_hash(services: Services, block_hash: bytes, full: bool) -> Json | None:
    """A block by hash."""
    block = services.chain.block_by_hash(block_hash)
    return None if block is None else encode_block(services, block, full=full)


@method(
    "eth_getHeaderByNumber",
    cost=Cost.ASYNC,
    params=(NUMBER,),
    result="header or null",
    aliases=("erigon_getHeaderByNumber",),
)
async def get_header_by_number(services: Services, number: BlockReference) -> Json | None:
    """A header by number or tag."""
    if number.tag is BlockTag.PENDING:
        header: Header = (await on_writer(services, services.chain.pending)).header
        return encoding.header(header) | dict.fromkeys(encoding.PENDING_NULLS)
    block = await block_at(services, number)
    return None if block is None else encoding.header(block.header)


@method("eth_getHeaderByHash", cost=Cost.LIGHT, params=(HASH,), result="header or null")
def get_header_by_hash(services: Services, block_hash: bytes) -> Json | None:
    """A header by hash."""
    header = services.chain.header_by_hash(block_hash)
    return None if header is None else encoding.header(header)


@method("eth_getBlockTransactionCountByNumber", cost=Cost.ASYNC, params=(NUMBER,), result="quantity or null")
async def get_block_transaction_count_by_number(services: Services, number: BlockReference) -> str | None:
    """How many transactions a block has, by number or tag."""
    block = await block_at(services, number)
    return None if block is None else hex(len(block.transactions))


@method("eth_getBlockTransactionCountByHash", cost=Cost.LIGHT, params=(HASH,), result="quantity or null")
def get_block_transaction_count_by_hash(services: Services, block_hash: bytes) -> str | None:
    """How many transactions a block has, by hash."""
    block = services.chain.block_by_hash(block_hash)
    return None if block is None else hex(len(block.transactions))


@method(
    "eth_getBlockReceipts",
    cost=Cost.ASYNC,
    params=(Param("block", codec.block_reference, summary="number, tag, hash or EIP-1898 object"),),
    result="[receipt] or null",
)
async def get_block_receipts(services: Services, reference: BlockReference) -> list[Json] | None:
    """All receipts of a block."""
    record = await record_at(services, reference)
    return None if record is None else encoding.receipts(record.block, record.receipts)


def _uncle(services: Services, block: Block | None, index: int) -> Json | None:
    if block is None or index >= len(block.uncles):
        return None
    return encode_block(services, Block(block.uncles[index]), full=False)


@method("eth_getUncleByBlockNumberAndIndex", cost=Cost.ASYNC, params=(NUMBER, INDEX), result="block or null")
async def get_uncle_by_block_number_and_index(
    services: Services, number: BlockReference, index: int
) -> dict[str, Any] | None:
    """An uncle of a block, by number or tag."""
    return _uncle(services, await block_at(services, number), index)


@method("eth_getUncleByBlockHashAndIndex", cost=Cost.LIGHT, params=(HASH, INDEX), result="block or null")
def get_uncle_by_block_hash_and_index(services: Services, block_hash: bytes, index: int) -> Json | None:
    """An uncle of a block, by the block's hash."""
    return _uncle(services, services.chain.block_by_hash(block_hash), index)


@method("eth_getUncleCountByBlockNumber", cost=Cost.ASYNC, params=(NUMBER,), result="quantity or null")
async def get_uncle_count_by_block_number(services: Services, number: BlockReference) -> str | None:
    """How many uncles a block has, by number or tag."""
    block = await block_at(services, number)
    return None if block is None else hex(len(block.uncles))


@method("eth_getUncleCountByBlockHash", cost=Cost.LIGHT, params=(HASH,), result="quantity or null")
def get_uncle_count_by_block_hash(services: Services, block_hash: bytes) -> str | None:
    """How many uncles a block has, by hash."""
    block = services.chain.block_by_hash(block_hash)
    return None if block is None else hex(len(block.uncles))
