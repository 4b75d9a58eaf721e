"""The blobs of a request: their hashes and their sidecar (EIP-4844, EIP-7594).

Clients send blobs alone, or with commitments and proofs: a proof for each blob (`proofs`, until Prague), or for each of
its cells (`cellProofs` of Foundry and alloy, `proofs` of geth, from Osaka on). The refusals are geth's.
"""

from zevm.chain.errors import TransactionError
from zevm.chain.native.kzg import CELLS_PER_BLOB
from zevm.chain.rules.blobs import make_sidecar, versioned_hash
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import BlobSidecar
from zevm.chain.vm.validation import BLOBS_PER_TRANSACTION
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.errors import ServerError
from zevm.rpc.services import Services


def carries_blobs(arguments: TransactionArguments) -> bool:
    """Whether the request is for a blob transaction."""
    return arguments.blob_versioned_hashes is not None or arguments.blobs is not None


def check_blobs(arguments: TransactionArguments, rules: ForkRules) -> None:
    """Refuse impossible numbers of blobs, hashes, commitments and proofs. Raises ServerError."""
    hashes, blobs = arguments.blob_versioned_hashes, arguments.blobs
    most = BLOBS_PER_TRANSACTION
    if rules.blob is not None and rules.fork < Fork.OSAKA:
        most = rules.blob.maximum
    for given in (hashes, blobs):
        if given is not None and not given:
            raise ServerError("need at least 1 blob for a blob transaction")
        if given is not None and len(given) > most:
            raise ServerError(f"too many blobs in transaction (have={len(given)}, max={most})")
    if blobs is None:
        return
    for name, given in (("commitments", arguments.commitments), ("hashes", hashes)):
        if given is not None and len(given) != len(blobs):
            raise ServerError(f"number of blobs and {name} mismatch (have={len(given)}, want={len(blobs)})")
    _check_proofs(arguments, len(blobs))


def _check_proofs(arguments: TransactionArguments, count: int) -> None:
    proofs = _proofs(arguments)
    if arguments.commitments is None and proofs is not None:
        raise ServerError("blob proofs provided while commitments were not")
    if arguments.commitments is not None and proofs is None:
        raise ServerError("blob commitments provided while proofs were not")
    wanted = (count * CELLS_PER_BLOB,) if arguments.cell_proofs is not None else (count, count * CELLS_PER_BLOB)
    if proofs is not None and len(proofs) not in wanted:
        raise ServerError(f"number of blobs and proofs mismatch (have={len(proofs)}, want={wanted[-1]})")


def _proofs(arguments: TransactionArguments) -> tuple[bytes, ...] | None:
    return arguments.proofs if arguments.cell_proofs is None else arguments.cell_proofs


def sidecar_of(arguments: TransactionArguments) -> BlobSidecar | None:
    """The client's blobs with their commitments and proofs, computed if missing. Raises TransactionError.

    The chain checks the client's values when the transaction is sent.
    """
    blobs, commitments, proofs = arguments.blobs, arguments.commitments, _proofs(arguments)
    if blobs is None:
        return None
    if commitments is None or proofs is None:
        return make_sidecar(blobs)
    return BlobSidecar(0 if len(proofs) == len(blobs) else 1, blobs, commitments, proofs)


def hashes_of(arguments: TransactionArguments, sidecar: BlobSidecar | None) -> tuple[bytes, ...] | None:
    """The versioned hashes of the transaction's blobs; None without blobs. Raises ServerError."""
    given = arguments.blob_versioned_hashes
    if sidecar is None:
        return given
    computed = tuple([versioned_hash(commitment) for commitment in sidecar.commitments])
    for have, want in zip(given or computed, computed, strict=True):
        if have != want:
            raise ServerError(f"blob hash verification failed (have=0x{have.hex()}, want=0x{want.hex()})")
    return computed


def named_hashes(services: Services, arguments: TransactionArguments) -> tuple[bytes, ...] | None:
    """The hashes that a message's code sees: given, or computed from the given blobs. Raises ServerError."""
    if arguments.blobs is None or arguments.blob_versioned_hashes is not None:
        return arguments.blob_versioned_hashes
    check_blobs(arguments, services.chain.next_context().environment.rules)
    try:
        return hashes_of(arguments, sidecar_of(arguments))
    except TransactionError as error:
        raise ServerError(error.message) from error
