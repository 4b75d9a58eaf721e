"""Audits of modules: the order of host calls, and trials of their functions."""

from typing import Any

import pytest
from wasmtime import wat2wasm

from testing.wasm_modules import selector
from zevm.analysis.audit import rules
from zevm.analysis.audit.audit import audit
from zevm.analysis.audit.finding import Report
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.threads import in_deep_thread
from zevm.analysis.audit.trial.ground import blank_ground
from zevm.chain.zvm.machine import ZvmMachine

_HOST = {
    "read_args": "(param i32)",
    "msg_sender": "(param i32)",
    "msg_value": "(param i32)",
    "tx_origin": "(param i32)",
    "storage_load_bytes32": "(param i32 i32)",
    "storage_cache_bytes32": "(param i32 i32)",
    "storage_flush_cache": "(param i32)",
    "call_contract": "(param i32 i32 i32 i32 i64 i32) (result i32)",
    "delegate_call_contract": "(param i32 i32 i32 i64 i32) (result i32)",
    "account_balance": "(param i32 i32)",
    "contract_address": "(param i32)",
    "msg_reentrant": "(result i32)",
    "selfdestruct": "(param i32)",
}
# memory: 0 call data, 100 an address, 128 the word of slot 0, 160 the key 0, 192 wei, 224 a caller's word, 256 length
READ = "(call $read_args (i32.const 0))"
SENDER = "(call $msg_sender (i32.const 236))"
STORE_SENDER = f"{SENDER} (call $storage_cache_bytes32 (i32.const 160) (i32.const 224))"
LOAD = "(call $storage_load_bytes32 (i32.const 160) (i32.const 128))"
STORE_ARGUMENT = "(call $storage_cache_bytes32 (i32.const 160) (i32.const 4))"
FLUSH = "(call $storage_flush_cache (i32.const 0))"
IS_OWNER = f"""{LOAD} {SENDER}
    (if (i64.ne (i64.load (i32.const 140)) (i64.load (i32.const 236))) (then (return (i32.const 1))))"""
CALL_ARGUMENT = """(call $call_contract (i32.const 16) (i32.const 0) (i32.const 0) (i32.const 192) (i64.const -1)
    (i32.const 256))"""
DELEGATE = (
    """(call $delegate_call_contract (i32.const 16) (i32.const 0) (i32.const 0) (i64.const -1) (i32.const 256))"""
)


def module(body: str) -> bytes:
    """A module whose entry point reads the call data and then has this body; it imports only what it uses."""
    whole = f"{READ} {body}" + (f" {FLUSH}" if "$storage" in body else "")
    used = [name for name in _HOST if f"${name} " in whole or f"${name})" in whole]
    imports = " ".join(f'(import "vm_hooks" "{name}" (func ${name} {_HOST[name]}))' for name in used)
    entry = f'(func (export "user_entrypoint") (param i32) (result i32) {whole} (i32.const 0))'
    grow = '(import "vm_hooks" "pay_for_memory_grow" (func (param i32)))'
    return bytes(wat2wasm(f'(module {imports} {grow} (memory (export "memory") 1) {entry})'))


def report(code: bytes, abi: list[dict[str, Any]] | None = None) -> Report:
    ground = blank_ground(ZvmMachine("zvm"))
    return in_deep_thread(lambda: audit(Subject("Module", code, code, abi or []), ground=ground))


ABI = [
    {"type": "function", "name": "act", "inputs": [{"name": "to", "type": "address"}], "outputs": [],
     "stateMutability": "nonpayable"}
]  # fmt: skip


def told(code: bytes, abi: list[dict[str, Any]] | None = None) -> set[tuple[str, str]]:
    return {(finding.rule, finding.evidence.value) for finding in report(code, abi).findings}


def test_storage_after_a_call_is_suspected_unless_the_module_asks_for_reentry() -> None:
    late = f"{CALL_ARGUMENT} drop {STORE_ARGUMENT}"
    assert (rules.REENTRANCY, "suspected") in told(module(late))
    guarded = f"(if (call $msg_reentrant) (then (return (i32.const 1)))) {late}"
    assert rules.REENTRANCY not in {rule for rule, _ in told(module(guarded))}
    early = f"{STORE_ARGUMENT} {CALL_ARGUMENT} drop"
    assert rules.REENTRANCY not in {rule for rule, _ in told(module(early))}
    branches = f"(if (i32.load8_u (i32.const 0)) (then {CALL_ARGUMENT} drop) (else {STORE_ARGUMENT}))"
    assert rules.REENTRANCY not in {rule for rule, _ in told(module(branches))}
    loop = f"(loop $again {STORE_ARGUMENT} {CALL_ARGUMENT} (br_if $again))"
    assert (rules.REENTRANCY, "suspected") in told(module(loop))


def test_a_dropped_result() -> None:
    assert (rules.UNCHECKED_CALL, "suspected") in told(module(f"{CALL_ARGUMENT} drop"))
    assert told(module(f"(if {CALL_ARGUMENT} (then (return (i32.const 1))))")) == set()


def test_a_strangers_code() -> None:
    code = module(f"(if {DELEGATE} (then (return (i32.const 1))))")
    assert told(code, ABI) == {(rules.DELEGATECALL, "confirmed")}
    assert told(code) == set()
    assert report(code).notes == (
        "no ABI is known, so that no function was called: the order of host calls alone was examined",
    )


def test_forbidden_imports_and_modules_that_are_none() -> None:
    wrong = bytes(wat2wasm('(module (import "wasi_snapshot_preview1" "fd_write" (func)) (memory (export "memory") 1))'))
    (finding,) = report(wrong).findings
    assert finding.rule == rules.IMPORTS
    assert "wasi_snapshot_preview1.fd_write" in finding.reason
    (finding,) = report(b"\0asm\x01\0\0\0\x05").findings
    assert finding.rule == rules.IMPORTS


@pytest.mark.parametrize("name", ["tx_origin", "selfdestruct"])
def test_host_functions_that_tell(name: str) -> None:
    rule = {"tx_origin": rules.TX_ORIGIN, "selfdestruct": rules.SELFDESTRUCT}[name]
    assert (rule, "suspected") in told(module(f"(call ${name} (i32.const 64))"))


def test_the_selector_of_the_abi() -> None:
    assert Subject("Module", b"", abi=ABI).names == {selector("act(address)"): "act(address)"}
