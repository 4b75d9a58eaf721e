"""Modules that are as large, deep or awkward as the rules let them be: in time, in bounded memory, or refused.

A compiler whose time is quadratic in what a module may hold would let one transaction stop the chain. The budgets are
several times what an idle machine of two cores takes.
"""

import resource
import time
from collections.abc import Callable, Iterator

import brotli
import pytest

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import (
    Bounds,
    DataSegment,
    Element,
    Export,
    FunctionType,
    Import,
    Module,
    encode,
    signed,
    unsigned,
)
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.module.limits import LIMITS
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import Engine, shared_engine
from zevm.chain.zvm.runtime.runtime import End, run

pytestmark = pytest.mark.slow

SECONDS = 15.0
"""For one preparation with one unoptimised compilation; the worst below takes 0.8 seconds."""
OPTIMISED_SECONDS = 30.0
MEMORY_KIB = 512 * 1024
"""What the process may grow by in the whole file."""

CODE_BYTES = 8 * 1024 * 1024

GET, SET = b"\x20", b"\x21"
ANSWER = b"\x20\x00\x0b"
BRANCH_OUT = b"\x20\x00\x0d\x00\x0b"
LOCALS_1000 = b"\x01" + unsigned(1000) + b"\x7f"


def build(*bodies: bytes, functions: int | None = None, **parts: object) -> bytes:
    """A contract of type (i32) -> i32 functions; `parts` replace fields of its module."""
    code = list(bodies) or [b"\0" + ANSWER]
    if functions is not None:
        code *= functions
    module = Module(
        b"",
        types=[FunctionType("i", "i")],
        functions=[0] * len(code),
        memories=[Bounds(1, 1)],
        exports=[Export("memory", 2, 0), Export("user_entrypoint", 0, 0)],
    )
    for name, value in parts.items():
        setattr(module, name, value)
    return encode(module, code)


def function(code: bytes, groups: bytes = b"\0") -> bytes:
    return groups + code + ANSWER


def increments(count: int) -> bytes:
    return b"".join(GET + unsigned(1 + i) + b"\x41\x01\x6a" + SET + unsigned(1 + i) for i in range(count))


def loops(depth: int, locals_: int) -> bytes:
    """Loops in loops around code that changes locals: each loop makes a value of each."""
    return function(b"\x03\x40" * depth + increments(locals_) + BRANCH_OUT * depth, LOCALS_1000)


def blocks(depth: int, locals_: int) -> bytes:
    """Blocks in blocks, each left from two places with different locals, which are used behind."""
    exits = b"".join(GET + b"\0\x0d" + unsigned(label) for label in range(depth))
    code = (increments(locals_) + exits) * 2
    uses = b"".join(GET + unsigned(1 + i) + b"\x1a" for i in range(locals_))
    return function(b"\x02\x40" * depth + code + b"\x0b" * depth + uses, LOCALS_1000)


def br_table(targets: int) -> bytes:
    return function(
        b"\x02\x40" * 100
        + b"\x20\0\x0e"
        + unsigned(targets)
        + b"".join(unsigned(i % 100) for i in range(targets + 1))
        + b"\x0b" * 100
    )


def nested(opening: bytes, depth: int) -> bytes:
    return function(opening * depth + b"\x0b" * depth)


