"""Questions to past states that go by hashed keys: ranges of accounts and slots, what changed between blocks, roots.

Each hash is turned back into its address or slot by one lookup. What goes over many entries looks at the clock.
"""

from contextlib import closing
from typing import NamedTuple

from zevm.chain.blocks.replay import Replay
from zevm.chain.calls.place import replay_of, replay_up_to
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError
from zevm.chain.types import Block, Header
from zevm.chain.view import ChainView
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.history import value_at
from zevm.storage.primitives import Address, Hash32, TrieKey
from zevm.storage.schema import ACCOUNT, Version
from zevm.storage.state_update import StateUpdate, hashed, slot_hash


class AccountEntry(NamedTuple):
    """An account by its hashed address; address: None where nothing tells it."""

    key: TrieKey
    address: bytes | None
    account: Account


class SlotEntry(NamedTuple):
    """A slot by its hashed number; slot: 32 bytes, None where nothing tells it."""

    key: TrieKey
    slot: bytes | None
    value: int


def account_range(
    chain: ChainView, header: Header, start: TrieKey, limit: int, deadline: Deadline
) -> tuple[list[AccountEntry], TrieKey | None]:
    """At most `limit` accounts after a block, by hashed address from `start` on, and the key that comes next."""
    state, root = chain.database.state, chain.canonical.root_held(header)
    listed: list[AccountEntry] = []
    for key, account in state.accounts_at(root, start):
        deadline.check()
        if len(listed) == limit:
            return listed, key
        listed.append(AccountEntry(key, state.preimage(key), account))
    return listed, None


def slot_range(
    chain: ChainView, owner: TrieKey, storage_root: Hash32, start: TrieKey, limit: int | None, deadline: Deadline
) -> tuple[list[SlotEntry], TrieKey | None]:
    """At most `limit` slots (None for all) of an account, by hashed slot, and the key that comes next.

    owner: keccak256 of its address.
    """
    state = chain.database.state
    listed: list[SlotEntry] = []
    for key, value in state.slots_at(owner, storage_root, start):
        deadline.check()
        if len(listed) == limit:
            return listed, key
        listed.append(SlotEntry(key, state.preimage(key), value))
    return listed, None


def slot_range_within(
    chain: ChainView, block: Block, index: int, address: Address, start: TrieKey, limit: int, deadline: Deadline
) -> tuple[list[SlotEntry], TrieKey | None]:
    """Slots of an account before a block's transaction; as `slot_range`. Raises TraceError."""
    replay = replay_up_to(chain, block.header, block, index, deadline)
    diff = replay.state.diff()
    account = replay.state.fork_reader().account(address)
    if account is None:
        return [], None
    changed = {slot_hash(slot): (slot, value) for slot, value in diff.storage.get(address, {}).items()}
    parent = chain.canonical.root_held(_parent_of(chain, block))
    before = chain.database.state.by_trie(parent).account(address)
    root = EMPTY_ROOT if before is None or address in diff.wiped else before.storage_root
    # so many more are read as changes can take away
    listed, _ = slot_range(chain, hashed(address), root, start, limit + 1 + len(changed), deadline)
    merged = {entry.key: entry for entry in listed if entry.key not in changed}
    for key, (slot, value) in changed.items():
        if value and key >= start:
            merged[key] = SlotEntry(key, slot.to_bytes(32, "big"), value)
    ordered = [merged[key] for key in sorted(merged)]
    return ordered[:limit], ordered[limit].key if len(ordered) > limit else None


def _parent_of(chain: ChainView, block: Block) -> Header:
    parent = chain.header_by_hash(block.header.parent_hash)
    assert parent is not None, "replay_of has found it"
    return parent


def modified_accounts(chain: ChainView, start: Header, end: Header, deadline: Deadline) -> list[bytes]:
    """Addresses whose account is another one after `end` than after `start`. Raises InvalidRequestError."""
    if start.number >= end.number:
        raise InvalidRequestError(
            f"start block height ({start.number}) must be less than end block height ({end.number})"
        )
    for header in (start, end):
        if chain.records.canonical_hash(header.number) != header.hash:
            raise InvalidRequestError(f"block 0x{header.hash.hex()} is not on the canonical chain")
        chain.canonical.state_of(header)
    # by the headers' own states: patches upon the first block belong to what came after it
    first, last = Version(start.number), Version(end.number)
    changed: set[bytes] = set()
    with closing(chain.database.store.snapshot()) as view:
        chain.canonical.horizon.refuse(start.number)
        for keys in chain.database.state.differences(first, last, view):
            deadline.check()
            changed.update(key for key in keys if key.startswith(ACCOUNT.prefix))
        modified = []
        for key in changed:
            deadline.check()
            if value_at(view, key, first) != value_at(view, key, last):
                modified.append(key[1:])
    return sorted(modified)


def intermediate_roots(chain: ChainView, block: Block, deadline: Deadline) -> list[Hash32]:
    """The state root after each transaction of a block. Raises TraceError, ExecutionTimeoutError."""
    replay: Replay = replay_of(chain, block)
    base: Hash32 | StateUpdate = chain.canonical.root_held(_parent_of(chain, block))
    roots = []
    for _ in block.transactions:
        replay.run(None, deadline)
        roots.append(chain.database.state.prepare(base, replay.state.diff()).root)
    return roots
