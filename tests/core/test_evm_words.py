"""The machine's arithmetic against Python's, instruction by instruction."""

import random

import pytest

from tests.core.support import needs_core
from verification.core.words import INSTRUCTIONS, differences, edge_groups, random_groups, results
from zevm.core import CORE

pytestmark = needs_core

GROUPS = 4_000
"""Random groups of operands for each instruction; `python -m verification.core.words` has as many as one asks for."""


@pytest.mark.parametrize("opcode", INSTRUCTIONS, ids=hex)
def test_an_instruction_gives_what_it_gives_in_python(opcode: int) -> None:
    groups = edge_groups(opcode) + random_groups(opcode, GROUPS, random.Random(opcode))
    assert list(differences(opcode, groups)) == []


def test_a_result_is_for_each_group() -> None:
    assert results(0x01, [(1, 2), (2**256 - 1, 2)]) == [3, 1]


def test_every_instruction_on_words_alone_is_compared() -> None:
    assert CORE.library is not None
    with pytest.raises(CORE.library.RefusedError):
        CORE.library.evm_words(0x20, bytes(64))
    defined = {opcode for opcode, row in enumerate(CORE.library.evm_operations(19)) if row and 0 < opcode < 0x20}
    assert defined == set(INSTRUCTIONS)
