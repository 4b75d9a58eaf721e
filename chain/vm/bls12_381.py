"""The seven precompiles of BLS12-381 (EIP-2537) on arkworks, whose prices are py-evm's.

A field element has 64 bytes, the first 16 of them zero; arkworks takes the other 48. The point at infinity is zeros.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from eth.precompiles.bls12_381.constants import (
    BLS12_G1_ADD_GAS,
    BLS12_G1_MSM_GAS,
    BLS12_G2_ADD_GAS,
    BLS12_G2_MSM_GAS,
    BLS12_MAP_FP2_G2_GAS,
    BLS12_MAP_FP_G1_GAS,
    G1_MSM_DISCOUNTS,
    G1_MSM_MAX_DISCOUNT,
    G2_MSM_DISCOUNTS,
    G2_MSM_MAX_DISCOUNT,
    MSM_MULTIPLIER,
)
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from chain.vm.faults import PrecompileError
from chain.vm.message import Precompile

if TYPE_CHECKING:
    from chain.vm.frame import Frame

FIELD_BYTES = 64
PADDING_BYTES = 16
SCALAR_BYTES = 32
G1_BYTES = 2 * FIELD_BYTES
G2_BYTES = 4 * FIELD_BYTES
PAIR_BYTES = G1_BYTES + G2_BYTES
PAIRING_GAS = 37_700
PAIRING_GAS_PER_PAIR = 32_600

_PADDING = bytes(PADDING_BYTES)
Point = TypeVar("Point", G1Point, G2Point)


def _packed(data: bytes) -> bytes:
    """The field elements without their padding. Raises PrecompileError where that is not zero."""
    elements = [data[start : start + FIELD_BYTES] for start in range(0, len(data), FIELD_BYTES)]
    if any(element[:PADDING_BYTES] != _PADDING for element in elements):
        raise PrecompileError("invalid field element top bytes")
    return b"".join([element[PADDING_BYTES:] for element in elements])


def _padded(data: bytes) -> bytes:
    size = FIELD_BYTES - PADDING_BYTES
    return b"".join([_PADDING + data[start : start + size] for start in range(0, len(data), size)])


def _decode(read: Callable[[bytes], Point], data: bytes) -> Point:
    try:
        return read(_packed(data))
    except ValueError as error:
        raise PrecompileError(f"invalid point: {error}") from error


def _require_size(data: bytes, size: int) -> None:
    if len(data) != size:
        raise PrecompileError("invalid input length")


def _count(data: bytes, size: int) -> int:
    if not data or len(data) % size:
        raise PrecompileError("invalid input length")
    return len(data) // size


def _addition(gas: int, point_bytes: int, kind: type[Point]) -> Precompile:
    read = kind.from_xy_bytes_unchecked_be

    def add(frame: "Frame") -> None:
        data = frame.msg.data
        frame.consume_gas(gas, "BLS12 addition")
        _require_size(data, 2 * point_bytes)
        total = _decode(read, data[:point_bytes]) + _decode(read, data[point_bytes:])
        frame.output = _padded(total.to_xy_bytes_be())

    return add


def _multiplication(
    gas: int, discounts: Sequence[int], last_discount: int, point_bytes: int, kind: type[Point]
) -> Precompile:
    pair_bytes = point_bytes + SCALAR_BYTES

    def multiply(frame: "Frame") -> None:
        data = frame.msg.data
        count = _count(data, pair_bytes)
        discount = discounts[count - 1] if count <= len(discounts) else last_discount
        frame.consume_gas(count * gas * discount // MSM_MULTIPLIER, "BLS12 multiplication")
        points, scalars = [], []
        for start in range(0, len(data), pair_bytes):
            points.append(_decode(kind.from_xy_bytes_be, data[start : start + point_bytes]))
            scalars.append(Scalar.from_be_bytes_mod_order(data[start + point_bytes : start + pair_bytes]))
        frame.output = _padded(kind.multiexp_unchecked(points, scalars).to_xy_bytes_be())

    return multiply


g1_add = _addition(BLS12_G1_ADD_GAS, G1_BYTES, G1Point)
"""0x0b: the sum of two points of G1, which need not be in the subgroup."""
g2_add = _addition(BLS12_G2_ADD_GAS, G2_BYTES, G2Point)
"""0x0d: the same of G2."""
g1_msm = _multiplication(BLS12_G1_MSM_GAS, G1_MSM_DISCOUNTS, G1_MSM_MAX_DISCOUNT, G1_BYTES, G1Point)
"""0x0c: the sum of points of G1, each times a scalar."""
g2_msm = _multiplication(BLS12_G2_MSM_GAS, G2_MSM_DISCOUNTS, G2_MSM_MAX_DISCOUNT, G2_BYTES, G2Point)
"""0x0e: the same of G2."""


def pairing_check(frame: "Frame") -> None:
    """0x0f: 1 where the product of the pairings of (G1, G2) pairs is one, else 0."""
    data = frame.msg.data
    count = _count(data, PAIR_BYTES)
    frame.consume_gas(PAIRING_GAS + PAIRING_GAS_PER_PAIR * count, "BLS12_PAIRING_CHECK")
    first, second = [], []
    for start in range(0, len(data), PAIR_BYTES):
        middle = start + G1_BYTES
        first.append(_decode(G1Point.from_xy_bytes_be, data[start:middle]))
        second.append(_decode(G2Point.from_xy_bytes_be, data[middle : start + PAIR_BYTES]))
    frame.output = int(GT.pairing_check(first, second)).to_bytes(32, "big")


def map_fp_to_g1(frame: "Frame") -> None:
    """0x10: the point of G1 that a field element maps to."""
    frame.consume_gas(BLS12_MAP_FP_G1_GAS, "BLS12_MAP_FP_TO_G1")
    _require_size(frame.msg.data, FIELD_BYTES)
    frame.output = _padded(_decode(G1Point.map_from_fp_be, frame.msg.data).to_xy_bytes_be())


def map_fp2_to_g2(frame: "Frame") -> None:
    """0x11: the point of G2 that an element of the field's extension maps to."""
    frame.consume_gas(BLS12_MAP_FP2_G2_GAS, "BLS12_MAP_FP2_TO_G2")
    _require_size(frame.msg.data, 2 * FIELD_BYTES)
    frame.output = _padded(_decode(G2Point.map_from_fp2_be, frame.msg.data).to_xy_bytes_be())
