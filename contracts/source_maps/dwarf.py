"""DWARF 4 and 5 of a WebAssembly module, as Zig and Clang write it, into a source map of the module without it.

Addresses in DWARF are offsets in the content of the code section (https://yurydelendik.github.io/webassembly-dwarf/),
which is the same in both modules. Code of functions that the linker dropped has addresses outside of every body.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.dwarf.ranges import RangeEntry

from zevm.chain.zvm.module.binary import MAGIC, Module, Reader, decode
from zevm.contracts.sections import custom_sections
from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

RUNTIME = "compiler_rt"
"""Unit and source of the functions that the compiler itself adds; their lines are left out."""

_SECTIONS = (
    "info", "abbrev", "line", "line_str", "str", "str_offsets", "addr", "ranges", "rnglists",
    "aranges", "loc", "loclists", "pubtypes", "pubnames", "sup", "types",
)  # fmt: skip
_CODE_SECTION = 10
_FUNCTION_NAMES = 1
_NUMBERED = re.compile(r"__(?:anon|func|struct|enum|union|opaque)_\d+")
"""Number that Zig appends to an instance of a generic function or type; other code can change it."""


class _Range(NamedTuple):
    """Code of a scope: a function's, or an inlined call's. depth: how many calls are around it."""

    start: int
    stop: int
    scope: Scope
    depth: int


class _Line(NamedTuple):
    address: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _Body:
    """A function's body, by offsets in the code section's content."""

    start: int
    stop: int
    name: str


def source_map_of_module(debug: bytes, module: bytes, name_of: Callable[[str], str]) -> dict[str, Any]:
    """The source map of a module from the same module with DWARF. name_of: a file's name in it, by its path."""
    decoded = decode(module)
    base = _code_start(module)
    bodies = _bodies(decoded, base, function_names(debug))
    ranges: list[_Range] = []
    lines: list[_Line] = []
    for unit in _dwarf(debug).iter_CUs():
        if _text(unit.get_top_DIE(), "DW_AT_name") == RUNTIME:
            continue
        files = _files(unit, name_of)
        lines += _lines(unit, files, bodies)
        ranges += _ranges(unit, files)
    end = bodies[-1].stop if bodies else 0
    rows = (row._replace(offset=row.offset + base) for row in _joined(bodies, sorted(lines), ranges))
    return source_map_document(rows, base + end)


def _dwarf(debug: bytes) -> DWARFInfo:
    found = custom_sections(debug)

    def section(name: str) -> DebugSectionDescriptor | None:
        content = found.get(name)
        return None if content is None else DebugSectionDescriptor(BytesIO(content), name, 0, len(content), 0)

    given: dict[str, Any] = {f"debug_{name}_sec": section(f".debug_{name}") for name in _SECTIONS}
    none: dict[str, Any] = dict.fromkeys(("debug_frame_sec", "eh_frame_sec", "gnu_debugaltlink_sec"))
    config = DwarfConfig(little_endian=True, default_address_size=4, machine_arch="wasm")
    return DWARFInfo(config, **given, **none)


def _code_start(module: bytes) -> int:
    """Offset of the code section's content in the module's bytes; 0 for a module without code."""
    reader = Reader(module, len(MAGIC), len(module))
    while reader.position < len(module):
        identifier, length = reader.byte(), reader.unsigned()
        if identifier == _CODE_SECTION:
            return reader.position
        reader.take(length)
    return 0


def _bodies(module: Module, base: int, names: dict[int, str]) -> list[_Body]:
    first = len(module.imports)
    return [
        _Body(start - base, stop - base, names.get(first + index, f"function {first + index}"))
        for index, (start, stop) in enumerate(module.bodies)
    ]


def function_names(module: bytes) -> dict[int, str]:
    """Index -> name of functions, from the custom section `name`."""
    content = custom_sections(module).get("name", b"")
    reader = Reader(content, 0, len(content))
    while reader.position < len(content):
        kind, length = reader.byte(), reader.unsigned()
        if kind == _FUNCTION_NAMES:
            return {reader.unsigned(): _qualified(reader.name()) for _ in range(reader.unsigned())}
        reader.take(length)
    return {}


def _qualified(name: str) -> str:
    return _NUMBERED.sub("", name)


def _text(die: DIE, attribute: str) -> str | None:
    found = die.attributes.get(attribute)
    return None if found is None else bytes(found.value).decode(errors="replace")


