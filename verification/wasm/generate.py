"""Random WebAssembly modules: valid ones of what ZVM runs, and damaged ones. The same `Random` gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import brotli

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.module.binary import (
    FUNCTION,
    MEMORY,
    TYPE_BYTES,
    Bounds,
    DataSegment,
    Element,
    Export,
    FunctionType,
    Import,
    Module,
    decode,
    encode,
    signed,
    unsigned,
)
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.module.rules import ENTRYPOINT, GROW_FUNCTION, MEMORY_NAME

PAGE_BYTES = 65_536
VOID = b"\x40"

BINARY = {
    "i": (*range(0x6A, 0x79), *range(0x6A, 0x6D)),
    "I": (*range(0x7C, 0x8B), *range(0x7C, 0x7F)),
}
UNARY = {"i": (0x67, 0x68, 0x69, 0xC0, 0xC1), "I": (0x79, 0x7A, 0x7B, 0xC2, 0xC3, 0xC4)}
COMPARE = {"i": tuple(range(0x46, 0x50)), "I": tuple(range(0x51, 0x5B))}
LOADS = {"i": (0x28, *range(0x2C, 0x30)), "I": (0x29, *range(0x30, 0x36))}
STORES = {"i": (0x36, 0x3A, 0x3B), "I": (0x37, 0x3C, 0x3D, 0x3E)}
EDGES = (0, 1, 2, 31, 32, 63, 64, 127, 128, 255, 65_535, 65_536, 2**31 - 1, -1, -2, -128, -(2**31))
WIDE_EDGES = (*EDGES, 2**31, 2**32, 2**63 - 1, -(2**63))

ALIGNMENTS = (b"\x80\x00", b"\x80\x80\x80\x80\x00", b"\x40\x00", b"\xc0\x00\x00", b"\xc0\x80\x00\x80\x00")
"""Alignment 0, padded, and with the index of a memory where an engine knows several."""

PREFERRED = (
    *("read_args", "write_result", "storage_load_bytes32", "storage_cache_bytes32", "storage_flush_cache"),
    *("native_keccak256", "evm_ink_left", "msg_sender", "exit_early", "emit_log", "math_mul_mod", "call_contract"),
)


class BodyMaker:
    """Writes one function's instructions: expressions of a type, and statements, until its budget is used."""

    def __init__(self, random: Random, module: Module, index: int, budget: int) -> None:
        self.random, self.module, self.budget = random, module, budget
        self.signature = module.signature(index)
        self.own = random.choices("iI", k=random.choice((0, 1, 3, 8)))
        self.locals = [*self.signature.parameters, *self.own]
        self.labels = 0

    def body(self) -> bytes:
        """The function's body, without its size."""
        counters = [len(self.locals), len(self.locals) + 1]
        self.counters = counters
        groups = b"".join(b"\x01" + bytes((TYPE_BYTES[kind],)) for kind in [*self.own, "i", "i"])
        code = b"".join(self.statement(3) for _ in range(self.random.randint(1, 8)))
        if self.signature.results:
            code += self.expression(self.signature.results, 3)
        return unsigned(len(self.own) + 2) + groups + code + b"\x0b"

    def constant(self, kind: str) -> bytes:
        if self.random.random() < 0.5:
            value = self.random.randint(-100, 100)
        else:
            value = self.random.choice(EDGES if kind == "i" else WIDE_EDGES)
        return (b"\x41" if kind == "i" else b"\x42") + signed(value)

    def _local(self, kind: str) -> bytes | None:
        found = [index for index, other in enumerate(self.locals) if other == kind]
        return unsigned(self.random.choice(found)) if found else None

    def expression(self, kind: str, depth: int) -> bytes:
        """Instructions that leave one value of the type."""
        self.budget -= 1
        if depth <= 0 or self.budget <= 0:
            local = self._local(kind)
            return b"\x20" + local if local and self.random.random() < 0.7 else self.constant(kind)
        return self.random.choice(_EXPRESSIONS)(self, kind, depth - 1)

    def _binary(self, kind: str, depth: int) -> bytes:
        operation = bytes((self.random.choice(BINARY[kind]),))
        return self.expression(kind, depth) + self.expression(kind, depth) + operation

    def _unary(self, kind: str, depth: int) -> bytes:
        return self.expression(kind, depth) + bytes((self.random.choice(UNARY[kind]),))

    def _convert(self, kind: str, depth: int) -> bytes:
        if kind == "I":
            return self.expression("i", depth) + self.random.choice((b"\xac", b"\xad"))
        other = self.random.choice("iI")
        if self.random.random() < 0.3:
            return self.expression("I", depth) + b"\xa7"
        operation = bytes((self.random.choice(COMPARE[other]),))
        return self.expression(other, depth) + self.expression(other, depth) + operation

    def _tee(self, kind: str, depth: int) -> bytes:
        local = self._local(kind)
        return self.expression(kind, depth) + (b"\x22" + local if local else b"")

    def address(self, depth: int) -> bytes:
        """An address that is often inside memory, and often at its end."""
        size = self.module.memories[0].minimum * PAGE_BYTES
        choice = self.random.random()
        if choice < 0.6:
            return b"\x41" + signed(self.random.randrange(512))
        if choice < 0.75:
            return b"\x41" + signed(max(0, size - self.random.randrange(40)))
        if choice < 0.95:
            return self.expression("i", depth) + b"\x41" + signed(0xFF) + b"\x71"
        return self.expression("i", depth)

    def _access(self, opcodes: Sequence[int]) -> bytes:
        offset = self.random.choice((0, 0, 4, 64, 65_500, 2**32 - 1) if self.random.random() < 0.2 else (0, 8))
        alignment = self.random.choice(ALIGNMENTS) if self.random.random() < 0.01 else b"\0"
        return bytes((self.random.choice(opcodes),)) + alignment + unsigned(offset)

    def _load(self, kind: str, depth: int) -> bytes:
        return self.address(depth) + self._access(LOADS[kind])

    def _select(self, kind: str, depth: int) -> bytes:
        return self.expression(kind, depth) + self.expression(kind, depth) + self.expression("i", depth) + b"\x1b"

    def _choice(self, kind: str, depth: int) -> bytes:
        result = bytes((TYPE_BYTES[kind],))
        self.labels += 1
        sides = self.expression(kind, depth), self.expression(kind, depth)
        self.labels -= 1
        return self.expression("i", depth) + b"\x04" + result + sides[0] + b"\x05" + sides[1] + b"\x0b"

    def _block(self, kind: str, depth: int) -> bytes:
        self.labels += 1
        value = self.statement(depth) + self.expression(kind, depth) + self.expression("i", depth) + b"\x0d\x00"
        self.labels -= 1
        return b"\x02" + bytes((TYPE_BYTES[kind],)) + value + b"\x0b"

    def _memory(self, kind: str, _depth: int) -> bytes:
        grow = self.random.random() < 0.3
        code = b"\x41" + signed(self.random.choice((0, 1, 1, 3, -1))) + b"\x40\x00" if grow else b"\x3f\x00"
        return code if kind == "i" else code + b"\xad"

    def _call_for(self, kind: str, depth: int) -> bytes:
        count = len(self.module.imports) + len(self.module.functions)
        found = [index for index in range(count) if self.module.signature(index).results == kind]
        return self.call(self.random.choice(found), depth) if found else self.constant(kind)

    def call(self, index: int, depth: int) -> bytes:
        """A call with its arguments, direct or through the table."""
        signature = self.module.signature(index)
        arguments = b"".join(
            self.address(depth) if index < len(self.module.imports) and kind == "i" else self.expression(kind, depth)
            for kind in signature.parameters
        )
        if self.module.tables and self.random.random() < 0.2:
            type_index = self.module.types.index(signature)
            place = b"\x41" + signed(self.random.randrange(8))
            padded = self.random.choice((b"\x00", b"\x80\x80\x80\x80\x00"))
            return arguments + place + b"\x11" + unsigned(type_index) + padded
        return arguments + b"\x10" + unsigned(index)

    def statement(self, depth: int) -> bytes:
        """Instructions that leave nothing."""
        self.budget -= 1
        if depth <= 0 or self.budget <= 0:
            return b"\x01"
        return self.random.choice(_STATEMENTS)(self, depth - 1)

    def _set(self, depth: int) -> bytes:
        kind = self.random.choice("iI")
        local = self._local(kind)
        return self.expression(kind, depth) + (b"\x21" + local if local else b"\x1a")

    def _store(self, depth: int) -> bytes:
        kind = self.random.choice("iI")
        return self.address(depth) + self.expression(kind, depth) + self._access(STORES[kind])

    def _global(self, depth: int) -> bytes:
        index = self.random.randrange(len(self.module.globals))
        kind = "i" if self.module.globals[index][0] == TYPE_BYTES["i"] else "I"
        if self.module.globals[index][1]:
            return self.expression(kind, depth) + b"\x24" + unsigned(index)
        return b"\x23" + unsigned(index) + b"\x1a"

    def _nested(self, opening: bytes, depth: int) -> bytes:
        self.labels += 1
        inside = b"".join(self.statement(depth) for _ in range(self.random.randint(1, 4)))
        self.labels -= 1
        return opening + VOID + inside + b"\x0b"

    def _if(self, depth: int) -> bytes:
        return self.expression("i", depth) + self._nested(b"\x04", depth)

    def _void_block(self, depth: int) -> bytes:
        return self._nested(b"\x02", depth)

    def _loop(self, depth: int) -> bytes:
        """A loop with a count, or one that only ink ends."""
        if self.random.random() < 0.1 or not self.counters:
            return self._nested(b"\x03", depth)[:-1] + self.expression("i", depth) + b"\x0d\x00\x0b"
        counter = unsigned(self.counters.pop())
        start = b"\x41" + signed(self.random.choice((1, 3, 20))) + b"\x21" + counter
        inside = self._nested(b"\x03", depth)[:-1]
        return start + inside + b"\x20" + counter + b"\x41\x01\x6b\x22" + counter + b"\x0d\x00\x0b"

    def _branch(self, depth: int) -> bytes:
        if not self.labels or self.random.random() < 0.8:
            return self.expression("i", depth) + b"\x04\x40\x0c\x00\x0b"
        targets = self.random.randint(0, 6)
        table = unsigned(targets) + b"\x00" * (targets + 1)
        return b"\x02\x40" + self.expression("i", depth) + b"\x0e" + table + b"\x0b"

    def _return(self, depth: int) -> bytes:
        value = self.expression(self.signature.results, depth) if self.signature.results else b""
        return self.expression("i", depth) + b"\x04\x40" + value + b"\x0f\x0b"

    def _rare(self, depth: int) -> bytes:
        trap = self.expression("i", depth) + b"\x45\x04\x40\x00\x0b"
        return trap if self.random.random() < 0.1 else b"\x01"

    def _bulk(self, depth: int) -> bytes:
        code = self.address(depth) + self.address(depth) + b"\x41" + signed(self.random.choice((0, 1, 64, 70_000)))
        return code + self.random.choice((b"\xfc\x0b\x00", b"\xfc\x0a\x00\x00"))

    def _call(self, depth: int) -> bytes:
        index = self.random.randrange(len(self.module.imports) + len(self.module.functions))
        return self.call(index, depth) + b"\x1a" * len(self.module.signature(index).results)


