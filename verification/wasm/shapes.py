"""Modules made to be dear to compile: one shape of code, repeated as far as the rules let it be.

Each shape is a function from a `Random` to the bodies of a module's functions; what the random numbers choose is how
deep, how wide and how often. The same `Random` gives the same module. `verification/wasm/compile.py` measures them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from zevm.chain.zvm.module.binary import (
    Bounds,
    DataSegment,
    Element,
    Export,
    FunctionType,
    Import,
    Module,
    encode,
    unsigned,
)

GET, SET, TEE = b"\x20", b"\x21", b"\x22"
ARGUMENT = GET + b"\x00"
END, DROP = b"\x0b", b"\x1a"
ANSWER = ARGUMENT + END
I32, I64 = b"\x7f", b"\x7e"
BLOCK, LOOP, IF, ELSE = b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x05"
BRANCH_IF, BRANCH_TABLE, CALL, CALL_INDIRECT = b"\x0d", b"\x0e", b"\x10", b"\x11"

ENTRY_TYPE = FunctionType("i", "i")
MAXIMUM_LOCALS = 1_000


@dataclass(slots=True)
class Parts:
    """A module in the making: bodies, and what differs from a contract of one type and one page."""

    bodies: list[bytes]
    types: list[FunctionType] = field(default_factory=lambda: [ENTRY_TYPE])
    fields: dict[str, object] = field(default_factory=dict)

    def build(self) -> bytes:
        """The module's bytes."""
        imports = self.fields.get("imports", [])
        assert isinstance(imports, list)
        module = Module(
            b"",
            types=self.types,
            functions=[0] * len(self.bodies),
            memories=[Bounds(1, 1)],
            exports=[Export("memory", 2, 0), Export("user_entrypoint", 0, len(imports))],
        )
        for name, value in self.fields.items():
            setattr(module, name, value)
        return encode(module, self.bodies)


Shape = Callable[[Random], Parts]


def function(code: bytes, locals_: int = 0, kind: bytes = I32) -> bytes:
    """A body of type (i32) -> i32 around code that leaves nothing."""
    groups = b"\x01" + unsigned(locals_) + kind if locals_ else b"\x00"
    return groups + code + ANSWER


def size(random: Random, most: int) -> int:
    """From 1 to `most`, as likely between 1 and 10 as between 100 and 1,000."""
    return max(1, min(most, round(math.pow(most, random.random()))))


