"""Foreign writes into py-evm's tables: libraries on py-evm patch them, before the chain is imported or after it."""

import subprocess
import sys
from typing import Any

import pytest
from eth.vm import forks

from zevm.chain.rules.forks import Fork
from zevm.chain.vm.fork_table import PRECOMPILES

FOREIGN = """
from eth.precompiles.bls12_381 import constants
from eth.vm import forks

def foreign(computation):
    raise SystemExit("a foreign opcode runs")

def write():
    names = [name for name in vars(forks) if name.endswith("VM") and name != "HomesteadVM"] + ["HomesteadVM"]
    for name in names:
        computation = getattr(forks, name).get_state_class().computation_class
        for opcode in computation.opcodes.values():
            try:
                opcode.gas_cost = 99
            except AttributeError:
                pass
        for value in range(256):
            computation.opcodes[value] = foreign
        for address in list(computation.get_precompiles()):
            computation.get_precompiles()[address] = foreign
        computation.get_precompiles()[b"\\x77" * 20] = foreign
        computation.opcodes = {}
    constants.G1_MSM_DISCOUNTS[:] = constants.G2_MSM_DISCOUNTS[:] = [1] * 128
    constants.G1_MSM_MAX_DISCOUNT = constants.MSM_MULTIPLIER = 1
    constants.BLS12_G1_MSM_GAS = constants.BLS12_G1_ADD_GAS = constants.BLS12_MAP_FP_G1_GAS = 1
    return len(names)
"""
DESCRIBE = """
import functools
import json

def text(value):
    if isinstance(value, functools.partial):
        return f"{text(value.func)} of {value.args} and {value.keywords}"
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else repr(value)

def describe():
    from zevm.chain.vm.fork_table import FRAME_CLASSES, PRECOMPILES
    from zevm.chain.vm.operations import OPCODE_NAMES

    frames = FRAME_CLASSES.items()
    operations = {fork.name: [list(map(text, each)) for each in kind.operations] for fork, kind in frames}
    tables = PRECOMPILES.items()
    precompiles = {fork.name: {at.hex(): text(body) for at, body in table.items()} for fork, table in tables}
    return json.dumps([operations, precompiles, sorted(OPCODE_NAMES.items())])
"""
RUN = """
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, environment_of, state_of
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.interface import CallRequest

SUM = bytes.fromhex("6001600201604060002060005500")

def gas():
    used = []
    for to, data in [(CONTRACT, b""), *((precompile_address(number), bytes(size)) for number, size in PRICED)]:
        executor = Executor(environment_of(Fork.PRAGUE), state_of({CONTRACT: FakeAccount(balance=1, code=SUM)}))
        used.append(executor.call_alone(CallRequest(sender=SENDER, to=to, data=data, gas_limit=1_000_000)).gas_used)
    return used

PRICED = [(2, 64), (3, 64), (4, 64), (11, 256), (12, 160), (12, 1600), (14, 2880), (16, 64)]
"""


def told(*programs: str) -> list[str]:
    """The lines that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", "\n".join(programs)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def untouched() -> list[str]:
    """The tables, and the gas of runs, in this process, where nothing writes into py-evm."""
    names: dict[str, Any] = {}
    exec(DESCRIBE + RUN, names)
    return [names["describe"](), str(names["gas"]())]


@pytest.mark.lengthy
def test_writes_before_the_import_change_nothing(untouched: list[str]) -> None:
    count, *rest = told(FOREIGN, "print(write())", DESCRIBE, RUN, "print(describe()); print(gas())")
    assert int(count) >= 17
    assert rest == untouched


@pytest.mark.lengthy
def test_writes_after_the_import_change_nothing(untouched: list[str]) -> None:
    before, after, used = told(DESCRIBE, RUN, FOREIGN, "print(describe()); write(); print(describe()); print(gas())")
    assert [before, used] == [after, used] == untouched


@pytest.mark.lengthy
def test_the_modules_of_others_stay_as_they_were() -> None:
    """py-evm's users see their own tables, writes included."""
    program = """
import sys
import eth.vm.forks.cancun.opcodes as theirs
theirs.CANCUN_OPCODES[1] = "mine"
from zevm.chain.vm.py_evm_opcodes import OPCODES
from zevm.chain.rules.forks import Fork
import eth.vm.forks.cancun.opcodes as again
print(theirs is again is sys.modules["eth.vm.forks.cancun.opcodes"] is sys.modules["eth.vm.forks.cancun"].opcodes)
print(again.CANCUN_OPCODES[1], OPCODES[Fork.CANCUN][1].mnemonic)
"""
    assert told(program) == ["True", "mine ADD"]


@pytest.mark.parametrize("fork", [fork for fork in Fork if fork <= Fork.PRAGUE])
def test_precompiles_are_at_py_evms_addresses(fork: Fork) -> None:
    """py-evm ends with Prague."""
    kind = getattr(forks, fork.name.title().replace("_", "") + "VM")
    assert PRECOMPILES[fork].keys() == kind.get_state_class().computation_class.get_precompiles().keys()
