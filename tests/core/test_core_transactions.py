"""Transactions as the core reads them: the same fields and hashes, and for bytes that are none the same errors."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.core.support import agree, needs_core, outcome
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.types import Transaction
from zevm.chain.types.signatures import SECP256K1_ORDER, InvalidSignatureError, recover_address, recover_addresses
from zevm.chain.types.transaction import (
    AccessListEntry,
    Authorization,
    BlobSidecar,
    TransactionType,
    decode_in_python,
    encode_network_form,
    recover_senders,
)
from zevm.chain.vm.engines.engine import FUNCTION_CHECKS, Engine
from zevm.core import CORE, references
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address
from zevm.storage.rlp import encode_bytes

pytestmark = needs_core

FIELDS = [field.name for field in fields(Transaction)]


def example(rng: random.Random, kind: TransactionType) -> Transaction:
    """A transaction whose numbers have all sizes."""

    def number(bits: int) -> int:
        return rng.getrandbits(rng.randint(0, bits))

    typed = kind is not TransactionType.LEGACY
    price = number(256)
    two_prices = kind not in (TransactionType.LEGACY, TransactionType.ACCESS_LIST)
    entries = tuple(
        AccessListEntry(rng.randbytes(20), tuple(rng.randbytes(32) for _ in range(rng.randint(0, 3))))
        for _ in range(rng.randint(0, 2))
    )
    signed = tuple(
        Authorization(number(256), rng.randbytes(20), number(64), number(8), number(256), number(256))
        for _ in range(rng.randint(0, 2))
    )
    creates = kind <= TransactionType.DYNAMIC_FEE and rng.random() < 0.3
    return Transaction(
        type=kind,
        chain_id=number(240) if typed else rng.choice((None, number(240))),
        nonce=number(64),
        max_priority_fee_per_gas=number(256) if two_prices else price,
        max_fee_per_gas=price,
        gas_limit=number(64),
        to=None if creates else rng.randbytes(20),
        value=number(256),
        data=rng.randbytes(rng.choice((0, 1, 2, 60, 300, 5_000))),
        access_list=entries if typed else (),
        max_fee_per_blob_gas=number(256) if kind is TransactionType.BLOB else 0,
        blob_versioned_hashes=(rng.randbytes(32),) if kind is TransactionType.BLOB else (),
        authorization_list=signed if kind is TransactionType.SET_CODE else (),
        y_parity=rng.randint(0, 1),
        r=number(256),
        s=number(256),
    )


def read(data: bytes) -> Any:
    """What the core and Python make of the bytes, which is the same, its kinds included."""
    found = outcome(Transaction.decode, data)
    wanted = outcome(decode_in_python, data)
    assert found == wanted, data.hex()
    if isinstance(wanted, Transaction):
        for name in FIELDS:
            assert type(getattr(found, name)) is type(getattr(wanted, name)), name
        assert (found.hash, found.signing_hash, found.encoded) == (wanted.hash, wanted.signing_hash, wanted.encoded)
        assert replace(found) == wanted
    return found


@pytest.mark.parametrize("kind", TransactionType)
def test_transactions_of_every_type(kind: TransactionType) -> None:
    rng = random.Random(kind)
    for _ in range(150):
        transaction = example(rng, kind)
        digest = transaction.signing_hash
        # now it is cut out of the whole
        assert transaction.encoded
        del transaction.__dict__["signing_hash"]
        assert transaction.signing_hash == digest
        assert CORE.library.transaction_fields(transaction.encoded) is not None
        assert read(transaction.encoded) == transaction


@pytest.mark.parametrize("kind", TransactionType)
def test_every_cut_and_every_flip(kind: TransactionType) -> None:
    rng = random.Random(100 + kind)
    whole = replace(example(rng, kind), data=b"\x01\x02").encoded
    for place in range(len(whole)):
        read(whole[:place])
        for change in (1, 0x80, rng.randrange(1, 256)):
            read(whole[:place] + bytes((whole[place] ^ change,)) + whole[place + 1 :])
    read(whole + b"\x00")


@pytest.mark.parametrize("kind", TransactionType)
def test_every_field_of_every_wrong_kind(kind: TransactionType) -> None:
    whole = example(random.Random(200 + kind), kind).encoded
    prefix = b"" if kind is TransactionType.LEGACY else whole[:1]
    items = rlp.decode_list(whole[len(prefix) :])
    wrong = (b"", b"\x00", b"\x01", b"\x00\x01", bytes(20), b"\x01" * 9, b"\x01" * 32, b"\x01" * 33, [], [b""], [[b""]],
             [[bytes(20), []]], [[bytes(20), [bytes(32)]]], [[bytes(20), [bytes(31)]]], [[bytes(20), [], b""]],
             [[b"\x01", bytes(20), b"", b"", b"\x01", b"\x01"]],
             b"\x1b", b"\x1c", b"\x1d", b"\x22", b"\x23")  # fmt: skip
    for index in range(len(items)):
        for value in wrong:
            read(prefix + rlp.encode([*items[:index], value, *items[index + 1 :]]))
        read(prefix + rlp.encode([*items[:index], *items[index + 1 :]]))
    read(prefix + rlp.encode([*items, b""]))


def test_blobs_with_their_sidecar_and_other_types() -> None:
    transaction = example(random.Random(3), TransactionType.BLOB)
    sidecar = BlobSidecar(0, (bytes(131_072),), (bytes(48),), (bytes(48),))
    assert read(encode_network_form(replace(transaction, sidecar=sidecar))).sidecar == sidecar
    for first in range(0xC0):
        read(bytes((first,)) + transaction.encoded[1:])
    for few in (b"", b"\x01", b"\xc0", b"\x02\xc0", encode_bytes(transaction.encoded)):
        read(few)


def test_the_check_mode_reads_what_both_read_and_finds_what_they_do_not() -> None:
    owner, encoded = object(), example(random.Random(5), TransactionType.DYNAMIC_FEE).encoded
    FUNCTION_CHECKS.begin(owner, Engine.CHECK)
    try:
        assert Transaction.decode(encoded).encoded == encoded
        assert CORE.library is not None
        CORE.library.bind("transaction_fields", lambda _: None, Transaction._of)
        with pytest.raises(EngineDifferenceError, match="transaction_fields"):
            Transaction.decode(encoded)
    finally:
        FUNCTION_CHECKS.end(owner)
        CORE.library.bind("transaction_fields", decode_in_python, Transaction._of)


def test_the_address_of_a_signature_is_the_same() -> None:
    assert recover_address is not references["recover_address"]
    rng = random.Random(11)
    for _ in range(40):
        key, digest = PrivateKey(rng.randbytes(32)), rng.randbytes(32)
        compact = key.sign_recoverable(digest, hasher=None)
        r, s, parity = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big"), compact[64] & 1
        address = keccak256(key.public_key.format(compressed=False)[1:])[12:]
        assert agree("recover_address", digest, parity, r, s) == address
        assert agree("recover_address", digest, 1 - parity, r, SECP256K1_ORDER - s) == address
        for changed in ((digest, 1 - parity, r, s), (digest, parity, r, s ^ 1), (rng.randbytes(32), parity, r, s)):
            assert agree("recover_address", *changed) != address
    found = {agree("recover_address", digest, parity, rng.randrange(1 << 256), s)[0] for _ in range(40)}
    assert InvalidSignatureError in found
    assert len(found) > 1


def test_a_signature_that_is_none_is_the_references() -> None:
    digest, order = bytes(range(32)), SECP256K1_ORDER
    numbers = ((0, 5, 1), (0, 0, 1), (1, 1, 0), (2, 1, 1), (-1, 1, 1), (0, order, 1), (0, 1, order), (0, 1 << 256, 1))
    for signature in (*numbers, (0, -1, 1), (True, 1, 1), (0, True, 1), (0, "1", 1), (0, 1.0, 1), (None, 1, 1)):
        agree("recover_address", digest, *signature)
    for unusual in (b"", digest[1:], digest * 2, bytearray(digest), "text", None):
        agree("recover_address", unusual, 0, 1, 1)


def signatures_of(count: int, seed: int) -> list[tuple[bytes, int, int, int]]:
    """Of random keys; of some no key is found."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        digest = rng.randbytes(32)
        compact = PrivateKey(rng.randbytes(32)).sign_recoverable(digest, hasher=None)
        r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")
        made.append((digest, compact[64] & 1, r if rng.random() < 0.8 else rng.randrange(1, SECP256K1_ORDER), s))
    return made


