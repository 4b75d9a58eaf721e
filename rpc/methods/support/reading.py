"""Reading of blocks and states by reference, shared by the method modules; off the event loop if slow."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from zevm.chain.concurrency.deadline import Deadline, NotAtHandError
from zevm.chain.errors import UnknownBlockError
from zevm.chain.events import BlockAndReceipts
from zevm.chain.tracing.encoded import Encoded
from zevm.chain.types import Block, Header, Receipt
from zevm.chain.types.block_reference import EARLIEST, PENDING_TAG, BlockReference
from zevm.rpc.codec import results
from zevm.rpc.codec.later import Later
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ACCOUNT, Account, StateReader
from zevm.storage.primitives import Address, Hash32

Result = TypeVar("Result")
LIGHT_POOL_TRANSACTIONS = 50
"""The event loop shows a pool of at most this many transactions, and of LIGHT_POOL_BYTES together."""

LIGHT_POOL_BYTES = 64 * 1024

LIGHT_BLOCK_GAS = 1_000_000
"""The event loop encodes a block that used at most this gas: its transactions, logs and data are few."""


async def on_writer(
    services: Services, function: Callable[..., Result], *arguments: Any, shares: bool = False
) -> Result:
    """Run a function on the chain writer's thread, in order with every other write, and await it.

    shares: see Writer.submit.
    """
    if services.writes is None:
        return await asyncio.wrap_future(services.chain.writer.submit(function, *arguments, shares=shares))
    result: Result = await services.writes.submit(function, *arguments, shares=shares)
    return result


def is_state_at_hand(services: Services, *arguments: Any) -> bool:
    """Whether `state_at` ends without waiting for the block that is a method's last argument."""
    return services.chain.is_at_hand(arguments[-1])


def is_mined(services: Services, reference: BlockReference, *_: Any) -> bool:  # noqa: ARG001
    """Whether `of_block` and `of_record` end without waiting for this block."""
    return reference.tag is not PENDING_TAG


async def state_at(services: Services, block: BlockReference) -> StateReader:
    """The state after a block. The writer builds the pending block, which executes the pool; a worker makes the trie
    nodes of a side block again.
    """
    chain = services.chain
    if chain.is_at_hand(block):
        return chain.state_at(block)
    if block.tag is PENDING_TAG:
        return await on_writer(services, chain.state_at, block)
    assert services.executions is not None
    state: StateReader = await services.executions.run(_state_at, services, block)
    return state


