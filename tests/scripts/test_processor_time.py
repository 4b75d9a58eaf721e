"""The plugin that tells which tests take the most processor time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from testing.node_process import ROOT

TESTS = """
import subprocess, sys, time

BURN = "import time\\nwhile time.process_time() < 0.6: pass"

def test_waits():
    time.sleep(0.5)

def test_computes_in_a_process():
    subprocess.run([sys.executable, "-c", BURN], check=True)
"""


def test_a_process_of_a_test_counts_and_waiting_does_not(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "testing.processor_time", "-p", "no:cacheprovider"]
    finished = subprocess.run(
        [*command, "-n", "1", "--rootdir", str(tmp_path), str(tmp_path / "test_it.py")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    seconds = {name: float(value) for value, name in re.findall(r"([\d.]+)s \S*::(\w+)", finished.stdout)}
    assert list(seconds) == ["test_computes_in_a_process", "test_waits"]
    # the clocks count whole ticks
    assert seconds["test_computes_in_a_process"] >= 0.5
    assert seconds["test_waits"] < 0.3
    of_file = float(re.findall(r"([\d.]+)s \S*test_it.py\n", finished.stdout)[0])
    assert of_file == pytest.approx(sum(seconds.values()), abs=0.02)
    told = re.search(r"processor time: ([\d.]+) s of the tests, ([\d.]+) s in all", finished.stdout)
    assert told
    of_tests, of_all = map(float, told.groups())
    assert of_all > of_tests > 0, "the workers' start counts"
