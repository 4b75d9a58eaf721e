"""Base fee, blob fee, gas limit steps, fee history and the suggested tip."""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance import conformance_blocks, conformance_path
from zevm.chain.errors import InvalidRequestError
from zevm.chain.rules.fees import (
    MAX_PERCENTILES,
    BlockTips,
    blob_base_fee,
    check_percentiles,
    fee_history,
    next_base_fee,
    next_excess_blob_gas,
    next_gas_limit,
    suggested_tip,
    tips_of,
)
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.rules.genesis import Genesis
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Header, Receipt

CANCUN = BlobParameters(3, 6, 3_338_477)
BLOB = 131_072
GWEI = 10**9


def header(**fields: Any) -> Header:
    return Header(**({"parent_hash": bytes(32), "gas_limit": 20_000_000} | fields))


def receipt(gas_used: int, price: int, sender: bytes = b"\x01" * 20) -> Receipt:
    return Receipt(2, 1, gas_used, (), bytes(256), sender, gas_used, price)


def rules(fork: Fork, blob: BlobParameters | None = None) -> ForkRules:
    return ForkRules(fork, 1, blob)


@pytest.mark.parametrize(
    ("gas_used", "base_fee", "expected"),
    [
        (10_000_000, GWEI, GWEI),
        (9_000_000, GWEI, 987_500_000),
        (11_000_000, GWEI, 1_012_500_000),
        (0, GWEI, 875_000_000),
        (20_000_000, GWEI, 1_125_000_000),
        (10_000_001, 7, 8),
        (9_999_999, 7, 7),
        (0, 7, 7),
        (0, 8, 7),
        (20_000_000, 0, 1),
    ],
)
def test_next_base_fee(gas_used: int, base_fee: int, expected: int) -> None:
    assert next_base_fee(header(gas_used=gas_used, base_fee_per_gas=base_fee), rules(Fork.LONDON)) == expected


def test_base_fee_begins_with_london() -> None:
    assert next_base_fee(header(), rules(Fork.BERLIN)) is None
    assert next_base_fee(header(), rules(Fork.LONDON)) == GWEI


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        (0, 1),
        (2_314_057, 1),
        (2_314_058, 2),
        (10 * 1024 * 1024, 23),
        (148_099_578, 18446739238971471609),
        (148_099_579, 18446744762204311910),
        (161_087_488, 902580055246494526580),
    ],
)
def test_blob_base_fee(excess: int, expected: int) -> None:
    assert blob_base_fee(excess, CANCUN) == expected


@pytest.mark.parametrize("excess", [178 * 3_338_477, 178 * 3_338_477 + 1, 10**10, 2**64 - 1])
def test_a_blob_base_fee_ends_with_what_a_transaction_can_offer(excess: int) -> None:
    """The header of another chain may state any excess; the series would have no end."""
    assert blob_base_fee(excess, CANCUN) == 2**256 - 1
    assert blob_base_fee(177 * 3_338_477, CANCUN) < 2**256 - 1


def test_a_base_fee_ends_with_what_a_transaction_can_offer() -> None:
    most = 2**256 - 1
    assert next_base_fee(header(gas_used=20_000_000, base_fee_per_gas=most), rules(Fork.LONDON)) == most


def test_blob_base_fee_is_an_exponential() -> None:
    fee = blob_base_fee(100_000_000, CANCUN)
    assert math.isclose(fee, math.exp(100_000_000 / 3_338_477), rel_tol=1e-6)


@pytest.mark.parametrize(
    ("excess", "used", "expected"),
    [
        (0, 0, 0),
        (0, 3 * BLOB - 1, 0),
        (0, 3 * BLOB, 0),
        (0, 3 * BLOB + 1, 1),
        (0, 4 * BLOB, BLOB),
        (BLOB, 2 * BLOB, 0),
        (BLOB, 3 * BLOB, BLOB),
        (3 * BLOB, 6 * BLOB, 6 * BLOB),
    ],
)
def test_next_excess_blob_gas(excess: int, used: int, expected: int) -> None:
    parent = header(excess_blob_gas=excess, blob_gas_used=used, base_fee_per_gas=10**12)
    assert next_excess_blob_gas(parent, rules(Fork.CANCUN, CANCUN)) == expected


def test_excess_blob_gas_begins_with_cancun() -> None:
    assert next_excess_blob_gas(header(), rules(Fork.SHANGHAI)) is None
    assert next_excess_blob_gas(header(), rules(Fork.CANCUN, CANCUN)) == 0


