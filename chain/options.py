"""The operator's settings of the chain, apart from its genesis."""

from dataclasses import dataclass, field
from pathlib import Path

from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical.group_limits import GroupLimits
from zevm.chain.canonical.log_search import LogLimits
from zevm.chain.pool.limits import PoolLimits
from zevm.chain.rules.fees import MIN_SUGGESTED_TIP_WEI
from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.chain.vm.tracer import Watcher
from zevm.storage.primitives import ZERO_ADDRESS, Address

COMPILED_NAME = "zvm"
"""The folder of compiled WebAssembly with a state on disk; it may be deleted at any time."""


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """Settings of block production and search.

    gas_limit, base_fee_per_gas: of the blocks built here; None follows the parent.
    max_transactions: in one built block; None lets gas decide.
    transaction_gas_cap: whether EIP-7825's cap holds; None as the genesis says, or mainnet under external consensus.
    code_size_limit: bytes; None for the fork's own, 0 for no limit. slots_in_an_epoch: `safe` is that many blocks
    behind the head, `finalized` twice as many; safe_distance and finalized_distance say otherwise.
    equal_timestamps: let blocks of one second have one timestamp, which no other chain of Ethereum takes.
    external_consensus: a consensus client makes the chain through the Engine API, and nothing else may change it.
    leader: the address of the node whose chain this one follows; nothing else may change it then.
    kept_blocks: number of newest blocks whose bodies, receipts and states are kept, at least 256; None for all.
    zvm_directory: where compiled WebAssembly is kept, None for nowhere. watcher: makes a tracer for each execution.
    engine: what messages run on.
    """

    mining: MiningMode = field(default_factory=MiningMode)
    coinbase: Address = ZERO_ADDRESS
    gas_limit: int | None = None
    transaction_gas_cap: bool | None = None
    code_size_limit: int | None = None
    minimum_gas_price: int = 0
    max_transactions: int | None = None
    transaction_order: str = "fees"
    slots_in_an_epoch: int = 32
    safe_distance: int | None = None
    finalized_distance: int | None = None
    equal_timestamps: bool = False
    external_consensus: bool = False
    leader: str | None = None
    auto_impersonate: bool = False
    kept_blocks: int | None = None
    zvm_directory: Path | None = None
    minimum_suggested_tip_wei: int = MIN_SUGGESTED_TIP_WEI
    pool: PoolLimits = field(default_factory=PoolLimits)
    logs: LogLimits = field(default_factory=LogLimits)
    write_groups: GroupLimits = field(default_factory=GroupLimits)
    watcher: Watcher | None = None
    engine: Engine = field(default_factory=default_engine)
