"""The disk that a wide state takes: many accounts and slots, each written once or twice, over a few hundred blocks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.database import Database
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Wei
from zevm.storage.schema import ACCOUNT, SLOT, Version, range_of
from zevm.storage.store import Batch

CONTRACTS = 50


class WideState(NamedTuple):
    """A state: in how many blocks it is made, its accounts without and its slots with storage."""

    blocks: int = 320
    accounts: int = 200_000
    slots: int = 500_000


class WideCost(NamedTuple):
    """Bytes of the flat records, keys and values, and of the database's files.

    stopped_bytes: of a clean stop, which interrupts LevelDB's compaction: its log and output without an end (up to 25
    files) lie there until the next start. disk_bytes: after that start.
    """

    flat_bytes: int
    stopped_bytes: int
    disk_bytes: int


def measure(folder: Path, wide: WideState, chance: random.Random) -> WideCost:
    """Write the state block by block, as a chain does, stop, and start again."""
    with Database.open(folder) as database:
        states, root, version = database.state, EMPTY_ROOT, Version(0)
        for number, diff in enumerate(_diffs(wide, chance)):
            update, batch, version = states.prepare(root, diff), Batch(), Version(number)
            states.apply(batch, update, version)
            database.write(batch)
            root = update.root
            behind = states.settle(version, root)
            if behind is not None:
                database.write(behind, sync=False)
                states.settled(version)
        last = Batch()
        written = states.put_last_nodes(last, version, root)
        if written is not None:
            database.write(last)
            written()
        flat = sum(
            len(key) + len(value)
            for family in (ACCOUNT, SLOT)
            for key, value in database.store.iterate(*range_of(family), fill_cache=False)
        )
    stopped = _disk_bytes(folder)
    with Database.open(folder):
        return WideCost(flat, stopped, _disk_bytes(folder))


def _disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "leveldb").iterdir())


def _diffs(wide: WideState, chance: random.Random) -> Iterator[StateDiff]:
    contracts = [Address(chance.randbytes(20)) for _ in range(CONTRACTS)]
    for _ in range(wide.blocks):
        accounts: dict[Address, AccountChange | None] = {
            Address(chance.randbytes(20)): AccountChange(0, Wei(chance.randrange(1, 10**20)), EMPTY_KECCAK)
            for _ in range(wide.accounts // wide.blocks)
        }
        storage: dict[Address, dict[int, int]] = {}
        for _ in range(wide.slots // wide.blocks):
            slots = storage.setdefault(chance.choice(contracts), {})
            slots[chance.randrange(2**256)] = chance.randrange(1, 2**64)
        accounts |= {address: AccountChange(1, Wei(0), EMPTY_KECCAK) for address in storage}
        yield StateDiff(accounts=accounts, storage=storage)
