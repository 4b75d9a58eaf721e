"""Plain transactions of a block in one call of the core: the ends, changes and refusals of one after another."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import CONTRACT, SENDER, assemble, environment_of
from tests.core.support import needs_core
from tests.core.test_evm_plain import sent, world
from zevm.chain.errors import EngineDifferenceError, NodeFaultError, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.gas_needs import GasNeeds, gas_needs
from zevm.chain.vm.interface import Outcome
from zevm.core import CORE
from zevm.storage.account import StateDiff
from zevm.storage.primitives import Address

pytestmark = needs_core

GAS = 60_000_000
FACTORY = Address(b"\x87" * 20)
# makes a contract that gives all that it has to who calls it
FACTORY_CODE = assemble("0x6133ff6000526002601ef3 0 MSTORE 11 21 0 CREATE")
CHILD = contract_address(FACTORY, 1)

End = tuple[object, ...]


def state_of() -> BlockState:
    return BlockState(MemoryReader({**world(), FACTORY: MemoryAccount(nonce=1, code=FACTORY_CODE)}))


def kinds() -> dict[str, Transaction]:
    first = sent()["transfer"]
    listed = ("blobs", "authorizations")
    others = {kind: item for kind, item in sent().items() if kind not in listed}
    return others | {"factory": replace(first, to=FACTORY), "child": replace(first, to=CHILD)}


def end_of(outcome: Outcome) -> End:
    return outcome.gas_used, outcome.output, outcome.logs, outcome.error, tuple(outcome.console)


def one_after_another(state: BlockState, fork: Fork, wanted: Sequence[str]) -> tuple[list[Transaction], list[End]]:
    """Transactions of these kinds, with the nonce of their turn, and their ends or refusals in Python."""
    environment = environment_of(fork, engine=Engine.PY_EVM)
    executor = Executor(environment, state)
    transactions: list[Transaction] = []
    ends: list[End] = []
    gas_left = GAS
    for kind in wanted:
        transaction = kinds()[kind]
        if kind not in ("another nonce", "sender with code"):
            transaction = replace(transaction, nonce=state.get_nonce(SENDER))
        transactions.append(transaction)
        try:
            outcome = executor.apply(transaction, gas_left, 10**6)
        except TransactionError as error:
            ends.append((error.reason, error.message))
            continue
        ends.append(end_of(outcome))
        gas_left -= outcome.gas_used
    return transactions, ends


def together(
    state: BlockState,
    fork: Fork,
    transactions: Sequence[Transaction],
    *,
    checked: bool,
    engine: Engine = Engine.NATIVE,
) -> tuple[list[End], list[int]]:
    """The ends and refusals of transactions, as many in a call as run in one, and their places in the calls."""
    environment = environment_of(fork, engine=engine)
    executor = Executor(environment, state)
    gas: list[GasNeeds | None] = [
        gas_needs(item, environment.rules) if checked and item.to is not None else None for item in transactions
    ]
    ends: list[End] = []
    places: list[int] = []
    gas_left = GAS
    while len(ends) < len(transactions):
        start = len(ends)
        done = executor.apply_plain(transactions[start:], gas[start:], gas_left)
        places += range(start, start + len(done))
        ends += [(end.gas_used, end.output, end.logs, end.error, end.console) for end in done]
        gas_left -= sum([end.gas_used for end in done])
        if done:
            continue
        try:
            outcome = executor.apply(transactions[len(ends)], gas_left, 10**6)
        except TransactionError as error:
            ends.append((error.reason, error.message))
        else:
            ends.append(end_of(outcome))
            gas_left -= outcome.gas_used
    return ends, places


PLAIN = {
    "transfer",
    "to an empty account",
    "to the sender",
    "call with a refund and a log",
    "call for nothing",
    "call that fails",
    "call without enough gas",
    "precompile",
    "self-destruction",
    "delegated",
    "much data",
    "question",
    "console",
    "no tip",
    "factory",
    "child",
}


@pytest.mark.parametrize("fork", [Fork.LONDON, Fork.SHANGHAI, Fork.PRAGUE, Fork.OSAKA])
def test_a_block_of_them_ends_as_one_after_another(fork: Fork) -> None:
    ran: Counter[str] = Counter()
    for seed in range(12):
        chance = random.Random(seed)
        usual = sorted(PLAIN) if chance.random() < 0.5 else ["transfer", "call with a refund and a log", "no tip"]
        wanted = [chance.choice(usual if chance.random() < 0.9 else sorted(kinds())) for _ in range(12)]
        slowly, at_once = state_of(), state_of()
        transactions, ends = one_after_another(slowly, fork, wanted)
        found, places = together(at_once, fork, transactions, checked=seed % 2 == 0)
        assert found == ends, wanted
        assert at_once.diff() == slowly.diff(), wanted
        if seed < 4:
            on_both = state_of()
            assert together(on_both, fork, transactions, checked=seed % 2 == 0, engine=Engine.CHECK)[0] == ends
            assert on_both.diff() == slowly.diff()
        ran.update(wanted[place] for place in places)
    assert set(ran) <= PLAIN
    assert len(ran) > 10


@pytest.mark.parametrize("checked", [False, True])
def test_which_of_them_run_together(checked: bool) -> None:
    for kind, transaction in kinds().items():
        environment = environment_of(Fork.OSAKA, engine=Engine.NATIVE)
        needs = gas_needs(transaction, environment.rules) if checked else None
        done = Executor(environment, state_of()).apply_plain((transaction,) * 2, (needs,) * 2, GAS)
        # the second one has a nonce that was used
        assert len(done) == (kind in PLAIN), kind


def test_what_a_transaction_has_made_and_destroyed_is_there_for_the_next_one() -> None:
    wanted = ["factory", "transfer", "child", "child", "factory", "self-destruction", "self-destruction", "transfer"]
    for fork in (Fork.LONDON, Fork.OSAKA):
        slowly, at_once = state_of(), state_of()
        transactions, ends = one_after_another(slowly, fork, wanted)
        found, places = together(at_once, fork, transactions, checked=False)
        assert places == list(range(len(wanted)))
        assert found == ends
        assert at_once.diff() == slowly.diff()
        # a contract of an earlier transaction stays since Cancun (EIP-6780); here the second creation begins anew
        assert at_once.get_code(CHILD) == slowly.get_code(CHILD) == (b"" if fork is Fork.LONDON else b"\x33\xff")


def test_a_call_ends_behind_one_that_has_asked_python_and_tells_its_console() -> None:
    wanted = ["transfer", "console", "transfer", "question", "transfer", "another nonce", "transfer"]
    transactions, ends = one_after_another(state_of(), Fork.OSAKA, wanted)
    state, environment = state_of(), environment_of(engine=Engine.NATIVE)
    executor = Executor(environment, state)
    lengths = []
    for start in (0, 2, 4, 5, 6):
        done = executor.apply_plain(transactions[start:], (None,) * (len(wanted) - start), GAS)
        lengths.append(len(done))
        found = [(end.gas_used, end.output, end.logs, end.error, end.console) for end in done]
        assert found == ends[start : start + len(done)]
    assert lengths == [2, 2, 1, 0, 1]
    assert ends[1][-1]
    assert [end[-1] for end in (ends[0], ends[2])] == [(), ()]


@pytest.mark.parametrize(
    "change",
    [
        lambda item: replace(item, chain_id=1),
        lambda item: replace(item, s=(1 << 255)),
        lambda item: replace(item, gas_limit=20_999),
        lambda item: replace(item, gas_limit=(1 << 24) + 1),
        lambda item: replace(item, max_priority_fee_per_gas=item.max_fee_per_gas + 1),
        lambda item: replace(item, nonce=(1 << 64) - 1),
        lambda item: replace(item, data=b"\1" * 24_600),
        lambda item: replace(item, type=TransactionType.SET_CODE),
        lambda item: replace(item, type=TransactionType.BLOB),
    ],
)
def test_what_static_checks_refuse_is_refused_behind_those_before(
    change: Callable[[Transaction], Transaction],
) -> None:
    first = sent()["transfer"]
    nonces = {SENDER: MemoryAccount(nonce=(1 << 64) - 1, balance=10**30)}
    wrong = change(replace(first, nonce=1))
    world_of = nonces if wrong.nonce > 1 else {}
    state = BlockState(MemoryReader({**world(), **world_of}))
    transactions = [wrong] if world_of else [first, wrong]
    environment = environment_of(engine=Engine.NATIVE)
    executor = Executor(environment, state)
    done = executor.apply_plain(transactions, (None,) * len(transactions), GAS)
    assert len(done) == len(transactions) - 1
    with pytest.raises(TransactionError):
        executor.apply(wrong, GAS, 10**6)


def test_a_signature_of_nobody_ends_the_call() -> None:
    first = sent()["transfer"]
    unsigned = Transaction(
        type=TransactionType.DYNAMIC_FEE, chain_id=31337, max_fee_per_gas=10**10, gas_limit=21_000, to=FACTORY, r=0, s=0
    )
    with pytest.raises(InvalidSignatureError):
        _ = unsigned.sender
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    assert len(executor.apply_plain([first, unsigned, first], (None,) * 3, GAS)) == 1


def test_a_fault_of_the_state_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise NodeFaultError("no medium")

    first = sent()["transfer"]
    second = replace(sent()["call with a refund and a log"], nonce=1)
    monkeypatch.setattr(MemoryReader, "storage", fail)
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    with pytest.raises(NodeFaultError, match="no medium") as caught:
        executor.apply_plain([first, second], (None,) * 2, GAS)
    assert caught.value.__notes__ == [f"in transaction 0x{second.hash.hex()} of block 1"]


def test_py_evm_and_who_asks_what_is_read_run_none() -> None:
    first = sent()["transfer"]
    before = choice.messages["native"]
    slowly = Executor(environment_of(engine=Engine.PY_EVM), state_of())
    witness = Executor(environment_of(engine=Engine.NATIVE), state_of(), shortcuts=False)
    watched = Executor(environment_of(engine=Engine.NATIVE, watcher=lambda _: QuietTracer()), state_of())
    for executor in (slowly, witness, watched):
        assert not executor.runs_plain
        assert executor.apply_plain([first], [None], GAS) == []
    assert choice.messages["native"] == before
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    assert len(executor.apply_plain([first], [None], GAS)) == 1
    assert choice.messages["native"] == before + 1


def first_with(**changes: object) -> Callable[[BlockState, list[Any]], None]:
    """Another first end."""
    names = ("status", "output", "detail", "gas_used", "price", "logs")

    def alter(_: BlockState, ends: list[Any]) -> None:
        ends[0] = tuple((dict(zip(names, ends[0], strict=True)) | changes).values())

    return alter


def one_more(state: BlockState, _: list[Any]) -> None:
    state.add_balance(Address(CONTRACT), 1)


def another_slot(state: BlockState, _: list[Any]) -> None:
    state.set_storage(Address(CONTRACT), 77, 1)


FAULTS: dict[str, Callable[[BlockState, list[Any]], None]] = {
    "gas": first_with(gas_used=21_001),
    "price": first_with(price=1),
    "output": first_with(output=b"\0"),
    "status": first_with(status=1, detail=None),
    "logs": first_with(logs=[(bytes(20), (), b"")]),
    "accounts": one_more,
    "slots": another_slot,
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_check_mode_finds_a_fault_of_a_call_for_many(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = CORE.library
    run = library.run_plain_block

    def wrong(*arguments: Any) -> None:
        run(*arguments)
        FAULTS[name](arguments[0], arguments[-1])

    monkeypatch.setattr(library, "run_plain_block", wrong)
    first = sent()["transfer"]
    transactions = [first, replace(sent()["call with a refund and a log"], nonce=1)]
    state = state_of()
    executor = Executor(environment_of(engine=Engine.CHECK), state)
    with pytest.raises(EngineDifferenceError, match="do not agree on plain transactions"):
        executor.apply_plain(transactions, (None, None), GAS)
    assert state.diff() == StateDiff()
    monkeypatch.undo()
    assert len(executor.apply_plain(transactions, (None, None), GAS)) == 2


def test_the_check_mode_finds_that_a_call_takes_what_may_not_be_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = CORE.library

    def twice(*arguments: Any) -> None:
        run(*arguments)
        arguments[-1].append(arguments[-1][0])

    run = library.run_plain_block
    monkeypatch.setattr(library, "run_plain_block", twice)
    executor = Executor(environment_of(engine=Engine.CHECK), state_of())
    with pytest.raises(EngineDifferenceError, match="may not be in the block: nonce too low"):
        executor.apply_plain([sent()["transfer"]] * 2, (None, None), GAS)
