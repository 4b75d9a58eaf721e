"""Start functions: moved into every entry of a module by the build, since the chain runs none."""

from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from wasmtime import wat2wasm

from testing.contracts import CACHE, CONTRACTS, TOOLS, module_of
from tests.chain.vm.support import CONTRACT, SENDER
from tests.chain.zvm.contracts import accounts_of, executor, request_to, send, slots, word
from tests.clients.tools import run_tool
from zevm.chain.vm.executor import Executor
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.inspection import inspect_module
from zevm.chain.zvm.module.binary import decode as decode_module
from zevm.chain.zvm.precompiles import LIBRARY_ADDRESS
from zevm.chain.zvm.price_table import ZVM
from zevm.contracts import BuildError, BuildOptions, build
from zevm.contracts.compilers.assemblyscript import one_compiler
from zevm.contracts.start_function import with_start_moved
from zevm.storage.keccak import keccak256

# Counts what ran: the start adds 1 to a global, the entry point writes the global, other exports return it.
STARTED = """(module
  {imports}
  (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
  (memory (export "memory") 1 1)
  (global $runs (mut i32) (i32.const 40))
  (table 1 funcref) (elem (i32.const 0) $same)
  (type $word (func (result i32)))
  {start}
  (func $same (export "runs") (export "again") (result i32) (global.get $runs))
  (func (export "sum") (param i64 i64) (result i64)
    (i64.add (i64.extend_i32_u (global.get $runs)) (i64.add (local.get 0) (local.get 1))))
  (func (export "user_entrypoint") (param i32) (result i32)
    (i32.store8 (i32.const 31) (call_indirect (type $word) (i32.const 0)))
    (call $write_result (i32.const 0) (i32.const 32))
    (i32.sub (local.get 0) (i32.const 3))))"""
START = "(start $begin) (func $begin (global.set $runs (i32.add (global.get $runs) (i32.const 1))))"


def asking(signature: str, *values: object) -> bytes:
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return keccak256(signature.encode())[:4] + encode(types, values)


def started(start: str = START, imports: str = "") -> bytes:
    return bytes(wat2wasm(STARTED.format(start=start, imports=imports)))


def test_a_module_without_a_start_function_stays_as_it_is() -> None:
    plain = started("")
    assert with_start_moved(plain) is plain


def test_the_start_runs_once_before_every_entry() -> None:
    module = started()
    refusal = inspect_module(module, ZVM).refusal
    assert refusal is not None
    assert refusal.rule == "start"
    moved = with_start_moved(module)
    assert inspect_module(moved, ZVM).refusal is None
    runner = executor(accounts_of({CONTRACT: moved}))
    for _ in range(2):
        outcome = runner.call(request_to(CONTRACT, bytes(3)))
        assert (outcome.error, outcome.output) == (None, word(41))


def test_other_exports_and_their_names_stay() -> None:
    before, after = decode_module(started("")), decode_module(with_start_moved(started()))
    assert [(item.name, item.kind) for item in after.exports] == [(item.name, item.kind) for item in before.exports]
    same = {item.target for item in after.exports if item.name in ("runs", "again")}
    assert len(same) == 1
    # a wrapper for each exported function, and the start itself
    assert len(after.functions) == len(before.functions) + 1 + 3
    assert after.elements[0].functions == [before.elements[0].functions[0] + 1]


def test_parameters_and_results_pass_through() -> None:
    runner = executor(accounts_of({CONTRACT: with_start_moved(started())}))
    request = asking("computeAt(address,string,uint64[])", "0x" + CONTRACT.hex(), "sum", [2, 2**40])
    outcome = runner.call(request_to(LIBRARY_ADDRESS, request))
    assert outcome.output == word(41 + 2 + 2**40)


def test_an_imported_function_may_be_the_start() -> None:
    hook = '(import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))'
    wrapped = started("(start $pay)" + "(func $pay (call $flush (i32.const 0)))", hook)
    assert inspect_module(with_start_moved(wrapped), ZVM).refusal is None


def test_a_module_that_is_refused_for_more_tells_the_reason() -> None:
    floating = bytes(wat2wasm('(module (start $s) (func $s) (func (export "f") (result f64) (f64.const 1)))'))
    with pytest.raises(ModuleRefusedError, match="floating point"):
        with_start_moved(floating)
    with pytest.raises(ModuleRefusedError, match="begins with"):
        with_start_moved(b"rubbish")


# AssemblyScript


