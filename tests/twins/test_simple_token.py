"""The guide's token, in Solidity and in Zig."""

from __future__ import annotations

import pytest

import zevm
from testing.twins.compiled import Language, code_of
from testing.twins.deployed import Deployed, deploy, error_data

WHOLE_SUPPLY = 10**24


@pytest.fixture
def token(node: zevm.Node, language: Language) -> Deployed:
    return deploy(node, code_of("simple_token", language))


def test_the_deployer_has_the_whole_supply(token: Deployed, accounts: list[str]) -> None:
    assert token.call("balanceOf", accounts[0]) == WHOLE_SUPPLY
    assert token.call("getInfo") == ("SimpleToken", 18, WHOLE_SUPPLY)


def test_transfers(token: Deployed, accounts: list[str]) -> None:
    owner, other, *_ = accounts
    (log,) = token.send("transfer", other, 100).logs
    assert [topic[-40:] for topic in log.topics[1:]] == [owner[2:], other[2:]]
    assert (token.call("balanceOf", owner), token.call("balanceOf", other)) == (WHOLE_SUPPLY - 100, 100)
    token.send("transfer", other, 40, sender=other)
    assert token.call("balanceOf", other) == 100
    assert token.refusal("transfer", owner, 101, sender=other) == error_data("InvalidParameters()")
    assert token.slot(1) == WHOLE_SUPPLY
