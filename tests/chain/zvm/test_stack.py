"""Stack words end a recursion before the native stack does, however hot the code is and whatever it keeps alive."""

from collections.abc import Callable

import pytest
from wasmtime import wat2wasm

from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.zvm.module import body
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import STYLUS, ZVM, PriceTable
from zevm.chain.zvm.runtime.engine import MAXIMUM_FRAMES, shared_engine
from zevm.chain.zvm.runtime.runtime import End, Engine, Instance, NodeFaultError, Program, RunResult, run

INK = 10**15
STACK_WORDS = 65_536
"""What an instance gets at most."""
TRANSACTION_WORDS = 1_048_576
"""What all instances of a transaction get together."""
NO_LIMIT = 2**32 - 1


@pytest.fixture(scope="module")
def engine() -> Engine:
    return shared_engine(pooled=True)


def read_args(_: Instance, __: int) -> None:
    """A host call that does nothing."""


HOST_FUNCTIONS = (read_args,)
IMPORT = '(import "vm_hooks" "read_args" (func $host (param i32)))'


def build(engine: Engine, text: str, schedule: PriceTable = ZVM, *, optimise: bool = False) -> Program:
    module = bytes(wat2wasm(f"(module {IMPORT} {text})"))
    return engine.compile(prepare(module, schedule, library=True), optimise=optimise)


def execute(program: Program, words: int, *arguments: int, entry: str = "f") -> RunResult:
    return run(program, HOST_FUNCTIONS, context=None, ink=INK, stack_words=words, entry=entry, arguments=arguments)


def frame_words(
    engine: Engine, body: str, *, schedule: PriceTable = ZVM, signature: str = "", optimise: bool = False
) -> int:
    """Words of one frame: with so many the stack is out, with one more the function runs."""
    text = f'(memory 1 1) (global $g (mut i64) (i64.const 0)) (func (export "f") {signature} {body})'
    program = build(
        engine,
        f"(type $t (func (result i64))) (table 1 funcref) (elem (i32.const 0) $leaf)"
        f"(func $leaf (result i64) (i64.const 0)) {text}",
        schedule,
        optimise=optimise,
    )
    arguments = [0] * len(program.exports["f"].parameters)
    low, high = 0, 20_000
    while high - low > 1:
        middle = (low + high) // 2
        ended = execute(program, middle, *arguments).end
        assert ended in (End.RETURNED, End.OUT_OF_STACK)
        low, high = (low, middle) if ended is End.RETURNED else (middle, high)
    return low


def test_a_small_frame_is_its_operands_locals_and_four_words(engine: Engine) -> None:
    assert frame_words(engine, "") == 4
    assert frame_words(engine, "(drop (i32.add (i32.const 1) (i32.const 2)))") == 4 + 2
    assert frame_words(engine, "(local i64 i32 i32) (drop (i32.const 1))") == 4 + 1 + 3
    two, three = "(drop (i32.add (i32.const 1) (local.get 0)))", "(local i32 i64 i32)"
    assert frame_words(engine, three + two, signature="(param i32 i32)", schedule=STYLUS) == 4 + 2 + 3
    assert frame_words(engine, three + two, signature="(param i32 i32)", schedule=ZVM) == 4 + 2 + 3 + 2


VALUES = {
    "i64.const": "(drop (i64.const 5))",
    "local.get": "(drop (local.get $x))",
    "local.tee": "(drop (local.tee $x (i64.const 1)))",
    "global.get": "(drop (global.get $g))",
    "load": "(drop (i32.load8_u (i32.const 1)))",
    "unary": "(drop (i64.popcnt (i64.const 1)))",
    "binary": "(drop (i64.add (i64.const 1) (i64.const 1)))",
    "comparison": "(drop (i32.lt_u (i32.const 1) (i32.const 1)))",
    "conversion": "(drop (i64.extend_i32_s (i32.const 1)))",
    "select": "(drop (select (i32.const 1) (i32.const 1) (i32.const 1)))",
    "memory.size": "(drop (memory.size))",
    "memory.grow": "(drop (memory.grow (i32.const 0)))",
    "block": "(drop (block (result i32) (i32.const 1)))",
    "if": "(drop (if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 1))))",
    "call": "(drop (call $leaf))",
    "call_indirect": "(drop (call_indirect (type $t) (i32.const 0)))",
}
VALUES_OF = dict.fromkeys(VALUES, 2) | {"i64.const": 1, "local.get": 1, "global.get": 1, "binary": 3, "comparison": 3}
VALUES_OF |= {"select": 4, "memory.size": 1, "if": 4, "call": 1}


