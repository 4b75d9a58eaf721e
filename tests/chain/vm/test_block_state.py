"""The overlay: undo, net differences, per-transaction records, stacking; against a model of plain copies."""

import copy
import random
from collections.abc import Callable
from typing import Any

from testing.memory_state import MemoryReader
from tests.chain.vm.support import FakeAccount
from zevm.chain.types import Log
from zevm.chain.vm.block_state import RIPEMD160, BlockState
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.storage.account import EMPTY_ROOT, AccountChange
from zevm.storage.keccak import EMPTY_KECCAK, keccak256

A, B, C = (bytes((letter,)) * 20 for letter in b"abc")


def make_state() -> BlockState:
    return BlockState(
        MemoryReader(
            {
                A: FakeAccount(nonce=1, balance=100, code=b"code", storage={1: 10, 2: 20}),
                B: FakeAccount(balance=50),
            }
        )
    )


def test_untouched_state_has_no_diff() -> None:
    state = make_state()
    state.get_balance(A)
    state.get_storage(A, 1)
    state.get_code(A)
    diff = state.diff()
    assert (diff.accounts, diff.storage, diff.wiped, diff.code) == ({}, {}, set(), {})


def test_a_change_that_is_taken_back_leaves_no_diff() -> None:
    state = make_state()
    state.set_balance(A, 7)
    state.set_storage(A, 1, 11)
    state.set_balance(A, 100)
    state.set_storage(A, 1, 10)
    assert state.diff().accounts == {}


def test_a_slot_alone_brings_its_account() -> None:
    state = make_state()
    state.set_storage(A, 1, 0)
    state.set_storage(A, 3, 30)
    diff = state.diff()
    assert diff.accounts == {A: AccountChange(1, 100, keccak256(b"code"))}
    assert diff.storage == {A: {1: 0, 3: 30}}


def test_new_code_is_in_the_diff_and_old_code_is_not() -> None:
    state = make_state()
    state.set_code(B, b"new")
    state.set_balance(A, 1)
    assert state.diff().code == {keccak256(b"new"): b"new"}
    assert state.get_code(B) == b"new"


def test_delete_and_create_again() -> None:
    state = make_state()
    state.set_storage(A, 1, 99)
    state.delete_account(A)
    assert state.get_storage(A, 2) == 0
    assert not state.has_storage(A)
    assert state.diff().accounts == {A: None}
    state.set_balance(A, 5)
    state.set_storage(A, 2, 22)
    diff = state.diff()
    assert diff.accounts == {A: AccountChange(0, 5, EMPTY_KECCAK)}
    assert diff.storage == {A: {2: 22}}
    assert diff.wiped == {A}


def test_discard_brings_wiped_storage_back() -> None:
    state = make_state()
    state.set_storage(A, 3, 30)
    checkpoint = state.record()
    state.delete_account(A)
    state.set_storage(A, 1, 1)
    state.discard(checkpoint)
    assert [state.get_storage(A, slot) for slot in (1, 2, 3)] == [10, 20, 30]
    assert state.diff().storage == {A: {3: 30}}
    assert state.diff().wiped == set()


def test_original_values_are_those_at_the_transactions_start() -> None:
    state = make_state()
    state.set_storage(A, 1, 11)
    state.end_transaction(clear_empty=True)
    state.set_storage(A, 1, 12)
    state.set_storage(A, 1, 13)
    assert state.get_original_storage(A, 1) == 11
    assert state.get_original_storage(A, 2) == 20


def test_transaction_records_end_with_the_transaction() -> None:
    state = make_state()
    state.warm_address(A)
    state.warm_slot(A, 1)
    state.set_transient(A, 1, 5)
    state.add_refund(3)
    state.add_log("log")
    state.end_transaction(clear_empty=True)
    assert state.warm_address(A)
    assert state.warm_slot(A, 1)
    assert not state.warm_slot(A, 1)
    assert (state.get_transient(A, 1), state.get_refund(), state.log_count()) == (0, 0, 0)


def test_touched_empty_accounts_go() -> None:
    state = BlockState(MemoryReader({A: FakeAccount(), B: FakeAccount()}))
    state.touch(A)
    state.end_transaction(clear_empty=True)
    assert state.diff().accounts == {A: None}


def test_accounts_emptied_by_a_change_go() -> None:
    state = make_state()
    state.set_balance(B, 0)
    state.end_transaction(clear_empty=True)
    assert state.diff().accounts == {B: None}


def test_empty_accounts_stay_before_they_were_cleared() -> None:
    state = make_state()
    state.create_empty(C)
    state.end_transaction(clear_empty=False)
    assert state.diff().accounts == {C: AccountChange(0, 0, EMPTY_KECCAK)}


