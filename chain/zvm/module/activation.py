"""Cost of checking and compiling a module, computed from the module alone: its price, and its bound.

The compiler's time is not in proportion to a module's bytes: a block has a debit of its own, a function a frame to
enter and leave, a type's parameters are moved by code of their own, used or not, and the loops of one function cost by
their square. The prices below follow that time closely enough
that no module takes ten times as long for its gas as the EVM does; `verification.wasm.compile` looks for one that does.
The compiled code's size stays within CODE_BYTES_PER_GAS, so that what bounds the price bounds the code as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.zvm.module.body import MeteredBody
from zevm.chain.zvm.module.limits import within

BASE_GAS = 30_000
GAS_PER_BYTE = 4
GAS_PER_OPERATION = 5
GAS_PER_BLOCK = 120
GAS_PER_CALL = 60
GAS_PER_INDIRECT_CALL = 500
GAS_PER_FUNCTION = 600
GAS_PER_PARAMETER = 10
GAS_PER_VALUE_OF_TYPE = 40
GAS_PER_CARRIED_LOCAL = 40
GAS_PER_JOIN_AND_LOCAL = 2
GAS_PER_LOOP_SQUARED = 2

CODE_BYTES_PER_GAS = 1
"""Bytes of machine code that a module has at most for each gas of its activation above the base."""


@dataclass(frozen=True, slots=True)
class Work:
    """Properties of a module that determine its compilation time. See `MeteredBody` for the counts of a function."""

    operations: int
    blocks: int
    calls: int
    indirect_calls: int
    functions: int
    parameters: int
    carried: int
    loops_squared: int
    """The sum over functions."""

    @classmethod
    def of(cls, bodies: Sequence[MeteredBody]) -> "Work":
        """The sums over a module's functions."""
        return cls(
            operations=sum(body.operations for body in bodies),
            blocks=sum(body.blocks for body in bodies),
            calls=sum(body.calls for body in bodies),
            indirect_calls=sum(body.indirect_calls for body in bodies),
            functions=len(bodies),
            parameters=sum(body.parameters for body in bodies),
            carried=sum(body.carried for body in bodies),
            loops_squared=sum(body.loops**2 for body in bodies),
        )


def least_activation_gas(module_bytes: int) -> int:
    """The part of the price that a module's length decides."""
    return BASE_GAS + GAS_PER_BYTE * module_bytes


def activation_gas(module_bytes: int, work: Work, joins_times_locals: int, values_of_types: int) -> int:
    """The price of a module, without its section `zvm.init`. Raises ModuleRefusedError beyond the limit.

    joins_times_locals: see `chain.zvm.module.shape`. values_of_types: the parameters and results that its types name.
    """
    gas = (
        least_activation_gas(module_bytes)
        + GAS_PER_OPERATION * work.operations
        + GAS_PER_BLOCK * work.blocks
        + GAS_PER_CALL * work.calls
        + GAS_PER_INDIRECT_CALL * work.indirect_calls
        + GAS_PER_FUNCTION * work.functions
        + GAS_PER_PARAMETER * work.parameters
        + GAS_PER_VALUE_OF_TYPE * values_of_types
        + GAS_PER_CARRIED_LOCAL * work.carried
        + GAS_PER_JOIN_AND_LOCAL * joins_times_locals
        + GAS_PER_LOOP_SQUARED * work.loops_squared
    )
    return within("activation gas", gas)
