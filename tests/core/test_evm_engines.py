"""The EVM in Zig against the frames in Python: random programs, faults that are planted, and what ends a run early."""

import re
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.memory_state import MemoryAccount, MemoryReader
from testing.speed import PATIENCE_SECONDS
from tests.chain.vm.support import CONTRACT, ETHER, SENDER, assemble, environment_of, returning
from tests.core.support import needs_core
from verification.differential import engines as differential
from verification.differential.cases import CONTRACTS
from verification.differential.coverage import Coverage
from verification.differential.inputs import blob_proof
from verification.differential.nests import nest_of
from verification.differential.programs import program_of
from zevm.chain.concurrency.deadline import BriefDeadline, Deadline, ExecutionTimeoutError, NotBriefError
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.native.curves import kzg_proof_holds
from zevm.chain.rules.blobs import versioned_hash
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm import transition
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice, engine, native, replay
from zevm.chain.vm.engines.engine import Engine, engine_named
from zevm.chain.vm.execution_state import TransactionChanges
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.interface import CallRequest, Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.program import program_cache
from zevm.core import CORE
from zevm.core.loading import Core
from zevm.storage.account import Account
from zevm.storage.primitives import Address

pytestmark = needs_core
HOST = Path(__file__).resolve().parents[2] / "core" / "zig" / "host.zig"
CALLEE = b"\x44" * 20
LOOP = assemble("JUMPDEST 0 JUMP")


def executor_on(
    chosen: Engine, code: bytes, callee: bytes = b"", fork: Fork = Fork.OSAKA, **changes: Any
) -> tuple[Executor, MemoryReader]:
    accounts = {
        Address(SENDER): MemoryAccount(balance=ETHER),
        Address(CONTRACT): MemoryAccount(nonce=1, balance=5, code=code, storage={1: 7}),
        Address(CALLEE): MemoryAccount(nonce=1, code=callee),
    }
    reader = MemoryReader(accounts)
    return Executor(environment_of(fork, engine=chosen, **changes), BlockState(reader)), reader


def call_on(
    chosen: Engine, code: bytes, callee: bytes = b"", *, gas: int = 2_000_000, deadline: Deadline | None = None
) -> Outcome:
    executor, _ = executor_on(chosen, code, callee)
    return executor.call(CallRequest(sender=SENDER, to=CONTRACT, gas_limit=gas), deadline=deadline)


@pytest.fixture
def ran() -> Counter[str]:
    """Messages by engine since the test began, once it asks."""
    before = Counter(choice.messages)

    class Since(Counter[str]):
        def __missing__(self, name: str) -> int:
            return choice.messages[name] - before[name]

    return Since()


# The same tables on both sides


def names_of(kind: str) -> list[str]:
    body = re.search(rf"pub const {kind} = enum\(u8\) {{(.*?)}};", HOST.read_text(), re.DOTALL)
    assert body is not None
    return [name.strip() for name in body[1].replace("\n", " ").split(",") if name.strip()]


def test_statuses_and_kinds_are_those_of_the_core() -> None:
    wanted = [status.name.lower() if status else "success" for status in native._STATUSES]
    assert names_of("Status") == wanted
    assert names_of("Kind") == [kind.lower() for kind in native._KINDS]


# Random programs


def test_the_point_evaluation_of_programs_holds() -> None:
    data = blob_proof()
    point, value = (int.from_bytes(data[start : start + 32], "big") for start in (32, 64))
    commitment, proof = data[96:144], data[144:]
    assert data[:32] == versioned_hash(commitment)
    assert kzg_proof_holds(commitment, point, value, proof)
    assert not kzg_proof_holds(commitment, point, value + 1, proof)


@pytest.mark.lengthy
def test_random_programs_agree(ran: Counter[str]) -> None:
    for seed in range(150):
        differential.run_program(seed)
    # a tracer watches every other seed: the core tells it of its frames, and py-evm runs them for the comparison
    assert ran["native"] > 100
    assert ran["py-evm"] > 100
    assert not ran["refused"]


