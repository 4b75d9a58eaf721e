"""The host functions by (module, name): what `chain.zvm.host_table.HOST_FUNCTIONS` prices, done.

Each takes the instance and its parameters as unsigned integers. Fixed prices were charged by the instrumented code;
what depends on a length or on the state is charged here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from zevm.chain.zvm.faults import HostTrapError
from zevm.chain.zvm.host.functions.calls import CALL_FUNCTIONS
from zevm.chain.zvm.host.functions.computation import COMPUTATION_FUNCTIONS
from zevm.chain.zvm.host.functions.console import CONSOLE_FUNCTIONS
from zevm.chain.zvm.host.functions.environment import ENVIRONMENT_FUNCTIONS
from zevm.chain.zvm.host.functions.state import STATE_FUNCTIONS
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.runtime.instance import HostCallback, Instance

FUNCTIONS = STATE_FUNCTIONS | CALL_FUNCTIONS | ENVIRONMENT_FUNCTIONS | COMPUTATION_FUNCTIONS | CONSOLE_FUNCTIONS
"""By their names."""

_STATELESS = (
    frozenset(COMPUTATION_FUNCTIONS)
    | frozenset(CONSOLE_FUNCTIONS)
    | {
        "read_args",
        "write_result",
        "evm_gas_left",
        "evm_ink_left",
        "tx_ink_price",
        "msg_value",
        "is_constructing",
        "storage_flush_cache",
        "return_data_size",
        "read_return_data",
    }
)
"""Host functions that depend on the call alone, and those that an entry point needs before it selects a function."""

HostCallbacks = Mapping[tuple[str, str], HostCallback]

CONTRACT_CALLBACKS: HostCallbacks = MappingProxyType({key: FUNCTIONS[key[1]] for key in ALL_HOST_FUNCTIONS})
"""For contracts: everything."""


def _refused(name: str) -> HostCallback:
    def refuse(_instance: Instance, *_arguments: int) -> None:
        raise HostTrapError(f"{name} in a run without a state")

    return refuse


STATELESS_CALLBACKS: HostCallbacks = MappingProxyType(
    {key: FUNCTIONS[key[1]] if key[1] in _STATELESS else _refused(key[1]) for key in ALL_HOST_FUNCTIONS}
)
"""For functions that depend on their arguments alone: what would read or write the chain is a trap."""
