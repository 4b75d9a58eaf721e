"""Inputs of precompiles that cost most time per gas, by the names of EIP-7910."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache

from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from py_arkworks_bls12381 import G1Point, G2Point

from zevm.chain.rules.forks import Fork

Inputs = Iterator[tuple[str, bytes]]
WORD = (1 << 256) - 1


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _ecrecover(_: Fork, __: int) -> Inputs:
    digest = hashlib.sha256(b"digest").digest()
    signature = PrivateKey(_word(7)).sign_recoverable(digest, hasher=None)
    yield "", digest + _word(27 + signature[64]) + signature[:64]


def _by_words(base_gas: int, word_gas: int) -> Callable[[Fork, int], Inputs]:
    """Nothing at all, a word, and as much as a tenth of the gas pays for: its bytes cost gas as call data too."""

    def inputs(_: Fork, gas_limit: int) -> Inputs:
        yield "of nothing", b""
        yield "of a word", bytes(32)
        yield "large", b"\xff" * min(32 * ((gas_limit // 10 - base_gas) // word_gas), 200_000)

    return inputs


MODEXP_SIZES = {
    Fork.BYZANTIUM: ((32, 32, 32), (1024, 110, 1024), (16_384, 5, 16_384), (1, 100_000, 1), (8, 20_000, 8)),
    Fork.BERLIN: (
        (32, 32, 32),
        (256, 32, 256),
        (1024, 110, 1024),
        (16_384, 2, 16_384),
        (1, 100_000, 1),
        (8, 20_000, 8),
    ),
    Fork.OSAKA: ((32, 32, 32), (256, 32, 256), (1024, 32, 1024), (1024, 110, 1024), (1, 1024, 1024)),
}
"""(base, exponent, modulus) in bytes, for each fork with new prices."""


def _modexp(fork: Fork, _: int) -> Inputs:
    for sizes in MODEXP_SIZES[max(since for since in MODEXP_SIZES if since <= fork)]:
        base, exponent, modulus = sizes
        numbers = b"\xff" * (base + exponent + modulus - 1) + b"\xfd"
        yield f"of {base:,}, {exponent:,}, {modulus:,} bytes", b"".join(map(_word, sizes)) + numbers


BN_G1 = _word(1) + _word(2)
BN_G2 = bytes.fromhex(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)
"""The generators."""


def _bn_add(_: Fork, __: int) -> Inputs:
    yield "", BN_G1 + BN_G1


def _bn_multiply(_: Fork, __: int) -> Inputs:
    yield "", BN_G1 + b"\xff" * 32


def _bn_pairing(fork: Fork, gas_limit: int) -> Inputs:
    base_gas, pair_gas = (45_000, 34_000) if fork >= Fork.ISTANBUL else (100_000, 80_000)
    for count in (1, max((gas_limit - base_gas) // pair_gas, 1)):
        yield f"of {count:,} pairs", (BN_G1 + BN_G2) * count


def _blake2f(_: Fork, gas_limit: int) -> Inputs:
    for rounds in (0, 12, gas_limit):
        yield f"of {rounds:,} rounds", rounds.to_bytes(4, "big") + b"\x11" * 208 + b"\x01"


@cache
def _point_evaluation_input() -> bytes:
    """The constant polynomial 0 is 0 everywhere: the point at infinity commits to it and proves it."""
    infinity = b"\xc0" + bytes(47)
    return b"\x01" + hashlib.sha256(infinity).digest()[1:] + _word(5) + bytes(32) + infinity + infinity


def _point_evaluation(_: Fork, __: int) -> Inputs:
    yield "", _point_evaluation_input()


def _padded(data: bytes) -> bytes:
    return b"".join(bytes(16) + data[start : start + 48] for start in range(0, len(data), 48))


@cache
def _g1() -> bytes:
    return _padded(G1Point().to_xy_bytes_be())


@cache
def _g2() -> bytes:
    return _padded(G2Point().to_xy_bytes_be())


def _bls_addition(point: Callable[[], bytes]) -> Callable[[Fork, int], Inputs]:
    def inputs(_: Fork, __: int) -> Inputs:
        yield "", point() + point()

    return inputs


def _bls_multiplication(point: Callable[[], bytes], gas: int, discount: int) -> Callable[[Fork, int], Inputs]:
    """discount: of a thousand, for long lists."""

    def inputs(_: Fork, gas_limit: int) -> Inputs:
        for count in (1, 128, max(gas_limit * 1000 // (gas * discount), 1)):
            yield f"of {count:,} points", (point() + b"\xff" * 32) * count

    return inputs


def _bls_pairing(_: Fork, gas_limit: int) -> Inputs:
    for count in (1, max((gas_limit - 37_700) // 32_600, 1)):
        yield f"of {count:,} pairs", (_g1() + _g2()) * count


def _map_fp(_: Fork, __: int) -> Inputs:
    yield "", _padded(b"\x11" * 48)


def _map_fp2(_: Fork, __: int) -> Inputs:
    yield "", _padded(b"\x11" * 96)


@cache
def _p256_input() -> bytes:
    digest = hashlib.sha256(b"digest").digest()
    key = ec.derive_private_key(7, ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    point = key.public_key().public_numbers()
    return digest + b"".join(map(_word, (r, s, point.x, point.y)))


def _p256verify(_: Fork, __: int) -> Inputs:
    yield "", _p256_input()


INPUTS: dict[str, Callable[[Fork, int], Inputs]] = {
    "ECREC": _ecrecover,
    "SHA256": _by_words(60, 12),
    "RIPEMD160": _by_words(600, 120),
    "ID": _by_words(15, 3),
    "MODEXP": _modexp,
    "BN254_ADD": _bn_add,
    "BN254_MUL": _bn_multiply,
    "BN254_PAIRING": _bn_pairing,
    "BLAKE2F": _blake2f,
    "KZG_POINT_EVALUATION": _point_evaluation,
    "BLS12_G1ADD": _bls_addition(_g1),
    "BLS12_G2ADD": _bls_addition(_g2),
    "BLS12_G1MSM": _bls_multiplication(_g1, 12_000, 519),
    "BLS12_G2MSM": _bls_multiplication(_g2, 22_500, 524),
    "BLS12_PAIRING_CHECK": _bls_pairing,
    "BLS12_MAP_FP_TO_G1": _map_fp,
    "BLS12_MAP_FP2_TO_G2": _map_fp2,
    "P256VERIFY": _p256verify,
}
"""By name: (fork, gas that may be used) -> (what is special about an input, the input)."""
