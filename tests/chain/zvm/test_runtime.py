"""Runs of WebAssembly modules: outcomes, host functions, limits, and that nothing a contract does ends the process."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.zvm.zvm_modules import Module, module, on_thread
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.zvm.runtime import capi
from zevm.chain.zvm.runtime.engine import MAXIMUM_FRAMES, MAXIMUM_PAGES, POOL_THREADS
from zevm.chain.zvm.runtime.runtime import (
    End,
    Engine,
    ExitError,
    HostTrapError,
    Instance,
    NodeFaultError,
    OutOfInkError,
    OutOfPagesError,
    Program,
    RunResult,
    run,
)

INK = 1_000_000
PAGE = 65_536


@pytest.fixture(scope="module", params=[False, True], ids=["on demand", "pooled"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine = Engine(pooled=request.param)
    assert engine.pooled == request.param
    return engine


def execute(program: Program, *callbacks: Callable[..., int | None], **options: Any) -> RunResult:
    options = {"context": None, "ink": INK, "stack_words": 1000, "arguments": (0,)} | options
    return run(program, callbacks, **options)


def build(engine: Engine, body: str, *, optimise: bool = False, **parts: str) -> Program:
    return engine.compile(module(body, **parts), optimise=optimise)


CALLER = '(func (export "user_entrypoint") (param i32) (result i32) (call $host (local.get 0)) (i32.const 0))'
IMPORT = '(import "vm_hooks" "host" (func $host (param i32)))'


@pytest.fixture(scope="module")
def caller(engine: Engine) -> Program:
    """Calls its only host function with its argument, and returns 0."""
    return build(engine, CALLER, imports=IMPORT)


@pytest.mark.parametrize("optimise", [False, True])
def test_arguments_and_results_are_unsigned_and_exact(engine: Engine, optimise: bool) -> None:
    program = build(
        engine,
        """(func (export "user_entrypoint") (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
           (func (export "wide") (param i64 i32) (result i64) (i64.sub (local.get 0) (i64.extend_i32_u (local.get 1))))
           (func (export "nothing"))""",
        optimise=optimise,
    )
    assert program.optimised == optimise
    assert execute(program, arguments=(0,)) == RunResult(End.RETURNED, (0xFFFFFFFF,), INK, None)
    assert execute(program, entry="wide", arguments=(1, 2)).values == (0xFFFFFFFFFFFFFFFF,)
    assert execute(program, entry="wide", arguments=(2**64 - 1, 2**32 - 1)).values == (2**64 - 2**32,)
    assert execute(program, entry="nothing", arguments=()).values == ()


SHAPES = ["", "i", "ii", "iii", "iiii", "iiiii", "iiiiii", "iiiIi", "iiiiIi", "I", "Ii"]


@pytest.mark.parametrize("shape", SHAPES)
def test_host_functions_get_every_parameter_as_an_unsigned_number(engine: Engine, shape: str) -> None:
    types = " ".join("i32" if kind == "i" else "i64" for kind in shape)
    constants = " ".join(f"({'i32' if kind == 'i' else 'i64'}.const {-1 - at})" for at, kind in enumerate(shape))
    program = build(
        engine,
        f"""(func (export "user_entrypoint") (param i32) (result i32)
             (i32.wrap_i64 (i64.shr_u (call $host {constants}) (i64.const 32))))""",
        imports=f'(import "vm_hooks" "host" (func $host (param {types}) (result i64)))',
    )
    seen: list[tuple[int, ...]] = []

    def callback(_: Instance, *values: int) -> int:
        seen.append(values)
        return 0xFEDCBA98_00000000

    assert execute(program, callback).values == (0xFEDCBA98,)
    assert seen == [tuple(2 ** (32 if kind == "i" else 64) - 1 - at for at, kind in enumerate(shape))]
    assert program.imports[0].signature.parameters == shape


TRAPS = {
    "unreachable": "unreachable",
    "integer divide by zero": "(drop (i32.div_u (i32.const 1) (local.get 0)))",
    "integer overflow": "(drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get 0) (i32.const 1))))",
    "out of bounds memory access": "(drop (i32.load (i32.const -1)))",
    "call of a null function": "(call_indirect (type $void) (i32.const 1))",
    "out of bounds table access": "(call_indirect (type $void) (i32.const 2))",
    "indirect call type mismatch": "(call_indirect (type $other) (i32.const 0) (i32.const 0))",
}


@pytest.mark.parametrize("text", TRAPS)
def test_traps_of_the_code_are_outcomes_with_exact_ink(engine: Engine, text: str) -> None:
    program = build(
        engine,
        f"""(type $void (func)) (type $other (func (param i32))) (table 2 2 funcref) (elem (i32.const 0) $void)
        (func $void)
        (func (export "user_entrypoint") (param i32) (result i32)
          (global.set $ink (i64.sub (global.get $ink) (i64.const 77))) {TRAPS[text]} (i32.const 0))""",
    )
    for _ in range(3):
        assert execute(program) == RunResult(End.TRAPPED, (), INK - 77, text)


@pytest.mark.parametrize(("fault", "end"), [(1, End.OUT_OF_INK), (2, End.OUT_OF_STACK)])
def test_instrumented_code_tells_why_it_stopped(engine: Engine, fault: int, end: End) -> None:
    program = build(
        engine,
        f"""(func (export "user_entrypoint") (param i32) (result i32)
          (global.set $ink (i64.extend_i32_u (global.get $stack)))
          (global.set $fault (i32.const {fault})) unreachable)""",
    )
    assert execute(program, stack_words=5) == RunResult(end, (), 5, None)


def test_native_stack_overflow_is_a_fault_of_the_node(engine: Engine) -> None:
    program = build(
        engine,
        """(func $deep (param i64) (result i64)
          (i64.add (local.get 0) (call $deep (i64.add (local.get 0) (i64.const 1)))))
        (func (export "user_entrypoint") (param i32) (result i32)
          (if (local.get 0) (then (drop (call $deep (i64.const 0))))) (i32.const 3))""",
    )
    for _ in range(3):
        with pytest.raises(NodeFaultError, match="trap 0"):
            execute(program, arguments=(1,))
        assert execute(program).values == (3,)


def test_host_functions_see_memory_that_has_grown(engine: Engine) -> None:
    program = build(
        engine,
        """(func (export "user_entrypoint") (param i32) (result i32)
          (call $host (i32.const 0)) (drop (memory.grow (i32.const 2))) (call $host (i32.const 131072))
          (i32.load (i32.const 131072)))""",
        imports=IMPORT,
    )
    pages: list[int] = []

    def callback(instance: Instance, pointer: int) -> None:
        instance.write(pointer, b"\x2a\0\0\0")
        assert instance.read(pointer, 4) == b"\x2a\0\0\0"
        pages.append(instance.pages)

    assert execute(program, callback).values == (42,)
    assert pages == [1, 3]


def test_memory_stops_at_its_last_page(engine: Engine) -> None:
    program = build(
        engine,
        """(func (export "user_entrypoint") (param i32) (result i32)
             (drop (memory.grow (i32.sub (local.get 0) (i32.const 1)))) (memory.grow (i32.const 1)))""",
    )
    assert execute(program, arguments=(MAXIMUM_PAGES - 1,)).values == (MAXIMUM_PAGES - 1,)
    assert execute(program, arguments=(MAXIMUM_PAGES,)).values == (0xFFFFFFFF,)


@pytest.mark.parametrize(
    ("pointer", "length"), [(PAGE, 1), (PAGE - 1, 2), (0, PAGE + 1), (0xFFFFFFFF, 1), (1, 0xFFFFFFFF), (PAGE + 1, 0)]
)
def test_access_out_of_memory_is_a_trap_that_writes_nothing(caller: Program, pointer: int, length: int) -> None:
    def read(instance: Instance, _: int) -> None:
        instance.read(pointer, length)

    def check(instance: Instance, _: int) -> None:
        instance.check(pointer, length)

    def write(instance: Instance, _: int) -> None:
        try:
            instance.write(pointer, b"\x01" * min(length, PAGE + 1))
        finally:
            assert instance.read(0, PAGE) == bytes(PAGE)

    text = f"memory access up to byte {pointer + length}, the memory has {PAGE}"
    assert execute(caller, read) == RunResult(End.TRAPPED, (), INK, text)
    assert execute(caller, check) == RunResult(End.TRAPPED, (), INK, text)
    if length <= PAGE + 1:
        assert execute(caller, write) == RunResult(End.TRAPPED, (), INK, text)


def test_access_up_to_the_end_of_memory_is_allowed(caller: Program) -> None:
    def callback(instance: Instance, _: int) -> None:
        instance.write(PAGE - 2, b"ab")
        instance.write(PAGE, b"")
        instance.check(0, PAGE)
        assert instance.read(PAGE - 2, 2) == b"ab"
        assert instance.read(PAGE, 0) == b""

    assert execute(caller, callback).end is End.RETURNED


ZERO_LENGTH: dict[str, Callable[[Instance, int], object]] = {
    "read": lambda instance, pointer: instance.read(pointer, 0) == b"" or pytest.fail("bytes from nowhere"),
    "write": lambda instance, pointer: instance.write(pointer, b""),
    "check": lambda instance, pointer: instance.check(pointer, 0),
}


@pytest.mark.parametrize("access", ZERO_LENGTH)
@pytest.mark.parametrize(("memory", "size"), [('(memory (export "memory") 1)', PAGE), ("", 0)])
def test_no_bytes_may_lie_anywhere_up_to_the_end(engine: Engine, access: str, memory: str, size: int) -> None:
    program = build(engine, CALLER, imports=IMPORT, memory=memory)

    def first(instance: Instance, pointer: int) -> None:
        ZERO_LENGTH[access](instance, pointer)

    def later(instance: Instance, pointer: int) -> None:
        instance.check(0, size)
        ZERO_LENGTH[access](instance, pointer)

    for callback in (first, later):
        for pointer in (0, size):
            assert execute(program, callback, arguments=(pointer,)).end is End.RETURNED
        for pointer in (size + 1, 0xFFFFFFFF):
            text = f"memory access up to byte {pointer}, the memory has {size}"
            assert execute(program, callback, arguments=(pointer,)) == RunResult(End.TRAPPED, (), INK, text)


def test_a_module_without_memory_runs_and_has_no_bytes(engine: Engine) -> None:
    program = build(engine, CALLER, imports=IMPORT, memory="")
    pages: list[int] = []

    def callback(instance: Instance, pointer: int) -> None:
        pages.append(instance.pages)
        assert instance.read(0, 0) == b""
        instance.write(pointer, b"x")

    text = "memory access up to byte 4, the memory has 0"
    assert execute(program, callback, arguments=(3,)) == RunResult(End.TRAPPED, (), INK, text)
    assert pages == [0]


def test_ink_is_debited_to_the_last(caller: Program) -> None:
    def charge(instance: Instance, amount: int) -> None:
        instance.charge(amount)
        assert instance.ink_left == instance.context - amount

    assert execute(caller, charge, context=INK, arguments=(400,)) == RunResult(End.RETURNED, (0,), INK - 400, None)
    assert execute(caller, charge, context=10, ink=10, arguments=(10,)) == RunResult(End.RETURNED, (0,), 0, None)
    assert execute(caller, charge, context=10, ink=10, arguments=(11,)) == RunResult(End.OUT_OF_INK, (), 0, None)
    big = 30_000_000 * 10_000 * 1000
    assert execute(caller, charge, context=big, ink=big, arguments=(1,)).ink_left == big - 1


STOPS = [
    (HostTrapError("bad call"), RunResult(End.TRAPPED, (), INK - 5, "bad call")),
    (ExitError(0), RunResult(End.EXITED, (0,), INK - 5, None)),
    (ExitError(7), RunResult(End.EXITED, (7,), INK - 5, None)),
    (OutOfInkError("none left"), RunResult(End.OUT_OF_INK, (), 0, None)),
    (OutOfPagesError("too many"), RunResult(End.OUT_OF_MEMORY, (), INK - 5, "too many")),
]


@pytest.mark.parametrize(("error", "expected"), STOPS)
def test_a_host_function_ends_the_run(engine: Engine, error: Exception, expected: RunResult) -> None:
    calls: list[int] = []

    def callback(instance: Instance, _: int) -> None:
        calls.append(1)
        instance.charge(5)
        raise error

    program = build(engine, CALLER.replace("(i32.const 0)", "(call $host (i32.const 0)) (i32.const 0)"), imports=IMPORT)
    assert execute(program, callback) == expected
    assert calls == [1]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), NodeFaultError("disk"), MemoryError()])
def test_other_exceptions_pass_through_every_open_instance(caller: Program, error: BaseException) -> None:
    def callback(_: Instance, depth: int) -> None:
        if not depth:
            raise error
        execute(caller, callback, arguments=(depth - 1,))

    with pytest.raises(type(error)) as caught:
        execute(caller, callback, arguments=(3,))
    assert caught.value is error
    assert execute(caller, call_nothing).end is End.RETURNED


def call_nothing(_: Instance, __: int) -> None:
    """Does nothing."""


def test_an_outcome_of_a_nested_run_is_its_callers_to_judge(caller: Program) -> None:
    inner: list[End] = []

    def callback(instance: Instance, depth: int) -> None:
        instance.charge(1)
        if depth == 0:
            raise HostTrapError("innermost")
        inner.append(execute(caller, callback, arguments=(depth - 1,), ink=instance.ink_left).end)
        assert instance.ink_left == instance.context - 1

    assert execute(caller, lambda i, d: callback(i, d), context=INK, arguments=(0,)).end is End.TRAPPED

    def outer(instance: Instance, depth: int) -> None:
        inner.append(execute(caller, callback, context=INK, arguments=(depth,)).end)
        instance.write(0, b"still here")

    assert execute(caller, outer).end is End.RETURNED
    assert inner == [End.TRAPPED]


def test_every_run_has_a_fresh_instance(engine: Engine) -> None:
    program = build(
        engine,
        """(global $count (mut i32) (i32.const 0)) (data (i32.const 8) "abc")
        (func (export "user_entrypoint") (param i32) (result i32) (local $old i32)
          (local.set $old (i32.add (i32.load8_u (i32.const 8)) (global.get $count)))
          (local.set $old (i32.add (local.get $old) (i32.load (i32.const 200))))
          (drop (memory.grow (i32.const 1))) (i32.store (i32.const 70000) (i32.const -1))
          (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536)) (global.set $count (i32.const 9))
          (i32.add (local.get $old) (memory.size)))""",
    )
    assert {execute(program).values for _ in range(300)} == {(ord("a") + 2,)}


def test_an_instance_cannot_be_used_after_its_run(caller: Program) -> None:
    kept: list[Instance] = []
    execute(caller, lambda instance, _: kept.append(instance))
    for use in (
        lambda i: i.read(0, 1),
        lambda i: i.write(0, b"x"),
        lambda i: i.charge(1),
        lambda i: i.ink_left,
        lambda i: i.pages,
    ):
        with pytest.raises(NodeFaultError, match="has ended"):
            use(kept[0])


LOOP = """(func (export "user_entrypoint") (param i32) (result i32)
  (loop $again (br_if $again (i32.const 1))) (i32.const 0))"""


@pytest.mark.parametrize("optimise", [False, True])
def test_an_endless_loop_ends_at_its_deadline(engine: Engine, optimise: bool) -> None:
    program = build(engine, LOOP, optimise=optimise)
    for allowed in (0.05, 0.2):
        start = time.monotonic()
        assert execute(program, deadline=Deadline.after(allowed)).end is End.INTERRUPTED
        assert allowed <= time.monotonic() - start < allowed + PATIENCE_SECONDS
    start = time.monotonic()
    assert execute(program, deadline=Deadline.after(-1)).end is End.INTERRUPTED
    assert time.monotonic() - start < PATIENCE_SECONDS


@pytest.mark.lengthy
def test_a_cancelled_deadline_ends_its_loop_and_no_other(engine: Engine) -> None:
    body = CALLER.replace("(i32.const 0)", "(loop $again (br $again)) (i32.const 0)")
    program, inside = build(engine, body, imports=IMPORT), threading.Barrier(3)
    cancelled, other = Deadline.after(60), Deadline.after(1)
    ends: dict[Deadline, tuple[End, float]] = {}

    def callback(_: Instance, __: int) -> None:
        inside.wait()

    def start(deadline: Deadline) -> threading.Thread:
        def work() -> None:
            ends[deadline] = execute(program, callback, deadline=deadline).end, time.monotonic()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    threads = [start(cancelled), start(other)]
    inside.wait()
    cancelled.cancellation.cancel()
    cancelled_at = time.monotonic()
    for thread in threads:
        thread.join()
    assert ends[cancelled][0] is ends[other][0] is End.INTERRUPTED
    assert ends[cancelled][1] - cancelled_at < PATIENCE_SECONDS
    assert 0 <= ends[other][1] - other.at < PATIENCE_SECONDS


def test_a_deadline_ends_the_nested_loop_too(engine: Engine, caller: Program) -> None:
    endless = build(engine, LOOP)
    inner: list[End] = []
    deadline = Deadline.after(0.1)

    def callback(_: Instance, __: int) -> None:
        inner.append(execute(endless, deadline=deadline).end)

    execute(caller, callback, deadline=deadline)
    assert inner == [End.INTERRUPTED]
    assert time.monotonic() - deadline.at < PATIENCE_SECONDS


def test_an_epoch_that_advances_while_memory_is_filled_ends_nothing(engine: Engine) -> None:
    body = CALLER.replace("(call $host (local.get 0))", "")
    program = build(engine, body + '(data (i32.const 0) "some") (data (i32.const 60000) "more")')
    capi.engine_increment_epoch(engine.address)
    assert execute(program, deadline=Deadline.after(10)).end is End.RETURNED


def test_a_run_without_deadline_outlasts_the_ticks_of_others(engine: Engine) -> None:
    endless = build(engine, LOOP)
    finite = build(
        engine,
        """(func (export "user_entrypoint") (param i32) (result i32) (local $left i64)
          (local.set $left (i64.const 100000000))
          (loop $again (local.set $left (i64.sub (local.get $left) (i64.const 1)))
            (br_if $again (i64.ne (local.get $left) (i64.const 0)))) (i32.const 1))""",
    )
    other = threading.Thread(target=lambda: execute(endless, deadline=Deadline.after(0.3)))
    other.start()
    start = time.monotonic()
    assert execute(finite).values == (1,)
    assert time.monotonic() - start > 0.02, "too short to meet a tick"
    other.join()


def test_two_threads_keep_their_exceptions_apart(caller: Program) -> None:
    def worker(name: str) -> Callable[[], object]:
        def callback(instance: Instance, depth: int) -> None:
            if depth:
                execute(caller, callback, context=instance.context, arguments=(depth - 1,))
            elif instance.context % 2:
                raise LookupError(f"{name} {instance.context}")

        def work() -> int:
            wrong = 0
            for number in range(400):
                try:
                    execute(caller, callback, context=number, arguments=(2,))
                    wrong += number % 2
                except LookupError as error:
                    wrong += str(error) != f"{name} {number}"
            return wrong

        return work

    results: list[object] = []
    threads = [threading.Thread(target=lambda n=n: results.append(on_thread(worker(n)))) for n in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0]


def nest(program: Program, depth: int, at_end: Callable[[], object] = lambda: None) -> Callable[[], object]:
    def callback(_: Instance, left: int) -> None:
        if left == 0:
            at_end()
            return
        result = execute(program, callback, arguments=(left - 1,))
        assert result.end is End.RETURNED

    return lambda: execute(program, callback, arguments=(depth,)).end


@pytest.mark.lengthy
def test_instances_nest_as_deep_as_calls(caller: Program) -> None:
    assert on_thread(nest(caller, MAXIMUM_FRAMES - 1)) is End.RETURNED
    beyond = on_thread(nest(caller, MAXIMUM_FRAMES))
    assert isinstance(beyond, NodeFaultError)
    assert str(MAXIMUM_FRAMES) in str(beyond)


def fill_stacks(engine: Engine, instances: int) -> Callable[[], object]:
    """As many nested instances, each with 2,000 native frames of its own below the host function's."""
    body = """(func $deep (param i32) (result i32) (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
        (else (call $host (i32.const 1)) (i32.const 0))))
      (func (export "user_entrypoint") (param i32) (result i32) (call $deep (i32.const 2000)))"""
    program = build(engine, body, imports=IMPORT)

    def callback(instance: Instance, _: int) -> None:
        if instance.context > 1:
            execute(program, callback, context=instance.context - 1)

    return lambda: execute(program, callback, context=instances).values


@pytest.mark.lengthy
def test_instances_that_fill_their_stacks_nest(engine: Engine) -> None:
    assert on_thread(fill_stacks(engine, 1000)) == (2000,)


def test_a_thread_with_too_small_a_stack_is_refused(engine: Engine, caller: Program) -> None:
    for found in (on_thread(nest(caller, 0), 1 << 20), on_thread(fill_stacks(engine, 1000), 16 << 20)):
        assert isinstance(found, NodeFaultError), found
        assert "STACK_BYTES" in str(found)
    assert on_thread(fill_stacks(engine, 50), 16 << 20) == (2000,)


@pytest.mark.lengthy
def test_a_pool_that_too_many_threads_exhaust_is_a_fault_of_the_node() -> None:
    engine = Engine(pooled=True)
    program = build(engine, CALLER, imports=IMPORT)
    too_many = POOL_THREADS + 1
    barrier = threading.Barrier(too_many, timeout=30)
    results: list[object] = []

    def fill() -> None:
        found = on_thread(nest(program, 800, barrier.wait))
        barrier.abort()
        results.append(found)

    threads = [threading.Thread(target=fill) for _ in range(too_many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(found, NodeFaultError) and "no memory for an instance" in str(found) for found in results)
    assert on_thread(nest(program, 800)) is End.RETURNED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"(module)",
        b"\0asm\1\0\0\0\1",
        b"\0asm\x0d\0\1\0",
        module('(func (export "wide") (result i32 i32) (i32.const 0) (i32.const 0))').instrumented,
        module("(func (result v128) (v128.const i64x2 0 0))").instrumented,
        module("(func $f (return_call $f))").instrumented,
        module("(table 1 externref)").instrumented,
        module("(memory 1)").instrumented,
    ],
)
def test_what_the_compiler_refuses_is_a_fault_of_the_node(engine: Engine, text: bytes) -> None:
    with pytest.raises(NodeFaultError):
        engine.compile(Module(text), optimise=False)


def test_calls_that_do_not_fit_the_module_are_refused(caller: Program) -> None:
    with pytest.raises(NodeFaultError, match="0 host functions for a module with 1 imports"):
        run(caller, (), context=None, ink=1, stack_words=1, arguments=(0,))
    with pytest.raises(NodeFaultError, match="no function user_entrypoint of 2 parameters"):
        execute(caller, call_nothing, arguments=(1, 2))
    with pytest.raises(NodeFaultError, match="no function absent"):
        execute(caller, call_nothing, entry="absent")
