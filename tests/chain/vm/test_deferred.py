"""Parts of py-evm that the node does not use are imported by what needs them, and answer then."""

import json
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
print("all answered")
"""


PACKAGES = """
import sys
import importlib
import pkgutil
import zevm.chain.vm

for each in pkgutil.walk_packages(zevm.chain.vm.__path__, "zevm.chain.vm."):
    importlib.import_module(each.name)
import eth.vm.forks.prague.opcodes

assert not sys.modules.keys() & {"eth.chains", "eth.db", "eth.vm.base"}, "imported with py-evm"
assert eth.exceptions.VMError is not None
try:
    eth.no_such_name
except AttributeError as error:
    assert str(error) == "module 'eth' has no attribute 'no_such_name'", error
else:
    raise AssertionError
from importlib.metadata import version
assert eth.__version__ == version("py-evm")
from eth.chains.mainnet import MainnetChain
from eth.vm.forks import PragueVM
assert eth.vm.forks.prague.PragueVM is PragueVM
print(eth.MainnetChain is MainnetChain, PragueVM in {vm for _, vm in MainnetChain.vm_configuration})
"""

THE_OTHER_WAY = """
import eth
chain = eth.MainnetChain
import zevm.chain.vm.fork_table
print(eth.MainnetChain is chain)
"""

NAMES = """
import importlib, json, pkgutil, sys
import eth

every = ["eth", *(each.name for each in pkgutil.walk_packages(eth.__path__, "eth."))]
# those of eth.tools need an extra of py-evm
modules = {name: importlib.import_module(name) for name in every if not name.startswith("eth.tools")}
found = {}
for name, module in modules.items():
    names = {}
    exec(f"from {name} import *", names)
    found[name] = sorted(names.keys() - {"__builtins__"}), sorted(dir(module))
found["recursion"] = sys.getrecursionlimit() >= eth.EVM_RECURSION_LIMIT
print(json.dumps(found))
"""

FIRST = """
import importlib, os, pkgutil, sys
import zevm.chain.vm.fork_table

found = [f"eth.vm.forks.{name}" for name in ("frontier", "arrow_glacier", "prague")]
names = ["eth.vm.forks", "eth.rlp.headers", "eth.db.header", "eth.vm.base", "eth.chains.mainnet", *found]
for fork in found:
    names += (each.name for each in pkgutil.iter_modules(sys.modules[fork].__path__, f"{fork}."))
for name in names:
    child = os.fork()
    if child == 0:
        imported = importlib.import_module(name)
        assert sys.modules[name] is imported and imported.__spec__.origin == imported.__file__, name
        above, _, last = name.rpartition(".")
        assert above == "eth.vm.forks" or getattr(sys.modules[above], last) is imported, name
        exec(f"from {name} import *", {})
        import eth.vm.forks as all_forks
        assert all_forks.PragueVM.block_class.__module__ == "eth.vm.forks.prague.blocks"
        assert all_forks.CancunVM._state_class is importlib.import_module("eth.vm.forks.cancun.state").CancunState
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
print(len(names))
"""

EMBEDDED = """
import zevm

with zevm.Node() as node:
    [alice, *_] = node.request("eth_accounts")
    from eth import constants
    assert constants.ZERO_ADDRESS == bytes(20)
    from eth.vm.forks.london import LondonVM
    from eth.vm import forks
    assert forks.LondonVM is LondonVM
    import eth.precompiles.ecadd
    from eth_tester import EthereumTester, PyEVMBackend

    other = EthereumTester(PyEVMBackend())
    [sender, receiver, *_] = other.get_accounts()
    add = "0x0000000000000000000000000000000000000006"
    sent = other.send_transaction(dict(to=add, **{"from": sender}, gas=100_000, value=7, data="0x" + "00" * 128))
    assert other.get_transaction_receipt(sent)["status"] == 1
    assert other.get_balance(add) == 7
    assert other.call(dict(to=add, **{"from": sender}, gas=100_000, data="0x")) == "0x" + "00" * 64
    node.request("eth_sendTransaction", {"from": alice, "to": add, "value": "0x7"})
    assert node.request("eth_getBalance", add, "latest") == "0x7"
    assert node.request("eth_call", {"to": add}, "latest") == "0x" + "00" * 64
"""


def printed_by(script: str) -> str:
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "printed"),
    [(PACKAGES, "True True\n"), (THE_OTHER_WAY, "True\n")],
    ids=["after the chain", "before the chain"],
)
def test_packages_of_py_evm_run_when_another_program_asks_for_what_they_define(script: str, printed: str) -> None:
    assert printed_by(script) == printed


@pytest.mark.slow
def test_pairings_are_imported_when_a_precompile_is_called() -> None:
    assert printed_by(SCRIPT) == "all answered\n"


@pytest.mark.slow
def test_every_module_of_py_evm_has_the_same_names_beside_the_chain() -> None:
    alone = printed_by(NAMES)
    assert printed_by("import zevm.chain.vm.fork_table" + NAMES) == alone
    assert len(json.loads(alone)) > 200


@pytest.mark.slow
def test_each_module_of_a_fork_may_be_the_first() -> None:
    """In a fork of one process each, of the oldest, a middle and the newest fork: a first import can meet itself."""
    assert int(printed_by(FIRST)) > 30


@pytest.mark.slow
def test_a_program_that_embeds_a_node_runs_py_evm_too() -> None:
    assert printed_by(EMBEDDED + 'print("both")\n') == "both\n"
