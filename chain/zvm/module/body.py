"""One pass over a function's instructions: count them, price them block by block, and write the metered code.

A block is what runs as a whole unless it traps: it ends with end, else, if, loop, br, br_if, br_table, return, call
or call_indirect. Its price, with the fixed prices of the host functions that it calls, is checked and debited at its
head; code that cannot be reached is not metered. The module has passed the engine's validation, so types and
indices hold; what is checked here is which instructions there are, and how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import (
    FLOAT_TYPES,
    TYPE_BYTES,
    VALUE_TYPES,
    FunctionType,
    Module,
    Reader,
    malformed,
    signed,
    unsigned,
)
from zevm.chain.zvm.module.code_writer import Writer
from zevm.chain.zvm.module.limits import within
from zevm.chain.zvm.price_table import MEMORY_COPY, MEMORY_FILL, MEMORY_GROW, PriceTable

FRAME_BASE_WORDS = 4
"""Stack words of every frame in addition to its operands and locals."""
VALUES_PER_WORD = 6
"""A frame counts at least one word for this number of values that its function computes: an optimiser may keep each in
its own slot of 8 bytes until the function returns. Words bound the native stack only if they bound values.
"""

_VOID = 0x40
_BLOCK, _LOOP, _IF, _ELSE, _END = 0x02, 0x03, 0x04, 0x05, 0x0B
_UNREACHABLE, _BR, _BR_IF, _BR_TABLE, _RETURN = 0x00, 0x0C, 0x0D, 0x0E, 0x0F
_CALL, _CALL_INDIRECT = 0x10, 0x11
_MEMORY_SIZE, _BULK = 0x3F, 0xFC

_FLOATS = {0x2A, 0x2B, 0x38, 0x39, 0x43, 0x44, *range(0x5B, 0x67), *range(0x8B, 0xA7), *range(0xA8, 0xAC)}
_FLOATS |= set(range(0xAE, 0xC0))

_PLAIN, _INDEX, _CONSTANT, _ACCESS, _CONTROL = range(5)
"""How the walk treats an opcode: no immediate, one index, one constant, alignment and offset, a method of its own."""


def _effects() -> dict[int, int]:
    """Net growth of the operand stack by opcode, for what is not control (WebAssembly 2.0, index of instructions)."""
    effects = {0x01: 0, 0x1A: -1, 0x1B: -2, 0x20: 1, 0x21: -1, 0x22: 0, 0x23: 1, 0x24: -1, 0x41: 1, 0x42: 1}
    effects.update(dict.fromkeys((0x28, 0x29, *range(0x2C, 0x36)), 0))
    effects.update(dict.fromkeys((0x36, 0x37, *range(0x3A, 0x3F)), -2))
    effects.update(dict.fromkeys((*range(0x46, 0x50), *range(0x51, 0x5B)), -1))
    effects.update(dict.fromkeys((*range(0x6A, 0x79), *range(0x7C, 0x8B)), -1))
    unary = (0x45, 0x50, 0x67, 0x68, 0x69, 0x79, 0x7A, 0x7B, 0xA7, 0xAC, 0xAD, *range(0xC0, 0xC5))
    effects.update(dict.fromkeys(unary, 0))
    return effects


_EFFECT = [_effects().get(opcode, 0) for opcode in range(256)]
_LEAVES_NONE = {0x01, 0x1A, 0x21, 0x24, *range(0x36, 0x3F)}
_VALUES = [int(opcode in _effects() and opcode not in _LEAVES_NONE) for opcode in range(256)]
"""Values that an opcode leaves, for what is not control."""


def _treatment(opcode: int) -> int:
    if opcode not in _effects():
        return _CONTROL
    if 0x20 <= opcode <= 0x24:
        return _INDEX
    if opcode in (0x41, 0x42):
        return _CONSTANT
    return _ACCESS if 0x28 <= opcode <= 0x3E else _PLAIN


_ASSIGNMENTS = (0x21, 0x22)
_TREATMENT = bytes(map(_treatment, range(256)))


@dataclass(frozen=True, slots=True)
class MeteredBody:
    """A function's new body without its size, and what activation charges for it."""

    code: bytes
    operations: int
    blocks: int
    frame_words: int
    calls: int
    """Direct ones, and those that instrumentation puts in an operation's place."""
    indirect_calls: int
    loops: int
    parameters: int
    carried: int
    """Locals carried through blocks, see `chain.zvm.module.limits`."""


