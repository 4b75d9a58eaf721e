"""The binary format: sections into a `Module`, and back into bytes.

Strict where the format is (order, sizes, LEB128 length and unused bits, UTF-8), and closed to what ZVM does not
run: types are i32 and i64, at most one result, one table, one memory, functions as the only imports, active
segments with constant offsets. Counts are held against `LIMITS` before anything is read for them. Function
bodies stay undecoded here; `instrument` walks them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.form import CONSTRUCTOR_MARKER, CONSTRUCTOR_SELECTOR
from zevm.chain.zvm.module.limits import within

MAGIC = b"\0asm\x01\0\0\0"
PAGE_BYTES = 65_536
INIT_SECTION = "zvm.init"
CONSTRUCTOR_SECTION = "zvm.constructor"

VALUE_TYPES = {0x7F: "i", 0x7E: "I"}
TYPE_BYTES = {"i": 0x7F, "I": 0x7E}
FLOAT_TYPES = (0x7D, 0x7C)

FUNCTION, TABLE, MEMORY, GLOBAL = range(4)
"""Kinds of imports and exports."""

_CUSTOM, _DATA_COUNT = 0, 12
_ORDER = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 9: 9, _DATA_COUNT: 10, 10: 11, 11: 12}
"""Position of each section by its id; the data count stands between elements and code."""

Item = TypeVar("Item")


class FunctionType(NamedTuple):
    """A signature; one character a value, `i` for i32 and `I` for i64."""

    parameters: str
    results: str


class Import(NamedTuple):
    """An imported function."""

    module: str
    name: str
    type_index: int


class Bounds(NamedTuple):
    """Size of a table or memory; `maximum` None where the module sets none."""

    minimum: int
    maximum: int | None


class Export(NamedTuple):
    """One export; `kind` is FUNCTION, TABLE, MEMORY or GLOBAL, `target` an index of that kind."""

    name: str
    kind: int
    target: int


class Element(NamedTuple):
    """Function indices that go into the table at `offset`."""

    offset: int
    functions: list[int]


class DataSegment(NamedTuple):
    """Bytes that go into memory at `offset`."""

    offset: int
    content: bytes


@dataclass(slots=True)
class Module:
    """A decoded module. Indices are as in the format: functions count imports first.

    raw: without the section `zvm.constructor` and what follows it.
    """

    raw: bytes
    types: list[FunctionType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    """Type index of each function that the module defines."""
    tables: list[Bounds] = field(default_factory=list)
    memories: list[Bounds] = field(default_factory=list)
    globals: list[bytes] = field(default_factory=list)
    """Each as in the binary: type, mutability, initial value."""
    exports: list[Export] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    data_count: int | None = None
    bodies: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of each function's code in `raw`."""
    data: list[DataSegment] = field(default_factory=list)
    init_payload: bytes | None = None
    """Content of the section `zvm.init`, or the constructor's selector and the bytes behind `zvm.constructor`."""
    init_start: int | None = None
    """Offset of the section `zvm.init` in `raw`."""

    def signature(self, index: int) -> FunctionType:
        """Type of a function by its index."""
        count = len(self.imports)
        return self.types[self.imports[index].type_index if index < count else self.functions[index - count]]


def malformed(position: int, message: str) -> ModuleRefusedError:
    """A refusal for bytes that are no module at all."""
    return ModuleRefusedError("malformed", f"{message} at byte {position}")


class Reader:
    """Reads a slice of a module front to back; running past its end is a refusal."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def byte(self) -> int:
        """The next byte."""
        if self.position >= self.end:
            raise malformed(self.position, "unexpected end")
        self.position += 1
        return self.data[self.position - 1]

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start, stop = self.position, self.position + length
        if stop > self.end:
            raise malformed(start, f"{length} bytes wanted, {self.end - start} left")
        self.position = stop
        return self.data[start:stop]

    def unsigned(self) -> int:
        """A u32 in LEB128: at most five bytes, no bit beyond the 32nd."""
        value = self.byte()
        if value < 0x80:
            return value
        value &= 0x7F
        for shift in (7, 14, 21, 28):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise malformed(self.position, "LEB128 integer of more than 5 bytes")
        if value >> 32:
            raise malformed(self.position, "LEB128 integer of more than 32 bits")
        return value

    def signed(self, bits: int) -> int:
        """A signed LEB128 integer of 32 or 64 bits; the last byte's unused bits must repeat the sign."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise malformed(self.position, f"LEB128 integer of more than {(bits + 6) // 7} bytes")
        if byte & 0x40:
            value -= 1 << shift
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise malformed(self.position, f"LEB128 integer of more than {bits} bits")
        return value

    def name(self) -> str:
        """A name of limited length."""
        length = within("name bytes", self.unsigned())
        start = self.position
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise malformed(start, "name is not UTF-8") from None

    def vector(self, what: str, item: Callable[["Reader"], Item]) -> list[Item]:
        """As many items as the count in front says, which is checked against the limit `what` first."""
        return [item(self) for _ in range(within(what, self.unsigned()))]


