"""Calls off the chain, straight over a reader, against the same on a state: forks, kinds, and random programs."""

from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from tests.chain.vm.support import CONTRACT, ETHER, SENDER, assemble, environment_of, returning
from tests.core.support import needs_core
from tests.core.test_evm_transactions import KINDS, accounts
from verification.differential.programs import program_of
from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.call import call
from zevm.chain.calls.overrides import CallOverrides, StateOverride
from zevm.chain.concurrency.deadline import (
    BriefDeadline,
    Cancellation,
    Deadline,
    ExecutionTimeoutError,
    NotBriefError,
)
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import off_chain
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.storage.account import EMPTY_ROOT, Account, encode_account
from zevm.storage.keccak import keccak256
from zevm.storage.leveldb import LevelStore
from zevm.storage.memory import MemoryStore
from zevm.storage.primitives import Address, Hash32, Wei
from zevm.storage.schema import account_key, slot_key
from zevm.storage.state_readers import LatestReader
from zevm.storage.store import Batch

pytestmark = needs_core

PROGRAMS = 300
LOOP = bytes.fromhex("5b600056")


def free(request: CallRequest) -> CallRequest:
    """The same for nothing."""
    return request._replace(max_fee_per_gas=0, max_priority_fee_per_gas=0, max_fee_per_blob_gas=0)


def on_a_state(environment: BlockEnvironment, reader: MemoryReader, request: CallRequest) -> Outcome | str:
    """The outcome of the call in Python on a state of its own, or why it may not begin."""
    try:
        return Executor(environment, BlockState(reader)).call(request)
    except TransactionError as error:
        return error.message


def off_the_chain(environment: BlockEnvironment, reader: MemoryReader, request: CallRequest) -> Outcome | str | None:
    """The same straight over the reader."""
    try:
        return off_chain.run(environment, reader, request, None)
    except TransactionError as error:
        return error.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_ends_as_it_does_on_a_state(kind: str) -> None:
    first, request = KINDS[kind]
    request = free(request)
    for fork in Fork:
        if fork < first:
            continue
        wanted = on_a_state(environment_of(fork, engine=Engine.PY_EVM), MemoryReader(accounts()), request)
        before = Counter(choice.messages)
        found = off_the_chain(environment_of(fork, engine=Engine.NATIVE), MemoryReader(accounts()), request)
        is_taken = request.to is not None and kind not in ("blobs", "authorizations")
        assert found == (wanted if is_taken else None)
        assert Counter(choice.messages) - before == Counter({"native": 1} if is_taken else {})


@pytest.mark.lengthy
def test_random_programs_end_as_they_do_on_a_state() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(PROGRAMS):
        program = program_of(seed)
        request = free(program.request)
        there = environment_of(program.fork, engine=Engine.PY_EVM, number=300)
        here = environment_of(program.fork, engine=Engine.NATIVE, number=300)
        found = off_the_chain(here, program.state, request)
        if found is None:
            kinds["not taken"] += 1
            continue
        assert found == on_a_state(there, program_of(seed).state, request), seed
        kinds["refused" if isinstance(found, str) else "failed" if found.error else "succeeded"] += 1
    assert min(kinds["succeeded"], kinds["failed"]) > PROGRAMS // 10


def test_a_message_that_may_not_begin_is_refused_in_the_same_words() -> None:
    poor = CallRequest(sender=Address(b"\x99" * 20), to=Address(CONTRACT), gas_limit=100_000, value=1)
    for request in (
        poor,
        poor._replace(value=0, gas_limit=20_999),
        poor._replace(value=0, data=b"\1" * 3_000, gas_limit=70_000),
    ):
        wanted = on_a_state(environment_of(engine=Engine.PY_EVM), MemoryReader(accounts()), request)
        assert isinstance(wanted, str)
        assert off_the_chain(environment_of(engine=Engine.NATIVE), MemoryReader(accounts()), request) == wanted


def test_precompiles_of_python_ancestors_and_the_console_answer() -> None:
    line = f"0x{keccak256(b'log(uint256)')[:4].hex()} 224 SHL 0 MSTORE 42 4 MSTORE"
    printing = f"{line} 0 0 36 0 0x{CONSOLE_ADDRESS.hex()} GAS STATICCALL"
    recovering = "32 64 128 0 1 GAS STATICCALL"
    code = returning(f"{printing} {recovering} ADD 299 BLOCKHASH ADD")
    reader = MemoryReader({Address(SENDER): MemoryAccount(balance=ETHER), Address(CONTRACT): MemoryAccount(code=code)})
    request = CallRequest(sender=Address(SENDER), to=Address(CONTRACT), gas_limit=1_000_000)
    changes = {"number": 300, "block_hash": lambda number: Hash32(number.to_bytes(32, "big"))}
    found = off_the_chain(environment_of(engine=Engine.NATIVE, **changes), reader, request)
    assert isinstance(found, Outcome)
    assert (int.from_bytes(found.output, "big"), found.console) == (2 + 299, ["42"])
    assert found == on_a_state(environment_of(engine=Engine.PY_EVM, **changes), reader, request)


def test_nobody_is_paid_and_code_that_is_known_is_not_read_again() -> None:
    code = returning("1 SLOAD")
    reader = MemoryReader({Address(CONTRACT): MemoryAccount(code=code, storage={1: 5})})
    request = CallRequest(sender=Address(SENDER), to=Address(CONTRACT), gas_limit=1_000_000)
    first = off_the_chain(environment_of(engine=Engine.NATIVE), reader, request)
    assert reader.touched == {SENDER, CONTRACT}
    reader.codes.clear()
    assert first is not None
    assert off_the_chain(environment_of(engine=Engine.NATIVE), reader, request) == first


