"""A module's start function, moved to where a chain lets it run.

A start function would run when the module is instantiated, before anyone has paid for it: the chain refuses it.
Compilers put into it what sets up globals and the heap. Each entry of a contract has a fresh instance, so running it
first in every exported function is the same.
"""

from zevm.chain.zvm.module.binary import FUNCTION, MAGIC, Export, Module, Reader, decode, encode, unsigned
from zevm.contracts.sections import sections

_START_SECTION = 8
_CALL, _LOCAL_GET, _END = b"\x10", b"\x20", b"\x0b"


def with_start_moved(module: bytes) -> bytes:
    """The module without a start function; custom sections go with it. Unchanged if it has none.

    Raises ModuleRefusedError for a module that no chain would take.
    """
    parts = list(sections(module))
    starts = [content for identifier, content in parts if identifier == _START_SECTION]
    if not starts:
        return module
    start = Reader(starts[0], 0, len(starts[0])).unsigned()
    others = (
        bytes((identifier,)) + unsigned(len(content)) + content
        for identifier, content in parts
        if identifier != _START_SECTION
    )
    decoded = decode(MAGIC + b"".join(others))
    bodies = [decoded.raw[begin:end] for begin, end in decoded.bodies]
    wrappers: dict[int, int] = {}
    for position, export in enumerate(decoded.exports):
        if export.kind == FUNCTION:
            if export.target not in wrappers:
                wrappers[export.target] = _append(decoded, bodies, start, export.target)
            decoded.exports[position] = Export(export.name, FUNCTION, wrappers[export.target])
    return encode(decoded, bodies)


def _append(module: Module, bodies: list[bytes], start: int, target: int) -> int:
    """Add a function that calls `start`, then `target` with its own parameters; its index."""
    imported = len(module.imports)
    is_imported = target < imported
    type_index = module.imports[target].type_index if is_imported else module.functions[target - imported]
    parameters = range(len(module.signature(target).parameters))
    arguments = b"".join(_LOCAL_GET + unsigned(index) for index in parameters)
    module.functions.append(type_index)
    bodies.append(b"\0" + _CALL + unsigned(start) + arguments + _CALL + unsigned(target) + _END)
    return imported + len(module.functions) - 1
