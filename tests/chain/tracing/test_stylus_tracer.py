"""Host calls as Stylus' tools read them: stylusTracer, and the function `hostio` of tracers in JavaScript."""

import json
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from tests.chain.tracing.tracing import CONTEXT, HOSTIO_SCRIPT, hexadecimal
from tests.chain.vm.support import (
    COINBASE,
    CONTRACT,
    GWEI,
    SENDER,
    FakeAccount,
    assemble,
    environment_of,
    state_of,
    transaction_of,
)
from tests.chain.zvm.contracts import OTHER, TARGET, contract, evm_relay, invoke, path, wasm_relay, word
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.tracing import settings
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.hostio import LAYOUTS
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.vm.executor import Executor
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS, CONSOLE_HOST_FUNCTIONS, HOST_FUNCTIONS
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.keccak import keccak256

MACHINE = ZvmMachine("zvm", console=True)


def trace(tracer: str, accounts: dict[bytes, FakeAccount], **transaction: Any) -> Any:
    """The trace of a transaction to CONTRACT, whose failure is no fault of the test."""
    executor = Executor(environment_of(wasm_machine=MACHINE, prev_randao=word(6)), state_of(accounts))
    with closing(make_tracer(tracer, None, CONTEXT)) as watcher:

        def apply() -> None:
            executor.apply(transaction_of(**({"gas_limit": 3_000_000} | transaction)), 10**8, 10**6, tracer=watcher)

        failure = on_thread(apply)
        if isinstance(failure, BaseException):
            raise failure
        # calls nest deeper than orjson reads
        return json.loads(b"".join(watcher.encode()))


def of_module(code: bytes, tracer: str = "stylusTracer", **transaction: Any) -> Any:
    accounts = {CONTRACT: FakeAccount(nonce=1, balance=50, code=code, storage={17: 4}), OTHER: FakeAccount(balance=7)}
    return trace(tracer, accounts, **transaction)


def brief(steps: list[dict[str, Any]]) -> list[Any]:
    """Names, and of frames the steps within."""
    return [[step["name"], brief(step["steps"])] if "steps" in step else step["name"] for step in steps]


# What goes in and out of each function

DATA = {0: word(17), 32: word(5), 64: word(7), 96: OTHER, 128: b"text"}
CALL_DATA = bytes(range(1, 41))
A, B, C, CODE, FREE = 0, 32, 64, 96, 1024
"""Places of DATA, and room for what comes out."""
RESULT = b"\x2a" * 33
ECHO = FakeAccount(nonce=1, code=assemble(f"0x{RESULT[:32].hex()} 0 MSTORE 33 0 RETURN"))
EMPTY_HASH = keccak256(b"")


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big")


