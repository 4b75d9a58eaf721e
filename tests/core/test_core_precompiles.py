"""The core's arithmetic of precompiles against its references in Python: py_ecc's alt_bn128, pow, a plain BLAKE2b."""

import random
from collections.abc import Iterator
from itertools import product

import pytest

from tests.core.support import agree, needs_core
from zevm.chain.native import blake2b, bn254, modexp
from zevm.chain.native.answers import InputError

pytestmark = needs_core

PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583
ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
TWIST_ORDER = ORDER * (2 * PRIME - ORDER)
PARAMETER = 4965661367192848881
EIGENVALUE = 36 * PARAMETER**3 + 18 * PARAMETER**2 + 6 * PARAMETER + 1
"""A point times this number has the same y (core/zig/bn254_curves.zig)."""

MODULES = (blake2b, bn254, modexp)
"""Their import binds the references."""


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


G1 = words(1, 2)
G2 = words(
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
)
INFINITY = bytes(64)
STRANGER = words(
    1,
    2,
    19659275751359636165940301690575149581329631496732780143538578556285923319774,
    7292567877523311580221095596750716176434782432868683424513645834767876293070,
)
"""A point of the twist, of none of the orders that its subgroups have: x = 2 + i."""
SMALL_ORDER = 10_069
"""The least factor of the twist's order."""


def times(scalar: int, point: bytes = G1) -> bytes:
    return bn254.bn254_multiply(point + words(scalar))


def negated(point: bytes) -> bytes:
    """The opposite of a finite point of G1."""
    return point[:32] + words(PRIME - int.from_bytes(point[32:], "big"))


def times_on_twist(scalar: int, point: bytes = G2) -> bytes:
    """A multiple of a point of the twist, by py_ecc."""
    from py_ecc import optimized_bn128

    numbers = [int.from_bytes(point[start : start + 32], "big") for start in range(0, 128, 32)]
    x, y = (optimized_bn128.FQ2(numbers[start : start + 2][::-1]) for start in (0, 2))
    found = optimized_bn128.multiply((x, y, x.one()), scalar)
    if optimized_bn128.is_inf(found):
        return bytes(128)
    return words(*(int(number) for element in optimized_bn128.normalize(found) for number in element.coeffs[::-1]))


def outputs(name: str, *inputs: bytes) -> set[object]:
    """What both implementations give for each input."""
    return {agree(name, data) for data in inputs}


def test_sums_agree() -> None:
    rng = random.Random(6)
    points = [INFINITY, G1, negated(G1), *(times(rng.randrange(ORDER)) for _ in range(6))]
    for first, second in product(points, repeat=2):
        assert len(agree("bn254_add", first + second)) == 64
    for point in points[1:]:
        assert agree("bn254_add", point + negated(point)) == INFINITY
        assert agree("bn254_add", point + point) == times(2, point)
        assert agree("bn254_add", point + INFINITY) == agree("bn254_add", point) == point
        assert agree("bn254_add", point + point + b"\xff" * 9) == times(2, point)
    assert agree("bn254_add", b"") == INFINITY


@pytest.mark.lengthy
def test_multiples_agree() -> None:
    rng = random.Random(7)
    scalars = [*range(36), *(ORDER + step for step in range(-3, 4)), 2 * ORDER, PRIME, (1 << 256) - 1, 1 << 255]
    # where a factor's two halves are zero, small or of different signs
    scalars += [(factor * EIGENVALUE + rest) % ORDER for factor in (1, -1, 15) for rest in (0, 1, -16)]
    for scalar in (*scalars, *(rng.getrandbits(256) >> rng.randrange(256) for _ in range(5))):
        assert len(agree("bn254_multiply", G1 + words(scalar))) == 64
    point = times(rng.randrange(ORDER))
    assert agree("bn254_multiply", point + words(ORDER)) == INFINITY
    assert agree("bn254_multiply", point + words(ORDER + 1)) == point
    assert agree("bn254_multiply", INFINITY + words(5)) == INFINITY
    assert agree("bn254_multiply", point) == INFINITY
    assert agree("bn254_multiply", point + b"\x01") == times(1 << 248, point)


def malformed() -> Iterator[bytes]:
    """What is no point of G1."""
    yield from (words(1, 3), words(0, 1), words(1, 0), words(1), b"\x01")
    for number in (PRIME, PRIME + 1, (1 << 256) - 1):
        yield from (words(number, 2), words(1, number))
    yield from (words(PRIME, 0), words(0, PRIME), words(1, 2 + PRIME))


