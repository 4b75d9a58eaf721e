"""The precompiles of EIP-2537 on native code: py-evm's own, in pure Python, are the reference."""

import time
from typing import Any

import pytest
from eth.vm.forks.prague.computation import PragueComputation
from py_ecc.bls.hash_to_curve import map_to_curve_G1, map_to_curve_G2
from py_ecc.optimized_bls12_381 import FQ, FQ2, G1, G2, curve_order, field_modulus, multiply, neg, normalize

from testing.speed import slowness
from tests.chain.vm.support import SENDER, environment_of, rules_of, state_of
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import PRECOMPILES, precompile_address
from zevm.chain.vm.gas_needs import floor_gas, intrinsic_gas
from zevm.chain.vm.interface import CallRequest, Outcome, VmErrorKind

G1_ADD, G1_MSM, G2_ADD, G2_MSM, PAIRING, MAP_G1, MAP_G2 = range(0x0B, 0x12)
REFERENCE = PragueComputation.get_precompiles()
GAS = 10_000_000


def call(number: int, data: bytes) -> Outcome:
    request = CallRequest(SENDER, precompile_address(number), GAS, data=data)
    return Executor(environment_of(Fork.PRAGUE), state_of({})).call(request)


def reference(number: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What py-evm's body answers, in our frames."""
    table = {**PRECOMPILES[Fork.PRAGUE], precompile_address(number): REFERENCE[precompile_address(number)]}
    with monkeypatch.context() as patched:
        patched.setattr("zevm.chain.vm.executor.PRECOMPILES", {Fork.PRAGUE: table})
        return call(number, data)


def element(value: int) -> bytes:
    return int(value).to_bytes(64, "big")


def pair_of(point: object) -> Any:
    """The point's two coordinates, whichever field they are of."""
    return normalize(point)


def g1(point: object) -> bytes:
    return b"".join([element(coordinate) for coordinate in normalize(point)])


def g2(point: object) -> bytes:
    return b"".join([element(part) for coordinate in pair_of(point) for part in coordinate.coeffs])


def scalar(value: int) -> bytes:
    return value.to_bytes(32, "big")


P, Q = g1(multiply(G1, 7)), g1(multiply(G1, 11))
R, S = g2(multiply(G2, 7)), g2(multiply(G2, 11))
G1_INFINITY, G2_INFINITY = bytes(128), bytes(256)
G1_OUTSIDE = g1(map_to_curve_G1(FQ(5)))
G2_OUTSIDE = g2(map_to_curve_G2(FQ2((5, 6))))
TOO_BIG = element(field_modulus)
X, Y = P[:64], P[64:]

CASES = {
    "g1 sum": (G1_ADD, P + Q),
    "g1 double": (G1_ADD, P + P),
    "g1 cancels": (G1_ADD, P + g1(neg(multiply(G1, 7)))),
    "g1 infinity": (G1_ADD, P + G1_INFINITY),
    "g1 infinities": (G1_ADD, G1_INFINITY * 2),
    "g1 outside the subgroup": (G1_ADD, G1_OUTSIDE + P),
    "g1 off the curve": (G1_ADD, P + X + X),
    "g1 x is the modulus": (G1_ADD, P + TOO_BIG + bytes(64)),
    "g1 y over the modulus": (G1_ADD, P + X + element(field_modulus + int.from_bytes(Y, "big"))),
    "g1 padding": (G1_ADD, P + b"\x01" + Q[1:]),
    "g1 flag bits": (G1_ADD, P + Q[:16] + bytes((Q[16] | 0x80,)) + Q[17:]),
    "g1 short": (G1_ADD, (P + Q)[:-1]),
    "g1 long": (G1_ADD, P + Q + b"\0"),
    "g1 empty": (G1_ADD, b""),
    "g1 product": (G1_MSM, P + scalar(3)),
    "g1 products": (G1_MSM, P + scalar(3) + Q + scalar(2**256 - 1) + G1_INFINITY + scalar(9)),
    "g1 scalar 0": (G1_MSM, P + scalar(0)),
    "g1 scalar order": (G1_MSM, P + scalar(curve_order)),
    "g1 product outside": (G1_MSM, G1_OUTSIDE + scalar(1)),
    "g1 products empty": (G1_MSM, b""),
    "g1 products cut": (G1_MSM, P + scalar(3)[:-1]),
    "g2 sum": (G2_ADD, R + S),
    "g2 infinity": (G2_ADD, G2_INFINITY + S),
    "g2 outside the subgroup": (G2_ADD, G2_OUTSIDE + R),
    "g2 off the curve": (G2_ADD, R + R[:128] * 2),
    "g2 coordinate too big": (G2_ADD, R + S[:64] + TOO_BIG + S[128:]),
    "g2 short": (G2_ADD, (R + S)[:-1]),
    "g2 products": (G2_MSM, R + scalar(3) + S + scalar(2**255)),
    "g2 product outside": (G2_MSM, G2_OUTSIDE + scalar(1)),
    "pairing of one": (PAIRING, P + R),
    "pairing that cancels": (PAIRING, P + S + g1(neg(multiply(G1, 11))) + R),
    "pairing with infinity": (PAIRING, G1_INFINITY + R + P + G2_INFINITY),
    "pairing outside": (PAIRING, G1_OUTSIDE + R),
    "pairing outside g2": (PAIRING, P + G2_OUTSIDE),
    "pairing empty": (PAIRING, b""),
    "pairing cut": (PAIRING, (P + R)[:-1]),
    "map": (MAP_G1, element(12345)),
    "map 0": (MAP_G1, element(0)),
    "map too big": (MAP_G1, TOO_BIG),
    "map short": (MAP_G1, element(1)[:-1]),
    "map 2": (MAP_G2, element(12345) + element(6789)),
    "map 2 too big": (MAP_G2, element(1) + TOO_BIG),
    "map 2 long": (MAP_G2, element(1) * 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_native_agrees_with_py_evm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number, data = CASES[name]
    ours, theirs = call(number, data), reference(number, data, monkeypatch)
    assert (ours.output, ours.gas_used, ours.succeeded) == (theirs.output, theirs.gas_used, theirs.succeeded)
    if not ours.succeeded:
        assert ours.error is not None
        assert ours.error.kind in (VmErrorKind.PRECOMPILE, VmErrorKind.PRECOMPILE_INPUT_LENGTH)
        assert ours.gas_used == GAS


@pytest.mark.parametrize(("pairs", "discount"), [(1, 1000), (2, 949), (127, 520), (128, 519), (129, 519)])
def test_discount_by_number_of_pairs(pairs: int, discount: int) -> None:
    data = (P + scalar(5)) * pairs
    request = CallRequest(SENDER, precompile_address(G1_MSM), GAS, data=data)
    intrinsic, floor = intrinsic_gas(request, rules_of(Fork.PRAGUE)), floor_gas(request, rules_of(Fork.PRAGUE))
    assert call(G1_MSM, data).gas_used == max(intrinsic + pairs * 12_000 * discount // 1000, floor)


def test_eight_pairs_are_fast() -> None:
    data = (P + S + g1(neg(multiply(G1, 11))) + R) * 4
    call(PAIRING, data)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        outcome = call(PAIRING, data)
        times.append(time.perf_counter() - started)
    assert outcome.output == (1).to_bytes(32, "big")
    assert min(times) < 0.05 * slowness()
