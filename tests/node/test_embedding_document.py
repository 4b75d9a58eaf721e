"""Every example of docs/embedding.md and docs/debugging.md, run in an empty folder, prints what it says."""

import pytest

from testing.node_process import ROOT
from tests.clients.document_blocks import blocks_of, printed_by

DOCUMENTS = ("embedding.md", "debugging.md")
BLOCKS = [block for name in DOCUMENTS for block in blocks_of(ROOT / "docs" / name) if block.language == "python"]
PROGRAMS = {block.section: block for block in BLOCKS}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each program prints, by its section."""
    return printed_by(PROGRAMS, tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("section", PROGRAMS)
def test_the_example_prints_what_it_says(section: str, printed: dict[str, list[str]]) -> None:
    assert printed[section] == PROGRAMS[section].output
    assert printed[section]


def test_no_example_is_left_out() -> None:
    assert len(PROGRAMS) == len(BLOCKS)
