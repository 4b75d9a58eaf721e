"""Functions of WebAssembly modules without deployment: the guide's request, result, statuses and validator."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.zvm.functions import FunctionCall, FunctionResult, run_function
from zevm.chain.zvm.inspection import guide_estimate
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.binary import MAGIC
from zevm.chain.zvm.outcomes import Status
from zevm.covenant import wire
from zevm.covenant.errors import InvalidParameters
from zevm.covenant.values import (
    ADDRESS_BYTES,
    FRAME_WORDS,
    MAXIMUM_GAS,
    MemoryLimits,
    checked_call_data,
    checked_data,
    checked_integer,
    checked_text,
)
from zevm.storage import rlp
from zevm.storage.account import StateDiff, StateReader
from zevm.storage.primitives import ZERO_ADDRESS, Address

_MAXIMUM_32 = (1 << 32) - 1
_LEAST_INTEGER = -(1 << 63)
_HEX_PREFIX = b"0x"


class ExecutionStatus(IntEnum):
    """How an execution has ended, with the guide's numbers."""

    SUCCESS = 0
    OUT_OF_GAS = 1
    OUT_OF_MEMORY = 2
    TIMEOUT = 3
    INVALID_FUNCTION = 4
    RUNTIME_ERROR = 5
    INVALID_MODULE = 6
    AUTHENTICATION_FAILED = 7


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """Limits of an execution, and its caller.

    gas_limit: 64 bits. memory_limit: bytes, rounded down to pages of 64 KiB, at most 64 MiB. timeout_ms: wall clock.
    caller_address: 20 bytes, or their hex text with 0x; "" is the zero address.
    """

    gas_limit: int = 1_000_000
    memory_limit: int = MemoryLimits.MAX_MEMORY
    timeout_ms: int = 30_000
    caller_address: bytes | str = b""


DEFAULT_OPTIONS = ExecutionOptions()


@dataclass(frozen=True, slots=True)
class WasmExecutionRequest:
    """One execution of a module's function. Raises InvalidParameters for values out of range.

    request_id, gas_limit: 64 bits. arguments: call data, or the integers that the function takes. memory_limit (bytes),
    timeout_ms: 32 bits. caller_address: as in ExecutionOptions; any other one ends in AUTHENTICATION_FAILED.
    """

    request_id: int
    module_bytecode: bytes
    function_name: str
    arguments: bytes | Sequence[int]
    gas_limit: int
    memory_limit: int
    timeout_ms: int
    caller_address: bytes | str = b""

    FIELDS: ClassVar[Mapping[str, wire.Kind]] = {
        "request_id": wire.NUMBER,
        "module_bytecode": wire.BYTES,
        "function_name": wire.TEXT,
        "arguments": wire.ARGUMENTS,
        "gas_limit": wire.NUMBER,
        "memory_limit": wire.NUMBER,
        "timeout_ms": wire.NUMBER,
        "caller_address": wire.BYTES,
    }

    def __post_init__(self) -> None:
        checked_integer(self.request_id, MAXIMUM_GAS, "request_id")
        checked_integer(self.gas_limit, MAXIMUM_GAS, "gas_limit")
        checked_integer(self.memory_limit, _MAXIMUM_32, "memory_limit")
        checked_integer(self.timeout_ms, _MAXIMUM_32, "timeout_ms")
        checked_text(self.function_name, "function_name")
        object.__setattr__(self, "module_bytecode", checked_data(self.module_bytecode, "module_bytecode"))
        object.__setattr__(self, "arguments", _checked_arguments(self.arguments))
        caller = self.caller_address
        caller = checked_text(caller, "caller_address").encode() if isinstance(caller, str) else caller
        object.__setattr__(self, "caller_address", checked_data(caller, "caller_address"))

    def serialize(self) -> bytes:
        """The request as bytes; see wire."""
        return wire.serialize(self, self.FIELDS)

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        """The inverse of `serialize`. Raises InvalidParameters for other bytes."""
        return cls(**wire.deserialize(data, cls.FIELDS, "request"))

    @property
    def caller(self) -> Address | None:
        """The caller's address; None where caller_address is none."""
        given = self.caller_address
        assert isinstance(given, bytes)
        if not given:
            return ZERO_ADDRESS
        if len(given) == ADDRESS_BYTES:
            return Address(given)
        if given[:2] != _HEX_PREFIX or len(given) != 2 + 2 * ADDRESS_BYTES:
            return None
        try:
            return Address(bytes.fromhex(given[2:].decode("ascii")))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class WasmExecutionResult:
    """The outcome of a request.

    return_value: what the contract has returned or reverted with; a function's integer has 32 bytes. gas_consumed: gas.
    execution_time_us: wall clock. error_message: "" for success. modified_state: RLP of the changed accounts by
    address, each [address, nonce, balance, code hash, [[slot, value], ...]]; [address] for a deleted one. b"" for none.
    """

    request_id: int
    status: ExecutionStatus
    return_value: bytes
    gas_consumed: int
    execution_time_us: int
    error_message: str
    modified_state: bytes

    FIELDS: ClassVar[Mapping[str, wire.Kind]] = {
        "request_id": wire.NUMBER,
        "status": wire.Kind(rlp.encode_int, lambda item: ExecutionStatus(rlp.decode_int(item))),
        "return_value": wire.BYTES,
        "gas_consumed": wire.NUMBER,
        "execution_time_us": wire.NUMBER,
        "error_message": wire.TEXT,
        "modified_state": wire.BYTES,
    }

    def serialize(self) -> bytes:
        """The result as bytes; see wire."""
        return wire.serialize(self, self.FIELDS)

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        """The inverse of `serialize`. Raises InvalidParameters for other bytes."""
        return cls(**wire.deserialize(data, cls.FIELDS, "result"))


