"""A constant-product exchange of two tokens, in Solidity and in Zig; the tokens are EVM contracts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

import zevm
from testing.twins.compiled import Language, code_of, solidity
from testing.twins.deployed import Deployed, RevertedError, deploy, error_data, panic_data, reason_data

ZERO = "0x" + "00" * 20
MOST = 2**256 - 1
SILENT, FALSE, SHORT, TWO, REASON, MUTE = range(6)


@dataclass(frozen=True, slots=True)
class Market:
    """An exchange and its two tokens, of which account 0 has all and the exchange may take all."""

    exchange: Deployed
    first: Deployed
    second: Deployed


def token(node: zevm.Node, exchange: str | None = None, supply: int = MOST) -> Deployed:
    made = deploy(node, solidity("TwinToken"), supply)
    if exchange is not None:
        made.send("approve", exchange, MOST)
    return made


@pytest.fixture
def market(node: zevm.Node, language: Language) -> Market:
    first, second = token(node), token(node)
    exchange = deploy(node, code_of("exchange", language), first.address, second.address)
    for one in (first, second):
        one.send("approve", exchange.address, MOST)
    return Market(exchange, first, second)


@pytest.fixture
def stocked(market: Market, accounts: list[str]) -> Market:
    """With 1,000,000 of the first token and 4,000,000 of the second."""
    market.exchange.send("add", 1_000_000, 4_000_000, 0, accounts[0])
    return market


def test_adding(market: Market, node: zevm.Node, accounts: list[str]) -> None:
    exchange = market.exchange
    assert (exchange.call("name"), exchange.call("symbol"), exchange.call("decimals")) == ("Exchange Share", "XSH", 18)
    assert exchange.refusal("add", 0, 5, 0, accounts[0]) == error_data("TooLittle(uint256,uint256)", 0, 0)
    outcome = exchange.send("add", 1_000_000, 4_000_000, 2_000_000, accounts[1])
    assert exchange.result("add", outcome.data) == 2_000_000 == exchange.call("balanceOf", accounts[1])
    names = {log.address for log in outcome.logs}
    assert names == {contract.address for contract in (exchange, market.first, market.second)}
    block = node.request("eth_getBlockByNumber", "latest", False)
    assert exchange.call("reserves") == (1_000_000, 4_000_000, int(block["timestamp"], 16) % 2**32)
    packed = 1_000_000 | 4_000_000 << 112 | int(block["timestamp"], 16) % 2**32 << 224
    assert exchange.slot(7) == packed
    outcome = exchange.send("add", 500_000, 4_000_000, 0, accounts[1])
    assert exchange.result("add", outcome.data) == 1_000_000
    little = error_data("TooLittle(uint256,uint256)", 1_000, 1_001)
    assert exchange.refusal("add", 500, 8_000_000, 1_001, accounts[1]) == little


@pytest.mark.parametrize("amount", [1, 2, 3, 4, 8, 9, 15, 16, 17, 2**55, 2**56 - 1])
def test_square_roots(market: Market, accounts: list[str], amount: int) -> None:
    outcome = market.exchange.send("add", amount, amount + 1, 0, accounts[0])
    assert market.exchange.result("add", outcome.data) == math.isqrt(amount * (amount + 1))


def test_swaps_keep_the_product(stocked: Market, accounts: list[str]) -> None:
    exchange = stocked.exchange
    product = 1_000_000 * 4_000_000
    for token_in, token_out, index in ((stocked.first, stocked.second, 0), (stocked.second, stocked.first, 1)):
        reserves = exchange.call("reserves")
        wanted = exchange.call("quote", 10_000, reserves[index], reserves[1 - index])
        with_fee = 10_000 * 9_970
        assert wanted == with_fee * reserves[1 - index] // (reserves[index] * 10_000 + with_fee)
        little = error_data("TooLittle(uint256,uint256)", wanted, wanted + 1)
        assert exchange.refusal("swap", token_in.address, 10_000, wanted + 1, accounts[5]) == little
        before = token_out.call("balanceOf", accounts[5])
        outcome = exchange.send("swap", token_in.address, 10_000, wanted, accounts[5])
        assert exchange.result("swap", outcome.data) == wanted
        assert token_out.call("balanceOf", accounts[5]) == before + wanted
        now = exchange.call("reserves")
        assert now[0] * now[1] >= product
        product = now[0] * now[1]
    assert exchange.refusal("swap", accounts[3], 1, 0, accounts[0]) == error_data("UnknownToken(address)", accounts[3])
    assert exchange.refusal("quote", 1, 0, 5) == error_data("NoReserves()")
    assert exchange.refusal("quote", MOST, 5, 5) == panic_data(0x11)


def test_removing(stocked: Market, accounts: list[str]) -> None:
    exchange = stocked.exchange
    outcome = exchange.send("remove", 500_000, 250_000, 1_000_000, accounts[4])
    assert exchange.result("remove", outcome.data) == (250_000, 1_000_000)
    assert (stocked.first.call("balanceOf", accounts[4]), exchange.call("totalSupply")) == (250_000, 1_500_000)
    poor = error_data("ERC20InsufficientBalance(address,uint256,uint256)", accounts[4], 0, 1)
    assert exchange.refusal("remove", 1, 0, 0, accounts[4], sender=accounts[4]) == poor
    little = error_data("TooLittle(uint256,uint256)", 2, 3)
    assert exchange.refusal("remove", 1, 0, 3, accounts[0]) == little
    exchange.send("remove", 1_500_000, 0, 0, accounts[0])
    assert exchange.call("reserves")[:2] == (0, 0)
    assert exchange.refusal("remove", 0, 0, 0, accounts[0]) == panic_data(0x12)


def test_refusals_of_a_token_pass_through(market: Market, accounts: list[str]) -> None:
    exchange, first = market.exchange, market.first
    first.send("approve", exchange.address, 5)
    allowance = error_data("ERC20InsufficientAllowance(address,uint256,uint256)", exchange.address, 5, 6)
    assert exchange.refusal("add", 6, 6, 0, accounts[0]) == allowance
    first.send("approve", exchange.address, MOST)
    assert exchange.refusal("add", 2**112, 1, 0, accounts[0]) == error_data("ReserveTooLarge(uint256)", 2**112)


def test_two_different_tokens_are_needed(node: zevm.Node, accounts: list[str], language: Language) -> None:
    with pytest.raises(RevertedError) as caught:
        deploy(node, code_of("exchange", language), accounts[0], accounts[0])
    assert caught.value.data == error_data("UnknownToken(address)", accounts[0])


@pytest.mark.parametrize("manner", [SILENT, FALSE, SHORT, TWO, REASON, MUTE])
def test_odd_tokens(node: zevm.Node, accounts: list[str], language: Language, manner: int) -> None:
    """A token without an answer is taken at its word, any other but `true` is refused."""
    odd, plain = deploy(node, solidity("OddToken"), manner, accounts[0], 1_000), token(node)
    exchange = deploy(node, code_of("exchange", language), odd.address, plain.address)
    plain.send("approve", exchange.address, MOST)
    if manner == SILENT:
        exchange.send("add", 100, 100, 0, accounts[0])
        exchange.send("swap", plain.address, 100, 0, accounts[6])
        assert odd.call("balanceOf", accounts[6]) == 49
        return
    failed = error_data("SafeERC20FailedOperation(address)", odd.address)
    wanted = {REASON: reason_data("OddToken: refused"), MUTE: b""}.get(manner, failed)
    assert exchange.refusal("add", 100, 100, 0, accounts[0]) == wanted


def test_a_token_that_is_no_contract(node: zevm.Node, accounts: list[str], language: Language) -> None:
    exchange = deploy(node, code_of("exchange", language), accounts[5], accounts[6])
    failed = error_data("SafeERC20FailedOperation(address)", accounts[5])
    assert exchange.refusal("add", 100, 100, 0, accounts[0]) == failed


def test_a_try_call_of_every_ending(market: Market, node: zevm.Node, accounts: list[str]) -> None:
    """A name, a reason, a panic, a custom error, and what ends the caller too: no code, and too short an answer."""

    def described(address: str) -> object:
        return market.exchange.call("describe", address)

    assert described(market.first.address) == (True, "Twin Token", 0)
    names = {manner: deploy(node, solidity("OddToken"), manner, accounts[0], 0).address for manner in range(6)}
    assert described(names[SILENT]) == (True, "Odd", 0)
    assert described(names[REASON]) == (False, "OddToken: no name", 1)
    assert described(names[MUTE]) == (False, "panic", 1)
    assert described(names[TWO]) == (False, "", 36)
    assert described(deploy(node, solidity("Receiver")).address) == (False, "", 0)
    assert market.exchange.refusal("describe", accounts[0]) == b""
    assert market.exchange.refusal("describe", "0x" + "00" * 19 + "04") == b""


def test_a_token_cannot_enter_again(market: Market, node: zevm.Node, accounts: list[str], language: Language) -> None:
    """A receiver of tokens calls the exchange back while it pays out."""
    receiver = deploy(node, solidity("CallingToken"), accounts[0], 1_000)
    exchange = deploy(node, code_of("exchange", language), receiver.address, market.second.address)
    market.second.send("approve", exchange.address, MOST)
    exchange.send("add", 500, 500, 0, accounts[0])
    receiver.send("callBack", exchange.call_data("swap", receiver.address, 1, 0, accounts[0]))
    again = error_data("ReentrancyGuardReentrantCall()")
    assert exchange.refusal("swap", market.second.address, 100, 0, accounts[0]) == again
