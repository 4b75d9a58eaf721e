"""Instances of contracts that the core runs again: each run finds its memory and its globals as a new one has them."""

import gc

import pytest

from testing.memory_state import MemoryReader
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, environment_of
from tests.chain.zvm.contracts import accounts_of, contract, invoke, module, request_to, returning
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import shared_engine
from zevm.core import CORE

pytestmark = pytest.mark.skipif(CORE.library is None, reason="there is no core")

PAGE = 65_536
GAS = 10_000_000
DATA = {0: b"begin", 700: bytes(range(1, 200)), PAGE - 3: b"end"}
TRAP, ENDLESS, REVERT, ITSELF, GROW = range(1, 6)
"""Bytes of call data that have the contract end so."""
SHOWN = f"""(i32.store (i32.const 512) (global.get $g)) (i64.store (i32.const 516) (global.get $h))
    (i32.store (i32.const 524) (memory.size)) {invoke("write_result", 0, PAGE)}"""
SOILED = f"""(memory.fill (i32.const 0) (i32.const 0xaa) (i32.const {PAGE}))
    (global.set $g (i32.const 99)) (global.set $h (i64.const 1))"""
GLOBALS = "(global $g (mut i32) (i32.const 7)) (global $h (mut i64) (i64.const -5)) (global $k i32 (i32.const 3))"


def when(size: int, instructions: str) -> str:
    """Instructions for call data of this size."""
    return f"(if (i32.eq (local.get $n) (i32.const {size})) (then {instructions}))"


CODE = contract(
    SHOWN
    + SOILED
    + when(TRAP, "(unreachable)")
    + when(ENDLESS, "(loop $again (br $again))")
    + when(REVERT, "(return (i32.const 1))")
    + when(
        ITSELF,
        invoke("contract_address", 100)
        + f"(drop {invoke('static_call_contract', 100, 0, 0, -1, 200)})"
        + f"(drop {invoke('read_return_data', 0, 0, PAGE)})"
        + invoke("write_result", 0, PAGE),
    )
    + when(GROW, f"{invoke('pay_for_memory_grow', 1)} (drop (memory.grow (i32.const 1)))"),
    functions=GLOBALS,
    memory="1 3",
    data=DATA,
)


class Runs:
    """Calls of a contract on one machine, each on a state of its own."""

    def __init__(self, code: bytes, engine: Engine = Engine.NATIVE) -> None:
        self.machine = ZvmMachine("zvm")
        self._environment = environment_of(Fork.OSAKA, wasm_machine=self.machine, engine=engine)
        self._reader = MemoryReader({SENDER: FakeAccount(balance=10**18)} | accounts_of({CONTRACT: code}))

    def __call__(self, size: int = 0, deadline: Deadline | None = None, gas: int = GAS) -> Outcome:
        request = request_to(CONTRACT, bytes(size), gas_limit=gas)
        return self._executor().call(request, deadline=deadline)

    def with_pages(self, pages_limit: int, size: int = 0) -> Outcome:
        """By itself, in an instance of at most so many pages."""
        scope = self.machine.new_scope(for_blocks=False, pages_limit=pages_limit)
        return self._executor().call_alone(request_to(CONTRACT, bytes(size)), wasm_scope=scope)

    def _executor(self) -> Executor:
        return Executor(self._environment, BlockState(self._reader))


def test_each_run_finds_a_new_instance_whatever_the_one_before_it_left() -> None:
    run, reference = Runs(CODE), Runs(CODE, Engine.PY_EVM)
    choice.messages.clear()
    first = run()
    assert first.error is None
    assert (first.output[:5], first.output[-3:]) == (b"begin", b"end")
    assert first.output[512:528] == bytes.fromhex("07000000 fbffffffffffffff 01000000")
    assert first == reference()
    for size in (0, TRAP, 0, ENDLESS, 0, REVERT, 0, ITSELF, 0, GROW, 0):
        assert run(size) == (first if size == 0 else reference(size))
    assert run(ITSELF).output == first.output
    assert choice.messages["refused"] == 0


def test_instances_wait_and_go_with_their_program() -> None:
    # what other tests have left goes now, not while this one counts
    gc.collect()
    run = Runs(CODE)
    before = CORE.memory_bytes
    first = run()
    kept = CORE.memory_bytes
    assert kept > before + PAGE // 2
    assert [run() for _ in range(3)] == [first] * 3
    assert CORE.memory_bytes == kept
    run.machine.close()
    del run
    gc.collect()
    # its code stays in the core's cache of codes
    assert CORE.memory_bytes < before + PAGE // 2


@pytest.mark.parametrize("grown", [False, True])
def test_a_run_with_a_deadline_and_one_without_follow_each_other(grown: bool) -> None:
    run = Runs(CODE)
    first = run(GROW if grown else 0)
    for _ in range(2):
        assert run(GROW if grown else 0, Deadline.after(60)) == first
        with pytest.raises(ExecutionTimeoutError):
            run(ENDLESS, Deadline.after(0.03), gas=10**12)
        assert run(GROW if grown else 0) == first


def test_a_run_may_have_other_pages_than_the_one_before_it_in_its_instance() -> None:
    grown = f"{invoke('pay_for_memory_grow', 1)} (i32.store (i32.const 0) (memory.grow (i32.const 1)))"
    code = returning(when(GROW, grown), memory="1 3")
    run, reference = Runs(code), Runs(code, Engine.PY_EVM)
    wanted = reference(GROW)
    assert wanted.output[:4] == bytes([1, 0, 0, 0]), "the pages before"
    for _ in range(2):
        assert run.with_pages(1) == reference.with_pages(1)
        assert run(GROW) == wanted
        assert run() == reference()
        assert run.with_pages(1, GROW) == reference.with_pages(1, GROW)


def test_modules_that_cannot_be_renewed_run_in_new_instances() -> None:
    many = "".join(f"(global $g{number} (mut i32) (i32.const {number}))" for number in range(65))
    code = returning("(i32.store (i32.const 0) (global.get $g64)) (global.set $g64 (i32.const 0))", functions=many)
    large = returning(
        f"(i32.store (i32.const 0) (i32.load (i32.const {4 * PAGE}))) (i32.store (i32.const {4 * PAGE}) (i32.const 9))",
        memory="5 5",
    )
    for run, wanted in ((Runs(code), 64), (Runs(large), 0)):
        assert [int.from_bytes(run().output[:4], "little") for _ in range(3)] == [wanted] * 3


def test_no_caller_reaches_what_renews_an_instance() -> None:
    program = shared_engine(pooled=True).compile(prepare(CODE, ZVM), optimise=False)
    assert b"stylus_zvm_renew" in program.instrumented
    assert set(program.exports) == {"user_entrypoint"}
    with pytest.raises(ModuleRefusedError, match="reserved name"):
        prepare(module('(func (export "stylus_zvm_renew"))'), ZVM, library=True)
