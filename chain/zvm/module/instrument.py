"""The module that meters itself: every function rewritten, with the globals and functions that this needs.

Function and global indices of the module stay as they are; what is added stands behind. A host function that the
table holds or an export names is reached through a small function that charges its fixed price, because there is no
call site to charge it at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.module.activation import Work
from zevm.chain.zvm.module.binary import (
    FUNCTION,
    GLOBAL,
    MEMORY,
    Bounds,
    Element,
    Export,
    FunctionType,
    Import,
    Module,
    encode,
    unsigned,
)
from zevm.chain.zvm.module.body import BodyWalk
from zevm.chain.zvm.module.code_writer import Places, Writer, fault
from zevm.chain.zvm.module.rules import (
    FAULT,
    GROW_FUNCTION,
    INK,
    MEMORY_NAME,
    RENEW,
    STACK,
    can_grow,
    pays_for_growth,
)
from zevm.chain.zvm.price_table import PriceTable

OUT_OF_INK, OUT_OF_STACK = 1, 2
"""Values of the global "zvm_fault"."""

PROBE = ("zvm_probe", "block")
"""(module, name) of the import of probed modules; no contract can import it."""

_RENEWED_GLOBALS = 64
"""Most mutable globals of a module whose instances are used again."""
_MUTABLE = 1

_PLAIN, _PROBE_TYPE, _RENEW_TYPE = FunctionType("", ""), FunctionType("i", ""), FunctionType("Ii", "")
_ZERO_I64 = b"\x7e\x01\x42\x00\x0b"
_ZERO_I32 = b"\x7f\x01\x41\x00\x0b"


@dataclass(frozen=True, slots=True)
class Instrumented:
    """The new module, and what was counted on the way."""

    module: bytes
    work: Work


def instrument(module: Module, price_table: PriceTable, *, probed: bool = False) -> Instrumented:
    """Meter a module that `check_module` passed. Raises ModuleRefusedError for its instructions.

    probed: each metered block calls PROBE, the last import, with its offset in the module, and pays nothing for that.
    """
    places, writer = _places(module, probed=probed), writer_of(module, price_table, probed=probed)
    imports = len(module.imports) + probed
    bodies = [walk.run() for walk in body_walks(module, price_table, writer, probed=probed)]
    code = [body.code for body in bodies]
    code.append(fault(places, OUT_OF_INK, clear_ink=True))
    code.append(fault(places, OUT_OF_STACK, clear_ink=False))
    code += [helper.code for helper in writer.helpers]
    indirect = sorted(_indirect_imports(module))
    moved = {index: imports + len(code) + position for position, index in enumerate(indirect)}
    prices = _import_prices(module, price_table)
    code += [_forward(module, index, prices[index], writer) for index in indirect]
    added = [_PLAIN, _PLAIN, *(helper.signature for helper in writer.helpers)]
    rebuilt = _rebuilt(_with_probe(module) if probed else module, price_table, moved, added)
    renewal = _renewal(module, places)
    if renewal is not None:
        _add_renewal(rebuilt, imports + len(code))
        code.append(renewal)
    return Instrumented(module=encode(rebuilt, code), work=Work.of(bodies))


def _renewal(module: Module, places: Places) -> bytes | None:
    """Body of a function (ink, stack words) that sets all globals as a new instance has them; None: they are many."""
    mutable = [(index, row) for index, row in enumerate(module.globals) if row[1] == _MUTABLE]
    if len(mutable) > _RENEWED_GLOBALS:
        return None
    # a row ends with the end of its initial value
    code = b"".join(row[2:-1] + b"\x24" + unsigned(index) for index, row in mutable)
    given = b"\x20\x00\x24" + unsigned(places.ink) + b"\x20\x01\x24" + unsigned(places.stack)
    return b"\x00" + code + given + b"\x41\x00\x24" + unsigned(places.fault) + b"\x0b"


def _add_renewal(module: Module, index: int) -> None:
    """Its type, its place among the functions, and its export."""
    if _RENEW_TYPE not in module.types:
        module.types.append(_RENEW_TYPE)
    module.functions.append(module.types.index(_RENEW_TYPE))
    module.exports.append(Export(RENEW, FUNCTION, index))


def _with_probe(module: Module) -> Module:
    """The module with one import more, behind which every index of a function of its own is one higher."""
    imports = len(module.imports)

    def moved(index: int) -> int:
        return index + (index >= imports)

    return replace(
        module,
        types=[*module.types, _PROBE_TYPE],
        imports=[*module.imports, Import(*PROBE, len(module.types))],
        exports=[
            Export(row.name, FUNCTION, moved(row.target)) if row.kind == FUNCTION else row for row in module.exports
        ],
        elements=[Element(row.offset, [moved(index) for index in row.functions]) for row in module.elements],
    )


def _places(module: Module, *, probed: bool = False) -> Places:
    imports, functions, globals_ = len(module.imports) + probed, len(module.functions), len(module.globals)
    return Places(
        ink=globals_,
        stack=globals_ + 1,
        fault=globals_ + 2,
        out_of_ink=imports + functions,
        out_of_stack=imports + functions + 1,
        helpers=imports + functions + 2,
        pay_for_growth=pays_for_growth(module),
    )


def _import_prices(module: Module, price_table: PriceTable) -> list[int]:
    return [ALL_HOST_FUNCTIONS[row.module, row.name].static_ink(price_table) for row in module.imports]


def writer_of(module: Module, price_table: PriceTable, *, probed: bool = False) -> Writer:
    """The writer of a module's metering. It numbers its helpers by the order of the walks that it is given to."""
    return Writer(_places(module, probed=probed), price_table, can_grow=can_grow(module))


