"""Calls of a simulated block in one call of the core: their ends are those of one after another in Python."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import CONTRACT, ETHER, GWEI, SENDER, environment_of
from tests.core.support import agree, needs_core
from tests.core.test_evm_plain import sent, world
from tests.core.test_evm_plain_blocks import FACTORY, FACTORY_CODE
from zevm.chain.calls.recording import LogRecorder
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry, Log, Receipt, TransactionType, logs_bloom
from zevm.chain.types.receipt import EncodedReceipt, root_and_bloom
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.simulated_calls import (
    CallResult,
    SimulatedCall,
    SimulatedEnd,
    SimulatedTransaction,
    make_transaction,
    plain_end,
)
from zevm.core import CORE
from zevm.storage.account import StateDiff
from zevm.storage.primitives import Address, Hash32

pytestmark = needs_core

GAS = 60_000_000
BUDGET = 40_000_000
Refusal = tuple[object, str]
FOREIGN = {"another nonce", "no funds", "fee below", "over the block", "overflow", "sender with code"}


def state_of() -> BlockState:
    return BlockState(MemoryReader({**world(), FACTORY: MemoryAccount(nonce=1, code=FACTORY_CODE)}))


def calls() -> dict[str, SimulatedCall]:
    """Calls of no fees that may begin, and those that create or have lists."""
    made = {
        kind: SimulatedCall(
            item.sender,
            item.to,
            item.value,
            item.data,
            gas_limit=item.gas_limit,
            access_list=item.access_list,
            authorization_list=item.authorization_list or None,
        )
        for kind, item in sent().items()
        if kind not in FOREIGN and not item.blob_versioned_hashes
    }
    first = made["transfer"]
    return made | {
        "all gas": first._replace(gas_limit=None),
        "legacy": first._replace(type=TransactionType.LEGACY),
        "own nonce": first._replace(nonce=77),
        "fees": first._replace(max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI),
        "gas price": first._replace(max_fee_per_gas=GWEI, max_priority_fee_per_gas=GWEI, type=TransactionType.LEGACY),
        "of nobody": first._replace(sender=Address(bytes(20)), value=0),
    }


def refused() -> dict[str, SimulatedCall]:
    first = calls()["fees"]
    return {
        "no funds": first._replace(value=1_000_000 * ETHER),
        "no funds for gas": first._replace(max_fee_per_gas=1 << 200),
        "more than there is": first._replace(max_fee_per_gas=(1 << 256) - 1),
        "fee below": first._replace(max_fee_per_gas=GWEI - 1, max_priority_fee_per_gas=0),
        "tip above": first._replace(max_priority_fee_per_gas=11 * GWEI),
        "little gas": first._replace(gas_limit=20_999),
        "little gas for its data": first._replace(data=b"\1" * 500, gas_limit=40_000),
    }


def one_by_one(
    executor: Executor, wanted: Sequence[SimulatedCall], *, validate: bool, shows: bool = False, in_series: bool = False
) -> list[SimulatedEnd | Refusal]:
    """The ends and refusals, each call by itself; `in_series` as many as the core runs in a call."""
    ends: list[SimulatedEnd | Refusal] = []
    gas_used = 0
    while len(ends) < len(wanted):
        call, gas_left, budget = wanted[len(ends)], GAS - gas_used, BUDGET - gas_used
        rest = wanted[len(ends) :]
        if in_series:
            again = partial(in_turn, executor, rest, gas_used, validate=validate, shows=shows)
            done = executor.simulate_plain(rest, gas_left, budget, again, validate=validate, shows_transfers=shows)
            ends += done
            gas_used += sum([end.result.gas_used for end in done])
            PLACES.update(range(len(ends) - len(done), len(ends)))
            if done:
                continue
        try:
            ends += in_turn(executor, [call], gas_used, 1, validate=validate, shows=shows)
        except TransactionError as error:
            ends.append((error.reason, error.message))
            continue
        gas_used = GAS - gas_left + ends[-1].result.gas_used  # type: ignore[union-attr]
    return ends


PLACES: Counter[int] = Counter()
NO_LOG = Log(Address(bytes(20)), (), b"")
NO_RECEIPT = EncodedReceipt(b"", bytes(256), ())


def in_turn(
    executor: Executor,
    wanted: Sequence[SimulatedCall],
    gas_used: int,
    count: int,
    *,
    validate: bool,
    shows: bool = False,
) -> list[SimulatedEnd]:
    state, ends = executor.state, []
    for call in wanted[:count]:
        recorder = LogRecorder(shows_transfers=shows)
        state.observe(recorder)
        asked = GAS - gas_used if call.gas_limit is None else call.gas_limit
        gas_limit = min(asked, BUDGET - gas_used)
        nonce = state.get_nonce(call.sender) if call.nonce is None else call.nonce
        outcome = executor.simulate(call.request(gas_limit), nonce, validate=validate)
        gas_used += outcome.gas_used
        ordinals = tuple([recorder.numbers[place] for place in range(len(outcome.logs))])
        transaction = make_transaction(call, gas_limit, nonce, executor.environment)
        is_capped = gas_limit < asked
        end = plain_end(
            transaction,
            outcome,
            ordinals,
            recorder.made,
            gas_used,
            transfers=recorder.transfers,
            gas_capped=is_capped,
        )
        ends.append(end)
    state.observe(None)
    return ends


@pytest.mark.parametrize("fork", [Fork.LONDON, Fork.SHANGHAI, Fork.PRAGUE, Fork.OSAKA])
def test_calls_in_series_end_as_one_by_one(fork: Fork) -> None:
    everything = calls() | refused()
    ran: Counter[str] = Counter()
    shown = 0
    for seed in range(16):
        chance = random.Random(seed)
        usual = ["transfer", "call with a refund and a log", "call that fails", "fees", "legacy", "all gas"]
        kinds = [chance.choice(usual if chance.random() < 0.6 else sorted(everything)) for _ in range(14)]
        wanted = [everything[kind] for kind in kinds]
        how = {"validate": seed % 3 == 0, "shows": seed % 2 == 1}
        slowly, at_once = state_of(), state_of()
        ends = one_by_one(Executor(environment_of(fork, engine=Engine.PY_EVM), slowly), wanted, **how)
        shown += sum([len(end.receipt.logs) < len(end.logs) for end in ends if isinstance(end, SimulatedEnd)])
        PLACES.clear()
        executor = Executor(environment_of(fork, engine=Engine.NATIVE), at_once)
        assert one_by_one(executor, wanted, **how, in_series=True) == ends, kinds
        assert at_once.diff() == slowly.diff(), kinds
        ran.update(kinds[place] for place in PLACES)
        if seed < 4:
            on_both = state_of()
            executor = Executor(environment_of(fork, engine=Engine.CHECK), on_both)
            assert one_by_one(executor, wanted, **how, in_series=True) == ends
            assert on_both.diff() == slowly.diff()
    # there is a floor for data since Prague
    assert not ({*ran} & {*refused()}) - {"little gas for its data"}
    assert {"transfer", "call with a refund and a log", "fees", "legacy"} <= {*ran}
    assert shown > 10


def test_which_calls_go_in_one_call_of_the_core() -> None:
    taken = set()
    for kind, call in (calls() | refused()).items():
        executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
        if executor.simulate_plain([call], GAS, BUDGET, lambda _: [], validate=False):
            taken.add(kind)
    creations = {kind for kind, call in calls().items() if call.to is None}
    listed = {kind for kind, call in calls().items() if call.access_list or call.authorization_list is not None}
    assert taken == calls().keys() - creations - listed
    assert creations
    assert listed


def test_sixty_calls_go_in_one_and_each_stands_on_those_before() -> None:
    call = calls()["call with a refund and a log"]
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    ends = executor.simulate_plain([call] * 60, GAS, BUDGET, lambda _: [], validate=False)
    assert len(ends) == 60
    assert [end.nonce for end in ends] == list(range(ends[0].nonce, ends[0].nonce + 60))
    assert len({end.hash for end in ends}) == 60


def test_a_call_that_would_go_over_the_block_or_the_budget_is_left() -> None:
    call = calls()["transfer"]._replace(gas_limit=30_000)
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    # the third one has 21,000 of the 30,000 left
    assert len(executor.simulate_plain([call] * 4, 63_000, BUDGET, lambda _: [], validate=False)) == 2
    ends = executor.simulate_plain([call] * 4, GAS, 63_000, lambda _: [], validate=False)
    assert [(end.gas_limit, end.result.gas_capped) for end in ends] == [
        (30_000, False),
        (30_000, False),
        (21_000, True),
    ]


def test_a_block_whose_observer_hears_more_and_py_evm_run_none() -> None:
    call = calls()["transfer"]
    shown = BlockState(MemoryReader(world()), LogRecorder(shows_transfers=True))
    for executor in (
        Executor(environment_of(engine=Engine.NATIVE), shown),
        Executor(environment_of(engine=Engine.PY_EVM), state_of()),
        Executor(environment_of(engine=Engine.NATIVE), state_of(), moved_precompiles={Address(CONTRACT): None}),
    ):
        assert executor.simulate_plain([call], GAS, BUDGET, lambda _: [], validate=False) == []


def test_the_transaction_of_a_plain_call_is_the_one_that_its_fields_make() -> None:
    environment = environment_of(engine=Engine.NATIVE)
    for kind in ("transfer", "legacy", "fees", "gas price", "own nonce"):
        call = calls()[kind]
        (end,) = Executor(environment, state_of()).simulate_plain([call], GAS, BUDGET, lambda _: [], validate=False)
        found = SimulatedTransaction.plain(call, end, environment.rules.chain_id)
        wanted = make_transaction(call, end.gas_limit, end.nonce, environment)
        assert (found.encoded, found.hash) == (wanted.encoded, wanted.hash)
        assert found == wanted
        assert found.sender == wanted.sender
        assert replace(found, nonce=1) == replace(wanted, nonce=1)


def with_second(place: int, value: object) -> Callable[[BlockState, list[Any]], None]:
    """Another second end, which has logs."""

    def alter(_: BlockState, ends: list[Any]) -> None:
        ends[1] = (*ends[1][:place], value, *ends[1][place + 1 :])

    return alter


def with_first(name: str, value: object) -> Callable[[BlockState, list[Any]], None]:
    """Another first end, which the core has finished."""

    def alter(_: BlockState, ends: list[Any]) -> None:
        ends[0] = ends[0]._replace(**{name: value})

    return alter


NAMES = (
    "status",
    "output",
    "detail",
    "gas used",
    "gas before refunds",
    "capped",
    "logs",
    "transfers",
    "ordinals",
    "logs made",
    "gas limit",
    "nonce",
    "transaction",
    "hash",
    "receipt",
    "bloom",
)
WRONG = (1, b"\0", None, 21_001, 1, True, [(bytes(20), (), b"")], [0], [3], 9, 1, 5, b"", bytes(32), b"", bytes(256))
ANOTHER = SimulatedEnd(
    CallResult(1, 1, b"\0", VmError(VmErrorKind.REVERT, ""), (), True),
    (NO_LOG,),
    (1,),
    9,
    1,
    1,
    b"",
    Hash32(b""),
    NO_RECEIPT,
)
FAULTS: dict[str, Callable[[BlockState, list[Any]], None]] = {
    "state": lambda state, _: state.add_balance(SENDER, 1),
    # the detail tells of errors alone
    **{name: with_second(place, WRONG[place]) for place, name in enumerate(NAMES) if name != "detail"},
    **{f"{name} without logs": with_first(name, value) for name, value in ANOTHER._asdict().items()},
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_check_mode_finds_a_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = CORE.library
    run = library.run_simulated

    def wrong(*arguments: Any) -> None:
        run(*arguments)
        FAULTS[name](arguments[0], arguments[-1])

    monkeypatch.setattr(library, "run_simulated", wrong)
    state = state_of()
    executor = Executor(environment_of(engine=Engine.CHECK), state)
    wanted = [calls()["transfer"], calls()["call with a refund and a log"]]

    again = partial(in_turn, executor, wanted, 0, validate=False)
    with pytest.raises(EngineDifferenceError, match="do not agree"):
        executor.simulate_plain(wanted, GAS, BUDGET, again, validate=False)
    assert state.diff() == StateDiff()
    monkeypatch.undo()
    assert len(executor.simulate_plain(wanted, GAS, BUDGET, again, validate=False)) == 2


def test_encoded_receipts_have_the_root_and_the_bloom_of_receipts() -> None:
    log = Log(Address(CONTRACT), (b"\1" * 32,), b"data")
    receipts: list[Receipt] = [
        Receipt(kind, number % 2, 21_000 * number, (log,) * number, logs_bloom((log,) * number), SENDER, 21_000, 0)
        for number in range(5)
        for kind in (0, 2)
    ]
    encoded = [EncodedReceipt(item.encode(), item.bloom, item.logs) for item in receipts]
    mixed = [*receipts[:3], *encoded[3:]]
    assert agree("receipts_summary", mixed) == agree("receipts_summary", encoded) == root_and_bloom(receipts)
    assert agree("receipts_summary", [EncodedReceipt(b"", bytes(3), ())]) is not None


def test_a_list_of_slots_is_none_that_the_core_knows() -> None:
    entry = AccessListEntry(Address(CONTRACT), (bytes(32),))
    call = calls()["transfer"]._replace(access_list=(entry,), gas_limit=100_000)
    executor = Executor(environment_of(engine=Engine.NATIVE), state_of())
    assert executor.simulate_plain([call], GAS, BUDGET, lambda _: [], validate=False) == []
