"""The caches of decoded records follow the chain."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chain.chain_fixtures import open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.canonical import records
from zevm.storage.ledger import Ledger


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


READS: dict[str, Callable[[Chain, bytes], Any]] = {
    "header": lambda chain, block_hash: chain.records.header_by_hash(block_hash),
    "block": lambda chain, block_hash: chain.records.block_by_hash(block_hash),
    "receipts": lambda chain, block_hash: chain.records.receipts(block_hash),
    "tips": lambda chain, block_hash: chain.records.tips(block_hash),
}


@pytest.mark.parametrize("is_before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("part", ["header", "body", "receipts"])
@pytest.mark.parametrize("name", READS)
def test_a_block_that_is_removed_while_it_is_read_is_kept_by_no_cache(
    name: str, part: str, is_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search on a worker's thread reads a part of it, and the writer removes it before or after that."""
    chain = open_chain()
    snapshot = chain.writer.run(chain.snapshot)
    read, read_part, transaction = READS[name], getattr(Ledger, part), transfer(0)
    chain.writer.run(chain.send_transaction, transaction)
    block_hash = chain.head.header.hash
    want = read(chain, block_hash)
    chain.records.clear()
    with monkeypatch.context() as patch:

        def read_and_remove(ledger: Ledger, wanted: bytes) -> Any:
            patch.setattr(Ledger, part, read_part)
            data = read_part(ledger, wanted)
            assert chain.writer.run(chain.revert, snapshot)
            return read_part(ledger, wanted) if is_before else data

        patch.setattr(Ledger, part, read_and_remove)
        assert read(chain, block_hash) in (None, want)
    if not chain.head.number:
        assert read(chain, block_hash) is None
        chain.writer.run(chain.send_transaction, transaction)
    assert chain.head.header.hash == block_hash
    assert read(chain, block_hash) == want
    chain.close()