NOPS = 65_536 - 2
ACCEPTED: dict[str, Callable[[], bytes]] = {
    "512 nested blocks": lambda: build(nested(b"\x02\x40", 512)),
    "512 nested loops, four times": lambda: build(*[nested(b"\x03\x40", 512)] * 4),
    "500 nested loops that repeat": lambda: build(*[function(b"\x03\x40" * 500 + BRANCH_OUT * 500)] * 4),
    "8,192 blocks in a function": lambda: build(function(b"\x20\0\x04\x40\x0b" * 4_095)),
    "8,192 blocks in each function": lambda: build(*[function(b"\x20\0\x04\x40\x0b" * 4_095)] * 2),
    "65,536 operations": lambda: build(function(b"\x01" * NOPS)),
    "one long expression": lambda: build(function(b"\x20\0" + b"\x20\0\x6c" * 32_000 + b"\x21\0")),
    "4,096 functions": lambda: build(functions=4_096),
    "4,096 functions in the table": lambda: build(
        functions=4_096, tables=[Bounds(4_096, 4_096)], elements=[Element(0, list(range(4_096)))]
    ),
    "1,024 locals": lambda: build(function(b"", b"\x01" + unsigned(1_023) + b"\x7e")),
    "4,096 operands": lambda: build(function(b"\x20\0" * 4_096 + b"\x1a" * 4_096)),
    "calls with 4,000 operands": lambda: build(
        *[function(b"\x20\0" * 4_000 + b"\x10\0" + b"\x6a" * 3_999 + b"\x1a")] * 5
    ),
    "8,000 calls": lambda: build(*[function(b"\x20\0\x10\0\x1a" * 8_000)] * 2),
    "a br_table of 60,000": lambda: build(br_table(60_000)),
    "80 br_tables of 100": lambda: build(function(br_table(100)[1:-3] * 80)),
    "128 data segments": lambda: build(data=[DataSegment(512 * i, b"x" * 512) for i in range(128)]),
    "data far apart": lambda: build(
        memories=[Bounds(255, 255)], data=[DataSegment(0, b"x"), DataSegment(16_711_679, b"x")]
    ),
    "128 element segments": lambda: build(
        tables=[Bounds(4_096, None)], elements=[Element(8 * i, [0] * 8) for i in range(128)]
    ),
    "overlapping elements": lambda: build(tables=[Bounds(4_096, None)], elements=[Element(0, [0] * 1_000)] * 128),
    "1,024 exports of 80 bytes": lambda: build(
        exports=[Export("memory", 2, 0), Export("user_entrypoint", 0, 0)]
        + [Export(f"{i:080}", 0, 0) for i in range(1_022)]
    ),
    "a name of 512 bytes": lambda: build(
        exports=[Export("memory", 2, 0), Export("user_entrypoint", 0, 0), Export("n" * 512, 0, 0)]
    ),
    "25,000 globals": lambda: build(globals=[b"\x7e\x01\x42\x00\x0b"] * 25_000),
    "4,096 types": lambda: build(types=[FunctionType("i", "i")] * 4_096),
    "255 parameters": lambda: build(types=[FunctionType("i", "i"), FunctionType("I" * 255, "")]),
    "513 imports": lambda: build(
        types=[FunctionType("i", "i"), FunctionType("", "I")],
        imports=[Import("vm_hooks", "chainid", 1)] * 513,
        exports=[Export("memory", 2, 0), Export("user_entrypoint", 0, 513)],
    ),
    "joined locals at the limit": lambda: build(*[loops(100, 80)] * 4),
    "locals carried by blocks at the limit": lambda: build(*[blocks(88, 62)] * 3),
    "loops in sequence with 1,000 locals": lambda: build(
        function(b"".join(b"\x03\x40" + increments(1_000) + BRANCH_OUT for _ in range(8)), LOCALS_1000)
    ),
    "joins times locals at the limit": lambda: build(
        *[function(b"\x03\x40" * 500 + BRANCH_OUT * 500, LOCALS_1000) for _ in range(2)]
    ),
    "divisions": lambda: build(function(b"\x20\0" + b"\x20\0\x6d" * 32_000 + b"\x1a")),
    "bulk operations": lambda: build(function(b"\x20\0\x20\0\x20\0\xfc\x0b\0" * 3_000)),
}

REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "513 nested blocks": ("513 nested blocks", lambda: build(nested(b"\x02\x40", 513))),
    "20,000 nested blocks": ("513 nested blocks", lambda: build(nested(b"\x02\x40", 20_000))),
    "20,000 nested loops": ("513 nested blocks", lambda: build(nested(b"\x03\x40", 20_000))),
    "13,000 empty ifs": ("8193 metered blocks", lambda: build(function(b"\x20\0\x04\x40\x0b" * 13_000))),
    "65,537 operations": ("65537 operations", lambda: build(function(b"\x01" * (NOPS + 1)))),
    "4,097 functions": ("4097 functions", lambda: build(functions=4_097)),
    "1,025 locals": ("1025 locals", lambda: build(function(b"", b"\x01" + unsigned(1_024) + b"\x7e"))),
    "2**32 - 1 locals": ("too many locals", lambda: build(function(b"", b"\x01" + unsigned(2**32 - 1) + b"\x7e"))),
    "a thousand groups of locals": ("1025 locals", lambda: build(function(b"", unsigned(1_024) + b"\x01\x7e" * 1_024))),
    "4,097 operands": ("4097 operand depth", lambda: build(function(b"\x20\0" * 4_097 + b"\x1a" * 4_097))),
    "a br_table of 65,536": ("operations in a function", lambda: build(br_table(65_536))),
    "129 data segments": ("129 data segments", lambda: build(data=[DataSegment(0, b"")] * 129)),
    "129 element segments": ("129 element", lambda: build(tables=[Bounds(1, 1)], elements=[Element(0, [])] * 129)),
    "a table of 4,097": ("4097 table entries", lambda: build(tables=[Bounds(4_097, None)])),
    "4,097 entries": ("4097 table entries", lambda: build(tables=[Bounds(1, 1)], elements=[Element(0, [0] * 4_097)])),
    "1,025 exports": ("1025 exports", lambda: build(exports=[Export(str(i), 0, 0) for i in range(1_025)])),
    "a name of 513 bytes": ("513 name bytes", lambda: build(exports=[Export("n" * 513, 0, 0)])),
    "32,769 globals": ("32769 globals", lambda: build(globals=[b"\x7f\0\x41\0\x0b"] * 32_769)),
    "4,097 types": ("4097 types", lambda: build(types=[FunctionType("", "")] * 4_097)),
    "256 parameters": ("256 parameters", lambda: build(types=[FunctionType("i" * 256, "")])),
    "514 imports": ("514 imports", lambda: build(imports=[Import("vm_hooks", "chainid", 0)] * 514)),
    "1,025 pages": ("1025 initial pages", lambda: build(memories=[Bounds(1_025, 1_025)])),
    "513 loops in a function": ("513 loops in a function", lambda: build(function(b"\x03\x40\x0b" * 513))),
    "loops in functions": ("activation gas", lambda: build(*[function(b"\x03\x40\x0b" * 512)] * 8)),
    "calls through the table": (
        "activation gas",
        lambda: build(function(b"\x20\0\x20\0\x11\0\0\x1a" * 7_000), tables=[Bounds(1, 1)], elements=[Element(0, [0])]),
    ),
    "more stored bytes": ("131073 stored code bytes", lambda: stored(LIMITS["stored code bytes"] + 1)),
    "more module bytes": ("262145 module bytes", lambda: stored(LIMITS["module bytes"] + 1)),
    "loops in loops with locals": ("locals carried through blocks", lambda: build(loops(511, 200))),
    "blocks in blocks with locals": ("locals carried through blocks", lambda: build(blocks(200, 200))),
    "loops in many functions": ("40500 joined locals", lambda: build(*[loops(100, 80)] * 5)),
    "joins of unused locals": (
        "1501500 joins times locals",
        lambda: build(*[function(b"\x03\x40" * 500 + BRANCH_OUT * 500, LOCALS_1000)] * 3),
    ),
}


