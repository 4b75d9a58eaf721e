"""The official state tests: a seeded sample by default, all of them with ALL_STATE_TESTS=1."""

import os
import random
from pathlib import Path

import pytest

from tests.conformance import conformance_path
from verification.conformance.state_fixtures import load_cases, run_case
from zevm.chain.vm.engines.engine import Engine
from zevm.core import CORE

SAMPLE_FILES = 90
CASES_PER_FILE = 2
SLOW = ("run_until_out_of_gas", "call_opcode_types")
"""Names of files that take seconds: millions of steps, and the KZG set-up."""


def chosen_files() -> list[Path]:
    files = sorted(conformance_path("state_tests").rglob("*.json"))
    if os.environ.get("ALL_STATE_TESTS"):
        return files
    fast = [file for file in files if not any(word in str(file) for word in SLOW)]
    return random.Random(7702).sample(fast, SAMPLE_FILES)


@pytest.mark.lengthy
@pytest.mark.parametrize("engine", [*Engine] if CORE.library is not None else [Engine.PY_EVM])
@pytest.mark.timeout(3600 if os.environ.get("ALL_STATE_TESTS") else 120)
def test_official_state_tests(engine: Engine) -> None:
    chooser = random.Random(6780)
    failures, count = [], 0
    for file in chosen_files():
        cases = list(load_cases(file))
        if not os.environ.get("ALL_STATE_TESTS"):
            cases = chooser.sample(cases, min(CASES_PER_FILE, len(cases)))
        for case in cases:
            count += 1
            difference = run_case(case, engine=engine)
            if difference is not None:
                failures.append(f"{file.stem} {case.name}: {difference}")
    assert not failures, f"{len(failures)} of {count} differ:\n" + "\n".join(failures)
    assert count >= 150
