"""The three precompiles of alt_bn128 (EIP-196, EIP-197); prices are the forks' (EIP-1108)."""

from collections.abc import Callable

from zevm.chain.native.bn254 import PAIR_BYTES, bn254_add, bn254_multiply, bn254_pairing
from zevm.chain.vm.arithmetic import compute
from zevm.chain.vm.frame import Frame

ADD_BYTES = 128
MULTIPLY_BYTES = 96


def addition(gas: int) -> Callable[[Frame], None]:
    """0x06 at this price: the sum of two points."""

    def add(frame: Frame) -> None:
        frame.consume_gas(gas, "ECADD")
        frame.output = compute(frame, gas, bn254_add, bytes(frame.msg.data[:ADD_BYTES]))

    return add


def multiplication(gas: int) -> Callable[[Frame], None]:
    """0x07 at this price: a point times a scalar."""

    def multiply(frame: Frame) -> None:
        frame.consume_gas(gas, "ECMUL")
        frame.output = compute(frame, gas, bn254_multiply, bytes(frame.msg.data[:MULTIPLY_BYTES]))

    return multiply


def pairing(base_gas: int, pair_gas: int) -> Callable[[Frame], None]:
    """0x08 at these prices: 1 where the product of the pairings is one, else 0."""

    def check(frame: Frame) -> None:
        data = frame.msg.data
        gas = base_gas + pair_gas * (len(data) // PAIR_BYTES)
        frame.consume_gas(gas, "ECPAIRING")
        frame.output = compute(frame, gas, bn254_pairing, bytes(data))

    return check
