"""The precompiles of each fork and WebAssembly machine, in the forms in which executions take them."""

from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

from zevm.chain.rules.forks import Fork
from zevm.chain.vm.engines.native import precompile_entries
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.fork_table import PRECOMPILES
from zevm.chain.vm.frame import Precompile, WasmMachine
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS, record_console
from zevm.storage.primitives import Address


class PrecompileTables(NamedTuple):
    """Precompiles of a fork by address, the same for all its executions: not to be changed.

    active: at their own addresses. warm: those addresses, as add_warm_addresses takes them fastest. callable: what
    answers to calls, the console too. entries, warm_entries: `callable` and `warm` for the core (engines/native.py).
    """

    active: Mapping[Address, Precompile]
    warm: dict[Address, bool]
    callable: dict[Address, Precompile]
    entries: bytes
    warm_entries: bytes

    @classmethod
    def of(cls, fork: Fork, machine: WasmMachine | None) -> "PrecompileTables":
        """Those of a fork and a machine."""
        of_machine = {} if machine is None else machine.precompiles
        active = {**PRECOMPILES[fork], **of_machine}
        callable_ = {**active, CONSOLE_ADDRESS: record_console}
        entries = precompile_entries(PRECOMPILES[fork], of_machine, callable_)
        warm_entries = precompile_entries(PRECOMPILES[fork], of_machine, active)
        return cls(active, dict.fromkeys(active, True), callable_, entries, warm_entries)


_TABLES = {fork: PrecompileTables.of(fork, None) for fork in Fork}
_TABLES_OF_MACHINES: WeakKeyDictionary[WasmMachine, dict[Fork, PrecompileTables]] = WeakKeyDictionary()


def tables_in(environment: BlockEnvironment) -> PrecompileTables:
    """Those of a block."""
    fork, machine = environment.rules.fork, environment.wasm_machine
    if machine is None:
        return _TABLES[fork]
    made = _TABLES_OF_MACHINES.get(machine)
    if made is None:
        made = _TABLES_OF_MACHINES[machine] = {}
    tables = made.get(fork)
    if tables is None:
        tables = made[fork] = PrecompileTables.of(fork, machine)
    return tables


def active_precompiles(environment: BlockEnvironment) -> Mapping[Address, Precompile]:
    """The precompiles of a block at their own addresses, those of the WebAssembly machine too."""
    return tables_in(environment).active