def body_walks(module: Module, price_table: PriceTable, writer: Writer, *, probed: bool = False) -> Iterator[BodyWalk]:
    """The walk over each function, not yet run; to be run in this order."""
    signatures = [module.types[row.type_index] for row in module.imports]
    signatures += [module.types[index] for index in module.functions]
    fixed = _import_prices(module, price_table) + [0] * len(module.functions)
    calls = [
        (len(signature.parameters), len(signature.results), ink)
        for signature, ink in zip(signatures, fixed, strict=True)
    ]
    growth_ink = ALL_HOST_FUNCTIONS[GROW_FUNCTION].static_ink(price_table)
    for index in range(len(module.functions)):
        yield BodyWalk(
            module, index, price_table=price_table, calls=calls, writer=writer, growth_ink=growth_ink,
            probe=len(module.imports) if probed else None,
        )  # fmt: skip


def _indirect_imports(module: Module) -> set[int]:
    named = {export.target for export in module.exports if export.kind == FUNCTION}
    named.update(index for element in module.elements for index in element.functions)
    return {index for index in named if index < len(module.imports)}


def _forward(module: Module, index: int, ink: int, writer: Writer) -> bytes:
    arguments = b"".join(b"\x20" + unsigned(local) for local in range(len(module.signature(index).parameters)))
    charge = writer.charge(ink) if ink else b""
    return b"\x00" + charge + arguments + b"\x10" + unsigned(index) + b"\x0b"


def _rebuilt(module: Module, price_table: PriceTable, moved: dict[int, int], helpers: list[FunctionType]) -> Module:
    """The module around the new bodies: `moved` has the forwarding function of each import that needs one."""
    types = list(module.types)
    types += [signature for signature in dict.fromkeys(helpers) if signature not in types]
    added = [types.index(signature) for signature in helpers]
    added += [module.imports[index].type_index for index in moved]
    first = len(module.globals)
    exports = [Export(MEMORY_NAME, MEMORY, 0)] if module.memories else []
    exports += [Export(name, GLOBAL, first + position) for position, name in enumerate((INK, STACK, FAULT))]
    exports += [
        Export(row.name, FUNCTION, moved.get(row.target, row.target)) for row in module.exports if row.kind == FUNCTION
    ]
    return replace(
        module,
        types=types,
        functions=module.functions + added,
        memories=[_bounded(memory, price_table) for memory in module.memories],
        globals=[*module.globals, _ZERO_I64, _ZERO_I32, _ZERO_I32],
        exports=exports,
        elements=[Element(row.offset, [moved.get(index, index) for index in row.functions]) for row in module.elements],
    )


def _bounded(memory: Bounds, price_table: PriceTable) -> Bounds:
    return Bounds(memory.minimum, maximum_pages(memory, price_table))


def maximum_pages(memory: Bounds, price_table: PriceTable) -> int:
    """How far a memory can grow: to its own limit or the price table's."""
    limit = price_table.pages.instance_pages_limit
    return limit if memory.maximum is None else min(memory.maximum, limit)
