"""What the records of a block keep of their encodings is what encoding them anew gives."""

from dataclasses import replace

import pytest

from zevm.chain.types import AccessListEntry, Header, Transaction, TransactionType
from zevm.storage.keccak import keccak256

LEGACY = Transaction(chain_id=31337, nonce=3, max_fee_per_gas=10**9, gas_limit=21_000, to=b"\x11" * 20, r=5, s=7)
TRANSACTIONS = [
    LEGACY,
    replace(LEGACY, chain_id=None, y_parity=1),
    replace(LEGACY, type=TransactionType.ACCESS_LIST, access_list=(AccessListEntry(b"\x22" * 20, (bytes(32),)),)),
    replace(LEGACY, type=TransactionType.DYNAMIC_FEE, to=None, data=bytes(300), value=1 << 200),
    replace(LEGACY, type=TransactionType.BLOB, blob_versioned_hashes=(b"\x01" + bytes(31),)),
]


@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_a_decoded_transaction_has_the_encoding_it_came_in(transaction) -> None:
    decoded = Transaction.decode(transaction.encoded)
    assert decoded.encoded == replace(decoded).encoded == transaction.encoded
    assert decoded.hash == transaction.hash
    assert replace(decoded, nonce=4).encoded != transaction.encoded


def test_a_headers_hash_is_that_of_its_encoding_whoever_asks_first() -> None:
    header = Header(parent_hash=b"\x01" * 32, number=300, gas_limit=30_000_000, base_fee_per_gas=7)
    encoded = header.encode_and_hash()
    assert encoded == header.encode() == Header.decode(encoded).encode()
    assert header.hash == keccak256(encoded)
    changed = header.with_changes(number=301)
    assert changed.hash == keccak256(changed.encode()) != header.hash