def large(random: Random, most: int) -> int:
    """From a tenth of `most` to all of it."""
    return random.randint(max(1, most // 10), most)


def local(random: Random, locals_: int) -> bytes:
    """The index of a local other than the parameter."""
    return unsigned(1 + random.randrange(locals_))


def updates(count: int, locals_: int) -> bytes:
    """Change this number of locals in turn."""
    indices = [unsigned(1 + number % locals_) for number in range(count)]
    return b"".join(GET + index + b"\x41\x01\x6a" + SET + index for index in indices)


def reads(locals_: int) -> bytes:
    """Keep every local alive to here."""
    return b"".join(GET + unsigned(1 + number) + DROP for number in range(locals_))


def growing(random: Random) -> Parts:
    """memory.grow of its own result, again and again."""
    bodies = [function(ARGUMENT + b"\x40\x00" * large(random, 32_000) + DROP)] * size(random, 8)
    fields: dict[str, object] = {}
    types = [ENTRY_TYPE]
    if random.random() < 0.5:
        types.append(FunctionType("i", ""))
        fields = {"memories": [Bounds(1, None)], "imports": [Import("vm_hooks", "pay_for_memory_grow", 1)]}
    return Parts(bodies, types, fields)


def bulk(random: Random) -> Parts:
    """memory.copy and memory.fill."""
    operation = random.choice((b"\xfc\x0a\x00\x00", b"\xfc\x0b\x00"))
    return Parts([function((ARGUMENT * 3 + operation) * large(random, 16_000))] * size(random, 4))


def many_functions(random: Random) -> Parts:
    """Functions that do nothing, with parameters and locals of their own."""
    parameters = random.choice(("i", "i", "i" * 20, "I" * 255))
    body = function(b"\x01" * random.randrange(3), random.choice((0, 0, 1, MAXIMUM_LOCALS)))
    count = large(random, 4_000)
    fields: dict[str, object] = {"functions": [0] + [1] * (count - 1)}
    if random.random() < 0.3:
        fields |= {"tables": [Bounds(4_096, None)], "elements": [Element(0, list(range(min(count, 4_096))))]}
    return Parts([body] * count, [ENTRY_TYPE, FunctionType(parameters, "i")], fields)


def nests(random: Random) -> Parts:
    """Blocks, loops and ifs in each other, branched to from inside, over locals that change there."""
    depth = large(random, 512)
    locals_ = size(random, 200)
    kinds = random.choice(((BLOCK,), (LOOP,), (ARGUMENT + IF,), (BLOCK, LOOP), (BLOCK, LOOP, ARGUMENT + IF)))
    branch = ARGUMENT + BRANCH_IF
    inside = updates(size(random, locals_), locals_)
    deep = b"".join(random.choice(kinds) for _ in range(depth)) + inside
    if random.random() < 0.5:
        deep += b"".join(branch + unsigned(random.randrange(depth)) for _ in range(size(random, 2 * depth)))
        deep += END * depth
    else:
        deep += (branch + b"\x00" + END) * depth
    body = function(deep * size(random, 40) + reads(locals_) * random.randrange(2), locals_, random.choice((I32, I64)))
    return Parts([body] * size(random, 10))


def sequences(random: Random) -> Parts:
    """Short loops, blocks or ifs one after another, over many locals that live through them."""
    locals_ = size(random, MAXIMUM_LOCALS)
    opening = random.choice(
        (BLOCK + ARGUMENT + BRANCH_IF + b"\x00", LOOP, ARGUMENT + IF, ARGUMENT + IF + b"\x01" + ELSE)
    )
    inside = updates(size(random, 8), locals_) if random.random() < 0.6 else b"\x01"
    closing = (ARGUMENT + BRANCH_IF + b"\x00" if opening == LOOP else b"") + END
    count = large(random, 8_000)
    code = updates(locals_, locals_) + (opening + inside + closing) * count + reads(locals_)
    return Parts([function(code, locals_)] * size(random, 4))


def tables(random: Random) -> Parts:
    """br_table, one large or many small, over blocks that carry locals."""
    depth, locals_ = size(random, 300), size(random, 60)
    targets = size(random, 20_000)
    table = ARGUMENT + BRANCH_TABLE + unsigned(targets)
    table += b"".join(unsigned(random.randrange(depth)) for _ in range(targets + 1))
    inside = updates(size(random, locals_), locals_)
    blocks = BLOCK * depth + inside + table + (END + inside[: len(inside) * random.randrange(2)]) * depth
    return Parts([function(blocks * size(random, 200) + reads(locals_), locals_)] * size(random, 6))


OPERATIONS = (
    *(b"\x6a", b"\x6c", b"\x6d", b"\x70", b"\x77", b"\x48", b"\x71", b"\x74"),
    *(b"\x67", b"\x69", b"\xc0", b"\x45", b"\x28\x00\x00", b"\x2c\x00\x00", b"\x2f\x00\xff\xff\xff\xff\x0f"),
    *(b"\xac\xa7", b"\xac\x7b\xa7", b"\xac\x42\x07\x7f\xa7", b"\xac\x42\x07\x82\xa7", b"\xac\x42\x07\x89\xa7"),
)
_BINARY = {0x6A, 0x6C, 0x6D, 0x70, 0x77, 0x48, 0x71, 0x74}


def straight(random: Random) -> Parts:
    """One long expression or many short ones without a branch."""
    chosen = random.choices(OPERATIONS, k=random.choice((1, 1, 3)))
    unit = b"".join((ARGUMENT if item[0] in _BINARY else b"") + item for item in chosen)
    if random.random() < 0.5:
        code = ARGUMENT + unit * (large(random, 60_000) // (3 * len(chosen))) + DROP
    else:
        code = (ARGUMENT + unit + DROP) * (large(random, 60_000) // (5 * len(chosen)))
    return Parts([function(code)] * size(random, 4))


def stores(random: Random) -> Parts:
    """Stores, selects and globals."""
    unit = random.choice((
        ARGUMENT * 2 + b"\x36\x00\x00",
        ARGUMENT + b"\x42\x01\x37\x00\x07",
        ARGUMENT * 3 + b"\x1b" + DROP,
        b"\x23\x00" + DROP,
        ARGUMENT + b"\x24\x00",
    ))  # fmt: skip
    body = function(unit * (large(random, 60_000) // 4))
    return Parts([body] * size(random, 4), fields={"globals": [I32 + b"\x01\x41\x00\x0b"]})


def calls(random: Random) -> Parts:
    """Calls, direct, of host functions or through the table, with few or many arguments."""
    parameters = size(random, 255)
    types = [ENTRY_TYPE, FunctionType("i" * parameters, "i"), FunctionType("", "I"), FunctionType("iiiiii", "")]
    imports = [Import("vm_hooks", "chainid", 2), Import("vm_hooks", "create2", 3)]
    unit = random.choice((
        b"\x10\x00" + DROP,
        ARGUMENT * 6 + b"\x10\x01",
        ARGUMENT + b"\x10\x02" + DROP,
        ARGUMENT * parameters + b"\x10\x03" + DROP,
        ARGUMENT * (parameters + 1) + b"\x11\x01\x00" + DROP,
    ))  # fmt: skip
    main = function(unit * max(1, min(8_000, large(random, 60_000) // max(2, unit.count(ARGUMENT) + 2))))
    bodies = [main, function(b"")] + [main] * (size(random, 4) - 1)
    fields: dict[str, object] = {
        "imports": imports,
        "functions": [0, 1] + [0] * (len(bodies) - 2),
        "tables": [Bounds(1, 1)],
        "elements": [Element(0, [3])],
    }
    return Parts(bodies, types, fields)


def operands(random: Random) -> Parts:
    """Many values on the stack, or in locals, while calls and branches happen."""
    held = size(random, 4_000)
    between = random.choice((
        ARGUMENT + b"\x10\x00" + DROP,
        ARGUMENT + IF + END,
        ARGUMENT + b"\x04\x7f" + ARGUMENT + ELSE + b"\x41\x01" + END + DROP,
        ARGUMENT + BRANCH_IF + b"\x00",
        LOOP + ARGUMENT + BRANCH_IF + b"\x00" + END,
    ))  # fmt: skip
    load = random.choice((ARGUMENT, ARGUMENT + b"\x28\x00\x00", ARGUMENT + b"\x41\x01\x6a"))
    code = load * held + between * large(random, 2_000) + DROP * held
    if between[2:3] == BRANCH_IF:
        code = BLOCK + ARGUMENT + BRANCH_IF + b"\x00" + load * held + DROP * held + END
    return Parts([function(code)] * size(random, 6))


def carried_values(random: Random) -> Parts:
    """Blocks with a result, left with it from many places."""
    depth = large(random, 500)
    exits = b"".join(
        ARGUMENT * 2 + BRANCH_IF + unsigned(random.randrange(depth)) + DROP for _ in range(size(random, 2_000))
    )
    code = b"\x02\x7f" * depth + exits + ARGUMENT + END * depth + DROP
    return Parts([function(code * size(random, 10))] * size(random, 6))


def tees(random: Random) -> Parts:
    """Locals set from each other, so that each value lives on in several."""
    locals_ = size(random, MAXIMUM_LOCALS)
    unit = b"".join(
        GET + local(random, locals_) + TEE + local(random, locals_) + SET + local(random, locals_) for _ in range(50)
    )
    if random.random() < 0.5:
        unit += ARGUMENT + IF + GET + local(random, locals_) + SET + local(random, locals_) + END
    return Parts([function(unit * (large(random, 18_000) // 50) + reads(locals_), locals_)] * size(random, 4))


def segments(random: Random) -> Parts:
    """Data, elements, globals, exports and types: what is no code."""
    pages = size(random, 255)
    count = size(random, 128)
    content = b"x" * (large(random, 100_000) // count)
    last = pages * 65_536 - len(content)
    fields: dict[str, object] = {
        "memories": [Bounds(pages + 2, pages + 2)],
        "data": [DataSegment(max(0, last * number // count), content) for number in range(count)],
        "globals": [I64 + b"\x01\x42\x00\x0b"] * size(random, 20_000),
        "tables": [Bounds(4_096, None)],
        "elements": [Element(0, [0] * size(random, 1_000))] * size(random, 60),
    }
    types = [ENTRY_TYPE] + [FunctionType("I" * size(random, 20), "I")] * size(random, 4_000)
    return Parts([function(b"")] * size(random, 100), types, fields)


def many_types(random: Random) -> Parts:
    """Types that differ from each other, which nothing has, with as many parameters as may be."""
    parameters = max(12, size(random, 255))
    count = max(1, min(4_000, large(random, 100_000) // parameters))
    names = [f"{number:012b}".translate({48: "i", 49: "I"}) + "i" * (parameters - 12) for number in range(count)]
    return Parts([function(b"")], [ENTRY_TYPE, *(FunctionType(name, "i") for name in names)])


SHAPES: dict[str, Shape] = {
    shape.__name__.replace("_", " "): shape
    for shape in (
        growing, bulk, many_functions, nests, sequences, tables, straight, stores, calls, operands, carried_values,
        tees, segments, many_types,
    )
}  # fmt: skip
