"""Rules of a module beyond its format: indices, segments, imports, exports, memory."""

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS, CONSOLE, VM_HOOKS
from zevm.chain.zvm.module.binary import FUNCTION, GLOBAL, MEMORY, PAGE_BYTES, TABLE, FunctionType, Module
from zevm.chain.zvm.module.limits import within
from zevm.chain.zvm.price_table import PriceTable

ENTRYPOINT = "user_entrypoint"
MEMORY_NAME = "memory"
GROW_FUNCTION = (VM_HOOKS, "pay_for_memory_grow")
INK, STACK, FAULT = "zvm_ink", "zvm_stack", "zvm_fault"
"""Exports that instrumentation adds."""

_RESERVED_PREFIX = "stylus"
RENEW = _RESERVED_PREFIX + "_zvm_renew"
"""The same, a function; no module may export a name that begins so."""
_ENGINE_PAGES = 65_536


def check_module(module: Module, price_table: PriceTable, *, library: bool) -> None:
    """Refuse a decoded module that breaks a rule. A library, never deployed, needs no entry point or memory."""
    _check_indices(module)
    _check_imports(module, price_table)
    _check_memory(module, price_table)
    _check_table(module)
    _check_data(module)
    _check_exports(module)
    if not library:
        _check_contract(module)


def pays_for_growth(module: Module) -> int | None:
    """Index of the import that a module pays for memory with; None without."""
    return next((index for index, row in enumerate(module.imports) if (row.module, row.name) == GROW_FUNCTION), None)


def can_grow(module: Module) -> bool:
    """Whether the memory's maximum, as the module sets it, is above its minimum."""
    return any(memory.maximum != memory.minimum for memory in module.memories)


def _index(what: str, index: int, count: int) -> None:
    if index >= count:
        raise ModuleRefusedError("index", f"{what} {index} of {count}")


def _check_indices(module: Module) -> None:
    for row in module.imports:
        _index("type", row.type_index, len(module.types))
    for type_index in module.functions:
        _index("type", type_index, len(module.types))
    if len(module.functions) != len(module.bodies):
        raise ModuleRefusedError("malformed", f"{len(module.functions)} functions but {len(module.bodies)} bodies")
    if module.data_count not in (None, len(module.data)):
        raise ModuleRefusedError("malformed", f"{module.data_count} data segments announced, {len(module.data)} stand")
    functions = len(module.imports) + len(module.functions)
    counts = {FUNCTION: functions, TABLE: len(module.tables), MEMORY: len(module.memories), GLOBAL: len(module.globals)}
    for export in module.exports:
        _index(f"export {export.name}:", export.target, counts[export.kind])
    for element in module.elements:
        for index in element.functions:
            _index("function", index, functions)


def _text(signature: FunctionType) -> str:
    names = {"i": "i32", "I": "i64"}
    parameters, results = (" ".join(names[kind] for kind in part) for part in signature)
    return f"({parameters}) -> ({results})"


def _check_imports(module: Module, price_table: PriceTable) -> None:
    for row in module.imports:
        if row.name.startswith(_RESERVED_PREFIX):
            raise ModuleRefusedError("reserved name", f"import {row.name} begins with {_RESERVED_PREFIX}")
        known = ALL_HOST_FUNCTIONS.get((row.module, row.name))
        if known is not None and row.module == CONSOLE and not price_table.console:
            raise ModuleRefusedError("import", f"{row.module}.{row.name} is available on development chains only")
        if known is None:
            raise ModuleRefusedError("import", f"there is no function {row.module}.{row.name}")
        expected, found = FunctionType(known.parameters, known.result), module.types[row.type_index]
        if found != expected:
            message = f"{row.module}.{row.name} is imported as {_text(found)}, it is {_text(expected)}"
            raise ModuleRefusedError("import", message)


def _check_memory(module: Module, price_table: PriceTable) -> None:
    limit = price_table.pages.instance_pages_limit
    for memory in module.memories:
        if memory.minimum > limit:
            raise ModuleRefusedError("memory", f"{memory.minimum} initial pages, the limit is {limit}")
        if memory.maximum is None:
            continue
        if not memory.minimum <= memory.maximum <= _ENGINE_PAGES:
            message = f"at most {memory.maximum} pages, the range is {memory.minimum} to {_ENGINE_PAGES}"
            raise ModuleRefusedError("memory", message)


def _check_table(module: Module) -> None:
    size = 0
    for table in module.tables:
        size = within("table entries", table.minimum)
        if table.maximum is not None and table.maximum < size:
            raise ModuleRefusedError("table", f"at most {table.maximum} entries, {size} at first")
    for element in module.elements:
        if not module.tables or element.offset + len(element.functions) > size:
            end = element.offset + len(element.functions)
            raise ModuleRefusedError("table", f"an element segment ends at {end}, the table has {size} entries")


def _check_data(module: Module) -> None:
    size = module.memories[0].minimum * PAGE_BYTES if module.memories else 0
    for segment in module.data:
        end = segment.offset + len(segment.content)
        if not module.memories or end > size:
            raise ModuleRefusedError("data", f"a data segment ends at byte {end}, memory begins with {size} bytes")


def _check_exports(module: Module) -> None:
    imported = {row.name for row in module.imports}
    seen: set[str] = set()
    for export in module.exports:
        if export.name in seen:
            raise ModuleRefusedError("malformed", f"{export.name} is exported twice")
        seen.add(export.name)
        if export.name.startswith(_RESERVED_PREFIX):
            raise ModuleRefusedError("reserved name", f"export {export.name} begins with {_RESERVED_PREFIX}")
        if export.name in (INK, STACK, FAULT) or (export.name == MEMORY_NAME and export.kind != MEMORY):
            raise ModuleRefusedError("reserved name", f"export {export.name} is reserved")
        if export.name in imported:
            raise ModuleRefusedError("export", f"{export.name} is imported and exported")


def _check_contract(module: Module) -> None:
    exports = {export.name: export for export in module.exports}
    if not module.memories or MEMORY_NAME not in exports:
        raise ModuleRefusedError("memory", f"there must be a memory, exported as {MEMORY_NAME}")
    entry = exports.get(ENTRYPOINT)
    if entry is None or entry.kind != FUNCTION:
        raise ModuleRefusedError("entry point", f"there must be an exported function {ENTRYPOINT}")
    found, expected = module.signature(entry.target), FunctionType("i", "i")
    if found != expected:
        raise ModuleRefusedError("entry point", f"{ENTRYPOINT} is {_text(found)}, it must be {_text(expected)}")
    if can_grow(module) and pays_for_growth(module) is None:
        message = (
            f"memory can grow from {module.memories[0].minimum} pages, so {'.'.join(GROW_FUNCTION)} must be imported"
        )
        raise ModuleRefusedError("memory", message)