def test_a_failed_frame_untouches_all_but_ripemd() -> None:
    state = BlockState(MemoryReader({A: FakeAccount(), RIPEMD160: FakeAccount()}))
    checkpoint = state.record()
    state.touch(A)
    state.touch(RIPEMD160)
    state.discard(checkpoint)
    state.end_transaction(clear_empty=True)
    assert state.diff().accounts == {RIPEMD160: None}


def test_destroyed_accounts_go_unless_undone() -> None:
    state = make_state()
    state.mark_destroyed(A)
    checkpoint = state.record()
    state.mark_destroyed(B)
    state.discard(checkpoint)
    state.end_transaction(clear_empty=True)
    assert state.diff().accounts == {A: None}


def test_a_checkpoint_spans_transactions() -> None:
    state = make_state()
    checkpoint = state.record()
    state.set_balance(A, 1)
    state.set_balance(B, 0)
    state.end_transaction(clear_empty=True)
    state.set_storage(A, 1, 1)
    state.discard(checkpoint)
    assert state.diff().accounts == {}
    assert state.get_balance(B) == 50


def test_stacked_state_reads_the_lower_overlay_and_leaves_it_alone() -> None:
    lower = make_state()
    lower.set_storage(A, 1, 11)
    lower.set_balance(C, 9)
    lower.set_code(C, b"lower code")
    upper = BlockState(lower.fork_reader())
    assert (upper.get_storage(A, 1), upper.get_storage(A, 2)) == (11, 20)
    assert (upper.get_balance(C), upper.get_code(C), upper.get_code(A)) == (9, b"lower code", b"code")
    upper.set_storage(A, 1, 0)
    upper.delete_account(C)
    assert upper.diff().storage == {A: {1: 0}}
    assert upper.diff().accounts[C] is None
    assert (lower.get_storage(A, 1), lower.get_balance(C)) == (11, 9)


def test_overlay_reader_shows_whether_storage_is_empty() -> None:
    state = make_state()
    reader = state.fork_reader()
    assert reader.root == EMPTY_ROOT
    state.set_storage(B, 1, 1)
    state.clear_storage(A)
    roots = [account.storage_root for account in map(reader.account, (A, B)) if account is not None]
    assert roots == [EMPTY_ROOT, UNSETTLED_ROOT]
    assert BlockState(reader).has_storage(B)
    assert not BlockState(reader).has_storage(A)


def test_the_first_slot_of_an_account_tells_whether_there_are_others() -> None:
    bare, stored, absent = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
    reader = MemoryReader({bare: FakeAccount(nonce=1), stored: FakeAccount(nonce=1, storage={1: 5})})
    state = BlockState(reader)
    assert state.first_storage(bare, 1) == state.first_storage(absent, 1) == (0, True)
    assert state.first_storage(stored, 1) == (5, False)
    assert BlockState(reader).first_storage(stored, 2) == (0, False)
    checkpoint = state.record()
    state.set_storage(bare, 7, 9)
    assert [state.first_storage(bare, slot) for slot in (7, 8)] == [(9, False), (0, False)]
    assert BlockState(state.fork_reader()).first_storage(bare, 8) == (0, False)
    state.clear_storage(stored)
    assert state.first_storage(stored, 1) == (0, True)
    state.set_storage(stored, 2, 3)
    assert [state.first_storage(stored, slot) for slot in (1, 2)] == [(0, False), (3, False)]
    state.discard(checkpoint)
    assert state.first_storage(stored, 1) == (5, False)
    assert not state.diff().storage


def test_reads_come_from_the_reader_once() -> None:
    reader = MemoryReader({A: FakeAccount(balance=1, storage={1: 1})})
    state = BlockState(reader)
    for _ in range(3):
        state.get_balance(A)
        state.get_nonce(B)
        state.get_storage(A, 1)
    assert reader.reads == 3


