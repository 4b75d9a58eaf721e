"""Questions to past states that go by hashed keys: ranges of accounts and slots, what changed between blocks, roots.

Hashes are turned back into addresses and slots by a search of everything that the state has ever held; it looks at
the clock, as a chain may hold much.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from chain.errors import InvalidRequestError
from chain.tracing.errors import TraceError
from chain.tracing.replay import Replay
from chain.tracing.traces import replay_of
from chain.types import Block, Header
from chain.view import ChainView
from chain.vm.interface import ExecutionTimeoutError
from storage import preimages
from storage.account import EMPTY_ROOT, Account
from storage.keccak import keccak256
from storage.state_update import StateUpdate


class AccountEntry(NamedTuple):
    """An account by its hashed address; address: None where nothing tells it."""

    key: bytes
    address: bytes | None
    account: Account


class SlotEntry(NamedTuple):
    """A slot by its hashed number; slot: 32 bytes, None where nothing tells it."""

    key: bytes
    slot: bytes | None
    value: int


def clock(deadline: float) -> Callable[[], None]:
    """What raises ExecutionTimeoutError when it is called after a time.monotonic() value."""

    def check() -> None:
        if time.monotonic() > deadline:
            raise ExecutionTimeoutError("execution aborted")

    return check


def find_preimages(candidates: Iterable[bytes], wanted: Iterable[bytes]) -> dict[bytes, bytes]:
    """Which candidates have the wanted hashes, by hash."""
    missing, found = set(wanted), dict[bytes, bytes]()
    if not missing:
        return found
    for candidate in candidates:
        digest = keccak256(candidate)
        if digest in missing:
            missing.remove(digest)
            found[digest] = candidate
            if not missing:
                break
    return found


def preimage(chain: ChainView, digest: bytes, deadline: float) -> bytes | None:
    """The address or slot with this hash, None where no state ever had it."""
    store, check = chain.database.store, clock(deadline)
    for candidates in (preimages.addresses(store, check), preimages.slots(store, check)):
        found = find_preimages(candidates, (digest,))
        if found:
            return found[digest]
    return None


def account_range(
    chain: ChainView, root: bytes, start: bytes, limit: int, deadline: float
) -> tuple[list[AccountEntry], bytes | None]:
    """At most `limit` accounts of a state, by hashed address from `start` on, and the key that comes next."""
    listed: list[tuple[bytes, Account]] = []
    following = None
    for key, account in chain.database.state.accounts_at(root, start):
        if len(listed) == limit:
            following = key
            break
        listed.append((key, account))
    candidates = preimages.addresses(chain.database.store, clock(deadline))
    known = find_preimages(candidates, (key for key, _ in listed))
    return [AccountEntry(key, known.get(key), account) for key, account in listed], following


def slot_range(
    chain: ChainView, address: bytes, storage_root: bytes, start: bytes, limit: int | None, deadline: float
) -> tuple[list[SlotEntry], bytes | None]:
    """At most `limit` slots (None for all) of an account's storage, by hashed slot, and the key that comes next."""
    listed: list[tuple[bytes, int]] = []
    following, check = None, clock(deadline)
    for key, value in chain.database.state.slots_at(storage_root, start):
        if len(listed) == limit:
            following = key
            break
        listed.append((key, value))
        check()
    candidates = preimages.slots(chain.database.store, check, address)
    known = find_preimages(candidates, (key for key, _ in listed))
    return [SlotEntry(key, known.get(key), value) for key, value in listed], following


def slot_range_within(
    chain: ChainView, block: Block, index: int, address: bytes, start: bytes, limit: int, deadline: float
) -> tuple[list[SlotEntry], bytes | None]:
    """Slots of an account before a block's transaction; as `slot_range`. Raises TraceError."""
    if index > len(block.transactions):
        raise TraceError(f"transaction index {index} out of range for block 0x{block.hash.hex()}")
    replay = replay_of(chain, block)
    replay.skip_to(index, deadline)
    diff = replay.state.diff()
    account = replay.state.fork_reader().account(address)
    if account is None:
        return [], None
    changed = {
        keccak256(slot.to_bytes(32, "big")): (slot, value) for slot, value in diff.storage.get(address, {}).items()
    }
    parent = chain.canonical.root_of(_parent_of(chain, block))
    before = chain.database.state.at(parent).account(address)
    root = EMPTY_ROOT if before is None or address in diff.wiped else before.storage_root
    # so many more are read as changes can take away
    listed, _ = slot_range(chain, address, root, start, limit + 1 + len(changed), deadline)
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


def modified_accounts(chain: ChainView, start: Header, end: Header, deadline: float) -> list[bytes]:
    """Addresses whose account is another one after `end` than after `start`. Raises InvalidRequestError."""
    if start.number >= end.number:
        raise InvalidRequestError(
            f"start block height ({start.number}) must be less than end block height ({end.number})"
        )
    for header in (start, end):
        if chain.records.canonical_hash(header.number) != header.hash:
            raise InvalidRequestError(f"block 0x{header.hash.hex()} is not on the canonical chain")
    # patches upon the first block belong to what came after it
    first, last = (start.number, 1), (end.number, 0)
    touched = preimages.changed_addresses(chain.database.store, clock(deadline), first, last)
    before, after = (chain.database.state.at(header.state_root) for header in (start, end))
    return sorted(address for address in touched if before.account(address) != after.account(address))


def intermediate_roots(chain: ChainView, block: Block, deadline: float) -> list[bytes]:
    """The state root after each transaction of a block. Raises TraceError, ExecutionTimeoutError."""
    replay: Replay = replay_of(chain, block)
    base: bytes | StateUpdate = chain.canonical.root_of(_parent_of(chain, block))
    roots = []
    for _ in block.transactions:
        replay.run(None, deadline)
        roots.append(chain.database.state.prepare(base, replay.state.diff()).root)
    return roots
