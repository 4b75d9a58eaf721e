"""Who runs on pooled instances: the thread of the blocks, and one other at a time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chain.zvm.zvm_modules import module, on_thread
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.runtime.engine import MAXIMUM_FRAMES, Program, shared_engine
from zevm.chain.zvm.runtime.program_cache import ProgramCache
from zevm.chain.zvm.runtime.runtime import End, Instance, run
from zevm.chain.zvm.scope import TransactionScope

CALLER = '(func (export "user_entrypoint") (param i32) (result i32) (call $host (local.get 0)) (i32.const 0))'
IMPORT = '(import "vm_hooks" "host" (func $host (param i32)))'
WAIT_SECONDS = 30


@pytest.fixture
def machine() -> Iterator[ZvmMachine]:
    machine = ZvmMachine("zvm")
    yield machine
    machine.close()


def programs_of(scope: TransactionScope) -> ProgramCache:
    programs = scope.programs
    assert isinstance(programs, ProgramCache)
    return programs


class Frame:
    """A frame of a new transaction, on a thread of its own."""

    def __init__(self, machine: ZvmMachine, *, for_blocks: bool) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.scope = machine.new_scope(for_blocks=for_blocks)
        self.programs = self.thread.submit(self._begin).result()

    def _begin(self) -> ProgramCache:
        return programs_of(self.scope.__enter__())

    def end(self) -> None:
        self.thread.submit(self.scope.__exit__).result()
        self.thread.shutdown()


def test_the_thread_of_the_blocks_and_one_other_have_pooled_instances(machine: ZvmMachine) -> None:
    with machine.new_scope(for_blocks=True) as scope:
        pooled = programs_of(scope)
        assert pooled.engine.pooled
        call, late_call = Frame(machine, for_blocks=False), Frame(machine, for_blocks=False)
        assert call.programs is pooled
        assert not late_call.programs.engine.pooled
        with machine.new_scope(for_blocks=True) as inner:
            assert inner.programs is pooled
        call.end()
        pending_block = Frame(machine, for_blocks=True)
        assert pending_block.programs is pooled
        late_call.end()
        another_call = Frame(machine, for_blocks=False)
        assert another_call.programs is late_call.programs
        another_call.end()
        pending_block.end()


def test_a_nested_frame_gives_nothing_back(machine: ZvmMachine) -> None:
    outer, other = machine.new_scope(for_blocks=False), machine.new_scope(for_blocks=False)
    with outer:
        assert programs_of(outer).engine.pooled
        with outer:
            pass
        with other:
            assert not programs_of(other).engine.pooled
    with other:
        assert programs_of(other).engine.pooled


def test_a_frame_that_fails_gives_back(machine: ZvmMachine) -> None:
    with pytest.raises(KeyError), machine.new_scope(for_blocks=False) as scope:
        raise KeyError(scope.programs)
    with machine.new_scope(for_blocks=False) as scope:
        assert programs_of(scope).engine.pooled


def execute(program: Program, *callbacks: object, depth: int) -> End:
    return run(program, callbacks, context=None, ink=1_000_000, stack_words=1_000, arguments=(depth,)).end


@pytest.mark.lengthy
def test_a_pool_suffices_for_two_calls_of_the_deepest_nesting() -> None:
    program = shared_engine(pooled=True).compile(module(CALLER, imports=IMPORT), optimise=False)
    both_deep = threading.Barrier(2)

    def callback(_: Instance, left: int) -> None:
        if left:
            assert execute(program, callback, depth=left - 1) is End.RETURNED
        else:
            both_deep.wait(WAIT_SECONDS)

    def nest() -> object:
        try:
            return execute(program, callback, depth=MAXIMUM_FRAMES - 1)
        except BaseException:
            both_deep.abort()
            raise

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: on_thread(nest), range(2))) == [End.RETURNED] * 2
