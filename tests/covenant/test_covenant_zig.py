"""Contracts from Zig sources in a Covenant VM."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from testing.wasm_modules import selector
from tests.covenant.vms import ALICE, BOB, GAS, word
from zevm.contracts import compile_zig
from zevm.contracts.errors import CompilerMissingError
from zevm.covenant import (
    COVENANT_ERRORS,
    GAS_COSTS,
    AccessDenied,
    CompilationFailed,
    CovenantVM,
    ExecutionContext,
    InsufficientGas,
    InvalidParameters,
    MemoryLimits,
    ZVMRuntime,
    create_vm,
    deploy_zig_contract,
    validate_contract_source,
    zig,
)

pytestmark = pytest.mark.lengthy

BALANCE_OF, TRANSFER = selector("balanceOf(address)"), selector("transfer(address,uint256)")
GET_INFO = selector("getInfo()")

STEPS = """
const covenant = @import("covenant");

pub const Steps = struct {
    pub const storage = covenant.layout(struct { total: u64 });

    pub fn constructor(first: u64) void {
        storage.total.set(first);
    }

    pub fn step(by: u64) u64 {
        storage.total.set(storage.total.get() + by);
        return storage.total.get();
    }
};
"""
STEP = selector("step(uint64)")


@pytest.fixture(scope="module")
def vm() -> Iterator[CovenantVM]:
    with create_vm() as machine:
        yield machine


def context(**changes: object) -> ExecutionContext:
    return ExecutionContext(**({"sender": ALICE, "gas_limit": GAS} | changes))


def test_a_source_is_deployed_with_constructor_parameters(vm: CovenantVM) -> None:
    at = vm.deploy_zig_contract("Steps", STEPS, ALICE, word(5))
    assert vm.call(at, context(), STEP, word(3)) == word(8)
    assert vm.call(at, context(), STEP, word(2)) == word(10)
    contract = vm.get_contract(at)
    assert contract is not None
    assert (contract.is_wasm, contract.owner) == (True, ALICE)


def test_a_runtime_compiles_a_source_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def note(source: str, name: str) -> object:
        compiled.append(name)
        return compile_zig(source, name)

    monkeypatch.setattr(zig, "compile_zig", note)
    with create_vm() as one, create_vm() as other, ZVMRuntime() as runtime:
        for machine in (one, other, one):
            at = deploy_zig_contract(machine, runtime, "Steps", STEPS, ALICE, word(1))
            assert machine.call(at, context(), STEP, word(1)) == word(2)
    assert compiled == ["Steps"]
    with pytest.raises(AccessDenied, match="the runtime is closed"):
        runtime.compile("Steps", STEPS)


def test_a_runtime_keeps_a_bounded_number_of_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def note(_source: str, name: str) -> object:
        compiled.append(name)
        return SimpleNamespace(bytecode=b"\0")

    monkeypatch.setattr(zig, "compile_zig", note)
    names = [f"N{number}" for number in range(zig.SOURCES_KEPT + 1)]
    with ZVMRuntime() as runtime:
        for name in (*names, names[-1], names[0]):
            runtime.compile(name, STEPS)
    assert compiled == [*names, names[0]]


def test_a_source_that_does_not_compile(vm: CovenantVM) -> None:
    before = vm.state_hash
    with pytest.raises(CompilationFailed, match=r"Steps\.zig:13:\d+: error: use of undeclared identifier 'by_'"):
        vm.deploy_zig_contract("Steps", STEPS.replace("return storage", "_ = by_; return storage"), ALICE)
    with pytest.raises(CompilationFailed, match=r"error: expected"):
        validate_contract_source("pub const = 1;")
    validate_contract_source(STEPS, "Steps")
    assert vm.state_hash == before


@pytest.mark.parametrize("name", ["", "1Token", "My Token", "../Token", "T" * 65, "Tøken", 'a"b'])
def test_names_are_names(vm: CovenantVM, name: str) -> None:
    with pytest.raises(InvalidParameters, match="is no contract name"):
        vm.deploy_zig_contract(name, STEPS)


def test_the_compiler_comes_from_the_extra(vm: CovenantVM, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_source: str, _name: str) -> object:
        raise CompilerMissingError("no Zig compiler; run: pip install 'zevm-node[zig]'")

    monkeypatch.setattr(zig, "compile_zig", missing)
    with pytest.raises(CompilationFailed, match=r"pip install 'zevm-node\[zig\]'"):
        vm.deploy_zig_contract("Missing", STEPS)


def test_the_library_s_token(vm: CovenantVM) -> None:
    """zigContract: the whole supply is the deployer's, balanceOf, transfer and getInfo."""
    at = vm.deploy_zig_contract("Gold", "", ALICE)

    def balance(who: bytes) -> int:
        return int.from_bytes(vm.call(at, context(), BALANCE_OF, who.rjust(32, b"\0")), "big")

    supply = balance(ALICE)
    assert supply > 100
    assert vm.call(at, context(), TRANSFER, BOB.rjust(32, b"\0") + word(100)) == word(1)
    assert (balance(ALICE), balance(BOB)) == (supply - 100, 100)
    assert b"Gold" in vm.call(at, context(), GET_INFO)
    assert int.from_bytes(vm.call(at, context(sender=BOB), BALANCE_OF), "big") == 100