@pytest.mark.lengthy
def test_random_programs_run_every_opcode() -> None:
    coverage = Coverage()
    for seed in range(400):
        program = program_of(seed)
        executor = Executor(environment_of(program.fork, engine=Engine.PY_EVM), BlockState(program.state))
        with suppress(TransactionError):
            executor.call(program.request, tracer=coverage)
    assert [name for name, count in coverage.opcodes.items() if not count] == []


@pytest.mark.lengthy
def test_a_random_contract_is_the_same_whoever_asks_first() -> None:
    states = [program_of(7).state, program_of(7).state]
    for state, order in zip(states, (CONTRACTS, CONTRACTS[::-1]), strict=True):
        for address in order:
            assert state.account(Address(address)) is not None
    assert states[0].accounts == states[1].accounts
    assert len(states[0].accounts) == len(CONTRACTS) + 2


@pytest.mark.lengthy
def test_nests_of_calls_and_creations_agree(ran: Counter[str]) -> None:
    for seed in range(40):
        differential.run_nest(seed)
    assert ran["native"] > 100
    assert not ran["refused"]


@pytest.mark.lengthy
def test_nests_reach_depth_and_every_kind_of_frame() -> None:
    seen: set[str] = set()

    class Watching(QuietTracer):
        def on_enter(self, start: FrameStart) -> None:
            seen.update((start.kind, f"depth {start.depth}"))

        def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
            seen.add("none" if error is None else error.kind.name)

    for seed in range(60):
        nest = nest_of(seed)
        executor = Executor(environment_of(nest.fork), BlockState(MemoryReader(nest.accounts)))
        for request in nest.requests:
            with suppress(TransactionError):
                executor.call(request, tracer=Watching())
    wanted = {"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2", "SELFDESTRUCT", "depth 6"}
    faults = {"REVERT", "OUT_OF_GAS", "INSUFFICIENT_BALANCE", "NONCE_OVERFLOW", "WRITE_PROTECTION", "ADDRESS_COLLISION"}
    assert wanted | faults <= seen


@pytest.mark.lengthy
def test_effects_that_get_lost_on_their_way_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    absorb = BlockState.absorb_transaction

    def absorb_but_deletions(state: BlockState, changes: TransactionChanges) -> None:
        kept = {address: fields for address, fields in changes.accounts.items() if fields is not None}
        absorb(state, changes._replace(accounts=kept))

    monkeypatch.setattr(BlockState, "absorb_transaction", absorb_but_deletions)
    assert differential.campaign(differential.run_nest, 0, 60, 60, "nest") > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_thousand_random_programs_agree() -> None:
    assert differential.campaign(differential.run_program, 1_000_000, 20_000, 3600, "program") == 0


@pytest.mark.lengthy
def test_random_blocks_agree() -> None:
    assert differential.campaign(differential.run_blocks, 0, 12, 60, "block") == 0


# Planted faults: the check mode finds them, and its file tells them


def replayed(error: EngineDifferenceError) -> tuple[Path, list[str]]:
    file = Path(str(error).split("; ")[-1].removesuffix(" replays it"))
    return file, replay.read(file).differences()


def with_dearer_add(fork: Fork) -> type[Frame]:
    """A fork's frames that pay one gas more for ADD."""
    frames = FRAME_CLASSES[fork]
    operations = list(frames.operations)
    operations[1] = operations[1]._replace(gas=operations[1].gas + 1)
    members = {"operations": tuple(operations), "program_of": staticmethod(program_cache(tuple(operations)))}
    return type("Dearer", (frames,), {"__slots__": (), **members})


