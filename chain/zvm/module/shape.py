"""Counts of a function's code that determine the compiler's work beyond its length, taken in one pass.

For code whose instructions have been checked, instrumented or not; nothing is checked here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK, _LOOP, _IF, _END, _BR, _BR_IF, _BR_TABLE = 0x02, 0x03, 0x04, 0x0B, 0x0C, 0x0D, 0x0E
_CALL, _CALL_INDIRECT, _BULK, _COPY = 0x10, 0x11, 0xFC, 0x0A
_LOCALS = (0x20, 0x21, 0x22)

_INDICES = (_BR, _BR_IF, _CALL, *range(0x20, 0x25), 0x3F, 0x40, 0x41, 0x42)
"""Opcodes with one LEB128 immediate. `call_indirect` and memory access have two, blocks one byte."""
_IMMEDIATES = bytes(
    1 if opcode in _INDICES else 2 if opcode == _CALL_INDIRECT or 0x28 <= opcode <= 0x3E else 0 for opcode in range(256)
)


@dataclass(slots=True)
class Shape:
    """declared_locals: without parameters. joins: loops that repeat, blocks that are left early, and ifs.

    joined_locals: the locals used inside each join, summed. The compiler makes a value of each; those of loops in
    loops took it 280 microseconds each, 28 seconds for a module of 5 KB, before there was a limit.
    """

    declared_locals: int = 0
    joins: int = 0
    joined_locals: int = 0


@dataclass(slots=True)
class _Frame:
    joined: bool
    used: int = 0
    """A bit for each local that is used inside."""


def locals_of(code: bytes, position: int) -> tuple[int, int]:
    """(locals declared at `position`, position behind them)"""
    groups, position = unsigned_at(code, position)
    total = 0
    for _ in range(groups):
        count, position = unsigned_at(code, position)
        total += count
        position += 1
    return total, position


def unsigned_at(code: bytes, position: int) -> tuple[int, int]:
    """(number, position behind it) of LEB128."""
    value = shift = 0
    while (byte := code[position]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        position += 1
    return value | byte << shift, position + 1


def instructions(code: bytes, position: int, stop: int) -> Iterator[tuple[int, int]]:
    """(opcode, position of its immediates) of each instruction; those of the bulk operations as 0xFC."""
    while position < stop:
        opcode = code[position]
        position += 1
        yield opcode, position
        if opcode in (_BLOCK, _LOOP, _IF):
            position += 1
        elif opcode == _BULK:
            position += 3 if code[position] == _COPY else 2
        elif opcode == _BR_TABLE:
            count, position = unsigned_at(code, position)
            for _ in range(count + 1):
                _, position = unsigned_at(code, position)
        else:
            for _ in range(_IMMEDIATES[opcode]):
                while code[position] >= 0x80:
                    position += 1
                position += 1


def shape_of(code: bytes, start: int, stop: int) -> Shape:
    """The shape of the function whose body is code[start:stop]."""
    declared, start = locals_of(code, start)
    shape, frames = Shape(declared), [_Frame(joined=False)]
    for opcode, position in instructions(code, start, stop):
        if opcode in _LOCALS:
            frames[-1].used |= 1 << unsigned_at(code, position)[0]
        elif opcode in (_BLOCK, _LOOP, _IF):
            frames.append(_Frame(joined=opcode == _IF))
        elif opcode == _END:
            _close(frames, shape)
        elif opcode in (_BR, _BR_IF, _BR_TABLE):
            _join(frames, code, opcode, position)
    return shape


def _join(frames: list[_Frame], code: bytes, opcode: int, position: int) -> None:
    count = 0
    if opcode == _BR_TABLE:
        count, position = unsigned_at(code, position)
    for _ in range(count + 1):
        label, position = unsigned_at(code, position)
        frames[-1 - label].joined = True


def _close(frames: list[_Frame], shape: Shape) -> None:
    frame = frames.pop()
    if not frames:
        return
    if frame.joined:
        shape.joins += 1
        shape.joined_locals += frame.used.bit_count()
    frames[-1].used |= frame.used
