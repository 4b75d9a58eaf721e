"""Numbers, amounts and times as the explorer writes them."""

import pytest

from zevm.rpc.explorer import formats


@pytest.mark.parametrize(
    ("wei", "places", "expected"),
    [
        (0, 18, "0 ETH"),
        (1, 18, "0.000000000000000001 ETH"),
        (1, 6, "<0.000001 ETH"),
        (15 * 10**17, 6, "1.5 ETH"),
        (10**18 - 1, 6, "0.999999 ETH"),
        (1_234_567 * 10**18, 6, "1,234,567 ETH"),
    ],
)
def test_ether(wei: int, places: int, expected: str) -> None:
    assert formats.ether(wei, places) == expected


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (1_000, "0 s ago"),
        (941, "59 s ago"),
        (940, "1 min ago"),
        (-6_200, "2 h ago"),
        (1_001, "in 1 s"),
        (8_200, "in 2 h"),
        (2**63, "9,223,372,036,854,775,808"),
    ],
)
def test_age(timestamp: int, expected: str) -> None:
    assert formats.age(timestamp, now=1_000) == expected


def test_an_age_of_months_is_a_date() -> None:
    assert formats.age(0, now=formats.OLDEST_AGE_SECONDS) == "30 d ago"
    assert formats.age(0, now=formats.OLDEST_AGE_SECONDS + 1) == "1970-01-01 00:00:00 UTC"


def test_short_and_other_forms() -> None:
    assert formats.short("0x" + "1234567890" * 4) == "0x12345678…7890"
    assert formats.short("0x1") == "0x1"
    assert (formats.share(1, 8), formats.share(0, 0)) == ("12.5 %", "0 %")
    assert formats.gwei(1_250_000_001) == "1.250000001 gwei"
    assert (formats.plural(1, "byte"), formats.plural(2_000, "byte")) == ("1 byte", "2,000 bytes")