def test_the_gas_of_one_instruction_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    code = returning("1 2 ADD")
    assert call_on(Engine.CHECK, code).gas_used == call_on(Engine.PY_EVM, code).gas_used
    monkeypatch.setattr(transition, "frames_of", lambda fork, _: with_dearer_add(fork))
    with pytest.raises(EngineDifferenceError, match="gas_left: native 1978976, py-evm 1978975") as found:
        call_on(Engine.CHECK, code)
    file, differences = replayed(found.value)
    assert differences == []
    assert "gas_left" in file.read_text()
    file.unlink()


STORES = assemble("9 1 SSTORE 0 0 REVERT")
CALLS = returning(f"0 0 0 0 0 0x{CALLEE.hex()} GAS CALL")


def test_a_journal_that_forgets_an_entry_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discard = BlockState.discard

    def forgets(self: BlockState, checkpoint: int) -> None:
        stored = self.get_storage(Address(CALLEE), 1)
        discard(self, checkpoint)
        if stored and self.is_warm(Address(CALLEE)):  # the message itself can be undone
            self.set_storage(Address(CALLEE), 1, stored)

    assert call_on(Engine.CHECK, CALLS, STORES).succeeded
    with monkeypatch.context() as patched:
        patched.setattr(BlockState, "discard", forgets)
        with pytest.raises(EngineDifferenceError, match=r"slot \(0x4{40}, 1\): native unchanged, py-evm 9") as found:
            call_on(Engine.CHECK, CALLS, STORES)
        file, differences = replayed(found.value)
        assert any("py-evm 9" in line for line in differences)
        assert replay.main([str(file)]) == 1
    assert replay.main([str(file)]) == 0
    assert capsys.readouterr().out.endswith("the engines agree\n")
    file.unlink()


def test_a_difference_leaves_the_state_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    executor, _ = executor_on(Engine.CHECK, assemble("1 2 ADD 3 SSTORE"))
    monkeypatch.setattr(transition, "frames_of", lambda fork, _: with_dearer_add(fork))
    checkpoint = executor.state.record()
    with pytest.raises(EngineDifferenceError) as found:
        executor.call(CallRequest(sender=SENDER, to=CONTRACT, gas_limit=100_000))
    assert executor.state.effects_since(checkpoint).slots == {}
    replayed(found.value)[0].unlink()


def test_a_file_keeps_all_that_a_message_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage, code, warm slots, a past block's hash, a moved precompile, blob hashes, a creation."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(transition, "frames_of", lambda fork, _: with_dearer_add(fork))
    source = f"1 SLOAD 0 BLOCKHASH ADD 0x{CALLEE.hex()} EXTCODESIZE ADD 0 BLOBHASH ADD 0x{CONTRACT.hex()} BALANCE ADD"
    executor, _ = executor_on(Engine.CHECK, returning(source), b"\0")
    with pytest.raises(EngineDifferenceError) as found:
        executor.call(
            CallRequest(sender=SENDER, to=CONTRACT, gas_limit=200_000, blob_versioned_hashes=(b"\1" * 32,), value=3)
        )
    file, differences = replayed(found.value)
    assert (file.parent, differences) == (tmp_path, [])
    case = replay.read(file)
    executor, _ = executor_on(Engine.PY_EVM, returning(source), b"\0")
    wanted = executor.call(
        CallRequest(sender=SENDER, to=CONTRACT, gas_limit=200_000, blob_versioned_hashes=(b"\1" * 32,), value=3)
    )
    assert case._on_py_evm().ending.output == case._on_core().ending.output == wanted.output  # type: ignore[union-attr]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text('{"format": 0}')
    with pytest.raises(ValueError, match="is no case of format 1"):
        replay.read(file)
    assert replay.main([]) == 2


# What the core does not do goes to py-evm, from its start


def test_the_limit_of_memory_hands_over_to_py_evm(ran: Counter[str]) -> None:
    code = returning(f"0 0 0 0 0 0x{CALLEE.hex()} GAS CALL")
    callee = assemble("1 1 SSTORE 1 100000 MSTORE")
    wanted = call_on(Engine.PY_EVM, code, callee)
    assert CORE.library is not None
    used, _, limit = CORE.library.memory()
    CORE.library.limit_memory(used + 90_000)
    try:
        found = call_on(Engine.NATIVE, code, callee)
    finally:
        CORE.library.limit_memory(limit)
    assert found == wanted
    assert (ran["refused"], ran["native"]) == (1, 0)
    assert call_on(Engine.NATIVE, code, callee) == wanted
    assert ran["native"] == 1


