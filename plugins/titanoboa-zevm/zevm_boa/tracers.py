"""titanoboa's tracers in py-evm's opcode tables: it wraps them into each other at every block that it forks from."""

from collections.abc import MutableMapping
from typing import Any

Opcodes = MutableMapping[int, Any]
_WRAPPED = ("sha3", "sstore")
"""Attributes in which titanoboa's tracers keep the opcode behind them."""


def opcodes_of(env: Any) -> Opcodes:
    """py-evm's table that an environment's computations execute from; environments of one fork share it."""
    table: Opcodes = env.evm.vm.state.computation_class.opcodes
    return table


def plain(opcode: Any) -> Any:
    """The opcode behind a tracer, however often it was wrapped; others as they are."""
    while (wrapped := next((getattr(opcode, name) for name in _WRAPPED if hasattr(opcode, name)), None)) is not None:
        opcode = wrapped
    return opcode