def _value_type(reader: Reader) -> str:
    byte = reader.byte()
    if byte in FLOAT_TYPES:
        raise ModuleRefusedError("float", f"floating point type at byte {reader.position - 1}; only i32 and i64 run")
    if byte not in VALUE_TYPES:
        raise ModuleRefusedError("type", f"type 0x{byte:02x} at byte {reader.position - 1}; only i32 and i64 run")
    return VALUE_TYPES[byte]


def _function_type(reader: Reader) -> FunctionType:
    if reader.byte() != 0x60:
        raise malformed(reader.position - 1, "not a function type")
    parameters = "".join(reader.vector("parameters", _value_type))
    count = reader.unsigned()
    if count > 1:
        raise ModuleRefusedError("multi-value", f"a function type with {count} results, the limit is 1")
    return FunctionType(parameters, _value_type(reader) if count else "")


def _import(reader: Reader) -> Import:
    module, name, kind = reader.name(), reader.name(), reader.byte()
    if kind != FUNCTION:
        raise ModuleRefusedError("import", f"{module}.{name} is of kind {kind}; only functions can be imported")
    return Import(module, name, reader.unsigned())


def _bounds(reader: Reader) -> Bounds:
    flags = reader.byte()
    if flags > 1:
        raise ModuleRefusedError("type", f"limits with flags {flags}; only plain limits (0 or 1) run")
    minimum = reader.unsigned()
    return Bounds(minimum, reader.unsigned() if flags else None)


def _table(reader: Reader) -> Bounds:
    if reader.byte() != 0x70:
        raise ModuleRefusedError("type", f"table of another type than funcref at byte {reader.position - 1}")
    return _bounds(reader)


def _constant(reader: Reader, expected: str) -> int:
    position, opcode = reader.position, reader.byte()
    if opcode != {"i": 0x41, "I": 0x42}[expected]:
        raise ModuleRefusedError(
            "constant", f"opcode 0x{opcode:02x} at byte {position}; an initial value or offset is a constant"
        )
    value = reader.signed(32 if expected == "i" else 64)
    if reader.byte() != 0x0B:
        raise ModuleRefusedError(
            "constant", f"more than one instruction at byte {position}; an initial value or offset is a constant"
        )
    return value


def _global(reader: Reader) -> bytes:
    start, kind = reader.position, _value_type(reader)
    if reader.byte() > 1:
        raise malformed(reader.position - 1, "mutability is neither 0 nor 1")
    _constant(reader, kind)
    return reader.data[start : reader.position]


def _export(reader: Reader) -> Export:
    name, kind = reader.name(), reader.byte()
    if kind > GLOBAL:
        raise ModuleRefusedError("export", f"{name} is of kind {kind}; the kinds are 0 to 3")
    return Export(name, kind, reader.unsigned())


def _active(reader: Reader, what: str) -> int:
    flags = reader.unsigned()
    if flags:
        raise ModuleRefusedError("segment", f"{what} segment with flags {flags}; only active ones (0) run")
    return _constant(reader, "i") & 0xFFFFFFFF


def _element(reader: Reader) -> Element:
    return Element(_active(reader, "element"), reader.vector("table entries", Reader.unsigned))


def _data(reader: Reader) -> DataSegment:
    return DataSegment(_active(reader, "data"), reader.take(reader.unsigned()))


def _body(reader: Reader) -> tuple[int, int]:
    length = reader.unsigned()
    start = reader.position
    reader.take(length)
    return start, start + length


def _one(reader: Reader, item: Callable[[Reader], Item], what: str) -> list[Item]:
    count = reader.unsigned()
    if count > 1:
        raise ModuleRefusedError("limit", f"{count} {what}, the limit is 1")
    return [item(reader) for _ in range(count)]


def _read_section(module: Module, identifier: int, reader: Reader) -> None:
    match identifier:
        case 1:
            module.types = reader.vector("types", _function_type)
        case 2:
            module.imports = reader.vector("imports", _import)
        case 3:
            module.functions = reader.vector("functions", Reader.unsigned)
        case 4:
            module.tables = _one(reader, _table, "tables")
        case 5:
            module.memories = _one(reader, _bounds, "memories")
        case 6:
            module.globals = reader.vector("globals", _global)
        case 7:
            module.exports = reader.vector("exports", _export)
        case _:
            _read_late_section(module, identifier, reader)


def _read_late_section(module: Module, identifier: int, reader: Reader) -> None:
    match identifier:
        case 9:
            module.elements = reader.vector("element segments", _element)
        case 12:
            module.data_count = reader.unsigned()
        case 10:
            module.bodies = reader.vector("functions", _body)
        case 11:
            module.data = reader.vector("data segments", _data)


