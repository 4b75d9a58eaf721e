"""MemoryLimits and GAS_COSTS of the guide: their values, and that every execution is held to them."""

from collections.abc import Iterator

import pytest

from testing.wasm_modules import box
from tests.covenant.vms import ALICE, ANY, BOX, GET, SET, entrypoint, evm, word
from zevm.chain.zvm.execution import CALL_DATA_LIMIT_BYTES
from zevm.chain.zvm.price_table import COVENANT
from zevm.covenant import (
    GAS_COSTS,
    CovenantVM,
    ExecutionContext,
    InvalidParameters,
    MemoryLimits,
    OutOfMemory,
    create_vm,
)

MUCH = (1 << 64) - 1


@pytest.fixture
def vm() -> Iterator[CovenantVM]:
    with create_vm() as machine:
        yield machine


def test_the_values_are_the_guide_s() -> None:
    assert (GAS_COSTS.SLOAD, GAS_COSTS.SSTORE, GAS_COSTS.CALL) == (800, 5000, 700)
    assert (GAS_COSTS.CREATE, GAS_COSTS.TRANSFER) == (32000, 21000)
    assert MemoryLimits.MAX_MEMORY == 64 * 1024 * 1024
    assert MemoryLimits.MAX_STACK_DEPTH == 1024
    assert MemoryLimits.MAX_CALLDATA_SIZE == 1024 * 1024 == CALL_DATA_LIMIT_BYTES


def test_the_price_table_has_them_too() -> None:
    state = COVENANT.state
    assert state is not None
    assert (state.storage_load, state.storage_store, state.call) == (GAS_COSTS.SLOAD, GAS_COSTS.SSTORE, GAS_COSTS.CALL)
    assert (state.create, state.transfer) == (GAS_COSTS.CREATE, GAS_COSTS.TRANSFER)


def gas_of(vm: CovenantVM, at: bytes, sig: bytes, params: bytes = b"") -> int:
    context = ExecutionContext(ALICE, 1_000_000)
    vm.call(at, context, sig, params)
    return context.gas_used


def test_a_module_pays_them_for_its_state(vm: CovenantVM) -> None:
    """A read and a write in the same function, against the same function without."""
    hooks = """
      (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
      (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
      (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))"""
    nothing = gas_of(vm, vm.deploy_contract(entrypoint("(i32.const 0)", hooks)), ANY)
    load = entrypoint("(call $load (i32.const 0) (i32.const 32)) (i32.const 0)", hooks)
    read = gas_of(vm, vm.deploy_contract(load), ANY)
    store = entrypoint(
        "(i32.store (i32.const 64) (i32.const 1)) (call $cache (i32.const 0) (i32.const 64))"
        "(call $flush (i32.const 0)) (i32.const 0)",
        hooks,
    )
    written = gas_of(vm, vm.deploy_contract(store), ANY)
    assert GAS_COSTS.SLOAD <= read - nothing < GAS_COSTS.SLOAD + 100
    assert GAS_COSTS.SSTORE <= written - nothing < GAS_COSTS.SSTORE + 200


def test_a_deployment_pays_for_its_creation(vm: CovenantVM) -> None:
    context = ExecutionContext(ALICE, 10_000_000)
    vm.deploy_contract(evm("STOP"), b"", ALICE, context=context)
    assert GAS_COSTS.CREATE + 200 <= context.gas_used < GAS_COSTS.CREATE + 300


@pytest.mark.parametrize("beyond", [False, True])
def test_evm_memory_ends_at_the_limit(vm: CovenantVM, beyond: bool) -> None:
    offset = MemoryLimits.MAX_MEMORY - 32 + beyond
    at = vm.deploy_contract(evm(f"7 {offset} MSTORE {offset} MLOAD 0 MSTORE 32 0 RETURN"))
    context = ExecutionContext(ALICE, MUCH)
    if not beyond:
        assert vm.call(at, context, ANY) == word(7)
        return
    with pytest.raises(OutOfMemory, match="out of memory: 67108896 bytes in one frame, the limit is 67108864"):
        vm.call(at, context, ANY)


def test_a_module_s_memory_ends_at_the_limit(vm: CovenantVM) -> None:
    grow = "(drop (memory.grow (i32.const {}))) (i32.store (i32.const 4096) (i32.const 1)) (i32.const 0)"
    within = vm.deploy_contract(entrypoint(grow.format(1023)))
    vm.call(within, ExecutionContext(ALICE, MUCH), ANY)
    beyond = vm.deploy_contract(entrypoint(grow.format(1024)))
    with pytest.raises(OutOfMemory, match="1025 pages in one instance, the limit is 1024"):
        vm.call(beyond, ExecutionContext(ALICE, MUCH), ANY)


def test_calls_nest_1024_deep(vm: CovenantVM) -> None:
    """Each frame calls itself and adds one to what it gets back: the frames in all, the outermost one aside."""
    at = vm.deploy_contract(evm("32 0 0 0 0 ADDRESS GAS CALL POP 0 MLOAD 1 ADD 0 MSTORE 32 0 RETURN"))
    deepest = vm.call(at, ExecutionContext(ALICE, MUCH), ANY)
    assert int.from_bytes(deepest, "big") - 1 == MemoryLimits.MAX_STACK_DEPTH


@pytest.mark.parametrize("code", [BOX, box()])
def test_call_data_ends_at_the_limit(vm: CovenantVM, code: bytes) -> None:
    at = vm.deploy_contract(code)
    full = bytes(31) + b"\x07" + bytes(MemoryLimits.MAX_CALLDATA_SIZE - 36)
    large = "1048577 bytes, the limit is 1048576"
    with pytest.raises(InvalidParameters, match=large):
        vm.call(at, ExecutionContext(ALICE, MUCH), SET, full + b"\0")
    with pytest.raises(InvalidParameters, match=large):
        vm.estimate_gas(at, SET + full + b"\0")
    if code == BOX:
        vm.call(at, ExecutionContext(ALICE, MUCH), SET, full)
        assert vm.call(at, ExecutionContext(ALICE, MUCH), GET) == word(7)


def test_constructor_parameters_end_at_the_limit(vm: CovenantVM) -> None:
    with pytest.raises(InvalidParameters, match="constructor_params has 1048577 bytes"):
        vm.deploy_contract(BOX, bytes(MemoryLimits.MAX_CALLDATA_SIZE + 1))


def test_the_largest_gas_limit_is_taken_and_bounds_what_it_counts(vm: CovenantVM) -> None:
    at = vm.deploy_contract(BOX)
    context = ExecutionContext(ALICE, MUCH)
    vm.call(at, context, GET)
    assert context.gas_left == MUCH - context.gas_used
