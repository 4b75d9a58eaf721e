"""Ink is exact to the last: by instruction, by block, on every trap, and when it runs out."""

import pytest
from wasmtime import wat2wasm

from tests.chain.zvm.metered_programs import BLOCK, CASES, CHAIN, END, HEAD, HOST_CALL, INSTRUCTIONS, Case, prepared
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import COVENANT, STYLUS, ZVM, PriceTable
from zevm.chain.zvm.runtime.engine import shared_engine
from zevm.chain.zvm.runtime.runtime import End, Engine, Instance, Program, RunResult, run

INK = 10**9
WORDS = 65_536


@pytest.fixture(scope="module")
def engine() -> Engine:
    return shared_engine(pooled=True)


def nothing(_: Instance, *__: int) -> None:
    """A host function that charges nothing beyond its fixed price."""


def chain_id(_: Instance) -> int:
    return 5


HOST_FUNCTIONS = (nothing, chain_id)


def execute(program: Program, argument: int = 0, ink: int = INK) -> RunResult:
    return run(program, HOST_FUNCTIONS, context=None, ink=ink, stack_words=WORDS, entry="f", arguments=(argument,))


def expected(case: Case) -> RunResult:
    return RunResult(case.end, () if case.trap else case.values, INK - case.ink, case.trap)


@pytest.mark.parametrize("case", INSTRUCTIONS, ids=[case.name for case in INSTRUCTIONS])
def test_every_instruction_costs_its_price(engine: Engine, case: Case) -> None:
    program = engine.compile(prepared(case, ZVM), optimise=False)
    assert execute(program) == expected(case)


@pytest.mark.parametrize("optimise", [False, True], ids=["plain", "optimised"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_program_costs_what_its_blocks_cost(engine: Engine, case: Case, optimise: bool) -> None:
    program = engine.compile(prepared(case, ZVM), optimise=optimise)
    assert execute(program, case.argument) == expected(case)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ink_that_just_suffices_and_one_less(engine: Engine, case: Case) -> None:
    program = engine.compile(prepared(case, ZVM), optimise=True)
    assert execute(program, case.argument, case.ink) == expected(case)._replace(ink_left=0)
    for ink in (case.ink - 1, case.ink // 2, BLOCK, 1, 0):
        assert execute(program, case.argument, ink) == RunResult(End.OUT_OF_INK, (), 0, None)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_schedules_differ_by_host_functions_alone(engine: Engine, case: Case) -> None:
    calls = {"host call": 1, "host call through the table": 1, "two host calls": 2}.get(case.name, 0)
    calls += "memory.grow" in case.name
    for schedule, surcharge in ((STYLUS, 0), (COVENANT, 30_000)):
        program = engine.compile(prepared(case, schedule), optimise=False)
        result = execute(program, case.argument)
        assert result == expected(case)._replace(ink_left=INK - case.ink + calls * (30_000 - surcharge))


STEPS = [
    ("(call $host (i32.const 1))", BLOCK + 1 + 3_800 + HOST_CALL),
    ("(block", 0),
    ("(call $host (i32.const 2))", BLOCK + 1 + 1 + 3_800 + HOST_CALL),
    (
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const 9)) (call $host (i32.const 3))",
        BLOCK + 4 + 950 + 900 + 3_800 + HOST_CALL,
    ),
    (")", 0),
    ("(loop", BLOCK + 1 + BLOCK + 1),
    ("(call $host (i32.const 4))", BLOCK + 1 + 3_800 + HOST_CALL),
    (")", BLOCK + 1),
    (
        "(drop (i64.mul (i64.const 4) (i64.const 4))) (call $host (i32.const 5))",
        BLOCK + 2 + 160 + 9 + 1 + 3_800 + HOST_CALL,
    ),
]


def test_a_block_runs_whole_or_not_at_all(engine: Engine) -> None:
    """For every amount of ink around every instruction: the host calls of the blocks that are paid for, no others."""
    case = Case("steps", " ".join(text for text, _ in STEPS), sum(ink for _, ink in STEPS) + END)
    paid, total = [], 0
    for text, ink in STEPS:
        total += ink
        if "$host" in text:
            paid.append(total)
    programs = [engine.compile(prepared(case, ZVM), optimise=optimise) for optimise in (False, True)]
    seen: list[int] = []

    def record(_: Instance, number: int) -> None:
        seen.append(number)

    callbacks = (record, chain_id)
    edges = {edge + near for edge in [*paid, 0, case.ink, case.ink - END] for near in range(-3, 4)}
    amounts = {amount for amount in edges | set(range(0, case.ink, 997)) if 0 <= amount <= case.ink + 3}
    for amount in sorted(amounts):
        for program in programs:
            seen.clear()
            result = run(program, callbacks, context=None, ink=amount, stack_words=WORDS, entry="f", arguments=(0,))
            calls = sum(edge <= amount for edge in paid)
            assert seen == list(range(1, calls + 1)), amount
            if amount >= case.ink:
                assert result == RunResult(End.RETURNED, (), amount - case.ink, None)
            else:
                assert result == RunResult(End.OUT_OF_INK, (), 0, None)


def test_bulk_work_is_not_begun_without_its_ink(engine: Engine) -> None:
    code = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 9)) (call $host (i32.const 3))"
    case = Case("fill", code, BLOCK + 4 + 950 + 900 + 3_800 + HOST_CALL + END)
    program = engine.compile(prepared(case, ZVM), optimise=False)
    head = BLOCK + 4 + 950 + 3_800 + HOST_CALL
    assert execute(program, 0, head + 899).end is End.OUT_OF_INK
    seen: list[bytes] = []
    callbacks = (lambda instance, _: seen.append(instance.read(0, 10)), chain_id)
    run(program, callbacks, context=None, ink=head + 900, stack_words=WORDS, entry="f", arguments=(0,))
    assert seen == [b"\1" * 9 + b"\0"]


