"""What may be optimised: nothing whose frames could then leave the native stack before the stack words run out."""

import pytest
from wasmtime import wat2wasm

from chain.zvm.prepare import Prepared, prepare
from chain.zvm.program_cache import HOT, ProgramCache
from chain.zvm.runtime import End, Engine, NodeFaultError, Program, RunResult, run
from chain.zvm.schedule import ZVM
from tests.chain.zvm.zvm_modules import on_thread

ENTRY = '(func (export "user_entrypoint") (param i32) (result i32) (i32.wrap_i64 (call $f (local.get 0))))'
SELF_CALL = "(call $f (i32.add (local.get 0) (i32.const 1)))"
INDIRECT = "(call_indirect (type $f) (i32.add (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 0)))"


def results(count: int) -> str:
    """As many results of the parameter, each stored: to be computed again behind a call, or kept."""
    return "".join(
        f"(i32.store offset={4 * at} (i32.const 0) (i32.mul (i32.rotl (local.get 0) (i32.const {at % 31 + 1})) "
        f"(i32.xor (local.get 0) (i32.const {0x1234567 + at}))))"
        for at in range(count)
    )


def contract(count: int, call: str = SELF_CALL, more: str = "") -> Prepared:
    text = f"""(module (memory (export "memory") 1 1) (type $f (func (param i32) (result i64)))
      (table 1 1 funcref) (elem (i32.const 0) $f)
      (func $f (type $f) {results(count)} {call} {results(count)} drop (i64.const 1)) {more} {ENTRY})"""
    return prepare(bytes(wat2wasm(text)), ZVM)


def outcome(program: Program) -> RunResult | BaseException:
    result = on_thread(lambda: run(program, (), context=None, ink=10**15, stack_words=65_536, arguments=(7,)))
    assert isinstance(result, (RunResult, BaseException))
    return result


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(pooled=False)


@pytest.mark.parametrize("call", [SELF_CALL, INDIRECT])
def test_recursion_that_keeps_many_results_is_not_optimised(engine: Engine, call: str) -> None:
    prepared = contract(400, call)
    assert not prepared.optimisable
    plain = outcome(engine.compile(prepared, optimise=False))
    assert isinstance(plain, RunResult)
    assert plain.end is End.OUT_OF_STACK
    assert isinstance(outcome(engine.compile(prepared, optimise=True)), NodeFaultError), "the rule guards nothing"


def test_all_recursion_that_is_optimised_ends_with_its_words(engine: Engine) -> None:
    allowed = [prepared for count in range(1, 12) if (prepared := contract(count)).optimisable]
    assert 0 < len(allowed) < 11
    for prepared in allowed:
        plain, faster = (outcome(engine.compile(prepared, optimise=optimise)) for optimise in (False, True))
        assert isinstance(plain, RunResult)
        assert plain.end is End.OUT_OF_STACK
        assert faster == plain


def test_what_cannot_be_open_twice_may_keep_results(engine: Engine) -> None:
    outer = f"(func $g (param i32) (result i64) {results(400)} (call $f (local.get 0)))"
    prepared = contract(400, "(call $h (local.get 0))", "(func $h (param i32) (result i64) (i64.const 3))" + outer)
    assert prepared.optimisable
    assert outcome(engine.compile(prepared, optimise=True)) == outcome(engine.compile(prepared, optimise=False))


def test_a_hot_program_that_must_not_be_optimised_stays(engine: Engine) -> None:
    cache, prepared = ProgramCache(None, engine), contract(400)
    program = cache.get(b"\1" * 32, lambda: prepared)
    program.heat = HOT
    assert cache.get(b"\1" * 32, lambda: prepared) is program
    assert not cache._queued
    cache.close()
