"""Pairs of one primitive type that were swapped: addresses, hashes, keys, wei and gas are types, and mypy refuses each.

`make lint` proves it: where a line type-checks, mypy complains of its ignore, which nothing uses.
"""

from zevm.chain.types import Log, Withdrawal
from zevm.chain.types.block_reference import BlockReference
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.host_interface import call, create
from zevm.storage import trie
from zevm.storage.account import Account, AccountChange, StateReader
from zevm.storage.primitives import Address, Gas, Hash32, TrieKey, Wei
from zevm.storage.schema import Version, history_key, path_key, preimage_key, undo_key
from zevm.storage.state import StateStore
from zevm.storage.state_update import NodesOf, storage_root


def right(state: StateReader, frame: Frame, address: Address, digest: Hash32, gas: Gas, wei: Wei) -> None:
    """A module that type-checks."""
    state.account(address)
    state.storage(address, 1)
    Log(address, (digest,), b"")
    Withdrawal(1, 2, address, 3)
    BlockReference(hash=digest)
    AccountChange(1, wei, digest)
    call(frame, 0xF1, gas, address, wei, b"")


def wrong(state: StateReader, frame: Frame, address: Address, digest: Hash32, gas: Gas, wei: Wei) -> None:
    """The same, swapped."""
    state.account(digest)  # type: ignore[arg-type]
    state.storage(digest, 1)  # type: ignore[arg-type]
    Log(digest, (address,), b"")  # type: ignore[arg-type]
    Withdrawal(1, 2, digest, 3)  # type: ignore[arg-type]
    BlockReference(hash=address)  # type: ignore[arg-type]
    state.account(b"")  # type: ignore[arg-type]
    Account(wei, 1)  # type: ignore[arg-type]
    AccountChange(1, gas, digest)  # type: ignore[arg-type]
    AccountChange(1, wei, address)  # type: ignore[arg-type]
    call(frame, 0xF1, wei, address, gas, b"")  # type: ignore[arg-type]
    create(frame, 0xF0, gas, b"", None)  # type: ignore[arg-type]


def right_keys(states: StateStore, nodes: NodesOf, root: Hash32, key: TrieKey, version: Version) -> None:
    """Keys and roots of tries, and versions of states, as they should be."""
    trie.get(nodes(key), root, key)
    trie.get_with_proof(nodes(key), root, key)
    trie.verify_proof(root, key, ())
    trie.update(nodes(key), root, {key: b""})
    storage_root(nodes, root, key)
    states.slots_at(key, root, key)
    states.accounts_at(root, key)
    states.preimage(key)
    path_key(key, "")
    preimage_key(key, b"")
    undo_key(version)
    history_key(b"", version)


def wrong_keys(states: StateStore, nodes: NodesOf, root: Hash32, key: TrieKey, version: Version) -> None:
    """The same, swapped, or of another kind."""
    trie.get(nodes(key), key, root)  # type: ignore[arg-type]
    trie.get_with_proof(nodes(key), key, root)  # type: ignore[arg-type]
    trie.verify_proof(key, root, ())  # type: ignore[arg-type]
    trie.update(nodes(key), root, {root: b""})  # type: ignore[dict-item]
    storage_root(nodes, key, root)  # type: ignore[arg-type]
    states.slots_at(root, key, key)  # type: ignore[arg-type]
    states.accounts_at(key, root)  # type: ignore[arg-type]
    states.preimage(root)  # type: ignore[arg-type]
    path_key(root, "")  # type: ignore[arg-type]
    preimage_key(b"", key)  # type: ignore[arg-type]
    undo_key((version.patch, version.number))  # type: ignore[arg-type]
    history_key(version, b"")  # type: ignore[arg-type]
