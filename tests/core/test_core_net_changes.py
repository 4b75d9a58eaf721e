"""The net changes of a block's state in the core against chain/vm/net_change.py's function in Python."""

import random
from functools import partial
from typing import Any

import pytest

from tests.core.support import agree, needs_core
from zevm.chain.vm.net_change import net_changes
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.core import references
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32, Wei

pytestmark = needs_core

change_of = partial(tuple.__new__, AccountChange)


def test_the_function_in_use_is_the_cores() -> None:
    assert net_changes is not references["net_changes"]


def random_state(rng: random.Random, codes: dict[bytes, bytes]) -> tuple[Any, ...]:
    """What a BlockState has read and written: accounts that come, change, stay and go, and their slots."""
    base: dict[Address, Account | None] = {}
    accounts: dict[Address, tuple[int, int, Hash32] | None] = {}
    slots: dict[Address, dict[int, int]] = {}
    base_slots: dict[Address, dict[int, int]] = {}
    wiped: dict[Address, bool] = {}
    hashes = [EMPTY_KECCAK, *map(Hash32, codes)]
    for _ in range(rng.randrange(8)):
        address = Address(rng.randbytes(20))
        root = rng.choice((EMPTY_ROOT, UNSETTLED_ROOT, rng.randbytes(32)))
        before = Account(rng.randrange(3), Wei(rng.choice((0, 1 << 200))), root, rng.choice(hashes))
        base[address] = before if rng.random() < 0.8 else None
        fields = before.nonce, before.balance, before.code_hash
        now = rng.choice((fields, fields, (before.nonce + 1, *fields[1:]), (0, 0, rng.choice(hashes)), None))
        accounts[address] = now
        if rng.random() < 0.2:
            wiped[address] = True
        if rng.random() < 0.6:
            slots[address] = {slot: rng.randrange(3) for slot in range(rng.randrange(4))}
            base_slots[address] = {slot: rng.randrange(3) for slot in slots[address]}
    return base, accounts, slots, base_slots, wiped, codes


@pytest.mark.parametrize("seed", range(4))
def test_random_states_have_the_same_net_changes(seed: int) -> None:
    rng = random.Random(seed)
    codes = {rng.randbytes(32): rng.randbytes(5) for _ in range(3)}
    seen: set[tuple[bool, ...]] = set()
    for _ in range(500):
        found = agree("net_changes", *random_state(rng, codes), change_of)
        wanted = [*map(list, (found[0], found[1], found[3], found[4]))]
        assert {type(change) for change in found[0].values()} <= {AccountChange, type(None)}
        seen.add(tuple(map(bool, (*wanted, found[2], None in found[0].values()))))
    assert len(seen) > 12


def test_unusual_states_are_the_references() -> None:
    address, other = Address(bytes(20)), Address(bytes(19) + b"\1")
    account, fields = Account(1, Wei(2)), (1, 3, EMPTY_KECCAK)
    usual = [{address: account}, {address: fields}, {address: {1: 2}}, {address: {1: 3}}, {}, {}, change_of]
    agree("net_changes", *usual)
    for place, value in (
        (0, {}),
        (0, {other: account}),
        (0, {address: 3}),
        (0, {address: (1, 2, 3)}),
        (1, {address: 3}),
        (1, {address: (1, 2, "text")}),
        (1, {address: (1, 2, Hash32(b"unknown"))}),
        (2, {address: 3}),
        (3, {}),
        (3, {address: {}}),
        (3, {address: 3}),
        (4, []),
        (4, {address: False}),
        (6, lambda _fields: 1 // 0),
        (6, 3),
    ):
        agree("net_changes", *usual[:place], value, *usual[place + 1 :])
