"""WebAssembly contracts as frames of the core's machine: against the frames in Python, and what they leave behind."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from testing.memory_state import MemoryReader
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, environment_of, state_of
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    machine,
    module,
    request_to,
    returning,
    wasm_relay,
    word,
)
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.concurrency.deadline import Cancellation, Deadline, ExecutionTimeoutError
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import off_chain
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.host_interface import WasmProgram, WasmTerms
from zevm.chain.vm.interface import CallRequest, Outcome, VmErrorKind
from zevm.chain.zvm import core_programs
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import Program
from zevm.chain.zvm.runtime.program_cache import HOT
from zevm.core import CORE
from zevm.storage.primitives import Address

pytestmark = pytest.mark.skipif(CORE.library is None, reason="there is no core")

ENGINES = (Engine.NATIVE, Engine.PY_EVM, Engine.CHECK)
ENDLESS = contract("(loop $again (br $again))")
ENDLESS_GAS = 10**12
ANSWER = returning("(i32.store8 (i32.const 31) (i32.const 42))")
LOADER = returning(f"{invoke('storage_load_bytes32', 0, 64)}", 32, 64)
_STORE = invoke("storage_cache_bytes32", 0, 32) + invoke("storage_flush_cache", 0)
STORER = contract(f"(i32.store8 (i32.const 63) (i32.const 9)) {_STORE}")
REVERTER = contract(invoke("write_result", 0, 5), status=7)


@pytest.fixture
def in_the_core() -> Iterator[None]:
    """Whatever runs natively in the test runs wholly in the core."""
    choice.messages.clear()
    yield
    assert choice.messages["native"]
    assert not choice.messages["refused"]


def ended(accounts: dict[bytes, FakeAccount], request: CallRequest) -> Outcome:
    """The outcome of a call, and the state behind it, which all engines agree on."""
    found = []
    for engine in ENGINES:
        runner = executor(accounts, engine=engine)
        found.append((runner.call(request), runner.state.diff()))
    assert found[0] == found[1] == found[2]
    return found[0][0]


def ended_alone(code: bytes, **changes: object) -> Outcome:
    """The outcome of a call of one contract."""
    return ended(accounts_of({CONTRACT: code}), request_to(CONTRACT, **changes))


@pytest.mark.parametrize("outer", [evm_relay("CALL"), wasm_relay("CALL"), evm_relay("DELEGATECALL")])
@pytest.mark.parametrize("middle", [evm_relay("CALL"), wasm_relay("STATICCALL")])
@pytest.mark.parametrize("inner", [LOADER, STORER, REVERTER, ANSWER])
@pytest.mark.usefixtures("in_the_core")
def test_frames_of_both_machines_nest_in_the_core(outer: bytes, middle: bytes, inner: bytes) -> None:
    accounts = accounts_of({CONTRACT: outer, OTHER: middle})
    accounts[TARGET] = FakeAccount(nonce=1, code=inner, storage={0: 5})
    outcome = ended(accounts, request_to(CONTRACT, OTHER + TARGET + bytes(32)))
    assert outcome.error is None
    assert outcome.output


TRAPS = {
    "unreachable": "(unreachable)",
    "integer divide by zero": "(drop (i32.div_u (i32.const 1) (local.get $a)))",
    "integer overflow": "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
    "out of bounds memory access": "(drop (i32.load (i32.const 0x7fffffff)))",
    "memory access up to byte 65537, the memory has 65536": invoke("msg_sender", 65_517),
    "7 bytes of log with 3 topics; at most 4, of 32 bytes each": invoke("emit_log", 0, 7, 3),
}


@pytest.mark.parametrize("text", TRAPS)
@pytest.mark.usefixtures("in_the_core")
def test_a_trap_has_its_text_and_leaves_the_gas(text: str) -> None:
    outcome = ended_alone(contract(TRAPS[text]))
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.message) == (VmErrorKind.TRAP, f"wasm trap: {text}")
    assert outcome.gas_used < 50_000


@pytest.mark.usefixtures("in_the_core")
def test_other_ends_have_their_texts() -> None:
    reverted = ended_alone(REVERTER)
    assert reverted.error is not None
    assert (reverted.error.kind, reverted.error.status, reverted.output) == (VmErrorKind.REVERT, 7, bytes(5))
    ends = {
        "out of gas": (ENDLESS, {"gas_limit": 100_000}),
        "out of wasm stack: 65536 words are used up": (
            contract("(call $deeper)", functions="(func $deeper (call $deeper) (call $deeper))"),
            {},
        ),
        "out of wasm memory: 1025 pages in one instance, the limit is 1024": (
            contract("(drop (memory.grow (i32.const 1024)))" + _no_growth(), memory="1 2000"),
            {"gas_limit": 100_000_000},
        ),
        "max wasm call data size exceeded: 1048577 bytes, the limit is 1048576": (
            ANSWER,
            {"data": bytes((1 << 20) + 1), "gas_limit": 100_000_000},
        ),
    }
    for text, (code, changes) in ends.items():
        outcome = ended_alone(code, **changes)
        assert outcome.error is not None
        assert outcome.error.message == text


def _no_growth() -> str:
    return f"(if (local.get $a) (then {invoke('pay_for_memory_grow', 0)}))"


@pytest.mark.usefixtures("in_the_core")
def test_the_deepest_nesting_runs_in_the_core() -> None:
    """A contract that calls itself as deep as it may, and says how deep that was."""
    code = returning(
        f"""{invoke("contract_address", 100)}
        (drop {invoke("static_call_contract", 100, 0, 0, -1, 200)})
        (if {invoke("return_data_size")} (then (drop {invoke("read_return_data", 0, 0, 32)})))
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))"""
    )
    runner = executor(accounts_of({CONTRACT: code}), engine=Engine.NATIVE)
    outcome = on_thread(lambda: runner.call(request_to(CONTRACT, gas_limit=10**15)))
    assert isinstance(outcome, Outcome)
    assert (outcome.error, int.from_bytes(outcome.output[:4], "little")) == (None, 1_025)


@pytest.mark.parametrize("outer", [ENDLESS, evm_relay("CALL"), wasm_relay("CALL")])
def test_a_deadline_ends_an_endless_contract_at_any_depth(outer: bytes) -> None:
    runner = executor(accounts_of({CONTRACT: outer, TARGET: ENDLESS}), engine=Engine.NATIVE)
    begun = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        runner.call(request_to(CONTRACT, TARGET, gas_limit=ENDLESS_GAS), deadline=Deadline.after(0.1))
    assert time.monotonic() - begun < 5


def test_a_cancelled_call_ends() -> None:
    deadline = Deadline(time.monotonic() + 60, Cancellation())
    threading.Timer(0.1, deadline.cancellation.cancel).start()
    with pytest.raises(ExecutionTimeoutError):
        executor(accounts_of({CONTRACT: ENDLESS}), engine=Engine.NATIVE).call(
            request_to(CONTRACT, gas_limit=ENDLESS_GAS), deadline=deadline
        )


def test_other_threads_go_on_while_a_contract_runs() -> None:
    runner = executor(accounts_of({CONTRACT: ENDLESS}), engine=Engine.NATIVE)
    counted, is_over = [0], threading.Event()

    def count() -> None:
        while not is_over.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counted[0]
        outcome = runner.call(request_to(CONTRACT, gas_limit=20_000_000))
        assert outcome.error is not None
        assert counted[0] - before > 10
    finally:
        is_over.set()
        thread.join()


def test_what_only_looks_like_a_module_is_refused_and_python_words_it() -> None:
    bad = b"\0asm\x01\0\0\0\xff"
    choice.messages.clear()
    outcome = ended(accounts_of({CONTRACT: wasm_relay("CALL"), TARGET: bad}), request_to(CONTRACT, TARGET))
    assert outcome.error is None
    assert outcome.output[:32] == bytes(32)
    assert choice.messages["native"] == 0


def test_programs_go_with_the_run_and_few_stay_within_it() -> None:
    """A contract that calls forty others, twice: memory of the core and programs are as before."""
    wasm_machine = ZvmMachine("zvm")
    targets = [bytes((0x80,)) * 19 + bytes((number,)) for number in range(40)]
    calls = "".join(
        f"(drop {invoke('static_call_contract', 1_024 + 32 * number, 0, 0, -1, 200)})" for number in [*range(40)] * 2
    )
    data = {1_024 + 32 * number: address for number, address in enumerate(targets)}
    codes = {CONTRACT: contract(calls, data=data)}
    codes |= {address: contract(f"(drop (i32.const {number}))") for number, address in enumerate(targets)}
    asked: list[bytes] = []
    program = core_programs.CorePrograms.program
    live: list[weakref.ref[object]] = []

    def noted(self: core_programs.CorePrograms, address: bytes) -> object:
        asked.append(address)
        found = program(self, address)
        assert found is not None
        live.append(weakref.ref(found[0]))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_programs.CorePrograms, "program", noted)
        before = CORE.memory_bytes
        environment = environment_of(Fork.OSAKA, wasm_machine=wasm_machine, engine=Engine.NATIVE)
        outcome = Executor(environment, state_of(accounts_of(codes))).call(request_to(CONTRACT, gas_limit=50_000_000))
    assert outcome.error is None
    assert len(asked) == 1 + 2 * 40
    kept_codes = sum(len(code) for code in codes.values())
    assert CORE.memory_bytes - before < 20 * kept_codes
    wasm_machine.close()
    del wasm_machine, environment
    gc.collect()
    assert not [program for program in live if program() is not None]


def test_an_exception_of_the_state_goes_through_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = accounts_of({CONTRACT: evm_relay("CALL"), OTHER: wasm_relay("CALL")})
    accounts[TARGET] = FakeAccount(nonce=1, code=LOADER, storage={0: 5})
    runner = executor(accounts, engine=Engine.NATIVE)
    request = request_to(CONTRACT, OTHER + TARGET + bytes(32))
    assert runner.call(request).output[-32:] == word(5)

    def broken(*_: object) -> tuple[int, bool]:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(BlockState, "first_storage", broken)
    before = CORE.memory_bytes
    with pytest.raises(RuntimeError, match="the disk is gone"):
        executor(accounts, engine=Engine.NATIVE).call(request)
    # instances whose run was given up do not wait for another one
    assert CORE.memory_bytes <= before


def programs_asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The programs that the core asks Python for, from now on."""
    asked: list[Program] = []
    program = core_programs.CorePrograms.program

    def noted(self: core_programs.CorePrograms, address: Address) -> WasmProgram | None:
        answer = program(self, address)
        assert answer is not None
        asked.append(cast(Program, answer[0]))
        return answer

    monkeypatch.setattr(core_programs.CorePrograms, "program", noted)
    return asked


