"""The effect of the official system contracts in the common case, without interpreting them for every block.

A row belongs to one exact code, by its hash: any other code at the same address is called as such, and so is
the official code wherever its effect is not the plain one below.
"""

from collections.abc import Callable

from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_CODE,
    CONSOLIDATION_REQUESTS_CODE,
    HISTORY_STORAGE_CODE,
    WITHDRAWAL_REQUESTS_CODE,
)
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

RING_SIZE = 8191
"""Entries that the beacon roots and the block hashes contract keep (EIP-4788, EIP-2935)."""
_QUEUE_SLOTS = (0, 1, 2, 3)
"""Excess, count, head and tail of a request queue (EIP-7002, EIP-7251)."""

Shortcut = Callable[[BlockEnvironment, ExecutionState, Address, bytes], bool]
"""Takes the block, the state, the contract's address and the input; whether that was all, without output: where it was
not, nothing was changed, and the contract is to be called. It changes slots alone."""


def _keep_beacon_root(environment: BlockEnvironment, state: ExecutionState, address: Address, data: bytes) -> bool:
    slot = environment.timestamp % RING_SIZE
    state.put_slots(address, {slot: environment.timestamp, slot + RING_SIZE: int.from_bytes(data, "big")})
    return True


def _keep_block_hash(environment: BlockEnvironment, state: ExecutionState, address: Address, data: bytes) -> bool:
    state.put_slots(address, {(environment.number - 1) % RING_SIZE: int.from_bytes(data, "big")})
    return True


def _leave_empty_queue(_: BlockEnvironment, state: ExecutionState, address: Address, __: bytes) -> bool:
    """A queue without use since it was last read stays unchanged and returns nothing."""
    return not state.has_storage(address) or not any(state.get_storage(address, slot) for slot in _QUEUE_SLOTS)


SHORTCUTS: dict[bytes, Shortcut] = {
    keccak256(BEACON_ROOTS_CODE): _keep_beacon_root,
    keccak256(HISTORY_STORAGE_CODE): _keep_block_hash,
    keccak256(WITHDRAWAL_REQUESTS_CODE): _leave_empty_queue,
    keccak256(CONSOLIDATION_REQUESTS_CODE): _leave_empty_queue,
}
"""By the hash of the code."""
