"""From deployed bytes to a module that meters itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import brotli
import wasmtime

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.activation import activation_gas, least_activation_gas
from zevm.chain.zvm.module.binary import FUNCTION, FunctionType, Module, decode
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, CONSTRUCTOR_MARKER, CONSTRUCTOR_SELECTOR
from zevm.chain.zvm.module.instrument import PROBE, instrument, maximum_pages
from zevm.chain.zvm.module.limits import LIMITS, within
from zevm.chain.zvm.module.rules import check_module
from zevm.chain.zvm.module.shape import shape_of
from zevm.chain.zvm.price_table import PriceTable
from zevm.chain.zvm.runtime.engine import why_refused

"""In front of a compressed module; a byte for the dictionary (0: none) follows, then the Brotli stream."""


@dataclass(frozen=True, slots=True)
class ExportedFunction:
    """A function that a module exports. Types are one character each: `i` is i32, `I` is i64."""

    name: str
    parameters: str
    results: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module that passed every rule, and its instrumented form.

    The instrumented module exports "memory", the module's own functions by their names, and mutable globals
    "zvm_ink" (i64, left), "zvm_stack" (i32, words left) and "zvm_fault" (i32: 0 none, 1 out of ink, 2 out of stack).
    """

    stored: bytes
    """The account's code: as deployed, without the section `zvm.init` unless compressed, nor `zvm.constructor`."""
    instrumented: bytes
    activation_gas: int
    initial_pages: int
    maximum_pages: int
    """In 64 KiB pages."""
    data_bytes: int
    """Length of all data segments."""
    imports: tuple[tuple[str, str], ...]
    """(module, name) of each import in order; keys of `HOST_FUNCTIONS`."""
    exports: tuple[ExportedFunction, ...]
    init_payload: bytes | None
    """Call data of the constructor, from a trailing custom section `zvm.init` or behind `zvm.constructor`."""


class Unpacked(NamedTuple):
    """A compressed creation: the module, where the stream ends, and what a marker hands to the constructor."""

    module: bytes
    end: int
    init_payload: bytes | None


def decompress(code: bytes) -> bytes:
    """The module behind `COMPRESSED_PREFIX`. Raises ModuleRefusedError; never makes more than the limit's bytes."""
    return unpack(code).module


def unpack(code: bytes) -> Unpacked:
    """The parts of a creation behind `COMPRESSED_PREFIX`. Raises ModuleRefusedError, as `decompress` does.

    The stream ends where the code ends or where `CONSTRUCTOR_MARKER` begins: it is fed up to each place of the
    marker's bytes, which may also occur inside, and refused where it ends anywhere else.
    """
    head = len(COMPRESSED_PREFIX)
    if code[:head] != COMPRESSED_PREFIX or len(code) == head:
        raise ModuleRefusedError("compression", f"begins with {code[:4].hex() or 'nothing'}, not with eff000 and 00")
    if code[head]:
        raise ModuleRefusedError("compression", f"dictionary {code[head]}; only 0, none, is available")
    decompressor, start, out = brotli.Decompressor(), head + 1, bytearray()
    for end in _possible_ends(code, start):
        out += _decompress_more(decompressor, code[start:end], LIMITS["module bytes"] - len(out))
        if decompressor.is_finished():
            arguments = code[end + len(CONSTRUCTOR_MARKER) :]
            return Unpacked(bytes(out), end, None if end == len(code) else CONSTRUCTOR_SELECTOR + arguments)
        start = end
    raise ModuleRefusedError("compression", f"the Brotli stream ends early, after {len(out)} bytes of output")


def _possible_ends(code: bytes, start: int) -> Iterator[int]:
    """Positions of the marker's bytes, and the end."""
    while (found := code.find(CONSTRUCTOR_MARKER, start)) >= 0:
        yield found
        start = found + 1
    yield len(code)


def _decompress_more(decompressor: brotli.Decompressor, data: bytes, most: int) -> bytes:
    """The output of the next bytes of a stream. Raises ModuleRefusedError for more than `most`."""
    limit = LIMITS["module bytes"]
    try:
        out = decompressor.process(data, output_buffer_limit=most + 1)
        while len(out) <= most and not decompressor.can_accept_more_data() and not decompressor.is_finished():
            more = decompressor.process(b"", output_buffer_limit=most + 1 - len(out))
            if not more:
                break
            out += more
    except brotli.error as error:
        raise ModuleRefusedError("compression", f"not a Brotli stream: {error}") from None
    if len(out) > most:
        raise ModuleRefusedError("limit", f"more than {limit} module bytes when decompressed, the limit is {limit}")
    return bytes(out)


def estimate_gas_usage(module: bytes) -> int:
    """The guide's rough price of a module, from its length alone."""
    return 10_000 + 10 * len(module)


