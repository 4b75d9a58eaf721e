"""Executions for zvm/1: functions on the head's state, keeping nothing, and deployments by a transaction."""

import time

import orjson

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.types.block_reference import LATEST
from zevm.chain.zvm.functions import FunctionCall, FunctionResult, run_function
from zevm.chain.zvm.outcomes import Status
from zevm.contracts.artifact import asks_for_creation
from zevm.covenant.values import ADDRESS_BYTES
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult, encoded_changes
from zevm.rpc.services import Services
from zevm.rpc.transport.quic.zvm.messages import encode_places
from zevm.storage.primitives import Address


def refused(request_id: int, status: ExecutionStatus, message: str) -> WasmExecutionResult:
    """The result of a request that did not run."""
    return WasmExecutionResult(request_id, status, b"", 0, 0, message, b"")


def execute(services: Services, request: WasmExecutionRequest, *, deadline: Deadline) -> WasmExecutionResult:
    """Run a function of a module, or of the contract whose 20-byte address stands in the module's place.

    The state is the head's, and nothing is kept. On a worker.
    """
    machine, limits = services.chain.zvm, services.limits
    if machine is None:
        text = "this chain has no WebAssembly contracts: its genesis lacks config.zvm"
        return refused(request.request_id, ExecutionStatus.RUNTIME_ERROR, text)
    caller = request.caller
    if caller is None:
        return refused(request.request_id, ExecutionStatus.AUTHENTICATION_FAILED, "caller_address is no address")
    timeout_ms = min(request.timeout_ms, int(limits.evm_timeout_seconds * 1_000))
    deadline = deadline.sooner(time.monotonic() + timeout_ms / 1_000)
    code = request.module_bytecode
    is_address = len(code) == ADDRESS_BYTES
    call = FunctionCall(
        address=Address(code) if is_address else None,
        module=None if is_address else code,
        name=request.function_name or None,
        arguments=request.arguments,
        sender=caller,
        gas_limit=min(request.gas_limit, limits.call_gas),
        memory_limit_bytes=request.memory_limit,
        packs_integers=True,
    )
    frame = services.chain.frame_at(LATEST, deadline)
    began = time.perf_counter_ns()
    try:
        found = run_function(machine, frame.environment, frame.reader, call, deadline=deadline)
    except TransactionError as error:
        return refused(request.request_id, ExecutionStatus.RUNTIME_ERROR, error.message)
    microseconds = (time.perf_counter_ns() - began) // 1_000
    return WasmExecutionResult(
        request_id=request.request_id,
        status=ExecutionStatus(found.status.number),
        return_value=found.output,
        gas_consumed=found.gas_used,
        execution_time_us=microseconds,
        error_message=_error_text(services, found),
        modified_state=encoded_changes(found.changes) if found.status is Status.SUCCESS else b"",
    )


def _error_text(services: Services, found: FunctionResult) -> str:
    decoder = services.decoder
    reason = None if decoder is None or not found.is_revert else decoder.revert_reason(found.output)
    return (found.error or "") if reason is None else f"{found.error}: {reason}"


def deployment_body(request: WasmExecutionRequest, caller: Address | None) -> bytes:
    """The call of zvm_deployContract for a request of `_constructor`. gas_limit 0: as much as it takes."""
    wanted: dict[str, object] = {"module": "0x" + request.module_bytecode.hex()}
    assert isinstance(request.arguments, bytes)
    if request.arguments or asks_for_creation(request.module_bytecode):
        wanted["constructorArguments"] = "0x" + request.arguments.hex()
    if caller is not None and request.caller_address:
        wanted["from"] = "0x" + caller.hex()
    if request.gas_limit:
        wanted["gas"] = hex(request.gas_limit)
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "zvm_deployContract", "params": [wanted]})


def deployment_result(request_id: int, reply: bytes, microseconds: int) -> WasmExecutionResult:
    """The answer of zvm_deployContract as a result: return_value is the contract's address."""
    answer = orjson.loads(reply)
    if "error" in answer:
        return refused(request_id, ExecutionStatus.RUNTIME_ERROR, str(answer["error"]["message"]))
    found = answer["result"]
    succeeded = found["statusCode"] in (None, 0)
    value = found["address"] if succeeded else found["returnValue"]
    return WasmExecutionResult(
        request_id=request_id,
        status=ExecutionStatus(found["statusCode"] or 0),
        return_value=bytes.fromhex((value or "0x")[2:]),
        gas_consumed=int(found["gasUsed"] or "0x0", 16),
        execution_time_us=microseconds,
        error_message=found["error"] or "",
        modified_state=b"",
    )


def name_body(name: str) -> bytes:
    """The call of zns_resolve for a request of `_resolve`."""
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "zns_resolve", "params": [name]})


def name_result(request_id: int, reply: bytes, microseconds: int) -> WasmExecutionResult:
    """The answer of zns_resolve as a result: return_value is two addresses, or empty for a name that is not there."""
    answer = orjson.loads(reply)
    if "error" in answer:
        return refused(request_id, ExecutionStatus.RUNTIME_ERROR, str(answer["error"]["message"]))
    found = answer["result"]
    places = b""
    if found is not None:
        places = encode_places(*(value and bytes.fromhex(value[2:]) for value in (found["address"], found["contract"])))
    return WasmExecutionResult(request_id, ExecutionStatus.SUCCESS, places, 0, microseconds, "", b"")
