"""The machine's opcode table against the engine's in Python, for every fork."""

import pytest

from tests.core.support import needs_core
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import instructions
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.core import CORE

pytestmark = needs_core

RENAMED = {"DIFFICULTY": "PREVRANDAO"}
"""The machine has one row for both; the engine's name of it is the fork's."""


@pytest.mark.parametrize("fork", Fork, ids=lambda fork: fork.flag)
def test_every_opcode_has_the_same_name_gas_and_stack_effect(fork: Fork) -> None:
    assert CORE.library is not None
    found = CORE.library.evm_operations(fork)
    wanted = [
        None
        if operation.body is instructions.invalid
        else (RENAMED.get(operation.name, operation.name), operation.gas, operation.pops, operation.pushes)
        for operation in FRAME_CLASSES[fork].operations
    ]
    assert len(found) == 256
    assert {hex(opcode): (row, wanted[opcode]) for opcode, row in enumerate(found) if row != wanted[opcode]} == {}


def test_there_is_no_table_for_a_fork_that_is_not_known() -> None:
    assert CORE.library is not None
    with pytest.raises(CORE.library.RefusedError):
        CORE.library.evm_operations(len(Fork))
