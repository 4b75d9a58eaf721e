"""Points of alt_bn128 as functions of bytes (EIP-196, EIP-197): the core's, or py_ecc's where there is no core.

py_ecc takes a second for a pairing of two. It is loaded with the first point. Raise InputError with geth's text.
"""

from collections.abc import Iterator
from typing import Any

from zevm.chain.native.answers import InputError
from zevm.core import replaced_by

FIELD_BYTES = 32
G1_BYTES = 2 * FIELD_BYTES
G2_BYTES = 4 * FIELD_BYTES
PAIR_BYTES = G1_BYTES + G2_BYTES


def _output(answer: bytes | str) -> bytes:
    """The core answers with a text where it refuses its input."""
    if isinstance(answer, str):
        raise InputError(answer)
    return answer


@replaced_by("bn254_add", _output)
def bn254_add(data: bytes) -> bytes:
    """The sum of two points; input is cut, or filled with zeros."""
    from py_ecc import optimized_bn128

    data = data.ljust(2 * G1_BYTES, b"\0")
    first, second = _read_g1(data[:G1_BYTES]), _read_g1(data[G1_BYTES : 2 * G1_BYTES])
    return _written(optimized_bn128.add(first, second))


@replaced_by("bn254_multiply", _output)
def bn254_multiply(data: bytes) -> bytes:
    """A point times a scalar, any of 32 bytes; input is cut, or filled with zeros."""
    from py_ecc import optimized_bn128

    data = data.ljust(G1_BYTES + FIELD_BYTES, b"\0")
    scalar = int.from_bytes(data[G1_BYTES : G1_BYTES + FIELD_BYTES], "big")
    return _written(optimized_bn128.multiply(_read_g1(data[:G1_BYTES]), scalar))


@replaced_by("bn254_pairing", _output)
def bn254_pairing(data: bytes) -> bytes:
    """1 as a word where the product of the pairings of (G1, G2) pairs is one, else 0."""
    from py_ecc import optimized_bn128

    if len(data) % PAIR_BYTES:
        raise InputError("bad elliptic curve pairing size")
    product = optimized_bn128.FQ12.one()
    for first, second in list(_read_pairs(data)):
        product *= optimized_bn128.pairing(second, first, final_exponentiate=False)
    is_one = optimized_bn128.final_exponentiate(product) == optimized_bn128.FQ12.one()
    return int(is_one).to_bytes(FIELD_BYTES, "big")


def _read_pairs(data: bytes) -> Iterator[tuple[Any, Any]]:
    for start in range(0, len(data), PAIR_BYTES):
        middle = start + G1_BYTES
        yield _read_g1(data[start:middle]), _read_g2(data[middle : start + PAIR_BYTES])


def _read_numbers(data: bytes) -> list[int]:
    from py_ecc import optimized_bn128

    numbers = [int.from_bytes(data[start : start + FIELD_BYTES], "big") for start in range(0, len(data), FIELD_BYTES)]
    if max(numbers) >= optimized_bn128.field_modulus:
        raise InputError("invalid fp.Element encoding")
    return numbers


def _read_g1(data: bytes) -> Any:
    """A point in py_ecc's coordinates; zeros are the point at infinity."""
    from py_ecc import optimized_bn128

    x, y = map(optimized_bn128.FQ, _read_numbers(data))
    return _checked(x, y, optimized_bn128.b, optimized_bn128.Z1)


def _read_g2(data: bytes) -> Any:
    """The same of G2, whose imaginary parts come first."""
    from py_ecc import optimized_bn128

    numbers = _read_numbers(data)
    x, y = [optimized_bn128.FQ2(numbers[start : start + 2][::-1]) for start in (0, 2)]
    point = _checked(x, y, optimized_bn128.b2, optimized_bn128.Z2)
    if not optimized_bn128.is_inf(optimized_bn128.multiply(point, optimized_bn128.curve_order)):
        raise InputError("point is not in correct subgroup")
    return point


def _checked(x: Any, y: Any, coefficient: Any, infinity: Any) -> Any:
    from py_ecc import optimized_bn128

    if x == x.zero() and y == y.zero():
        return infinity
    point = (x, y, x.one())
    if not optimized_bn128.is_on_curve(point, coefficient):
        raise InputError("point is not on curve")
    return point


def _written(point: Any) -> bytes:
    from py_ecc import optimized_bn128

    if optimized_bn128.is_inf(point):
        return bytes(G1_BYTES)
    return b"".join(int(number).to_bytes(FIELD_BYTES, "big") for number in optimized_bn128.normalize(point))
