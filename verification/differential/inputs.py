"""Inputs for precompiles: good ones of their kind, and such as are wrong in one place."""

import hashlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric import ec
from py_ecc import optimized_bls12_381 as bls
from py_ecc import optimized_bn128 as bn
from py_ecc.bls.point_compression import compress_G1

SCALARS = (1, 2, 3, 5, 1 << 64)
"""The points of a pool are these multiples of the generator."""
MODEXP_SIZES = (0, 1, 2, 8, 31, 32, 33, 64, 65, 200)
BLS_ORDER = bls.curve_order
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _word(value: int, size: int = 32) -> bytes:
    return value.to_bytes(size, "big")


def _square_root(square: Any, modulus: int, kind: Any) -> Any:
    """A root in the field's quadratic extension, or None; for moduli that leave 3 when divided by 4."""
    start = square ** ((modulus - 3) // 4)
    root = start * square
    alpha = start * root
    root = (
        kind([0, 1]) * root
        if alpha == kind([modulus - 1, 0])
        else (kind([1, 0]) + alpha) ** ((modulus - 1) // 2) * root
    )
    return root if root * root == square else None


def _encode_g1(curve: Any, point: Any, size: int) -> bytes:
    if curve.is_inf(point):
        return bytes(2 * size)
    return b"".join(_word(int(coordinate), size) for coordinate in curve.normalize(point))


def _encode_g2(curve: Any, point: Any, size: int, *, imaginary_first: bool) -> bytes:
    """BN254 has the imaginary part of an element first, BLS12-381 the real one."""
    if curve.is_inf(point):
        return bytes(4 * size)
    parts = []
    for coordinate in curve.normalize(point):
        real, imaginary = (int(part) for part in coordinate.coeffs)
        parts += [imaginary, real] if imaginary_first else [real, imaginary]
    return b"".join(_word(part, size) for part in parts)


def _off_subgroup_g2(curve: Any) -> Any:
    """A point of the curve over the extension that is outside of the subgroup."""
    kind, modulus, x = curve.FQ2, curve.field_modulus, 1
    while True:
        element = kind([x, 1])
        root = _square_root(element * element * element + curve.b2, modulus, kind)
        if root is not None:
            return (element, root, kind([1, 0]))
        x += 1


class _Curve:
    """Encoded points of a curve: multiples of the generators, infinity, and some outside of the subgroup."""

    def __init__(self, curve: Any, size: int, *, imaginary_first: bool) -> None:
        self.modulus, self.order, self.size = curve.field_modulus, curve.curve_order, size
        multiples = (*SCALARS, curve.curve_order - 1)
        self.g1 = [_encode_g1(curve, curve.multiply(curve.G1, by), size) for by in multiples] + [bytes(2 * size)]
        self.g2 = [
            _encode_g2(curve, curve.multiply(curve.G2, by), size, imaginary_first=imaginary_first) for by in multiples
        ] + [bytes(4 * size)]
        self.stray_g2 = _encode_g2(curve, _off_subgroup_g2(curve), size, imaginary_first=imaginary_first)
        self.stray_g1 = self._stray_g1(int(curve.b))

    def _stray_g1(self, constant: int) -> bytes:
        """On the curve; outside of the subgroup where there is such a thing."""
        x = 1
        while pow(square := (x**3 + constant) % self.modulus, (self.modulus - 1) // 2, self.modulus) != 1:
            x += 1
        return _word(x, self.size) + _word(pow(square, (self.modulus + 1) // 4, self.modulus), self.size)

    def pick_g1(self, random: Random) -> bytes:
        return self.stray_g1 if random.random() < 0.1 else random.choice(self.g1)

    def pick_g2(self, random: Random) -> bytes:
        return self.stray_g2 if random.random() < 0.1 else random.choice(self.g2)

    def pairs(self, random: Random) -> bytes:
        """Mostly one pair that is trivial or two that cancel out; a pairing takes the specification long."""
        kind = random.random()
        if kind < 0.3:
            return self.g1[random.randrange(2)] + self.g2[-1] + (self.g1[-1] + self.g2[1] if kind < 0.15 else b"")
        if kind < 0.7:
            return self.g1[0] + self.g2[1] + self.g1[-2] + self.g2[1]
        return self.pick_g1(random) + self.pick_g2(random)


@cache
def _bn254() -> _Curve:
    return _Curve(bn, 32, imaginary_first=True)


@cache
def _bls12_381() -> _Curve:
    return _Curve(bls, 64, imaginary_first=False)


def blob_proof() -> bytes:
    """A point evaluation input (EIP-4844) that holds: for the polynomial of a blob, at 77.

    The blob's words are index² + 1; c-kzg computed the rest, which takes the trusted setup, and that takes seconds.
    """
    value = bytes.fromhex("37828761fa17e8e544bafe0724ced4f268730399a62c55250391ea0f29c00bb9")
    commitment = bytes.fromhex(
        "b7c82ff57d986aa2622ffefb910b85ea77d9da8fccd2634bd6a125d2705a334525c781e9f58f0026123e02ef0eaa76dc"
    )
    proof = bytes.fromhex(
        "aeb08dc65de4e4e575888e09ca4b0cd81682eaff77d4686cd6dbf0dd5f0fe02fde6298e1aec5df0724c1994c7ecb34cd"
    )
    return b"".join((b"\x01", hashlib.sha256(commitment).digest()[1:], _word(77), value, commitment, proof))


def _ecrecover(random: Random) -> bytes:
    digest = random.randbytes(32)
    signature = PrivateKey(_word(random.randrange(1, 9))).sign_recoverable(digest, hasher=None)
    v = 27 + signature[64] if random.random() < 0.9 else random.choice((0, 1, 26, 29, 283))
    return digest + _word(v) + signature[:64]


def _any_bytes(random: Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 31, 32, 33, 55, 56, 64, 128, 250)))


def _modexp(random: Random) -> bytes:
    sizes = [random.choice(MODEXP_SIZES) for _ in range(3)]
    if random.random() < 0.15:
        sizes[random.randrange(3)] = random.choice((1023, 1024, 1025))
    numbers = [random.choice((random.randbytes(size), bytes(size), _word(1, size) if size else b"")) for size in sizes]
    if random.random() < 0.7 and sizes[1]:
        numbers[1] = bytes(sizes[1] - 1) + random.randbytes(1)
    if random.random() < 0.05:
        sizes[random.randrange(3)] = random.choice((1 << 64, (1 << 256) - 1, 1 << 31))
    return b"".join(map(_word, sizes)) + b"".join(numbers)


def _bn_add(random: Random) -> bytes:
    return _bn254().pick_g1(random) + _bn254().pick_g1(random)


def _scalar(random: Random, order: int) -> bytes:
    return _word(random.choice((0, 1, 2, order - 1, order, order + 1, (1 << 256) - 1, random.getrandbits(256))))


def _bn_multiply(random: Random) -> bytes:
    return _bn254().pick_g1(random) + _scalar(random, _bn254().order)


def _bn_pairing(random: Random) -> bytes:
    return b"" if random.random() < 0.1 else _bn254().pairs(random)


def _blake2f(random: Random) -> bytes:
    rounds = random.choice((0, 1, 10, 12, 13, 200))
    final = random.choice((0, 1, 1, 2)) if random.random() < 0.3 else 1
    return _word(rounds, 4) + random.randbytes(208) + bytes((final,))


def _point_evaluation(random: Random) -> bytes:
    if random.random() < 0.3:
        return blob_proof()
    # a constant polynomial: its commitment is the constant, its proof infinity
    constant = random.choice((0, *SCALARS))
    point = bls.multiply(bls.G1, constant) if constant else bls.Z1
    commitment = _word(compress_G1(point), 48)
    proven = _word(constant if random.random() < 0.8 else constant + 1)
    at = random.choice((0, 1, BLS_ORDER - 1, BLS_ORDER, random.randrange(BLS_ORDER)))
    return b"\x01" + hashlib.sha256(commitment).digest()[1:] + _word(at) + proven + commitment + b"\xc0" + bytes(47)


def _g1_add(random: Random) -> bytes:
    return _bls12_381().pick_g1(random) + _bls12_381().pick_g1(random)


def _g2_add(random: Random) -> bytes:
    return _bls12_381().pick_g2(random) + _bls12_381().pick_g2(random)


def _g1_sum(random: Random) -> bytes:
    count = random.choice((1, 1, 2, 3))
    return b"".join(_bls12_381().pick_g1(random) + _scalar(random, BLS_ORDER) for _ in range(count))


def _g2_sum(random: Random) -> bytes:
    count = random.choice((1, 1, 2))
    return b"".join(_bls12_381().pick_g2(random) + _scalar(random, BLS_ORDER) for _ in range(count))


def _bls_pairing(random: Random) -> bytes:
    return _bls12_381().pairs(random)


def _field_element(random: Random) -> bytes:
    modulus = _bls12_381().modulus
    return _word(random.choice((0, 1, modulus - 1, modulus, random.randrange(modulus))), 64)


def _extension_element(random: Random) -> bytes:
    return _field_element(random) + _field_element(random)


def _p256verify(random: Random) -> bytes:
    key, once = random.randrange(1, 9), random.randrange(1, 9)
    digest = random.randbytes(32)
    r = ec.derive_private_key(once, ec.SECP256R1()).public_key().public_numbers().x % _P256_ORDER
    s = pow(once, -1, _P256_ORDER) * (int.from_bytes(digest, "big") + r * key) % _P256_ORDER
    if random.random() < 0.3:
        s = random.choice((_P256_ORDER - s, 0, _P256_ORDER, s + 1))
    public = ec.derive_private_key(key, ec.SECP256R1()).public_key().public_numbers()
    return digest + _word(r) + _word(s) + _word(public.x) + _word(public.y)


_MAKERS: dict[int, tuple[int, Callable[[Random], bytes]]] = {
    0x01: (6, _ecrecover),
    0x02: (4, _any_bytes),
    0x03: (4, _any_bytes),
    0x04: (4, _any_bytes),
    0x05: (8, _modexp),
    0x06: (5, _bn_add),
    0x07: (5, _bn_multiply),
    0x08: (2, _bn_pairing),
    0x09: (5, _blake2f),
    0x0A: (2, _point_evaluation),
    0x0B: (4, _g1_add),
    0x0C: (4, _g1_sum),
    0x0D: (4, _g2_add),
    0x0E: (3, _g2_sum),
    0x0F: (2, _bls_pairing),
    0x10: (3, _field_element),
    0x11: (3, _extension_element),
    0x100: (5, _p256verify),
}
"""Weight and maker by the precompile's number."""
PRECOMPILES = tuple(_MAKERS)
_WEIGHTS = [weight for weight, _ in _MAKERS.values()]


def _mutate(random: Random, data: bytes) -> bytes:
    """One thing wrong."""
    kind = random.randrange(4)
    if kind == 0:
        return data[: random.randrange(len(data) + 1)]
    if kind == 1:
        return data + random.randbytes(random.choice((1, 32)))
    if kind == 2 or not data:
        return bytes(len(data))
    place = random.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << random.randrange(8),)) + data[place + 1 :]


def precompile_call(random: Random) -> tuple[int, bytes]:
    """A precompile's number and what to give it."""
    number = random.choices(PRECOMPILES, _WEIGHTS)[0]
    data = _MAKERS[number][1](random)
    return number, _mutate(random, data) if random.random() < 0.2 else data
