"""What a module must not be: every refusal names its rule, and no bytes do anything but pass or be refused."""

import random
import time
import tracemalloc
from collections.abc import Callable
from functools import cache

import brotli
import pytest
from wasmtime import wat2wasm

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.binary import decode, unsigned
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.module.instrument import instrument
from zevm.chain.zvm.module.limits import LIMITS
from zevm.chain.zvm.module.prepare import ExportedFunction, Prepared, decompress, prepare
from zevm.chain.zvm.module.shape import shape_of
from zevm.chain.zvm.price_table import COVENANT, STYLUS, ZVM
from zevm.chain.zvm.runtime.engine import Engine, shared_engine
from zevm.chain.zvm.runtime.runtime import End, run

ENTRY = '(func (export "user_entrypoint") (param i32) (result i32) (i32.const 0))'
MEMORY = '(memory (export "memory") 1 1)'
GROW = '(import "vm_hooks" "pay_for_memory_grow" (func $grow (param i32)))'


def assemble(text: str) -> bytes:
    return bytes(wat2wasm(f"(module {text})"))


def contract(text: str = "", *, imports: str = "", memory: str = MEMORY, entry: str = ENTRY) -> bytes:
    return assemble(f"{imports} {memory} {entry} {text}")


def section(identifier: int, content: bytes) -> bytes:
    return bytes((identifier,)) + unsigned(len(content)) + content


def one_function(instructions: bytes) -> bytes:
    """A library of a memory and one function, from bytes that no text gives."""
    body = b"\0" + instructions + b"\x0b"
    code = section(10, b"\1" + unsigned(len(body)) + body)
    return b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(5, b"\1\1\1\1") + code


def refusal(code: bytes, *, library: bool = False) -> ModuleRefusedError:
    with pytest.raises(ModuleRefusedError) as caught:
        prepare(code, ZVM, library=library)
    assert str(caught.value).startswith(f"invalid module ({caught.value.rule}): ")
    return caught.value


