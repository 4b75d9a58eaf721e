"""The effect of the official system contracts in the common case, without interpreting them for every block.

A row belongs to one exact code, by its hash: any other code at the same address is called as such, and so is
the official code wherever its effect is not the plain one below.
"""

from collections.abc import Callable
from typing import NamedTuple

from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_ADDRESS,
    BEACON_ROOTS_CODE,
    CONSOLIDATION_REQUESTS_ADDRESS,
    CONSOLIDATION_REQUESTS_CODE,
    HISTORY_STORAGE_ADDRESS,
    HISTORY_STORAGE_CODE,
    WITHDRAWAL_REQUESTS_ADDRESS,
    WITHDRAWAL_REQUESTS_CODE,
)
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

RING_SIZE = 8191
"""Entries that the beacon roots and the block hashes contract keep (EIP-4788, EIP-2935)."""


class Shortcut(NamedTuple):
    """The hash of a contract's code, and the slots that a call sets, out of the block and the input.

    writes: None of a queue (EIP-7002, EIP-7251). Without use since it was last read it stays as it is. No call with a
    plain effect has an output.
    """

    code_hash: bytes
    writes: Callable[[BlockEnvironment, bytes], dict[int, int]] | None = None


def _beacon_root(environment: BlockEnvironment, data: bytes) -> dict[int, int]:
    slot = environment.timestamp % RING_SIZE
    return {slot: environment.timestamp, slot + RING_SIZE: int.from_bytes(data, "big")}


def _block_hash(environment: BlockEnvironment, data: bytes) -> dict[int, int]:
    return {(environment.number - 1) % RING_SIZE: int.from_bytes(data, "big")}


SHORTCUTS: dict[Address, Shortcut] = {
    BEACON_ROOTS_ADDRESS: Shortcut(keccak256(BEACON_ROOTS_CODE), _beacon_root),
    HISTORY_STORAGE_ADDRESS: Shortcut(keccak256(HISTORY_STORAGE_CODE), _block_hash),
    WITHDRAWAL_REQUESTS_ADDRESS: Shortcut(keccak256(WITHDRAWAL_REQUESTS_CODE)),
    CONSOLIDATION_REQUESTS_ADDRESS: Shortcut(keccak256(CONSOLIDATION_REQUESTS_CODE)),
}
"""By the contract's address."""