VALUES = {0: 1, 1: (1 << 256) - 1, 2: 0x100, 1 << 255: 7}
ABSENT = (3, (1 << 256) - 1)
STORED, BARE = Address(b"\x9c" * 20), Address(b"\x9d" * 20)
SLOTS = (*VALUES, *ABSENT)
LOADING = assemble(
    " ".join(f"{slot} SLOAD {32 * place} MSTORE" for place, slot in enumerate(SLOTS)) + f" {32 * len(SLOTS)} 0 RETURN"
)


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_slots_come_out_of_the_newest_states_records(
    is_on_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Batch()
    for address, root in ((STORED, Hash32(b"\x01" * 32)), (BARE, EMPTY_ROOT)):
        batch.put(account_key(address), encode_account(Account(1, Wei(0), root, Hash32(keccak256(LOADING)))))
    for slot, value in VALUES.items():
        batch.put(slot_key(STORED, slot), value.to_bytes((value.bit_length() + 7) // 8, "big"))
    with closing(LevelStore(tmp_path) if is_on_disk else MemoryStore()) as store:
        store.write(batch)
        reader = LatestReader(store.snapshot(), EMPTY_ROOT, lambda _: LOADING)
        wanted = {STORED: list(VALUES.values()) + [0] * len(ABSENT), BARE: [0] * len(SLOTS)}
        for address, values in wanted.items():
            request = CallRequest(sender=Address(SENDER), to=address, gas_limit=1_000_000)
            reference = Executor(environment_of(engine=Engine.PY_EVM), BlockState(reader)).call(request)
            with monkeypatch.context() as patch:
                patch.setattr(LatestReader, "storage", None)
                found = off_chain.run(environment_of(engine=Engine.NATIVE), reader, request, None)
            assert found == reference
            assert found is not None
            assert [int.from_bytes(found.output[at : at + 32], "big") for at in range(0, 32 * len(SLOTS), 32)] == values


def test_a_contract_for_another_machine_is_refused_once() -> None:
    code = b"\0asm\1\0\0\0"
    there = Address(b"\xa5" * 20)
    reader = MemoryReader({there: MemoryAccount(code=code)})
    request = CallRequest(sender=Address(SENDER), to=there, gas_limit=1_000_000)
    environment = environment_of(engine=Engine.NATIVE, wasm_machine=_Machine())
    assert off_the_chain(environment, reader, request) is None
    reads = reader.reads
    assert off_the_chain(environment, reader, request) is None
    assert reader.reads == reads > 0


def test_a_contract_that_was_refused_is_asked_again_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router may forward one call in a thousand to what the core has not."""
    monkeypatch.setattr(off_chain, "MOST_PASSED", 4)
    there = Address(b"\xa4" * 20)
    refusing = MemoryReader({there: MemoryAccount(code=b"\0asm\1\0\0\0")})
    answering = MemoryReader({there: MemoryAccount(code=returning("5"))})
    request = CallRequest(sender=Address(SENDER), to=there, gas_limit=1_000_000)
    environment = environment_of(engine=Engine.NATIVE, wasm_machine=_Machine())
    reads = []
    for _ in range(22):
        assert off_the_chain(environment, refusing, request) is None
        reads.append(refusing.reads)
    asked = [index for index, (before, after) in enumerate(pairwise([0, *reads])) if after > before]
    assert asked == [0, 2, 5, 10, 15, 20]
    found = [off_the_chain(environment, answering, request) for _ in range(6)]
    assert [outcome is None for outcome in found] == [True] * 3 + [False] * 3


class _Machine:
    """A machine whose code the core is not to run."""

    def __init__(self) -> None:
        self.precompiles: dict[Address, object] = {}

    def runs_in_core(self, _: object) -> bool:
        return False

    def lend(self, *_: object) -> None:
        return None

    def block_terms(self) -> None:
        return None


def test_a_deadline_ends_a_call() -> None:
    reader = MemoryReader({Address(CONTRACT): MemoryAccount(code=LOOP)})
    request = CallRequest(sender=Address(SENDER), to=Address(CONTRACT), gas_limit=10**15)
    environment = environment_of(engine=Engine.NATIVE)
    with pytest.raises(ExecutionTimeoutError, match="execution aborted"):
        off_chain.run(environment, reader, request, Deadline.after(0.02))
    with pytest.raises(NotBriefError):
        off_chain.run(environment, reader, request, BriefDeadline(0.0, Cancellation()))


def test_the_check_mode_compares_a_call_with_that_on_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = MemoryReader({Address(CONTRACT): MemoryAccount(code=returning("7"))})
    request = CallRequest(sender=Address(SENDER), to=Address(CONTRACT), gas_limit=1_000_000)
    frame = CallFrame(environment_of(engine=Engine.CHECK), reader)
    assert int.from_bytes(call(frame, request).output, "big") == 7
    run = off_chain.run

    def wrong(*arguments: object) -> Outcome | None:
        outcome = run(*arguments)  # type: ignore[arg-type]
        if outcome is not None:
            outcome.spare_gas += 1
        return outcome

    monkeypatch.setattr(off_chain, "run", wrong)
    with pytest.raises(EngineDifferenceError, match="spare_gas"):
        call(frame, request)
    changed = CallOverrides({Address(CONTRACT): StateOverride(code=returning("8"))})
    assert int.from_bytes(call(frame, request, overrides=changed).output, "big") == 8
