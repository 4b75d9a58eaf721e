"""The shortcuts of system calls do what the official contracts' code does, slot by slot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.memory_state import MemoryReader
from tests.chain.vm.support import FakeAccount, environment_of, state_of
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_ADDRESS,
    BEACON_ROOTS_CODE,
    CONSOLIDATION_REQUESTS_ADDRESS,
    CONSOLIDATION_REQUESTS_CODE,
    HISTORY_STORAGE_ADDRESS,
    HISTORY_STORAGE_CODE,
    WITHDRAWAL_REQUESTS_ADDRESS,
    WITHDRAWAL_REQUESTS_CODE,
)
from zevm.chain.vm import system
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.storage.primitives import Address

CONTRACTS = {
    BEACON_ROOTS_ADDRESS: BEACON_ROOTS_CODE,
    HISTORY_STORAGE_ADDRESS: HISTORY_STORAGE_CODE,
    WITHDRAWAL_REQUESTS_ADDRESS: WITHDRAWAL_REQUESTS_CODE,
    CONSOLIDATION_REQUESTS_ADDRESS: CONSOLIDATION_REQUESTS_CODE,
}
QUEUES = (WITHDRAWAL_REQUESTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS)
INHIBITOR = (1 << 256) - 1
WORDS = st.integers(0, INHIBITOR)


def interpreted(address: bytes, accounts, environment, data: bytes):
    """The contract's own code, run as a system call."""
    state = state_of(accounts)
    executor = Executor(environment, state)
    context = executor._system_context()
    return system.call(FRAME_CLASSES[Fork.OSAKA], executor._evm_state, context, address, data), state


def shortcut(environment, state: BlockState, address: bytes, data: bytes):
    """The result of a call whose effect is known; None for another, which is not made."""
    return system.DONE if system.take_shortcuts(environment, state, [(address, data)]) else None


def both(address: bytes, storage: dict[int, int], data: bytes, **block: int):
    accounts = {address: FakeAccount(nonce=1, code=CONTRACTS[address], storage=storage)}
    environment = environment_of(**block)
    state = state_of(accounts)
    known = shortcut(environment, state, address, data)
    result, called = interpreted(address, accounts, environment, data)
    assert result.failure is None
    return known, state, result, called


@given(WORDS, st.integers(1, 1 << 40), st.integers(1, 1 << 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_rings(word, timestamp: int, number: int, overwrites) -> None:
    data = word.to_bytes(32, "big")
    for address, slot in (
        (BEACON_ROOTS_ADDRESS, timestamp % 8191 + 8191),
        (HISTORY_STORAGE_ADDRESS, (number - 1) % 8191),
    ):
        storage = {slot: 5} if overwrites else {}
        known, state, result, called = both(address, storage, data, timestamp=timestamp, number=number)
        assert known == result
        assert state.diff() == called.diff()


@pytest.mark.parametrize("address", QUEUES)
def test_an_untouched_queue_stays_and_gives_nothing(address: bytes) -> None:
    known, state, result, called = both(address, {}, b"")
    assert known == result == (True, b"", None)
    assert state.diff() == called.diff()
    assert not state.diff().accounts


@pytest.mark.parametrize("address", QUEUES)
@given(st.dictionaries(st.integers(0, 3), st.sampled_from([1, 2, INHIBITOR]), min_size=1))
@settings(max_examples=20, deadline=None)
def test_any_other_queue_is_called(address: Address, storage: dict[int, int]) -> None:
    environment = environment_of()
    state = state_of({address: FakeAccount(nonce=1, code=CONTRACTS[address], storage=storage)})
    assert shortcut(environment, state, address, b"") is None
    assert not state.diff().accounts


@pytest.mark.parametrize("address", CONTRACTS)
def test_a_shortcut_reads_no_code(address: Address) -> None:
    class Codeless(MemoryReader):
        def code(self, code_hash: bytes) -> bytes:
            raise LookupError(code_hash)

    reader = Codeless({address: FakeAccount(nonce=1, code=CONTRACTS[address])})
    assert shortcut(environment_of(), BlockState(reader), address, bytes(32)) == (True, b"", None)
    with pytest.raises(LookupError):
        next(
            iter(Executor(environment_of(), BlockState(reader), shortcuts=False)._system_calls([(address, bytes(32))]))
        )


def test_other_code_is_called() -> None:
    accounts = {BEACON_ROOTS_ADDRESS: FakeAccount(nonce=1, code=BEACON_ROOTS_CODE + b"\x00")}
    assert shortcut(environment_of(), state_of(accounts), BEACON_ROOTS_ADDRESS, bytes(32)) is None
    assert shortcut(environment_of(), state_of({}), BEACON_ROOTS_ADDRESS, bytes(32)) is None
    moved = {bytes(20): FakeAccount(nonce=1, code=BEACON_ROOTS_CODE)}
    assert shortcut(environment_of(), state_of(moved), bytes(20), bytes(32)) is None


def test_calls_end_at_the_first_that_is_not_plain() -> None:
    def accounts(queue: dict[int, int], history: bytes) -> dict[Address, FakeAccount]:
        found = {address: FakeAccount(nonce=1, code=code) for address, code in CONTRACTS.items()}
        found[HISTORY_STORAGE_ADDRESS] = FakeAccount(nonce=1, code=history)
        return found | {QUEUES[0]: FakeAccount(nonce=1, code=WITHDRAWAL_REQUESTS_CODE, storage=queue)}

    environment = environment_of()
    calls = [(address, bytes(31) + b"\1") for address in CONTRACTS]
    stops = []
    for queue in ({}, {5: 1}, {2: 1}):
        for history in (HISTORY_STORAGE_CODE, b"\0"):
            state = state_of(accounts(queue, history))
            stops.append(system.take_shortcuts(environment, state, calls))
            results = [*Executor(environment, state_of(accounts(queue, history)))._system_calls(calls[:2])]
            slow = Executor(environment, state_of(accounts(queue, history)), shortcuts=False)
            assert results == [*slow._system_calls(calls[:2])]
            if stops[-1] >= 2:
                assert state.diff() == slow.state.diff()
    assert stops == [4, 1, 4, 1, 2, 1]
