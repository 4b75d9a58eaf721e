"""From a state and a difference to the next state's root and nodes. Writes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

from zevm.core import replaced_by
from zevm.core.records import quick_init
from zevm.storage import trie
from zevm.storage.account import (
    EMPTY_ACCOUNT,
    EMPTY_ROOT,
    Account,
    AccountChange,
    StateDiff,
    decode_account,
    encode_account,
)
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import STATE_TRIE, Address, Hash32, TrieKey
from zevm.storage.rlp import encode_uint
from zevm.storage.schema import account_key, slot_key

hashed = lru_cache(maxsize=1 << 15)(cast("Callable[[bytes], TrieKey]", keccak256))
"""The secure-trie key of an address or a 32-byte slot. Blocks touch the same ones again and again."""


NodesOf = Callable[[TrieKey], trie.Nodes]
"""The nodes of the state trie (STATE_TRIE), or of the storage trie of one of its keys (keccak256 of the address)."""


account_of = cast("Callable[[tuple[Any, ...]], Account]", partial(tuple.__new__, Account))


"""Makes an account of its fields."""


UpdateTrie = Callable[[trie.Nodes, Hash32, Mapping[TrieKey, bytes]], trie.TrieUpdate]


def slot_hash(slot: int) -> TrieKey:
    """The secure-trie key of a storage slot."""
    return hashed(slot.to_bytes(32, "big"))


@quick_init
@dataclass(frozen=True, slots=True, eq=False)
class StateUpdate:
    """The state after a difference, not yet written.

    base: the root, or the unwritten update, that it stands on.
    accounts: address -> record as the trie and the flat state hold it now, empty where deleted.
    storage: address -> slot -> value, 0 where deleted.
    wiped: addresses that keep no older slot: those of the difference and the deleted ones.
    nodes: new trie nodes by hash. code: new code by hash.
    decoded: the accounts of the records, as far as they are at hand.
    """

    base: "Hash32 | StateUpdate"
    root: Hash32
    accounts: dict[Address, bytes]
    storage: dict[Address, dict[int, int]]
    wiped: frozenset[bytes]
    nodes: dict[bytes, bytes]
    code: dict[bytes, bytes]
    decoded: dict[bytes, Account | None] = field(default_factory=dict)

    def account(self, address: Address) -> Account | None:
        """An account that it names; None where deleted."""
        if address in self.decoded:
            return self.decoded[address]
        record = self.accounts[address]
        return decode_account(record) if record else None

    @property
    def base_root(self) -> Hash32:
        """Root of the state that it stands on."""
        return self.base if isinstance(self.base, bytes) else self.base.root

    def flat_keys(self) -> Iterator[bytes]:
        """Keys of the flat records of accounts and slots that it names."""
        yield from map(account_key, self.accounts)
        for address, slots in self.storage.items():
            yield from (slot_key(address, slot) for slot in slots)


class TrieGround(NamedTuple):
    """The nodes of the state that a new one stands on.

    base: its root, or the unwritten update. nodes: those that are stored. known: by hash, looked into before `nodes`.
    """

    base: "Hash32 | StateUpdate"
    nodes: NodesOf
    known: Sequence[dict[bytes, bytes]]


def ground_of(stored: NodesOf, base: Hash32 | StateUpdate, known: Sequence[dict[bytes, bytes]] = ()) -> TrieGround:
    """The nodes of the state at `base`. known: nodes by hash, which `stored` would find there too."""
    return TrieGround(base, stored, known if isinstance(base, bytes) else (*_layers(base), *known))


def for_every_owner(nodes: trie.Nodes) -> NodesOf:
    """Nodes that are found alike in every trie."""
    return lambda _owner: nodes


def nodes_over(stored: NodesOf, base: Hash32 | StateUpdate) -> NodesOf:
    """Look nodes up in the unwritten updates of `base`, then in `stored`."""
    layers = _layers(base)
    return over(stored, layers) if layers else stored


def _layers(base: Hash32 | StateUpdate) -> list[dict[bytes, bytes]]:
    """The nodes of unwritten updates, the newest first."""
    layers = []
    while isinstance(base, StateUpdate):
        layers.append(base.nodes)
        base = base.base
    return layers


def over(stored: NodesOf, layers: Sequence[Mapping[bytes, bytes]]) -> NodesOf:
    """Look nodes up by their hash in `layers`, then in `stored`."""

    def nodes_of(owner: TrieKey) -> trie.Nodes:
        below = stored(owner)

        def find(path: str, node_hash: bytes) -> bytes | None:
            for layer in layers:
                raw = layer.get(node_hash)
                if raw is not None:
                    return raw
            return below(path, node_hash)

        return find

    return nodes_of


def prepare(
    stored: NodesOf,
    base: Hash32 | StateUpdate,
    diff: StateDiff,
    trie_update: UpdateTrie | None = None,
    known: Sequence[dict[bytes, bytes]] = (),
) -> StateUpdate:
    """Compute the state that `diff` makes of `base`. trie_update: in the place of `trie.update`.

    known: nodes by hash, which `stored` would find there too.
    Raises ValueError for storage of accounts that the difference does not name, and the trie's errors.
    """
    stray = (diff.storage.keys() | diff.wiped) - diff.accounts.keys()
    if stray:
        raise ValueError(f"storage changes without an account change: 0x{min(stray).hex()}")
    base_root = base if isinstance(base, bytes) else base.root
    after = state_after if trie_update is None else partial(state_after_by, trie_update)
    layers = ground_of(stored, base, known).known
    root, accounts, decoded, fresh = after(
        stored, layers, base_root, diff.accounts, diff.storage, diff.wiped, diff.storage_roots, account_of
    )
    wiped = wiped_by(diff, accounts)
    slots = {address: values.copy() for address, values in diff.storage.items() if accounts[address]}
    return StateUpdate(base, root, accounts, slots, wiped, fresh, dict(diff.code), decoded)


def wiped_by(diff: StateDiff, accounts: Mapping[Address, bytes]) -> frozenset[bytes]:
    """The addresses that keep no older slot. accounts: the records after the difference."""
    gone = [address for address, record in accounts.items() if not record] if b"" in accounts.values() else ()
    return frozenset(diff.wiped).union(gone)


After = tuple[Hash32, dict[Address, bytes], dict[bytes, Account | None], dict[bytes, bytes]]
"""A root; by address, records (b"": deleted) and what they decode to; new nodes by hash."""


@replaced_by("state_after")
def state_after(
    stored: NodesOf,
    known: Sequence[dict[bytes, bytes]],
    root: Hash32,
    changes: dict[Address, AccountChange | None],
    storage: dict[Address, dict[int, int]],
    wiped: Set[bytes],
    storage_roots: Mapping[bytes, Hash32],
    account_of: Callable[[tuple[Any, ...]], Account],
) -> After:
    """The state after a difference from the one with `root`.

    known: nodes by hash, looked into before `stored` is asked. account_of: makes an Account of its fields. The other
    arguments are a StateDiff's. Raises as `prepare`.
    """
    return state_after_by(trie.update, stored, known, root, changes, storage, wiped, storage_roots, account_of)


def state_after_by(
    trie_update: UpdateTrie,
    stored: NodesOf,
    known: Sequence[dict[bytes, bytes]],
    root: Hash32,
    changes: dict[Address, AccountChange | None],
    storage: dict[Address, dict[int, int]],
    wiped: Set[bytes],
    storage_roots: Mapping[bytes, Hash32],
    account_of: Callable[[tuple[Any, ...]], Account],
) -> After:
    """As `state_after`, with a way to update tries."""
    nodes = over(stored, known) if known else stored
    fresh: dict[bytes, bytes] = {}
    accounts: dict[Address, bytes] = {}
    decoded: dict[bytes, Account | None] = {}
    for address, change in changes.items():
        if change is None:
            accounts[address] = b""
            decoded[address] = None
            continue
        key = hashed(address)
        old_root = EMPTY_ROOT if address in wiped else storage_roots.get(address)
        if old_root is None:
            old_root = storage_root(nodes, root, key)
        after = update_storage(nodes(key), old_root, storage.get(address), trie_update)
        fresh.update(after.nodes)
        nonce, balance, code_hash = change
        decoded[address] = account = account_of((nonce, balance, after.root, code_hash))
        accounts[address] = encode_account(account)
    top = trie_update(nodes(STATE_TRIE), root, {hashed(address): record for address, record in accounts.items()})
    fresh.update(top.nodes)
    return top.root, accounts, decoded, fresh


def with_nodes(stored: NodesOf, update: StateUpdate) -> StateUpdate:
    """An update that was kept without its nodes, with them. Its base is at hand. Raises the trie's errors."""
    nodes = nodes_over(stored, update.base)
    fresh: dict[bytes, bytes] = {}
    for address, slots in update.storage.items():
        key = hashed(address)
        old_root = EMPTY_ROOT if address in update.wiped else storage_root(nodes, update.base_root, key)
        fresh.update(update_storage(nodes(key), old_root, slots).nodes)
    top = trie.update(nodes(STATE_TRIE), update.base_root, {hashed(a): record for a, record in update.accounts.items()})
    return replace(update, nodes=fresh | top.nodes)


def storage_root(nodes: NodesOf, root: Hash32, key: TrieKey) -> Hash32:
    """The storage root of the account with a key of the state trie; that of the empty trie where there is none."""
    record = trie.get(nodes(STATE_TRIE), root, key)
    return (EMPTY_ACCOUNT if record is None else decode_account(record)).storage_root


def update_storage(
    nodes: trie.Nodes, root: Hash32, slots: Mapping[int, int] | None, trie_update: UpdateTrie = trie.update
) -> trie.TrieUpdate:
    """A storage trie after a change of slots; 0 deletes one."""
    if not slots:
        return trie.TrieUpdate(root, {})
    return trie_update(
        nodes,
        root,
        {slot_hash(slot): encode_uint(value) if value else b"" for slot, value in slots.items()},
    )
