"""ots_: the API of the explorer Otterscan, level 8. See docs/tracing.md."""

from functools import partial
from typing import Any

import orjson

from zevm.chain.canonical.records import TransactionPosition
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.rewards import block_rewards
from zevm.chain.tracing import frame_list
from zevm.chain.tracing.address_search import Match, SearchLimitError
from zevm.chain.tracing.frame_list import FrameRow
from zevm.chain.tracing.trace import TraceRequest
from zevm.chain.types.block_reference import EARLIEST, LATEST, BlockReference, BlockTag
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, ServerError
from zevm.rpc.methods.eth.transactions import mined_at
from zevm.rpc.methods.support.reading import account_of, encode_receipt, first_block_where, of_record, state_at
from zevm.rpc.methods.support.tracing import run_trace
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ACCOUNT, StateReader
from zevm.storage.primitives import Address, Hash32

API_LEVEL = 8
SELECTOR_DIGITS = len("0x") + 8
"""The part of a transaction's input that a block's list shows."""

HASH = Param("transactionHash", scalars.hash32)
ADDRESS = Param("address", scalars.address)
BLOCK = Param("block", scalars.block_number, summary="number or tag")
HEIGHT = Param("block", scalars.number, summary="0 for the chain's end")
PAGE_SIZE = Param("pageSize", scalars.number)
SEARCH = "{txs, receipts, firstPage, lastPage}"
DETAILS = "{block, issuance, totalFees} or null"
_WITHOUT_VALUE = ("STATICCALL", "DELEGATECALL")


@method("ots_getApiLevel", cost=Cost.LIGHT, result="number")
def get_api_level(services: Services) -> int:  # noqa: ARG001
    """The supported level of Otterscan's API."""
    return API_LEVEL


@method(
    "ots_hasCode",
    cost=Cost.ASYNC,
    params=(ADDRESS, Param("block", scalars.block_reference, default=LATEST)),
    result="boolean",
)
async def has_code(services: Services, address: Address, block: BlockReference) -> bool:
    """Whether an address has code."""
    return _has_code(await state_at(services, block), address)


def _has_code(state: StateReader, address: Address) -> bool:
    return account_of(state, address).code_hash != EMPTY_ACCOUNT.code_hash


def _position(services: Services, transaction_hash: Hash32) -> TransactionPosition:
    position = services.chain.find_transaction(transaction_hash)
    if position is None:
        raise ServerError(f"transaction {hexadecimal(transaction_hash)} not found")
    return position


def _rows(services: Services, transaction_hash: Hash32, deadline: Deadline) -> list[FrameRow]:
    position = _position(services, transaction_hash)
    return run_trace(services, deadline, lambda request: frame_list.transaction_rows(services.chain, position, request))


@method(
    "ots_traceTransaction",
    cost=Cost.EXECUTION,
    params=(HASH,),
    result="[{type, depth, from, to, value, input, output}]",
)
def trace_transaction(services: Services, transaction_hash: Hash32, *, deadline: Deadline) -> orjson.Fragment:
    """The frames of a mined transaction as a flat list, with their depths."""
    return orjson.Fragment(orjson.dumps([_frame(row) for row in _rows(services, transaction_hash, deadline)]))


def _frame(row: FrameRow) -> Json:
    return {
        "type": row.kind,
        "depth": row.depth,
        "from": hexadecimal(row.sender),
        "to": hexadecimal(row.target),
        "value": None if row.kind in _WITHOUT_VALUE else hex(row.value_wei),
        "input": hexadecimal(row.data),
        "output": hexadecimal(row.output),
    }


@method("ots_getInternalOperations", cost=Cost.EXECUTION, params=(HASH,), result="[{type, from, to, value}]")
def get_internal_operations(services: Services, transaction_hash: Hash32, *, deadline: Deadline) -> list[Json]:
    """Transfers, creations and destructions within a mined transaction."""
    rows = _rows(services, transaction_hash, deadline)
    return [
        {
            "type": int(operation),
            "from": hexadecimal(row.sender),
            "to": hexadecimal(row.target),
            "value": hex(row.value_wei),
        }
        for operation, row in frame_list.internal_operations(rows)
    ]


