"""Changes of whole transactions: the core leaves the parts of a state as Python's function leaves them."""

import random
from typing import Any

import pytest

from tests.core.support import needs_core, outcome
from zevm.chain.vm.loaded_accounts import LoadedAccounts
from zevm.chain.vm.state_changes import StateParts, make_changes, make_plain_calls
from zevm.core import references
from zevm.storage.account import EMPTY_ROOT, Account

pytestmark = needs_core

ADDRESSES = [bytes((number,)) * 20 for number in range(4)]
UNREADABLE = 6
"""The slot that the reader fails at."""


class Reader:
    """Accounts and slots that remember what they were asked for."""

    root = bytes(32)

    def __init__(self, rng: random.Random) -> None:
        account = Account(1, 2, rng.choice((EMPTY_ROOT, bytes(32))), bytes(32))
        self.accounts = {address: rng.choice((None, account, account)) for address in ADDRESSES}
        self.slots = {(address, slot): rng.choice((1, 1 << 255)) for address in ADDRESSES for slot in range(0, 8, 3)}
        self.asked: list[Any] = []

    def account(self, address: bytes) -> Account | None:
        self.asked.append(address)
        return self.accounts[address]

    def storage(self, address: bytes, slot: int) -> int:
        self.asked.append((address, slot))
        if slot == UNREADABLE:
            raise LookupError("slot 6")
        return self.slots.get((address, slot), 0)

    def code(self, code_hash: bytes) -> bytes:
        raise LookupError(code_hash)


class Case:
    """The arguments of `make_changes`, the same for a seed. knows: the reader has some accounts at hand."""

    def __init__(self, seed: int, *, knows: bool = False) -> None:
        rng = random.Random(seed)
        self.reader = Reader(rng)
        base: dict[bytes, Account | None] = {}
        self.accounts = LoadedAccounts(self.reader, base)  # type: ignore[arg-type]
        for address in rng.sample(ADDRESSES, 2):
            _ = self.accounts[address]
        known = rng.sample(ADDRESSES, 2)
        slots = {address: {rng.randrange(8): rng.randrange(3) for _ in range(3)} for address in known}
        base_slots = {address: dict.fromkeys(values, 1) for address, values in slots.items() if rng.random() < 0.7}
        wiped = dict.fromkeys(rng.sample(ADDRESSES, rng.randrange(2)), True)
        journal: list[Any] = [({}, 1, 2)]
        at_hand = {address: self.reader.accounts[address] for address in ADDRESSES[::2]} if knows else {}
        self.parts = StateParts(self.reader, at_hand, base, self.accounts, slots, base_slots, wiped, journal)  # type: ignore[arg-type]
        self.deleted: list[bytes] = []
        fields = (3, 4, bytes(32))
        self.new_accounts = {address: rng.choice((None, fields)) for address in rng.sample(ADDRESSES, rng.randrange(4))}
        self.new_slots = {
            (rng.choice(ADDRESSES), rng.randrange(8)): rng.choice((0, 1, 2, (1 << 256) - 1))
            for _ in range(rng.randrange(5))
        }

    def run(self, function: Any) -> Any:
        """The outcome of the function, whose effects are in the parts then."""
        return outcome(function, self.parts, self.deleted.append, self.new_accounts, self.new_slots)


@pytest.mark.lengthy
def test_random_changes_leave_the_same_state() -> None:
    assert make_changes is not references["make_changes"]
    entries, results = set(), set()
    for seed in range(3_000):
        found, wanted = Case(seed), Case(seed)
        result = found.run(make_changes)
        assert result == wanted.run(references["make_changes"])
        assert found.parts[1:] == wanted.parts[1:]
        assert [list(part) for part in found.parts[1:7]] == [list(part) for part in wanted.parts[1:7]]
        assert (found.reader.asked, found.deleted) == (wanted.reader.asked, wanted.deleted)
        owners = [found.accounts, *found.parts.slots.values()]
        assert all(any(mapping is owner for owner in owners) for mapping, _, _ in found.parts.journal[1:])
        entries.add(len(found.parts.journal))
        results.add(type(result))
    assert {1, 2, 3, 5} <= entries
    assert len(results) == 2


@pytest.mark.parametrize("place", range(1, 8))
def test_unusual_parts_are_the_references(place: int) -> None:
    for unusual in (None, (), 3):
        found, wanted = Case(9), Case(9)
        for case in (found, wanted):
            case.parts = (*case.parts[:place], unusual, *case.parts[place + 1 :])  # type: ignore[assignment]
        assert found.run(make_changes) == wanted.run(references["make_changes"])


def test_unusual_changes_are_the_references() -> None:
    for new_accounts, new_slots in ((None, {}), ({}, None), ({}, {3: 4}), ({}, {(ADDRESSES[0],): 4}), (3, 4)):
        found, wanted = Case(9), Case(9)
        for case in (found, wanted):
            case.new_accounts, case.new_slots = new_accounts, new_slots  # type: ignore[assignment]
        assert found.run(make_changes) == wanted.run(references["make_changes"])


def plain_calls(seed: int) -> list[Any]:
    """Random calls, of which a contract has the code that is asked for, or not."""
    rng = random.Random(seed)
    return [
        (
            rng.choice(ADDRESSES),
            bytes(32) if rng.random() < 0.9 else b"\1" * 32,
            rng.choice((None, {}, {rng.randrange(8): rng.randrange(3) for _ in range(3)})),
        )
        for _ in range(rng.randrange(4))
    ]


@pytest.mark.lengthy
def test_random_plain_calls_leave_the_same_state() -> None:
    assert make_plain_calls is not references["make_plain_calls"]
    results = set()
    for seed in range(3_000):
        found, wanted = Case(seed), Case(seed)
        calls = plain_calls(seed)
        result = outcome(make_plain_calls, found.parts, calls)
        assert result == outcome(references["make_plain_calls"], wanted.parts, tuple(calls))
        assert found.parts[1:] == wanted.parts[1:]
        assert found.reader.asked == wanted.reader.asked
        results.add(result)
    assert results == {0, 1, 2, 3, (LookupError, "slot 6")}
    for unusual in (None, [3], [(1, 2)], [(ADDRESSES[0], 3, {})], [(ADDRESSES[0], bytes(32), 4)]):
        found, wanted = Case(1), Case(1)
        assert outcome(make_plain_calls, found.parts, unusual) == outcome(
            references["make_plain_calls"], wanted.parts, unusual
        )


def test_accounts_at_hand_are_not_asked_for() -> None:
    spared = 0
    for seed in range(500):
        found, wanted = Case(seed, knows=True), Case(seed)
        assert found.run(make_changes) == wanted.run(references["make_changes"])
        calls = plain_calls(seed)
        assert outcome(make_plain_calls, found.parts, calls) == outcome(make_plain_calls, wanted.parts, calls)
        assert found.parts[2:] == wanted.parts[2:]
        spared += len(wanted.reader.asked) - len(found.reader.asked)
    assert spared > 100
