"""The seven precompiles of BLS12-381 (EIP-2537) on arkworks, whose prices are py-evm's.

A field element has 64 bytes, the first 16 of them zero; arkworks takes the other 48. The point at infinity is zeros.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from py_arkworks_bls12381 import G1Point, G2Point

from zevm.chain.native.answers import InputError
from zevm.chain.native.curves import (
    FIELD_BYTES,
    G1_BYTES,
    G2_BYTES,
    PAIR_BYTES,
    SCALAR_BYTES,
    bls_g1_msm,
    bls_g2_msm,
    bls_pairing,
    decode,
    padded,
)
from zevm.chain.vm.arithmetic import compute
from zevm.chain.vm.faults import InputLengthError, PrecompileError
from zevm.chain.vm.frame import Frame, Precompile
from zevm.chain.vm.py_evm_modules import as_defined

(_PRICES,) = as_defined(["eth.precompiles.bls12_381.constants"])
PAIRING_GAS = 37_700
PAIRING_GAS_PER_PAIR = 32_600
MAP_FP_GAS: int = _PRICES.BLS12_MAP_FP_G1_GAS
MAP_FP2_GAS: int = _PRICES.BLS12_MAP_FP2_G2_GAS

Point = TypeVar("Point", G1Point, G2Point)


def _decode(read: Callable[[bytes], Point], data: bytes | memoryview) -> Point:
    try:
        return decode(read, bytes(data))
    except InputError as error:
        raise PrecompileError(str(error)) from error


def _require_size(data: bytes | memoryview, size: int) -> None:
    if len(data) != size:
        raise InputLengthError


def _count(data: bytes | memoryview, size: int) -> int:
    if not data or len(data) % size:
        raise InputLengthError
    return len(data) // size


def _addition(gas: int, point_bytes: int, kind: type[Point]) -> Precompile:
    read = kind.from_xy_bytes_unchecked_be

    def add(frame: Frame) -> None:
        data = frame.msg.data
        frame.consume_gas(gas, "BLS12 addition")
        _require_size(data, 2 * point_bytes)
        total = _decode(read, data[:point_bytes]) + _decode(read, data[point_bytes:])
        frame.output = padded(total.to_xy_bytes_be())

    return add


def _multiplication(
    gas: int, discounts: Sequence[int], last_discount: int, point_bytes: int, function: Callable[[bytes], bytes]
) -> Precompile:
    pair_bytes = point_bytes + SCALAR_BYTES
    discounts = tuple(discounts)
    multiplier: int = _PRICES.MSM_MULTIPLIER

    def multiply(frame: Frame) -> None:
        data = frame.msg.data
        count = _count(data, pair_bytes)
        discount = discounts[count - 1] if count <= len(discounts) else last_discount
        price = count * gas * discount // multiplier
        frame.consume_gas(price, "BLS12 multiplication")
        frame.output = compute(frame, price, function, bytes(data))

    return multiply


g1_add = _addition(_PRICES.BLS12_G1_ADD_GAS, G1_BYTES, G1Point)
"""0x0b: the sum of two points of G1, which need not be in the subgroup."""
g2_add = _addition(_PRICES.BLS12_G2_ADD_GAS, G2_BYTES, G2Point)
"""0x0d: the same of G2."""
g1_msm = _multiplication(
    _PRICES.BLS12_G1_MSM_GAS, _PRICES.G1_MSM_DISCOUNTS, _PRICES.G1_MSM_MAX_DISCOUNT, G1_BYTES, bls_g1_msm
)
"""0x0c: the sum of points of G1, each times a scalar."""
g2_msm = _multiplication(
    _PRICES.BLS12_G2_MSM_GAS, _PRICES.G2_MSM_DISCOUNTS, _PRICES.G2_MSM_MAX_DISCOUNT, G2_BYTES, bls_g2_msm
)
"""0x0e: the same of G2."""


def pairing_check(frame: Frame) -> None:
    """0x0f: 1 where the product of the pairings of (G1, G2) pairs is one, else 0."""
    data = frame.msg.data
    count = _count(data, PAIR_BYTES)
    gas = PAIRING_GAS + PAIRING_GAS_PER_PAIR * count
    frame.consume_gas(gas, "BLS12_PAIRING_CHECK")
    frame.output = compute(frame, gas, bls_pairing, bytes(data))


def map_fp_to_g1(frame: Frame) -> None:
    """0x10: the point of G1 that a field element maps to."""
    frame.consume_gas(MAP_FP_GAS, "BLS12_MAP_FP_TO_G1")
    _require_size(frame.msg.data, FIELD_BYTES)
    frame.output = padded(_decode(G1Point.map_from_fp_be, frame.msg.data).to_xy_bytes_be())


def map_fp2_to_g2(frame: Frame) -> None:
    """0x11: the point of G2 that an element of the field's extension maps to."""
    frame.consume_gas(MAP_FP2_GAS, "BLS12_MAP_FP2_TO_G2")
    _require_size(frame.msg.data, 2 * FIELD_BYTES)
    frame.output = padded(_decode(G2Point.map_from_fp2_be, frame.msg.data).to_xy_bytes_be())
