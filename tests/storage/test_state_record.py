"""State updates as bytes, and out of reverse differences: nothing may be lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff, encode_account
from zevm.storage.errors import CorruptionError
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.memory import MemoryStore
from zevm.storage.schema import Version
from zevm.storage.state import StateStore
from zevm.storage.state_record import decode_update, encode_update
from zevm.storage.state_update import StateUpdate
from zevm.storage.store import Batch

addresses = st.binary(min_size=20, max_size=20)
hashes = st.binary(min_size=32, max_size=32)
words = st.integers(0, 2**256 - 1)
accounts = st.builds(Account, st.integers(0, 2**64 - 1), words, hashes, hashes)
updates = st.builds(
    StateUpdate,
    base=hashes,
    root=hashes,
    accounts=st.dictionaries(addresses, st.just(b"") | accounts.map(encode_account), max_size=4),
    storage=st.dictionaries(addresses, st.dictionaries(words, words, max_size=4), max_size=4),
    wiped=st.frozensets(addresses, max_size=3),
    nodes=st.just({}),
    code=st.just({}),
)


def parts(update: StateUpdate) -> tuple[object, ...]:
    return update.base_root, update.root, update.accounts, update.storage, update.wiped


@pytest.mark.lengthy
@given(updates)
def test_an_update_comes_back(update: StateUpdate) -> None:
    assert parts(decode_update(encode_update(update))) == parts(update)


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x80", b"\xc5" + b"\x80" * 5, b"\xff" * 9])
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(CorruptionError, match="the state update of a side block is damaged"):
        decode_update(data)


def test_updates_come_out_of_the_way_back() -> None:
    store = MemoryStore()
    states = StateStore(store)
    written = []
    root: bytes = EMPTY_ROOT
    address, other = b"\x01" * 20, b"\x02" * 20
    steps: list[tuple[dict[bytes, tuple[int, dict[int, int]] | None], int]] = [
        ({address: (1, {5: 7, 6: 8}), other: (1, {})}, 1),
        ({address: (2, {5: 0, 6: 9})}, 2),
        ({address: (3, {5: 1}), other: None}, 3),
        ({address: None}, 4),
    ]
    for changes, number in steps:
        diff = StateDiff()
        for key, change in changes.items():
            diff.accounts[key] = None if change is None else AccountChange(change[0], 0, EMPTY_KECCAK)
            if change is None:
                diff.wiped.add(key)
            elif change[1]:
                diff.storage[key] = change[1]
        update = states.prepare(root, diff)
        batch = Batch()
        states.apply(batch, update, Version(number))
        store.write(batch)
        root = update.root
        written.append(update)
    found = dict(states.updates_after(1))
    assert sorted(found) == [(2, 0), (3, 0), (4, 0)]
    batch = Batch()
    assert states.rewind(batch, Version(1)) == written[0].root
    store.write(batch)
    for number in (2, 3, 4):
        batch = Batch()
        states.apply(batch, found[number, 0], Version(number))
        store.write(batch)
        assert states.verify(written[number - 1].root, store.snapshot()) == []
