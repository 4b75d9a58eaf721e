"""Fees: base fee, blob fee, gas limit, fee history and the suggested tip. Pure arithmetic.

Sources: EIP-1559, EIP-4844, EIP-7691, EIP-7918; history and suggestion follow geth's gas price oracle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from zevm.chain.errors import InvalidRequestError
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.rules.genesis import INITIAL_BASE_FEE_WEI, MAX_BLOB_EXPONENT
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.rules.units import GWEI
from zevm.chain.types import Header, Receipt
from zevm.chain.types.transaction import BLOB_GAS_PER_BLOB
from zevm.storage.primitives import Hash32

ELASTICITY_MULTIPLIER = 2
BASE_FEE_CHANGE_DENOMINATOR = 8
MIN_BLOB_BASE_FEE_WEI = 1
MAX_PRICE_WEI = 2**256 - 1
BLOB_BASE_COST_GAS = 8_192
"""Execution gas that a blob's price may not fall below (EIP-7918)."""

GAS_LIMIT_BOUND_DIVISOR = 1_024
MIN_GAS_LIMIT = 5_000

MAX_PERCENTILES = 100

SUGGESTION_BLOCKS = 20
SUGGESTION_PERCENTILE = 60
SUGGESTION_SAMPLES = 3
SUGGESTION_IGNORED_BELOW_WEI = 2
SUGGESTION_MAX_WEI = 500 * GWEI
MIN_SUGGESTED_TIP_WEI = GWEI
CROWDED_PERCENT = 90
"""Of its gas limit: what a block uses at least in which transactions may have had to outbid one another."""


def next_base_fee(parent: Header, rules: ForkRules) -> int | None:
    """Wei per gas of the block after `parent` (EIP-1559); `rules` are that block's. None before London."""
    if rules.fork < Fork.LONDON:
        return None
    if parent.base_fee_per_gas is None:
        return INITIAL_BASE_FEE_WEI
    fee = parent.base_fee_per_gas
    target = parent.gas_limit // ELASTICITY_MULTIPLIER
    if parent.gas_used == target or target == 0:
        return fee
    change = fee * abs(parent.gas_used - target) // target // BASE_FEE_CHANGE_DENOMINATOR
    return min(fee + max(change, 1), MAX_PRICE_WEI) if parent.gas_used > target else max(fee - change, 0)


BLOB_FEES_KEPT = 2_048
"""Twice what a fee history asks for: neighbouring blocks repeat their excess, and the series is long for a high one."""


