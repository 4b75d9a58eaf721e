"""Imported blocks are verified whole: a change of any header field is refused by name."""

from dataclasses import replace

import pytest

from tests.chain.chain_fixtures import CAROL, KEYS, STORE_AND_LOG, creation, open_chain, sign, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.errors import BlockError
from zevm.chain.rules.blobs import make_sidecar, versioned_hash
from zevm.chain.types import Block, Header, Transaction, TransactionType, Withdrawal
from zevm.chain.types.transaction import encode_network_form
from zevm.storage import rlp
from zevm.storage.trie import ordered_root

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
def test_an_altered_field_is_refused_by_name(source, chain: Chain, field: str) -> None:
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
        ({"gas_limit": 1 << 63}, "invalid gasLimit: have 9223372036854775808, max 9223372036854775807"),
        ({"gas_used": 1 << 62}, "invalid gasUsed: have 4611686018427387904, gasLimit "),
    ],
)
def test_bounds_of_fields(source, chain: Chain, changes, text: str) -> None:
    with pytest.raises(BlockError, match=text):
        chain.writer.run(chain.import_block, altered(source.block_by_number(1), **changes))


def test_a_missing_or_added_body_part_is_refused(source, chain: Chain) -> None:
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


def test_a_block_that_skips_its_parent_is_refused(source, chain: Chain) -> None:
    with pytest.raises(BlockError, match="number is 2, want 1"):
        chain.writer.run(chain.import_block, source.block_by_number(2))


def test_what_was_sent_for_an_impersonated_account_is_refused_unless_asked_for(chain: Chain) -> None:
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
    ("gas_limit", "message"), [(60_058_593, "+-= 58592"), (59_941_407, "+-= 58592"), (4_999, "+-=")]
)
def test_a_leap_of_the_gas_limit_is_refused(chain: Chain, gas_limit: int, message: str) -> None:
    source = open_chain()
    source.writer.run(lambda: source.change_settings(gas_limit=gas_limit))
    source.writer.run(source.mine)
    block = source.block_by_number(1)
    source.close()
    with pytest.raises(BlockError, match="invalid gas limit: have") as caught:
        chain.writer.run(chain.import_block, block)
    assert message in str(caught.value)
    chain.writer.run(lambda: chain.import_block(block, development=True))


def test_a_step_of_the_gas_limit_is_taken(chain: Chain) -> None:
    source = open_chain()
    source.writer.run(lambda: source.change_settings(gas_limit=60_058_592))
    source.writer.run(source.mine)
    chain.writer.run(chain.import_block, source.block_by_number(1))
    assert chain.head.header == source.head.header
    source.close()


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
def test_e4_a_blob_in_network_form_is_no_transaction_of_a_block() -> None:
    source, target = open_chain(), open_chain()
    sidecar = make_sidecar([bytes(131_072)])
    sent = sign(
        Transaction(
            TransactionType.BLOB,
            chain_id=31_337,
            to=CAROL,
            gas_limit=21_000,
            max_fee_per_gas=10**10,
            max_fee_per_blob_gas=10**10,
            blob_versioned_hashes=tuple(map(versioned_hash, sidecar.commitments)),
        ),
        KEYS[0],
    )
    source.writer.run(source.send_transaction, replace(sent, sidecar=sidecar))
    block = source.block_by_number(1)
    assert [transaction.hash for transaction in block.transactions] == [sent.hash]
    canonical, network = sent.encoded, encode_network_form(replace(sent, sidecar=sidecar))
    parts = rlp.split_list(block.encode())
    parts[1] = rlp.wrap_list(rlp.encode(network))
    read = Block.decode(rlp.wrap_list(b"".join(parts)))
    assert read.transactions[0].encoded == canonical
    with pytest.raises(BlockError, match="unexpected blob sidecar in transaction at index 0"):
        target.writer.run(target.import_block, read)
    target.writer.run(target.import_block, block)
    source.close()
    target.close()