@pytest.mark.parametrize("count", [0, 1, 7, 8, 16, 100])
def test_signatures_together_have_the_addresses_that_each_one_has(count: int) -> None:
    assert recover_addresses is not references["recover_addresses"]
    signatures = signatures_of(count, count)
    found = agree("recover_addresses", signatures)
    assert len(found) == count
    assert count < 16 or None in found
    for signature, address in zip(signatures, found, strict=True):
        if address is not None:
            assert recover_address(*signature) == address


def test_of_signatures_together_an_unusual_one_is_the_references() -> None:
    usual = signatures_of(20, 1)
    digest, order = bytes(range(32)), SECP256K1_ORDER
    for unusual in (
        (digest, 0, 0, 1),
        (digest, 2, 1, 1),
        (digest, 0, order, 1),
        (digest, 0, 1, 1 << 256),
        (b"", 0, 1, 1),
    ):
        agree("recover_addresses", [*usual, unusual, *usual])
    for wrong in ([digest], [(digest, 0, 1)], [None], None, 5):
        agree("recover_addresses", wrong)


def test_several_threads_recover_together() -> None:
    signatures = signatures_of(60, 2)
    expected = recover_addresses(signatures)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(recover_addresses, [signatures] * 12)) == [expected] * 12


def test_senders_are_recovered_together_where_they_are_not_known() -> None:
    keys = [PrivateKey(bytes([number]) * 32) for number in range(1, 21)]
    unsigned = Transaction(type=TransactionType.DYNAMIC_FEE, chain_id=1, gas_limit=21_000, to=Address(bytes(20)))
    signed = []
    for key in keys:
        compact = key.sign_recoverable(unsigned.signing_hash, hasher=None)
        r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")
        signed.append(Transaction.decode(unsigned.with_signature(compact[64], r, s).encoded))
    known = unsigned.with_signature(0, 1, 1, sender=Address(b"\x77" * 20))
    node_signed, nobody = unsigned.impersonating(Address(b"\x66" * 20)), unsigned.with_signature(0, 0, 5)
    recover_senders([known, *signed, node_signed, nobody])
    for key, transaction in zip(keys, signed, strict=True):
        assert transaction.__dict__["sender"] == keccak256(key.public_key.format(compressed=False)[1:])[12:]
    assert known.sender == b"\x77" * 20
    assert node_signed.sender == b"\x66" * 20
    with pytest.raises(InvalidSignatureError):
        _ = nobody.sender
