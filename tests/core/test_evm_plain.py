"""Plain transactions in one call of the core: the same outcomes, changes and refusals as the way around them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import COINBASE, CONTRACT, ETHER, GWEI, SENDER, assemble, environment_of, transaction_of
from tests.core.support import needs_core
from tests.core.test_evm_transactions import KINDS, accounts
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, NotBriefError
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import AccessListEntry, Transaction, TransactionType
from zevm.chain.vm import executor
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import plain
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.engines.plain import LateHelper, PlainRuns
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.core import CORE
from zevm.storage.account import StateDiff
from zevm.storage.primitives import Address

pytestmark = needs_core

ASKER = Address(b"\x8b" * 20)
PRINTER = Address(b"\x89" * 20)
ASKING = assemble("0 BLOCKHASH 0 SSTORE 0 0 0 0 1 GAS STATICCALL 1 SSTORE")
PRINTING = assemble(f"0 0 4 0 0x{CONSOLE_ADDRESS.hex()} GAS STATICCALL")


def world() -> dict[Address, MemoryAccount]:
    return {**accounts(), ASKER: MemoryAccount(nonce=1, code=ASKING), PRINTER: MemoryAccount(nonce=1, code=PRINTING)}


def apply(
    transaction: Transaction, fork: Fork, engine: Engine, gas_available: int = 60_000_000, coinbase: bytes = COINBASE
) -> tuple[object, StateDiff]:
    """The outcome, or the refusal, of a transaction that was checked before, and the state's change."""
    state = BlockState(MemoryReader(world()))
    environment = environment_of(fork, engine=engine, coinbase=Address(coinbase))
    outcome: object
    try:
        outcome = Executor(environment, state).apply(transaction, gas_available, 10**6, checked_rules=environment.rules)
    except TransactionError as error:
        outcome = (error.reason, error.message)
    return outcome, state.diff()


@cache
def sent() -> dict[str, Transaction]:
    """Transactions of accounts, by what they are."""
    made = {
        kind: transaction_of(
            to=request.to,
            value=request.value,
            data=request.data,
            gas_limit=request.gas_limit,
            access_list=request.access_list,
            type=TransactionType.LEGACY if first < Fork.LONDON else TransactionType.DYNAMIC_FEE,
        )
        for kind, (first, request) in KINDS.items()
        if request.sender == SENDER
    }
    first = made["transfer"]
    return made | {
        "question": replace(first, to=ASKER, gas_limit=200_000),
        "console": replace(first, to=PRINTER, gas_limit=200_000),
        "another nonce": replace(first, nonce=8),
        "no funds": replace(first, value=1_000 * ETHER),
        "fee below": replace(first, max_fee_per_gas=GWEI - 1, max_priority_fee_per_gas=0),
        "no tip": replace(first, max_priority_fee_per_gas=0),
        "over the block": replace(first, gas_limit=60_000_001),
        "overflow": replace(first, max_fee_per_gas=(1 << 256) - 1),
        "sender with code": replace(first, r=int.from_bytes(CONTRACT, "big")).impersonating(Address(CONTRACT)),
    }


Answer = tuple[Any, ...] | None
"""Of the core's run_plain."""


def altering_answers(monkeypatch: pytest.MonkeyPatch, change: Callable[[Answer], Answer]) -> None:
    """Change what the core's run_plain gives back."""
    library: Any = CORE.library
    run = library.run_plain
    monkeypatch.setattr(library, "run_plain", lambda *arguments: change(run(*arguments)))