def names_source() -> str:
    """A contract of the library's names of the guide: constants, types, and each error by its number."""
    errors = ", ".join(f"{number} => error.{error.__name__}" for number, error in enumerate(COVENANT_ERRORS))
    return f"""
const covenant = @import("covenant");
const std = @import("std");

pub const Names = struct {{
    pub fn costs() struct {{ u64, u64, u64, u64, u64 }} {{
        const C = covenant.GAS_COSTS;
        return .{{ C.SLOAD, C.SSTORE, C.CALL, C.CREATE, C.TRANSFER }};
    }}

    pub fn limits() struct {{ u64, u64, u64 }} {{
        const L = covenant.MemoryLimits;
        return .{{ L.MAX_MEMORY, L.MAX_STACK_DEPTH, L.MAX_CALLDATA_SIZE }};
    }}

    pub fn sizes() struct {{ u64, u64, u64 }} {{
        return .{{ @sizeOf(covenant.ContractAddress), @sizeOf(covenant.StateHash), @bitSizeOf(covenant.GasLimit) }};
    }}

    pub fn consume(limit: u64, used: u64, amount: u64) !u64 {{
        const nobody = std.mem.zeroes(covenant.ContractAddress);
        var fixed = std.heap.FixedBufferAllocator.init(&.{{}});
        var context = covenant.ExecutionContext.init(fixed.allocator(), nobody, limit);
        context.gas_used = used;
        try context.consumeGas(amount);
        return context.gas_used;
    }}

    pub fn fail(which: u8) covenant.CovenantError!void {{
        return switch (which) {{ {errors}, else => {{}} }};
    }}
}};
"""


def test_the_zig_library_has_the_same_names_and_values(vm: CovenantVM) -> None:
    at = vm.deploy_zig_contract("Names", names_source())

    def run(signature: str, *numbers: int) -> list[int]:
        output = vm.call(at, context(), selector(signature), b"".join(map(word, numbers)))
        return [int.from_bytes(output[place : place + 32], "big") for place in range(0, len(output), 32)]

    costs = [GAS_COSTS.SLOAD, GAS_COSTS.SSTORE, GAS_COSTS.CALL, GAS_COSTS.CREATE, GAS_COSTS.TRANSFER]
    assert run("costs()") == costs
    assert run("limits()") == [
        MemoryLimits.MAX_MEMORY, MemoryLimits.MAX_STACK_DEPTH, MemoryLimits.MAX_CALLDATA_SIZE,
    ]  # fmt: skip
    assert run("sizes()") == [20, 32, 64]
    assert run("consume(uint64,uint64,uint64)", 100, 30, 60) == [90]
    with pytest.raises(InsufficientGas, match="execution reverted: InsufficientGas"):
        run("consume(uint64,uint64,uint64)", 100, 0, 101)
    with pytest.raises(InsufficientGas):
        run("consume(uint64,uint64,uint64)", 100, 101, 1)
    for number, error in enumerate(COVENANT_ERRORS):
        with pytest.raises(error, match=f"execution reverted: {error.__name__}") as raised:
            run("fail(uint8)", number)
        assert type(raised.value) is error
    assert run("fail(uint8)", len(COVENANT_ERRORS)) == []
