"""Precompiles' arithmetic on BLS12-381 as functions of bytes, on arkworks' Rust code. They raise InputError.

A field element of BLS12-381 has 64 bytes, the first 16 of them zero; arkworks takes the other 48.
"""

from collections.abc import Callable
from typing import TypeVar

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from zevm.chain.native.answers import InputError

FIELD_BYTES = 64
PADDING_BYTES = 16
SCALAR_BYTES = 32
G1_BYTES = 2 * FIELD_BYTES
G2_BYTES = 4 * FIELD_BYTES
PAIR_BYTES = G1_BYTES + G2_BYTES

BLS_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
INFINITY_BIT = 0x40
COMPRESSED_INFINITY = b"\xc0" + bytes(47)
TAU_G2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
"""The ceremony's secret times the generator of G2: the trusted setup's g2_monomial[1] (consensus-specs)."""

_PADDING = bytes(PADDING_BYTES)

Point = TypeVar("Point", G1Point, G2Point)


def bls_g1_msm(data: bytes) -> bytes:
    """The sum of points of G1, each times a scalar (EIP-2537)."""
    return _msm(G1Point, G1_BYTES, data)


def bls_g2_msm(data: bytes) -> bytes:
    """The same of G2."""
    return _msm(G2Point, G2_BYTES, data)


def bls_pairing(data: bytes) -> bytes:
    """1 as a word where the product of the pairings of (G1, G2) pairs is one, else 0."""
    first, second = [], []
    for start in range(0, len(data), PAIR_BYTES):
        middle = start + G1_BYTES
        first.append(decode(G1Point.from_xy_bytes_be, data[start:middle]))
        second.append(decode(G2Point.from_xy_bytes_be, data[middle : start + PAIR_BYTES]))
    return int(GT.pairing_check(first, second)).to_bytes(32, "big")


def kzg_proof_holds(commitment: bytes, point: int, value: int, proof: bytes) -> bool:
    """Whether the polynomial committed to has this value at this point (EIP-4844's verify_kzg_proof).

    Of the trusted setup one element is needed. Commitment and proof: 48 bytes, compressed points of G1. Raises
    InputError where they are none, or a number is not below the order.
    """
    if max(point, value) >= BLS_ORDER:
        raise InputError("scalar is not below the order")
    committed, proven = _decompress(commitment), _decompress(proof)
    generator, tau = G2Point(), G2Point.from_compressed_bytes(TAU_G2)
    # e(C - y G1 + z P, G2) = e(P, tau G2)
    left = committed - G1Point() * _scalar(value) + proven * _scalar(point)
    return bool(GT.pairing_check([left, -proven], [generator, tau]))


def _scalar(number: int) -> Scalar:
    return Scalar.from_be_bytes(number.to_bytes(SCALAR_BYTES, "big"))


def _decompress(data: bytes) -> G1Point:
    """arkworks takes anything for the point at infinity that has its bit; its one encoding is COMPRESSED_INFINITY."""
    if data[0] & INFINITY_BIT and data != COMPRESSED_INFINITY:
        raise InputError("malformed point at infinity")
    try:
        return G1Point.from_compressed_bytes(data)
    except ValueError as error:
        raise InputError(f"invalid point: {error}") from error


def _msm(kind: type[Point], point_bytes: int, data: bytes) -> bytes:
    points, scalars = [], []
    pair_bytes = point_bytes + SCALAR_BYTES
    for start in range(0, len(data), pair_bytes):
        points.append(decode(kind.from_xy_bytes_be, data[start : start + point_bytes]))
        scalars.append(Scalar.from_be_bytes_mod_order(data[start + point_bytes : start + pair_bytes]))
    return padded(kind.multiexp_unchecked(points, scalars).to_xy_bytes_be())


def decode(read: Callable[[bytes], Point], data: bytes) -> Point:
    """The point that these field elements are, by one of arkworks' readers."""
    elements = [data[start : start + FIELD_BYTES] for start in range(0, len(data), FIELD_BYTES)]
    if any(element[:PADDING_BYTES] != _PADDING for element in elements):
        raise InputError("invalid field element top bytes")
    try:
        return read(b"".join([element[PADDING_BYTES:] for element in elements]))
    except ValueError as error:
        raise InputError(f"invalid point: {error}") from error


def padded(data: bytes) -> bytes:
    """Field elements as precompiles give them."""
    size = FIELD_BYTES - PADDING_BYTES
    return b"".join([_PADDING + data[start : start + size] for start in range(0, len(data), size)])