@pytest.mark.parametrize("kind", sent())
def test_a_plain_transaction_ends_as_on_the_way_around(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = sent()[kind]
    for fork in (Fork.FRONTIER, Fork.BERLIN, Fork.LONDON, Fork.SHANGHAI, Fork.PRAGUE, Fork.OSAKA):
        if fork < KINDS.get(kind, (Fork.FRONTIER, None))[0]:
            continue
        for coinbase in (COINBASE, SENDER):
            found = apply(transaction, fork, Engine.NATIVE, coinbase=coinbase)
            for engine in (Engine.PY_EVM, Engine.CHECK):
                assert found == apply(transaction, fork, engine, coinbase=coinbase), (fork, engine)
            with monkeypatch.context() as patch:
                patch.setattr(executor, "plain_runs", lambda *_: None)
                assert found == apply(transaction, fork, Engine.NATIVE, coinbase=coinbase), fork


@pytest.mark.parametrize("engine", [Engine.NATIVE, Engine.CHECK])
def test_what_the_transactions_are_meant_to_reach_is_reached(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the core ran a transaction by itself, and whether it asked."""
    ran: dict[str, bool] = {}
    asked: set[str] = set()
    now = ""

    def noted(answer: Answer) -> Answer:
        ran[now] = answer is not None
        return answer

    class Late(LateHelper):
        def __getattr__(self, name: str) -> object:
            asked.add(now)
            return super().__getattr__(name)

    altering_answers(monkeypatch, noted)
    monkeypatch.setattr(plain, "LateHelper", Late)
    outcomes = {}
    for now, transaction in sent().items():
        outcomes[now], _ = apply(transaction, Fork.OSAKA, engine)
    creations = {kind for kind in ran if kind.startswith("creation")}
    refused = {"another nonce", "no funds", "fee below", "over the block", "overflow", "sender with code"}
    assert {kind for kind, did in ran.items() if not did} == {*creations, "access list", *refused}
    assert {"question", "console"} <= asked
    assert "transfer" not in asked
    console = outcomes["console"]
    assert isinstance(console, Outcome)
    assert console.console


NAMES = ["status", "output", "detail", "gas_used", "before_refund", "spare_gas", "accounts", "slots", "codes", "logs"]
FAULTS: dict[str, Callable[[Any], Any]] = {
    "output": lambda output: output + b"\x00",
    "status": lambda _: 0,
    "gas_used": lambda gas: gas + 1,
    "before_refund": lambda gas: gas + 1,
    "spare_gas": lambda gas: gas + 1,
    "accounts": lambda accounts: {address: fields for address, fields in accounts.items() if address != COINBASE},
    "slots": lambda slots: {key: value + 1 for key, value in slots.items()},
    "logs": lambda logs: logs[:-1],
}
"""What is changed in an answer."""


@pytest.mark.parametrize("name", FAULTS)
def test_the_check_mode_finds_a_fault_of_the_one_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(answer: Answer) -> Answer:
        assert answer is not None
        items = dict(zip(NAMES, answer, strict=True))
        changed = FAULTS[name](items[name])
        assert changed != items[name], "the transaction cannot show the fault"
        return tuple((items | {name: changed}).values())

    altering_answers(monkeypatch, wrong)
    transaction = sent()["call that fails" if name == "status" else "call with a refund and a log"]
    state = BlockState(MemoryReader(world()))
    environment = environment_of(engine=Engine.CHECK)
    with pytest.raises(EngineDifferenceError, match="do not agree on a plain transaction"):
        Executor(environment, state).apply(transaction, 60_000_000, checked_rules=environment.rules)
    assert state.diff() == StateDiff()


def test_the_check_mode_finds_that_the_one_call_takes_what_may_not_be_in_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Answer] = []

    def first_again(answer: Answer) -> Answer:
        answers.append(answer)
        return answers[0]

    altering_answers(monkeypatch, first_again)
    environment = environment_of(engine=Engine.CHECK)
    state = BlockState(MemoryReader(world()))
    executor = Executor(environment, state)
    executor.apply(sent()["transfer"], 60_000_000, checked_rules=environment.rules)
    before = state.diff()
    with pytest.raises(EngineDifferenceError, match="may not be in the block: nonce too"):
        executor.apply(sent()["another nonce"], 60_000_000, checked_rules=environment.rules)
    assert state.diff() == before


def test_what_is_not_checked_or_is_watched_goes_around(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(PlainRuns, "run", fail)
    transaction = sent()["transfer"]
    environment = environment_of()
    for _ in range(2):
        state = BlockState(MemoryReader(world()))
        assert Executor(environment, state).apply(transaction, 60_000_000).gas_used == 21_000
        environment = replace(environment, watcher=lambda _: QuietTracer())
    with pytest.raises(AssertionError):
        apply(transaction, Fork.OSAKA, Engine.NATIVE)


def test_a_deadline_ends_a_plain_transaction_and_leaves_the_state_as_it_was() -> None:
    loop = Address(b"\x8a" * 20)
    state = BlockState(MemoryReader({**world(), loop: MemoryAccount(nonce=1, code=assemble("JUMPDEST 0 JUMP"))}))
    environment = environment_of(engine=Engine.NATIVE)
    transaction = replace(sent()["transfer"], to=loop, gas_limit=16_000_000)
    with pytest.raises(NotBriefError):
        Executor(environment, state).apply(
            transaction,
            60_000_000,
            checked_rules=environment.rules,
            deadline=BriefDeadline(0, Cancellation()),
        )
    assert state.diff() == StateDiff()


def test_an_access_list_is_not_plain() -> None:
    listed = replace(sent()["transfer"], access_list=(AccessListEntry(Address(CONTRACT), ()),))
    environment = environment_of(engine=Engine.NATIVE)
    state = BlockState(MemoryReader(world()))
    outcome = Executor(environment, state).apply(listed, 60_000_000, checked_rules=environment.rules)
    assert outcome.gas_used == 21_000 + 2_400
