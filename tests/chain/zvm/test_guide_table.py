"""The guide's table: its loops are metered as it says, cells over the guide's are named, its contracts compile."""

import pytest

from bench import guide
from testing.contracts import wasm
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import shared_engine


def test_the_metered_loop_pays_once_a_round_and_the_other_nothing() -> None:
    engine = shared_engine(pooled=True)
    metered = engine.compile(prepare(guide.loop_module(), ZVM, library=True), optimise=False)
    unmetered = engine.compile(guide.AsItIs(guide.loop_module(guide.COUNTERS)), optimise=False)
    once, twice, thrice = (guide.loop_ink(metered, rounds) for rounds in (1, 2, 3))
    # more than one header a round, and less than two
    assert ZVM.block_header < twice - once < 2 * ZVM.block_header
    assert thrice - twice == twice - once
    assert guide.loop_ink(unmetered, 1_000) == 0


def test_cells_over_the_guides_are_named() -> None:
    row = guide.ROWS[0]
    rows = [(row, (10.0, 100.5, 0.00001))]
    assert guide.misses(rows) == ["contract call, µs, WASM: 100, the guide has 100"]
    assert guide.table(rows).splitlines()[-1] == "| contract call, µs | 10 (10) | 100 (100) | < 0.0001 (1,000) |"
    assert len(guide.ways().splitlines()) == len(guide.ROWS) * len(guide.COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["measure.zig", "large.zig"])
def test_the_contracts_that_are_measured_compile(name: str) -> None:
    assert prepare(wasm(name), ZVM).instrumented
