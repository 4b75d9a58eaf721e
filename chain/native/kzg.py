"""Functions that need KZG's trusted setup (EIP-4844, EIP-7594): commitments, blob proofs and cell proofs.

The library holds Python's global lock, for a third of a second with the cells of one blob and for seconds with the
setup: the node has these called in a process of their own (chain/native/process.py, BLOBS).
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import ckzg

from zevm.chain.native.answers import InputError

CELLS_PER_BLOB = 128
"""Cells of an extended blob, each with a proof of its own in a sidecar of version 1 (EIP-7594)."""

_SETUP_FILE = "typed_transactions/blob_transactions/kzg_trusted_setup.txt"
"""The ceremony's result, where eth-account has it."""


@cache
def trusted_setup() -> object:
    """The setup, read once."""
    package = find_spec("eth_account")
    assert package is not None
    assert package.origin is not None
    return ckzg.load_trusted_setup(str(Path(package.origin).parent / _SETUP_FILE), 0)


def make_proofs(blobs: Sequence[bytes]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Commitments and proofs of blobs. Raises InputError for what is no blob."""
    setup = trusted_setup()
    try:
        commitments = tuple([ckzg.blob_to_kzg_commitment(blob, setup) for blob in blobs])
        pairs = zip(blobs, commitments, strict=True)
        proofs = tuple([ckzg.compute_blob_kzg_proof(blob, commitment, setup) for blob, commitment in pairs])
    except (RuntimeError, ValueError) as error:
        raise InputError(str(error) or type(error).__name__) from error
    return commitments, proofs


def blobs_are_proven(blobs: Sequence[bytes], commitments: Sequence[bytes], proofs: Sequence[bytes]) -> bool:
    """Whether each proof is of its blob and commitment; False too where there is no such blob or point."""
    parts = (b"".join(part) for part in (blobs, commitments, proofs))
    try:
        return bool(ckzg.verify_blob_kzg_proof_batch(*parts, trusted_setup()))
    except (RuntimeError, ValueError):
        return False


def cells_are_proven(blobs: Sequence[bytes], commitments: Sequence[bytes], proofs: Sequence[bytes]) -> bool:
    """The same of the proofs of every blob's cells, in order."""
    setup = trusted_setup()
    try:
        cells = [cell for blob in blobs for cell in ckzg.compute_cells(blob, setup)]
        repeated = [commitment for commitment in commitments for _ in range(CELLS_PER_BLOB)]
        indices = [*range(CELLS_PER_BLOB)] * len(blobs)
        return bool(ckzg.verify_cell_kzg_proof_batch(repeated, indices, cells, list(proofs), setup))
    except (RuntimeError, ValueError):
        return False


def cell_proofs(blob: bytes) -> tuple[bytes, ...]:
    """The proofs of a blob's cells, each 48 bytes."""
    return tuple(ckzg.compute_cells_and_kzg_proofs(blob, trusted_setup())[1])