def test_blob_price_has_a_reserve_from_osaka_on() -> None:
    blob = BlobParameters(6, 9, 5_007_716)
    parent = header(excess_blob_gas=10 * BLOB, blob_gas_used=6 * BLOB, base_fee_per_gas=17)
    # One wei per blob gas: 131072 wei a blob, against 8192 * 17 = 139264.
    assert next_excess_blob_gas(parent, rules(Fork.OSAKA, blob)) == 10 * BLOB + 6 * BLOB * 3 // 9
    assert next_excess_blob_gas(parent, rules(Fork.PRAGUE, blob)) == 10 * BLOB
    even = parent.with_changes(base_fee_per_gas=16)
    assert next_excess_blob_gas(even, rules(Fork.OSAKA, blob)) == 10 * BLOB
    little = header(excess_blob_gas=0, blob_gas_used=6 * BLOB - 1, base_fee_per_gas=10**9)
    assert next_excess_blob_gas(little, rules(Fork.OSAKA, blob)) == 0
    exact = little.with_changes(blob_gas_used=6 * BLOB)
    assert next_excess_blob_gas(exact, rules(Fork.OSAKA, blob)) == 2 * BLOB


@pytest.mark.parametrize(
    ("parent", "target", "expected"),
    [
        (30_000_000, 30_000_000, 30_000_000),
        (30_000_000, 60_000_000, 30_000_000 + 29_295),
        (30_000_000, 30_000_010, 30_000_010),
        (30_000_000, 10_000_000, 30_000_000 - 29_295),
        (30_000_000, 29_999_990, 29_999_990),
        (5_100, 0, 5_097),
        (5_001, 0, 5_000),
        (5_000, 0, 5_000),
    ],
)
def test_gas_limit_steps(parent: int, target: int, expected: int) -> None:
    assert next_gas_limit(parent, target) == expected


def test_the_conformance_chain_has_these_fees() -> None:
    genesis = Genesis.from_json(json.loads(conformance_path("rpc-compat", "genesis.json").read_text()))
    headers = [genesis.header(bytes(32)), *(block.header for block in conformance_blocks())]
    assert len(headers) == 55
    for parent, child in itertools.pairwise(headers):
        following = genesis.schedule.rules(child.number, child.timestamp)
        assert next_base_fee(parent, following) == child.base_fee_per_gas
        assert next_excess_blob_gas(parent, following) == child.excess_blob_gas
    history = fee_history(headers[27:28], [[receipt(21_000, GWEI + 1)]], [95, 99], genesis.schedule)
    assert history.oldest_block == 27
    assert history.base_fee_per_gas == (0x3B9ACA00, 0x342A385A)
    assert history.gas_used_ratio == (0.00072868,)
    assert history.reward == ((1, 1),)
    assert (history.base_fee_per_blob_gas, history.blob_gas_used_ratio) == ((0, 0), (0,))


BPO2 = ForkSchedule.default(1, Fork.BPO2)


def test_rewards_are_weighted_by_gas() -> None:
    block = header(number=4, gas_used=100_000, base_fee_per_gas=100)
    of_block = [receipt(50_000, 105), receipt(20_000, 102), receipt(30_000, 103)]
    history = fee_history([block], [of_block], [0, 20, 20.01, 50, 50.1, 100], BPO2)
    # By tip: 2 for the first 20 % of the gas, 3 up to 50 %, 5 above.
    assert history.reward == ((2, 2, 3, 3, 5, 5),)


def test_history_of_several_blocks() -> None:
    blob = {"excess_blob_gas": 0, "blob_gas_used": 21 * BLOB}
    first = header(number=8, gas_used=10_000_000, base_fee_per_gas=GWEI, **blob)
    second = header(number=9, gas_used=0, base_fee_per_gas=GWEI, excess_blob_gas=100 * BLOB, blob_gas_used=0)
    history = fee_history([first, second], [[], []], [], BPO2)
    assert history.oldest_block == 8
    assert history.reward is None
    assert history.base_fee_per_gas == (GWEI, GWEI, 875_000_000)
    assert history.gas_used_ratio == (0.5, 0.0)
    assert history.blob_gas_used_ratio == (1.0, 0.0)
    parameters = BlobParameters(14, 21, 11_684_671)
    assert history.base_fee_per_blob_gas == (1, blob_base_fee(100 * BLOB, parameters), 3)
    assert fee_history([first, second], [[], []], [1, 2, 3], BPO2).reward == ((0, 0, 0), (0, 0, 0))


