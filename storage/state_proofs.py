"""Proofs of an account and of its slots (EIP-1186)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from zevm.storage import state_update, trie
from zevm.storage.account import EMPTY_ROOT, Account, decode_account
from zevm.storage.primitives import STATE_TRIE, Hash32
from zevm.storage.rlp import decode, decode_int
from zevm.storage.state_update import NodesOf, StateUpdate, hashed, slot_hash


class SlotProof(NamedTuple):
    """A storage slot, its value (0 where absent), and the storage trie's nodes from the root towards it."""

    slot: int
    value: int
    proof: list[bytes]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account (None where absent), the state trie's nodes towards it, and its slots (EIP-1186)."""

    account: Account | None
    proof: list[bytes]
    slots: list[SlotProof]


def prove_account(
    nodes_of: NodesOf,
    base: Hash32 | StateUpdate,
    address: bytes,
    slots: list[int],
    check: Callable[[], None],
) -> AccountProof:
    """Proofs in a state whose nodes are at hand (its root), or as after an unwritten update.

    check: called before each slot; what it raises ends the work.
    """
    root = base if isinstance(base, bytes) else base.root
    nodes, key = state_update.nodes_over(nodes_of, base), hashed(address)
    record, account_proof = trie.get_with_proof(nodes(STATE_TRIE), root, key)
    account = None if record is None else decode_account(record)
    storage_root = EMPTY_ROOT if account is None else account.storage_root
    proofs, storage_nodes = [], nodes(key)
    for slot in slots:
        check()
        value, proof = trie.get_with_proof(storage_nodes, storage_root, slot_hash(slot))
        proofs.append(SlotProof(slot, 0 if value is None else decode_int(decode(value)), proof))
    return AccountProof(account, account_proof, proofs)
