"""Checks of a type 3 transaction's blobs (EIP-4844, EIP-7594), with geth's texts."""

from collections.abc import Iterable
from hashlib import sha256

from lru import LRU

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.native.answers import InputError
from zevm.chain.native.kzg import CELLS_PER_BLOB
from zevm.chain.native.process import BLOBS
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import BlobSidecar, Transaction

VERSIONED_HASH_PREFIX = b"\x01"
_CELL_PROOFS: "LRU[bytes, tuple[bytes, ...]]" = LRU(512)
"""By commitment; 6 KiB each."""


def versioned_hash(commitment: bytes) -> bytes:
    """The hash by which a transaction names the blob with this KZG commitment (EIP-4844)."""
    return VERSIONED_HASH_PREFIX + sha256(commitment).digest()[1:]


def make_sidecar(blobs: Iterable[bytes]) -> BlobSidecar:
    """Blobs with their commitments and proofs, in version 0. Raises TransactionError for what is no blob."""
    kept = tuple(blobs)
    try:
        commitments, proofs = BLOBS.call("make_proofs", kept)
    except InputError as error:
        raise TransactionError(Reason.BLOB_INVALID, f"invalid blob: {error}") from error
    return BlobSidecar(0, kept, commitments, proofs)


def check_sidecar(transaction: Transaction, rules: ForkRules) -> None:
    """Raise TransactionError unless the sidecar's blobs are the ones that the transaction names.

    A sidecar of version 0 (a proof per blob) is good under every fork: geth computes the cell proofs that
    its peers want from Osaka on, and a node without peers has no use for them.
    """
    sidecar = transaction.sidecar
    if sidecar is None:
        raise TransactionError(Reason.SIDECAR_MISSING, "missing sidecar in blob transaction")
    if sidecar.version not in (0, 1) or (sidecar.version == 1 and rules.fork < Fork.OSAKA):
        want = 1 if rules.fork >= Fork.OSAKA else 0
        raise TransactionError(
            Reason.SIDECAR_VERSION, f"unexpected sidecar version, want: {want}, got: {sidecar.version}"
        )
    _check_counts(sidecar, len(transaction.blob_versioned_hashes))
    _check_hashes(sidecar, transaction.blob_versioned_hashes)
    _check_proofs(sidecar)


def _check_counts(sidecar: BlobSidecar, count: int) -> None:
    if count == 0:
        raise TransactionError(Reason.BLOB_HASHES_MISSING, "blobless blob transaction")
    if len(sidecar.blobs) != count:
        raise TransactionError(
            Reason.SIDECAR_COUNT, f"invalid number of {len(sidecar.blobs)} blobs compared to {count} blob hashes"
        )
    if len(sidecar.commitments) != count:
        raise TransactionError(
            Reason.SIDECAR_COUNT,
            f"invalid number of {len(sidecar.commitments)} blob commitments compared to {count} blob hashes",
        )
    expected = count * (CELLS_PER_BLOB if sidecar.version == 1 else 1)
    if len(sidecar.proofs) != expected:
        raise TransactionError(
            Reason.SIDECAR_COUNT, f"invalid number of {len(sidecar.proofs)} blob proofs expected {expected}"
        )


def _check_hashes(sidecar: BlobSidecar, hashes: tuple[bytes, ...]) -> None:
    for index, (commitment, named) in enumerate(zip(sidecar.commitments, hashes, strict=True)):
        computed = versioned_hash(commitment)
        if computed != named:
            raise TransactionError(
                Reason.SIDECAR_HASH_MISMATCH,
                f"blob {index}: computed hash 0x{computed.hex()} mismatches transaction one 0x{named.hex()}",
            )


def _check_proofs(sidecar: BlobSidecar) -> None:
    call = "cells_are_proven" if sidecar.version == 1 else "blobs_are_proven"
    if not BLOBS.call(call, sidecar.blobs, sidecar.commitments, sidecar.proofs):
        detail = "invalid proof" if sidecar.version == 1 else "invalid blob proof: invalid proof"
        raise TransactionError(Reason.BLOB_PROOF_INVALID, f"KZG verification error: {detail}")


def cell_sidecar(sidecar: BlobSidecar) -> BlobSidecar:
    """The same blobs with cell proofs, in version 1, as the consensus layer wants them from Osaka on (EIP-7594).

    Takes a good part of a second for each new blob where the sidecar has version 0; its proofs must have been checked.
    """
    if sidecar.version == 1:
        return sidecar
    pairs = zip(sidecar.commitments, sidecar.blobs, strict=True)
    proofs = [proof for commitment, blob in pairs for proof in cell_proofs(commitment, blob)]
    return BlobSidecar(1, sidecar.blobs, sidecar.commitments, tuple(proofs))


def cell_proofs(commitment: bytes, blob: bytes) -> tuple[bytes, ...]:
    """The proofs of a blob's 128 cells, each 48 bytes; those of the newest blobs are kept."""
    proofs = _CELL_PROOFS.get(commitment)
    if proofs is None:
        _CELL_PROOFS[commitment] = proofs = BLOBS.call("cell_proofs", blob)
    return proofs
