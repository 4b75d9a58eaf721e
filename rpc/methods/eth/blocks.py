"""eth_: blocks, headers, uncles and receipts by block."""

from functools import partial

from zevm.chain.events import BlockAndReceipts
from zevm.chain.tracing.encoded import Encoded, enclosed
from zevm.chain.types import Block, Header
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import Json
from zevm.rpc.methods.support.reading import (
    encode_block,
    header_at,
    is_mined,
    of_block,
    of_block_hash,
    of_record,
    on_writer,
)
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32

NUMBER = Param("block", scalars.block_number, summary="number or tag")
HASH = Param("hash", scalars.hash32)
FULL = Param("full", scalars.boolean, default=False, summary="transaction objects instead of hashes")
INDEX = Param("index", scalars.uint64)


@method("eth_blockNumber", cost=Cost.LIGHT, any_thread=True, result="quantity")
def block_number(services: Services) -> str:
    """The number of the newest block."""
    return hex(services.chain.head.number)


@method("eth_getBlockByNumber", cost=Cost.ASYNC, at_once=is_mined, params=(NUMBER, FULL), result="block or null")
async def get_block_by_number(services: Services, number: BlockReference, full: bool) -> Json | Later | None:
    """A block by number or tag."""
    show = partial(encode_block, services, full=full, pending=number.tag is BlockTag.PENDING)
    return await of_block(services, number, show)


@method("eth_getBlockByHash", cost=Cost.LIGHT, any_thread=True, params=(HASH, FULL), result="block or null")
def get_block_by_hash(services: Services, block_hash: Hash32, full: bool) -> Json | Later | None:
    """A block by hash."""
    return of_block_hash(services, block_hash, partial(encode_block, services, full=full))


@method(
    "eth_getHeaderByNumber",
    cost=Cost.ASYNC,
    at_once=is_mined,
    params=(NUMBER,),
    result="header or null",
    aliases=("erigon_getHeaderByNumber",),
)
async def get_header_by_number(services: Services, number: BlockReference) -> Json | None:
    """A header by number or tag."""
    if number.tag is BlockTag.PENDING:
        header: Header = (await on_writer(services, services.chain.pending)).header
        return results.header(header) | dict.fromkeys(results.PENDING_NULLS)
    found = header_at(services, number)
    return None if found is None else results.header(found)


@method("eth_getHeaderByHash", cost=Cost.LIGHT, any_thread=True, params=(HASH,), result="header or null")
def get_header_by_hash(services: Services, block_hash: Hash32) -> Json | None:
    """A header by hash."""
    header = services.chain.header_by_hash(block_hash)
    return None if header is None else results.header(header)


@method(
    "eth_getBlockTransactionCountByNumber",
    cost=Cost.ASYNC,
    at_once=is_mined,
    params=(NUMBER,),
    result="quantity or null",
)
async def get_block_transaction_count_by_number(services: Services, number: BlockReference) -> str | Later | None:
    """The number of transactions in a block, by number or tag."""
    return await of_block(services, number, _count_transactions)


@method("eth_getBlockTransactionCountByHash", cost=Cost.LIGHT, params=(HASH,), result="quantity or null")
def get_block_transaction_count_by_hash(services: Services, block_hash: Hash32) -> str | Later | None:
    """The number of transactions in a block, by hash."""
    return of_block_hash(services, block_hash, _count_transactions)


def _count_transactions(block: Block) -> str:
    return hex(len(block.transactions))


@method(
    "eth_getBlockReceipts",
    cost=Cost.ASYNC,
    at_once=is_mined,
    params=(Param("block", scalars.block_reference, summary="number, tag, hash or EIP-1898 object"),),
    result="[receipt] or null",
)
async def get_block_receipts(services: Services, reference: BlockReference) -> Encoded | Later | None:
    """All receipts of a block."""
    return await of_record(services, reference, _receipts)


def _receipts(record: BlockAndReceipts) -> Encoded:
    """One at a time: a block may have a hundred thousand logs."""
    return Encoded(enclosed(b"[", results.encoded_receipts(record.block, record.receipts), b"]"))


def _uncle(services: Services, index: int, block: Block) -> Json | None:
    if index >= len(block.uncles):
        return None
    return encode_block(services, Block(block.uncles[index]), full=False)


@method(
    "eth_getUncleByBlockNumberAndIndex",
    cost=Cost.ASYNC,
    at_once=is_mined,
    params=(NUMBER, INDEX),
    result="block or null",
)
async def get_uncle_by_block_number_and_index(
    services: Services, number: BlockReference, index: int
) -> Json | Later | None:
    """An uncle of a block, by number or tag."""
    return await of_block(services, number, partial(_uncle, services, index))


@method("eth_getUncleByBlockHashAndIndex", cost=Cost.LIGHT, params=(HASH, INDEX), result="block or null")
def get_uncle_by_block_hash_and_index(services: Services, block_hash: Hash32, index: int) -> Json | Later | None:
    """An uncle of a block, by the block's hash."""
    return of_block_hash(services, block_hash, partial(_uncle, services, index))


@method(
    "eth_getUncleCountByBlockNumber", cost=Cost.ASYNC, at_once=is_mined, params=(NUMBER,), result="quantity or null"
)
async def get_uncle_count_by_block_number(services: Services, number: BlockReference) -> str | Later | None:
    """The number of uncles of a block, by number or tag."""
    return await of_block(services, number, _count_uncles)


@method("eth_getUncleCountByBlockHash", cost=Cost.LIGHT, params=(HASH,), result="quantity or null")
def get_uncle_count_by_block_hash(services: Services, block_hash: Hash32) -> str | Later | None:
    """The number of uncles of a block, by hash."""
    return of_block_hash(services, block_hash, _count_uncles)


def _count_uncles(block: Block) -> str:
    return hex(len(block.uncles))