def test_the_core_takes_the_chains_programs_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the thread that makes blocks, as long as they are not to be optimised; heat counts all the same."""
    asked, wasm_machine = programs_asked_for(monkeypatch), ZvmMachine("zvm")
    environment = environment_of(Fork.OSAKA, wasm_machine=wasm_machine, engine=Engine.NATIVE)

    def run() -> Outcome:
        return Executor(environment, state_of(accounts_of({CONTRACT: LOADER}))).call(request_to(CONTRACT))

    first = run()
    assert [run(), run()] == [first] * 2
    assert [program.heat for program in asked] == [3]
    assert on_thread(run) == first
    assert len(asked) == 2
    asked[0].heat = HOT
    assert run() == first
    assert asked == [asked[0]] * 3
    wasm_machine.close()
    assert run() == first
    assert len(asked) == 4


def test_a_thread_with_the_number_of_one_that_is_gone_has_its_own_stack() -> None:
    wasm_machine = ZvmMachine("zvm")
    environment = environment_of(Fork.OSAKA, wasm_machine=wasm_machine, engine=Engine.NATIVE)
    runner = Executor(environment, state_of(accounts_of({CONTRACT: ANSWER})))
    assert runner.call(request_to(CONTRACT)).error is None
    before = wasm_machine.block_terms()
    assert before is not None

    def elsewhere() -> tuple[object, Outcome, object]:
        wasm_machine._block_thread = threading.get_ident()
        return wasm_machine.block_terms(), runner.call(request_to(CONTRACT)), wasm_machine.block_terms()

    kept, outcome, own = cast("tuple[WasmTerms | None, Outcome, WasmTerms | None]", on_thread(elsewhere))
    assert kept is None
    assert outcome.error is None
    assert own is not None
    assert own.stack_low != before.stack_low


def test_the_check_mode_sees_another_price_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Outcome:
        environment = environment_of(Fork.OSAKA, wasm_machine=ZvmMachine("zvm"), engine=Engine.CHECK)
        return Executor(environment, state_of(accounts_of({CONTRACT: LOADER}))).call(request_to(CONTRACT))

    assert run().error is None
    dearer = replace(ZVM, host_functions=replace(ZVM.host_functions, storage_miss_gas=6))
    packed = core_programs._packed_terms
    monkeypatch.setattr(core_programs, "_packed_terms", lambda _, pages, **kinds: packed(dearer, pages, **kinds))
    with pytest.raises(EngineDifferenceError, match="gas"):
        run()


def test_an_account_with_no_code_and_a_library_stay_what_they_are() -> None:
    library = module('(func (export "other") (result i32) (i32.const 1))')
    for target in (NOBODY, TARGET):
        accounts = accounts_of({CONTRACT: wasm_relay("CALL"), TARGET: library})
        outcome = ended(accounts, request_to(CONTRACT, target))
        assert outcome.error is None


def test_calls_without_a_transaction_run_in_the_core() -> None:
    choice.messages.clear()
    accounts = accounts_of({CONTRACT: ANSWER})
    found = [executor(accounts, engine=engine).call_alone(request_to(CONTRACT, sender=SENDER)) for engine in ENGINES]
    assert found[0] == found[1] == found[2]
    assert found[0].output[-1] == 42
    assert choice.messages["native"] == 2


def test_calls_off_the_chain_run_in_the_core() -> None:
    accounts = accounts_of({CONTRACT: wasm_relay("CALL"), OTHER: evm_relay("CALL"), NOBODY: ENDLESS})
    accounts[TARGET] = FakeAccount(nonce=1, code=LOADER, storage={0: 5})
    reader = MemoryReader({SENDER: FakeAccount(balance=10**18)} | accounts)
    environment = environment_of(Fork.OSAKA, wasm_machine=machine("zvm"), engine=Engine.NATIVE)
    request = request_to(CONTRACT, OTHER + TARGET)
    found = off_chain.run(environment, reader, request, Deadline.after(60))
    assert found is not None
    assert found.output[-32:] == word(5)
    assert found == executor(accounts, engine=Engine.PY_EVM).call(request)
    with pytest.raises(ExecutionTimeoutError):
        off_chain.run(environment, reader, request_to(NOBODY, gas_limit=ENDLESS_GAS), Deadline.after(0.05))