BROKEN: list[tuple[str, str, bytes]] = [
    # the frame
    ("magic", "begins with nothing", b""),
    ("magic", "begins with 0061736d02000000", b"\0asm\2\0\0\0"),
    ("magic", "begins with 286d6f64756c6529", b"(module)"),
    ("start", "section 8", contract("(func $f) (start $f)")),
    ("section", "section 13", contract() + section(13, b"\0")),
    ("malformed", "out of order", contract() + section(1, b"\0")),
    ("malformed", "out of order", contract('(data (i32.const 0) "x")') + section(11, b"\0")),
    ("malformed", "section 11 has 1 bytes more", contract() + section(11, b"\0\0")),
    ("malformed", "9 bytes wanted, 1 left", contract() + b"\x0b\x09\0"),
    ("malformed", "more than 5 bytes", contract() + b"\x0b\x81\x80\x80\x80\x80\0\0"),
    ("malformed", "more than 32 bits", contract() + b"\x0b\x81\x80\x80\x80\x10\0"),
    # types
    ("float", "floating point type", contract("(type (func (param f32)))")),
    ("float", "floating point type", contract("(type (func (result f64)))")),
    ("float", "floating point type", contract("(global f64 (f64.const 0))")),
    ("float", "floating point type", contract("(func (local f32))")),
    ("float", "floating point opcode 0x43", contract("(func (drop (f32.const 0)))")),
    ("float", "floating point opcode 0x2b", contract("(func (drop (f64.load (i32.const 0))))")),
    ("type", "type 0x7b", contract("(type (func (param v128)))")),
    ("type", "type 0x6f", contract("(func (param externref))")),
    ("type", "type 0x70", contract("(func (local funcref))")),
    ("multi-value", "2 results", contract("(func (result i32 i32) (i32.const 0) (i32.const 0))")),
    ("multi-value", "2 results", contract("(type (func (result i32 i64)))")),
    (
        "type",
        "only i32, i64 and none",
        contract("(type $b (func (param i32) (result i32))) (func (i32.const 0) (block (type $b)) drop)"),
    ),
    ("malformed", "not a function type", b"\0asm\1\0\0\0" + section(1, b"\1\x5f\0")),
    # imports
    ("import", "there is no function env.abort", contract(imports='(import "env" "abort" (func))')),
    ("import", "there is no function vm_hooks.absent", contract(imports='(import "vm_hooks" "absent" (func))')),
    (
        "import",
        "console.log_txt is available on development chains only",
        contract(imports='(import "console" "log_txt" (func (param i32 i32)))'),
    ),
    (
        "import",
        "() -> (i64), it is (i32) -> ()",
        contract(imports='(import "vm_hooks" "read_args" (func (result i64)))'),
    ),
    ("import", "only functions", contract(imports='(import "vm_hooks" "x" (memory 1))', memory="")),
    ("import", "only functions", contract(imports='(import "vm_hooks" "x" (global i32))')),
    ("import", "only functions", contract(imports='(import "vm_hooks" "x" (table 1 funcref))')),
    ("reserved name", "import stylus_x begins", contract(imports='(import "vm_hooks" "stylus_x" (func))')),
    # exports
    ("reserved name", "export stylus begins", contract('(func (export "stylus"))')),
    ("reserved name", "export zvm_ink is reserved", contract('(global (export "zvm_ink") i32 (i32.const 0))')),
    ("reserved name", "export zvm_stack is reserved", contract('(func (export "zvm_stack"))')),
    ("reserved name", "export zvm_fault is reserved", contract('(func (export "zvm_fault"))')),
    ("reserved name", "export memory is reserved", contract('(func (export "memory"))', memory="(memory 1 1)")),
    (
        "export",
        "imported and exported",
        contract('(func (export "read_args"))', imports='(import "vm_hooks" "read_args" (func (param i32)))'),
    ),
    ("malformed", "exported twice", b"\0asm\1\0\0\0" + section(5, b"\1\1\1\1") + section(7, b"\2\1a\2\0\1a\2\0")),
    ("export", "of kind 4", b"\0asm\1\0\0\0" + section(7, b"\1\1a\4\0")),
    ("malformed", "not UTF-8", b"\0asm\1\0\0\0" + section(7, b"\1\1\xff\2\0")),
    # the entry point and the memory
    ("entry point", "there must be an exported function", contract(entry="")),
    (
        "entry point",
        "there must be an exported function",
        contract(entry='(global (export "user_entrypoint") i32 (i32.const 0))'),
    ),
    (
        "entry point",
        "(i64) -> (i32), it must be (i32) -> (i32)",
        contract(entry='(func (export "user_entrypoint") (param i64) (result i32) (i32.const 0))'),
    ),
    ("memory", "there must be a memory", contract(memory="")),
    ("memory", "there must be a memory", contract(memory="(memory 1 1)")),
    ("memory", "there must be a memory", contract(memory='(memory (export "mem") 1 1)')),
    ("memory", "vm_hooks.pay_for_memory_grow must be imported", contract(memory='(memory (export "memory") 1)')),
    ("memory", "vm_hooks.pay_for_memory_grow must be imported", contract(memory='(memory (export "memory") 1 2)')),
    (
        "memory",
        "1025 initial pages, the limit is 1024",
        contract(imports=GROW, memory='(memory (export "memory") 1025 1025)'),
    ),
    ("memory", "at most 1 pages, the range is 2", b"\0asm\1\0\0\0" + section(5, b"\1\1\2\1")),
    ("memory", "at most 65537 pages", b"\0asm\1\0\0\0" + section(5, b"\1\1\0\x81\x80\4")),
    ("limit", "2 memories, the limit is 1", contract("(memory 1 1)")),
    ("type", "limits with flags 3", contract(memory='(memory (export "memory") 1 1 shared)')),
    ("type", "limits with flags 5", contract(memory='(memory (export "memory") i64 1 1)')),
    ("memory", "alignment 2**66", one_function(b"\x41\0\x28\x42\0\0\x1a")),
    ("validation", "too long", one_function(b"\x41\0\x28\2\x80\x80\x80\x80\x80\0\x1a")),
    ("validation", "out of range", one_function(b"\x41\0\x28\2\xff\xff\xff\xff\x1f\x1a")),
    ("memory", "memory 128 at byte", one_function(b"\x3f\x80\0\x1a")),
    ("memory", "memory 128 at byte", one_function(b"\x41\0\x40\x80\0\x1a")),
    ("memory", "memory 128 at byte", one_function(b"\x41\0\x41\0\x41\0\xfc\x0b\x80\0")),
    # tables and segments
    ("limit", "2 tables, the limit is 1", contract("(table 1 funcref) (table 1 funcref)")),
    ("type", "table of another type", contract("(table 1 externref)")),
    ("table", "at most 1 entries, 2 at first", b"\0asm\1\0\0\0" + section(4, b"\1\x70\1\2\1")),
    ("table", "ends at 3, the table has 2", contract("(func $f) (table 2 funcref) (elem (i32.const 1) $f $f)")),
    ("table", "ends at 4294967296, the table has 2", contract("(func $f) (table 2 funcref) (elem (i32.const -1) $f)")),
    ("data", "ends at byte 65537", contract('(data (i32.const 65536) "x")')),
    ("data", "ends at byte 4294967296", contract('(data (i32.const -1) "x")')),
    ("segment", "data segment with flags 1", contract('(data "x")')),
    ("segment", "element segment with flags 1", contract("(func $f) (table 1 funcref) (elem func $f)")),
    ("segment", "element segment with flags 3", contract("(func $f) (elem declare func $f)")),
    ("constant", "opcode 0x23", contract('(global $g i32 (i32.const 0)) (data (global.get $g) "x")')),
    ("constant", "opcode 0x23", contract("(global $g i32 (i32.const 0)) (global i32 (global.get $g))")),
    ("constant", "more than one instruction", contract("(global i32 (i32.add (i32.const 0) (i32.const 1)))")),
    ("malformed", "mutability", b"\0asm\1\0\0\0" + section(6, b"\1\x7f\2\x41\0\x0b")),
    ("malformed", "more than 32 bits", b"\0asm\1\0\0\0" + section(6, b"\1\x7f\0\x41\xff\xff\xff\xff\x4f\x0b")),
    ("malformed", "more than 64 bits", b"\0asm\1\0\0\0" + section(6, b"\1\x7e\0\x42" + b"\xff" * 9 + b"\x40\x0b")),
    ("malformed", "more than 10 bytes", b"\0asm\1\0\0\0" + section(6, b"\1\x7e\0\x42" + b"\x80" * 10 + b"\0\x0b")),
    # indices
    (
        "index",
        "type 7 of 1",
        b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\7") + section(10, b"\1\2\0\x0b"),
    ),
    ("index", "type 1 of 1", b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(2, b"\1\1a\1b\0\1")),
    ("index", "export a: 1 of 1", b"\0asm\1\0\0\0" + section(5, b"\1\1\1\1") + section(7, b"\1\1a\2\1")),
    ("index", "export a: 0 of 0", b"\0asm\1\0\0\0" + section(7, b"\1\1a\3\0")),
    ("index", "function 9 of 0", b"\0asm\1\0\0\0" + section(4, b"\1\x70\0\1") + section(9, b"\1\0\x41\0\x0b\1\x09")),
    ("malformed", "1 functions but 0 bodies", b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\0")),
    ("malformed", "2 data segments announced, 0 stand", b"\0asm\1\0\0\0" + section(12, b"\2")),
    # instructions
    ("opcode", "0x12", contract("(func $f (return_call $f))")),
    ("opcode", "0xd0", contract("(func (drop (ref.null func)))")),
    ("opcode", "0xfd", contract("(func (drop (v128.const i64x2 0 0)))")),
    ("opcode", "0x25", contract("(table 1 funcref) (func (drop (table.get 0 (i32.const 0))))")),
    ("opcode", "0x1c", contract("(func (drop (select (result i32) (i32.const 0) (i32.const 0) (i32.const 0))))")),
    ("opcode", "0xfc00", contract("(func (result i32) (i32.const 0) (unreachable) (i32.trunc_sat_f32_s))")),
    (
        "opcode",
        "0xfc08",
        contract('(data "") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))').replace(
            section(11, b"\1\1\0"), section(11, b"\1\0\x41\0\x0b\0")
        ),
    ),
    ("opcode", "0xfc0e", contract("(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0)))")),
    ("opcode", "0xfe", contract("(func (drop (i32.atomic.load (i32.const 0))))")),
    ("validation", "type mismatch", contract("(func (result i32) (i64.const 0))")),
    ("validation", "unknown local", contract("(func (local.set 3 (i32.const 0)))")),
    ("validation", "unknown function", contract("(func (call 77))")),
    ("validation", "immutable", contract("(global $g i32 (i32.const 0)) (func (global.set $g (i32.const 0)))")),
    ("validation", "alignment", contract("(func (drop (i32.load (i32.const 0))))").replace(b"\x28\2\0", b"\x28\3\0")),
]


@pytest.mark.parametrize(("rule", "text", "code"), BROKEN, ids=[f"{rule}: {text}" for rule, text, _ in BROKEN])
def test_every_refusal_names_its_rule(rule: str, text: str, code: bytes) -> None:
    error = refusal(code, library="must be" not in text)
    assert error.rule == rule, error
    assert text in str(error)


def function_imports(count: int) -> bytes:
    return contract(imports='(import "vm_hooks" "msg_value" (func (param i32)))' * count)


def with_parameters(count: int) -> bytes:
    return contract(f"(type (func (param {'i32 ' * count})))")


def nest(count: int) -> bytes:
    return contract(f"(func {'block ' * count} {'end ' * count})")


def branch_blocks(count: int) -> bytes:
    """The function's end makes the last block."""
    return contract(f"(func {'(br_if 0 (i32.const 0))' * (count - 1)})")


def carry(count: int) -> bytes:
    """Blocks of 128 locals and 127 branches, and of one local for what is left."""
    many = "".join(f"(local.set {at} (i32.const 1))" for at in range(128)) + "(br_if 0 (i32.const 1))" * 127
    one = "(block (local.set 0 (i32.const 1)))"
    return contract(f"(func (local {'i32 ' * 128}) {f'(block {many})' * (count // 16_384)} {one * (count % 16_384)})")


def deep_operands(count: int) -> bytes:
    return contract(f"(func {'i32.const 0 ' * count} {'drop ' * count})")


def exports(count: int) -> bytes:
    return contract("".join(f'(export "e{index}" (func 0))' for index in range(count - 2)))


def operations(count: int) -> bytes:
    """`end` is one."""
    return contract(f"(func {'nop ' * (count - 1)})")


def data_of(total: int) -> bytes:
    """A module of so many bytes, with a data segment; its length field has three bytes."""
    empty = contract('(data (i32.const 0) "")')
    size = total - len(empty) - 4
    return contract(f'(data (i32.const 0) "{"x" * size}")', memory='(memory (export "memory") 9 9)')


def compressed(module: bytes) -> bytes:
    return COMPRESSED_PREFIX + b"\0" + brotli.compress(module, quality=1)


MAKERS: dict[str, Callable[[int], bytes]] = {
    "stored code bytes": data_of,
    "module bytes": lambda count: compressed(data_of(count)),
    "types": lambda count: contract("(type (func (param i64)))" * (count - 1)),
    "imports": function_imports,
    "functions": lambda count: contract("(func)" * (count - 1)),
    "globals": lambda count: compressed(contract("(global i32 (i32.const 0))" * count)),
    "exports": exports,
    "element segments": lambda count: contract("(table 1 funcref)" + "(elem (i32.const 0) 0)" * count),
    "data segments": lambda count: contract('(data (i32.const 0) "")' * count),
    "table entries": lambda count: contract(f"(table {count} funcref)"),
    "name bytes": lambda count: contract(f'(func (export "{"n" * count}"))'),
    "parameters": with_parameters,
    "locals with parameters": lambda count: contract(f"(func (param i32 i64) (local {'i32 ' * (count - 2)}))"),
    "operations in a function": operations,
    "metered blocks in a function": branch_blocks,
    "nested blocks": nest,
    "loops in a function": lambda count: contract(f"(func {'(loop)' * count})"),
    "operand depth": deep_operands,
    "locals carried through blocks": carry,
}


def test_every_limit_can_be_met() -> None:
    elsewhere = {
        "joined locals in a function",
        "joined locals",
        "joins times locals",
        "activation gas",
    }  # test_bombs.py
    assert set(MAKERS) | {"frame words"} | elsewhere == set(LIMITS), "frame words: more than depth and locals can give"
    assert LIMITS["frame words"] >= LIMITS["operand depth"] + LIMITS["locals with parameters"] + 4


@pytest.mark.slow
@pytest.mark.parametrize("what", MAKERS)
def test_a_limit_is_allowed_and_one_more_is_refused(what: str) -> None:
    make, limit = MAKERS[what], LIMITS[what]
    accepted = make(limit)
    if what == "stored code bytes":
        assert len(accepted) == limit
    check(prepare(accepted, ZVM))
    error = refusal(make(limit + 1))
    assert error.rule == "limit"
    if what != "module bytes":
        assert f"{limit + 1} {what}, the limit is {limit}" in str(error)


@pytest.mark.slow
def test_a_module_at_many_limits_at_once_has_room() -> None:
    """A slot of the engine's pool holds globals, imports, functions and table; what has none would stop the chain."""
    imports = '(import "vm_hooks" "msg_value" (func (param i32)))' * LIMITS["imports"]
    table = " ".join(str(index) for index in range(LIMITS["table entries"]))
    text = "(global i64 (i64.const 1))" * LIMITS["globals"] + "(func)" * (LIMITS["table entries"] - 514)
    text += f"(table {LIMITS['table entries']} 4294967295 funcref) (elem (i32.const 0) {table})"
    program = engine().compile(prepare(compressed(contract(text, imports=imports)), ZVM), optimise=False)
    callbacks = [lambda _, __: None] * LIMITS["imports"]
    assert run(program, callbacks, context=None, ink=10**9, stack_words=9, arguments=(1,)).end is End.RETURNED


def test_targets_of_a_branch_table_count_as_operations() -> None:
    limit = LIMITS["operations in a function"]
    for targets, accepted in ((limit - 3, True), (limit - 2, False)):
        code = contract(f"(func (br_table {'0 ' * (targets + 1)} (i32.const 0)))")
        if accepted:
            prepare(code, ZVM)
        else:
            assert refusal(code).rule == "limit"


def test_a_count_is_refused_before_what_it_counts_is_read() -> None:
    huge = b"\xff\xff\xff\xff\x0f"
    for identifier in (1, 2, 3, 6, 7, 9, 10, 11):
        tracemalloc.start()
        error = refusal(b"\0asm\1\0\0\0" + section(identifier, huge))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()
        assert error.rule == "limit"
    body = b"\1" + huge + b"\x7f\x0b"
    function = section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(10, b"\1" + unsigned(len(body)) + body)
    assert refusal(b"\0asm\1\0\0\0" + function, library=True).rule in ("limit", "validation")


def test_groups_of_no_locals_are_counted() -> None:
    groups = [b"\0" + unsigned(count) + b"\0\x7f" * count for count in (1_024, 1_025)]
    types = b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\0")
    accepted, refused = (types + section(10, b"\1" + unsigned(len(group)) + group[1:] + b"\x0b") for group in groups)
    prepare(accepted, ZVM, library=True)
    assert "1025 locals with parameters" in str(refusal(refused, library=True))


FULL = contract(
    """(table 2 4 funcref) (elem (i32.const 0) $value $args) (global $g (mut i64) (i64.const -5))
    (func $value (export "value") (param $n i64) (result i64) (local $i i32)
      (block $out (loop $again
        (br_if $out (i64.eqz (local.get $n)))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br_table $again $out $again (i32.and (local.get $i) (i32.const 3)))))
      (if (result i64) (local.get $i) (then (global.get $g)) (else (return (i64.load offset=8 (i32.const 0))))))
    (func (export "indirect") (call_indirect (type $a) (i32.const 16) (i32.const 1))
      (drop (memory.grow (i32.const 1))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)))
    (data (i32.const 100) "some bytes")""",
    imports=GROW + '(type $a (func (param i32))) (import "vm_hooks" "read_args" (func $args (type $a)))',
    memory='(memory (export "memory") 1 3)',
) + section(0, b"\x08zvm.init" + b"arguments")


@cache
def engine() -> Engine:
    return shared_engine(pooled=True)


def check(prepared: Prepared) -> None:
    """What was accepted can be compiled by the engine that runs it."""
    engine().compile(prepared, optimise=False)


def test_what_a_module_tells_of_itself() -> None:
    prepared = prepare(FULL, ZVM)
    check(prepared)
    assert prepared.stored + section(0, b"\x08zvm.init" + b"arguments") == FULL
    assert prepared.init_payload == b"arguments"
    assert (prepared.initial_pages, prepared.maximum_pages, prepared.data_bytes) == (1, 3, 10)
    assert prepared.imports == (("vm_hooks", "pay_for_memory_grow"), ("vm_hooks", "read_args"))
    assert prepared.exports == (
        ExportedFunction("user_entrypoint", "i", "i"),
        ExportedFunction("value", "I", "I"),
        ExportedFunction("indirect", "", ""),
    )


def test_activation_is_charged_by_size_operations_blocks_and_functions() -> None:
    code = contract("(func (br_if 0 (i32.const 1)) (nop) (unreachable) (nop) (nop))")
    operations, blocks, functions = 2 + 7, 1 + 2, 2
    expected = 30_000 + 4 * len(code) + 5 * operations + 120 * blocks + 600 * functions + PARAMETERS
    for schedule in (ZVM, STYLUS, COVENANT):
        assert prepare(code, schedule).activation_gas == expected
        assert prepare(code + section(0, b"\x08zvm.initx"), schedule).activation_gas == expected
    assert prepare(code + section(0, b"\1n"), ZVM).activation_gas == expected + 4 * 4


PARAMETERS = 10 + 2 * 40
"""For the one of the entry point, and for what the type of that names: it and the result."""

CODES = [
    ("(call 1)", 60),
    ("(drop (call 0 (i32.const 1)))", 60),
    ("(drop (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0)))", 500),
    ("(drop (memory.grow (i32.const 1)))", 60),
    ("(memory.copy (i32.const 1) (i32.const 1) (i32.const 1))", 60),
    ("(memory.fill (i32.const 1) (i32.const 1) (i32.const 1))", 60),
    ("(loop) (loop) (loop)", 3 * 3 * 2),
    ("(loop (loop))", 2 * 2 * 2),
    ("(if (i32.const 1) (then))", 1 * 5 * 2),
    ("(block (br_if 0 (i32.const 1)))", 1 * 5 * 2),
]
"""Code, and its gas beside what its operations, blocks, bytes and functions cost; the function has five locals."""


@pytest.mark.parametrize(("code", "gas"), CODES)
def test_z1_activation_is_charged_by_what_takes_the_compiler_long(code: str, gas: int) -> None:
    raw = contract(f"(table 1 funcref) (func (local i32 i32 i64 i64 i64) {code})")
    work = instrument(decode(raw), ZVM).work
    plain = 30_000 + 4 * len(raw) + 5 * work.operations + 120 * work.blocks + 600 * 2 + PARAMETERS
    # loops that nothing branches to are no joins
    assert prepare(raw, ZVM).activation_gas == plain + gas


CARRIED = [
    ("(block (local.set 0 (i32.const 1)))", 1),
    ("(block (drop (local.tee 0 (i32.const 1))))", 1),
    ("(block (local.set 0 (i32.const 1)) (local.set 0 (i32.const 1)))", 1),
    ("(block (local.set 0 (i32.const 1)) (local.set 200 (i32.const 1)))", 2),
    ("(block (block (local.set 0 (i32.const 1))) (local.set 1 (i32.const 1)))", 1 + 2),
    ("(loop (local.set 0 (i32.const 1)) (br_if 0 (i32.const 0)) (br_if 0 (i32.const 0)))", 3),
    ("(block (loop (local.set 0 (i32.const 1)) (br_if 1 (i32.const 0))))", 1 + 2),
    ("(if (i32.const 1) (then (local.set 0 (i32.const 1))) (else (local.set 1 (i32.const 1))))", 2),
    ("(block (local.set 0 (i32.const 1)) (br_table 0 0 0 1 (i32.const 0)))", 4),
    ("(block (local.set 0 (i32.const 1)) (br 0) (br_if 0 (i32.const 0)) (br_table 0 0 (i32.const 0)))", 2),
    ("(local.set 0 (i32.const 1)) (br_if 0 (i32.const 0)) (block (br_if 0 (i32.const 0)))", 0),
]


@pytest.mark.parametrize(("code", "carried"), CARRIED)
def test_locals_that_blocks_carry_are_charged_for(code: str, carried: int) -> None:
    raw = contract(f"(func (local {'i32 ' * 201}) {code})")
    result = instrument(decode(raw), ZVM)
    work = result.work
    assert work.carried == carried
    without = 30_000 + 4 * len(raw) + 5 * work.operations + 120 * work.blocks + 600 * 2 + PARAMETERS
    joins = sum(shape_of(raw, *body).joins for body in decode(raw).bodies)
    loops = code.count("(loop")
    assert prepare(raw, ZVM).activation_gas == without + 40 * carried + 2 * joins * 201 + 2 * loops


def nested_loops(depth: int, locals_: int) -> str:
    code = "".join(f"(local.set {at} (i64.add (local.get {at}) (i64.const 3)))" for at in range(locals_))
    for level in range(depth):
        code = f"(loop {code} (br_if 0 (i32.load (i32.const {level}))))"
    return f"(func (local {'i64 ' * locals_}) {code})"


def test_what_takes_the_compiler_long_is_refused_or_costs_as_much() -> None:
    """Without the rule the first takes 17 seconds for 100,000 gas, and many small ones are paid as packed bytes."""
    assert refusal(contract(nested_loops(300, 300))).rule == "limit"
    several = compressed(contract(nested_loops(80, 80) * 5))
    assert len(several) < 4_000
    assert prepare(several, ZVM).activation_gas > 5 * 80 * 80 * 2 * 40 > 2_500_000
    assert refusal(compressed(contract(nested_loops(90, 90) * 60))).rule == "limit"


def test_a_module_cut_at_any_byte_is_refused_or_shorter() -> None:
    whole = 0
    for end in range(len(FULL)):
        try:
            prepared = prepare(FULL[:end], ZVM)
        except ModuleRefusedError:
            continue
        check(prepared)
        whole += 1
    assert whole == 3, "it is still a module without zvm.init, the names before that, and the data before them"


@pytest.mark.slow
def test_changed_bytes_are_refused_or_run() -> None:
    source = random.Random(5)
    accepted = 0
    for position in range(len(FULL)):
        for value in {FULL[position] ^ 1 << bit for bit in range(8)} | {source.randrange(256)}:
            try:
                prepared = prepare(FULL[:position] + bytes((value,)) + FULL[position + 1 :], ZVM)
            except ModuleRefusedError:
                continue
            accepted += 1
            check(prepared)
    assert accepted > 100


def test_random_bytes_behind_the_magic_are_refused() -> None:
    source = random.Random(6)
    for _ in range(2_000):
        code = b"\0asm\1\0\0\0" + source.randbytes(source.randrange(1, 40))
        assert refusal(code).rule != "magic", code.hex()


def test_a_padded_table_index_is_accepted_and_written_short() -> None:
    plain = contract("(table 1 funcref) (func (call_indirect (i32.const 0)))")
    end = b"\x11\x01\x00\x0b"
    padded = resized(plain, end, b"\x11\x01\x80\x80\x80\x80\x00\x0b")
    prepared = prepare(padded, ZVM)
    check(prepared)
    assert prepared.instrumented == prepare(plain, ZVM).instrumented
    assert refusal(resized(plain, end, b"\x11\x01\x80\x80\x80\x80\x01\x0b")).rule == "validation"
    assert refusal(resized(plain, end, b"\x11\x01\x80\x80\x80\x80\x80\x00\x0b")).rule == "validation"


def resized(module: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the end of the last function, which is the end of a module, and mend the two sizes."""
    assert module.endswith(old)
    added = len(new) - len(old)
    start = module.index(bytes((10,)), 8)
    while start + 2 + module[start + 1] != len(module):
        start = module.index(bytes((10,)), start + 1)
    out = bytearray(module[: -len(old)] + new)
    out[start + 1] += added
    body = start + 3
    while body + 1 + module[body] != len(module):
        body += 1 + module[body]
    out[body] += added
    return bytes(out)


INIT = b"\x08zvm.init"


def test_the_init_section_is_the_last_and_is_not_stored() -> None:
    plain = contract()
    for payload in (b"", b"\0", bytes(1_000)):
        prepared = prepare(plain + section(0, INIT + payload), ZVM)
        assert (prepared.stored, prepared.init_payload) == (plain, payload)
        assert prepared.instrumented == prepare(plain, ZVM).instrumented
    assert prepare(plain, ZVM).init_payload is None
    other = section(0, b"\1nxyz")
    assert prepare(plain + other + section(0, INIT), ZVM).stored == plain + other
    for behind in (other, section(0, INIT), section(11, b"\0")):
        assert refusal(plain + section(0, INIT + b"x") + behind).rule == "init section"
    packed = compressed(plain + section(0, INIT + b"x"))
    assert (prepare(packed, ZVM).stored, prepare(packed, ZVM).init_payload) == (packed, b"x")
    big = section(0, INIT + bytes(LIMITS["module bytes"] - len(plain) - 13))
    prepared = prepare(plain + big, ZVM)
    assert prepared.stored == plain, "only what is kept counts as stored"
    assert "262145 module bytes" in str(refusal(plain + section(0, big[4:] + b"x")))


def test_names_of_custom_sections_are_checked_too() -> None:
    assert refusal(contract() + section(0, b"\1\xff")).rule == "malformed"
    assert refusal(contract() + section(0, b"")).rule == "malformed"
    assert refusal(contract() + section(0, b"\x05ab")).rule == "malformed"


def test_a_library_needs_no_entry_point_memory_or_growth_import() -> None:
    for text in (
        "",
        "(memory 1)",
        '(memory (export "memory") 1) (func (export "f"))',
        '(func (export "f") (param i64))',
    ):
        prepared = prepare(assemble(text), ZVM, library=True)
        check(prepared)
        assert refusal(assemble(text)).rule in ("memory", "entry point")


def test_stylus_has_128_pages_and_the_others_1024() -> None:
    sizes = {STYLUS: 128, ZVM: 1024, COVENANT: 1024}
    for schedule, pages in sizes.items():
        accepted = contract(imports=GROW, memory=f'(memory (export "memory") {pages})')
        assert prepare(accepted, schedule).maximum_pages == pages
        with pytest.raises(ModuleRefusedError, match=f"{pages + 1} initial pages, the limit is {pages}"):
            prepare(contract(imports=GROW, memory=f'(memory (export "memory") {pages + 1})'), schedule)


def test_the_first_bytes_make_a_module() -> None:
    claims = ZvmMachine("zvm").claims
    for code in (contract(), compressed(contract()), b"\0asm", b"\0asm\2\0\0\0", COMPONENT):
        assert claims(code)
    for code in (b"", b"\0as", b"\xef\xf0", b"\xef\0\0", b"(module)"):
        assert not claims(code)


COMPONENT = b"\0asm\x0d\0\1\0"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (COMPONENT, r"begins with 0061736d0d000100 \(version 13, a component\)"),
        (b"\0asm\2\0\0\0", r"begins with 0061736d02000000 \(version 2\)"),
        (b"\0asm", "begins with 0061736d, a module"),
    ],
)
def test_z11_another_version_is_refused_by_its_name(code: bytes, text: str) -> None:
    with pytest.raises(ModuleRefusedError, match=text):
        prepare(code, ZVM)


COMPRESSED_BROKEN = [
    ("begins with nothing", b""),
    ("begins with efff0000", b"\xef\xff\0\0"),
    ("begins with eff000", COMPRESSED_PREFIX),
    ("dictionary 1", COMPRESSED_PREFIX + b"\1" + brotli.compress(b"x")),
    ("not a Brotli stream", COMPRESSED_PREFIX + b"\0" + b"\xff" * 20),
    ("ends early", COMPRESSED_PREFIX + b"\0"),
    ("ends early", COMPRESSED_PREFIX + b"\0" + brotli.compress(FULL)[:-1]),
    ("not a Brotli stream", COMPRESSED_PREFIX + b"\0" + brotli.compress(FULL) + b"\0"),
]


@pytest.mark.parametrize(("text", "code"), COMPRESSED_BROKEN)
def test_what_is_not_a_compressed_module_is_refused(text: str, code: bytes) -> None:
    with pytest.raises(ModuleRefusedError, match=text) as caught:
        decompress(code)
    assert caught.value.rule == "compression"


def test_a_compressed_module_is_the_module() -> None:
    for quality in (0, 5, 11):
        code = COMPRESSED_PREFIX + b"\0" + brotli.compress(FULL, quality=quality)
        assert prepare(code, ZVM).instrumented == prepare(FULL, ZVM).instrumented
        assert prepare(code, ZVM).stored == code
    for end in range(4, len(compressed(FULL))):
        assert refusal(compressed(FULL)[:end]).rule == "compression"
    assert refusal(compressed(b"")).rule == "magic"


def test_more_than_is_stored_is_not_even_decompressed() -> None:
    error = refusal(COMPRESSED_PREFIX + b"\0" + b"\xff" * LIMITS["stored code bytes"])
    assert error.rule == "limit"
    assert "131076 stored code bytes" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("size", [LIMITS["module bytes"] + 1, 1 << 26, 1 << 30])
def test_a_bomb_costs_little_time_and_memory(size: int) -> None:
    compressor = brotli.Compressor(quality=5, lgwin=24)
    bomb, part = bytearray(COMPRESSED_PREFIX + b"\0"), bytes(min(size, 1 << 20))
    for _ in range(size // len(part)):
        bomb += compressor.process(part)
    bomb += compressor.finish()
    assert len(bomb) < LIMITS["stored code bytes"]
    tracemalloc.start()
    start = time.thread_time()
    error = refusal(bytes(bomb))
    seconds = time.thread_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.rule == "limit"
    assert "more than 262144 module bytes when decompressed" in str(error)
    assert seconds < 0.5  # decompressing the largest takes longer on any machine
    assert peak < 3 * LIMITS["module bytes"]
