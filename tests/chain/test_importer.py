"""Imported blocks are verified whole: a change of any header field is refused by name."""

from dataclasses import replace

import pytest

from chain.errors import BlockError
from chain.types import Block, Header, Withdrawal
from storage.trie import ordered_root
from tests.chain.chain_fixtures import CAROL, STORE_AND_LOG, creation, open_chain, transfer

ALTERED = {
    "parent_hash": b"\x01" * 32,
    "uncles_hash": b"\x01" * 32,
    "state_root": b"\x01" * 32,
    "transactions_root": b"\x01" * 32,
    "receipts_root": b"\x01" * 32,
    "logs_bloom": b"\x01" * 256,
    "difficulty": 1,
    "number": 7,
    "gas_used": 1,
    "nonce": b"\x01" * 8,
    "base_fee_per_gas": 1,
    "withdrawals_root": b"\x01" * 32,
    "blob_gas_used": 131_072,
    "excess_blob_gas": 1,
    "requests_hash": b"\x01" * 32,
}


@pytest.fixture(scope="module")
def source():
    chain = open_chain()
    chain.writer.run(chain.send_transaction, creation(0, STORE_AND_LOG))
    chain.writer.run(chain.send_transaction, transfer(1, to=CAROL))
    yield chain
    chain.close()


@pytest.fixture
def chain():
    opened = open_chain()
    yield opened
    opened.close()


def with_transactions(block: Block, *transactions) -> Block:
    """With these in its body, and their root in its header."""
    root = ordered_root([transaction.encoded for transaction in transactions])
    return altered(replace(block, transactions=transactions), transactions_root=root)


def altered(block: Block, **changes) -> Block:
    return replace(block, header=block.header.with_changes(**changes))


@pytest.mark.parametrize("field", ALTERED)
def test_an_altered_field_is_refused_by_name(source, chain, field):
    block = source.block_by_number(1)
    with pytest.raises(BlockError, match=field.replace("_", " ")):
        chain.writer.run(chain.import_block, altered(block, **{field: ALTERED[field]}))
    assert chain.head.number == 0
    chain.writer.run(chain.import_block, block)
    assert chain.head.header.hash == block.hash


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"timestamp": 0}, "timestamp"),
        ({"extra_data": bytes(33)}, "extra data"),
        ({"gas_limit": 1 << 63}, "gas"),
    ],
)
def test_bounds_of_fields(source, chain, changes, text):
    with pytest.raises(BlockError, match=text):
        chain.writer.run(chain.import_block, altered(source.block_by_number(1), **changes))


def test_a_missing_or_added_body_part_is_refused(source, chain):
    block = source.block_by_number(1)
    for broken, text in (
        (replace(block, transactions=()), "transactions root is"),
        (replace(block, transactions=(*block.transactions, transfer(5))), "transactions root is"),
        (with_transactions(block, transfer(5)), "nonce too high"),
        (replace(block, withdrawals=None), "withdrawals"),
        (replace(block, withdrawals=(Withdrawal(0, 0, CAROL, 1),)), "withdrawals root is"),
        (replace(block, uncles=(Header(parent_hash=bytes(32)),)), "uncles hash"),
    ):
        with pytest.raises(BlockError, match=text):
            chain.writer.run(chain.import_block, broken)


def test_a_block_that_skips_its_parent_is_refused(source, chain):
    with pytest.raises(BlockError, match="number is 2, want 1"):
        chain.writer.run(chain.import_block, source.block_by_number(2))


def test_what_was_sent_for_an_impersonated_account_is_refused_unless_asked_for(chain) -> None:
    source = open_chain()
    unsigned = transfer(0, value_wei=5, to=CAROL).impersonating(CAROL[:19] + b"\x01")
    source.writer.run(source.patch_state, lambda state: state.set_balance(unsigned.sender, 10**18))
    chain.writer.run(chain.patch_state, lambda state: state.set_balance(unsigned.sender, 10**18))
    source.writer.run(source.send_transaction, unsigned)
    block = source.block_by_number(1)
    source.close()
    with pytest.raises(BlockError, match=r"transaction 0 \[0x[0-9a-f]{64}\] has no signature"):
        chain.writer.run(chain.import_block, block)
    assert chain.head.number == 0
    chain.writer.run(lambda: chain.import_block(block, development=True))
    assert chain.head.header.hash == block.hash


@pytest.mark.parametrize(
    ("gas_limit", "message"), [(30_029_296, "+-= 29295"), (29_970_704, "+-= 29295"), (4_999, "+-=")]
)
def test_a_leap_of_the_gas_limit_is_refused(chain, gas_limit: int, message: str) -> None:
    source = open_chain()
    source.writer.run(lambda: source.change_settings(gas_limit=gas_limit))
    source.writer.run(source.mine)
    block = source.block_by_number(1)
    source.close()
    with pytest.raises(BlockError, match="invalid gas limit: have") as caught:
        chain.writer.run(chain.import_block, block)
    assert message in str(caught.value)
    chain.writer.run(lambda: chain.import_block(block, development=True))


def test_a_step_of_the_gas_limit_is_taken(chain) -> None:
    source = open_chain()
    source.writer.run(lambda: source.change_settings(gas_limit=30_029_295))
    source.writer.run(source.mine)
    chain.writer.run(chain.import_block, source.block_by_number(1))
    assert chain.head.header == source.head.header
    source.close()
