"""The libraries of curves are imported by the first precompile of py-evm that needs them, and answer then."""

import subprocess
import sys

import pytest

from testing.node_process import ROOT

SCRIPT = """
import sys
from types import SimpleNamespace

import zevm.chain.vm.fork_table
from eth.vm.forks.byzantium.computation import ByzantiumComputation
from eth.vm.forks.prague.computation import PragueComputation

assert "py_ecc.optimized_bls12_381" not in sys.modules, "imported with py-evm"
add = PragueComputation.get_precompiles()[bytes(19) + b"\\x0b"]
computation = SimpleNamespace(msg=SimpleNamespace(data=bytes(256)), consume_gas=lambda gas, reason: None)
add(computation)
assert "py_ecc.optimized_bls12_381" in sys.modules, "not what answered"
assert computation.output == bytes(128)
from eth.precompiles.bls12_381.bls12_381_g1 import bls12_g1_add
assert bls12_g1_add.__module__ == "eth.precompiles.bls12_381.bls12_381_g1"

assert "py_ecc.optimized_bn128" not in sys.modules, "imported with py-evm"
prices = {ByzantiumComputation: 500, PragueComputation: 150}
for fork, price in prices.items():
    paid = []
    take = lambda gas, reason: paid.append(gas)
    computation = SimpleNamespace(msg=SimpleNamespace(data_as_bytes=bytes(128)), consume_gas=take)
    fork.get_precompiles()[bytes(19) + b"\\x06"](computation)
    assert computation.output == bytes(64)
    assert paid == [price]
assert "py_ecc.optimized_bn128" in sys.modules, "not what answered"

from eth.consensus.pow import get_dataset_full_size
assert "Crypto.Hash.keccak" not in sys.modules, "imported with py-evm"
assert get_dataset_full_size(0) == 1_073_739_904
assert "Crypto.Hash.keccak" in sys.modules, "not what answered"
"""


@pytest.mark.slow
def test_pairings_are_imported_when_a_precompile_is_called() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
