"""The bytes of zvm/1: golden ones for both messages, and every message comes back from its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.transport.quic.zvm.messages import (
    LEAST_REQUEST_BYTES,
    LEAST_RESULT_BYTES,
    MessageError,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
)

REQUEST = WasmExecutionRequest(
    request_id=0x0102030405060708,
    module_bytecode=bytes.fromhex("0061736d01000000"),
    function_name="größe",
    arguments=b"\xaa\xbb\xcc",
    gas_limit=1_000_000,
    memory_limit=64 * 1024 * 1024,
    timeout_ms=30_000,
    caller_address="0x1234567890123456789012345678901234567890",
)
REQUEST_BYTES = bytes.fromhex(
    "0102030405060708"  # request_id
    "00000008 0061736d01000000"  # module
    "0007 6772c3b6c39f65"  # function_name
    "00000003 aabbcc"  # arguments
    "00000000000f4240"  # gas_limit
    "04000000"  # memory_limit
    "00007530"  # timeout_ms
    "002a 307831323334353637383930313233343536373839303132333435363738393031323334353637383930"  # caller_address
)
RESULT = WasmExecutionResult(
    request_id=7,
    status=ExecutionStatus.INVALID_MODULE,
    return_value=b"\x2a",
    gas_consumed=100_000,
    execution_time_us=1_234,
    error_message="kaputt!",
    modified_state=b"\xc0\x01",
)
RESULT_BYTES = bytes.fromhex(
    "0000000000000007"  # request_id
    "06"  # status
    "00000001 2a"  # return_value
    "00000000000186a0"  # gas_consumed
    "00000000000004d2"  # execution_time_us
    "00000007 6b617075747421"  # error_message
    "00000002 c001"  # modified_state
)


def test_golden_bytes() -> None:
    assert encode_request(REQUEST) == REQUEST_BYTES
    assert decode_request(REQUEST_BYTES) == REQUEST
    assert encode_result(RESULT) == RESULT_BYTES
    assert decode_result(RESULT_BYTES) == RESULT


def test_the_least_messages() -> None:
    request = WasmExecutionRequest(0, b"", "", b"", 0, 0, 0)
    assert encode_request(request) == bytes(LEAST_REQUEST_BYTES) == bytes(36)
    assert decode_request(bytes(36)) == request
    result = WasmExecutionResult(0, ExecutionStatus.SUCCESS, b"", 0, 0, "", b"")
    assert encode_result(result) == bytes(LEAST_RESULT_BYTES) == bytes(37)
    assert decode_result(bytes(37)) == result


def test_integers_have_eight_bytes_each() -> None:
    request = WasmExecutionRequest(0, b"", "gcd", [12, -18], 0, 0, 0)
    assert decode_request(encode_request(request)).arguments == bytes.fromhex("000000000000000c ffffffffffffffee")


@pytest.mark.parametrize("end", range(len(REQUEST_BYTES)))
def test_a_cut_request_is_none(end: int) -> None:
    with pytest.raises(MessageError):
        decode_request(REQUEST_BYTES[:end])


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_request, REQUEST_BYTES + b"\0"),
        (decode_result, RESULT_BYTES + b"\0"),
        (decode_result, RESULT_BYTES[:-1]),
        (decode_result, RESULT_BYTES[:8] + b"\x08" + RESULT_BYTES[9:]),
        (decode_request, bytes(8) + b"\xff\xff\xff\xff" + bytes(24)),
        (decode_request, bytes(12) + b"\0\x01\xff" + bytes(22)),
    ],
)
def test_other_bytes_are_refused(decode: object, data: bytes) -> None:
    with pytest.raises(MessageError):
        decode(data)  # type: ignore[operator]


U64, U32 = st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
BYTES = st.binary(max_size=200)
REQUESTS = st.builds(
    WasmExecutionRequest, U64, BYTES, st.text(max_size=50), BYTES, U64, U32, U32, st.binary(max_size=60)
)
RESULTS = st.builds(
    WasmExecutionResult, U64, st.sampled_from(ExecutionStatus), BYTES, U64, U64, st.text(max_size=50), BYTES
)


@pytest.mark.lengthy
@given(REQUESTS, RESULTS)
def test_every_message_comes_back_from_its_bytes(request: WasmExecutionRequest, result: WasmExecutionResult) -> None:
    assert decode_request(encode_request(request)) == request
    assert decode_result(encode_result(result)) == result


@given(st.binary(max_size=120))
def test_bytes_are_refused_or_are_a_message_of_these_bytes(data: bytes) -> None:
    for decode, encode in ((decode_request, encode_request), (decode_result, encode_result)):
        try:
            message = decode(data)
        except MessageError:
            continue
        assert encode(message) == data
