"""eth_: what gas costs."""

from typing import Any

from zevm.chain.canonical.log_records import BRIEF_BLOCK_GAS
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import UnknownBlockError
from zevm.chain.rules.fees import check_percentiles, fee_history
from zevm.chain.types import Header, Receipt
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.rpc.codec import scalars
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.support.filling import gas_price as suggested_gas_price
from zevm.rpc.methods.support.filling import priority_fee
from zevm.rpc.methods.support.kinds import kind_of_history
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

BRIEF_BLOCKS = 64
"""Blocks, and rewards of blocks, that are reckoned within a few hundred microseconds."""


@method("eth_gasPrice", cost=Cost.LIGHT, any_thread=True, result="wei per gas")
def gas_price(services: Services) -> str:
    """The suggested gas price: the next block's base fee and the suggested tip."""
    return hex(suggested_gas_price(services))


@method("eth_maxPriorityFeePerGas", cost=Cost.LIGHT, any_thread=True, result="wei per gas")
def max_priority_fee_per_gas(services: Services) -> str:
    """The suggested tip."""
    return hex(priority_fee(services))


@method("eth_baseFee", cost=Cost.LIGHT, result="wei per gas or null")
def base_fee(services: Services) -> str | None:
    """The base fee of the next block; null before London."""
    fee = services.chain.next_base_fee()
    return None if fee is None else hex(fee)


@method("eth_blobBaseFee", cost=Cost.LIGHT, result="wei per blob gas or null")
def blob_base_fee(services: Services) -> str | None:
    """The blob base fee of the next block; null before Cancun."""
    fee = services.chain.next_blob_base_fee()
    return None if fee is None else hex(fee)


@method(
    "eth_feeHistory",
    cost=Cost.EXECUTION,
    kind=kind_of_history,
    params=(
        Param("blockCount", scalars.number),
        Param("newestBlock", scalars.block_number, summary="number or tag"),
        Param("rewardPercentiles", scalars.array_of(scalars.percentile), default=()),
    ),
    result="{oldestBlock, baseFeePerGas, gasUsedRatio, baseFeePerBlobGas, blobGasUsedRatio, reward?}",
)
def get_fee_history(
    services: Services, count: int, newest: BlockReference, percentiles: list[float], *, deadline: Deadline
) -> dict[str, Any]:
    """Base fees, gas used and tips of consecutive blocks, and the fees of the block after them."""
    limits = services.limits
    if len(percentiles) > limits.fee_history_percentiles:
        raise ServerError(f"invalid reward percentile: over the query limit {limits.fee_history_percentiles}")
    check_percentiles(percentiles)
    if count == 0:
        return {"oldestBlock": "0x0", "gasUsedRatio": None}
    headers, receipts = _blocks(
        services, min(count, limits.fee_history_blocks), newest, with_receipts=bool(percentiles), deadline=deadline
    )
    deadline.bound(len(headers), BRIEF_BLOCKS)
    deadline.bound(len(headers) * len(percentiles), BRIEF_BLOCKS)
    history = fee_history(headers, receipts, percentiles, services.chain.schedule)
    base_fees = list(history.base_fee_per_gas)
    if headers[-1].hash == services.chain.head.header.hash:
        # a development request may have fixed the next block's fee
        base_fees[-1] = services.chain.next_base_fee() or 0
    encoded: dict[str, Any] = {
        "oldestBlock": hex(history.oldest_block),
        "baseFeePerGas": [hex(fee) for fee in base_fees],
        "gasUsedRatio": list(history.gas_used_ratio),
        "baseFeePerBlobGas": [hex(fee) for fee in history.base_fee_per_blob_gas],
        "blobGasUsedRatio": list(history.blob_gas_used_ratio),
    }
    if history.reward is not None:
        encoded["reward"] = [[hex(tip) for tip in of_block] for of_block in history.reward]
    return encoded


def _blocks(
    services: Services, count: int, newest: BlockReference, *, with_receipts: bool, deadline: Deadline
) -> tuple[list[Header], list[tuple[Receipt, ...]]]:
    """Up to `count` headers ending at `newest`, oldest first, with their receipts if requested."""
    chain = services.chain
    head = chain.head.number
    if newest.number is not None and newest.number > head:
        raise ServerError(f"request beyond head block: requested {newest.number}, head {head}")
    headers: list[Header] = []
    receipts: list[tuple[Receipt, ...]] = []
    if newest.tag is BlockTag.PENDING:
        deadline.bound(1, 0)
        pending = chain.pending()
        headers.append(pending.header)
        receipts.append(pending.receipts)
        number = pending.header.number - 1
    else:
        number = chain.number_of(newest)
    header = chain.header_by_number(number)
    while len(headers) < count and header is not None:
        deadline.check()
        deadline.bound(header.gas_used if with_receipts else 0, BRIEF_BLOCK_GAS)
        headers.append(header)
        receipts.append((chain.receipts(header.hash) or ()) if with_receipts else ())
        # by the parent's hash: the header is at hand then, without a look at which one is canonical
        header = chain.header_by_hash(header.parent_hash)
    if not headers:
        raise UnknownBlockError
    return headers[::-1], receipts[::-1]
