"""The interpreter's lock and the questions to Python while a message runs in Zig."""

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import CONTRACT, ETHER, SENDER, assemble, environment_of
from tests.core.support import needs_core
from tests.core.test_evm_engines import LOOP, call_on
from tests.core.test_evm_precompiles import powers
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, ExecutionTimeoutError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.storage.primitives import Address

pytestmark = needs_core

ENDLESS_GAS = 1 << 50


@pytest.fixture
def no_forced_switch() -> Iterator[None]:
    """Nobody is made to hand over the interpreter's lock: another thread goes on only where it is given up."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3_600)
    yield
    sys.setswitchinterval(interval)


def turns_beside(run: Callable[[Deadline], object], deadline: Deadline) -> int:
    """How often another thread got the lock while one ran until its deadline."""
    begun, ended = threading.Event(), threading.Event()

    def until_the_deadline() -> None:
        begun.set()
        with pytest.raises(ExecutionTimeoutError):
            run(deadline)
        ended.set()

    thread = threading.Thread(target=until_the_deadline)
    thread.start()
    begun.wait()
    turns = 0
    while not ended.is_set():
        time.sleep(0)
        turns += 1
    thread.join()
    return turns


def loop(deadline: Deadline) -> Outcome:
    return call_on(Engine.NATIVE, LOOP, gas=ENDLESS_GAS, deadline=deadline)


def long_power(deadline: Deadline) -> Outcome:
    """One precompile that works for seconds."""
    number = random.Random(2).randbytes(1_023) + b"\x01"
    request = CallRequest(
        sender=SENDER, to=precompile_address(5), data=powers(number, number, number), gas_limit=ENDLESS_GAS
    )
    state = BlockState(MemoryReader({Address(SENDER): MemoryAccount(balance=ETHER)}))
    return Executor(environment_of(Fork.CANCUN, engine=Engine.NATIVE), state).call(request, deadline=deadline)


@pytest.mark.usefixtures("no_forced_switch")
@pytest.mark.parametrize("run", [loop, long_power])
def test_other_threads_go_on_beside_a_long_run(run: Callable[[Deadline], object]) -> None:
    assert turns_beside(run, Deadline.after(0.3)) > 10


@pytest.mark.usefixtures("no_forced_switch")
def test_a_run_that_has_to_be_brief_keeps_the_lock() -> None:
    assert turns_beside(loop, BriefDeadline(time.monotonic() + 0.1, Cancellation())) <= 2


@pytest.mark.usefixtures("no_forced_switch")
def test_a_run_that_asks_python_all_the_time_keeps_the_lock() -> None:
    code = assemble("JUMPDEST GAS SLOAD POP 0 JUMP")  # another cold slot each time
    turns = turns_beside(
        lambda deadline: call_on(Engine.NATIVE, code, gas=ENDLESS_GAS, deadline=deadline), Deadline.after(0.2)
    )
    assert turns <= 2


def test_questions_after_a_long_run_have_the_lock() -> None:
    rounds = assemble("5000 JUMPDEST 1 SWAP1 SUB DUP1 3 JUMPI POP")
    questions = assemble(f"GAS SLOAD POP 0x{'77' * 20} BALANCE POP 0x{'78' * 20} EXTCODESIZE POP 0 BLOCKHASH POP")
    inner = assemble("0 0 0 0 4 GAS STATICCALL POP 0 0 0 0 6 GAS STATICCALL POP")
    outcomes = [call_on(chosen, rounds + questions + inner, gas=10**7) for chosen in (Engine.NATIVE, Engine.PY_EVM)]
    assert outcomes[0].succeeded
    assert outcomes[0] == outcomes[1]


def test_a_signal_ends_a_run_on_the_main_thread() -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            call_on(Engine.NATIVE, LOOP, gas=ENDLESS_GAS)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class CountingState(BlockState):
    """Counts the questions for slots."""

    __slots__ = ("asked",)

    def __init__(self, reader: MemoryReader) -> None:
        self.asked = {"is_warm_slot": 0, "first_storage": 0, "get_storage": 0}
        super().__init__(reader)

    def is_warm_slot(self, address: Address, slot: int) -> bool:
        self.asked["is_warm_slot"] += 1
        return super().is_warm_slot(address, slot)

    def first_storage(self, address: Address, slot: int) -> tuple[int, bool]:
        self.asked["first_storage"] += 1
        return super().first_storage(address, slot)

    def get_storage(self, address: Address, slot: int) -> int:
        self.asked["get_storage"] += 1
        return super().get_storage(address, slot)


@pytest.mark.parametrize("stored", [{9: 1}, {}])
def test_a_cold_slot_is_one_question_with_an_access_list_too(stored: dict[int, int]) -> None:
    code = assemble("1 SLOAD 2 SLOAD ADD 3 SSTORE 1 SLOAD POP")
    listed = (AccessListEntry(Address(CONTRACT), (bytes(31) + b"\x01", bytes(31) + b"\x03")),)
    gas = {}
    for entries in ((), listed):
        accounts = {
            Address(SENDER): MemoryAccount(balance=ETHER),
            Address(CONTRACT): MemoryAccount(code=code, storage=stored),
        }
        request = CallRequest(sender=SENDER, to=CONTRACT, access_list=entries)
        used = []
        for chosen in (Engine.NATIVE, Engine.PY_EVM):
            state = CountingState(MemoryReader(accounts))
            used.append(Executor(environment_of(Fork.OSAKA, engine=chosen), state).call(request).gas_used)
            if chosen is Engine.NATIVE:
                # of an account without storage the first one tells
                assert state.asked == {"is_warm_slot": 0, "first_storage": 1, "get_storage": 2 * len(stored)}
        assert used[0] == used[1]
        gas[bool(entries)] = used[0]
    # two slots and an address are paid for in advance (EIP-2930)
    assert gas[True] == gas[False] + 2_400 + 2 * 1_900 - 2_000 - 2_100
