"""Signing: against eth-account for messages, typed data and every type of transaction."""

from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types import AccessListEntry, Authorization, Transaction, TransactionType
from zevm.chain.types.signatures import SECP256K1_HALF_ORDER
from zevm.node.wallet import KeyWallet, address_of, checksum_address
from zevm.rpc.codec.typed_data import hash_typed_data
from zevm.rpc.limits import Limits
from zevm.rpc.wallet import UnknownAccountError

KEY = PrivateKey(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
ADDRESS = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
STRANGER = bytes(19) + b"\x01"

MAIL: dict[str, Any] = {
    "types": {
        "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person[]"}],
    },
    "primaryType": "Mail",
    "domain": {"name": "Ether Mail", "chainId": 1},
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": [{"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"}],
    },
}


@pytest.fixture
def wallet() -> KeyWallet:
    return KeyWallet([KEY])


def test_addresses(wallet: KeyWallet) -> None:
    other = PrivateKey()
    assert wallet.addresses() == [ADDRESS]
    assert wallet.add(other) == address_of(other)
    assert wallet.addresses() == [ADDRESS, address_of(other)]


@given(st.binary(min_size=20, max_size=20))
def test_checksum_addresses_agree_with_eth_utils(address: bytes) -> None:
    assert checksum_address(address) == to_checksum_address(address)


@given(st.binary(max_size=200))
def test_messages_agree_with_eth_account(data: bytes) -> None:
    signature = KeyWallet([KEY]).sign_message(ADDRESS, data)
    assert signature == Account.sign_message(encode_defunct(data), KEY.secret).signature


def test_typed_data_agrees_with_eth_account(wallet: KeyWallet) -> None:
    hashes = hash_typed_data(MAIL, Limits(), Deadline.after(60))
    signature = wallet.sign_typed_data(ADDRESS, hashes.domain_separator, hashes.struct_hash)
    assert signature == Account.sign_message(encode_typed_data(full_message=MAIL), KEY.secret).signature


BASE = Transaction(
    chain_id=31337,
    nonce=7,
    max_priority_fee_per_gas=2,
    max_fee_per_gas=9,
    gas_limit=50_000,
    to=STRANGER,
    value=5,
    data=b"\x01\x02",
)
ENTRY = AccessListEntry(STRANGER, (bytes(32),))
TYPES = {
    "legacy": replace(BASE, max_priority_fee_per_gas=9),
    "legacy without chain id": replace(BASE, max_priority_fee_per_gas=9, chain_id=None),
    "creation": replace(BASE, max_priority_fee_per_gas=9, to=None),
    "access list": replace(BASE, type=TransactionType.ACCESS_LIST, max_priority_fee_per_gas=9, access_list=(ENTRY,)),
    "dynamic fee": replace(BASE, type=TransactionType.DYNAMIC_FEE, access_list=(ENTRY,)),
    "blob": replace(
        BASE, type=TransactionType.BLOB, max_fee_per_blob_gas=3, blob_versioned_hashes=(b"\x01" + bytes(31),)
    ),
    "set code": replace(
        BASE, type=TransactionType.SET_CODE, authorization_list=(Authorization(31337, STRANGER, 1, 0, 5, 6),)
    ),
}


@pytest.mark.parametrize("kind", TYPES)
def test_transactions_of_every_type(wallet: KeyWallet, kind: str) -> None:
    signed = wallet.sign_transaction(ADDRESS, TYPES[kind])
    assert signed.sender == ADDRESS
    assert 0 < signed.s <= SECP256K1_HALF_ORDER
    decoded = Transaction.decode(signed.encoded)
    assert decoded == signed
    assert Account.recover_transaction(signed.encoded) == checksum_address(ADDRESS)


def test_unknown_accounts(wallet: KeyWallet) -> None:
    with pytest.raises(UnknownAccountError, match="unknown account"):
        wallet.sign_transaction(STRANGER, BASE)
    with pytest.raises(UnknownAccountError):
        wallet.sign_message(STRANGER, b"")
    with pytest.raises(UnknownAccountError):
        wallet.sign_typed_data(STRANGER, bytes(32), bytes(32))


def test_no_key_is_shown(wallet: KeyWallet) -> None:
    assert KEY.secret.hex() not in repr(wallet) + str(wallet)