class Model:
    """The same state as whole copies."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, dict[str, Any]] = {
            A: {"nonce": 1, "balance": 100, "code": b"code", "storage": {1: 10, 2: 20}},
            B: {"nonce": 0, "balance": 50, "code": b"", "storage": {}},
        }

    def at(self, address: bytes) -> dict[str, Any]:
        return self.accounts.setdefault(address, {"nonce": 0, "balance": 0, "code": b"", "storage": {}})

    def apply(self, name: str, address: bytes, key: int, value: int) -> None:
        if name == "delete_account":
            self.accounts.pop(address, None)
        elif name == "set_storage":
            if address in self.accounts:
                self.at(address)["storage"][key] = value
        elif name == "set_code":
            self.at(address)["code"] = bytes((value,))
        else:
            self.at(address)[name.removeprefix("set_")] = value


def run_step(state: BlockState, model: Model, name: str, address: bytes, key: int, value: int) -> None:
    model.apply(name, address, key, value)
    if name == "delete_account":
        state.delete_account(address)
    elif name == "set_storage":
        if state.account_exists(address):
            state.set_storage(address, key, value)
    elif name == "set_code":
        state.set_code(address, bytes((value,)))
    else:
        getattr(state, name)(address, value)


def assert_equal(state: BlockState, model: Model) -> None:
    for address in (A, B, C):
        want = model.accounts.get(address)
        assert state.account_exists(address) == (want is not None)
        if want is not None:
            have = (state.get_nonce(address), state.get_balance(address), state.get_code(address))
            assert have == (want["nonce"], want["balance"], want["code"])
            assert [state.get_storage(address, key) for key in range(4)] == [
                want["storage"].get(key, 0) for key in range(4)
            ]


def rebuilt(state: BlockState) -> dict[bytes, FakeAccount]:
    """The accounts that the diff makes of make_state's."""
    accounts = {
        A: FakeAccount(nonce=1, balance=100, code=b"code", storage={1: 10, 2: 20}),
        B: FakeAccount(balance=50),
    }
    diff = state.diff()
    codes = diff.code | {keccak256(b"code"): b"code", EMPTY_KECCAK: b""}
    for address, change in diff.accounts.items():
        old = accounts.pop(address, FakeAccount())
        if change is not None:
            slots = {} if address in diff.wiped else dict(old.storage)
            slots |= diff.storage.get(address, {})
            slots = {slot: value for slot, value in slots.items() if value}
            accounts[address] = FakeAccount(change.nonce, change.balance, codes[change.code_hash], slots)
    return accounts


def test_random_histories_agree_with_whole_copies() -> None:
    chooser = random.Random(161)
    names = ["set_balance", "set_nonce", "set_code", "set_storage", "set_storage", "delete_account"]
    for _ in range(150):
        state, model = make_state(), Model()
        checkpoints: list[tuple[int, Model]] = []
        for _ in range(60):
            choice = chooser.random()
            if choice < 0.12:
                checkpoints.append((state.record(), copy.deepcopy(model)))
            elif choice < 0.2 and checkpoints:
                checkpoint, model = checkpoints.pop()
                state.discard(checkpoint)
            elif choice < 0.24:
                state.end_transaction(clear_empty=False)
            else:
                step = (chooser.choice((A, B, C)), chooser.randrange(4), chooser.randrange(1, 4) % 3)
                run_step(state, model, chooser.choice(names), *step)
        assert_equal(state, model)
        assert_equal(BlockState(state.fork_reader()), model)
        assert_equal(BlockState(MemoryReader(rebuilt(state))), model)


STEPS: list[Callable[[BlockState, bytes, int, int], None]] = [
    *[lambda state, address, slot, value: state.set_storage(address, slot, value)] * 3,
    lambda state, address, _, value: state.add_balance(address, value),
    lambda state, address, _, value: state.set_nonce(address, value),
    lambda state, address, _, value: state.set_code(address, b"code %d" % value if value else b""),
    lambda state, address, _, value: state.touch(address if value else RIPEMD160),
    lambda state, address, slot, _: None if slot else state.mark_destroyed(address),
    lambda state, _, __, value: state.add_refund(value - 1),
    lambda state, address, _, value: state.add_log(Log(address, (b"t" * 32,) * value, b"data")),
]


def random_transaction(chooser: random.Random, state: BlockState) -> None:
    """Changes as a run makes them, some of them undone."""
    checkpoints: list[int] = []
    for _ in range(40):
        choice = chooser.random()
        if choice < 0.1:
            checkpoints.append(state.record())
        elif choice < 0.2 and checkpoints:
            state.discard(checkpoints.pop())
        else:
            chooser.choice(STEPS)(state, chooser.choice((A, B, C)), chooser.randrange(4), chooser.randrange(3))


def test_effects_taken_up_elsewhere_are_the_same_changes() -> None:
    chooser = random.Random(162)
    for _ in range(200):
        made, taken = make_state(), make_state()
        for state in (made, taken):
            state.set_storage(A, 3, 9)
            state.add_refund(5)
            state.add_log(Log(A, (), b"before"))
        checkpoint = made.record()
        random_transaction(chooser, made)
        effects = made.effects_since(checkpoint)
        begin = taken.record()
        taken.absorb(effects)
        assert taken.effects_since(begin)._replace(slots={}, codes={}) == effects._replace(slots={}, codes={})
        for (address, slot), value in effects.slots.items():
            assert taken.get_storage(address, slot) == value
        assert (taken.get_refund(), taken.logs_from(0)) == (made.get_refund(), made.logs_from(0))
        undone = copy.deepcopy(taken)
        undone.discard(begin)
        assert undone.diff().storage == {A: {3: 9}}
        for state in (made, taken):
            state.end_transaction(clear_empty=True)
        assert taken.diff() == made.diff()