def test_console_lines_are_told_once_by_whoever_ends(ran: Counter[str]) -> None:
    console = "000000000000000000636f6e736f6c652e6c6f67"
    text = f"0x{'41304fac'.ljust(64, '0')} 0 MSTORE 0 0 4 0 0 0x{console} GAS CALL POP 1 100000 MSTORE"
    wanted = call_on(Engine.PY_EVM, assemble(text)).console
    assert len(wanted) == 1
    assert call_on(Engine.NATIVE, assemble(text)).console == wanted
    assert call_on(Engine.CHECK, assemble(text)).console == wanted
    assert CORE.library is not None
    used, _, limit = CORE.library.memory()
    CORE.library.limit_memory(used + 90_000)
    try:
        assert call_on(Engine.NATIVE, assemble(text)).console == wanted
    finally:
        CORE.library.limit_memory(limit)
    assert ran["refused"] == 1


def test_a_watched_message_runs_on_py_evm(ran: Counter[str]) -> None:
    executor, _ = executor_on(Engine.NATIVE, returning("1 2 ADD"))
    executor.call(CallRequest(sender=SENDER, to=CONTRACT), tracer=QuietTracer())
    assert (ran["native"], ran["py-evm"]) == (0, 1)


# Reads, time and memory


class CountingReader(MemoryReader):
    """A state that counts how often it is asked for each thing."""

    def __init__(self, accounts: dict[Address, MemoryAccount]) -> None:
        super().__init__(accounts)
        self.asked: Counter[object] = Counter()

    def account(self, address: Address) -> Account | None:
        self.asked[address] += 1
        return super().account(address)

    def storage(self, address: Address, slot: int) -> int:
        self.asked[address, slot] += 1
        return super().storage(address, slot)

    def code(self, code_hash: bytes) -> bytes:
        self.asked[code_hash] += 1
        return super().code(code_hash)


def test_both_engines_ask_for_the_same_things_once() -> None:
    call = f"0 0 0 0 0 0x{CALLEE.hex()} GAS CALL POP"
    code = assemble(f"1 SLOAD 2 SLOAD ADD 1 SSTORE 1 SLOAD {call} {call} 0x{'77' * 20} BALANCE")
    asked = []
    for chosen in (Engine.NATIVE, Engine.PY_EVM):
        accounts = {
            Address(SENDER): MemoryAccount(balance=ETHER),
            Address(CONTRACT): MemoryAccount(code=code, storage={1: 7}),
            Address(CALLEE): MemoryAccount(code=assemble("5 5 SSTORE"), storage={9: 9}),
        }
        reader = CountingReader(accounts)
        Executor(environment_of(engine=chosen), BlockState(reader)).call(CallRequest(sender=SENDER, to=CONTRACT))
        asked.append(reader.asked)
    assert asked[0] == asked[1]
    assert set(asked[0].values()) == {1}


def test_a_deadline_ends_a_run() -> None:
    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError, match="execution aborted"):
        call_on(Engine.NATIVE, LOOP, gas=1 << 50, deadline=Deadline.after(0.05))
    assert 0.05 <= time.monotonic() - started < PATIENCE_SECONDS


