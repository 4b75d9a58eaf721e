"""WebAssembly contracts under every tracer: frames, prestate, and host functions in the place of instructions."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.chain.tracing.tracing import CONTEXT, OTHER, hexadecimal, word
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, assemble, environment_of, state_of, transaction_of
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.keccak import keccak256

MACHINE = ZvmMachine("zvm")
"""One for all tests: each takes much address space for its instances."""

HOST_FUNCTIONS = {
    "read_args": "(param i32)",
    "write_result": "(param i32 i32)",
    "storage_load_bytes32": "(param i32 i32)",
    "storage_cache_bytes32": "(param i32 i32)",
    "storage_flush_cache": "(param i32)",
    "native_keccak256": "(param i32 i32 i32)",
    "emit_log": "(param i32 i32 i32)",
    "account_balance": "(param i32 i32)",
    "call_contract": "(param i32 i32 i32 i32 i64 i32) (result i32)",
}
DATA = f'(data (i32.const 512) "{"".join(f"{chr(92)}{byte:02x}" for byte in OTHER)}")'
"""The other contract's address."""


def module(body: str) -> bytes:
    imports = " ".join(f'(import "vm_hooks" "{name}" (func ${name} {types}))' for name, types in HOST_FUNCTIONS.items())
    entry = f'(func (export "user_entrypoint") (param i32) (result i32) {body})'
    return bytes(wat2wasm(f'(module {imports} (memory (export "memory") 1 1) {DATA} {entry})'))


BUSY = module(
    """
    (call $storage_load_bytes32 (i32.const 0) (i32.const 32))
    (i32.store8 (i32.const 127) (i32.const 9))
    (call $storage_cache_bytes32 (i32.const 0) (i32.const 96))
    (call $storage_flush_cache (i32.const 0))
    (call $native_keccak256 (i32.const 96) (i32.const 32) (i32.const 128))
    (call $account_balance (i32.const 512) (i32.const 160))
    (drop (call $call_contract
        (i32.const 512) (i32.const 512) (i32.const 5) (i32.const 0) (i64.const 50000) (i32.const 200)))
    (call $emit_log (i32.const 96) (i32.const 32) (i32.const 0))
    (call $write_result (i32.const 128) (i32.const 32))
    (i32.const 0)"""
)
"""Reads slot 0, sets it to 9, hashes, looks at a balance, calls OTHER, logs, returns the hash."""


def run(tracer: str | None, code: bytes, options: Mapping[str, Any] | None = None, **transaction: Any) -> Any:
    """The trace of a transaction to CONTRACT, which is WebAssembly; OTHER is EVM code."""
    accounts = {
        CONTRACT: FakeAccount(nonce=1, code=code, storage={0: 5}),
        OTHER: FakeAccount(balance=77, code=assemble("1 2 ADD POP")),
    }
    with closing(make_tracer(tracer, options, CONTEXT)) as watcher:
        outcome = execute(accounts, watcher, transaction)
        assert outcome.error is None or transaction, outcome.error
        return json.loads(b"".join(watcher.encode()))


def execute(accounts: dict[bytes, FakeAccount], watcher: Any, transaction: dict[str, Any]) -> Outcome:
    executor = Executor(environment_of(wasm_machine=MACHINE), state_of(accounts))

    def apply() -> Outcome:
        return executor.apply(transaction_of(**transaction), 10**8, 10**6, deadline=None, tracer=watcher)

    outcome = on_thread(apply)
    if isinstance(outcome, BaseException):
        raise outcome
    assert isinstance(outcome, Outcome)
    return outcome


def test_frames() -> None:
    found = run("callTracer", BUSY, {"withLog": True}, data=b"\1\2\3\4\5")
    assert found["output"] == hexadecimal(keccak256(bytes(31) + b"\x09"))
    call = found["calls"][0]
    assert (call["type"], call["from"], call["to"]) == ("CALL", hexadecimal(CONTRACT), hexadecimal(OTHER))
    assert (call["input"], call["gasUsed"]) == (hexadecimal(OTHER[:5]), hex(11))
    assert [(log["data"], log["position"]) for log in found["logs"]] == [(word(9), "0x1")]
    flat = run("flatCallTracer", BUSY)
    assert [item["traceAddress"] for item in flat] == [[], [0]]
    assert run("4byteTracer", BUSY) == {"0x44444444-1": 1}


