"""Small programs whose price is worked out by hand, for every engine that runs instrumented modules."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from wasmtime import wat2wasm

from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import PriceTable
from zevm.chain.zvm.runtime.runtime import End

BLOCK = 2_450
"""Ink for entering a block."""
END = BLOCK + 1
"""A block that holds nothing but the function's end."""

HEAD = """
  (import "vm_hooks" "msg_value" (func $host (param i32)))
  (import "vm_hooks" "chainid" (func $chain (result i64)))
  (memory (export "memory") 1 3)
  (type $none (func)) (type $two (func (param i32 i64) (result i64)))
  (table 4 funcref) (elem (i32.const 0) $empty $add $host)
  (global $i (mut i32) (i32.const 7)) (global $I (mut i64) (i64.const 8))
  (func $empty)
  (func $add (param i32 i64) (result i64) (i64.add (local.get 1) (i64.extend_i32_s (local.get 0))))
"""
ADD = BLOCK + 75 + 75 + 100 + 100 + 1
"""What $add costs."""
HOST_CALL = 8_400 + 5_040 + 30_000
CHAIN = 8_400 + 30_000
"""The fixed prices of the two host functions under the default schedule."""


@dataclass(frozen=True)
class Case:
    """A function body and what running it with one i32 argument does. `ink`: what it uses."""

    name: str
    code: str
    ink: int
    values: tuple[int, ...] = ()
    argument: int = 0
    trap: str | None = None
    locals: str = ""

    @property
    def end(self) -> End:
        return End.RETURNED if self.trap is None else End.TRAPPED


@cache
def prepared(case: Case, schedule: PriceTable) -> Prepared:
    """The instrumented module of a case; `f` is its function."""
    result = "(result i64)" if case.values else ""
    text = f'(module {HEAD} (func $f (export "f") (param i32) {result} {case.locals} {case.code}))'
    return prepare(bytes(wat2wasm(text)), schedule, library=True)


PRICES = {
    9: "drop",
    75: "local.get local.tee",
    210: "local.set i32.clz i32.ctz i64.clz i64.ctz",
    225: """global.get i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s
        i64.ge_u""",
    575: "global.set",
    670: "i32.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u",
    680: "i64.load i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u",
    825: "i32.store i32.store8 i32.store16",
    950: "i64.store i64.store8 i64.store16 i64.store32",
    1_250: "select",
    3_000: "memory.size",
    170: """i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u""",
    2_650: "i32.popcnt",
    6_000: "i64.popcnt",
    70: "i32.add i32.sub i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr",
    100: """i64.add i64.sub i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr i32.wrap_i64
        i64.extend_i32_s i64.extend_i32_u i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s""",
    160: "i32.mul i64.mul",
    1_120: "i32.div_s i32.div_u i32.rem_s i32.rem_u",
    1_270: "i64.div_s i64.div_u i64.rem_s i64.rem_u",
    1: "nop i32.const i64.const",
}
"""Ink by instruction. Prices of control are in CASES."""

_SHAPES = {
    "nop": "",
    "drop": "i32.const 1 drop",
    "select": "i32.const 1 i32.const 1 i32.const 1 select drop",
    "memory.size": "memory.size drop",
    "local.get": "local.get 0 drop",
    "local.set": "i32.const 1 local.set 0",
    "local.tee": "i32.const 1 local.tee 0 drop",
    "global.get": "global.get $i drop",
    "global.set": "i32.const 1 global.set $i",
    "i32.const": "i32.const -9 drop",
    "i64.const": "i64.const -9 drop",
}
_UNARY = ("eqz", "clz", "ctz", "popcnt", "wrap_i64", "extend")


def _shape(name: str) -> str:
    """The instruction with its operands, leaving nothing."""
    if name in _SHAPES:
        return _SHAPES[name] or name
    kind, operation = name.split(".")
    if "load" in operation:
        return f"i32.const 16 {name} offset=3 drop"
    if "store" in operation:
        return f"i32.const 16 {kind}.const -1 {name} offset=3"
    if operation.startswith(_UNARY):
        operand = {"wrap_i64": "i64", "extend_i32_s": "i32", "extend_i32_u": "i32"}.get(operation, kind)
        return f"{operand}.const -77 {name} drop"
    return f"{kind}.const -77 {kind}.const 5 {name} drop"