@dataclass(slots=True)
class _Frame:
    """An open block: operand height at its beginning, results, and whether it began in unreachable code.

    assigned: a bit for each local that is set inside. branches: to its end, or if a loop to its beginning.
    """

    height: int
    results: int
    dead: bool
    assigned: int = 0
    branches: int = 0


@cache
def _prices(price_table: PriceTable) -> tuple[int, ...]:
    return tuple(price_table.operations.get(opcode, 0) for opcode in range(256))


class BodyWalk:
    """The walk over one function. `calls[i]` is (parameters, results, fixed ink) of function `i`."""

    def __init__(
        self,
        module: Module,
        index: int,
        *,
        price_table: PriceTable,
        calls: Sequence[tuple[int, int, int]],
        writer: Writer,
        growth_ink: int,
        probe: int | None = None,
    ) -> None:
        """probe: the index of an imported function that each block calls with its offset, which shifts the others."""
        self.module, self.price_table, self.calls, self.writer = module, price_table, calls, writer
        self.growth_ink, self.probe = growth_ink, probe
        self.data, (self.position, self.stop) = module.raw, module.bodies[index]
        self.prices = _prices(price_table)
        self.signature: FunctionType = module.types[module.functions[index]]
        self.height = self.maximum = self.cost = self.operations = self.blocks = self.values = 0
        self.carried = self.call_count = self.indirect_calls = self.loops = 0
        self.dead = self.block_dead = False
        self.maximum_alive = self.values_alive = 0
        self.frames = [_Frame(0, len(self.signature.results), False)]
        self.parts: list[bytes] = []
        self.out: list[bytes] = []

    def run(self) -> MeteredBody:
        """Walk to the function's end. Raises ModuleRefusedError."""
        declared = self._locals()
        self.start = self.block_start = self.position
        try:
            self._walk()
        except IndexError:
            raise malformed(self.stop, "function runs past the module's end") from None
        if self.position != self.stop:
            raise malformed(self.position, f"function ends {self.stop - self.position} bytes before its size says")
        return self._assemble(declared)

    def _locals(self) -> list[tuple[int, int]]:
        reader = Reader(self.data, self.position, self.stop)
        total = len(self.signature.parameters)
        groups = []
        for _ in range(within("locals with parameters", reader.unsigned())):
            count, kind = reader.unsigned(), reader.byte()
            if kind not in VALUE_TYPES:
                raise _bad_type(kind, reader.position - 1)
            total += count
            within("locals with parameters", total)
            groups.append((count, kind))
        self.local_count = total
        self.position = reader.position
        return groups

    def _assemble(self, declared: list[tuple[int, int]]) -> MeteredBody:
        counted = self.local_count
        if not self.price_table.stack_counts_parameters:
            counted -= len(self.signature.parameters)
        depth = within("operand depth", self.maximum)
        words = within("frame words", depth + counted + FRAME_BASE_WORDS)
        words = max(words, -(-self.values // VALUES_PER_WORD))
        groups = b"".join(unsigned(count) + bytes((kind,)) for count, kind in declared)
        results = self.signature.results
        wrapper = bytes((_BLOCK, TYPE_BYTES[results] if results else _VOID))
        head = unsigned(len(declared)) + groups + self.writer.enter(words) + wrapper
        code = head + b"".join(self.out) + self.writer.leave(words) + b"\x0b"
        return MeteredBody(
            code=code,
            operations=self.operations,
            blocks=self.blocks,
            frame_words=words,
            calls=self.call_count,
            indirect_calls=self.indirect_calls,
            loops=self.loops,
            parameters=len(self.signature.parameters),
            carried=self.carried,
        )

    def _walk(self) -> None:
        data, prices = self.data, self.prices
        position, cost, height, maximum, operations, values = self.position, 0, 0, 0, 0, 0
        while True:
            opcode = data[position]
            position += 1
            operations += 1
            treatment = _TREATMENT[opcode]
            if treatment == _CONTROL:
                self.position, self.height, self.maximum = position, height, maximum
                self.cost, self.operations, self.values = cost + prices[opcode], operations, values
                _CONTROLS.get(opcode, BodyWalk._refuse)(self)
                if not self.frames:
                    break
                position, height, maximum = self.position, self.height, self.maximum
                cost, operations, values = self.cost, self.operations, self.values
            else:
                cost += prices[opcode]
                height += _EFFECT[opcode]
                values += _VALUES[opcode]
                if treatment != _PLAIN:
                    if treatment == _ACCESS:
                        position = self._alignment(position)
                    elif opcode in _ASSIGNMENTS:
                        self._assign(position)
                    while data[position] >= 0x80:
                        position += 1
                    position += 1
            if height > maximum:
                maximum = height
        within("operations in a function", self.operations)

    def _assign(self, position: int) -> None:
        index = self.data[position]
        if index >= 0x80:
            index = Reader(self.data, position, self.stop).unsigned()
        self.frames[-1].assigned |= 1 << index

    def _branch(self, depth: int) -> None:
        if not self.dead:
            self.frames[-1 - depth].branches += 1

    def _alignment(self, position: int) -> int:
        while self.data[position] >= 0x80:
            position += 1
        if self.data[position] > 3:
            raise ModuleRefusedError("memory", f"alignment 2**{self.data[position]} at byte {position}")
        return position + 1

    def _flush(self) -> None:
        """End the block behind the instruction just read."""
        if not self.block_dead:
            if self.probe is not None:
                self.out.append(b"\x41" + signed(self.block_start) + b"\x10" + unsigned(self.probe))
            self.out.append(self.writer.charge(self.cost + self.price_table.block_header))
            self.blocks += 1
            within("metered blocks in a function", self.blocks)
        self.out += self.parts
        self.out.append(self.data[self.start : self.position])
        self.parts.clear()
        self.start = self.block_start = self.position
        self.cost = 0
        self.block_dead = self.dead

    def _insert(self, at: int, code: bytes, resume: int) -> None:
        """Put `code` in place of the bytes from `at` to `resume`, inside the block."""
        self.parts += (self.data[self.start : at], code)
        self.start = resume

    def _unsigned(self) -> int:
        value = self.data[self.position]
        if value < 0x80:
            self.position += 1
            return value
        reader = Reader(self.data, self.position, self.stop)
        value = reader.unsigned()
        self.position = reader.position
        return value

    def _die(self) -> None:
        """The following code is unreachable, and adds nothing to the operand depth or the values."""
        if not self.dead:
            self.dead = True
            self.values_alive = self.values
            self.maximum_alive = max(self.maximum, self.height)

    def _open(self) -> None:
        kind = self.data[self.position]
        if kind != _VOID and kind not in VALUE_TYPES:
            raise _bad_type(kind, self.position)
        self.position += 1
        self.frames.append(_Frame(self.height, int(kind != _VOID), self.dead))
        within("nested blocks", len(self.frames) - 1)

    def _loop(self) -> None:
        self._open()
        self.loops += 1
        within("loops in a function", self.loops)
        self._flush()

    def _if(self) -> None:
        self.height -= 1
        self._open()
        self._flush()

    def _revive(self, frame: _Frame) -> None:
        if self.dead and not frame.dead:
            self.maximum, self.values = self.maximum_alive, self.values_alive
        self.dead = frame.dead

    def _else(self) -> None:
        frame = self.frames[-1]
        self._revive(frame)
        self.height = frame.height
        self._flush()

    def _end(self) -> None:
        frame = self.frames.pop()
        if self.frames:
            self.frames[-1].assigned |= frame.assigned
            self.carried += frame.assigned.bit_count() * (frame.branches + 1)
            within("locals carried through blocks", self.carried)
        self._revive(frame)
        self.height = frame.height + frame.results
        self.values += frame.results
        self._flush()

    def _unreachable(self) -> None:
        self._die()

    def _br(self) -> None:
        self._branch(self._unsigned())
        self._die()
        self._flush()

    def _br_if(self) -> None:
        self._branch(self._unsigned())
        self.height -= 1
        self._flush()

    def _br_table(self) -> None:
        targets = self._unsigned()
        self.operations += targets
        within("operations in a function", self.operations)
        self.cost += targets * self.price_table.branch_target
        for _ in range(targets + 1):
            self._branch(self._unsigned())
        self.height -= 1
        self._die()
        self._flush()

    def _return(self) -> None:
        self._insert(self.position - 1, b"\x0c" + unsigned(len(self.frames) - 1), self.position)
        self._die()
        self._flush()

    def _call(self) -> None:
        self.call_count += 1
        at, index = self.position - 1, self._unsigned()
        parameters, results, ink = self.calls[index]
        if self.probe is not None and index >= self.probe:
            self._insert(at, b"\x10" + unsigned(index + 1), self.position)
        self.cost += ink
        self.height += results - parameters
        self.values += results
        self._flush()

    def _call_indirect(self) -> None:
        self.indirect_calls += 1
        signature = self.module.types[self._unsigned()]
        at = self.position
        table = self._unsigned()
        if table:
            raise ModuleRefusedError("table", f"call_indirect through table {table}, there is only table 0")
        self._insert(at, b"\0", self.position)
        self.cost += len(signature.parameters) * self.price_table.indirect_parameter
        self.height += len(signature.results) - len(signature.parameters) - 1
        self.values += len(signature.results)
        self._flush()

    def _zero(self) -> None:
        if self.data[self.position]:
            raise ModuleRefusedError("memory", f"memory {self.data[self.position]} at byte {self.position}")
        self.position += 1

    def _memory_size(self) -> None:
        self._zero()
        self.height += 1
        self.values += 1

    def _memory_grow(self) -> None:
        at = self.position - 1
        self._zero()
        self.values += 1
        self.call_count += 1
        self.cost += self.growth_ink
        self._insert(at, self.writer.operation(MEMORY_GROW), self.position)

    def _bulk(self) -> None:
        at = self.position - 1
        opcode = _BULK << 8 | self._unsigned()
        if opcode not in (MEMORY_COPY, MEMORY_FILL):
            raise ModuleRefusedError("opcode", f"opcode 0x{opcode:04x} at byte {at} is not available")
        self.cost += self.price_table.operations[opcode]
        self.call_count += 1
        for _ in range(2 if opcode == MEMORY_COPY else 1):
            self._zero()
        self._insert(at, self.writer.operation(opcode), self.position)
        self.height -= 3

    def _refuse(self) -> None:
        at = self.position - 1
        opcode = self.data[at]
        if opcode in _FLOATS:
            raise ModuleRefusedError("float", f"floating point opcode 0x{opcode:02x} at byte {at}")
        raise ModuleRefusedError("opcode", f"opcode 0x{opcode:02x} at byte {at} is not available")


def _bad_type(kind: int, position: int) -> ModuleRefusedError:
    if kind in FLOAT_TYPES:
        return ModuleRefusedError("float", f"floating point type at byte {position}; only i32 and i64 run")
    return ModuleRefusedError("type", f"type 0x{kind:02x} at byte {position}; only i32, i64 and none run")


_CONTROLS = {
    _UNREACHABLE: BodyWalk._unreachable,
    _BLOCK: BodyWalk._open,
    _LOOP: BodyWalk._loop,
    _IF: BodyWalk._if,
    _ELSE: BodyWalk._else,
    _END: BodyWalk._end,
    _BR: BodyWalk._br,
    _BR_IF: BodyWalk._br_if,
    _BR_TABLE: BodyWalk._br_table,
    _RETURN: BodyWalk._return,
    _CALL: BodyWalk._call,
    _CALL_INDIRECT: BodyWalk._call_indirect,
    _MEMORY_SIZE: BodyWalk._memory_size,
    MEMORY_GROW: BodyWalk._memory_grow,
    _BULK: BodyWalk._bulk,
}
