"""The core's campaign: a second of it finds nothing, and it finds planted faults."""

import re
import shutil
from pathlib import Path

import pytest

from verification.core.run import SUBJECTS, campaign, compile_program, run_case
from zevm.core.build import SOURCES

pytestmark = pytest.mark.slow

FAULTS = {
    # a branch that is left with one child stays a branch
    "trie": ("trie_update.zig", "if (count > 1) return", "if (count > 0) return"),
    # a tip stands where the fee cap does
    "simulated": ("simulated.zig", "&payload, call.max_fee_per_gas)", "&payload, call.max_priority_fee_per_gas)"),
    # a failed frame's changes stay
    "evm": ("calls.zig", "if (end.status != .success) machine.state.d", "if (end.status == .depth) machine.state.d"),
    # a product with a line lacks a part
    "bn254": ("bn254_tower.zig", ".c = self.c.multiply(a).add(second),", ".c = self.c.multiply(a),"),
}


def test_a_second_finds_nothing(tmp_path: Path) -> None:
    program = compile_program(tmp_path)
    is_clean, told = campaign(program, 1, [7])
    assert is_clean, told
    assert tuple(line.split(":")[0] for line in told.splitlines()) == SUBJECTS
    assert run_case(program, "evm", 7 << 32) == (True, f"evm with seed {7 << 32}: nothing found\n")


@pytest.mark.parametrize("subject", FAULTS)
def test_a_planted_fault_is_found_and_found_again_by_its_seed(subject: str, tmp_path: Path) -> None:
    sources = tmp_path / "zig"
    shutil.copytree(SOURCES, sources)
    name, right, wrong = FAULTS[subject]
    text = (sources / name).read_text()
    assert text.count(right) == 1
    (sources / name).write_text(text.replace(right, wrong))
    program = compile_program(tmp_path, sources)
    is_clean, told = campaign(program, 5, [7])
    assert not is_clean
    found = re.match(rf"found: {subject} with seed (\d+): ", told)
    assert found is not None
    assert run_case(program, subject, int(found[1])) == (False, told)
