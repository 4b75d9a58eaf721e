"""zvm_: information about modules and contracts, their prices, and this node's machine."""

from dataclasses import asdict
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.inspection import (
    Inspection,
    delegate_of,
    deployment_price,
    guide_estimate,
    inspect_module,
    wasmtime_version,
)
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.limits import LIMITS
from zevm.chain.zvm.module.mnemonics import MNEMONICS
from zevm.chain.zvm.outcomes import Status
from zevm.chain.zvm.price_table import ACTIVATION_GAS_PER_ENTRY_GAS, INK_PER_GAS, PRICE_TABLES, PriceTable
from zevm.chain.zvm.scope import FRAME_STACK_WORDS, TRANSACTION_STACK_WORDS
from zevm.core import CORE
from zevm.rpc.codec import scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import InvalidParamsError, ServerError
from zevm.rpc.methods.support.reading import account_of
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

TYPE_NAMES = {"i": "i32", "I": "i64"}
MODULE = Param("module", scalars.data, summary="a WebAssembly module, raw or compressed, as creation data has it")


@scalars.schema(type="string", enum=list(PRICE_TABLES))
def price_table_name(value: object) -> PriceTable:
    """A price schedule by its name."""
    name = scalars.string(value)
    found = PRICE_TABLES.get(name)
    if found is None:
        raise InvalidParamsError(f"no schedule {name[:32]!r}, there are {', '.join(PRICE_TABLES)}")
    return found


SCHEDULE = Param("schedule", price_table_name, default=None, summary="by name; the chain's by default")


def machine_of(services: Services) -> ZvmMachine:
    """The chain's WebAssembly machine. Raises InvalidRequestError if it has none."""
    machine = services.chain.zvm
    if machine is None:
        raise InvalidRequestError("this chain has no WebAssembly contracts: its genesis lacks config.zvm")
    return machine


def status_json(status: Status) -> Json:
    """The status: name and number."""
    return {"status": status.value, "statusCode": status.number}


def refused(error: ModuleRefusedError) -> ServerError:
    """The answer for a module that breaks a rule, before any result exists."""
    return ServerError(error.message, status_json(Status.INVALID_MODULE) | {"rule": error.rule})


def _gas(value: int | None) -> str | None:
    return None if value is None else hex(value)


def _types(kinds: str) -> list[str]:
    return [TYPE_NAMES[kind] for kind in kinds]


def inspection_json(found: Inspection) -> Json:
    """A module in zvm_validateModule's form. Ink, bytes and pages are numbers, gas is hex."""
    refusal, memory = found.refusal, found.memory
    return {
        "valid": refusal is None,
        "rule": None if refusal is None else refusal.rule,
        "message": None if refusal is None else refusal.message,
        "library": found.library,
        "compressed": found.compressed,
        "imports": [
            {
                "module": item.module,
                "name": item.name,
                "parameters": _types(item.parameters),
                "results": _types(item.result),
                "ink": item.ink,
            }
            for item in found.imports
        ],
        "exports": [
            {"name": item.name, "kind": item.kind}
            | (
                {"parameters": _types(item.parameters), "results": _types(item.result)}
                if item.kind == "function"
                else {}
            )
            for item in found.exports
        ],
        "memory": None
        if memory is None
        else {"initialPages": memory.initial_pages, "maximumPages": memory.maximum_pages},
        "activationGas": _gas(found.activation_gas),
        "size": {
            "given": found.size_bytes,
            "module": found.module_bytes,
            "stored": found.stored_bytes,
            "data": found.data_bytes,
        },
    }


@method(
    "zvm_validateModule",
    cost=Cost.EXECUTION,
    params=(MODULE, SCHEDULE),
    result="{valid, rule, message, imports, exports, memory, activationGas, estimate, size, ...}",
)
def validate_module(services: Services, module: bytes, schedule: PriceTable | None, *, deadline: Deadline) -> Json:  # noqa: ARG001
    """Check whether a module may be deployed, or which rule it breaks; report its imports, exports and price."""
    prices = schedule or machine_of(services).price_table
    found = inspect_module(module, prices)
    constructor = None if found.init_payload is None else hexadecimal(found.init_payload)
    return inspection_json(found) | {
        "estimate": hex(guide_estimate(module)),
        "constructorCallData": constructor,
        "schedule": prices.name,
    }


@method(
    "zvm_estimateGasUsage",
    cost=Cost.EXECUTION,
    params=(MODULE, SCHEDULE),
    result="{estimate, intrinsic, activation, deposit, floor, total}",
)
def estimate_gas_usage(services: Services, module: bytes, schedule: PriceTable | None, *, deadline: Deadline) -> Json:  # noqa: ARG001
    """A rough price of a module, and its deployment cost without the constructor."""
    prices = schedule or machine_of(services).price_table
    chain = services.chain
    try:
        price = deployment_price(module, prices, chain.spec.of(chain.next_header()))
    except ModuleRefusedError as error:
        raise refused(error) from error
    return {name: hex(gas) for name, gas in asdict(price).items()} | {"total": hex(price.total)}


