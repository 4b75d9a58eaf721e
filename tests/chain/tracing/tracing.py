"""Code run under a tracer, and what the tracer says."""

import json
from collections.abc import Mapping
from typing import Any

from tests.chain.vm.support import CONTRACT, FakeAccount, environment_of, state_of, transaction_of
from zevm.chain.concurrency.recursion import deep_recursion
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.settings import TraceContext
from zevm.chain.vm.executor import Executor
from zevm.contracts.revert_reasons import Decoder

OTHER, THIRD = b"\x44" * 20, b"\x55" * 20
CONTEXT = TraceContext(Decoder().revert_reason, b"\xbb" * 32, 7, b"\xcc" * 32, 3, first_log_index=5)

HOSTIO_SCRIPT = """{
  lists: [[]],
  names: {CALL: "call_contract", DELEGATECALL: "delegate_call_contract", STATICCALL: "static_call_contract",
    CREATE: "create1", CREATE2: "create2", SELFDESTRUCT: "self_destruct"},
  last: function() { return this.lists[this.lists.length - 1] },
  enter: function(frame) {
    const step = {name: "evm_" + this.names[frame.getType()], address: toHex(frame.getTo()), steps: []};
    this.last().push(step);
    this.lists.push(step.steps);
  },
  exit: function() { this.lists.pop() },
  hostio: function(info) {
    const opens = info.name === "call_contract" || info.name.endsWith("_call_contract");
    const frame = opens ? this.last().pop() : {};
    const step = Object.assign({}, frame, info, {args: toHex(info.args), outs: toHex(info.outs)});
    this.last().push(step);
  },
  fault: function() {},
  result: function() { return this.lists[0] }
}"""
"""A tracer in JavaScript that makes of frames and host calls what `cargo stylus trace` asks for by a script of its own:
a frame that a host function opens is that function's."""


def hexadecimal(value: bytes) -> str:
    return "0x" + value.hex()


def word(value: int) -> str:
    return f"0x{value:064x}"


def trace(
    tracer: str | None,
    code: bytes = b"",
    options: Mapping[str, Any] | None = None,
    *,
    accounts: dict[bytes, FakeAccount] | None = None,
    fork: Fork = Fork.OSAKA,
    environment: Mapping[str, object] | None = None,
    **transaction: object,
) -> Any:
    """The trace of a transaction to CONTRACT with this code: JSON, as a client gets it."""
    state = state_of({CONTRACT: FakeAccount(nonce=1, balance=10, code=code)} | (accounts or {}))
    watcher = make_tracer(tracer, options, CONTEXT)
    executor = Executor(environment_of(fork, **(environment or {})), state)
    executor.apply(transaction_of(**transaction), 10**8, 10**6, tracer=watcher)
    # frames nest deeper than orjson reads, and than Python's own limit
    with deep_recursion:
        return json.loads(b"".join(watcher.encode()))
