"""Names of accounts that are the same on every chain: precompiles, system contracts, deployers, the console."""

from collections.abc import Mapping
from types import MappingProxyType

from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_ADDRESS,
    CONSOLIDATION_REQUESTS_ADDRESS,
    CREATE2_DEPLOYER_ADDRESS,
    HISTORY_STORAGE_ADDRESS,
    STYLUS_DEPLOYER_ADDRESSES,
    WITHDRAWAL_REQUESTS_ADDRESS,
)
from zevm.chain.vm.fork_table import PRECOMPILE_NAMES
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.chain.vm.system import SYSTEM_ADDRESS
from zevm.chain.zvm.precompiles import ARBWASM_ADDRESS, LIBRARY_ADDRESS

WELL_KNOWN: Mapping[bytes, str] = MappingProxyType(
    {
        **PRECOMPILE_NAMES,
        BEACON_ROOTS_ADDRESS: "BeaconRoots",
        HISTORY_STORAGE_ADDRESS: "HistoryStorage",
        WITHDRAWAL_REQUESTS_ADDRESS: "WithdrawalRequests",
        CONSOLIDATION_REQUESTS_ADDRESS: "ConsolidationRequests",
        CREATE2_DEPLOYER_ADDRESS: "Create2Deployer",
        **dict.fromkeys(STYLUS_DEPLOYER_ADDRESSES, "StylusDeployer"),
        SYSTEM_ADDRESS: "System",
        CONSOLE_ADDRESS: "console",
        ARBWASM_ADDRESS: "ArbWasm",
        LIBRARY_ADDRESS: "ZvmLibrary",
    }
)
"""20-byte address -> name; the precompiles' are EIP-7910's."""

IS_PRECOMPILE = frozenset(PRECOMPILE_NAMES)
"""Addresses whose call data have no selector."""