async def at_hand(services: Services, read: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a read that may find something not at hand, which a worker provides."""
    while True:
        try:
            return read(*arguments)
        except NotAtHandError as absent:
            assert services.executions is not None
            await services.executions.run(_provide, absent)


def _provide(absent: NotAtHandError, *, deadline: Deadline) -> None:  # noqa: ARG001  it has a time of its own
    absent.provide()


def _state_at(services: Services, block: BlockReference, *, deadline: Deadline) -> StateReader:  # noqa: ARG001
    """On a worker; the work has a bound of its own."""
    return services.chain.state_at(block)


def header_at(services: Services, reference: BlockReference) -> Header | None:
    """The header of the mined block of a reference, or None if it is unknown; raises like `of_block`."""
    try:
        return services.chain.resolve(reference)
    except UnknownBlockError:
        if reference.tag is not None:
            raise
        return None


def by_size(header: Header | None, show: Callable[..., Result], *arguments: Any) -> Result | Later | None:
    """The result of `show` for a block: at once if its gas shows that it is small. None without a block."""
    if header is None:
        return None
    return Later(show, *arguments) if header.gas_used > LIGHT_BLOCK_GAS else show(*arguments)


async def of_block(
    services: Services, reference: BlockReference, show: Callable[[Block], Result]
) -> Result | Later | None:
    """The result of `show` for the block of a reference; None if it is unknown.

    Raises UnknownBlockError, like geth, for `safe` and `finalized` until a consensus client has named them.
    """
    if reference.tag is PENDING_TAG:
        pending = (await on_writer(services, services.chain.pending)).block
        return by_size(pending.header, show, pending)
    return by_size(header := header_at(services, reference), _show_block, services, header and header.hash, show)


def of_block_hash(services: Services, block_hash: Hash32, show: Callable[[Block], Result]) -> Result | Later | None:
    """The result of `show` for the block with this hash; None if it is unknown."""
    return by_size(services.chain.header_by_hash(block_hash), _show_block, services, block_hash, show)


def _show_block(services: Services, block_hash: Hash32, show: Callable[[Block], Result]) -> Result | None:
    block = services.chain.block_by_hash(block_hash)
    return None if block is None else show(block)


def of_pool(services: Services, show: Callable[..., Result], *arguments: Any) -> Result | Later:
    """The result of `show` for the pool: at once if it has few and short transactions."""
    pool = services.chain.pool
    stats = pool.stats()
    is_large = stats.pending + stats.queued > LIGHT_POOL_TRANSACTIONS
    if not is_large:
        waiting = [*pool.pending().values(), *pool.queued().values()]
        size_bytes = sum([len(transaction.encoded) for transactions in waiting for transaction in transactions])
        is_large = size_bytes > LIGHT_POOL_BYTES
    return Later(show, services, *arguments) if is_large else show(services, *arguments)


async def of_record(
    services: Services, reference: BlockReference, show: Callable[[BlockAndReceipts], Result]
) -> Result | Later | None:
    """As `of_block`, with the block's receipts."""
    if reference.tag is PENDING_TAG:
        pending = await on_writer(services, services.chain.pending)
        return by_size(pending.block.header, show, BlockAndReceipts(pending.block, pending.receipts))
    return by_size(header := header_at(services, reference), _show_record, services, header and header.hash, show)


def _show_record(services: Services, block_hash: Hash32, show: Callable[[BlockAndReceipts], Result]) -> Result | None:
    block, receipts = services.chain.block_by_hash(block_hash), services.chain.receipts(block_hash)
    return None if block is None or receipts is None else show(BlockAndReceipts(block, receipts))


def of_transaction(
    services: Services, transaction_hash: Hash32, show: Callable[[Services, Hash32], Result]
) -> Result | Later | None:
    """The result of `show` for a transaction by its hash; also called for pending and unknown ones."""
    header = services.chain.header_of_transaction(transaction_hash)
    if header is None:
        return show(services, transaction_hash)
    return by_size(header, show, services, transaction_hash)


def first_block_where(services: Services, holds: Callable[[StateReader], bool], deadline: Deadline) -> int | None:
    """The first block after which a condition holds, by bisection: it must hold ever after. None if it does not yet."""
    chain = services.chain

    def holds_after(number: int) -> bool:
        deadline.check()
        return holds(chain.state_at(BlockReference(number=number)))

    low, high = chain.number_of(EARLIEST), chain.head.number
    if not holds_after(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds_after(middle):
            high = middle
        else:
            low = middle + 1
    return low


def account_of(state: StateReader, address: Address) -> Account:
    """The account, or an empty one if the state has none."""
    return state.account(address) or EMPTY_ACCOUNT


def code_of(state: StateReader, address: Address) -> bytes:
    """The code at an address; b"" if there is none."""
    account = state.account(address)
    return b"" if account is None else state.code(account.code_hash)


def encode_block(services: Services, block: Block, *, full: bool, pending: bool = False) -> results.Json:
    """A block as JSON; senders come from the receipts, which avoids recovering signatures."""
    receipts = services.chain.receipts(block.hash) if full and not pending else None
    senders = None if receipts is None else [receipt.sender for receipt in receipts]
    return results.block(block, full=full, senders=senders, pending=pending)


def encode_mined(services: Services, block: Block, index: int) -> results.Json:
    """One transaction of a block as JSON; its sender comes from the receipt."""
    receipts = services.chain.receipts(block.hash)
    sender = receipts[index].sender if receipts else None
    return results.transaction(block.transactions[index], block.header, index, sender=sender)


def encode_receipt_text(block: Block, receipts: tuple[Receipt, ...], index: int) -> Encoded:
    """The receipt of one transaction of a block as JSON text."""
    logs_before = sum([len(receipt.logs) for receipt in receipts[:index]])
    receipt = receipts[index]
    fields = results.receipt_fields(receipt, block.header, block.transactions[index], index, logs_before)
    return Encoded(results.receipt_parts(fields, receipt.logs))


def encode_receipt(block: Block, receipts: tuple[Receipt, ...], index: int) -> results.Json:
    """The receipt of one transaction of a block."""
    logs_before = sum(len(receipt.logs) for receipt in receipts[:index])
    return results.receipt(receipts[index], block.header, block.transactions[index], index, logs_before)
