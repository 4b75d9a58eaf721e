"""Blob sidecars of both versions against real KZG proofs."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from zevm.chain.errors import TransactionError
from zevm.chain.rules.blobs import cell_sidecar, check_sidecar, make_sidecar, versioned_hash
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.types import BlobSidecar, Transaction, TransactionType
from zevm.chain.types.transaction import encode_network_form

pytestmark = [pytest.mark.lengthy, pytest.mark.usefixtures("trusted_setup")]

PRAGUE, OSAKA = (ForkRules(fork, 1, BlobParameters(6, 9, 5_007_716)) for fork in (Fork.PRAGUE, Fork.OSAKA))


def transaction(sidecar: BlobSidecar | None, commitments: tuple[bytes, ...]) -> Transaction:
    return Transaction(
        TransactionType.BLOB,
        chain_id=1,
        to=bytes(20),
        max_fee_per_blob_gas=1,
        blob_versioned_hashes=tuple(versioned_hash(commitment) for commitment in commitments),
        sidecar=sidecar,
    )


def field_element(blob: int, index: int) -> bytes:
    return b"\0" + sha256(bytes((blob,)) + index.to_bytes(2, "big")).digest()[1:]


@pytest.fixture(scope="module")
def proven() -> dict[int, Transaction]:
    """Two blobs with their proofs, as version 0 and as version 1."""
    blobs = tuple(b"".join([field_element(blob, index) for index in range(4096)]) for blob in range(2))
    by_blob = make_sidecar(blobs)
    return {item.version: transaction(item, item.commitments) for item in (by_blob, cell_sidecar(by_blob))}


def changed(original: Transaction, **parts: Any) -> Transaction:
    assert original.sidecar is not None
    return replace(original, sidecar=replace(original.sidecar, **parts))


def refusal(transaction: Transaction, rules: ForkRules = OSAKA) -> str:
    with pytest.raises(TransactionError) as caught:
        check_sidecar(transaction, rules)
    return caught.value.message


def test_good_sidecars_pass(proven: dict[int, Transaction]) -> None:
    check_sidecar(proven[0], PRAGUE)
    check_sidecar(proven[0], OSAKA)
    check_sidecar(proven[1], OSAKA)
    for version in (0, 1):
        check_sidecar(Transaction.decode(encode_network_form(proven[version])), OSAKA)


def test_versions(proven: dict[int, Transaction]) -> None:
    assert refusal(proven[1], PRAGUE) == "unexpected sidecar version, want: 0, got: 1"
    assert refusal(changed(proven[1], version=2)) == "unexpected sidecar version, want: 1, got: 2"
    assert refusal(proven[0].without_sidecar()) == "missing sidecar in blob transaction"


@pytest.mark.parametrize(("version", "expected"), [(0, 2), (1, 256)])
def test_counts(proven: dict[int, Transaction], version: int, expected: int) -> None:
    good = proven[version]
    sidecar = good.sidecar
    assert sidecar is not None
    assert refusal(changed(good, blobs=sidecar.blobs[:1])) == "invalid number of 1 blobs compared to 2 blob hashes"
    assert refusal(changed(good, commitments=sidecar.commitments * 2)) == (
        "invalid number of 4 blob commitments compared to 2 blob hashes"
    )
    assert refusal(changed(good, proofs=sidecar.proofs[1:])) == (
        f"invalid number of {expected - 1} blob proofs expected {expected}"
    )
    assert refusal(changed(good, proofs=(*sidecar.proofs, bytes(48)))) == (
        f"invalid number of {expected + 1} blob proofs expected {expected}"
    )
    assert refusal(replace(good, blob_versioned_hashes=())) == "blobless blob transaction"


def test_hashes(proven: dict[int, Transaction]) -> None:
    first, second = proven[1].blob_versioned_hashes
    assert refusal(replace(proven[1], blob_versioned_hashes=(first, first))) == (
        f"blob 1: computed hash 0x{second.hex()} mismatches transaction one 0x{first.hex()}"
    )


@pytest.mark.parametrize("version", [0, 1])
def test_proofs(proven: dict[int, Transaction], version: int) -> None:
    good = proven[version]
    sidecar = good.sidecar
    assert sidecar is not None
    text = "KZG verification error: " + ("invalid proof" if version == 1 else "invalid blob proof: invalid proof")
    assert refusal(changed(good, blobs=sidecar.blobs[::-1])) == text
    assert refusal(changed(good, proofs=sidecar.proofs[::-1])) == text
    assert refusal(changed(good, proofs=(b"\xff" * 48, *sidecar.proofs[1:]))) == text
    assert refusal(changed(good, blobs=(b"\xff" * 131_072, sidecar.blobs[1]))) == text
    assert refusal(changed(good, blobs=(b"short", sidecar.blobs[1]))) == text


def test_versioned_hash() -> None:
    infinity = b"\xc0" + bytes(47)
    assert versioned_hash(infinity).hex() == "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"