@lru_cache(BLOB_FEES_KEPT)
def blob_base_fee(excess_blob_gas: int, blob: BlobParameters) -> int:
    """Wei per blob gas at this excess: e ** (excess / fraction), by the EIP's integer series (EIP-4844).

    At most what 256 bits hold, and a transaction can offer: the header of another chain may state an excess whose
    series has no end.
    """
    if excess_blob_gas > (MAX_BLOB_EXPONENT + 1) * blob.base_fee_update_fraction:
        return MAX_PRICE_WEI
    output, term, step = 0, MIN_BLOB_BASE_FEE_WEI * blob.base_fee_update_fraction, 1
    while term > 0:
        output += term
        term = term * excess_blob_gas // (blob.base_fee_update_fraction * step)
        step += 1
    return min(output // blob.base_fee_update_fraction, MAX_PRICE_WEI)


def next_excess_blob_gas(parent: Header, rules: ForkRules) -> int | None:
    """The excess blob gas of the block after `parent`; `rules` are that block's. None before Cancun."""
    blob = rules.blob
    if blob is None:
        return None
    excess, used = parent.excess_blob_gas or 0, parent.blob_gas_used or 0
    target = blob.target_gas
    if excess + used < target:
        return 0
    if rules.fork >= Fork.OSAKA:
        reserve_price = BLOB_BASE_COST_GAS * (parent.base_fee_per_gas or 0)
        if reserve_price > BLOB_GAS_PER_BLOB * blob_base_fee(excess, blob):
            return excess + used * (blob.maximum - blob.target) // blob.maximum
    return excess + used - target


def next_gas_limit(parent_limit: int, target: int) -> int:
    """The gas limit nearest to `target` that may follow `parent_limit`: a step is under 1/1024 of it."""
    step = parent_limit // GAS_LIMIT_BOUND_DIVISOR - 1
    wanted = max(target, MIN_GAS_LIMIT)
    return min(parent_limit + step, wanted) if wanted > parent_limit else max(parent_limit - step, wanted)


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """The answer of eth_feeHistory. The two base fee lists have one entry more: the next block's.

    reward: per block, wei of tip per gas at each percentile; None when none was asked for.
    """

    oldest_block: int
    reward: tuple[tuple[int, ...], ...] | None
    base_fee_per_gas: tuple[int, ...]
    gas_used_ratio: tuple[float, ...]
    base_fee_per_blob_gas: tuple[int, ...]
    blob_gas_used_ratio: tuple[float, ...]


def check_percentiles(percentiles: Sequence[float]) -> None:
    """Raise InvalidRequestError with geth's text unless they ascend within 0 to 100 and are at most 100."""
    if len(percentiles) > MAX_PERCENTILES:
        raise InvalidRequestError(f"invalid reward percentile: over the query limit {MAX_PERCENTILES}")
    for index, percentile in enumerate(percentiles):
        if not 0 <= percentile <= 100:
            raise InvalidRequestError(f"invalid reward percentile: {percentile:f}")
        if index > 0 and percentile <= percentiles[index - 1]:
            pair = f"#{index - 1}:{percentiles[index - 1]:f} >= #{index}:{percentile:f}"
            raise InvalidRequestError(f"invalid reward percentile: {pair}")


def fee_history(
    headers: Sequence[Header],
    receipts: Sequence[Sequence[Receipt]],
    percentiles: Sequence[float],
    schedule: ForkSchedule,
) -> FeeHistory:
    """The fees of consecutive blocks, oldest first, as geth reports them.

    receipts: of each block, read only when percentiles are given. Raises InvalidRequestError for bad
    percentiles and ValueError for no headers at all.
    """
    check_percentiles(percentiles)
    if not headers:
        raise ValueError("a fee history needs at least one block")
    blobs = _blob_fees(headers, schedule)
    newest = headers[-1]
    following = next_base_fee(newest, schedule.rules(newest.number + 1, newest.timestamp)) or 0
    rewards = None
    if percentiles:
        pairs = zip(headers, receipts, strict=True)
        rewards = tuple([_rewards(header, of_block, percentiles) for header, of_block in pairs])
    return FeeHistory(
        oldest_block=headers[0].number,
        reward=rewards,
        base_fee_per_gas=(*[header.base_fee_per_gas or 0 for header in headers], following),
        gas_used_ratio=tuple([_ratio(header.gas_used, header.gas_limit) for header in headers]),
        base_fee_per_blob_gas=(*[fees.current for fees in blobs], _following_blob_fee(newest, schedule)),
        blob_gas_used_ratio=tuple([fees.used_ratio for fees in blobs]),
    )


def _following_blob_fee(header: Header, schedule: ForkSchedule) -> int:
    """Geth prices the next block by the rules of this one's time: the next time is not known yet."""
    rules = schedule.rules(header.number, header.timestamp)
    if rules.blob is None or header.excess_blob_gas is None:
        return 0
    return blob_base_fee(next_excess_blob_gas(header, rules) or 0, rules.blob)


@dataclass(frozen=True, slots=True)
class _BlobFees:
    current: int = 0
    used_ratio: float = 0.0


def _blob_fees(headers: Sequence[Header], schedule: ForkSchedule) -> list[_BlobFees]:
    """Of each block; those with the same rules and the same blob gas, as most are, are worked out once."""
    known: dict[tuple[Fork, int | None, int | None], _BlobFees] = {}
    found = []
    for header, rules in zip(headers, _rules_of(headers, schedule), strict=True):
        key = rules.fork, header.excess_blob_gas, header.blob_gas_used
        fees = known.get(key)
        if fees is None:
            fees = known[key] = _blob_fees_of(header, rules)
        found.append(fees)
    return found


def _rules_of(headers: Sequence[Header], schedule: ForkSchedule) -> list[ForkRules]:
    """The rules of consecutive blocks: all the same where the first and the last have the same."""
    first, last = [schedule.rules(header.number, header.timestamp) for header in (headers[0], headers[-1])]
    if first is last:
        return [first] * len(headers)
    return [schedule.rules(header.number, header.timestamp) for header in headers]


def _blob_fees_of(header: Header, rules: ForkRules) -> _BlobFees:
    blob, excess = rules.blob, header.excess_blob_gas
    if blob is None or excess is None:
        return _BlobFees()
    return _BlobFees(
        current=blob_base_fee(excess, blob),
        used_ratio=_ratio(header.blob_gas_used or 0, blob.maximum_gas),
    )


def _ratio(used: int, limit: int) -> float:
    return used / limit if limit else 0.0


def _rewards(header: Header, receipts: Sequence[Receipt], percentiles: Sequence[float]) -> tuple[int, ...]:
    """The tip per gas at each percentile of the block's gas, of transactions sorted by tip."""
    if not receipts:
        return (0,) * len(percentiles)
    base_fee = header.base_fee_per_gas or 0
    tips = sorted([(receipt.effective_gas_price - base_fee, receipt.gas_used) for receipt in receipts])
    rewards = []
    index, gas_sum = 0, tips[0][1]
    for percentile in percentiles:
        threshold = int(float(header.gas_used) * percentile / 100)
        while gas_sum < threshold and index < len(tips) - 1:
            index += 1
            gas_sum += tips[index][1]
        rewards.append(tips[index][0])
    return tuple(rewards)


class BlockTips(NamedTuple):
    """A block as the suggested tip sees it. lowest: its lowest tips, in wei per gas, ascending.

    forced: the same, but for a block that was not full, which would have accepted a tip of 1 gwei, at most that.
    """

    number: int
    parent_hash: Hash32
    lowest: tuple[int, ...]
    forced: tuple[int, ...]


def tips_of(header: Header, receipts: Sequence[Receipt]) -> BlockTips:
    """A block's tips, without the block producer's own transactions."""
    base_fee = header.base_fee_per_gas or 0
    tips = [
        receipt.effective_gas_price - base_fee
        for receipt in receipts
        if receipt.sender != header.coinbase and receipt.effective_gas_price - base_fee >= SUGGESTION_IGNORED_BELOW_WEI
    ]
    lowest = forced = tuple(sorted(tips)[:SUGGESTION_SAMPLES])
    if header.gas_used < header.gas_limit * CROWDED_PERCENT // 100:
        forced = tuple([min(tip, MIN_SUGGESTED_TIP_WEI) for tip in lowest])
    return BlockTips(header.number, header.parent_hash, lowest, forced)


def suggested_tip(
    newest_first: Iterable[BlockTips],
    *,
    minimum_wei: int = MIN_SUGGESTED_TIP_WEI,
    ignore_unforced: bool = False,
) -> int:
    """Wei per gas that gets a transaction mined soon: geth's oracle, never under `minimum_wei` as Anvil has it.

    The 60th percentile of the three lowest tips of each of the last 20 blocks; nearly empty blocks let the search reach
    back to 40. `newest_first` is consumed only as far as needed; genesis does not count. ignore_unforced: a block that
    was not full would have accepted a tip of 1 gwei, so it counts for no more; and a young chain is like one with empty
    blocks before. So one transaction does not raise the price.
    """
    samples: list[int] = []
    wanted = SUGGESTION_BLOCKS
    empty = (min(minimum_wei, MIN_SUGGESTED_TIP_WEI) if ignore_unforced else minimum_wei,)
    for seen, block in enumerate(newest_first, start=1):
        if block.number == 0:
            break
        tips = (block.forced if ignore_unforced else block.lowest) or empty
        if len(tips) == 1 and len(samples) + wanted - seen + 1 < 2 * SUGGESTION_BLOCKS:
            wanted += 1
        samples.extend(tips)
        if seen == wanted:
            break
    if ignore_unforced:
        samples.extend([minimum_wei] * (SUGGESTION_BLOCKS - len(samples)))
    if not samples:
        return minimum_wei
    samples.sort()
    tip = samples[(len(samples) - 1) * SUGGESTION_PERCENTILE // 100]
    return max(min(tip, SUGGESTION_MAX_WEI), minimum_wei)