_EXPRESSIONS: tuple[Callable[[BodyMaker, str, int], bytes], ...] = (
    *(BodyMaker._binary, BodyMaker._binary, BodyMaker._binary, BodyMaker._unary, BodyMaker._convert, BodyMaker._tee),
    *(BodyMaker._load, BodyMaker._load, BodyMaker._select, BodyMaker._choice, BodyMaker._block, BodyMaker._memory),
    BodyMaker._call_for,
)
_STATEMENTS: tuple[Callable[[BodyMaker, int], bytes], ...] = (
    *(BodyMaker._set, BodyMaker._set, BodyMaker._store, BodyMaker._store, BodyMaker._global, BodyMaker._if),
    *(BodyMaker._void_block, BodyMaker._loop, BodyMaker._loop, BodyMaker._branch, BodyMaker._return, BodyMaker._rare),
    *(BodyMaker._bulk, BodyMaker._call, BodyMaker._call),
)


def generate(random: Random) -> bytes:
    """A module that passes the engine's validation, and nearly always ZVM's rules."""
    module = Module(b"")
    keys = [GROW_FUNCTION, *(("vm_hooks", name) for name in random.sample(PREFERRED, random.randint(0, 6)))]
    keys += random.sample(sorted(HOST_FUNCTIONS), random.randint(0, 3))
    for key in dict.fromkeys(keys):
        signature = FunctionType(HOST_FUNCTIONS[key].parameters, HOST_FUNCTIONS[key].result)
        module.imports.append(Import(*key, _type_index(module, signature)))
    module.functions = [_type_index(module, FunctionType("i", "i"))]
    for _ in range(random.randint(0, 6)):
        parameters = "".join(random.choices("iI", k=random.choice((0, 1, 2, 5, 20))))
        module.functions.append(_type_index(module, FunctionType(parameters, random.choice(("", "i", "I")))))
    pages = random.choice((1, 1, 2, 17))
    module.memories = [Bounds(pages, random.choice((None, pages, pages + 2)))]
    count = len(module.imports) + len(module.functions)
    if random.random() < 0.7:
        module.tables = [Bounds(8, random.choice((None, 8, 20)))]
        module.elements = [Element(random.randrange(4), [random.randrange(count) for _ in range(4)])]
    module.globals = [b"\x7f\x01\x41\x05\x0b", b"\x7e\x01\x42\x7f\x0b", b"\x7f\x00\x41\x09\x0b"]
    for _ in range(random.randint(0, 4)):
        content = random.randbytes(random.choice((0, 1, 64, 300)))
        module.data.append(DataSegment(random.choice((0, 100, pages * PAGE_BYTES - len(content))), content))
    first = len(module.imports)
    module.exports = [Export(MEMORY_NAME, MEMORY, 0), Export(ENTRYPOINT, FUNCTION, first)]
    module.exports += [Export(f"f{index}", FUNCTION, index) for index in range(count) if random.random() < 0.3]
    budget = random.choice((30, 100, 300))
    return encode(module, [BodyMaker(random, module, index, budget).body() for index in range(first, count)])


