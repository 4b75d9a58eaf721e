"""debug_getRaw*: blocks, headers, receipts and transactions as encoded bytes."""

from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.rpc.codec import scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.support.reading import header_at, of_block, of_record, of_transaction, on_writer
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32

BLOCK = Param("block", scalars.block_reference, summary="number, tag, hash or EIP-1898 object")
NOTHING = "0x"
"""geth's answer for an unknown block number."""


def _check_known(services: Services, reference: BlockReference, what: str) -> None:
    """Raise ServerError for an unknown hash; an unknown number gets an empty answer."""
    if reference.hash is not None and header_at(services, reference) is None:
        raise ServerError(f"{what} #0x{reference.hash.hex()} not found")


@method("debug_getRawBlock", cost=Cost.ASYNC, params=(BLOCK,), result="RLP")
async def get_raw_block(services: Services, reference: BlockReference) -> str | Later:
    """A block's RLP."""
    _check_known(services, reference, "block")
    return await of_block(services, reference, lambda block: hexadecimal(block.encode())) or NOTHING


@method("debug_getRawHeader", cost=Cost.ASYNC, params=(BLOCK,), result="RLP")
async def get_raw_header(services: Services, reference: BlockReference) -> str:
    """A header's RLP."""
    _check_known(services, reference, "header")
    if reference.tag is BlockTag.PENDING:
        return hexadecimal((await on_writer(services, services.chain.pending)).header.encode())
    header = header_at(services, reference)
    return NOTHING if header is None else hexadecimal(header.encode())


@method("debug_getRawReceipts", cost=Cost.ASYNC, params=(BLOCK,), result="[EIP-2718 bytes] or null")
async def get_raw_receipts(services: Services, reference: BlockReference) -> list[str] | Later | None:
    """The receipts of a block, each as the receipts root commits to it."""
    _check_known(services, reference, "block")
    return await of_record(
        services, reference, lambda record: [hexadecimal(receipt.encode()) for receipt in record.receipts]
    )


@method("debug_getRawTransactions", cost=Cost.ASYNC, params=(BLOCK,), result="[EIP-2718 bytes] or null")
async def get_raw_transactions(services: Services, reference: BlockReference) -> list[str] | Later | None:
    """The transactions of a block."""
    _check_known(services, reference, "block")
    return await of_block(services, reference, lambda block: [hexadecimal(item.encoded) for item in block.transactions])


@method(
    "debug_getRawTransaction",
    cost=Cost.LIGHT,
    params=(Param("transactionHash", scalars.hash32),),
    result="EIP-2718 bytes",
)
def get_raw_transaction(services: Services, transaction_hash: Hash32) -> str | Later | None:
    """A transaction's bytes, mined or in the pool; "0x" if it is unknown."""
    return of_transaction(services, transaction_hash, _raw)


def _raw(services: Services, transaction_hash: Hash32) -> str:
    position = services.chain.find_transaction(transaction_hash)
    if position is not None:
        return hexadecimal(position.transaction.encoded)
    waiting = services.chain.pool.get(transaction_hash)
    return NOTHING if waiting is None else hexadecimal(waiting.encoded)
