"""Inspection of a module without running it: whether it may be deployed, its imports, its price."""

import importlib.metadata
from contextlib import suppress
from dataclasses import dataclass

from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.rules.gas import CODE_DEPOSIT_BYTE_GAS
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.gas_needs import floor_gas, intrinsic_gas
from zevm.chain.vm.interface import CallRequest
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.module.binary import Export, Module, decode
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.price_table import PriceTable
from zevm.storage.primitives import Address

EXPORT_KINDS = ("function", "table", "memory", "global")


@dataclass(frozen=True, slots=True)
class ImportedFunction:
    """One import. parameters, result: a character each, `i` for i32 and `I` for i64.

    ink: the fixed price of a call under the price table; None where the host has no such function.
    """

    module: str
    name: str
    parameters: str
    result: str
    ink: int | None


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """One export; `kind` is of EXPORT_KINDS, and only functions have parameters and results."""

    name: str
    kind: str
    parameters: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """In pages of 64 KiB. maximum_pages: what the module sets, or the chain's limit."""

    initial_pages: int
    maximum_pages: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """A module's properties. Properties that a refusal left unknown are None or empty.

    refusal: the rule that it breaks as a contract. library: it does, but its functions can be run all the same.
    size_bytes: as given. module_bytes: decompressed, without what only a creation carries. stored_bytes: what an
    account would keep. init_payload: call data of the constructor's run. activation_gas: price of the checks.
    """

    size_bytes: int
    compressed: bool
    refusal: ModuleRefusedError | None
    library: bool
    imports: tuple[ImportedFunction, ...]
    exports: tuple[ExportedItem, ...]
    memory: Memory | None
    module_bytes: int | None
    stored_bytes: int | None
    data_bytes: int | None
    activation_gas: int | None
    init_payload: bytes | None


@dataclass(frozen=True, slots=True)
class DeploymentPrice:
    """Gas of a creation transaction without the constructor's run.

    estimate: the guide's, by the length alone. deposit: for the stored bytes. floor: the least that its data costs.
    """

    estimate: int
    intrinsic: int
    activation: int
    deposit: int
    floor: int

    @property
    def total(self) -> int:
        """The gas used."""
        return max(self.intrinsic + self.activation + self.deposit, self.floor)


def inspect_module(code: bytes, price_table: PriceTable) -> Inspection:
    """All about a module, raw or compressed. Any bytes may come; takes up to a second."""
    from zevm.chain.zvm.module.prepare import prepare

    refusal, library, prepared = None, False, None
    try:
        prepared = prepare(code, price_table)
    except ModuleRefusedError as error:
        refusal = error
        with suppress(ModuleRefusedError):
            prepared, library = prepare(code, price_table, library=True), True
    module = _decoded(code)
    return Inspection(
        size_bytes=len(code),
        compressed=code[:3] == COMPRESSED_PREFIX,
        refusal=refusal,
        library=library,
        imports=() if module is None else _imports(module, price_table),
        exports=() if module is None else _exports(module),
        memory=_memory(module, price_table),
        module_bytes=None if module is None else len(module.raw[: module.init_start]),
        stored_bytes=None if prepared is None else len(prepared.stored),
        data_bytes=None if prepared is None else prepared.data_bytes,
        activation_gas=None if prepared is None else prepared.activation_gas,
        init_payload=None if module is None else module.init_payload,
    )


def delegate_of(code: bytes, rules: ForkRules) -> Address | None:
    """Whose code runs at an account with this code: the address of EIP-7702's delegation; None for its own."""
    return delegation_of(code) if rules.fork >= Fork.PRAGUE else None


def deployment_price(code: bytes, price_table: PriceTable, rules: ForkRules) -> DeploymentPrice:
    """Gas of a transaction with this creation data. Raises ModuleRefusedError."""
    from zevm.chain.zvm.module.prepare import estimate_gas_usage, prepare

    prepared = prepare(code, price_table)
    creation = CallRequest(to=None, data=code)
    return DeploymentPrice(
        estimate=estimate_gas_usage(code),
        intrinsic=intrinsic_gas(creation, rules),
        activation=prepared.activation_gas,
        deposit=CODE_DEPOSIT_BYTE_GAS * len(prepared.stored),
        floor=floor_gas(creation, rules),
    )


def guide_estimate(code: bytes) -> int:
    """The guide's rough price: 10,000 gas and 10 for each byte."""
    from zevm.chain.zvm.module.prepare import estimate_gas_usage

    return estimate_gas_usage(code)


def wasmtime_version() -> str:
    """The version of wasmtime that is installed."""
    return importlib.metadata.version("wasmtime")


def _decoded(code: bytes) -> Module | None:
    """The module as far as its format goes; None where it goes nowhere."""
    from zevm.chain.zvm.module.prepare import unpack

    try:
        if code[:3] != COMPRESSED_PREFIX:
            return decode(code)
        unpacked = unpack(code)
        module = decode(unpacked.module)
    except ModuleRefusedError:
        return None
    if module.init_payload is None:
        module.init_payload = unpacked.init_payload
    return module


def _imports(module: Module, price_table: PriceTable) -> tuple[ImportedFunction, ...]:
    rows = []
    for item in module.imports:
        known = ALL_HOST_FUNCTIONS.get((item.module, item.name))
        kinds = module.types[item.type_index] if item.type_index < len(module.types) else ("", "")
        ink = None if known is None else known.static_ink(price_table)
        rows.append(ImportedFunction(item.module, item.name, *kinds, ink))
    return tuple(rows)


def _exports(module: Module) -> tuple[ExportedItem, ...]:
    return tuple(_export(module, item) for item in module.exports)


def _export(module: Module, item: Export) -> ExportedItem:
    kind = EXPORT_KINDS[item.kind]
    if kind != "function":
        return ExportedItem(item.name, kind)
    try:
        return ExportedItem(item.name, kind, *module.signature(item.target))
    except IndexError:
        # a refused module may name what it does not have
        return ExportedItem(item.name, kind)


def _memory(module: Module | None, price_table: PriceTable) -> Memory | None:
    from zevm.chain.zvm.module.instrument import maximum_pages

    if module is None or not module.memories:
        return None
    memory = module.memories[0]
    return Memory(memory.minimum, maximum_pages(memory, price_table))