def _type_index(module: Module, signature: FunctionType) -> int:
    if signature not in module.types:
        module.types.append(signature)
    return module.types.index(signature)


def mutate(random: Random, raw: bytes, other: bytes) -> bytes:
    """The module with one to three damages, most of which keep its frame of sections whole."""
    for _ in range(random.choice((1, 1, 2, 3))):
        raw = random.choice(_DAMAGES)(random, raw, other)
    if random.random() < 0.05:
        compressed = brotli.compress(raw, quality=1)
        return COMPRESSED_PREFIX + (_flip(random, compressed, b"") if random.random() < 0.5 else compressed)
    return raw


def _flip(random: Random, raw: bytes, _other: bytes) -> bytes:
    out = bytearray(raw or b"\0")
    for _ in range(random.choice((1, 1, 4))):
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def _cut(random: Random, raw: bytes, _other: bytes) -> bytes:
    start = random.randrange(len(raw) + 1)
    return raw[:start] + raw[start + random.choice((1, 4, len(raw))) :]


def _splice(random: Random, raw: bytes, other: bytes) -> bytes:
    start, length = random.randrange(len(other) + 1), random.choice((1, 8, 64))
    at = random.randrange(len(raw) + 1)
    return raw[:at] + other[start : start + length] + raw[at + random.choice((0, length)) :]


