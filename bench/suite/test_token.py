"""Two hundred tests of a token: in each two transactions, three calls and a revert."""

from typing import Any

import pytest
from web3.exceptions import Web3Exception

TESTS = 200


@pytest.mark.parametrize("number", range(TESTS + 1))
def test_token(w3: Any, token: Any, accounts: Any, number: int) -> None:
    alice, bob, carol = accounts[:3]
    call = token.functions
    for sender, receiver, value in ((alice, bob, 100 + number), (bob, carol, number)):
        sent = call.transfer(receiver, value).transact({"from": sender})
        assert w3.eth.wait_for_transaction_receipt(sent)["status"] == 1
    assert call.balanceOf(bob).call() == 100
    assert call.balanceOf(carol).call() == number
    assert call.totalSupply().call() == 10**24
    with pytest.raises((Web3Exception, Exception), match=r"execution reverted|0xe450d38c|ERC20|reverted"):
        call.transfer(alice, 10**30).transact({"from": carol})
