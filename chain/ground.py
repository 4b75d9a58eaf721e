"""The ground of a chain: its database, and all that follows from that and from a genesis.

A chain for development may leave its ground for another one, as when a plain node becomes a fork. The other ground is
made before, apart from the chain: what fails then has changed nothing.
"""

from collections.abc import Callable

from zevm.chain.blocks.context import ChainSpec
from zevm.chain.canonical.chain import CanonicalChain
from zevm.chain.canonical.log_search import LogSearch
from zevm.chain.canonical.patches import PatchedState
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.database import Database


class Ground:
    """The database is begun with the genesis where it is empty. Raises StorageError."""

    def __init__(self, database: Database, genesis: Genesis, options: ChainOptions) -> None:
        schedule = genesis.schedule
        self.database = database
        self.zvm = (
            None
            if schedule.zvm is None
            else ZvmMachine(schedule.zvm, options.zvm_directory, console=schedule.development)
        )
        self.spec = ChainSpec(
            schedule,
            self.zvm,
            watcher=options.watcher,
            engine=options.engine,
            transaction_gas_cap=_transaction_gas_cap(options),
            code_size_limit=options.code_size_limit,
        )
        self.canonical = CanonicalChain(database, genesis)
        self.logs = LogSearch(self.canonical.records, database.ledger, options.logs, database.origin)

    def begin_with(self, change: Callable[[ExecutionState], None]) -> None:
        """Change accounts of the first block's state for good, before a chain stands on it. Raises StorageError."""
        state = PatchedState(self.canonical.head.state)
        change(state)
        self.canonical.begin_with(state.diff())


def _transaction_gas_cap(options: ChainOptions) -> bool | None:
    """Whether EIP-7825's cap holds, None as the genesis says: a consensus client's network knows no development."""
    return True if options.transaction_gas_cap is None and options.external_consensus else options.transaction_gas_cap