CALLED = OTHER + number(60_000, 8)
FLOW: dict[str, tuple[tuple[int, ...], bytes, bytes | None]] = {
    "read_args": ((FREE,), b"", CALL_DATA),
    "write_result": ((128, 4), b"text", b""),
    "storage_load_bytes32": ((A, FREE), word(17), word(4)),
    "storage_cache_bytes32": ((A, B), word(17) + word(5), b""),
    "storage_flush_cache": ((1,), b"\1", b""),
    "transient_load_bytes32": ((B, FREE), word(5), word(0)),
    "transient_store_bytes32": ((B, C), word(5) + word(7), b""),
    "call_contract": ((CODE, 128, 4, 1024, 60_000, FREE), CALLED + word(0) + b"text", number(33) + b"\0"),
    "delegate_call_contract": ((CODE, 128, 4, 60_000, FREE), CALLED + b"text", number(33) + b"\0"),
    "static_call_contract": ((CODE, 128, 4, 60_000, FREE), CALLED + b"text", number(33) + b"\0"),
    "create1": ((2048, 3, B, FREE, FREE + 32), word(5) + bytes(3), None),
    "create2": ((2048, 3, B, C, FREE, FREE + 32), word(5) + word(7) + bytes(3), None),
    "read_return_data": ((FREE, 1, 9), number(1) + number(9), b""),
    "return_data_size": ((), b"", number(0)),
    "emit_log": ((A, 40, 1), number(1) + word(17) + word(5)[:8], b""),
    "account_balance": ((CODE, FREE), OTHER, word(7)),
    "account_codehash": ((CODE, FREE), OTHER, keccak256(ECHO.code)),
    "account_code": ((CODE, 1, 5, FREE), OTHER + number(1) + number(5), ECHO.code[1:6]),
    "account_code_size": ((CODE,), OTHER, number(len(ECHO.code))),
    "evm_gas_left": ((), b"", None),
    "evm_ink_left": ((), b"", None),
    "chainid": ((), b"", number(31_337, 8)),
    "block_gas_limit": ((), b"", number(60_000_000, 8)),
    "block_number": ((), b"", number(1, 8)),
    "block_timestamp": ((), b"", number(1_000, 8)),
    "block_basefee": ((FREE,), b"", word(GWEI)),
    "block_coinbase": ((FREE,), b"", COINBASE),
    "contract_address": ((FREE,), b"", CONTRACT),
    "msg_sender": ((FREE,), b"", SENDER),
    "msg_value": ((FREE,), b"", word(3)),
    "tx_gas_price": ((FREE,), b"", word(2 * GWEI)),
    "tx_origin": ((FREE,), b"", SENDER),
    "msg_reentrant": ((), b"", number(0)),
    "tx_ink_price": ((), b"", number(10_000)),
    "native_keccak256": ((128, 4, FREE), b"text", keccak256(b"text")),
    "math_div": ((A, B), word(17) + word(5), word(3)),
    "math_mod": ((A, B), word(17) + word(5), word(2)),
    "math_pow": ((A, B), word(17) + word(5), word(17**5)),
    "math_add_mod": ((A, B, C), word(17) + word(5) + word(7), word(22 % 7)),
    "math_mul_mod": ((A, B, C), word(17) + word(5) + word(7), word(85 % 7)),
    "pay_for_memory_grow": ((3,), number(3, 2), b""),
    "exit_early": ((9,), number(9), b""),
    "selfdestruct": ((CODE,), OTHER, b""),
    "blockhash": ((0, FREE), number(0, 8), keccak256(b"0")),
    "blobbasefee": ((FREE,), b"", word(1)),
    "prevrandao": ((FREE,), b"", word(6)),
    "is_constructing": ((), b"", number(0)),
    "code_address": ((FREE,), b"", CONTRACT),
}


def test_every_host_function_has_its_layout() -> None:
    names = [name for _, name in ALL_HOST_FUNCTIONS]
    assert sorted(LAYOUTS) == sorted(names)
    assert sorted(FLOW) == sorted(name for _, name in HOST_FUNCTIONS)


@pytest.mark.parametrize("name", FLOW)
def test_what_goes_in_and_comes_out(name: str) -> None:
    arguments, inputs, outputs = FLOW[name]
    call = invoke(name, *arguments)
    has_result = next(row.result for (_, known), row in HOST_FUNCTIONS.items() if known == name)
    code = contract(f"(drop {call})" if has_result else call, data=DATA)
    accounts = {
        CONTRACT: FakeAccount(nonce=1, balance=50, code=code, storage={17: 4}),
        OTHER: FakeAccount(nonce=1, balance=7, code=ECHO.code),
    }
    found = trace("stylusTracer", accounts, data=CALL_DATA, value=3)
    step = next(step for step in found if step["name"] == name and step["args"] != "0x0001")
    assert step["args"] == hexadecimal(inputs)
    if outputs is not None:
        assert step["outs"] == hexadecimal(outputs)
    elif name.startswith("create"):
        created = found[found.index(step) - 1]
        assert (created["name"], created["steps"]) == ("evm_" + name, [])
        assert step["outs"] == created["address"] + "00000000"
    else:
        ink = int(step["outs"], 16) * (10_000 if name == "evm_gas_left" else 1)
        assert step["endInk"] - 10_000 < ink <= step["endInk"]
    assert step["startInk"] > step["endInk"] > 0
    if name.endswith("call_contract"):
        assert (step["address"], step["steps"]) == (hexadecimal(OTHER), [])


def test_printed_lines() -> None:
    imports = "".join(
        f'(import "console" "{name}" (func ${name} (param {" ".join(types[kind] for kind in row.parameters)})'
        f"{f'(result {types[row.result]})' if row.result else ''}))"
        for types in ({"i": "i32", "I": "i64"},)
        for (_, name), row in CONSOLE_HOST_FUNCTIONS.items()
    )
    body = (
        "(call $log_txt (i32.const 128) (i32.const 4)) (call $log_i32 (i32.const -1)) (call $log_i64 (i64.const -9))"
        "(drop (call $tee_i32 (i32.const 8))) (drop (call $tee_i64 (i64.const 99)))"
    )
    found = of_module(contract(body, imports=imports, data=DATA))
    printed = [(step["name"], bytes.fromhex(step["args"][2:]), step["outs"]) for step in found[1:-1]]
    texts = [b"-1", b"-9", b"8", b"99"]
    assert printed == [("console_log_text", b"text", "0x"), *(("console_log", text, "0x") for text in texts)]


