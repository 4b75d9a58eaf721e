"""verification.wasm.fuzz: a short campaign of fixed seeds finds nothing, and one in front of a fault finds it."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from testing.node_process import ROOT
from verification.wasm import fuzz
from verification.wasm.generate import generate, mutate
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import PRICE_TABLES, ZVM
from zevm.chain.zvm.runtime.runtime import NodeFaultError

FUZZ = [sys.executable, "-m", "verification.wasm.fuzz"]


def test_a_short_campaign_finds_nothing(tmp_path: Path) -> None:
    command = [*FUZZ, "--cases", "120", "--seed", "20", "--output", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "nothing found" in finished.stdout
    assert list(tmp_path.iterdir()) == []


def test_generated_modules_are_accepted_and_damaged_ones_mostly_not() -> None:
    counts = {"whole": 0, "damaged": 0}
    for number in range(150):
        random = Random(number)
        raw = generate(random)
        assert raw == generate(Random(number))
        for kind, module in (("whole", raw), ("damaged", mutate(random, raw, raw))):
            try:
                prepare(module, ZVM)
                counts[kind] += 1
            except ModuleRefusedError:
                pass
    assert counts["whole"] > 120
    assert 5 < counts["damaged"] < 100


def test_a_fault_is_written_with_the_way_to_it(tmp_path: Path) -> None:
    """A child that a signal ends, as a crash of the engine does."""
    records = tmp_path / "records"
    records.write_bytes(fuzz.RECORD.pack(0, 7) + fuzz.RECORD.pack(1, 0))
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    child = subprocess.Popen([sys.executable, "-c", crash], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    arguments = fuzz.parser().parse_args(["--output", str(tmp_path)])
    assert not fuzz._judge(arguments, 5, child, records)
    found = tmp_path / "zvm-fuzz-5-1.wasm"
    assert found.read_bytes() == fuzz.make_case(5, 1, fuzz.example_contracts())[0]


def first_accepted(tester: fuzz.Tester) -> tuple[bytes, str, bool]:
    for number in range(0, 40, 2):
        raw, schedule, library = fuzz.make_case(1, number, [])
        if isinstance(tester._prepare(raw, schedule, library), Prepared):
            return raw, schedule, library
    raise AssertionError("no module of twenty is accepted")


def test_other_errors_and_differences_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tester = fuzz.Tester(thorough=True)
    case = first_accepted(tester)
    tester.test(*case)
    with monkeypatch.context() as patch:
        ends = iter("abcdefgh")
        patch.setattr(tester, "_run", lambda *_: next(ends))
        with pytest.raises(fuzz.FoundError, match="differs"):
            tester.test(*case)

    def broken(*_: object, **__: object) -> Prepared:
        raise IndexError("a bug")

    monkeypatch.setattr(fuzz, "prepare", broken)
    with pytest.raises(fuzz.FoundError, match="IndexError"):
        tester.test(*case)
    assert not issubclass(NodeFaultError, ModuleRefusedError)
    assert case[1] in PRICE_TABLES
