"""Writes of slots without a transaction: the core leaves the parts of a state as Python's function leaves them."""

import random
from copy import deepcopy
from typing import Any

import pytest

from tests.core.support import needs_core, outcome
from zevm.chain.vm.slot_writes import put_slots
from zevm.core import CORE, references
from zevm.storage.account import EMPTY_ROOT, Account

pytestmark = needs_core

ADDRESSES = [bytes((number,)) * 20 for number in range(3)]


class Reader:
    """Slots that remember what they were asked for."""

    def __init__(self, held: dict[tuple[bytes, int], int]) -> None:
        self.held = held
        self.asked: list[tuple[bytes, int]] = []

    def storage(self, address: bytes, slot: int) -> int:
        """A slot's value; slot 6 cannot be read."""
        self.asked.append((address, slot))
        if slot == 6:
            raise LookupError("slot 6")
        return self.held.get((address, slot), 0)


def random_parts(rng: random.Random) -> list[Any]:
    """The arguments of `put_slots`."""
    account = Account(1, 2, rng.choice((EMPTY_ROOT, bytes(32))))
    base = {address: rng.choice((None, account, account)) for address in ADDRESSES}
    slots = {address: {rng.randrange(8): rng.randrange(3) for _ in range(3)} for address in rng.sample(ADDRESSES, 2)}
    base_slots = {address: dict.fromkeys(values, 1) for address, values in slots.items() if rng.random() < 0.7}
    wiped = dict.fromkeys(rng.sample(ADDRESSES, rng.randrange(2)), True)
    held = {(address, slot): rng.choice((1, 2, 1 << 255)) for address in ADDRESSES for slot in rng.sample(range(8), 4)}
    values = {rng.randrange(8): rng.choice((0, 1, 2, (1 << 256) - 1)) for _ in range(rng.randrange(4))}
    journal: list[Any] = [({}, 1, 2)]
    return [Reader(held), base, slots, base_slots, wiped, journal, rng.choice(ADDRESSES), values]


def test_random_writes_leave_the_same_state() -> None:
    assert put_slots is not references["put_slots"]
    rng, journals, kinds = random.Random(4), set(), set()
    for _ in range(3_000):
        found = random_parts(rng)
        wanted = deepcopy(found)
        results = outcome(put_slots, *found), outcome(references["put_slots"], *wanted)
        assert results[0] == results[1]
        assert found[0].asked == wanted[0].asked
        if results[0] is None:
            assert found[1:] == wanted[1:]
            assert [list(part) for part in found[1:5]] == [list(part) for part in wanted[1:5]]
            assert all(found[2][found[6]] is entry[0] for entry in found[5][1:])
        journals.add(len(found[5]))
        kinds.add(type(results[0]))
    assert {1, 2, 3} <= journals
    assert len(kinds) == 2


@pytest.mark.parametrize("place", range(1, 8))
def test_unusual_parts_are_the_references(place: int) -> None:
    assert CORE.library is not None
    for unusual in (None, (), [3], {ADDRESSES[0]: 5}):
        found = random_parts(random.Random(9))
        found[place] = unusual
        wanted = deepcopy(found)
        assert outcome(put_slots, *found) == outcome(references["put_slots"], *wanted)
