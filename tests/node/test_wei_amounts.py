"""Amounts of wei on the command line, with and without a unit."""

import pytest
import typer

from zevm.node.commands.wasm_options import wei_of

AMOUNTS = {
    "0": 0,
    "1000": 1000,
    "7wei": 7,
    "5gwei": 5 * 10**9,
    "5 gwei": 5 * 10**9,
    "1.5ether": 15 * 10**17,
    "0.000000000000000001ether": 1,
    "0.000000001gwei": 1,
    str(2**256 - 1): 2**256 - 1,
}


@pytest.mark.parametrize("text", AMOUNTS)
def test_an_amount_has_a_unit_or_is_wei(text: str) -> None:
    assert wei_of(text) == AMOUNTS[text]


@pytest.mark.parametrize("text", ["", "-1", "0.5", "1.5wei", "0.0000000001gwei", "1eth", "1e18", "0x1", "ether", "٣"])
def test_what_is_no_whole_wei_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="want whole wei, as 1000"):
        wei_of(text)
