"""The three precompiles of alt_bn128 (EIP-196, EIP-197) on revm's Rust code; prices are the forks' (EIP-1108).

revm runs them as calls of the precompiles' addresses in an empty state, where only the arithmetic is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyrevm import EVM

from chain.vm.faults import PrecompileError

if TYPE_CHECKING:
    from chain.vm.frame import Frame

ADD, MULTIPLY, PAIRING = 6, 7, 8
PAIR_BYTES = 192

_CALLER = "0x" + "11" * 20
_AMPLE_GAS = 1 << 40
"""More than any input can cost there: the frame has paid already, at its fork's price."""


def _run(number: int, data: bytes) -> bytes:
    """Raises PrecompileError where an input is no point, or of no right size."""
    try:
        evm = EVM(spec_id="CANCUN")
        return bytes(evm.message_call(_CALLER, f"0x{number:040x}", calldata=data, gas=_AMPLE_GAS, is_static=True))
    except RuntimeError as error:
        raise PrecompileError("bn254: malformed point or input") from error


def addition(gas: int) -> Callable[["Frame"], None]:
    """0x06 at this price: the sum of two points."""

    def add(frame: "Frame") -> None:
        frame.consume_gas(gas, "ECADD")
        frame.output = _run(ADD, frame.msg.data)

    return add


def multiplication(gas: int) -> Callable[["Frame"], None]:
    """0x07 at this price: a point times a scalar."""

    def multiply(frame: "Frame") -> None:
        frame.consume_gas(gas, "ECMUL")
        frame.output = _run(MULTIPLY, frame.msg.data)

    return multiply


def pairing(base_gas: int, pair_gas: int) -> Callable[["Frame"], None]:
    """0x08 at these prices: 1 where the product of the pairings is one, else 0."""

    def check(frame: "Frame") -> None:
        data = frame.msg.data
        frame.consume_gas(base_gas + pair_gas * (len(data) // PAIR_BYTES), "ECPAIRING")
        frame.output = _run(PAIRING, data)

    return check
