"""What lasts one transaction, of transactions that run in one call of the core: the next one finds nothing of it."""

from dataclasses import replace
from functools import partial
from itertools import product

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import ETHER, SENDER, assemble, environment_of
from tests.core.support import needs_core
from tests.core.test_evm_plain import sent
from tests.core.test_evm_plain_blocks import GAS
from tests.core.test_evm_simulated import BUDGET, in_turn
from zevm.chain.errors import NodeFaultError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.simulated_calls import SimulatedCall
from zevm.storage.primitives import Address

pytestmark = needs_core

FAR = bytes(19) + b"\xfa"
MARKING = f"9 SLOAD POP 0x{FAR.hex()} BALANCE POP 0 1 SSTORE 3 0 TSTORE 0 0 LOG0"
CODES = {
    "transient slots": "0 TLOAD 1 ADD DUP1 0 TSTORE 0 SSTORE",
    "accessed slots": "9 SLOAD POP",
    "accessed accounts": f"0x{FAR.hex()} BALANCE POP",
    "original values": "0 SLOAD ISZERO 0 SSTORE",
    "original values of slots that were cleared": "1 SLOAD ISZERO 1 SSTORE",
    "refunds": "0 1 SSTORE",
    "logs": "0 0 LOG0 0 SLOAD 1 ADD 0 SSTORE",
    "marks": MARKING,
    "marks of one that reverts": f"{MARKING} 0 0 REVERT",
    "marks of one that fails": f"{MARKING} INVALID",
}
ADDRESSES = {kind: Address(bytes((0xA0 + place,)) * 20) for place, kind in enumerate(CODES)}


def state_of() -> BlockState:
    world = {
        ADDRESSES[kind]: MemoryAccount(nonce=1, code=assemble(code), storage={1: 7}) for kind, code in CODES.items()
    }
    return BlockState(MemoryReader({**world, Address(SENDER): MemoryAccount(nonce=7, balance=1_000 * ETHER)}))


PAIRS = [f"{first}, {then}" for first, then in product(CODES, repeat=2)]


@pytest.mark.parametrize("fork", [Fork.LONDON, Fork.OSAKA])
def test_a_transaction_finds_nothing_of_what_lasted_the_one_before(fork: Fork) -> None:
    for pair in PAIRS:
        kinds = pair.split(", ") * 2
        transactions = [
            replace(sent()["transfer"], to=ADDRESSES[kind], value=0, nonce=7 + index, gas_limit=100_000)
            for index, kind in enumerate(kinds)
        ]
        slowly, at_once = state_of(), state_of()
        by_itself = Executor(environment_of(fork, engine=Engine.PY_EVM), slowly)
        wanted = [by_itself.apply(each, GAS) for each in transactions]
        ends = Executor(environment_of(fork, engine=Engine.NATIVE), at_once).apply_plain(transactions, (None,) * 4, GAS)
        assert [(end.gas_used, end.logs, end.error) for end in ends] == [
            (outcome.gas_used, outcome.logs, outcome.error) for outcome in wanted
        ], pair
        assert at_once.diff() == slowly.diff(), pair


def test_a_transaction_that_breaks_off_leaves_those_before_it_and_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = replace(sent()["transfer"], to=ADDRESSES["refunds"], value=0, nonce=7, gas_limit=100_000)
    second = replace(first, to=ADDRESSES["marks"], nonce=8, value=1)
    alone, state = state_of(), state_of()
    Executor(environment_of(engine=Engine.NATIVE), alone).apply_plain([first], (None,), GAS)
    read = MemoryReader.storage

    def fail(reader: MemoryReader, address: Address, slot: int) -> int:
        if address == second.to and slot == 1:
            raise NodeFaultError("no medium")
        return read(reader, address, slot)

    monkeypatch.setattr(MemoryReader, "storage", fail)
    executor = Executor(environment_of(engine=Engine.NATIVE), state)
    with pytest.raises(NodeFaultError):
        executor.apply_plain([first, second], (None,) * 2, GAS)
    assert state.diff() == alone.diff()
    assert state.get_nonce(Address(SENDER)) == 8
    monkeypatch.undo()
    assert len(executor.apply_plain([second], (None,), GAS)) == 1


def test_a_simulated_call_finds_nothing_of_what_lasted_the_one_before() -> None:
    for pair in PAIRS:
        calls = [SimulatedCall(SENDER, ADDRESSES[kind], gas_limit=100_000) for kind in pair.split(", ") * 2]
        slowly, at_once = state_of(), state_of()
        one_by_one = partial(in_turn, Executor(environment_of(engine=Engine.PY_EVM), slowly), calls, 0)
        executor = Executor(environment_of(engine=Engine.NATIVE), at_once)
        wanted = one_by_one(4, validate=False)
        assert executor.simulate_plain(calls, GAS, BUDGET, lambda _: [], validate=False) == wanted, pair
        assert at_once.diff() == slowly.diff(), pair
