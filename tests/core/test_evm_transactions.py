"""Whole transactions on the core against chain/vm/transition.py: every fork and kind, and faults that are planted."""

from collections import Counter
from collections.abc import Iterable

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import COINBASE, CONTRACT, ETHER, GWEI, SENDER, assemble, deploying, environment_of
from tests.chain.vm.test_executor import AUTHORITY, authorize
from tests.core.support import needs_core
from zevm.chain.calls.recording import LogRecorder
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry
from zevm.chain.vm import transition
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.execution_state import StateObserver
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.gas_needs import gas_needs
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.storage.account import Account, StateDiff
from zevm.storage.primitives import Address

pytestmark = needs_core

A, B = Address(SENDER), Address(CONTRACT)
CALLER, DYING, EMPTY, DELEGATED = (Address(bytes((digit,)) * 20) for digit in (0x44, 0x55, 0x66, 0x77))
CLEARING = assemble("0 1 SSTORE 9 2 SSTORE 5 0 MSTORE 77 32 0 LOG1 32 0 RETURN")
FAILING = assemble(f"1 0 0 LOG1 0 0 0 0 0 0x{CONTRACT.hex()} GAS CALL 0 0 REVERT")
TAKEN = contract_address(B, 0)


def accounts() -> dict[Address, MemoryAccount]:
    """The world of each transaction here."""
    return {
        A: MemoryAccount(balance=1_000 * ETHER),
        B: MemoryAccount(balance=1_000 * ETHER, code=CLEARING, storage={1: 7}),
        CALLER: MemoryAccount(nonce=1, code=FAILING),
        DYING: MemoryAccount(nonce=1, balance=9, code=assemble(f"0x{EMPTY.hex()} SELFDESTRUCT"), storage={3: 4}),
        EMPTY: MemoryAccount(),
        DELEGATED: MemoryAccount(nonce=1, code=b"\xef\x01\x00" + CONTRACT),
        TAKEN: MemoryAccount(storage={0: 1}),
        AUTHORITY: MemoryAccount(balance=1),
    }


PAID = CallRequest(sender=A, to=B, gas_limit=500_000, max_fee_per_gas=3 * GWEI, max_priority_fee_per_gas=GWEI, value=2)
FREE = PAID._replace(max_fee_per_gas=0, max_priority_fee_per_gas=0)
LIST = (AccessListEntry(B, (bytes(31) + b"\1", bytes(32))), AccessListEntry(EMPTY))
AUTHORIZATIONS = (
    authorize(B),
    authorize(CALLER, nonce=5),
    authorize(CALLER, nonce=1, chain_id=1),
    authorize(DYING, nonce=1),
    authorize(bytes(20), nonce=2),
    authorize(B, nonce=3),
)
KINDS: dict[str, tuple[Fork, CallRequest]] = {
    "transfer": (Fork.FRONTIER, PAID._replace(to=Address(b"\x88" * 20))),
    "to an empty account": (Fork.FRONTIER, PAID._replace(to=EMPTY, value=0)),
    "to the sender": (Fork.FRONTIER, PAID._replace(to=A)),
    "call with a refund and a log": (Fork.FRONTIER, PAID),
    "call for nothing": (Fork.FRONTIER, FREE),
    "call that fails": (Fork.BYZANTIUM, PAID._replace(to=CALLER)),
    "call without enough gas": (Fork.FRONTIER, PAID._replace(gas_limit=25_000)),
    "precompile": (Fork.FRONTIER, PAID._replace(to=Address(bytes(19) + b"\4"), data=b"abc")),
    "self-destruction": (Fork.FRONTIER, PAID._replace(to=DYING)),
    "creation": (Fork.FRONTIER, PAID._replace(to=None, data=deploying(CLEARING))),
    "creation that dies": (Fork.FRONTIER, PAID._replace(to=None, data=assemble(f"0x{EMPTY.hex()} SELFDESTRUCT"))),
    "creation without success": (Fork.FRONTIER, PAID._replace(to=None, data=b"\xfe")),
    "creation at a taken address": (Fork.FRONTIER, PAID._replace(sender=B, to=None, data=deploying(CLEARING))),
    "access list": (Fork.BERLIN, PAID._replace(access_list=LIST)),
    "blobs": (Fork.CANCUN, PAID._replace(blob_versioned_hashes=(b"\1" * 32,), max_fee_per_blob_gas=7)),
    "delegated": (Fork.PRAGUE, PAID._replace(to=DELEGATED)),
    "authorizations": (Fork.PRAGUE, PAID._replace(to=AUTHORITY, authorization_list=AUTHORIZATIONS)),
    "much data": (Fork.PRAGUE, PAID._replace(to=EMPTY, data=b"\1" * 5_000)),
}


