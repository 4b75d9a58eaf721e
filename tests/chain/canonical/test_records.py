"""The caches of decoded records follow the chain."""

import pytest

from tests.chain.chain_fixtures import open_chain, transfer
from zevm.chain.canonical import records


def test_a_removed_transaction_is_found_no_more_whatever_was_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "_CACHED_BLOCKS", 2)
    chain = open_chain()
    snapshot = chain.writer.run(chain.snapshot)
    sent = [transfer(nonce) for nonce in range(5)]
    for transaction in sent:
        chain.writer.run(chain.send_transaction, transaction)
    for number, transaction in enumerate(sent, 1):
        found = chain.find_transaction(transaction.hash)
        assert found is not None
        assert (found.block.number, found.transaction) == (number, transaction)
        assert chain.header_of_transaction(transaction.hash).number == number
    assert chain.writer.run(chain.revert, snapshot)
    for transaction in sent:
        assert chain.find_transaction(transaction.hash) is None
        assert chain.header_of_transaction(transaction.hash) is None
    chain.close()