def test_a_length_of_four_gigabytes_is_charged_for_as_such(engine: Engine) -> None:
    code = "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))"
    case = Case("huge", code, BLOCK + 3 + 950 + 100 * (2**32 - 1) + 1)
    program = engine.compile(prepared(case, ZVM), optimise=False)
    assert execute(program, 0, case.ink - 1) == RunResult(End.OUT_OF_INK, (), 0, None)
    assert execute(program, 0, case.ink) == RunResult(End.TRAPPED, (), 0, "out of bounds memory access")
    grow = Case("grow", "(drop (memory.grow (i32.const -1)))", BLOCK + 1 + 8_050 + 30_000 + 10**7 * (2**32 - 1) + 9 + 1)
    program = engine.compile(prepared(grow, ZVM), optimise=False)
    assert execute(program, 0, grow.ink - 1) == RunResult(End.OUT_OF_INK, (), 0, None)
    assert execute(program, 0, grow.ink) == RunResult(End.RETURNED, (), 0, None)


def test_ink_is_unsigned(engine: Engine) -> None:
    program = engine.compile(prepared(CASES[0], ZVM), optimise=True)
    for ink in (2**63 - 1, 2**63, 2**64 - 1):
        assert execute(program, 0, ink).ink_left == ink - END


PAYING = HEAD.replace(
    '(import "vm_hooks" "chainid"',
    '(import "vm_hooks" "pay_for_memory_grow" (func $pay (param i32)))(import "vm_hooks" "chainid"',
)


def test_the_host_is_asked_for_pages_before_they_are_there(engine: Engine) -> None:
    text = f'(module {PAYING} (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))'
    program = engine.compile(prepare(bytes(wat2wasm(text)), ZVM, library=True), optimise=False)
    asked: list[tuple[int, int]] = []

    def pay(instance: Instance, pages: int) -> None:
        asked.append((pages, instance.pages))
        instance.charge(12_345)

    fixed = BLOCK + 75 + 8_050 + 30_000 + 1
    for pages, value in ((0, 1), (1, 1), (2, 1), (3, 2**32 - 1), (2**32 - 1, 2**32 - 1)):
        asked.clear()
        result = run(
            program, (nothing, pay, chain_id), context=None, ink=INK, stack_words=WORDS, entry="f", arguments=(pages,)
        )
        assert result == RunResult(End.RETURNED, (value,), INK - fixed - 12_345, None)
        assert asked == [(pages, 1)]


def test_an_exported_host_function_charges_for_itself(engine: Engine) -> None:
    text = f'(module {HEAD} (export "again" (func $chain)) (export "f" (func $empty)))'
    program = engine.compile(prepare(bytes(wat2wasm(text)), ZVM, library=True), optimise=False)
    result = run(program, HOST_FUNCTIONS, context=None, ink=INK, stack_words=WORDS, entry="again")
    assert result == RunResult(End.RETURNED, (5,), INK - CHAIN, None)
    assert (
        run(program, HOST_FUNCTIONS, context=None, ink=CHAIN - 1, stack_words=WORDS, entry="again").end
        is End.OUT_OF_INK
    )


FIXED = """(module (import "vm_hooks" "pay_for_memory_grow" (func (param i32))) (memory (export "memory") {pages})
  (func (export "user_entrypoint") (param i32) (result i32) (memory.grow (local.get 0))))"""


def pay(instance: Instance, pages: int) -> None:
    instance.charge(pages * 10_000_000)


@pytest.mark.parametrize("schedule", [ZVM, STYLUS], ids=["zvm", "stylus"])
@pytest.mark.parametrize("optimise", [False, True], ids=["plain", "optimised"])
def test_z8_a_memory_that_cannot_grow_does_not_and_for_free(
    engine: Engine, schedule: PriceTable, optimise: bool
) -> None:
    def grown(pages: str, by: int) -> tuple[int, int]:
        module = prepare(bytes(wat2wasm(FIXED.format(pages=pages))), schedule)
        program = engine.compile(module, optimise=optimise)
        result = run(program, (pay,), context=None, ink=10**12, stack_words=WORDS, arguments=(by,))
        assert result.end is End.RETURNED
        return result.values[0], 10**12 - result.ink_left

    (size, least), (failed, price) = grown("3 3", 0), grown("3 3", 60_000)
    assert (size, failed, price) == (3, 2**32 - 1, least)
    assert grown("3 5", 2) == (3, least + 2 * 10_000_000)
    assert grown("3 5", 3) == (2**32 - 1, least + 3 * 10_000_000)