def test_a_trap_is_the_frames_error() -> None:
    found = run("callTracer", module("unreachable"), gas_limit=200_000)
    assert found["error"].startswith("wasm trap: ")


def test_a_script_sees_the_frames_and_the_instructions_within() -> None:
    script = """{
      seen: [], fault: function() {},
      step: function(log) { this.seen.push(log.op.toString() + log.getDepth()) },
      enter: function(frame) { this.seen.push(frame.getType() + " " + toHex(frame.getTo())) },
      exit: function(frame) { this.seen.push(frame.getGasUsed()) },
      result: function(ctx) { return this.seen.concat(toHex(ctx.output)) }
    }"""
    steps = ["PUSH12", "PUSH12", "ADD2", "POP2", "STOP2"]
    output = hexadecimal(keccak256(bytes(31) + b"\x09"))
    assert run(script, BUSY) == ["CALL " + hexadecimal(OTHER), *steps, 11, output]


def test_prestate() -> None:
    found = run("prestateTracer", BUSY)
    assert found[hexadecimal(CONTRACT)]["storage"] == {word(0): word(5)}
    assert found[hexadecimal(CONTRACT)]["code"] == hexadecimal(BUSY)
    assert found[hexadecimal(OTHER)]["balance"] == hex(77)
    found = run("prestateTracer", BUSY, {"diffMode": True, "disableCode": True})
    assert found["post"][hexadecimal(CONTRACT)] == {"storage": {word(0): word(9)}}
    assert hexadecimal(SENDER) in found["post"]


def test_host_functions_in_the_place_of_instructions() -> None:
    found = run(None, BUSY)
    shown = [(step["depth"], step["op"]) for step in found["structLogs"]]
    # what the module's memory costs when it begins is asked by the instrumented code
    assert [item for item in shown if item[1] != "pay_for_memory_grow"] == [
        (1, "storage_load_bytes32"),
        (1, "storage_cache_bytes32"),
        (1, "storage_flush_cache"),
        (1, "native_keccak256"),
        (1, "account_balance"),
        (1, "call_contract"),
        (2, "PUSH1"),
        (2, "PUSH1"),
        (2, "ADD"),
        (2, "POP"),
        (2, "STOP"),
        (1, "emit_log"),
        (1, "write_result"),
    ]
    steps = {step["op"]: step for step in found["structLogs"]}
    load, call = steps["storage_load_bytes32"], steps["call_contract"]
    assert load["stack"] == ["0x0", "0x20"]
    assert load["gasCost"] > 2100
    assert load["hostCall"]["inkCost"] > 2100 * 10_000
    assert call["hostCall"]["result"] == 0
    assert 11 <= call["gasCost"] < 50_000
    assert all(step["gas"] * 10_000 <= step["hostCall"]["inkLeft"] for step in steps.values() if "hostCall" in step)


def test_the_host_function_that_ends_the_contract_says_why() -> None:
    found = run(None, module("(call $read_args (i32.const 65536)) (i32.const 0)"), data=b"\1", gas_limit=200_000)
    last = found["structLogs"][-1]
    assert (last["op"], found["failed"]) == ("read_args", True)
    assert "memory access up to byte 65537" in last["error"]


def test_the_limit_holds_for_host_functions() -> None:
    whole = run(None, BUSY)["structLogs"]
    assert run(None, BUSY, {"limit": 1})["structLogs"] == whole[:1]


def test_preimages_and_slots() -> None:
    preimage = word(9)
    found = run("keccak256PreimageTracer", BUSY)
    assert found == {hexadecimal(keccak256(bytes.fromhex(preimage[2:]))): preimage}
    found = run("erc7562Tracer", BUSY)
    assert found["accessedSlots"]["reads"] == {word(0): [word(5)]}
    assert found["accessedSlots"]["writes"] == {word(0): 1}
    assert found["keccak"] == [preimage]


@pytest.mark.parametrize("tracer", [None, "prestateTracer", "callTracer", "erc7562Tracer"])
def test_a_watched_run_ends_as_an_unwatched_one(tracer: str | None) -> None:
    accounts = {CONTRACT: FakeAccount(code=BUSY, storage={0: 5}), OTHER: FakeAccount(code=assemble("1 2 ADD"))}
    watched = execute(accounts, make_tracer(tracer, None, CONTEXT), {})
    assert watched == execute(accounts, None, {})
    assert watched.succeeded