# Programs and frames


def test_a_programs_begin_and_end() -> None:
    for status in (0, 1, 2**32 - 1):
        found = of_module(contract("", status=status), data=bytes(300))
        assert brief(found) == ["user_entrypoint", "user_returned"]
        first, last = found
        assert (first["args"], first["outs"]) == (hexadecimal(number(300)), "0x")
        assert (last["args"], last["outs"]) == ("0x", hexadecimal(number(status)))
        assert first["startInk"] == first["endInk"] > last["startInk"] == last["endInk"]
    found = of_module(contract(invoke("exit_early", 3)))
    assert brief(found)[1:] == ["exit_early", "user_returned"]
    assert found[-1]["outs"] == "0x00000003"


def test_ink_is_without_gaps_but_for_the_instructions() -> None:
    """Between two host calls only the module's own instructions cost ink."""
    body = invoke("msg_sender", FREE) * 3
    calls = [step for step in of_module(contract(body)) if step["name"] == "msg_sender"]
    price = HOST_FUNCTIONS["vm_hooks", "msg_sender"].static_ink(MACHINE.price_table)
    assert [step["startInk"] - step["endInk"] for step in calls] == [price] * 3
    gaps = {first["endInk"] - second["startInk"] for first, second in pairwise(calls)}
    assert len(gaps) == 1
    assert 0 < gaps.pop() < 10_000


def test_a_call_that_fails_is_left_out() -> None:
    """Stylus' tools know no host call without its outputs; struct logs show why it failed."""
    found = of_module(contract(invoke("read_args", 65_530)), data=CALL_DATA)
    assert brief(found) == ["user_entrypoint"]
    assert brief(of_module(contract("(unreachable)"))) == ["user_entrypoint"]


KINDS = {
    "CALL": "call_contract",
    "DELEGATECALL": "delegate_call_contract",
    "STATICCALL": "static_call_contract",
}


def test_frames_within_frames() -> None:
    inner = contract(invoke("msg_sender", FREE))
    program = ["user_entrypoint", "msg_sender", "user_returned"]
    for kind, name in KINDS.items():
        accounts = {
            CONTRACT: FakeAccount(nonce=1, code=wasm_relay(kind)),
            OTHER: FakeAccount(nonce=1, code=evm_relay(kind)),
            TARGET: FakeAccount(nonce=1, code=inner),
        }
        found = trace("stylusTracer", accounts, data=path(OTHER, TARGET))
        call = next(step for step in found if step["name"] == name)
        assert brief([call]) == [[name, [["evm_" + name, program]]]]
        assert call["address"] == hexadecimal(OTHER)
        assert call["steps"][0]["address"] == hexadecimal(TARGET)
        frame = {key: call["steps"][0][key] for key in ("args", "outs", "startInk", "endInk")}
        assert frame == {"args": "0x", "outs": "0x", "startInk": 0, "endInk": 0}


def test_a_call_that_cannot_begin_has_its_address_and_no_steps() -> None:
    call = f"(drop {invoke('call_contract', CODE, 0, 0, B, 60_000, FREE)})"
    code = contract(call, data={32: word(10**30), CODE: OTHER})
    step = of_module(code)[1]
    assert (step["name"], step["address"], step["steps"]) == ("call_contract", hexadecimal(OTHER), [])
    assert step["outs"] == "0x0000000001"


def test_other_frames() -> None:
    heir = f"0x{OTHER.hex()}"
    plain = {CONTRACT: FakeAccount(nonce=1, balance=1, code=assemble(f"{heir} SELFDESTRUCT")), OTHER: FakeAccount()}
    assert brief(trace("stylusTracer", plain)) == [["evm_self_destruct", []]]
    for opcode, salt, name in (("CREATE", "", "evm_create1"), ("CREATE2", "0", "evm_create2")):
        plain[CONTRACT] = FakeAccount(nonce=1, code=assemble(f"{salt} 0 0 0 {opcode}"))
        assert brief(trace("stylusTracer", plain)) == [[name, []]]
    plain[CONTRACT] = FakeAccount(nonce=1, code=evm_relay("CALLCODE"))
    assert brief(trace("stylusTracer", plain, data=path(OTHER))) == [["evm_call_code_contract", []]]
    assert trace("stylusTracer", {CONTRACT: FakeAccount()}) == []


