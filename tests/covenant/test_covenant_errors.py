"""The guide's eleven errors: each has a way to be raised, and each outcome of the machine has an error."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_abi.abi import encode

from testing.wasm_modules import box, selector, unknown
from tests.chain.vm.support import deploying
from tests.covenant.vms import ALICE, ANY, BOB, BOX, GAS, SET, entrypoint, evm, reverting, word
from zevm import covenant
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.contracts.revert_reasons import Decoder
from zevm.covenant import COVENANT_ERRORS, CovenantError, CovenantVM, ExecutionContext, create_vm
from zevm.covenant.errors import ERROR_OF_KIND, error_of, translated
from zevm.storage.errors import CorruptionError, MissingNodeError, StorageError
from zevm.storage.keccak import keccak256

GUIDE_NAMES = (
    "ContractExecutionFailed",
    "InvalidParameters",
    "StateMismatch",
    "CompilationFailed",
    "InsufficientGas",
    "AccessDenied",
    "StateCorrupted",
    "InvalidOpcode",
    "StackOverflow",
    "StackUnderflow",
    "OutOfMemory",
)


@pytest.fixture(scope="module")
def vm() -> Iterator[CovenantVM]:
    with create_vm() as machine:
        yield machine


def run(vm: CovenantVM, code: bytes, gas_limit: int = GAS, sig: bytes = ANY, params: bytes = b"") -> bytes:
    return vm.call(vm.deploy_contract(code), ExecutionContext(ALICE, gas_limit), sig, params)


def test_there_are_the_guide_s_eleven() -> None:
    assert tuple(error.__name__ for error in COVENANT_ERRORS) == GUIDE_NAMES
    assert all(getattr(covenant, name) is error for name, error in zip(GUIDE_NAMES, COVENANT_ERRORS, strict=True))
    assert all(issubclass(error, CovenantError) for error in COVENANT_ERRORS)


def test_each_outcome_of_the_machine_has_its_error() -> None:
    assert set(ERROR_OF_KIND) == set(VmErrorKind)
    for kind, error in ERROR_OF_KIND.items():
        raised = error_of(VmError(kind, f"text of {kind.name}"), b"", Decoder())
        assert type(raised) is error
        assert str(raised) == f"text of {kind.name}"


def closed_vm() -> bytes:
    with create_vm() as vm:
        pass
    return vm.deploy_contract(BOX)


DEEP = "1 " * 1_025

WAYS: dict[str, tuple[str, Callable[[CovenantVM], object]]] = {
    "a revert": ("ContractExecutionFailed", lambda vm: run(vm, evm("0 0 REVERT"))),
    "a trap": ("ContractExecutionFailed", lambda vm: run(vm, entrypoint("unreachable"))),
    "returned data out of bounds": ("ContractExecutionFailed", lambda vm: run(vm, evm("1 0 0 RETURNDATACOPY"))),
    "a precompile's refusal": (
        "ContractExecutionFailed",
        lambda vm: vm.call(bytes(19) + b"\x08", ExecutionContext(ALICE, GAS), ANY),
    ),
    "a short parameter": ("InvalidParameters", lambda vm: vm.call(BOB, ExecutionContext(ALICE, GAS), b"a")),
    "no such contract": ("InvalidParameters", lambda vm: vm.call(BOB, ExecutionContext(ALICE, GAS), ANY)),
    "no such function": ("InvalidParameters", lambda vm: run(vm, box())),
    "wei that the sender lacks": (
        "InvalidParameters",
        lambda vm: vm.transfer(BOB, ExecutionContext(ALICE, GAS, value=1)),
    ),
    "another state than expected": ("StateMismatch", lambda _: create_vm(expected_state=bytes(32))),
    "a taken address": (
        "StateMismatch",
        lambda vm: vm.deploy_contract(BOX, address=vm.deploy_contract(BOX)),
    ),
    "a refused module": ("CompilationFailed", lambda vm: vm.deploy_contract(unknown())),
    "reserved code": ("CompilationFailed", lambda vm: vm.deploy_contract(deploying(b"\xef\x00"))),
    "large code": ("CompilationFailed", lambda vm: vm.deploy_contract(deploying(bytes(24_577)))),
    "large creation code": ("InvalidParameters", lambda vm: vm.deploy_contract(b"\0" * 50_000)),
    "too little gas": ("InsufficientGas", lambda vm: run(vm, BOX, 3_000, SET, word(1))),
    "too little ink": ("InsufficientGas", lambda vm: run(vm, entrypoint("(loop $again (br $again)) (i32.const 0)"))),
    "a closed VM": ("AccessDenied", lambda _: closed_vm()),
    "INVALID": ("InvalidOpcode", lambda vm: run(vm, evm("INVALID"))),
    "an undefined opcode": ("InvalidOpcode", lambda vm: run(vm, deploying(b"\x0c"))),
    "an invalid jump": ("InvalidOpcode", lambda vm: run(vm, evm("1 JUMP"))),
    "1,025 words": ("StackOverflow", lambda vm: run(vm, evm(DEEP))),
    "all stack words of WebAssembly": (
        "StackOverflow",
        lambda vm: run(vm, entrypoint("(call 1 (i32.const 0))"), 10**12),
    ),
    "no words": ("StackUnderflow", lambda vm: run(vm, evm("POP"))),
    "memory over the limit": ("OutOfMemory", lambda vm: run(vm, evm("1 67108864 MSTORE"), (1 << 64) - 1)),
    "memory of WebAssembly over the limit": (
        "OutOfMemory",
        lambda vm: run(vm, entrypoint("(drop (memory.grow (i32.const 1100))) (i32.const 0)"), (1 << 64) - 1),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_fail_is_its_error_and_changes_nothing(vm: CovenantVM, way: str) -> None:
    name, fail = WAYS[way]
    with pytest.raises(CovenantError) as raised:
        fail(vm)
    assert type(raised.value).__name__ == name
    assert str(raised.value)


def test_every_error_but_a_damaged_store_s_has_a_way() -> None:
    assert {name for name, _ in WAYS.values()} == set(GUIDE_NAMES) - {"StateCorrupted"}


@pytest.mark.parametrize("name", GUIDE_NAMES)
def test_a_contract_reverts_with_an_error_by_its_name(vm: CovenantVM, name: str) -> None:
    data = keccak256(f"{name}()".encode())[:4]
    with pytest.raises(CovenantError, match=f"execution reverted: {name}") as raised:
        run(vm, reverting(data))
    assert type(raised.value).__name__ == name
    assert raised.value.output == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (selector("Error(string)") + encode(["string"], ["shut"]), "execution reverted: shut"),
        (selector("Panic(uint256)") + word(0x11), "execution reverted: arithmetic underflow or overflow"),
        (selector("Custom()"), "execution reverted"),
        (selector("InvalidParameters()") + b"more", "execution reverted"),
        (b"", "execution reverted"),
    ],
)
def test_a_revert_tells_its_reason_and_carries_its_data(vm: CovenantVM, data: bytes, reason: str) -> None:
    with pytest.raises(CovenantError) as raised:
        run(vm, reverting(data))
    assert (str(raised.value), raised.value.output) == (reason, data)
    assert type(raised.value).__name__ == "ContractExecutionFailed"


def test_errors_of_built_contracts_are_named(tmp_path: Path) -> None:
    abi = [{"type": "error", "name": "TooFew", "inputs": [{"name": "held", "type": "uint256"}]}]
    (tmp_path / "Bank.json").write_text(json.dumps({"abi": abi}))
    data = selector("TooFew(uint256)") + word(7)
    with create_vm(artifacts=tmp_path) as named, pytest.raises(CovenantError, match=r"execution reverted: TooFew\(7\)"):
        run(named, reverting(data))


def test_damage_and_refusals_of_the_store_have_their_errors() -> None:
    named = {
        CorruptionError("torn"): "StateCorrupted",
        MissingNodeError(bytes(32)): "StateCorrupted",
        StorageError("disk full"): "AccessDenied",
    }
    for error, name in named.items():
        assert type(translated(error)).__name__ == name
        assert str(translated(error)) == str(error)
    with pytest.raises(ZeroDivisionError):
        translated(ZeroDivisionError())