def run_on(engine: Engine, fork: Fork, request: CallRequest, coinbase: bytes = COINBASE) -> tuple[Outcome, StateDiff]:
    """The outcome, and the state's change, of the request twice: what is left over meets a second transaction."""
    state = BlockState(MemoryReader(accounts()))
    environment = environment_of(fork, engine=engine, coinbase=Address(coinbase))
    Executor(environment, state).call(request)
    return Executor(environment, state).call(request), state.diff()


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_transaction_ends_alike_on_both_engines(kind: str) -> None:
    first, request = KINDS[kind]
    for fork in Fork:
        if fork < first:
            continue
        for coinbase in (COINBASE, EMPTY, SENDER):
            before = Counter(choice.messages)
            native = run_on(Engine.NATIVE, fork, request, coinbase)
            assert Counter(choice.messages) - before == {"native": 2}
            assert native == run_on(Engine.PY_EVM, fork, request, coinbase)
            assert native == run_on(Engine.CHECK, fork, request, coinbase)


def test_what_the_kinds_are_meant_to_reach_is_reached() -> None:
    def outcome(kind: str, fork: Fork = Fork.OSAKA) -> Outcome:
        return run_on(Engine.NATIVE, fork, KINDS[kind][1])[0]

    def changes(kind: str, fork: Fork) -> StateDiff:
        return run_on(Engine.NATIVE, fork, KINDS[kind][1])[1]

    assert outcome("creation").contract_address == contract_address(A, 1)
    assert str(outcome("call without enough gas").error).count("OUT_OF_GAS")
    assert outcome("call with a refund and a log").logs
    assert DYING in changes("self-destruction", Fork.SHANGHAI).wiped
    assert changes("to an empty account", Fork.OSAKA).accounts[EMPTY] is None
    assert AUTHORITY in changes("authorizations", Fork.OSAKA).accounts
    much = KINDS["much data"][1]
    assert outcome("much data").gas_used == gas_needs(much, environment_of().rules).floor


