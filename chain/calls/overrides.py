"""Overrides for one eth_call: of accounts and of the block (geth's state and block overrides)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zevm.chain.types import Withdrawal
from zevm.storage.primitives import Address, Hash32


@dataclass(frozen=True, slots=True)
class StateOverride:
    """The changes to one account; None leaves a field as it is.

    balance in wei. `state` replaces the whole storage, `state_diff` single slots (slot -> 256-bit value);
    both at once are refused where the parameters are decoded.
    move_precompile_to: the precompile at this account answers at that 20-byte address instead.
    """

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    state: Mapping[int, int] | None = None
    state_diff: Mapping[int, int] | None = None
    move_precompile_to: Address | None = None


StateOverrides = Mapping[Address, StateOverride]
"""20-byte address -> its changes."""


@dataclass(frozen=True, slots=True)
class BlockOverrides:
    """Fields of the block that the code sees; None keeps the block's own.

    timestamp in seconds, gas_limit in gas, fees in wei per gas, blob_base_fee in wei per blob gas.
    prev_randao and parent_beacon_block_root: 32 bytes. block_hashes: number -> hash that BLOCKHASH answers.
    """

    number: int | None = None
    timestamp: int | None = None
    gas_limit: int | None = None
    coinbase: Address | None = None
    prev_randao: bytes | None = None
    difficulty: int | None = None
    base_fee_per_gas: int | None = None
    blob_base_fee: int | None = None
    parent_beacon_block_root: bytes | None = None
    withdrawals: tuple[Withdrawal, ...] | None = None
    block_hashes: Mapping[int, Hash32] | None = None


@dataclass(frozen=True, slots=True)
class CallOverrides:
    """All that a caller changes for an execution off the chain."""

    state: StateOverrides = field(default_factory=dict)
    block: BlockOverrides = field(default_factory=BlockOverrides)


NO_OVERRIDES = CallOverrides()


def overrides_of(state: StateOverrides, block: BlockOverrides) -> CallOverrides:
    """Both together; NO_OVERRIDES itself where neither changes anything."""
    if state or block is not NO_OVERRIDES.block:
        return CallOverrides(state, block)
    return NO_OVERRIDES
