"""Host functions of the core against those in Python: random programs, a full storage cache, and the check mode.

Under the flat prices of `covenant` frames are Python's and call them; under the others frames are the core's too.
"""

from dataclasses import replace

import pytest
from wasmtime import wat2wasm

from verification.wasm import hosts
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.interface import Outcome
from zevm.chain.zvm.host import native
from zevm.chain.zvm.host.functions.environment import VALUES
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS, HOST_FUNCTIONS
from zevm.chain.zvm.price_table import PRICE_TABLES
from zevm.core import CORE

pytestmark = pytest.mark.skipif(CORE.library is None, reason="there is no core")

IN_FRAMES_OF_PYTHON = "covenant"
TABLES = pytest.mark.parametrize("table", ["zvm", IN_FRAMES_OF_PYTHON])

SLOTS = 1 << 16
"""`most_slots` of core/zig/wasm_storage.zig."""


def program(body: str, **changes: object) -> hosts.Program:
    """A contract with every host function of vm_hooks among its imports."""
    imports = " ".join(hosts.import_of(key, row) for key, row in HOST_FUNCTIONS.items() if key[0] == "vm_hooks")
    code = f"""(module {imports} (memory (export "memory") 1 4)
      (func (export "user_entrypoint") (param $n i32) (result i32) (local $i i32) {body} (i32.const 0)))"""
    whole = hosts.Program(bytes(wat2wasm(code)), b"", 10_000_000, 0, IN_FRAMES_OF_PYTHON)
    return whole._replace(**changes)


def agreed(whole: hosts.Program) -> Outcome:
    """The outcome, the same with both sets of functions."""
    core, reference = (hosts.run(whole, engine) for engine in (Engine.NATIVE, Engine.PY_EVM))
    assert core == reference
    return core[0]


def test_the_core_has_functions_of_the_table_alone() -> None:
    assert CORE.library is not None
    names = {name for _, name in HOST_FUNCTIONS}
    assert len(CORE.library.wasm_functions()) == 30
    assert set(CORE.library.wasm_functions()) <= names
    assert set(CORE.library.wasm_machine_functions()) == {name for _, name in ALL_HOST_FUNCTIONS}


@pytest.mark.parametrize("first", range(1, 101, 20))
def test_random_programs_end_alike(first: int) -> None:
    assert [hosts.difference(seed) for seed in range(first, first + 20)] == [None] * 20


def test_a_program_calls_the_functions_of_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    value = native.NativeHost.value

    def noted(self: native.NativeHost, index: int) -> object:
        asked.append(index)
        return value(self, index)

    monkeypatch.setattr(native.NativeHost, "value", noted)
    ask = "(call $msg_sender (i32.const 0)) (call $msg_sender (i32.const 32))"
    outcome = agreed(program(f"{ask} (call $write_result (i32.const 12) (i32.const 40))"))
    assert outcome.output == hosts.SENDER[12:] + bytes(12) + hosts.SENDER
    # once, and not by the run with functions in Python
    assert asked == [list(VALUES).index("msg_sender")]


@TABLES
@pytest.mark.parametrize("size", [0, 127, 128, 129, 70_000])
def test_the_last_output_counts_whatever_its_length(size: int, table: str) -> None:
    places = ((0, 128), (1, 65_000), (2, size))
    writes = "".join(f"(call $write_result (i32.const {at}) (i32.const {length}))" for at, length in places)
    outcome = agreed(
        program(f"(i64.store (i32.const 2) (i64.const -1)) (drop (memory.grow (i32.const 1))) {writes}", table=table)
    )
    assert outcome.output == (b"\xff" * 8 + bytes(70_000))[:size]


@TABLES
@pytest.mark.slow
def test_a_cache_that_is_too_large_for_the_core_goes_on_in_python(table: str) -> None:
    body = f"""
      (i32.store (i32.const 32) (i32.const 9))
      (loop $again
        (i32.store (i32.const 0) (local.get $i))
        (call $storage_cache_bytes32 (i32.const 0) (i32.const 32))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {SLOTS + 3}))))
      (i32.store (i32.const 0) (i32.const 5)) (call $storage_load_bytes32 (i32.const 0) (i32.const 64))
      (i32.store (i32.const 0) (i32.const -1)) (call $storage_load_bytes32 (i32.const 0) (i32.const 96))
      (call $storage_flush_cache (i32.const 1))
      (i32.store (i32.const 0) (i32.const {SLOTS + 2})) (call $storage_load_bytes32 (i32.const 0) (i32.const 128))
      (call $write_result (i32.const 64) (i32.const 96))"""
    outcome = agreed(program(body, gas_limit=1 << 40, table=table))
    nine = b"\x09".ljust(32, b"\0")
    assert (outcome.error, outcome.output) == (None, nine + bytes(32) + nine)


def test_the_check_mode_sees_another_price(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = program("(call $native_keccak256 (i32.const 0) (i32.const 200) (i32.const 0))")
    outcome, _ = hosts.run(whole, Engine.CHECK)
    assert outcome.error is None
    table, packed = PRICE_TABLES[IN_FRAMES_OF_PYTHON], native.packed_prices
    prices = replace(table.host_functions, keccak_word=table.host_functions.keccak_word + 10_000)
    monkeypatch.setattr(native, "packed_prices", lambda _: packed(replace(table, host_functions=prices)))
    with pytest.raises(EngineDifferenceError, match="the engines do not agree: gas"):
        hosts.run(whole, Engine.CHECK)
    assert hosts.run(whole, Engine.NATIVE) != hosts.run(whole, Engine.PY_EVM)


def test_an_exception_of_a_question_ends_the_run_and_nothing_stays_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = program("(call $storage_load_bytes32 (i32.const 0) (i32.const 32))")
    hosts.run(whole, Engine.NATIVE)

    def broken(*_: object) -> bytes:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(native, "load_slot", broken)
    before = CORE.memory_bytes
    with pytest.raises(RuntimeError, match="the disk is gone"):
        hosts.run(whole, Engine.NATIVE)
    assert CORE.memory_bytes == before


def test_runs_leave_nothing_in_the_core() -> None:
    programs = [hosts.program_of(seed) for seed in range(1, 11)]
    for whole in programs:
        hosts.run(whole, Engine.NATIVE)
    before = CORE.memory_bytes
    for whole in programs:
        hosts.run(whole, Engine.NATIVE)
    assert CORE.memory_bytes == before


def test_a_run_without_memory_in_the_core_takes_place_in_python() -> None:
    assert CORE.library is not None
    whole = hosts.program_of(3)
    wanted = hosts.run(whole, Engine.NATIVE)
    used, _, limit = CORE.library.memory()
    CORE.library.limit_memory(used)
    try:
        found = hosts.run(whole, Engine.NATIVE)
    finally:
        CORE.library.limit_memory(limit)
    assert found == wanted
