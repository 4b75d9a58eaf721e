"""Every example of docs/covenant.md, run as a program of its own, in an empty folder, with what it says it prints."""

import pytest

from testing.node_process import ROOT
from tests.clients.document_blocks import blocks_of, printed_by
from zevm.covenant import COVENANT_ERRORS, GAS_COSTS, ExecutionContext, MemoryLimits

DOCUMENT = ROOT / "docs" / "covenant.md"
BLOCKS = blocks_of(DOCUMENT)
PROGRAMS = {block.section: block for block in BLOCKS if block.language == "python"}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each program prints, by its section."""
    return printed_by(PROGRAMS, tmp_path_factory.mktemp("programs"))


@pytest.mark.lengthy
@pytest.mark.parametrize("section", PROGRAMS)
def test_the_example_prints_what_it_says(section: str, printed: dict[str, list[str]]) -> None:
    assert printed[section] == PROGRAMS[section].output
    assert printed[section]


def test_each_block_is_a_program_of_its_own_section() -> None:
    assert len(PROGRAMS) == len(BLOCKS)


def test_the_tables_have_every_error_cost_limit_and_field() -> None:
    text = DOCUMENT.read_text()
    names = [error.__name__ for error in COVENANT_ERRORS]
    for kind in (GAS_COSTS, MemoryLimits):
        names += [name for name in vars(kind) if name.isupper()]
    names += ExecutionContext.__slots__
    assert [name for name in names if f"`{name}`" not in text] == []
    for value in (GAS_COSTS.SLOAD, GAS_COSTS.SSTORE, GAS_COSTS.CALL, GAS_COSTS.CREATE, GAS_COSTS.TRANSFER):
        assert f"| {value:,} |" in text
