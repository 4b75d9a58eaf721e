"""The messages of zvm/1, byte for byte as the SHROUD stack lays them out; integers are big-endian.

Request: request_id u64 | module u32+bytes | function_name u16+UTF-8 | arguments u32+bytes | gas_limit u64 |
memory_limit u32 | timeout_ms u32 | caller_address u16+bytes. At least 36 bytes.
Result: request_id u64 | status u8 | return_value u32+bytes | gas_consumed u64 | execution_time_us u64 |
error_message u32+UTF-8 | modified_state u32+bytes. At least 37 bytes: the SHROUD stack's own check is for 33, a length
that this layout never has.

A stream carries frames: a length (u32), then as many bytes. The client sends its request, and after it an
authentication if it signs (authentication.py); then it ends its direction. The server answers with one result.
"""

import struct
from collections.abc import Sequence
from typing import Any

from zevm.covenant.values import ADDRESS_BYTES
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult

ALPN = "zvm/1"
CONSTRUCTOR = "_constructor"
"""The function that deploys the module (the guide's deployModule)."""

STATISTICS = "_statistics"
"""The function that answers with the server's statistics: four integers of 64 bits; see Statistics."""

RESOLVE = "_resolve"
"""The function that resolves the name in `arguments` (UTF-8): two addresses of 20 bytes; see encode_places."""

OWN_FUNCTIONS = frozenset((CONSTRUCTOR, STATISTICS, RESOLVE))
"""Names that mean no function of the module."""

BUSY_MESSAGE = "Server busy, try again later"
LENGTH_BYTES = 4
INTEGER_BYTES = 8
LEAST_REQUEST_BYTES, LEAST_RESULT_BYTES = 36, 37

_REQUEST = ((8, int), (4, bytes), (2, str), (4, bytes), (8, int), (4, int), (4, int), (2, bytes))
_RESULT = ((8, int), (1, int), (4, bytes), (8, int), (8, int), (4, str), (4, bytes))
"""Each field, in the order of the class's: the size of its number or of its length, and its kind."""


class MessageError(ValueError):
    """Bytes that are no message."""


def encode_request(request: WasmExecutionRequest) -> bytes:
    """A request's bytes. Integer arguments become 8 bytes each. Raises MessageError for a text or list too long."""
    return _encode(
        _REQUEST,
        (
            request.request_id,
            request.module_bytecode,
            request.function_name,
            encode_arguments(request.arguments),
            request.gas_limit,
            request.memory_limit,
            request.timeout_ms,
            request.caller_address,
        ),
    )


def encode_arguments(arguments: bytes | Sequence[int]) -> bytes:
    """Bytes as they are; integers as 8 bytes each, two's complement."""
    if isinstance(arguments, bytes):
        return arguments
    return b"".join((number & (2**64 - 1)).to_bytes(INTEGER_BYTES, "big") for number in arguments)


def decode_request(data: bytes) -> WasmExecutionRequest:
    """The inverse. Raises MessageError for other bytes, InvalidParameters for values out of range."""
    return WasmExecutionRequest(*_decode(_REQUEST, data))


def request_id_of(data: bytes) -> int:
    """The number of a request that may be wrong otherwise."""
    return int.from_bytes(data[:8], "big")


def encode_result(result: WasmExecutionResult) -> bytes:
    """A result's bytes."""
    return b"".join(_result_parts(result))


def framed_result(result: WasmExecutionResult) -> bytes:
    """A result's bytes with their length before them, put together once: a result may be large."""
    parts = _result_parts(result)
    return b"".join((sum(map(len, parts)).to_bytes(LENGTH_BYTES, "big"), *parts))


def _result_parts(result: WasmExecutionResult) -> list[bytes]:
    return _parts(
        _RESULT,
        (
            result.request_id,
            int(result.status),
            result.return_value,
            result.gas_consumed,
            result.execution_time_us,
            result.error_message,
            result.modified_state,
        ),
    )


def decode_result(data: bytes) -> WasmExecutionResult:
    """The inverse. Raises MessageError for other bytes."""
    identifier, status, *rest = _decode(_RESULT, data)
    try:
        return WasmExecutionResult(identifier, ExecutionStatus(status), *rest)
    except ValueError as error:
        raise MessageError(f"{status} is no status of a result") from error


def framed(message: bytes) -> bytes:
    """A message with its length before it."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def encode_statistics(values: Sequence[int]) -> bytes:
    """Integers of 64 bits, one after another."""
    return struct.pack(f">{len(values)}Q", *values)


def encode_places(address: bytes | None, contract: bytes | None) -> bytes:
    """The address that a name has, and the contract that it means; 20 zero bytes for none."""
    return (address or bytes(ADDRESS_BYTES)) + (contract or bytes(ADDRESS_BYTES))


def decode_places(data: bytes) -> tuple[bytes | None, bytes | None]:
    """The inverse. Raises MessageError for another size."""
    if len(data) != 2 * ADDRESS_BYTES:
        raise MessageError(f"a resolved name has {2 * ADDRESS_BYTES} bytes, not {len(data)}")
    address, contract = data[:ADDRESS_BYTES], data[ADDRESS_BYTES:]
    return address if any(address) else None, contract if any(contract) else None


def _encode(fields: Sequence[tuple[int, type]], values: Sequence[Any]) -> bytes:
    return b"".join(_parts(fields, values))


def _parts(fields: Sequence[tuple[int, type]], values: Sequence[Any]) -> list[bytes]:
    parts: list[bytes] = []
    for (size, kind), value in zip(fields, values, strict=True):
        if kind is int:
            parts.append(int(value).to_bytes(size, "big"))
            continue
        data = value.encode() if kind is str else value
        if len(data) >> (8 * size):
            raise MessageError(f"a field has {len(data)} bytes, and its length {8 * size} bits")
        parts += (len(data).to_bytes(size, "big"), data)
    return parts


def _decode(fields: Sequence[tuple[int, type]], data: bytes) -> list[Any]:
    values: list[Any] = []
    position = 0
    for size, kind in fields:
        end = position + size
        number = int.from_bytes(data[position:end], "big")
        if end > len(data):
            raise MessageError("the message ends within a field")
        position = end
        if kind is int:
            values.append(number)
            continue
        position += number
        if position > len(data):
            raise MessageError("the message ends within a field")
        values.append(_content(kind, data[end:position]))
    if position != len(data):
        raise MessageError(f"{len(data) - position} bytes follow the message")
    return values


def _content(kind: type, data: bytes) -> bytes | str:
    if kind is bytes:
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"a text is not UTF-8: {error.reason} at byte {error.start}") from error