@method("ots_getTransactionError", cost=Cost.EXECUTION, params=(HASH,), result="bytes")
def get_transaction_error(services: Services, transaction_hash: Hash32, *, deadline: Deadline) -> str:
    """The revert data of a mined transaction; 0x if it did not revert."""
    position = _position(services, transaction_hash)
    receipts = services.chain.receipts(position.block.hash)
    if receipts is not None and receipts[position.index].status == 1:
        return "0x"
    return hexadecimal(
        run_trace(services, deadline, lambda request: frame_list.revert_output(services.chain, position, request))
    )


@method("ots_getBlockDetails", cost=Cost.ASYNC, params=(BLOCK,), result=DETAILS)
async def get_block_details(services: Services, reference: BlockReference) -> Json | Later | None:
    """A block without its transactions, with their number, the issuance and the total fees."""
    show = partial(_details, services, pending=reference.tag is BlockTag.PENDING)
    return await of_record(services, reference, show)


@method("ots_getBlockDetailsByHash", cost=Cost.ASYNC, params=(Param("hash", scalars.hash32),), result=DETAILS)
async def get_block_details_by_hash(services: Services, block_hash: Hash32) -> Json | Later | None:
    """A block by hash without its transactions, with their number, the issuance and the total fees."""
    return await of_record(services, BlockReference(hash=block_hash), partial(_details, services))


def _outline(record: BlockAndReceipts, *, pending: bool) -> Json:
    encoded = results.block(record.block, full=False, pending=pending)
    del encoded["transactions"]
    return encoded | {"transactionCount": len(record.block.transactions), "logsBloom": None}


def _details(services: Services, record: BlockAndReceipts, *, pending: bool = False) -> Json:
    block = record.block
    fork = services.chain.environment_of(block.header).rules.fork
    rewards = block_rewards(fork, block.number, block.uncles)
    to_uncles_wei = sum(rewards.uncles_wei)
    fees_wei = sum(receipt.gas_used * receipt.effective_gas_price for receipt in record.receipts)
    return {
        "block": _outline(record, pending=pending),
        "issuance": {
            "blockReward": hex(rewards.author_wei),
            "uncleReward": hex(to_uncles_wei),
            "issuance": hex(rewards.author_wei + to_uncles_wei),
        },
        "totalFees": hex(fees_wei),
    }


@method(
    "ots_getBlockTransactions",
    cost=Cost.ASYNC,
    params=(BLOCK, Param("pageNumber", scalars.number), PAGE_SIZE),
    result="{fullblock, receipts} or null",
)
async def get_block_transactions(
    services: Services, reference: BlockReference, page_number: int, page_size: int
) -> Json | Later | None:
    """A page of a block's transactions (page 0 has the last ones); inputs cut to 4 bytes, receipts without logs."""
    _check_page(services, page_size)
    return await of_record(services, reference, partial(_page_of, page_number, page_size, reference))


def _page_of(page_number: int, page_size: int, reference: BlockReference, record: BlockAndReceipts) -> Json:
    pending, block = reference.tag is BlockTag.PENDING, record.block
    last = max(0, len(block.transactions) - page_number * page_size)
    indexes = range(max(0, last - page_size), last)
    full = _outline(record, pending=pending) | {"transactions": [_brief(record, index, pending) for index in indexes]}
    receipts = [encode_receipt(block, record.receipts, index) for index in indexes]
    return {"fullblock": full, "receipts": [receipt | {"logs": None, "logsBloom": None} for receipt in receipts]}


def _brief(record: BlockAndReceipts, index: int, pending: bool) -> Json:
    block = record.block
    sender = record.receipts[index].sender
    encoded = results.transaction(block.transactions[index], None if pending else block.header, index, sender=sender)
    return encoded | {"input": encoded["input"][:SELECTOR_DIGITS]}


def _check_page(services: Services, page_size: int) -> None:
    limit = services.limits.search_transactions
    if not 1 <= page_size <= limit:
        raise InvalidParamsError(f"page size {page_size}: want 1 to {limit} (--rpc-search-transactions)")