@pytest.mark.clients
@pytest.mark.slow
def test_node_options_of_the_caller_stay(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    options = BuildOptions(environment={"NODE_OPTIONS": "--stack-trace-limit=7"})
    told = run_tool(
        "node", "-p", "[Error.stackTraceLimit, ...Object.keys(require.cache)]", **one_compiler(folder, options)
    )
    assert "7" in told.stdout
    assert str(folder / "one_compiler.cjs") in told.stdout


@pytest.fixture(scope="module")
def guestbook() -> bytes:
    return module_of(CONTRACTS / "assemblyscript" / "guestbook.ts")


def text(runner: Executor, signature: str, *values: object) -> str:
    outcome = runner.call(request_to(CONTRACT, asking(signature, *values)))
    assert outcome.error is None, outcome
    return str(decode(["string"], outcome.output)[0])


TEXTS = ("hello world", "", "x" * 31, "y" * 32, "hello " * 20, "grüße, welt", "a hello")


@pytest.mark.clients
@pytest.mark.slow
def test_a_contract_that_allocates(guestbook: bytes) -> None:
    runner = executor(accounts_of({CONTRACT: guestbook}))
    for content in TEXTS:
        outcome = send(runner, CONTRACT, asking("sign(string)", content))
        assert outcome.error is None, outcome
    count = runner.call(request_to(CONTRACT, asking("count()")))
    assert count.output == word(len(TEXTS))
    assert [text(runner, "entry(uint256)", index) for index in range(len(TEXTS))] == list(TEXTS)
    assert text(runner, "words()") == f"a 1, grüße, 1, hello 22, welt 1, world 1, {'x' * 31} 1, {'y' * 32} 1"


@pytest.mark.clients
@pytest.mark.slow
def test_its_storage_is_soliditys(guestbook: bytes) -> None:
    runner = executor(accounts_of({CONTRACT: guestbook}))
    for content in ("abc", "y" * 40):
        send(runner, CONTRACT, asking("sign(string)", content))
    first = int.from_bytes(keccak256(word(0)), "big")
    long = int.from_bytes(keccak256(word(first + 1)), "big")
    assert slots(runner, CONTRACT, [0, first, first + 1]) == [
        2,
        int.from_bytes(b"abc".ljust(31, b"\0") + b"\6", "big"),
        81,
    ]
    assert slots(runner, CONTRACT, [long, long + 1]) == [
        int.from_bytes(b"y" * 32, "big"),
        int.from_bytes((b"y" * 8).ljust(32, b"\0"), "big"),
    ]


@pytest.mark.clients
@pytest.mark.slow
def test_malformed_call_data_and_wei_revert(guestbook: bytes) -> None:
    runner = executor(accounts_of({CONTRACT: guestbook}))
    good = asking("sign(string)", "abc")
    cases = [
        good[:-32],
        good[:4],
        good[:4] + word(2**32) + good[36:],
        good[:4] + word(64) + good[36:],
        good[:36] + word(33) + good[68:],
        good[:36] + word(2**255) + good[68:],
        asking("entry(uint256)", 0),
        asking("entry(uint256)", 2**32),
    ]
    for data in cases:
        outcome = runner.call(request_to(CONTRACT, data))
        assert outcome.error is not None, data.hex()
        assert outcome.error.status == 1
    outcome = runner.call(request_to(CONTRACT, good, value=1, sender=SENDER))
    assert outcome.error is not None
    assert runner.call(request_to(CONTRACT, good)).error is None


@pytest.mark.clients
@pytest.mark.slow
def test_the_build_says_why_a_module_cannot_be_deployed(tmp_path: Path) -> None:
    source = tmp_path / "floating.ts"
    source.write_text(
        "const names = new Map<string, u32>();\nexport function half(x: f64): f64 { return x / 2; }\n"
        "export function user_entrypoint(length: u32): u32 { return <u32>names.size; }\n"
    )
    with pytest.raises(BuildError, match=r"floating\.ts: the compiled module cannot be deployed: .*floating point"):
        build(source, BuildOptions(cache=CACHE, tools=TOOLS))
    growing = tmp_path / "growing.ts"
    growing.write_text(
        "export function user_entrypoint(length: u32): u32 { return <u32>new Array<u32>(length).length; }"
    )
    with pytest.raises(BuildError, match="pay_for_memory_grow"):
        build(growing, BuildOptions(cache=CACHE, tools=TOOLS))
