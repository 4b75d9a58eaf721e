"""Tracers in JavaScript: what they are shown, what they can ask, and that none outlives its trace."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.tracing.tracing import CONTEXT, OTHER
from tests.chain.vm.support import CONTRACT, FakeAccount, assemble, environment_of, state_of, transaction_of
from zevm.chain.concurrency.deadline import Cancellation, Deadline, ExecutionTimeoutError
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing import script_tracer
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.script_process import ScriptProcess
from zevm.chain.tracing.settings import TraceContext
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.executor import Executor

STORE = assemble("0x05 0x01 SSTORE STOP")
CALL = assemble(f"0x00 0x00 0x04 0x00 0x00 0x{OTHER.hex()} 0xffff CALL STOP")
QUIET = "fault: function() {}, "


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ScriptProcess]]:
    """Every process that the test starts; none may be left at its end."""
    started: list[ScriptProcess] = []

    def start(deadline: Deadline | None) -> ScriptProcess:
        started.append(ScriptProcess(deadline))
        return started[-1]

    monkeypatch.setattr(script_tracer, "ScriptProcess", start)
    yield started
    for script in started:
        assert script.process.returncode is not None
        with pytest.raises(ProcessLookupError):
            os.kill(script.process.pid, 0)


def run(
    script: str,
    code: bytes = STORE,
    options: dict[str, Any] | None = None,
    *,
    accounts: dict[bytes, FakeAccount] | None = None,
    deadline: Deadline | None = None,
    **transaction: object,
) -> Any:
    """What a script makes of a transaction to CONTRACT with this code."""
    context = CONTEXT if deadline is None else TraceContext(CONTEXT.reason_of, deadline=deadline)
    state = state_of({CONTRACT: FakeAccount(nonce=1, balance=10, code=code)} | (accounts or {}))
    tracer = make_tracer("{" + script + "}", options, context)
    try:
        Executor(environment_of(Fork.OSAKA), state).apply(transaction_of(**transaction), 10**8, 10**6, tracer=tracer)
        return orjson.loads(b"".join(tracer.encode()))
    finally:
        tracer.close()


def each_step(expression: str, declares_db: bool = False) -> str:
    """A tracer that collects an expression of every step."""
    parameters = "log, db" if declares_db else "log"
    step = f"step: function({parameters}) {{ this.seen.push({expression}) }}"
    return f"{QUIET} seen: [], {step}, result: function() {{ return this.seen }}"


def test_counts_opcodes() -> None:
    script = QUIET + (
        "counts: {}, step: function(log) { var op = log.op.toString(); this.counts[op] = (this.counts[op] || 0) + 1 },"
        "result: function() { return this.counts }"
    )
    assert run(script) == {"PUSH1": 2, "SSTORE": 1, "STOP": 1}


@pytest.mark.lengthy
@pytest.mark.parametrize("declares_db", [False, True])
def test_what_a_step_shows(declares_db: bool) -> None:
    code = assemble("0xab 0x00 MSTORE STOP")
    assert run(each_step("[log.getPC(), log.op.toNumber(), log.op.isPush()]", declares_db), code) == [
        [0, 0x60, True],
        [2, 0x60, True],
        [4, 0x52, False],
        [5, 0, False],
    ]
    assert run(each_step("[log.getCost(), log.getDepth(), log.getRefund()]", declares_db), code) == [
        [3, 1, 0],
        [3, 1, 0],
        [6, 1, 0],
        [0, 1, 0],
    ]
    gas = run(each_step("log.getGas()", declares_db), code)
    assert [first - second for first, second in pairwise(gas)] == [3, 3, 6]
    stacks = run(each_step("log.stack.length() ? log.stack.peek(0).toString(16) : ''", declares_db), code)
    assert stacks == ["", "ab", "0", ""]
    assert run(each_step("log.memory.length()", declares_db), code) == [0, 0, 0, 32]
    words = "log.memory.length() ? log.memory.getUint(0) + toHex(log.memory.slice(30, 33)) : 0"
    assert run(each_step(words, declares_db), code) == [0, 0, 0, "1710x00ab00"]
    contract = "toHex(log.contract.getAddress()) + log.contract.getValue() + toHex(log.contract.getInput())"
    assert run(each_step(contract, declares_db), code, value=7, data=b"\x01")[0] == f"0x{CONTRACT.hex()}70x01"


def test_more_steps_than_a_batch_and_deep_frames() -> None:
    loop = assemble("0x02 0xff EXP 0x80 MSTORE") * 400
    assert len(run(each_step("log.getPC()"), loop, gas_limit=10**6)) == 2_001


def test_faults() -> None:
    script = "seen: [], step: function(log) { if (log.getError()) this.seen.push(log.getError()) }, " + (
        "fault: function(log) { this.seen.push('fault ' + log.getPC() + ' ' + log.getError()) },"
        "result: function(ctx) { return [this.seen, ctx.error] }"
    )
    assert run(script, assemble("0x00 0x00 REVERT")) == [["fault 4 execution reverted"], "execution reverted"]
    bad_jump = "invalid jump destination"
    assert run(script, assemble("0x09 JUMP")) == [[f"fault 2 {bad_jump}"], bad_jump]
    seen, error = run(script, assemble("ADD"))
    assert seen == [error]
    assert error.startswith("stack underflow")
    assert run(script, assemble("0x00 0x00 0x00"), gas_limit=21_008) == [["out of gas"], "out of gas"]


def test_selectors_like_4byte() -> None:
    script = QUIET + (
        "ids: {}, enter: function(frame) { var input = frame.getInput(); if (input.length >= 4) {"
        "var key = toHex(slice(input, 0, 4)) + '-' + (input.length - 4); this.ids[key] = (this.ids[key] || 0) + 1 } },"
        "exit: function() {}, result: function() { return this.ids }"
    )
    assert run(script, CALL, accounts={OTHER: FakeAccount(code=STORE)}) == {"0x00000000-0": 1}
    assert not make_and_close("{" + script + "}")


def make_and_close(script: str) -> bool:
    """Whether a script wants steps."""
    tracer = make_tracer(script, None, CONTEXT)
    tracer.close()
    return tracer.wants_steps


def test_calls_with_enter_and_exit() -> None:
    script = QUIET + (
        "calls: [], enter: function(f) { this.calls.push([f.getType(), toHex(f.getFrom()), toHex(f.getTo()),"
        " toHex(f.getInput()), f.getGas(), f.getValue()]) }, exit: function(r) { this.calls.push([r.getGasUsed(),"
        " toHex(r.getOutput()), r.getError()]) }, result: function() { return this.calls }"
    )
    reverting = assemble("0x20 0x00 REVERT")
    found = run(script, CALL, accounts={OTHER: FakeAccount(code=reverting)})
    addresses = ["0x" + CONTRACT.hex(), "0x" + OTHER.hex()]
    assert found == [["CALL", *addresses, "0x00000000", 0xFFFF, "0"], [9, "0x" + "00" * 32, "execution reverted"]]
    still = CALL.replace(b"\xf1", b"\xfa").replace(b"\x60\x00", b"", 1)
    assert run(script, still, accounts={OTHER: FakeAccount()})[0] == ["STATICCALL", *addresses, "0x", 0xFFFF, None]


def test_the_context_of_the_result() -> None:
    script = QUIET + (
        "result: function(ctx) { return [ctx.type, toHex(ctx.from).length, toHex(ctx.to), toHex(ctx.input), ctx.gas,"
        "ctx.gasUsed, ctx.intrinsicGas, ctx.gasPrice.toString(), ctx.value.add(1), ctx.block, ctx.time,"
        "toHex(ctx.output), ctx.error, toHex(ctx.blockHash), ctx.txIndex, toHex(ctx.txHash)] }"
    )
    environment, transaction = environment_of(Fork.OSAKA), transaction_of(value=3, data=b"\x01", gas_limit=60_000)
    found = run(script, assemble("0x01 0x00 RETURN"), value=3, data=b"\x01", gas_limit=60_000)
    price = int(found.pop(7))
    assert price >= (environment.base_fee_per_gas or 0)
    assert found == [
        "CALL", 42, "0x" + CONTRACT.hex(), "0x01", transaction.gas_limit, 21_040, 21_016, "4", environment.number,
        environment.timestamp, "0x00", None, "0x" + "bb" * 32, 3, "0x" + "cc" * 32,
    ]  # fmt: skip


@pytest.mark.lengthy
def test_the_state_at_a_step_is_that_before_it() -> None:
    slots = "db.getState(log.contract.getAddress(), toWord('0x01'))[31]"
    assert run(each_step(slots, declares_db=True)) == [0, 0, 0, 5]
    accounts = {OTHER: FakeAccount(nonce=3, balance=8, code=b"\x00")}
    other = f"toAddress('{OTHER.hex()}')"
    asked = f"[db.getBalance({other}), db.getNonce({other}), toHex(db.getCode({other})), db.exists({other})"
    asked += ", db.exists(toWord('77'))]"
    assert run(each_step(asked, declares_db=True), b"\x00", accounts=accounts) == [["8", 3, "0x00", True, False]]
    heir = assemble(f"0x{OTHER.hex()} SELFDESTRUCT")
    assert run(each_step(f"db.getBalance({other}).toJSNumber()", declares_db=True), heir, accounts=accounts) == [8, 8]
    nonces = "db.getNonce(log.contract.getAddress())"
    assert run(each_step(nonces, declares_db=True), assemble("0x00 0x00 0x00 CREATE STOP")) == [1, 1, 1, 1, 2]
    after = (
        QUIET
        + f"result: function(ctx, db) {{ return db.getState(ctx.to, toWord('1'))[31] + ':' + db.exists({other}) }}"
    )
    assert run(after) == "5:false"


def test_setup_gets_the_options() -> None:
    script = (
        QUIET + "setup: function(text) { this.options = JSON.parse(text) }, result: function() { return this.options }"
    )
    assert run(script, options={"depth": 3, "names": ["é"]}) == {"depth": 3, "names": ["é"]}
    assert run(script) == {}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("toHex(toWord('0xabc'))", "0x" + "0abc".rjust(64, "0")),
        ("toHex(toAddress('ff' + '11'.repeat(20)))", "0x" + "11" * 20),
        ("toHex([1, 255])", "0x01ff"),
        ("toHex(toContract('44'.repeat(20), 5))", "0x" + contract_address(OTHER, 5).hex()),
        # the second example of EIP-1014
        (
            "toHex(toContract2('deadbeef00000000000000000000000000000000', '0x00', '0x00'))",
            "0xb928f69bb1d91cd65274e3c79d8986362984fda3",
        ),
        ("[isPrecompiled(toAddress('02')), isPrecompiled(toAddress('0200'))]", [True, False]),
        ("bigInt('10').add(5).multiply('3').subtract(1).toString(16)", "2c"),
        ("bigInt('ff', 16).shiftLeft(250).mod(1000).toJSNumber()", (255 << 250) % 1000),
        ("[bigInt(7).compare(8), bigInt.zero.isZero(), bigInt(-7).divmod(2).remainder]", [-1, True, "-1"]),
        ("bigInt(3).modPow(200, 1000)", str(pow(3, 200, 1000))),
        ("undefined", None),
        ("toWord('01')", {str(index): int(index == 31) for index in range(32)}),
    ],
)  # fmt: skip
def test_helpers(expression: str, wanted: object) -> None:
    assert run(f"{QUIET} result: function() {{ return {expression} }}") == wanted


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (QUIET, "trace object must expose a function result()"),
        ("result: function() {}", "trace object must expose a function fault()"),
        (
            QUIET + "result: function() {}, enter: function() {}",
            "trace object must expose either both or none of enter() and exit()",
        ),
        ("result: 1 2", "SyntaxError: "),
        (QUIET + "setup: function() { throw 'no' }, result: function() {}", "no"),
        (each_step("log.stack.peek(-1)"), "tracer accessed out of bound stack: size 0, index -1  "),
        (each_step("log.memory.slice(-1, -2)", True), "tracer accessed out of bound memory: offset -1, end -2 "),
        (each_step("log.memory.getUint(-64)"), "tracer accessed out of bound memory: available 0, offset -64, size 32"),
        (each_step("log['mem' + 'ory'].length()"), "tracer must spell out log.memory to use it"),
        (each_step("db.getNonce(toWord('1'))"), "ReferenceError: db is not defined at step (<eval>:1:"),
        (QUIET + "result: function(ctx) { return ctx.none.x }", "TypeError: cannot read property 'x' of undefined"),
        (QUIET + "result: function() { return toHex('0x12') }", "invalid buffer type    in server-side"),
        (QUIET + "result: function() { return slice([1], 0, 2) }", "Tracer accessed out of bound memory: available"),
        (QUIET + "result: function() { return [1n] }", "TypeError: "),
        (QUIET + "result: function f() { return f() }", "RangeError: Maximum call stack size exceeded"),
    ],
)  # fmt: skip
def test_failures(script: str, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        run(script)
    assert str(caught.value).startswith(message)


@pytest.mark.lengthy
def test_memory_is_bounded() -> None:
    hog = QUIET + "result: function() { var all = []; for (;;) all.push(new Array(1000).fill(1)) }"
    with pytest.raises(TraceError, match="out of memory"):
        run(hog)
    buffers = QUIET + "result: function() { return new Uint8Array(2e8).length }"
    with pytest.raises(TraceError, match="out of memory"):
        run(buffers)


@pytest.mark.parametrize(
    "script",
    [
        QUIET + "result: function() { for (;;); }",
        "x: (function() { for (;;); })()",
        each_step("(function() { for (;;) { try { for (;;) db.getNonce([1]) } catch (error) {} } })()", True),
    ],
)
def test_an_endless_loop_ends_at_the_deadline(script: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ExecutionTimeoutError, match="execution timeout"):
        run(script, deadline=Deadline.after(0.3))
    assert 0.25 < time.monotonic() - begin < PATIENCE_SECONDS


def test_an_endless_loop_ends_when_the_client_leaves(processes: list[ScriptProcess]) -> None:
    cancellation = Cancellation()
    leaving = threading.Timer(0.3, cancellation.cancel)
    leaving.start()
    with pytest.raises(ExecutionTimeoutError):
        run(QUIET + "result: function() { for (;;); }", deadline=Deadline(time.monotonic() + 60, cancellation))
    leaving.join()
    assert len(processes) == 1


def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TraceError, match=r"cannot start the tracer's process: .*No such file"):
        run(QUIET + "result: function() {}")


def test_within_the_mux_tracer(processes: list[ScriptProcess]) -> None:
    script = "{" + each_step("log.getPC()") + "}"
    mux = make_tracer("muxTracer", {script: {}, "callTracer": {}}, CONTEXT)
    state = state_of({CONTRACT: FakeAccount(nonce=1, balance=10, code=STORE)})
    Executor(environment_of(Fork.OSAKA), state).apply(transaction_of(), 10**8, 10**6, tracer=mux)
    found = orjson.loads(b"".join(mux.encode()))
    mux.close()
    assert (found[script], found["callTracer"]["type"]) == ([0, 2, 4, 5], "CALL")
    with pytest.raises(TraceError, match="bogus is not defined"):
        make_tracer("muxTracer", {script: {}, "bogus": {}}, CONTEXT)
    assert len(processes) == 2


BUILT_INS = {
    "toJSON of objects": "Object.prototype.toJSON = function() { return 5 }",
    "toJSON of arrays": "Array.prototype.toJSON = function() { return 'x' }",
    "iterators": "Array.prototype[Symbol.iterator] = function() { throw 'iterated' }",
    "the next item": "Object.getPrototypeOf([][Symbol.iterator]()).next = function() { return {done: true} }",
    "Object": "Object.assign = Object.entries = Object.keys = function() { return [] }",
    "JSON": "JSON.stringify = JSON.parse = function() { return '?' }",
    "constructors": "String = Number = BigInt = Uint8Array = Array = Set = RegExp = function() { throw 'made' }",
    "strings": "['substr', 'substring', 'slice', 'replace', 'includes', 'toString'].forEach("
    "function(name) { String.prototype[name] = function() { throw name } })",
    "numbers": "Number.prototype.toString = BigInt.prototype.toString = function() { throw 'digits' }",
    "functions": "Function.prototype.call = Function.prototype.apply = function() { throw 'called' }",
    "instances": "Object.defineProperty(Uint8Array, Symbol.hasInstance, {value: function() { return false }})",
    "setters": "['done', 'error', 'steps'].forEach(function(name) {"
    "Object.defineProperty(Object.prototype, name, {set: function() { throw name }, get: function() { return 1 }}) })",
}


@pytest.mark.parametrize("change", BUILT_INS)
def test_a_script_that_changes_built_in_objects_changes_nothing_between_it_and_the_node(change: str) -> None:
    own = "log.contract.getAddress()"
    questions = f"(db.getBalance({own}) + toContract({own}, 1).length)"
    script = QUIET + (
        "seen: '', setup: function() { " + BUILT_INS[change] + " },"
        "step: function(log, db) { this.seen += log.op.toNumber() + ' ' + log.stack.length() + ' ' + ("
        + questions
        + ")"
        " + ' ' + log.getRefund() + ';' },"
        "result: function() { return this.seen }"
    )
    assert run(script) == "96 0 30 0;96 1 30 0;85 2 30 0;0 0 30 0;"


@pytest.mark.slow
def test_long_error_texts_are_cut() -> None:
    for thrown in ("Array(10000000).join('x')", "Error(Array(10000000).join('x'))"):
        with pytest.raises(TraceError) as caught:
            run(QUIET + "step: function() { throw " + thrown + " }, result: function() {}")
        assert len(caught.value.message) < 5_000
        assert caught.value.message.endswith("in server-side tracer function 'step'")


@pytest.mark.parametrize("nonce", ["-1", "NaN", "1.5", "1e300", "{}", "'x'"])
def test_a_nonce_that_is_none_is_an_error_of_the_script(nonce: str) -> None:
    with pytest.raises(TraceError, match="invalid nonce"):
        run(QUIET + f"result: function() {{ return toHex(toContract('{OTHER.hex()}', {nonce})) }}")


@pytest.mark.lengthy
def test_b15_a_script_ends_with_the_node_that_was_killed() -> None:
    """The node's part is played by a process that starts a looping script, and is then killed with -9."""
    node = (
        "from zevm.chain.concurrency.deadline import Deadline\n"
        "from zevm.chain.tracing.script_process import ScriptProcess\n"
        "script = ScriptProcess(Deadline.after(120))\n"
        "print(script.process.pid, flush=True)\n"
        'script.exchange(b\'[["load", "(function() { for (;;); })()", {}]]\', lambda question: None)\n'
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen((sys.executable, "-c", node), stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        # time enough to load the script and be busy with it
        assert select.select((watch,), (), (), 1.0)[0] == []
        parent.kill()
        parent.wait()
        try:
            assert select.select((watch,), (), (), 20.0)[0] == [watch]
        finally:
            os.close(watch)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
