"""zvm_: run a function of a module, off chain."""

import time
from collections.abc import Sequence
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.types import Log
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.zvm.functions import FunctionCall, FunctionResult, run_function
from zevm.rpc.codec import scalars
from zevm.rpc.codec.objects import decode_fields
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.codec.scalars import kind_of
from zevm.rpc.dispatch.function_kinds import kind_of_function_call
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.zvm.modules import machine_of, status_json
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ACCOUNT, Account, AccountChange, StateDiff, StateReader

MAXIMUM_ARGUMENTS = 255
"""Maximum of parameters of a module's function."""

_LEAST_INTEGER, _GREATEST_INTEGER = -(1 << 63), (1 << 64) - 1


def integer(value: object) -> int:
    """A value of i32 or i64: a JSON number, decimal or hex text, or negative; the parameter keeps the low bits."""
    negative = type(value) is str and value[:1] == "-"
    digits = value[1:] if negative and isinstance(value, str) else value
    number = value if type(value) is int else scalars.number(digits) * (-1 if negative else 1)
    if not _LEAST_INTEGER <= number <= _GREATEST_INTEGER:
        raise InvalidParamsError(f"{number} is not an integer of 64 bits")
    return number


def arguments(value: object) -> bytes | list[int]:
    """Bytes as hex, or a list of integers."""
    if type(value) is str:
        return scalars.data(value)
    if type(value) is not list:
        raise InvalidParamsError(f"expected hex or an array of integers, got {kind_of(value)}")
    numbers: list[int] = scalars.array_of(integer, MAXIMUM_ARGUMENTS)(value)
    return numbers


_FUNCTION_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "module": ("module", scalars.data),
    "address": ("address", scalars.address),
    "function": ("name", scalars.string),
    "arguments": ("arguments", arguments),
    "from": ("sender", scalars.address),
    "value": ("value_wei", scalars.number),
    "gasLimit": ("gas_limit", scalars.number),
    "memoryLimit": ("memory_limit_bytes", scalars.number),
    "timeoutMs": ("timeout_ms", scalars.number),
}


@scalars.schema(type="object", title="Function call", properties={name: {} for name in _FUNCTION_FIELDS})
def function_call(value: object) -> dict[str, Any]:
    """{module or address, function, arguments, from, value, gasLimit, memoryLimit (bytes), timeoutMs}."""
    decoded = decode_fields(value, _FUNCTION_FIELDS)
    if "module" not in decoded and "address" not in decoded:
        raise InvalidParamsError("missing field 'module' or 'address' for a function call")
    return decoded


@method(
    "zvm_executeFunction",
    cost=Cost.EXECUTION,
    params=(
        Param("call", function_call, summary="{module or address, function, arguments, ...}"),
        Param("block", scalars.block_reference, default=LATEST),
    ),
    result="{status, statusCode, returnValue, gasUsed, executionTimeMs, error, logs, modifiedState}",
    kind=kind_of_function_call,
)
def execute_function(services: Services, call: dict[str, Any], block: BlockReference, *, deadline: Deadline) -> Json:
    """Run a function of a contract or a module on a block's state without keeping changes, and report all effects."""
    limits = services.limits
    given = dict(call)
    timeout_ms = given.pop("timeout_ms", None)
    if timeout_ms is not None:
        capped = min(timeout_ms, int(limits.evm_timeout_seconds * 1_000))
        deadline = deadline.sooner(time.monotonic() + capped / 1_000)
    given["gas_limit"] = min(given.get("gas_limit", limits.call_gas), limits.call_gas)
    began = time.perf_counter()
    machine, frame = machine_of(services), services.chain.frame_at(block, deadline)
    result = run_function(machine, frame.environment, frame.reader, FunctionCall(**given), deadline=deadline)
    milliseconds = round((time.perf_counter() - began) * 1_000, 3)
    return status_json(result.status) | {
        "returnValue": hexadecimal(result.output),
        "gasUsed": hex(result.gas_used),
        "executionTimeMs": milliseconds,
        "error": _error_text(services, result),
        "logs": _logs(result.logs),
        "modifiedState": _modified(result.before, result.changes),
    }


def _error_text(services: Services, result: FunctionResult) -> str | None:
    decoder = services.decoder
    reason = None if decoder is None or not result.is_revert else decoder.revert_reason(result.output)
    return result.error if reason is None else f"{result.error}: {reason}"


def _logs(logs: Sequence[Log]) -> list[Json]:
    return [
        {
            "address": hexadecimal(log.address),
            "topics": [hexadecimal(topic) for topic in log.topics],
            "data": hexadecimal(log.data),
        }
        for log in logs
    ]


def _modified(before: StateReader, changes: StateDiff) -> Json:
    """Each changed account, with its changed values."""
    modified = {}
    for address, change in sorted(changes.accounts.items()):
        entry = _account_changes(before.account(address) or EMPTY_ACCOUNT, change)
        slots = {
            f"0x{slot:064x}": {"before": f"0x{old:064x}", "after": f"0x{new:064x}"}
            for slot, new in sorted(changes.storage.get(address, {}).items())
            if (old := before.storage(address, slot)) != new
        }
        if slots:
            entry["storage"] = slots
        if address in changes.wiped:
            entry["storageCleared"] = True
        if entry:
            modified[hexadecimal(address)] = entry
    return modified


def _account_changes(old: Account, change: AccountChange | None) -> Json:
    nonce, balance, code_hash = change or (EMPTY_ACCOUNT.nonce, EMPTY_ACCOUNT.balance, EMPTY_ACCOUNT.code_hash)
    pairs = {
        "balance": (hex(old.balance), hex(balance)),
        "nonce": (hex(old.nonce), hex(nonce)),
        "codeHash": (hexadecimal(old.code_hash), hexadecimal(code_hash)),
    }
    return {name: {"before": first, "after": last} for name, (first, last) in pairs.items() if first != last}
