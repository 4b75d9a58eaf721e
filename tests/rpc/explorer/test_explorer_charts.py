"""Charts of blocks: where bars and lines lie."""

from zevm.chain.types import Header
from zevm.rpc.explorer.charts import charts


def _header(number: int, gas_used: int, base_fee: int | None) -> Header:
    return Header(bytes(32), number=number, gas_limit=100, gas_used=gas_used, base_fee_per_gas=base_fee)


def test_bars_are_shares_of_the_fullest_block_and_the_line_goes_from_the_lowest_to_the_highest() -> None:
    found = charts([_header(7, 5, 10), _header(6, 20, 30), _header(5, 0, 20)])
    assert found is not None
    assert [(bar.number, bar.y, bar.height) for bar in found.bars] == [(5, 100, 0), (6, 0, 100), (7, 75, 25)]
    assert found.highest_share == "20.0 %"
    assert "5 gas, 5.0 %" in found.bars[2].title
    assert [float(point.split(",")[1]) for point in found.points.split()] == [50, 0, 100]
    assert found.bars[0].x < found.bars[1].x < found.bars[2].x < 1_000
    assert (found.lowest_fee, found.highest_fee) == ("0.00000001 gwei", "0.00000003 gwei")


def test_empty_blocks_have_no_bars() -> None:
    found = charts([_header(1, 0, 10), _header(2, 0, 10)])
    assert found is not None
    assert [bar.height for bar in found.bars] == [0, 0]
    assert found.highest_share == "0.0 %"


def test_equal_fees_are_a_line_in_the_middle() -> None:
    found = charts([_header(1, 0, 10), _header(2, 0, 10)])
    assert found is not None
    assert [point.split(",")[1] for point in found.points.split()] == ["50.00", "50.00"]


def test_blocks_before_london_have_no_line_and_one_block_has_no_chart() -> None:
    found = charts([_header(1, 0, None), _header(2, 0, 10)])
    assert found is not None
    assert found.points == ""
    assert charts([_header(1, 0, 10)]) is None
    assert charts([]) is None