@method(
    "ots_searchTransactionsBefore",
    cost=Cost.EXECUTION,
    params=(ADDRESS, HEIGHT, PAGE_SIZE),
    result=SEARCH,
)
def search_transactions_before(
    services: Services, address: Address, height: int, page_size: int, *, deadline: Deadline
) -> orjson.Fragment:
    """Transactions that touch an address in the blocks before one, the newest first, in whole blocks."""
    head, earliest = services.chain.head.number, services.chain.number_of(EARLIEST)
    newest = min(height - 1, head) if height else head
    matches, is_complete = _search(services, address, range(newest, earliest - 1, -1), page_size, deadline)
    return _page(matches, first=not height, last=is_complete)


@method(
    "ots_searchTransactionsAfter",
    cost=Cost.EXECUTION,
    params=(ADDRESS, HEIGHT, PAGE_SIZE),
    result=SEARCH,
)
def search_transactions_after(
    services: Services, address: Address, height: int, page_size: int, *, deadline: Deadline
) -> orjson.Fragment:
    """Transactions that touch an address in the blocks after one, the newest first, in whole blocks."""
    head, earliest = services.chain.head.number, services.chain.number_of(EARLIEST)
    oldest = max(height + 1, earliest) if height else earliest
    matches, is_complete = _search(services, address, range(oldest, head + 1), page_size, deadline)
    return _page(matches[::-1], first=is_complete, last=not height)


def _search(
    services: Services, address: Address, numbers: range, page_size: int, deadline: Deadline
) -> tuple[list[Match], bool]:
    _check_page(services, page_size)
    limit, seconds = services.limits.search_blocks, services.limits.evm_timeout_seconds

    def search(request: TraceRequest) -> tuple[list[Match], bool]:
        result = services.address_search.search(address, numbers, page_size, limit, deadline, request)
        return result.matches, result.is_complete

    try:
        return run_trace(services, deadline, search)
    except SearchLimitError as error:
        where, flag = f"in {limit} blocks with contract calls", "--rpc-search-blocks"
        if error.is_late:
            where, flag = f"within {seconds:g} s", "--rpc-evm-timeout-seconds"
        raise LimitExceededError(
            f"limit exceeded: nothing was found {where}; go on from block {error.number}, or raise {flag}"
        ) from error


def _page(matches: list[Match], *, first: bool, last: bool) -> orjson.Fragment:
    transactions, receipts = list[Any](), list[Any]()
    for match in matches:
        block = match.block
        for index in reversed(match.indexes):
            sender = match.receipts[index].sender
            transactions.append(results.transaction(block.transactions[index], block.header, index, sender=sender))
            receipt = encode_receipt(block, match.receipts, index)
            receipts.append(receipt | {"timestamp": block.header.timestamp})
    page = {"txs": transactions, "receipts": receipts, "firstPage": first, "lastPage": last}
    return orjson.Fragment(orjson.dumps(page))


@method(
    "ots_getTransactionBySenderAndNonce",
    cost=Cost.EXECUTION,
    params=(Param("sender", scalars.address), Param("nonce", scalars.number)),
    result="hash or null",
)
def get_transaction_by_sender_and_nonce(
    services: Services, sender: Address, nonce: int, *, deadline: Deadline
) -> str | None:
    """The hash of the mined transaction of an account with this nonce."""
    position = mined_at(services, sender, nonce, deadline)
    return None if position is None else hexadecimal(position.transaction.hash)


@method("ots_getContractCreator", cost=Cost.EXECUTION, params=(ADDRESS,), result="{hash, creator} or null")
def get_contract_creator(services: Services, address: Address, *, deadline: Deadline) -> Json | None:
    """The transaction that created a contract, and its creator; null if no transaction created it."""
    number = first_block_where(services, lambda state: _has_code(state, address), deadline)
    block = None if number is None else services.chain.block_by_number(number)
    if block is None:
        return None
    found = run_trace(
        services, deadline, lambda request: frame_list.creation_in(services.chain, block, address, request)
    )
    if found is None:
        return None
    position, row = found
    return {"hash": hexadecimal(position.transaction.hash), "creator": hexadecimal(row.sender)}
