"""alt_bn128's precompiles on native code: py-evm's own, in pure Python, are the reference."""

from typing import Any

import pytest
from eth.vm.forks.byzantium.computation import ByzantiumComputation
from eth.vm.forks.istanbul.computation import IstanbulComputation
from py_ecc.optimized_bn128 import FQ2, G1, G2, b2, curve_order, field_modulus, is_on_curve, multiply, neg, normalize

from tests.chain.vm.support import SENDER, environment_of, state_of
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import PRECOMPILES, precompile_address
from zevm.chain.vm.interface import CallRequest, Outcome

ADD, MULTIPLY, PAIRING = 6, 7, 8
REFERENCES = {
    Fork.BYZANTIUM: ByzantiumComputation.get_precompiles(),
    Fork.ISTANBUL: IstanbulComputation.get_precompiles(),
}
GAS = 10_000_000


def call(number: int, data: bytes, fork: Fork) -> Outcome:
    request = CallRequest(SENDER, precompile_address(number), GAS, data=data)
    return Executor(environment_of(fork), state_of({})).call(request)


def reference(number: int, data: bytes, fork: Fork, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What py-evm's body answers, in our frames."""
    address = precompile_address(number)
    with monkeypatch.context() as patched:
        table = {**PRECOMPILES[fork], address: REFERENCES[fork][address]}
        patched.setattr("zevm.chain.vm.executor.PRECOMPILES", {fork: table})
        return call(number, data, fork)


def word(value: int) -> bytes:
    return int(value).to_bytes(32, "big")


def pair_of(point: object) -> Any:
    """The point's two coordinates, whichever field they are of."""
    return normalize(point)


def g1(point: object) -> bytes:
    return b"".join([word(coordinate) for coordinate in normalize(point)])


def g2(point: Any) -> bytes:
    """Imaginary part first (EIP-197)."""
    return b"".join([word(part) for coordinate in pair_of(point) for part in coordinate.coeffs[::-1]])


def outside_the_subgroup() -> bytes:
    """A point of the twist that is not in G2: small x are tried until one is on the curve."""
    for real in range(1, 50):
        x = FQ2((real, 0))
        square = x * x * x + b2
        power = square ** ((field_modulus - 3) // 4)
        alpha, root = power * power * square, power * square
        i = FQ2((0, 1))
        y = i * root if alpha == FQ2((-1, 0)) else (FQ2.one() + alpha) ** ((field_modulus - 1) // 2) * root
        if is_on_curve((x, y, FQ2.one()), b2):
            return g2((x, y, FQ2.one()))
    raise AssertionError("no such point")


P, Q = g1(multiply(G1, 7)), g1(multiply(G1, 11))
R, S = g2(multiply(G2, 7)), g2(multiply(G2, 11))
INFINITY = bytes(64)
CASES = {
    "sum": (ADD, P + Q),
    "double": (ADD, P + P),
    "cancels": (ADD, P + g1(neg(multiply(G1, 7)))),
    "infinity": (ADD, P + INFINITY),
    "empty": (ADD, b""),
    "short is padded": (ADD, P + Q[:20]),
    "long is cut": (ADD, P + Q + b"\1"),
    "off the curve": (ADD, P + P[:32] * 2),
    "modulus": (ADD, P + word(field_modulus) + bytes(32)),
    "product": (MULTIPLY, P + word(3)),
    "product 0": (MULTIPLY, P + word(0)),
    "product order": (MULTIPLY, P + word(curve_order)),
    "product big": (MULTIPLY, P + word(2**256 - 1)),
    "product short": (MULTIPLY, P + b"\1"),
    "product off the curve": (MULTIPLY, P[:32] * 2 + word(2)),
    "pairing that cancels": (PAIRING, P + S + g1(neg(multiply(G1, 11))) + R),
    "pairing of one": (PAIRING, P + R),
    "pairing with infinity": (PAIRING, INFINITY + R + P + bytes(128)),
    "pairing empty": (PAIRING, b""),
    "pairing cut": (PAIRING, (P + R)[:-1]),
    "pairing off the curve": (PAIRING, P + R[:64] * 2),
    "pairing outside": (PAIRING, P + outside_the_subgroup()),
    "pairing too big": (PAIRING, P + word(field_modulus) + R[32:]),
}


@pytest.mark.slow
@pytest.mark.parametrize("fork", REFERENCES)
@pytest.mark.parametrize("name", CASES)
def test_native_agrees_with_py_evm(name: str, fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    number, data = CASES[name]
    ours, theirs = call(number, data, fork), reference(number, data, fork, monkeypatch)
    assert (ours.output, ours.gas_used, ours.succeeded) == (theirs.output, theirs.gas_used, theirs.succeeded)
    assert ours.succeeded or ours.gas_used == GAS