def test_the_scripts_function_sees_the_same() -> None:
    """Of frames alone the script keeps less, as the one of `cargo stylus trace` does."""

    def comparable(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        empty = {"args": "0x", "outs": "0x", "startInk": 0, "endInk": 0}
        shown = [empty | step for step in steps]
        return [step | {"steps": comparable(step["steps"])} if "steps" in step else step for step in shown]

    for kind in KINDS:
        accounts = {
            CONTRACT: FakeAccount(nonce=1, code=wasm_relay(kind)),
            OTHER: FakeAccount(nonce=1, code=evm_relay(kind)),
            TARGET: FakeAccount(nonce=1, code=contract(invoke("read_args", FREE), status=1)),
        }
        data = path(OTHER, TARGET, payload=b"abc")
        script = trace(HOSTIO_SCRIPT, accounts, data=data)
        assert comparable(script) == comparable(trace("stylusTracer", accounts, data=data))
        assert "read_args" in json.dumps(script)


def test_steps_and_host_calls_in_one_script() -> None:
    script = """{ seen: [], fault: function() {}, hostio: function(info) { this.seen.push(info.name) },
      step: function(log) { this.seen.push(log.op.toString()) }, result: function() { return this.seen } }"""
    accounts = {
        CONTRACT: FakeAccount(nonce=1, code=assemble(f"0 0 0 0 0 0x{OTHER.hex()} GAS CALL")),
        OTHER: FakeAccount(nonce=1, code=contract(invoke("msg_sender", FREE))),
    }
    found = trace(script, accounts)
    inner = ["user_entrypoint", "msg_sender", "user_returned"]
    assert found[-5:] == ["CALL", *inner, "STOP"]
    alone = trace(script.replace("step:", "skip:"), accounts)
    assert alone == inner


def test_with_other_tracers_at_once() -> None:
    accounts = {CONTRACT: FakeAccount(nonce=1, code=contract(invoke("msg_sender", FREE)))}
    executor = Executor(environment_of(wasm_machine=MACHINE), state_of(accounts))
    with closing(make_tracer("muxTracer", {"stylusTracer": {}, "callTracer": {}}, CONTEXT)) as watcher:
        assert (watcher.wants_steps, watcher.wants_host_calls) == (False, True)
        on_thread(lambda: executor.apply(transaction_of(gas_limit=10**6), 10**8, 10**6, tracer=watcher))
        found = json.loads(b"".join(watcher.encode()))
    assert found["stylusTracer"] == trace("stylusTracer", accounts, gas_limit=10**6)
    assert found["callTracer"]["to"] == hexadecimal(CONTRACT)


def test_many_steps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = f"""(local.set $a (i32.const 2500)) (loop $again {invoke("msg_sender", FREE)}
      (br_if $again (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))"""
    found = of_module(contract(loop))
    assert brief(found).count("msg_sender") == 2_500
    monkeypatch.setattr(settings.Budget.__init__, "__defaults__", (100_000,))
    with pytest.raises(TraceError, match="100000"):
        of_module(contract(loop))


@pytest.mark.parametrize("tracer", ["stylusTracer", HOSTIO_SCRIPT])
def test_a_watched_run_ends_as_an_unwatched_one(tracer: str) -> None:
    accounts = {
        CONTRACT: FakeAccount(nonce=1, code=wasm_relay("CALL")),
        OTHER: FakeAccount(nonce=1, code=contract(invoke("selfdestruct", FREE))),
    }

    def outcome(watcher: Any) -> Any:
        executor = Executor(environment_of(wasm_machine=MACHINE), state_of(accounts))
        transaction = transaction_of(gas_limit=10**6, data=path(OTHER))
        return on_thread(lambda: executor.apply(transaction, 10**8, 10**6, tracer=watcher))

    with closing(make_tracer(tracer, None, CONTEXT)) as watcher:
        watched = outcome(watcher)
    assert watched == outcome(None)
    assert watched.succeeded
