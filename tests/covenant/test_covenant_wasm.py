"""Functions of modules without deployment: the guide's request, result, eight statuses, validator and estimate."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

from testing.wasm_modules import box, floats, maths
from tests.covenant.vms import ALICE, BOX, GET, SPINNING, entrypoint, evm, word
from zevm.chain.zvm.outcomes import Status
from zevm.covenant import (
    CovenantVM,
    ExecutionOptions,
    ExecutionStatus,
    InvalidParameters,
    MemoryLimits,
    WasmExecutionRequest,
    WasmExecutionResult,
    WasmValidator,
    create_vm,
)
from zevm.storage import rlp

EMPTY_MODULE = bytes.fromhex("0061736d01000000")


@pytest.fixture(scope="module")
def vm() -> Iterator[CovenantVM]:
    with create_vm() as machine:
        yield machine


def options(**changes: object) -> ExecutionOptions:
    return replace(ExecutionOptions(), **changes)


# Execution


def test_integers_and_bytes_are_arguments(vm: CovenantVM) -> None:
    result = vm.execute_function(maths(), "gcd", [1071, 462])
    assert (result.status, result.return_value, result.error_message) == (ExecutionStatus.SUCCESS, word(21), "")
    assert 0 < result.gas_consumed < 1_000_000
    assert result.execution_time_us > 0
    assert vm.execute_function(box(), "copy", b"echo").return_value == b"echo"
    assert vm.execute_function(box(), "get()", b"").return_value == word(0)
    assert vm.execute_function(box(), "", GET).return_value == word(0)
    assert vm.execute_function(box(), "divide", [-9, 2]).return_value == word((1 << 32) - 4)


def test_changes_are_told_and_not_kept(vm: CovenantVM) -> None:
    before = vm.state_hash
    result = vm.execute_function(box(), "set(uint256)", word(9))
    assert result.status is ExecutionStatus.SUCCESS
    ((address, nonce, balance, code_hash, slots),) = rlp.decode_list(result.modified_state)
    assert (len(address), nonce, balance, len(code_hash), slots) == (20, b"", b"", 32, [[b"", b"\x09"]])
    assert vm.state_hash == before
    assert vm.execute_function(box(), "get()").modified_state == b""


def test_a_deleted_account_is_told_by_its_address() -> None:
    calling = entrypoint(
        "(call $read (i32.const 0))"
        "(call $call (i32.const 12) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 64))",
        '(import "vm_hooks" "read_args" (func $read (param i32)))'
        '(import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))',
    )
    with create_vm(hardfork="shanghai") as old:
        at = old.deploy_contract(evm("0 SELFDESTRUCT"))
        result = old.execute_function(calling, "user_entrypoint", at.rjust(32, b"\0"))
        assert result.status is ExecutionStatus.SUCCESS
        assert [at] in rlp.decode_list(result.modified_state)
        assert old.get_contract(at) is not None


def test_a_module_sees_the_contracts_of_the_state(vm: CovenantVM) -> None:
    at = vm.deploy_contract(BOX)
    vm.state_of(at).set(word(0), word(123))
    calling = entrypoint(
        "(call $read (i32.const 0)) (drop (call $call (i32.const 12) (i32.const 32) (i32.const 4)"
        "(i64.const -1) (i32.const 64)))"
        "(drop (call $return (i32.const 96) (i32.const 0) (i32.const 32)))"
        "(call $write (i32.const 96) (i32.const 32)) (i32.const 0)",
        '(import "vm_hooks" "read_args" (func $read (param i32)))'
        '(import "vm_hooks" "static_call_contract" (func $call (param i32 i32 i32 i64 i32) (result i32)))'
        '(import "vm_hooks" "read_return_data" (func $return (param i32 i32 i32) (result i32)))'
        '(import "vm_hooks" "write_result" (func $write (param i32 i32)))',
    )
    result = vm.execute_function(calling, "user_entrypoint", at.rjust(32, b"\0") + GET)
    assert (result.status, result.return_value) == (ExecutionStatus.SUCCESS, word(123))


@pytest.mark.parametrize("caller", [ALICE, "0x" + ALICE.hex(), ("0x" + ALICE.hex()).encode()])
def test_the_caller_is_an_address_or_its_text(vm: CovenantVM, caller: bytes | str) -> None:
    module = entrypoint(
        "(call $sender (i32.const 12)) (call $write (i32.const 0) (i32.const 32)) (i32.const 0)",
        '(import "vm_hooks" "msg_sender" (func $sender (param i32)))'
        '(import "vm_hooks" "write_result" (func $write (param i32 i32)))',
    )
    assert vm.execute_function(module, "", b"", options(caller_address=caller)).return_value[12:] == ALICE
    assert vm.execute_function(module, "").return_value == bytes(32)


# The eight statuses

RUNS: dict[ExecutionStatus, list[Callable[[CovenantVM], WasmExecutionResult]]] = {
    ExecutionStatus.SUCCESS: [lambda vm: vm.execute_function(maths(), "gcd", [4, 6])],
    ExecutionStatus.OUT_OF_GAS: [
        lambda vm: vm.execute_function(SPINNING, ""),
        lambda vm: vm.execute_function(maths(), "gcd", [4, 6], options(gas_limit=0)),
    ],
    ExecutionStatus.OUT_OF_MEMORY: [
        lambda vm: vm.execute_function(box(), "get()", b"", options(memory_limit=65_535)),
        lambda vm: vm.execute_function(
            entrypoint("(drop (memory.grow (i32.const 2000))) (i32.const 0)"), "", b"", options(gas_limit=1 << 60)
        ),
    ],
    ExecutionStatus.TIMEOUT: [
        lambda vm: vm.execute_function(SPINNING, "", b"", options(gas_limit=(1 << 64) - 1, timeout_ms=30)),
        lambda vm: vm.execute_function(SPINNING, "", b"", options(timeout_ms=0)),
    ],
    ExecutionStatus.INVALID_FUNCTION: [
        lambda vm: vm.execute_function(EMPTY_MODULE, "main"),
        lambda vm: vm.execute_function(maths(), "lcm", [4, 6]),
        lambda vm: vm.execute_function(maths(), "gcd", [4]),
        lambda vm: vm.execute_function(box(), "burn(uint256)", word(1)),
    ],
    ExecutionStatus.RUNTIME_ERROR: [
        lambda vm: vm.execute_function(box(), "divide", [1, 0]),
        lambda vm: vm.execute_function(box(), "set(uint256)", word(0)),
    ],
    ExecutionStatus.INVALID_MODULE: [
        lambda vm: vm.execute_function(floats(), "half", [1]),
        lambda vm: vm.execute_function(b"", "main"),
        lambda vm: vm.execute_function(EMPTY_MODULE[:7], "main"),
        lambda vm: vm.execute_function(EMPTY_MODULE[:4] + b"\x02\0\0\0", "main"),
    ],
    ExecutionStatus.AUTHENTICATION_FAILED: [
        lambda vm: vm.execute_function(maths(), "gcd", [4, 6], options(caller_address="0x12")),
        lambda vm: vm.execute_function(maths(), "gcd", [4, 6], options(caller_address="0x" + "zz" * 20)),
        lambda vm: vm.execute_function(maths(), "gcd", [4, 6], options(caller_address=bytes(19))),
    ],
}


def test_every_status_can_be_had() -> None:
    assert list(RUNS) == list(ExecutionStatus)


@pytest.mark.parametrize("status", ExecutionStatus, ids=lambda status: status.name.lower())
def test_each_way_ends_in_its_status(vm: CovenantVM, status: ExecutionStatus) -> None:
    before = vm.state_hash
    for run in RUNS[status]:
        result = run(vm)
        assert result.status is status
        assert (result.error_message == "") == (status is ExecutionStatus.SUCCESS)
        assert (result.modified_state == b"") or status is ExecutionStatus.SUCCESS
    assert vm.state_hash == before


def test_the_numbers_are_the_guide_s_and_the_chain_s() -> None:
    names = "success out_of_gas out_of_memory timeout invalid_function runtime_error invalid_module"
    assert [status.name.lower() for status in ExecutionStatus] == [*names.split(), "authentication_failed"]
    assert [status.value for status in ExecutionStatus] == list(range(8))
    assert [(status.name, status.number) for status in Status] == [(each.name, each.value) for each in ExecutionStatus]


def test_the_texts_of_failures_name_the_cause(vm: CovenantVM) -> None:
    assert "the module exports none" in vm.execute_function(EMPTY_MODULE, "main").error_message
    assert vm.execute_function(b"\x60\x00", "main").error_message.startswith("invalid module (malformed)")
    assert vm.execute_function(box(), "divide", [1, 0]).error_message == "wasm trap: integer divide by zero"
    failed = vm.execute_function(maths(), "gcd", [1, 1], options(caller_address="bob"))
    assert failed.error_message == "caller_address 'bob' is no address"


# Requests and results as bytes


def request(**changes: object) -> WasmExecutionRequest:
    values = {
        "request_id": 1,
        "module_bytecode": EMPTY_MODULE,
        "function_name": "main",
        "arguments": b"",
        "gas_limit": 1_000_000,
        "memory_limit": MemoryLimits.MAX_MEMORY,
        "timeout_ms": 30_000,
        "caller_address": b"",
    }
    return WasmExecutionRequest(**(values | changes))


def test_the_members_are_the_guide_s() -> None:
    assert [field.name for field in fields(WasmExecutionRequest)] == [
        "request_id",
        "module_bytecode",
        "function_name",
        "arguments",
        "gas_limit",
        "memory_limit",
        "timeout_ms",
        "caller_address",
    ]
    assert [field.name for field in fields(WasmExecutionResult)] == [
        "request_id",
        "status",
        "return_value",
        "gas_consumed",
        "execution_time_us",
        "error_message",
        "modified_state",
    ]
    assert ExecutionOptions() == ExecutionOptions(1_000_000, 64 * 1024 * 1024, 30_000, b"")


def test_a_request_is_answered_under_its_number(vm: CovenantVM) -> None:
    asked = request(request_id=77, module_bytecode=maths(), function_name="gcd", arguments=[12, 18])
    for result in (vm.execute(asked), vm.execute(WasmExecutionRequest.deserialize(asked.serialize()))):
        assert (result.request_id, result.status, result.return_value) == (77, ExecutionStatus.SUCCESS, word(6))
        assert WasmExecutionResult.deserialize(result.serialize()) == result
    numbers = [vm.execute_function(maths(), "gcd", [1, 1]).request_id for _ in range(3)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


TEXTS = st.text(st.characters(max_codepoint=0x7FF), max_size=40)
NUMBERS = st.integers(0, 2**64 - 1)
ARGUMENTS = st.binary() | st.lists(st.integers(-(2**63), 2**64 - 1), max_size=6)


@pytest.mark.lengthy
@given(
    st.builds(
        WasmExecutionRequest,
        NUMBERS,
        st.binary(),
        TEXTS,
        ARGUMENTS,
        NUMBERS,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.binary() | TEXTS,
    )
)
def test_requests_come_back_from_their_bytes(given_request: WasmExecutionRequest) -> None:
    data = given_request.serialize()
    assert WasmExecutionRequest.deserialize(data) == given_request
    with pytest.raises(InvalidParameters, match="not a serialized result"):
        WasmExecutionResult.deserialize(data)


@given(
    st.builds(
        WasmExecutionResult,
        NUMBERS,
        st.sampled_from(ExecutionStatus),
        st.binary(),
        NUMBERS,
        NUMBERS,
        TEXTS,
        st.binary(),
    )
)
def test_results_come_back_from_their_bytes(result: WasmExecutionResult) -> None:
    data = result.serialize()
    assert WasmExecutionResult.deserialize(data) == result
    with pytest.raises(InvalidParameters, match="not a serialized request"):
        WasmExecutionRequest.deserialize(data)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    for kind in (WasmExecutionRequest, WasmExecutionResult):
        with pytest.raises(InvalidParameters, match="not a serialized"):
            kind.deserialize(data)


@pytest.mark.parametrize("place", range(9))
def test_items_of_another_kind_are_refused(place: int) -> None:
    items = rlp.decode_list(request(arguments=[1]).serialize())
    kinds = {0: b"\x02", 4: [b"\0" * 7], 3: b"\xff"}
    for wrong in (kinds.get(place, [b""]), [[b""]]):
        changed = [*items[:place], wrong, *items[place + 1 :]]
        with pytest.raises(InvalidParameters, match="not a serialized request"):
            WasmExecutionRequest.deserialize(rlp.encode(changed))
    with pytest.raises(InvalidParameters, match="8 items, expected are 9"):
        WasmExecutionRequest.deserialize(rlp.encode(items[:-1]))


def test_cut_and_changed_requests_are_refused_or_another_request() -> None:
    whole = request(arguments=[1, 2]).serialize()
    for size in range(len(whole)):
        with pytest.raises(InvalidParameters):
            WasmExecutionRequest.deserialize(whole[:size])
    for place in range(len(whole)):
        changed = whole[:place] + bytes((whole[place] ^ 0xFF,)) + whole[place + 1 :]
        try:
            other = WasmExecutionRequest.deserialize(changed)
        except InvalidParameters:
            continue
        assert other != request(arguments=[1, 2])
        assert other.serialize() == changed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_id", -1),
        ("request_id", 1 << 64),
        ("gas_limit", 1 << 64),
        ("memory_limit", 1 << 32),
        ("timeout_ms", 1 << 32),
        ("timeout_ms", -1),
        ("arguments", [1 << 64]),
        ("arguments", [-(1 << 63) - 1]),
        ("arguments", [True]),
        ("arguments", [0] * 256),
        ("arguments", bytes(MemoryLimits.MAX_CALLDATA_SIZE + 1)),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidParameters):
        request(**{field: value})


# Validator and estimate


@pytest.mark.parametrize(
    ("module", "valid"),
    [
        (EMPTY_MODULE, True),
        (EMPTY_MODULE + b"anything", True),
        (b"", False),
        (EMPTY_MODULE[:3], False),
        (EMPTY_MODULE[:7], False),
        (b"\0asn" + EMPTY_MODULE[4:], False),
        (EMPTY_MODULE[:4] + b"\x02\0\0\0", False),
        (b"\xef\xf0\0\0", False),
    ],
)
def test_a_module_is_valid_by_its_first_eight_bytes(module: bytes, valid: bool) -> None:
    assert WasmValidator.validate_module(module) is valid


@pytest.mark.parametrize("size", [0, 8, 1_000])
def test_the_estimate_is_the_guide_s(size: int) -> None:
    assert WasmValidator.estimate_gas_usage(bytes(size), "main") == 10_000 + 10 * size


def test_what_the_validator_passes_may_still_be_no_module(vm: CovenantVM) -> None:
    module = EMPTY_MODULE + b"\xff"
    assert WasmValidator.validate_module(module)
    assert vm.execute_function(module, "main").status is ExecutionStatus.INVALID_MODULE
    assert bytes(wat2wasm("(module)")) == EMPTY_MODULE