def length_gas(code: bytes) -> int:
    """The part of a module's activation price that its length decides, so that checking it is paid for ahead.

    Raises ModuleRefusedError where it cannot be decompressed.
    """
    return least_activation_gas(len(decompress(code) if code[:3] == COMPRESSED_PREFIX else code))


def prepare(code: bytes, price_table: PriceTable, *, library: bool = False, probed: bool = False) -> Prepared:
    """Check and instrument a module, raw or behind `COMPRESSED_PREFIX`. Raises ModuleRefusedError for any other bytes.

    A `library` is called off-chain alone: it may lack the entry point, the memory, and the import that pays for
    growth (each page then costs the price table's linear price). probed: see `instrument`.
    """
    module, stored = _opened(code)
    within("stored code bytes", len(stored))
    check_module(module, price_table, library=library)
    _validate(module.raw, _engine())
    result = instrument(module, price_table, probed=probed)
    _validate(module.raw, _strict_engine())
    _require_compilable(result.module)
    joins_times_locals = _check_shapes(module)
    memory = module.memories[0] if module.memories else None
    functions = [export for export in module.exports if export.kind == FUNCTION]
    return Prepared(
        stored=stored,
        instrumented=result.module,
        activation_gas=activation_gas(
            len(module.raw[: module.init_start]), result.work, joins_times_locals, _values_of(module.types)
        ),
        initial_pages=memory.minimum if memory else 0,
        maximum_pages=maximum_pages(memory, price_table) if memory else 0,
        data_bytes=sum(len(segment.content) for segment in module.data),
        imports=(*((row.module, row.name) for row in module.imports), *((PROBE,) if probed else ())),
        exports=tuple(ExportedFunction(row.name, *module.signature(row.target)) for row in functions),
        init_payload=module.init_payload,
    )


def _opened(code: bytes) -> tuple[Module, bytes]:
    """The decoded module of a creation or of stored code, and the bytes that are stored."""
    if code[:3] != COMPRESSED_PREFIX:
        module = decode(code)
        return module, module.raw[: module.init_start]
    within("module bytes" if CONSTRUCTOR_MARKER in code else "stored code bytes", len(code))
    unpacked = unpack(code)
    module = decode(unpacked.module)
    if len(module.raw) != len(unpacked.module):
        raise ModuleRefusedError("constructor section", "it belongs behind the Brotli stream, not into it")
    if unpacked.init_payload is not None:
        if module.init_payload is not None:
            raise ModuleRefusedError("constructor section", "the module has a section zvm.init, which excludes it")
        module.init_payload = unpacked.init_payload
    return module, code[: unpacked.end]


def _values_of(types: Sequence[FunctionType]) -> int:
    """Total number of their parameters and results."""
    return sum(len(row.parameters) + len(row.results) for row in types)


def _check_shapes(module: Module) -> int:
    """Refuse what the compiler would take too long for; the module's joins times locals."""
    joined = product = 0
    for type_index, (start, stop) in zip(module.functions, module.bodies, strict=True):
        shape = shape_of(module.raw, start, stop)
        joined += within("joined locals in a function", shape.joined_locals)
        product += shape.joins * (shape.declared_locals + len(module.types[type_index].parameters))
    within("joined locals", joined)
    return within("joins times locals", product)


@cache
def _engine() -> wasmtime.Engine:
    """Knows all of WebAssembly, so that what is not available passes it and the walk can name it."""
    return wasmtime.Engine()


@cache
def _strict_engine() -> wasmtime.Engine:
    """Without the features that change how the bytes of other instructions are read.

    With several memories the alignment of an access may be followed by an index, which the walk over the body does
    not know: it would see other instructions than the engine. Reference types stay, for the table index that LLVM
    pads to five bytes.
    """
    config = wasmtime.Config()
    for feature in _OFF:
        setattr(config, feature, False)
    return wasmtime.Engine(config)


_OFF = (
    "wasm_multi_memory",
    "wasm_memory64",
    "wasm_threads",
    "shared_memory",
    "wasm_relaxed_simd",
    "wasm_simd",
    "wasm_tail_call",
    "wasm_exceptions",
    "wasm_gc",
    "wasm_function_references",
    "wasm_stack_switching",
    "wasm_custom_page_sizes",
    "wasm_wide_arithmetic",
    "wasm_multi_value",
)


def _validate(module: bytes, engine: wasmtime.Engine) -> None:
    """Types of every instruction, by the specification's algorithm in the engine."""
    try:
        wasmtime.Module.validate(engine, module)
    except wasmtime.WasmtimeError as error:
        raise ModuleRefusedError("validation", " ".join(str(error).split())) from None


def _require_compilable(instrumented: bytes) -> None:
    """Every node compiles the module next; a compiler error there would halt the chain."""
    reason = why_refused(instrumented)
    if reason is not None:
        raise ModuleRefusedError("validation", " ".join(reason.split()))