@method(
    "zvm_getContract",
    cost=Cost.EXECUTION,
    params=(Param("address", scalars.address), Param("block", scalars.block_reference, default=LATEST)),
    result="{address, delegate, format, codeHash, exports, imports, memory, activationGas, size, ...} or null",
)
def get_contract(services: Services, address: Address, block: BlockReference, *, deadline: Deadline) -> Json | None:  # noqa: ARG001
    """The WebAssembly contract that runs at an address, its own or a delegate's; null if there is none."""
    machine = machine_of(services)
    state = services.chain.state_at(block)
    code_hash = account_of(state, address).code_hash
    code = state.code(code_hash)
    delegate = delegate_of(code, services.chain.frame_at(block).environment.rules)
    if delegate is not None:
        code_hash = account_of(state, delegate).code_hash
        code = state.code(code_hash)
    if not machine.claims(code):
        return None
    found = inspect_module(code, machine.price_table)
    return {
        "address": hexadecimal(address),
        "delegate": None if delegate is None else hexadecimal(delegate),
        "format": "compressed" if found.compressed else "raw",
        "codeHash": hexadecimal(code_hash),
    } | inspection_json(found)


@method("zvm_gasSchedule", cost=Cost.LIGHT, params=(SCHEDULE,), result="{name, inkPerGas, operations, hooks, ...}")
def gas_schedule(services: Services, schedule: PriceTable | None) -> Json:
    """A complete price table: operations, host functions, memory, entry and state; numbers, in ink unless named gas."""
    prices = schedule or machine_of(services).price_table
    pages, entry, host = prices.pages, prices.entry, prices.host_functions
    return {
        "name": prices.name,
        "inkPerGas": INK_PER_GAS,
        "blockHeader": prices.block_header,
        "operations": {MNEMONICS[opcode]: ink for opcode, ink in sorted(prices.operations.items())},
        "branchTarget": prices.branch_target,
        "indirectParameter": prices.indirect_parameter,
        "bulkByte": prices.bulk_byte,
        "stackCountsParameters": prices.stack_counts_parameters,
        "hooks": {f"{module}.{name}": row.static_ink(prices) for (module, name), row in HOST_FUNCTIONS.items()},
        "hookParts": {
            "readByte": host.read_byte,
            "writeByte": host.write_byte,
            "keccakWord": host.keccak_word,
            "powerByte": host.power_byte,
            "growthOfNone": host.growth_of_none,
            "storageMissGas": host.storage_miss_gas,
            "storageReadTiersGas": _tiers(host.storage_read_tiers),
            "storageWriteTiersGas": _tiers(host.storage_write_tiers),
        },
        "pages": {
            "freePages": pages.free_pages,
            "pageGas": pages.page_gas,
            "instancePagesLimit": pages.instance_pages_limit,
            "transactionPagesLimit": pages.transaction_pages_limit,
            "curveGas": list(pages.curve),
        },
        "entry": {
            "gas": entry.gas,
            "dataBytesPerGas": entry.data_bytes_per_gas,
            "activationGasPerGas": ACTIVATION_GAS_PER_ENTRY_GAS,
        },
        "state": None if prices.state is None else _state_prices(prices),
    }


def _tiers(tiers: tuple[tuple[int, int], ...]) -> list[dict[str, int]]:
    return [{"after": count, "gas": gas} for count, gas in tiers]


def _state_prices(prices: PriceTable) -> dict[str, int]:
    state = prices.state
    assert state is not None
    return {
        "storageLoadGas": state.storage_load,
        "storageStoreGas": state.storage_store,
        "callGas": state.call,
        "createGas": state.create,
        "transferGas": state.transfer,
    }


@method("zvm_status", cost=Cost.EXECUTION, result="{enabled, schedule, limits, programs, wasmtime, core, evm}")
def zvm_status(services: Services, *, deadline: Deadline) -> Json:  # noqa: ARG001
    """Whether the chain has WebAssembly contracts; prices, limits, compiled programs; the core and the EVM's engine."""
    machine = services.chain.zvm
    core = {"native": CORE.library is not None, "kernel": CORE.kernel, "reason": CORE.reason or None}
    always = {"wasmtime": wasmtime_version(), "core": core, "evm": services.chain.options.engine.value}
    if machine is None:
        return {"enabled": False, "schedule": None, "limits": None, "programs": None, **always}
    usage = machine.usage()
    disk = None if usage.disk_programs is None else {"count": usage.disk_programs, "bytes": usage.disk_bytes}
    return {
        "enabled": True,
        "schedule": machine.price_table.name,
        "limits": _limits(services, machine.price_table),
        "programs": {
            "memory": {"count": usage.memory_programs, "moduleBytes": usage.memory_module_bytes},
            "disk": disk,
        },
        **always,
    }


def _limits(services: Services, schedule: PriceTable) -> dict[str, Any]:
    return {
        "module": dict(LIMITS),
        "instancePages": schedule.pages.instance_pages_limit,
        "transactionPages": schedule.pages.transaction_pages_limit,
        "frameStackWords": FRAME_STACK_WORDS,
        "transactionStackWords": TRANSACTION_STACK_WORDS,
        "callGas": hex(services.limits.call_gas),
        "timeoutMs": int(services.limits.evm_timeout_seconds * 1_000),
    }