def stored(size: int) -> bytes:
    """A contract of that many bytes, which two data segments fill."""
    parts = [size // 2 - 100, size - size // 2]
    while True:
        raw = build(memories=[Bounds(5, 5)], data=[DataSegment(0, b"x" * length) for length in parts])
        if len(raw) == size:
            return raw
        parts[0] += size - len(raw)


@pytest.fixture(scope="module")
def engines() -> list[Engine]:
    return [shared_engine(pooled=False), shared_engine(pooled=True)]


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEMORY_KIB, f"the process grew by {grown} KiB"


@pytest.mark.slow
@pytest.mark.parametrize("name", ACCEPTED)
def test_the_largest_modules_are_ready_in_time(engines: list[Engine], name: str) -> None:
    raw = ACCEPTED[name]()
    start = time.thread_time()
    prepared = prepare(raw, ZVM)
    program = engines[1].compile(prepared, optimise=False)
    assert time.thread_time() - start < SECONDS
    assert len(program.serialise()) < CODE_BYTES
    callbacks = (lambda _: 0,) * len(prepared.imports)
    outcome = run(program, callbacks, context=None, ink=10**9, stack_words=65_536, arguments=(0,))
    assert outcome.end in (End.RETURNED, End.TRAPPED, End.OUT_OF_STACK, End.OUT_OF_INK)
    start = time.thread_time()
    faster = engines[0].compile(prepared, optimise=True)
    assert time.thread_time() - start < OPTIMISED_SECONDS
    assert run(faster, callbacks, context=None, ink=10**9, stack_words=65_536, arguments=(0,)) == outcome


@pytest.mark.parametrize("name", REFUSED)
def test_one_more_is_refused_at_once(name: str) -> None:
    text, make = REFUSED[name]
    raw = make()
    start = time.thread_time()
    with pytest.raises(ModuleRefusedError, match=f"\\(.*\\): .*{text}"):
        prepare(raw, ZVM)
    assert time.thread_time() - start < 2


@pytest.mark.parametrize("size", [2**18 + 1, 2**24, 2**28])
def test_a_compressed_bomb_is_refused_before_it_is_whole(size: int) -> None:
    compressor = brotli.Compressor(quality=1)
    block = bytes(min(size, 2**20))
    parts = [compressor.process(block) for _ in range(size // len(block))] + [compressor.finish()]
    bomb = COMPRESSED_PREFIX + b"\0" + b"".join(parts)
    assert len(bomb) < LIMITS["stored code bytes"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.thread_time()
    with pytest.raises(ModuleRefusedError, match="module bytes when decompressed"):
        prepare(bomb, ZVM)
    assert time.thread_time() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


def test_the_code_holds_no_image_of_memory(engines: list[Engine]) -> None:
    prepared = prepare(ACCEPTED["data far apart"](), ZVM)
    assert len(engines[1].compile(prepared, optimise=False).serialise()) < 64 * 1024


@pytest.mark.parametrize("alignment", [b"\x42\x00", b"\xc2\x00\x00", b"\xc2\x80\x00\x80\x00"])
def test_an_access_of_a_numbered_memory_is_refused(alignment: bytes) -> None:
    """The engine would read an index behind the alignment, and other instructions than the walk over the body."""
    for offset in (0, 1, 0x10):
        code = b"\x41\0\x28" + alignment + unsigned(offset) + b"\x1a"
        with pytest.raises(ModuleRefusedError):
            prepare(build(function(code)), ZVM)


@pytest.mark.parametrize("padding", [1, 4])
def test_padded_numbers_are_read_as_the_engine_reads_them(engines: list[Engine], padding: int) -> None:
    def padded(value: int) -> bytes:
        return bytes((value | 0x80,)) + b"\x80" * (padding - 1) + b"\0"

    code = b"\x20" + padded(0) + b"\x41" + padded(5) + b"\x36" + padded(2) + padded(8)
    raw = build(function(code + b"\x41" + signed(0) + b"\x28" + padded(2) + padded(8) + b"\x21" + padded(0)))
    program = engines[0].compile(prepare(raw, ZVM), optimise=False)
    assert run(program, (), context=None, ink=10**9, stack_words=100, arguments=(0,)).values == (5,)
