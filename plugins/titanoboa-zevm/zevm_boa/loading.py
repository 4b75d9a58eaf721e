"""The node beside titanoboa: both stand on py-evm, and titanoboa puts tracers into py-evm's own tables of opcodes.

A node that were loaded from these tables would execute titanoboa's tracers. It is loaded with the plain opcodes.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import boa

Opcodes = MutableMapping[int, Any]
_WRAPPED = ("sha3", "sstore")
"""Where titanoboa's tracers keep the opcode that they stand for."""


def opcodes_of(env: Any) -> Opcodes:
    """py-evm's table that an environment's computations execute from; environments of one fork share it."""
    table: Opcodes = env.evm.vm.state.computation_class.opcodes
    return table


def plain(opcode: Any) -> Any:
    """The opcode that a tracer stands for, however often it was wrapped; others as they are."""
    while (wrapped := next((getattr(opcode, name) for name in _WRAPPED if hasattr(opcode, name)), None)) is not None:
        opcode = wrapped
    return opcode


@contextmanager
def plain_opcodes(table: Opcodes) -> Iterator[None]:
    """Take titanoboa's tracers out of a table, and put them back at the end."""
    kept = dict(table)
    table.update({value: plain(opcode) for value, opcode in kept.items()})
    try:
        yield
    finally:
        table.update(kept)


def load_node() -> None:
    """Import the node's virtual machine; what it has loaded before stays as it is."""
    with plain_opcodes(opcodes_of(boa.env)):
        import_module("zevm.chain.vm.fork_table")
