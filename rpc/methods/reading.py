"""What several method modules share: reading blocks and states that a reference names, off the event loop if slow."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from chain.errors import UnknownBlockError
from chain.events import BlockAndReceipts
from chain.references import EARLIEST, BlockReference, BlockTag
from chain.types import Block, Receipt
from chain.vm.interface import ExecutionTimeoutError
from rpc import encoding
from rpc.services import Services
from storage.account import EMPTY_ACCOUNT, Account, StateReader

Result = TypeVar("Result")


async def on_writer(services: Services, function: Callable[..., Result], *arguments: Any) -> Result:
    """Run a function on the chain writer's thread, in order with every other write, and wait for it."""
    return await asyncio.wrap_future(services.chain.writer.submit(function, *arguments))


async def state_at(services: Services, block: BlockReference) -> StateReader:
    """The state after a block. The pending block is built by the writer, as that executes the pool."""
    if block.tag is BlockTag.PENDING:
        return await on_writer(services, services.chain.state_at, block)
    return services.chain.state_at(block)


async def block_at(services: Services, block: BlockReference) -> Block | None:
    """The block that a reference names, or None where it is unknown.

    Raises UnknownBlockError, as geth, for `safe` and `finalized` while a consensus client has named none.
    """
    chain = services.chain
    if block.tag is BlockTag.PENDING:
        return (await on_writer(services, chain.pending)).block
    try:
        header = chain.resolve(block)
    except UnknownBlockError:
        if block.tag is not None:
            raise
        return None
    return chain.block_by_hash(header.hash)


async def record_at(services: Services, reference: BlockReference) -> BlockAndReceipts | None:
    """The block that a reference names with its receipts, or None where it is unknown."""
    if reference.tag is BlockTag.PENDING:
        pending = await on_writer(services, services.chain.pending)
        return BlockAndReceipts(pending.block, pending.receipts)
    block = await block_at(services, reference)
    receipts = None if block is None else services.chain.receipts(block.hash)
    return None if block is None or receipts is None else BlockAndReceipts(block, receipts)


def first_block_where(services: Services, holds: Callable[[StateReader], bool], deadline: float) -> int | None:
    """The first block after which something holds, by bisection: it must go on to hold. None where it does not yet."""
    chain = services.chain

    def holds_after(number: int) -> bool:
        if time.monotonic() > deadline:
            raise ExecutionTimeoutError
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


def account_of(state: StateReader, address: bytes) -> Account:
    """The account, or the empty one where the state has none."""
    return state.account(address) or EMPTY_ACCOUNT


def code_of(state: StateReader, address: bytes) -> bytes:
    """The code at an address; b"" where there is none."""
    account = state.account(address)
    return b"" if account is None else state.code(account.code_hash)


def encode_block(services: Services, block: Block, *, full: bool, pending: bool = False) -> encoding.Json:
    """A block as JSON; senders come from the receipts, so that no signature is recovered."""
    receipts = services.chain.receipts(block.hash) if full and not pending else None
    senders = None if receipts is None else [receipt.sender for receipt in receipts]
    return encoding.block(block, full=full, senders=senders, pending=pending)


def encode_mined(services: Services, block: Block, index: int) -> encoding.Json:
    """One transaction of a block as JSON; its sender comes from the receipt."""
    receipts = services.chain.receipts(block.hash)
    sender = receipts[index].sender if receipts else None
    return encoding.transaction(block.transactions[index], block.header, index, sender=sender)


def encode_receipt(block: Block, receipts: tuple[Receipt, ...], index: int) -> encoding.Json:
    """The receipt of one transaction of a block."""
    logs_before = sum(len(receipt.logs) for receipt in receipts[:index])
    return encoding.receipt(receipts[index], block.header, block.transactions[index], index, logs_before)