@pytest.mark.parametrize(
    ("constant", "kind"),
    [
        ("AUTHORIZATION_REFUND", "authorizations"),
        ("REFUND_QUOTIENT_LONDON", "call with a refund and a log"),
        ("DELEGATION_PREFIX", "authorizations"),
    ],
)
def test_a_planted_fault_around_the_message_is_found(constant: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: object = b"\xef\x01\x01" if constant == "DELEGATION_PREFIX" else 1_000
    monkeypatch.setattr(transition, constant, wrong)
    state = BlockState(MemoryReader(accounts()))
    executor = Executor(environment_of(engine=Engine.CHECK), state)
    with pytest.raises(EngineDifferenceError, match="do not agree on a transaction"):
        executor.call(KINDS[kind][1])
    assert state.diff() == StateDiff()


def test_logs_are_numbered_with_those_of_failed_frames() -> None:
    source = f"0 0 0 0 0 0x{CALLER.hex()} GAS CALL POP 8 0 0 LOG1 0 0 0 0 0 0x{CONTRACT.hex()} GAS CALL POP"
    caller = Address(b"\x99" * 20)
    numbers = []
    for engine in (Engine.NATIVE, Engine.CHECK, Engine.PY_EVM):
        recorder = LogRecorder(shows_transfers=False)
        state = BlockState(MemoryReader(accounts() | {caller: MemoryAccount(code=assemble(source))}), recorder)
        executor = Executor(environment_of(engine=engine), state)
        for nonce in (0, 1):
            before = Counter(choice.messages)
            outcome = executor.simulate(FREE._replace(to=caller, value=0), nonce, validate=False)
            assert (Counter(choice.messages) - before == {"native": 1}) is (engine is Engine.NATIVE)
            numbers.append([recorder.numbers[place] for place in range(len(outcome.logs))])
    # the failed frame's log, and the one that it called, come first
    assert numbers == [[2, 3], [6, 7]] * 3


NAMING = f"""7 SLOAD POP 0x{EMPTY.hex()} BALANCE POP 0 0 0 0 0 0x{CALLER.hex()} GAS CALL POP
0 0 0 0 0x{DELEGATED.hex()} 9000 STATICCALL POP 0 0 0 CREATE POP 1 3 SSTORE 0x{DYING.hex()} SELFDESTRUCT"""
NAMER = Address(b"\x99" * 20)


class Named(StateObserver):
    """What it hears of accesses, in an order of its own."""

    hears_live = False
    hears_accesses = True

    def __init__(self) -> None:
        self.heard: set[object] = set()

    def on_address_access(self, address: Address) -> None:
        self.heard.add(address)

    def on_slot_access(self, address: Address, slot: int) -> None:
        self.heard.add((address, slot))

    def on_accesses(self, addresses: Iterable[Address], slots: Iterable[tuple[Address, int]]) -> None:
        self.heard |= {*addresses, *slots}


def naming_on(engine: Engine, request: CallRequest) -> set[object]:
    """What a transaction names."""
    named = Named()
    state = BlockState(MemoryReader(accounts() | {NAMER: MemoryAccount(nonce=1, code=assemble(NAMING))}), named)
    Executor(environment_of(engine=engine), state).call(request)
    return named.heard


@pytest.mark.parametrize("gas_limit", [500_000, 60_000, 30_000, 24_000])
def test_accesses_are_heard_of_in_failed_frames_too(gas_limit: int) -> None:
    request = PAID._replace(to=NAMER, gas_limit=gas_limit, authorization_list=(authorize(B, nonce=9),))
    if gas_limit < 50_000:
        request = request._replace(authorization_list=None)
    before = Counter(choice.messages)
    native = naming_on(Engine.NATIVE, request)
    assert Counter(choice.messages) - before == {"native": 1}
    assert native == naming_on(Engine.PY_EVM, request) == naming_on(Engine.CHECK, request)
    if gas_limit == 500_000:
        # the delegate, and the contract that the message creates, are named by nobody
        assert native == {EMPTY, CALLER, B, DELEGATED, DYING, AUTHORITY, (NAMER, 7), (NAMER, 3), (B, 1), (B, 2)}


def test_an_access_that_one_engine_alone_sees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockState, "warm_address", BlockState.warm_unnamed)
    with pytest.raises(EngineDifferenceError, match=f"access to 0x{EMPTY.hex()} by native alone"):
        naming_on(Engine.CHECK, PAID._replace(to=NAMER))


def test_a_fault_of_the_store_goes_through_and_leaves_nothing() -> None:
    class Failing(MemoryReader):
        def account(self, address: Address) -> Account | None:
            if address == EMPTY:
                raise OSError("a sector is bad")
            return super().account(address)

    for engine in Engine:
        state = BlockState(Failing(accounts()))
        executor = Executor(environment_of(Fork.SHANGHAI, engine=engine), state)
        with pytest.raises(OSError, match="a sector is bad"):
            executor.call(KINDS["self-destruction"][1])
        assert engine is Engine.PY_EVM or state.diff() == StateDiff()


def test_a_transaction_can_be_undone_once_it_is_in_the_state() -> None:
    state = BlockState(MemoryReader(accounts()))
    executor = Executor(environment_of(Fork.SHANGHAI, engine=Engine.NATIVE), state)
    checkpoint = state.record()
    executor.call(KINDS["self-destruction"][1])
    executor.call(KINDS["call with a refund and a log"][1])
    state.discard(checkpoint)
    assert state.diff() == StateDiff()
    assert (state.get_storage(DYING, 3), state.get_storage(B, 1)) == (4, 7)
