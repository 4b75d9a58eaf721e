"""Signatures on secp256k1, and the addresses of those who made them (Yellow Paper, appendix F)."""

from collections.abc import Sequence

from coincurve import PublicKey
from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from zevm.core import CORE, replaced_by
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECP256K1_HALF_ORDER = SECP256K1_ORDER // 2

_API = (
    "secp256k1_ecdsa_recoverable_signature_parse_compact",
    "secp256k1_ecdsa_recover",
    "secp256k1_ec_pubkey_serialize",
)
"""The order of `Api` in core/zig/signatures.zig."""


class InvalidSignatureError(ValueError):
    """No public key fits the signature. Geth's text: "invalid sender"."""

    def __init__(self) -> None:
        super().__init__("invalid transaction v, r, s values")


if CORE.library is not None:
    CORE.library.secp256k1_start(
        (
            int(ffi.cast("uintptr_t", GLOBAL_CONTEXT.ctx)),
            *[int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in _API],
        )
    )


@replaced_by("recover_address")
def recover_address(digest: bytes, y_parity: int, r: int, s: int) -> Address:
    """The 20-byte address whose key signed `digest`. Raises InvalidSignatureError."""
    if y_parity not in (0, 1) or not 0 < r < SECP256K1_ORDER or not 0 < s < SECP256K1_ORDER:
        raise InvalidSignatureError
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((y_parity,))
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception for an unrecoverable point
        raise InvalidSignatureError from error
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


Signature = tuple[bytes, int, int, int]
"""The digest that was signed (32 bytes), the parity of y, r, s."""


@replaced_by("recover_addresses")
def recover_addresses(signatures: Sequence[Signature]) -> list[Address | None]:
    """The addresses whose keys signed, None where no key fits. The core works on several cores."""
    found: list[Address | None] = []
    for signature in signatures:
        try:
            found.append(recover_address(*signature))
        except InvalidSignatureError:
            found.append(None)
    return found
