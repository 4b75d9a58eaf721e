"""vmTrace: frames within frames, and what no 64 bits hold."""

import json
from typing import Any

import orjson
import pytest

from tests.chain.tracing.tracing import OTHER, THIRD
from tests.chain.vm.support import CONTRACT, FakeAccount, environment_of, state_of, transaction_of
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.vm_trace import VmTracer
from zevm.chain.vm.executor import Executor

CALL = bytes.fromhex("5f5f5f5f5f73") + OTHER + bytes.fromhex("620f4240f1")


def vm_trace(code: bytes, accounts: dict[bytes, FakeAccount] | None = None) -> Any:
    state = state_of({CONTRACT: FakeAccount(nonce=1, balance=10, code=code)} | (accounts or {}))
    tracer = VmTracer()
    Executor(environment_of(Fork.OSAKA), state).apply(transaction_of(), 10**8, 10**6, tracer=tracer)
    return json.loads(orjson.dumps(tracer.result()))


def test_a_call_hangs_on_its_operation() -> None:
    found = vm_trace(CALL + b"\x00", {OTHER: FakeAccount(nonce=1, code=bytes.fromhex("6001600055"))})
    call = found["ops"][-2]
    assert [operation["pc"] for operation in found["ops"]] == [0, 1, 2, 3, 4, 5, 26, 30, 31]
    assert call["ex"]["push"] == ["0x1"]
    assert call["sub"]["code"] == "0x6001600055"
    assert [operation["ex"]["store"] for operation in call["sub"]["ops"][:3]] == [
        None,
        None,
        {"key": "0x0", "val": "0x1"},
    ]


@pytest.mark.parametrize("account", [FakeAccount(nonce=1), None])
def test_a_callee_without_code_is_null(account: FakeAccount | None) -> None:
    found = vm_trace(CALL + b"\x00", {} if account is None else {OTHER: account})
    assert found["ops"][-2]["sub"] is None


def test_what_is_left_by_self_destruction_is_no_frame() -> None:
    found = vm_trace(CALL + b"\x00", {OTHER: FakeAccount(nonce=1, balance=1, code=b"\x73" + THIRD + b"\xff")})
    assert [operation["sub"] for operation in found["ops"][-2]["sub"]["ops"]] == [None, None]


def test_b5_a_price_beyond_64_bits_is_written() -> None:
    """B5: the price of reaching the last byte of memory."""
    found = vm_trace(b"\x7f" + b"\xff" * 32 + b"\x51")
    assert found["ops"][-1]["ex"] is None
    assert found["ops"][-1]["cost"] > 2**64