def _files(unit: CompileUnit, name_of: Callable[[str], str]) -> list[str]:
    """The line table's files by their index. DWARF 4 counts files from 1 and has the unit's folder as 0."""
    header = unit.dwarfinfo.line_program_for_CU(unit)
    if header is None:
        return []
    folder = _text(unit.get_top_DIE(), "DW_AT_comp_dir") or ""
    is_old = header["version"] < 5
    folders = [folder] if is_old else []
    folders += [bytes(item).decode(errors="replace") for item in header["include_directory"]]
    found = [""] if is_old else []
    for entry in header["file_entry"]:
        path = bytes(entry.name).decode(errors="replace")
        for parent in (folders[entry.dir_index], folder):
            path = path if path.startswith("/") else f"{parent}/{path}"
        found.append(name_of(path))
    return found


def _lines(unit: CompileUnit, files: list[str], bodies: list[_Body]) -> Iterator[_Line]:
    """The rows of functions that are in the code. Line 0 is of no source, and continues the row in front of it."""
    program = unit.dwarfinfo.line_program_for_CU(unit)
    starts = [body.start for body in bodies]
    kept: bool | None = None
    for entry in program.get_entries() if program is not None else ():
        state = entry.state
        if state is None:
            continue
        if kept is None:
            index = bisect_right(starts, state.address) - 1
            kept = index >= 0 and state.address < bodies[index].stop
        if state.end_sequence:
            kept = None
        elif kept and state.line:
            yield _Line(state.address, files[state.file], state.line)


def _ranges(unit: CompileUnit, files: list[str]) -> Iterator[_Range]:
    """The code of each function and of each inlined call, callers in front of what they call."""
    waiting: list[tuple[DIE, Scope | None, int]] = [(unit.get_top_DIE(), None, 0)]
    while waiting:
        die, scope, depth = waiting.pop()
        if die.tag == "DW_TAG_subprogram":
            scope = Scope(_function(die))
        elif die.tag == "DW_TAG_inlined_subroutine":
            depth += 1
            file, line = die.attributes.get("DW_AT_call_file"), die.attributes.get("DW_AT_call_line")
            scope = Scope(_function(die), scope, files[file.value] if file else "", line.value if line else 1)
        if scope is not None and die.tag in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine"):
            yield from (_Range(start, stop, scope, depth) for start, stop in _addresses(die, unit))
        waiting += [(child, scope, depth) for child in die.iter_children()]


def _function(die: DIE) -> str:
    """Its qualified name, where the language has one; of a copy that of the function."""
    for reference in ("DW_AT_abstract_origin", "DW_AT_specification"):
        if reference in die.attributes:
            return _function(die.get_DIE_from_attribute(reference))
    return _qualified(_text(die, "DW_AT_linkage_name") or _text(die, "DW_AT_name") or "?")


def _addresses(die: DIE, unit: CompileUnit) -> Iterable[tuple[int, int]]:
    """Start and end of its pieces of code."""
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        # an address in DWARF 2 and 3, a length since
        return [(low.value, high.value if high.form == "DW_FORM_addr" else low.value + high.value)]
    listed = die.attributes.get("DW_AT_ranges")
    lists = unit.dwarfinfo.range_lists()
    if listed is None or lists is None:
        return []
    top = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    base, found = (top.value if top else 0), []
    for entry in lists.get_range_list_at_offset(listed.value, unit):
        if isinstance(entry, RangeEntry):
            shift = 0 if entry.is_absolute else base
            found.append((entry.begin_offset + shift, entry.end_offset + shift))
        else:
            base = entry.base_address
    return found


def _joined(bodies: list[_Body], lines: list[_Line], ranges: list[_Range]) -> Iterator[Mapped]:
    """Lines and scopes in one order, body by body: a new row wherever either changes."""
    inside = sorted(ranges, key=lambda row: row.start)
    range_starts = [row.start for row in inside]
    for body in bodies:
        mine = inside[bisect_left(range_starts, body.start) : bisect_left(range_starts, body.stop)]
        rows = lines[bisect_left(lines, (body.start,)) : bisect_left(lines, (body.stop,))]
        edges = {body.start, *(row.address for row in rows)}
        edges.update(edge for row in mine for edge in (row.start, row.stop) if edge < body.stop)
        addresses = sorted(edges)
        scopes: list[Scope] = [Scope(body.name)] * len(addresses)
        for row in sorted(mine, key=lambda row: row.depth):
            first, last = bisect_left(addresses, row.start), bisect_left(addresses, row.stop)
            scopes[first:last] = [row.scope] * (last - first)
        file, line, position = (rows[0].file, rows[0].line, 0) if rows else (RUNTIME, 1, 0)
        for address, scope in zip(addresses, scopes, strict=True):
            while position < len(rows) and rows[position].address <= address:
                file, line, position = rows[position].file, rows[position].line, position + 1
            yield Mapped(address, scope, file, line)