@pytest.mark.parametrize("kind", VALUES)
def test_six_values_count_a_word(engine: Engine, kind: str) -> None:
    for times in (60, 61):
        words = frame_words(engine, "(local $x i64)" + VALUES[kind] * times)
        callee = 5 if "call" in kind else 0
        assert words == -(-times * VALUES_OF[kind] // 6) + callee


VALUELESS = [
    "nop ",
    "(local.set $x (i64.const 0))",
    "(global.set $g (i64.const 0))",
    "(i32.store (i32.const 0) (i32.const 0))",
]


@pytest.mark.parametrize("text", VALUELESS)
def test_what_leaves_no_value_counts_none(engine: Engine, text: str) -> None:
    assert frame_words(engine, "(local $x i64)" + text * 120) == max(text.count("const") * 20, 5)


DEAD = "(drop (i64.const 1))" * 600


def test_code_that_cannot_be_reached_counts_nothing(engine: Engine) -> None:
    assert frame_words(engine, f"(return) {DEAD}") == 4
    assert frame_words(engine, f"(block (br 0) {DEAD} (block {DEAD}))") == 4
    assert frame_words(engine, f"(if (i32.const 1) (then (br 0) {DEAD}) (else (return) {DEAD}))") == 5
    assert frame_words(engine, f"(block (br 0) {DEAD}) {DEAD}") == 100
    assert frame_words(engine, f"(if (i32.const 1) (then (return) {DEAD}) (else {DEAD}))") == 101


def test_a_function_of_the_most_operations_is_accepted(engine: Engine) -> None:
    text = "(i64.const 1) " + "i64.popcnt " * 65_533
    assert frame_words(engine, text + "drop") == -(-65_534 // 6)


def function(signature: str, code: str) -> str:
    """A function that recurses, which the table holds too."""
    return f"""(memory (export "memory") 1 1) (table 2 funcref) (elem (i32.const 0) $f $f)
      (global $g (mut i64) (i64.const 0)) (type $same (func {signature}))
      (func $f (export "f") {signature} {code})"""


def accumulate(values: list[str]) -> str:
    return "".join(f"(global.set $g (i64.xor (global.get $g) {value}))" for value in values)


def recomputed(count: int, *, call: str = "(call $f (local.get 0))") -> str:
    """Expressions of a parameter before and after the call: an optimiser keeps the first results for the second use."""
    uses = accumulate(
        [f"(i64.mul (i64.add (local.get 0) (i64.const {7 * at + 5})) (local.get 0))" for at in range(count)]
    )
    return function("(param i64)", uses + call + uses)


def chain(count: int) -> str:
    """Every step of a long computation is stored before the call and after it."""
    step = "(i64.store offset={} (i32.const 0) (local.tee 1 (i64.mul (local.get 1) (local.get 0))))"
    steps = "(local.set 1 (local.get 0))" + "".join(step.format(8 * at) for at in range(count))
    return function("(param i64)", f"(local i64) {steps} (call $f (local.get 0)) {steps}")


def addresses(count: int) -> str:
    """Addresses that are used before the call and after it."""
    at = "(i32.xor (local.get 0) (i32.const {}))"
    uses = "".join(
        f"(i64.store8 {at} (i64.load8_u offset=16 {at}))".format(4099 * number % 60_000, 4099 * number % 60_000)
        for number in range(count)
    )
    return function("(param i32)", uses + "(call $f (local.get 0))" + uses)


def quotients(count: int) -> str:
    """Divisions by constants, which an optimiser turns into several multiplications and shifts each."""
    values = [
        f"(i64.{operation} (local.get 0) (i64.const {7 * at + 5}))"
        for at in range(count)
        for operation in ("div_s", "rem_s")
    ]
    return function("(param i64)", accumulate(values) + "(call $f (local.get 0))" + accumulate(values))


def loaded(count: int) -> str:
    """Locals loaded before the call and used after it."""
    loads = "".join(f"(local.set {at + 1} (i64.load offset={8 * at} (i32.const 0)))" for at in range(count))
    uses = accumulate([f"(local.get {at + 1})" for at in range(count)])
    return function("(param i64)", f"(local {'i64 ' * count}) {loads} (call $f (local.get 0)) {uses}")


def operands(count: int) -> str:
    """Loads that wait on the operand stack during the call."""
    loads = "".join(f"(i64.load offset={8 * at} (i32.const 0))" for at in range(count))
    return function("(param i64) (result i64)", loads + "(call $f (local.get 0))" + "(i64.add)" * count)


def parameters(count: int) -> str:
    """As many parameters, used after the call."""
    gets = "".join(f"(local.get {at})" for at in range(count))
    uses = accumulate([f"(i64.mul (local.get 0) (local.get {at}))" for at in range(count)])
    return function(f"(param {'i64 ' * count})", f"{gets} (call_indirect (type $same) (i32.const 1)) {uses}")


def hoisted(count: int) -> str:
    """What does not change in a loop is computed in front of it."""
    uses = accumulate(
        [f"(i64.mul (i64.add (local.get 0) (i64.const {77 * at + 5})) (local.get 0))" for at in range(count)]
    )
    return function("(param i64)", f"{uses} (loop (call $f (local.get 0)) {uses} (br_if 0 (i32.load (i32.const 8))))")


def carried(depth: int, count: int) -> str:
    """Locals that every one of many nested loops carries round."""
    code = "".join(
        f"(local.set {at + 1} (i64.add (local.get {at + 1}) (i64.load (i32.const {8 * at}))))" for at in range(count)
    )
    for level in range(depth):
        code = f"(loop (call $f (local.get 0)) {code} (br_if 0 (i32.load (i32.const {level}))))"
    return function("(param i64)", f"(local {'i64 ' * count}) {code}")


def switched(count: int) -> str:
    """A branch table into as many blocks, each of which changes locals of a thousand."""
    targets = " ".join(str(at) for at in range(count))
    change = "(local.set {} (i64.add (local.get {}) (i64.load (i32.const {}))))"
    arms = "".join(f") {change}".format(1 + at % 1000, 1 + at * 7 % 1000, 8 * at) for at in range(count))
    uses = accumulate([f"(local.get {at + 1})" for at in range(1000)])
    switch = f"{'(block ' * count} (br_table {targets} (i32.wrap_i64 (local.get 0))) {arms}"
    return function("(param i64)", f"(local {'i64 ' * 1000}) {switch} (call $f (local.get 0)) {uses}")


def branches(count: int) -> str:
    """Locals that meet in different values behind each of many ifs."""
    arms = [
        "".join(
            f"(local.set {1 + at * step % 50} (local.get {1 + at * other % 50}))" for step, other in ((3, 7), (11, 5))
        )
        for at in range(count)
    ]
    code = "".join(f"(if (i32.load (i32.const {at})) (then {arm}) (else {arms[-at]}))" for at, arm in enumerate(arms))
    uses = accumulate([f"(local.get {at + 1})" for at in range(50)])
    return function("(param i64)", f"(local {'i64 ' * 50}) {code} (call $f (local.get 0)) {uses}")


def bulk(count: int) -> str:
    """Calls of the engine's own functions in between."""
    code = "(memory.copy (i32.const 0) (i32.const 9) (i32.wrap_i64 (local.get 0)))" * count
    return function("(param i64)", code + "(drop (memory.grow (i32.const 0))) (call $f (local.get 0))" + code)


WIDE_CALL = "(call $host (i32.const 0)) (call $f (local.get 0)) (call $host (i32.const 0))"

RECURSIONS: dict[str, str] = {
    "nothing": function("", "(call $f)"),
    "one value": function("(param i64)", "(call $f (local.get 0))"),
    "results": function("(result i64)", "(i64.add (call $f) (call $f))"),
    **{f"{count} recomputed": recomputed(count) for count in (3, 30, 300, 2000)},
    "recomputed around host calls": recomputed(100, call=WIDE_CALL),
    **{f"chain of {count}": chain(count) for count in (5, 30, 300, 3000)},
    **{f"{count} addresses": addresses(count) for count in (5, 100, 1500)},
    **{f"{count} quotients": quotients(count) for count in (5, 100, 800)},
    **{f"{count} loaded": loaded(count) for count in (5, 100, 1023)},
    **{f"{count} operands": operands(count) for count in (5, 100, 4000)},
    **{f"{count} parameters": parameters(count) for count in (1, 6, 7, 50, 255)},
    **{f"{count} hoisted": hoisted(count) for count in (5, 100, 1000)},
    "10 loops carry 100": carried(10, 100),
    "60 loops carry 20": carried(60, 20),
    "500 loops": function("(param i64)", "(loop (br_if 0 (i32.load (i32.const 0))))" * 500 + "(call $f (local.get 0))"),
    "80 switched": switched(80),
    "1,000 branches": branches(1000),
    "bulk": bulk(20),
}


@pytest.mark.slow
@pytest.mark.parametrize("optimise", [False, True], ids=["plain", "optimised"])
@pytest.mark.parametrize("name", RECURSIONS)
def test_words_run_out_before_the_native_stack(engine: Engine, name: str, optimise: bool) -> None:
    for schedule in (ZVM, STYLUS):
        program = build(engine, RECURSIONS[name], schedule, optimise=optimise)
        arguments = [0] * len(program.exports["f"].parameters)

        def recurse(words: int, program: Program = program, arguments: list[int] = arguments) -> object:
            return execute(program, words, *arguments).end

        assert on_thread(lambda: recurse(STACK_WORDS)) is End.OUT_OF_STACK
        assert on_thread(lambda: recurse(2 * STACK_WORDS)) is End.OUT_OF_STACK, "the margin is less than twofold"
        without = on_thread(lambda: recurse(NO_LIMIT))
        assert isinstance(without, NodeFaultError), "it was not the words that ended the recursion"


def test_without_counting_values_a_hot_recursion_overflows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "VALUES_PER_WORD", 10**9)
    plain, hot = (build(engine, RECURSIONS["300 recomputed"], optimise=optimise) for optimise in (False, True))
    assert on_thread(lambda: execute(plain, STACK_WORDS, 0).end) is End.OUT_OF_STACK
    assert isinstance(on_thread(lambda: execute(hot, STACK_WORDS, 0)), NodeFaultError)


def nested(program: Program, deep: int, words: int, instances: int) -> Callable[[], object]:
    """`instances` nested ones, of which the outer ones use up `words` each, until the transaction has none left."""

    def callback(instance: Instance, _: int) -> None:
        left: int = instance.context
        if left:
            inner = min(left - 1, TRANSACTION_WORDS // words - (instances - left))
            result = run(
                program,
                (callback,),
                context=left - 1,
                ink=INK,
                stack_words=STACK_WORDS,
                entry="f",
                arguments=[deep if inner > 0 else 1] + [0] * 254,
            )
            assert result.end is End.RETURNED

    return lambda: (
        run(
            program,
            (callback,),
            context=instances - 1,
            ink=INK,
            stack_words=STACK_WORDS,
            entry="f",
            arguments=[deep] + [0] * 254,
        ).end
    )


@pytest.mark.lengthy
@pytest.mark.parametrize("optimise", [False, True], ids=["plain", "optimised"])
def test_the_deepest_nesting_with_every_word_used_fits_a_thread(engine: Engine, optimise: bool) -> None:
    """The widest frames known, of 255 parameters under Stylus' table, in 16 instances, and 1,009 more below."""
    gets = "".join(f"(local.get {at})" for at in range(1, 255))
    again = f"(call $f (i64.sub (local.get 0) (i64.const 1)) {gets})"
    code = f"(if (i64.eqz (local.get 0)) (then (call $host (i32.const 0))) (else {again}))"
    code += accumulate([f"(local.get {at})" for at in range(255)])
    program = build(engine, function(f"(param {'i64 ' * 255})", code), STYLUS, optimise=optimise)
    words = next(words for words in range(200, 400) if execute(program, words, *[0] * 255).end is End.RETURNED)
    deep = STACK_WORDS // words - 1
    found = on_thread(nested(program, deep, STACK_WORDS, MAXIMUM_FRAMES))
    assert found is End.RETURNED, found
