"""How an outermost message ended, on whatever engine."""

from typing import NamedTuple

from zevm.chain.vm.interface import VmError


class Ending(NamedTuple):
    """gas_left: of the message's gas. output: returned or revert data. error: why it failed, None where it did not."""

    gas_left: int
    output: bytes
    error: VmError | None