class WasmValidator:
    """The guide's checks of a module by its first bytes and its length, before anything runs."""

    @staticmethod
    def validate_module(module_bytecode: bytes) -> bool:
        """Whether the bytes begin as a module of version 1. Deployment and execution check all the rest."""
        return module_bytecode[: len(MAGIC)] == MAGIC

    @staticmethod
    def estimate_gas_usage(module_bytecode: bytes, function_name: str = "") -> int:  # noqa: ARG004  the guide's
        """A rough price in gas, by the length alone: 10,000 and 10 for each byte."""
        return guide_estimate(module_bytecode)


def execute(
    machine: ZvmMachine,
    environment: BlockEnvironment,
    reader: StateReader,
    request: WasmExecutionRequest,
    deadline: Deadline | None,
) -> WasmExecutionResult:
    """Run a function of a module on a state, and keep no change."""
    caller = request.caller
    if caller is None:
        text = bytes(request.caller_address[:80]).decode("ascii", "replace")  # type: ignore[arg-type]
        return _not_run(request, ExecutionStatus.AUTHENTICATION_FAILED, f"caller_address {text!r} is no address")
    arguments = request.arguments if isinstance(request.arguments, bytes) else list(request.arguments)
    call = FunctionCall(
        module=request.module_bytecode,
        name=request.function_name or None,
        arguments=arguments,
        sender=caller,
        gas_limit=request.gas_limit,
        memory_limit_bytes=request.memory_limit,
    )
    began = time.perf_counter_ns()
    found = run_function(machine, environment, reader, call, deadline=deadline, memory_words=FRAME_WORDS)
    return _result_of(request, found, (time.perf_counter_ns() - began) // 1_000)


def _result_of(request: WasmExecutionRequest, found: FunctionResult, microseconds: int) -> WasmExecutionResult:
    return WasmExecutionResult(
        request_id=request.request_id,
        status=ExecutionStatus(found.status.number),
        return_value=found.output,
        gas_consumed=found.gas_used,
        execution_time_us=microseconds,
        error_message=found.error or "",
        modified_state=encoded_changes(found.changes) if found.status is Status.SUCCESS else b"",
    )


def _not_run(request: WasmExecutionRequest, status: ExecutionStatus, error: str) -> WasmExecutionResult:
    return WasmExecutionResult(request.request_id, status, b"", 0, 0, error, b"")


def encoded_changes(changes: StateDiff) -> bytes:
    """The RLP of WasmExecutionResult.modified_state; b"" for no change."""
    rows: list[rlp.Item] = []
    for address, change in sorted(changes.accounts.items()):
        if change is None:
            rows.append([address])
            continue
        slots = sorted(changes.storage.get(address, {}).items())
        encoded: list[rlp.Item] = [[rlp.encode_int(slot), rlp.encode_int(value)] for slot, value in slots]
        rows.append([address, rlp.encode_int(change.nonce), rlp.encode_int(change.balance), change.code_hash, encoded])
    return rlp.encode(rows) if rows else b""


def _checked_arguments(value: bytes | Sequence[int]) -> bytes | tuple[int, ...]:
    if isinstance(value, bytes | bytearray | str) or not isinstance(value, Sequence):
        return checked_call_data(value, "arguments")
    if len(value) > wire.MAXIMUM_INTEGERS:
        raise InvalidParameters(f"{len(value)} integer arguments, a function takes {wire.MAXIMUM_INTEGERS} at most")
    for number in value:
        if type(number) is not int or not _LEAST_INTEGER <= number <= wire.LONG_MASK:
            raise InvalidParameters(f"argument {number!r} is not an integer of 64 bits")
    return tuple(number & wire.LONG_MASK for number in value)