def _instructions() -> Iterator[Case]:
    for price, names in PRICES.items():
        for name in names.split():
            code = _shape(name)
            words = code.split()
            other = words.count("i32.const") + words.count("i64.const") + 9 * words.count("drop")
            own = {"drop": 0, "i32.const": 0, "i64.const": 0}.get(name, price)
            yield Case(name, code, BLOCK + other + own + 1)


INSTRUCTIONS = tuple(_instructions())

CASES = (
    Case("nothing", "", END),
    Case("a block", "(block)", BLOCK + 1 + 1 + END),
    Case("a block with a value", "(block (result i64) (i64.const 6))", BLOCK + 1 + 1 + 1 + END, values=(6,)),
    Case("nested blocks", "(block (block))", BLOCK + 1 + 1 + 1 + BLOCK + 1 + END),
    Case("a loop", "(loop (nop))", BLOCK + 1 + BLOCK + 1 + 1 + END),
    Case("if, taken", "(if (local.get 0) (then (nop)))", BLOCK + 75 + 765 + BLOCK + 1 + 1 + END, argument=1),
    Case("if, not taken", "(if (local.get 0) (then (nop)))", BLOCK + 75 + 765 + END),
    Case(
        "if else, first",
        "(if (local.get 0) (then (nop)) (else (nop) (nop)))",
        BLOCK + 840 + BLOCK + 2 + END,
        argument=1,
    ),
    Case("if else, second", "(if (local.get 0) (then (nop)) (else (nop) (nop)))", BLOCK + 840 + BLOCK + 3 + END),
    Case("br", "(block (br 0) (nop) (drop (i32.const 1)))", BLOCK + 1 + 765 + END),
    Case("br out of the function", "(nop) (br 0) (nop)", BLOCK + 1 + 765),
    Case("br_if, taken", "(block (br_if 0 (local.get 0)) (nop))", BLOCK + 1 + 75 + 765 + END, argument=1),
    Case("br_if, not taken", "(block (br_if 0 (local.get 0)) (nop))", BLOCK + 1 + 75 + 765 + BLOCK + 2 + END),
    Case(
        "a counting loop",
        "(loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))",
        BLOCK + 1 + 10 * (BLOCK + 75 + 1 + 70 + 75 + 765) + BLOCK + 1 + END,
        argument=10,
    ),
    *(
        Case(
            f"br_table to {target}",
            "(block (block (block (br_table 0 1 2 1 (local.get 0))) (nop)) (nop) (nop))",
            BLOCK + 3 + 75 + 2_400 + 3 * 325 + rest,
            argument=target,
        )
        for target, rest in ((0, BLOCK + 2 + BLOCK + 3 + END), (1, BLOCK + 3 + END), (2, END), (3, BLOCK + 3 + END))
    ),
    Case("br_table without targets", "(block (br_table 0 (local.get 0)))", BLOCK + 1 + 75 + 2_400 + END, argument=9),
    Case("return", "(nop) (return) (nop)", BLOCK + 1 + 1),
    Case(
        "return in a loop",
        "(loop (block (return (i64.const 3)))) (i64.const 4)",
        BLOCK + 1 + BLOCK + 1 + 1 + 1,
        values=(3,),
    ),
    Case("call", "(call $empty) (nop)", BLOCK + 3_800 + END + BLOCK + 1 + 1),
    Case(
        "call with arguments",
        "(call $add (i32.const 2) (i64.const 3))",
        BLOCK + 2 + 3_800 + ADD + END,
        values=(5,),
    ),
    Case("call_indirect", "(call_indirect (type $none) (i32.const 0))", BLOCK + 1 + 13_610 + END + END),
    Case(
        "call_indirect with arguments",
        "(call_indirect (type $two) (i32.const -2) (i64.const 3) (i32.const 1))",
        BLOCK + 3 + 13_610 + 2 * 650 + ADD + END,
        values=(1,),
    ),
    Case("host call", "(call $host (i32.const 4))", BLOCK + 1 + 3_800 + HOST_CALL + END),
    Case(
        "two host calls",
        "(drop (call $chain)) (drop (call $chain))",
        BLOCK + 3_800 + CHAIN + BLOCK + 9 + 3_800 + CHAIN + BLOCK + 9 + 1,
    ),
    Case(
        "host call through the table",
        "(call_indirect (param i32) (i32.const 4) (i32.const 2))",
        BLOCK + 2 + 13_610 + 650 + HOST_CALL + END,
    ),
    Case(
        "memory.fill",
        "(memory.fill (i32.const 100) (i32.const 7) (local.get 0)) (i64.load (i32.const 94))",
        BLOCK + 2 + 75 + 950 + 50 * 100 + 1 + 680 + 1,
        values=(0x0707_0000_0000_0000,),
        argument=50,
    ),
    Case("memory.fill of nothing", "(memory.fill (i32.const 65536) (i32.const 7) (i32.const 0))", BLOCK + 3 + 950 + 1),
    Case(
        "memory.copy",
        "(i64.store (i32.const 8) (i64.const 0x1122334455667788))"
        "(memory.copy (i32.const 3) (i32.const 8) (local.get 0)) (i64.load (i32.const 0))",
        BLOCK + 2 + 950 + 2 + 75 + 950 + 400 + 1 + 680 + 1,
        values=(0x0055_6677_8800_0000,),
        argument=4,
    ),
    Case(
        "memory.grow",
        "(drop (memory.grow (local.get 0))) (i64.extend_i32_u (memory.size))",
        BLOCK + 75 + 8_050 + 30_000 + 2 * 10_000_000 + 9 + 3_000 + 100 + 1,
        values=(3,),
        argument=2,
    ),
    Case("memory.grow by nothing", "(drop (memory.grow (i32.const 0)))", BLOCK + 1 + 8_050 + 30_000 + 9 + 1),
    Case(
        "memory.grow too far",
        "(i64.extend_i32_s (memory.grow (i32.const 3)))",
        BLOCK + 1 + 8_050 + 30_000 + 30_000_000 + 100 + 1,
        values=(2**64 - 1,),
    ),
    # traps: the block is paid for, no more and no less
    Case("unreachable", "(nop) (unreachable)", BLOCK + 1 + 1 + 1, trap="unreachable"),
    Case("unreachable behind a block", "(block (nop)) (unreachable)", BLOCK + 3 + BLOCK + 1 + 1, trap="unreachable"),
    Case("what is not reached before a boundary is paid", "(unreachable) (nop) (nop)", BLOCK + 4, trap="unreachable"),
    Case(
        "division by zero",
        "(drop (i32.div_u (i32.const 1) (local.get 0)))",
        BLOCK + 1 + 75 + 1_120 + 9 + 1,
        trap="integer divide by zero",
    ),
    Case(
        "remainder by zero",
        "(drop (i64.rem_s (i64.const 1) (i64.const 0))) (nop)",
        BLOCK + 2 + 1_270 + 9 + 1 + 1,
        trap="integer divide by zero",
    ),
    Case(
        "overflow",
        "(block (nop)) (drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
        BLOCK + 3 + BLOCK + 2 + 1_270 + 9 + 1,
        trap="integer overflow",
    ),
    Case(
        "load out of bounds",
        "(drop (i32.load (i32.const 65533)))",
        BLOCK + 1 + 670 + 9 + 1,
        trap="out of bounds memory access",
    ),
    Case(
        "store out of bounds",
        "(i64.store8 offset=65535 (i32.const 1) (i64.const 0))",
        BLOCK + 2 + 950 + 1,
        trap="out of bounds memory access",
    ),
    Case(
        "fill out of bounds",
        "(memory.fill (i32.const 1) (i32.const 1) (i32.const 65536))",
        BLOCK + 3 + 950 + 6_553_600 + 1,
        trap="out of bounds memory access",
    ),
    Case(
        "copy out of bounds",
        "(memory.copy (i32.const 65536) (i32.const 0) (i32.const 1))",
        BLOCK + 3 + 950 + 100 + 1,
        trap="out of bounds memory access",
    ),
    Case(
        "null in the table",
        "(nop) (call_indirect (type $none) (i32.const 3)) (nop)",
        BLOCK + 2 + 13_610,
        trap="call of a null function",
    ),
    Case(
        "out of the table",
        "(call_indirect (type $none) (i32.const 4))",
        BLOCK + 1 + 13_610,
        trap="out of bounds table access",
    ),
    Case(
        "another type in the table",
        "(drop (call_indirect (type $two) (i32.const 0) (i64.const 0) (i32.const 0)))",
        BLOCK + 3 + 13_610 + 1_300,
        trap="indirect call type mismatch",
    ),
    Case(
        "a trap in a callee",
        "(loop (call $f (i32.div_u (i32.const 6) (local.get 0))))",
        2 * (BLOCK + 1 + BLOCK + 1 + 75 + 1_120 + 3_800),
        argument=7,
        trap="integer divide by zero",
    ),
)
