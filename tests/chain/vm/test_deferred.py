"""The library of pairings is imported by the first precompile of py-evm that needs it, and answers then."""

import subprocess
import sys

import pytest

from testing.node_process import ROOT

SCRIPT = """
import sys
from types import SimpleNamespace

import zevm.chain.vm.fork_table
from eth.vm.forks.prague.computation import PragueComputation

assert "py_ecc.optimized_bls12_381" not in sys.modules, "imported with py-evm"
add = PragueComputation.get_precompiles()[bytes(19) + b"\\x0b"]
computation = SimpleNamespace(msg=SimpleNamespace(data=bytes(256)), consume_gas=lambda gas, reason: None)
add(computation)
assert "py_ecc.optimized_bls12_381" in sys.modules, "not what answered"
assert computation.output == bytes(128)
from eth.precompiles.bls12_381.bls12_381_g1 import bls12_g1_add
assert bls12_g1_add.__module__ == "eth.precompiles.bls12_381.bls12_381_g1"
"""


@pytest.mark.slow
def test_pairings_are_imported_when_a_precompile_is_called() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
