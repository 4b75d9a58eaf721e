"""eth_: transactions and receipts, mined or pending."""

from functools import partial

from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing.encoded import Encoded
from zevm.chain.types import Block, Transaction
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.types.transaction import encode_network_form
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.methods.support.reading import (
    encode_mined,
    encode_receipt,
    encode_receipt_text,
    first_block_where,
    of_block,
    of_block_hash,
    of_pool,
    of_transaction,
)
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address, Hash32

HASH = Param("hash", scalars.hash32)
BLOCK_HASH = Param("blockHash", scalars.hash32)
NUMBER = Param("block", scalars.block_number, summary="number or tag")
INDEX = Param("index", scalars.uint64)


def _at(block: Block, index: int) -> Transaction | None:
    return block.transactions[index] if index < len(block.transactions) else None


def transaction_json(services: Services, transaction_hash: Hash32) -> Json | None:
    """A transaction, from its block or from the pool; None if it is unknown."""
    found = services.chain.find_transaction(transaction_hash)
    if found is not None:
        return encode_mined(services, found.block, found.index)
    waiting = services.chain.pool.get(transaction_hash)
    return None if waiting is None else results.transaction(waiting, None)


def receipt_json(services: Services, transaction_hash: Hash32) -> Json | None:
    """The receipt of a mined transaction; None if it is pending or unknown."""
    found = services.chain.find_transaction(transaction_hash)
    if found is None:
        return None
    receipts = services.chain.receipts(found.block.hash)
    return None if receipts is None else encode_receipt(found.block, receipts, found.index)


def _receipt_text(services: Services, transaction_hash: Hash32) -> Encoded | None:
    """The same as JSON text."""
    found = services.chain.find_transaction(transaction_hash)
    receipts = None if found is None else services.chain.receipts(found.block.hash)
    return None if found is None or receipts is None else encode_receipt_text(found.block, receipts, found.index)


@method("eth_getTransactionByHash", cost=Cost.LIGHT, any_thread=True, params=(HASH,), result="transaction or null")
def get_transaction_by_hash(services: Services, transaction_hash: Hash32) -> Json | Later | None:
    """A transaction by hash, mined or in the pool."""
    return of_transaction(services, transaction_hash, transaction_json)


@method("eth_getTransactionReceipt", cost=Cost.LIGHT, any_thread=True, params=(HASH,), result="receipt or null")
def get_transaction_receipt(services: Services, transaction_hash: Hash32) -> Encoded | Later | None:
    """The receipt of a mined transaction."""
    return of_transaction(services, transaction_hash, _receipt_text)


@method(
    "eth_getTransactionByBlockHashAndIndex", cost=Cost.LIGHT, params=(BLOCK_HASH, INDEX), result="transaction or null"
)
def get_transaction_by_block_hash_and_index(services: Services, block_hash: Hash32, index: int) -> Json | Later | None:
    """A transaction by its block's hash and its index."""
    return of_block_hash(services, block_hash, partial(_transaction_of, services, index, False))


def _transaction_of(services: Services, index: int, pending: bool, block: Block) -> Json | None:
    transaction = _at(block, index)
    if transaction is None:
        return None
    return results.transaction(transaction, None) if pending else encode_mined(services, block, index)


@method(
    "eth_getTransactionByBlockNumberAndIndex", cost=Cost.ASYNC, params=(NUMBER, INDEX), result="transaction or null"
)
async def get_transaction_by_block_number_and_index(
    services: Services, number: BlockReference, index: int
) -> Json | Later | None:
    """A transaction by its block's number or tag and its index."""
    show = partial(_transaction_of, services, index, number.tag is BlockTag.PENDING)
    return await of_block(services, number, show)


@method(
    "eth_getTransactionBySenderAndNonce",
    cost=Cost.EXECUTION,
    params=(Param("sender", scalars.address), Param("nonce", scalars.number)),
    result="transaction or null",
)
def get_transaction_by_sender_and_nonce(
    services: Services, sender: Address, nonce: int, *, deadline: Deadline
) -> Json | None:
    """The transaction of an account with this nonce, mined or in the pool."""
    waiting = waiting_at(services, sender, nonce)
    if waiting is not None:
        return results.transaction(waiting, None)
    found = mined_at(services, sender, nonce, deadline)
    return None if found is None else encode_mined(services, found.block, found.index)


def mined_at(services: Services, sender: Address, nonce: int, deadline: Deadline) -> TransactionPosition | None:
    """The position of the mined transaction of an account with this nonce: nonces only grow, except by resets."""

    def is_used(state: StateReader) -> bool:
        account = state.account(sender)
        return account is not None and account.nonce > nonce

    number = first_block_where(services, is_used, deadline)
    block = None if number is None else services.chain.block_by_number(number)
    receipts = None if block is None else services.chain.receipts(block.hash)
    if block is None or receipts is None:
        return None
    for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
        if receipt.sender == sender and transaction.nonce == nonce:
            return TransactionPosition(block, index)
    return None


def waiting_at(services: Services, sender: Address, nonce: int) -> Transaction | None:
    """The transaction of an account with this nonce in the pool."""
    executable, queued = services.chain.pool.of_sender(sender)
    return next((transaction for transaction in (*executable, *queued) if transaction.nonce == nonce), None)


@method(
    "eth_getRawTransactionByHash",
    cost=Cost.LIGHT,
    params=(HASH,),
    result="EIP-2718 bytes or null",
)
def get_raw_transaction_by_hash(services: Services, transaction_hash: Hash32) -> str | Later | None:
    """A transaction's bytes by hash; a pending blob transaction includes its blobs."""
    return of_transaction(services, transaction_hash, _raw_transaction)


def _raw_transaction(services: Services, transaction_hash: Hash32) -> str | None:
    found = services.chain.find_transaction(transaction_hash)
    if found is not None:
        return hexadecimal(found.block.transactions[found.index].encoded)
    waiting = services.chain.pool.get(transaction_hash)
    return None if waiting is None else hexadecimal(encode_network_form(waiting))


@method(
    "eth_getRawTransactionByBlockHashAndIndex",
    cost=Cost.LIGHT,
    params=(BLOCK_HASH, INDEX),
    result="EIP-2718 bytes or null",
)
def get_raw_transaction_by_block_hash_and_index(
    services: Services, block_hash: Hash32, index: int
) -> str | Later | None:
    """A transaction's bytes by its block's hash and its index."""
    return of_block_hash(services, block_hash, partial(_raw_of, index))


def _raw_of(index: int, block: Block) -> str | None:
    transaction = _at(block, index)
    return None if transaction is None else hexadecimal(transaction.encoded)


@method(
    "eth_getRawTransactionByBlockNumberAndIndex",
    cost=Cost.ASYNC,
    params=(NUMBER, INDEX),
    result="EIP-2718 bytes or null",
)
async def get_raw_transaction_by_block_number_and_index(
    services: Services, number: BlockReference, index: int
) -> str | Later | None:
    """A transaction's bytes by its block's number or tag and its index."""
    return await of_block(services, number, partial(_raw_of, index))


@method("eth_pendingTransactions", cost=Cost.LIGHT, result="[transaction]")
def pending_transactions(services: Services) -> list[Json] | Later:
    """The transactions in the pool that could be mined now."""
    return of_pool(services, _pending)


def _pending(services: Services) -> list[Json]:
    executable = services.chain.pool.pending()
    return [results.transaction(item, None) for waiting in executable.values() for item in waiting]
