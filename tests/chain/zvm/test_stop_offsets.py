"""Where a program stopped: offsets in the deployed module, through the metering that the running code has in it."""

from collections.abc import Callable
from typing import Any

import pytest
from wasmtime import Engine, Func, Instance, Module, Store, Trap

from tests.chain.vm.support import CONTRACT, FakeAccount
from tests.chain.zvm.contracts import contract, executor, module, request_to
from tests.chain.zvm.test_runtime import CALLER, IMPORT, build
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.zvm.module.creation import compressed
from zevm.chain.zvm.module.offsets import module_offsets
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime import capi
from zevm.chain.zvm.runtime import engine as runtime_engine
from zevm.chain.zvm.runtime.runtime import End, ExitError, run

FUNCTIONS = """
(func $inner (param i32) (result i32)
  (local i64)
  (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
  (loop $more
    (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
    (br_if $more (i32.gt_u (local.get 0) (i32.const 40))))
  (memory.fill (i32.const 0) (i32.const 1) (i32.const 32))
  (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 40))))
(func $outer (param i32) (result i32)
  (drop (memory.grow (i32.const 0)))
  (i32.add (i32.const 1) (call $inner (local.get 0))))
"""
CODE = {
    "a division in nested calls": contract("(drop (call $outer (i32.const 41)))", functions=FUNCTIONS),
    "unreachable": contract("(nop) (unreachable)"),
    "memory": contract("(drop (i32.load (i32.const 70000)))"),
}


class Stops(QuietTracer):
    """The offsets of each stop."""

    wants_host_calls = True

    def __init__(self) -> None:
        self.offsets: list[tuple[int, ...]] = []

    def on_program_stop(self, frame: Any, offsets: Callable[[], tuple[int, ...]]) -> None:  # noqa: ARG002
        self.offsets.append(offsets())


def stops(code: bytes) -> list[tuple[int, ...]]:
    tracer = Stops()
    executor({CONTRACT: FakeAccount(nonce=1, code=code)}).call(request_to(CONTRACT, b""), tracer=tracer)
    return tracer.offsets


def in_plain_wasmtime(code: bytes) -> tuple[int, ...]:
    """Where the module stops without any metering, by the engine's own backtrace."""
    engine = Engine()
    store = Store(engine)
    entry = Instance(store, Module(engine, code), []).exports(store)["user_entrypoint"]
    assert isinstance(entry, Func)
    with pytest.raises(Trap) as caught:
        entry(store, 0)
    return tuple(frame.module_offset for frame in caught.value.frames)


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("form", [bytes, compressed], ids=["raw", "compressed"])
def test_a_trap_is_where_the_engine_finds_it_in_the_module_without_metering(
    name: str, form: Callable[[bytes], bytes]
) -> None:
    expected = in_plain_wasmtime(CODE[name])
    assert expected
    assert stops(form(CODE[name])) == [expected]


def test_a_host_function_that_stops_a_program_is_where_it_is_called() -> None:
    code = contract("(call $write_result (i32.const 70000) (i32.const 5))")
    ((offset,),) = stops(code)
    assert code[offset] == 0x10  # call
    assert code.count(b"\x10", 0, offset) == code[: offset + 1].count(b"\x10") - 1


def test_what_ends_as_it_should_or_in_metering_alone_has_no_place_in_the_module() -> None:
    assert stops(contract("(nop)")) == []
    assert stops(contract("(nop)", status=1)) == []
    endless = contract("(loop $l (br $l))")
    ((offset,),) = stops(endless)
    assert endless[offset] == 0x0C  # the block that could not be paid for begins with br
    assert module_offsets(b"\0asm", ZVM, [(0, 0)]) == ()
    assert module_offsets(module("(func)"), ZVM, [(99, 0)]) == ()


@pytest.fixture
def traps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The traps that host functions make and that are freed, in order."""
    told: list[str] = []
    make, free = capi.trap_new, capi.trap_delete

    def made(code: int) -> int:
        told.append("made")
        return int(make(code))

    def freed(trap: int) -> None:
        told.append("freed")
        free(trap)

    monkeypatch.setattr(capi, "trap_new", made)
    monkeypatch.setattr(capi, "trap_delete", freed)
    return told


def test_each_trap_of_a_host_function_is_freed(traps: list[str]) -> None:
    def leave(instance: Any, status: int) -> None:  # noqa: ARG001
        raise ExitError(status)

    program = build(runtime_engine.Engine(pooled=False), CALLER, imports=IMPORT)
    for with_backtrace in (False, True):
        result = run(
            program, (leave,), context=None, ink=1_000_000, stack_words=1_000, arguments=(1,),
            with_backtrace=with_backtrace,
        )  # fmt: skip
        assert result.end == End.EXITED
        assert bool(result.backtrace) == with_backtrace
    assert traps == ["made", "freed"] * 2