def _read_custom(module: Module, start: int, reader: Reader) -> None:
    name = reader.name()
    if name == INIT_SECTION:
        if reader.end != len(module.raw):
            raise ModuleRefusedError("init section", f"{INIT_SECTION} at byte {start} is not the last section")
        module.init_start = start
        module.init_payload = reader.take(reader.end - reader.position)
    elif name == CONSTRUCTOR_SECTION:
        if reader.position != reader.end:
            left = reader.end - reader.position
            raise ModuleRefusedError(
                "constructor section", f"{CONSTRUCTOR_SECTION} at byte {start} has {left} bytes; arguments follow it"
            )
        if module.raw[start : reader.end] != CONSTRUCTOR_MARKER:
            raise ModuleRefusedError(
                "constructor section", f"{CONSTRUCTOR_SECTION} at byte {start} has a length in more than one byte"
            )
        module.init_payload = CONSTRUCTOR_SELECTOR + module.raw[reader.end :]
        module.raw = module.raw[:start]
    reader.position = reader.end


def _beginning(raw: bytes) -> str:
    """The first bytes of what is no module, and what they mean."""
    shown = raw[:8].hex() or "nothing"
    if raw[:4] != MAGIC[:4] or len(raw) < len(MAGIC):
        return shown
    version, layer = (int.from_bytes(raw[at : at + 2], "little") for at in (4, 6))
    return f"{shown} (version {version}{', a component' if layer == 1 else ''})"


def decode(raw: bytes) -> Module:
    """Every section of a module. Raises ModuleRefusedError."""
    within("module bytes", len(raw))
    if raw[: len(MAGIC)] != MAGIC:
        raise ModuleRefusedError("magic", f"begins with {_beginning(raw)}, a module with {MAGIC.hex()}")
    module, reader, last = Module(raw), Reader(raw, len(MAGIC), len(raw)), 0
    while reader.position < len(module.raw):
        start, identifier, length = reader.position, reader.byte(), reader.unsigned()
        content = Reader(raw, reader.position, reader.position + length)
        reader.take(length)
        if identifier == _CUSTOM:
            _read_custom(module, start, content)
            continue
        if identifier not in _ORDER:
            rule = "start" if identifier == 8 else "section"
            raise ModuleRefusedError(rule, f"section {identifier} at byte {start} is not available")
        if _ORDER[identifier] <= last:
            raise malformed(start, f"section {identifier} is repeated or out of order")
        last = _ORDER[identifier]
        _read_section(module, identifier, content)
        if content.position != content.end:
            raise malformed(content.position, f"section {identifier} has {content.end - content.position} bytes more")
    return module


def unsigned(value: int) -> bytes:
    """LEB128 of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """Signed LEB128."""
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def _named(text: str) -> bytes:
    encoded = text.encode()
    return unsigned(len(encoded)) + encoded


def _sized(content: bytes) -> bytes:
    return unsigned(len(content)) + content


def _encode_type(signature: FunctionType) -> bytes:
    lists = (unsigned(len(part)) + bytes(TYPE_BYTES[kind] for kind in part) for part in signature)
    return b"\x60" + b"".join(lists)


def _encode_bounds(bounds: Bounds) -> bytes:
    if bounds.maximum is None:
        return b"\0" + unsigned(bounds.minimum)
    return b"\1" + unsigned(bounds.minimum) + unsigned(bounds.maximum)


def _encode_offset(offset: int) -> bytes:
    return b"\0\x41" + signed(offset - (offset >> 31 << 32)) + b"\x0b"


def _encode_element(element: Element) -> bytes:
    indices = b"".join(map(unsigned, element.functions))
    return _encode_offset(element.offset) + unsigned(len(element.functions)) + indices


def encode(module: Module, bodies: Iterable[bytes]) -> bytes:
    """A module's bytes, with these function bodies in place of its own and without custom sections."""
    imports = (_named(row.module) + _named(row.name) + b"\0" + unsigned(row.type_index) for row in module.imports)
    sections: tuple[tuple[int, Iterable[bytes]], ...] = (
        (1, map(_encode_type, module.types)),
        (2, imports),
        (3, map(unsigned, module.functions)),
        (4, (b"\x70" + _encode_bounds(table) for table in module.tables)),
        (5, map(_encode_bounds, module.memories)),
        (6, module.globals),
        (7, (_named(row.name) + bytes((row.kind,)) + unsigned(row.target) for row in module.exports)),
        (9, map(_encode_element, module.elements)),
        (10, map(_sized, bodies)),
        (11, (_encode_offset(segment.offset) + _sized(segment.content) for segment in module.data)),
    )
    out = [MAGIC]
    for identifier, entries in sections:
        items = list(entries)
        if items:
            out.append(bytes((identifier,)) + _sized(unsigned(len(items)) + b"".join(items)))
    return b"".join(out)
