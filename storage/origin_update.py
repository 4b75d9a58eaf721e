"""From a state over an origin and a difference to the next state, where not every node can be had."""

import logging
from collections.abc import Mapping

from zevm.storage import state_update, trie
from zevm.storage.account import StateDiff, decode_account
from zevm.storage.errors import MissingNodeError
from zevm.storage.origin import Origin
from zevm.storage.primitives import STATE_TRIE, Address, Hash32, TrieKey
from zevm.storage.schema import account_key, slot_key
from zevm.storage.state_update import NodesOf, StateUpdate, hashed
from zevm.storage.store import Reader

LOGGER = logging.getLogger("zevm.storage")


def prepare_on_origin(
    origin: Origin, reader: Reader, stored: NodesOf, base: Hash32 | StateUpdate, diff: StateDiff
) -> StateUpdate:
    """The state that `diff` makes of `base`. Raises as state_update.prepare, and OriginError.

    What the difference changes is read first, so that the proofs that lead there are at hand. A branch may still be
    left with one child of which no proof is known; then the root is not the one that the origin's chain would have,
    and the log says so.
    """
    for address in diff.accounts:
        _read(reader, address, diff)
    if not origin.is_proved:
        _give_storage_roots(origin, stored, base, diff)
    try:
        return state_update.prepare(stored, base, diff)
    except MissingNodeError:
        tolerant = _Tolerant()
        update = state_update.prepare(stored, base, diff, trie_update=tolerant)
    if tolerant.unknown:
        LOGGER.warning(
            "the state root 0x%s is not what the forked chain would have: %d branches of its tries were left with one "
            "child that no proof is known of",
            update.root.hex(),
            tolerant.unknown,
        )
    return update


def _read(reader: Reader, address: Address, diff: StateDiff) -> None:
    reader.get(account_key(address))
    for slot in diff.storage.get(address, ()):
        reader.get(slot_key(address, slot))


def _give_storage_roots(origin: Origin, stored: NodesOf, base: Hash32 | StateUpdate, diff: StateDiff) -> None:
    """Tell the difference of storage beneath: a trie of the fork's changes alone does not know of it."""
    top = state_update.nodes_over(stored, base)(STATE_TRIE)
    root = base if isinstance(base, bytes) else base.root
    for address, change in diff.accounts.items():
        if change is None or address in diff.wiped or address in diff.storage_roots:
            continue
        if trie.get(top, root, hashed(address)) is None:
            record = origin.record(account_key(address))
            if record is not None:
                diff.storage_roots[address] = decode_account(record).storage_root


class _Tolerant:
    """`trie.update_beside_unknown` in the place of `trie.update`. unknown: updates whose root is not the true one."""

    def __init__(self) -> None:
        self.unknown = 0

    def __call__(self, nodes: trie.Nodes, root: Hash32, changes: Mapping[TrieKey, bytes]) -> trie.TrieUpdate:
        update, is_true = trie.update_beside_unknown(nodes, root, changes)
        self.unknown += not is_true
        return update