def test_a_cancellation_ends_a_run() -> None:
    deadline = Deadline.after(60)
    timer = threading.Timer(0.05, deadline.cancellation.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        call_on(Engine.NATIVE, LOOP, gas=1 << 50, deadline=deadline)
    assert time.monotonic() - started < PATIENCE_SECONDS
    timer.join()


def test_a_brief_run_ends_as_brief() -> None:
    deadline = BriefDeadline(time.monotonic() + 0.001, Deadline.after(60).cancellation)
    started = time.monotonic()
    with pytest.raises(NotBriefError):
        call_on(Engine.NATIVE, LOOP, gas=1 << 50, deadline=deadline)
    assert time.monotonic() - started < PATIENCE_SECONDS


def test_what_the_reader_raises_comes_through() -> None:
    class Broken(MemoryReader):
        def storage(self, address: Address, slot: int) -> int:
            raise OSError(f"the disk with slot {slot} of 0x{address.hex()} is gone")

    accounts = {Address(CONTRACT): MemoryAccount(code=assemble("1 SLOAD"), storage={1: 1})}
    executor = Executor(environment_of(engine=Engine.NATIVE), BlockState(Broken(accounts)))
    with pytest.raises(OSError, match="the disk with slot 1"):
        executor.call(CallRequest(sender=SENDER, to=CONTRACT))


def test_runs_leave_no_memory_behind() -> None:
    assert CORE.library is not None
    code = assemble("1 20000 MSTORE 1 1 SSTORE 32 0 LOG0")
    call_on(Engine.NATIVE, code)
    before = CORE.library.memory()[0]
    for _ in range(20):
        call_on(Engine.NATIVE, code)
        with pytest.raises(ExecutionTimeoutError):
            call_on(Engine.NATIVE, code, deadline=Deadline.after(-1))
    assert CORE.library.memory()[0] == before


# Which engine


def test_an_engine_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    default = engine.default_engine.__wrapped__
    monkeypatch.delenv(engine.EVM, raising=False)
    assert default() is Engine.NATIVE
    assert [engine_named(name) for name in ("native", "py-evm", "check")] == [*Engine]
    monkeypatch.setenv(engine.EVM, "check")
    assert default() is Engine.CHECK
    monkeypatch.setattr(engine, "CORE", Core(None, "it is gone"))
    for ask in (default, lambda: engine_named("check")):
        with pytest.raises(ValueError, match="the engine check wants the native core, and there is none: it is gone"):
            ask()
    monkeypatch.delenv(engine.EVM)
    assert default() is engine_named("py-evm") is Engine.PY_EVM


@pytest.mark.parametrize("chosen", Engine)
def test_all_engines_give_one_outcome(chosen: Engine) -> None:
    outcomes = [call_on(each, CALLS, STORES) for each in (chosen, Engine.PY_EVM)]
    assert outcomes[0] == outcomes[1]


def test_a_precompile_that_moved_answers_at_its_new_place(ran: Counter[str]) -> None:
    number = assemble("32 0 0 0 0 0x77 GAS CALL POP RETURNDATASIZE 0 MSTORE 32 0 RETURN")
    results = []
    for chosen in (Engine.NATIVE, Engine.PY_EVM, Engine.CHECK):
        _, reader = executor_on(chosen, number)
        moved = {Address(bytes(19) + b"\2"): Address(bytes(19) + b"\x77")}
        executor = Executor(environment_of(engine=chosen), BlockState(reader), moved_precompiles=moved)
        results.append(executor.call(CallRequest(sender=SENDER, to=CONTRACT, gas_limit=100_000)))
    assert results[0] == results[1] == results[2]
    assert int.from_bytes(results[0].output, "big") == 32
    assert ran["native"] == 2


def test_memory_words_bound_a_frame() -> None:
    outcomes = []
    for chosen in (Engine.NATIVE, Engine.PY_EVM, Engine.CHECK):
        executor, _ = executor_on(chosen, assemble("1 99999 MSTORE"))
        outcomes.append(executor.call_alone(CallRequest(sender=SENDER, to=CONTRACT), memory_words=100))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0].error is not None
    assert outcomes[0].error.kind is VmErrorKind.OUT_OF_MEMORY


def test_replaced_environments_keep_their_engine() -> None:
    assert replace(environment_of(engine=Engine.CHECK), number=2).of_pending_state().engine is Engine.CHECK
