"""The core's campaign: a second of it finds nothing, and it finds planted faults."""

import shutil
from pathlib import Path

import pytest

from verification.core.run import campaign, compile_program
from zevm.core.build import SOURCES

pytestmark = pytest.mark.slow

FAULTS = {
    # a branch that is left with one child stays a branch
    "trie": ("trie_update.zig", "if (count > 1) return", "if (count > 0) return"),
    # a failed frame's changes stay
    "evm": ("calls.zig", "if (end.status != .success) machine.state.d", "if (end.status == .depth) machine.state.d"),
}


def test_a_second_finds_nothing(tmp_path: Path) -> None:
    is_clean, told = campaign(compile_program(tmp_path), 1, [7])
    assert is_clean, told
    assert [line.split(":")[0] for line in told.splitlines()] == ["rlp", "trie", "transactions", "evm"]


@pytest.mark.parametrize("subject", FAULTS)
def test_a_planted_fault_is_found(subject: str, tmp_path: Path) -> None:
    sources = tmp_path / "zig"
    shutil.copytree(SOURCES, sources)
    name, right, wrong = FAULTS[subject]
    text = (sources / name).read_text()
    assert text.count(right) == 1
    (sources / name).write_text(text.replace(right, wrong))
    is_clean, told = campaign(compile_program(tmp_path, sources), 5, [7])
    assert not is_clean
    assert f"found: {subject} with seed" in told