def test_history_before_london_and_at_its_edge() -> None:
    old = ForkSchedule.from_config({**ForkSchedule.default(1, Fork.BERLIN).to_config(), "londonBlock": 5})
    assert fee_history([header(number=3)], [[]], [], old).base_fee_per_gas == (0, 0)
    assert fee_history([header(number=4)], [[]], [], old).base_fee_per_gas == (0, GWEI)


@pytest.mark.parametrize(
    ("percentiles", "message"),
    [
        ([-0.5], "invalid reward percentile: -0.500000"),
        ([100.5], "invalid reward percentile: 100.500000"),
        ([math.nan], "invalid reward percentile: nan"),
        ([1, 50, 50], "invalid reward percentile: #1:50.000000 >= #2:50.000000"),
        (
            [step / 2 for step in range(MAX_PERCENTILES + 1)],
            "invalid reward percentile: over the query limit 100",
        ),
    ],
)
def test_percentiles_are_checked(percentiles: list[float], message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_percentiles(percentiles)
    assert caught.value.message == message


def test_percentiles_at_the_limits() -> None:
    check_percentiles([0, 100])
    check_percentiles([step / 2 for step in range(MAX_PERCENTILES)])
    with pytest.raises(ValueError, match="at least one block"):
        fee_history([], [], [], BPO2)


def blocks(tips: Sequence[Sequence[int]], read: list[int], used_percent: int = 0) -> Iterator[BlockTips]:
    """Blocks newest first down to genesis; `read` collects the numbers that were looked at."""
    for number, of_block in reversed(list(enumerate(tips))):
        read.append(number)
        block = header(number=number, base_fee_per_gas=1000, coinbase=b"\xff" * 20)
        block = replace(block, gas_used=block.gas_limit * used_percent // 100)
        yield tips_of(block, [receipt(21_000, 1000 + tip) for tip in of_block])


def test_suggested_tip_is_the_60th_percentile_of_the_lowest() -> None:
    read: list[int] = []
    full = [[9 * GWEI, 2 * GWEI, 3 * GWEI, 4 * GWEI]] * 60
    assert suggested_tip(blocks(full, read)) == 3 * GWEI
    assert read == list(range(59, 39, -1))


def test_suggested_tip_reaches_back_over_small_blocks() -> None:
    read: list[int] = []
    assert suggested_tip(blocks([[5 * GWEI]] * 60, read)) == 5 * GWEI
    assert len(read) == 40


def test_suggested_tip_has_bounds() -> None:
    assert suggested_tip([]) == GWEI
    assert suggested_tip(blocks([[7]] * 30, [])) == GWEI
    assert suggested_tip(blocks([[7]] * 30, []), minimum_wei=0) == 7
    assert suggested_tip(blocks([[]] * 30, []), minimum_wei=5) == 5
    assert suggested_tip(blocks([[600 * GWEI]] * 30, [])) == 500 * GWEI
    assert suggested_tip(blocks([[], [1, 1, 1]], []), minimum_wei=0) == 0


def test_n3_a_tip_that_nothing_forced_lifts_no_suggestion() -> None:
    def suggested(tips: Sequence[Sequence[int]], used_percent: int, minimum_wei: int = GWEI) -> int:
        return suggested_tip(blocks(tips, [], used_percent), minimum_wei=minimum_wei, ignore_unforced=True)

    one = [[], [99 * GWEI]]
    for used_percent in (1, 50, 89, 100):
        assert suggested(one, used_percent) == GWEI
    for used_percent in (1, 50, 89):
        assert suggested([[]] + [[99 * GWEI]] * 40, used_percent) == GWEI
        assert suggested([[]] + [[7]] * 40, used_percent, minimum_wei=0) == 7
        assert suggested([[]] + [[99 * GWEI]] * 40, used_percent, minimum_wei=0) == GWEI
    # full blocks are another matter, and their dearest senders still are not
    assert suggested([[]] + [[3 * GWEI, 4 * GWEI, 5 * GWEI, 99 * GWEI]] * 40, 95) == 4 * GWEI
    assert suggested([[]] + [[600 * GWEI] * 3] * 40, 100) == 500 * GWEI
    # and some of them lift nothing yet
    assert suggested([[]] + [[GWEI]] * 30 + [[99 * GWEI]] * 7, 100) == GWEI


def test_suggested_tip_skips_the_producers_own_transactions() -> None:
    block = header(number=1, base_fee_per_gas=0, coinbase=b"\x09" * 20)
    own, foreign = receipt(21_000, 9 * GWEI, b"\x09" * 20), receipt(21_000, 4 * GWEI)
    assert suggested_tip([tips_of(block, [own, foreign])]) == 4 * GWEI
    assert suggested_tip([tips_of(block, [own])]) == GWEI