def _pad(random: Random, raw: bytes, _other: bytes) -> bytes:
    """Write one byte as a longer LEB128 number, with and without one of the bits that other readers may ignore."""
    at = random.randrange(len(raw) + 1)
    found = raw[at : at + 1]
    if not found or found[0] >= 0x80:
        return raw
    more = random.choice((1, 1, 4, 5, 9))
    first = found[0] | 0x80 | random.choice((0, 0, 0x40))
    return raw[:at] + bytes((first,)) + b"\x80" * (more - 1) + b"\x00" + raw[at + 1 :]


def _poke(random: Random, raw: bytes, _other: bytes) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + bytes((random.choice(_INTERESTING),)) + raw[at + random.choice((0, 1)) :]


_INTERESTING = (*range(0x00, 0x12), 0x1A, 0x1B, 0x1C, 0x20, 0x3F, 0x40, 0x43, 0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF)


def _sections(random: Random, raw: bytes, other: bytes) -> bytes:
    """Exchange, repeat, remove or damage whole sections, with their sizes made right."""
    parts = split_sections(raw)
    if not parts:
        return _flip(random, raw, other)
    at, second = random.randrange(len(parts)), random.randrange(len(parts))
    match random.randrange(5):
        case 0:
            parts[at], parts[second] = parts[second], parts[at]
        case 1:
            parts.insert(second, parts[at])
        case 2:
            parts.pop(at)
        case 3:
            parts += [part for part in split_sections(other) if random.random() < 0.3]
        case _:
            parts[at] = (parts[at][0], random.choice(_LOCAL_DAMAGES)(random, parts[at][1], other))
    return raw[:8] + b"".join(bytes((number,)) + unsigned(len(content)) + content for number, content in parts)


def split_sections(raw: bytes) -> list[tuple[int, bytes]]:
    """(id, content) of the sections, as far as they can be read."""
    parts, position = [], 8
    while position < len(raw):
        number, position, length, shift = raw[position], position + 1, 0, 0
        while position < len(raw) and shift < 35:
            byte = raw[position]
            position, length, shift = position + 1, length | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        parts.append((number, raw[position : position + length]))
        position += length
    return parts


def _code(random: Random, raw: bytes, other: bytes) -> bytes:
    """Damage one function's body, with all sizes made right."""
    try:
        module = decode(raw)
    except ModuleRefusedError:
        return _flip(random, raw, other)
    bodies = [raw[start:stop] for start, stop in module.bodies]
    if not bodies:
        return _flip(random, raw, other)
    at = random.randrange(len(bodies))
    bodies[at] = random.choice(_LOCAL_DAMAGES)(random, bodies[at], random.choice(bodies))
    return encode(module, bodies)


_LOCAL_DAMAGES = (_flip, _cut, _splice, _pad, _pad, _poke, _poke)
_DAMAGES = (_flip, _cut, _splice, _sections, _sections, _code, _code, _code, _code)