def test_what_is_no_point_is_refused_in_the_same_words() -> None:
    texts = {
        (InputError, "invalid fp.Element encoding"),
        (InputError, "point is not on curve"),
    }
    wrong = list(malformed())
    assert outputs("bn254_multiply", *wrong) == texts
    assert outputs("bn254_add", *wrong, *(G1 + data for data in wrong)) == texts
    pairs = [data.ljust(64, b"\0") + bytes(128) for data in wrong]
    assert outputs("bn254_pairing", *pairs) == texts


def test_only_whole_pairs_are_taken() -> None:
    sizes = (1, 191, 193, 383, 385)
    text = (InputError, "bad elliptic curve pairing size")
    assert outputs("bn254_pairing", *(bytes(size) for size in sizes)) == {text}


@pytest.mark.lengthy
def test_only_points_of_the_second_group_are_taken() -> None:
    second_order = TWIST_ORDER // SMALL_ORDER
    strangers = [STRANGER, times_on_twist(ORDER, STRANGER), times_on_twist(second_order, STRANGER)]
    assert {len(point) for point in strangers} == {128}
    assert bytes(128) not in strangers
    text = (InputError, "point is not in correct subgroup")
    assert outputs("bn254_pairing", *(G1 + point for point in strangers)) == {text}
    assert outputs("bn254_pairing", *(INFINITY + point for point in strangers)) == {text}
    numbers = [G2[start : start + 32] for start in range(0, 128, 32)]
    swapped = numbers[1] + numbers[0] + numbers[3] + numbers[2]
    assert agree("bn254_pairing", G1 + swapped) == (InputError, "point is not on curve")
    for place in range(4):
        changed = b"".join([words(PRIME) if index == place else number for index, number in enumerate(numbers)])
        assert agree("bn254_pairing", G1 + changed) == (InputError, "invalid fp.Element encoding")


@pytest.mark.lengthy
def test_infinity_pairs_to_one() -> None:
    assert agree("bn254_pairing", b"") == words(1)
    for pair in (INFINITY + G2, G1 + bytes(128), INFINITY + bytes(128)):
        assert bn254.bn254_pairing(pair) == words(1)


@pytest.mark.lengthy
def test_products_of_pairings_agree() -> None:
    rng = random.Random(8)
    left, right = rng.randrange(2, ORDER), rng.randrange(2, ORDER)
    both = times(left * right % ORDER)
    assert agree("bn254_pairing", times(left) + times_on_twist(right) + negated(both) + G2) == words(1)
    assert agree("bn254_pairing", times(left) + times_on_twist(right) + both + G2) == words(0)
    assert agree("bn254_pairing", G1 + G2) == words(0)


def test_pairings_are_bilinear_in_groups_of_every_size() -> None:
    """Miller's loop takes eight pairs at once: the sums of up to 18 pairs, by the core alone."""
    rng = random.Random(9)
    rights = [rng.randrange(1, ORDER) for _ in range(3)]
    second = [times_on_twist(right) for right in rights]
    for count in range(1, 19):
        lefts = [rng.randrange(1, ORDER) for _ in range(count)]
        pairs = [times(left) + second[index % 3] for index, left in enumerate(lefts)]
        total = sum(left * rights[index % 3] for index, left in enumerate(lefts)) % ORDER
        pairs.insert(rng.randrange(count), negated(times(total)) + G2)
        pairs.insert(rng.randrange(count), INFINITY + G2)
        assert bn254.bn254_pairing(b"".join(pairs)) == words(1), count
        pairs[-1] = G1 + pairs[-1][64:]
        assert bn254.bn254_pairing(b"".join(pairs)) == words(0), count


def test_powers_agree() -> None:
    rng = random.Random(5)
    for _ in range(200):
        sizes = [rng.choice((0, 1, 2, 8, 9, 32, 33, 100)) for _ in range(3)]
        agree("modexp", *(rng.randbytes(size) for size in sizes))
    for size in (1_024, 1_025):
        agree("modexp", rng.randbytes(size), b"\x03", rng.randbytes(size))
    agree("modexp", b"\xff" * 8, b"\xff" * 3_000, b"\xff" * 7 + b"\xfd")


def test_compressions_agree() -> None:
    rng = random.Random(9)
    for rounds in (*range(24), 100):
        for flag in (0, 1):
            agree("blake2f", words(rounds)[28:] + rng.randbytes(208) + bytes([flag]))
