"""What modules print: lines on a development chain, a refusal elsewhere."""

import pytest
from wasmtime import wat2wasm

from tests.chain.vm.support import CONTRACT, FakeAccount, environment_of, state_of
from tests.chain.zvm.contracts import executor, request_to, send
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import CONSOLE_HOST_FUNCTIONS
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import PRICE_TABLES, ZVM
from zevm.storage.database import Database

TEXT = "höhe \\ff"
MODULE = bytes(
    wat2wasm(f"""(module
      (import "console" "log_txt" (func $text (param i32 i32)))
      (import "console" "log_i32" (func $short (param i32)))
      (import "console" "log_i64" (func $long (param i64)))
      (import "console" "tee_i32" (func $tee_short (param i32) (result i32)))
      (import "console" "tee_i64" (func $tee_long (param i64) (result i64)))
      (memory (export "memory") 1 1) (data (i32.const 8) "{TEXT}")
      (func (export "user_entrypoint") (param i32) (result i32)
        (call $text (i32.const 8) (i32.const 7))
        (call $short (i32.const -5))
        (call $long (i64.const -9223372036854775808))
        (drop (i64.eqz (call $tee_long (i64.const 12))))
        (i32.sub (call $tee_short (i32.const 7)) (i32.const 7))))""")
)
LINES = ["höhe \N{REPLACEMENT CHARACTER}", "-5", "-9223372036854775808", "12", "7"]


@pytest.fixture
def development() -> Executor:
    machine = ZvmMachine("zvm", console=True)
    return Executor(environment_of(Fork.OSAKA, wasm_machine=machine), state_of({CONTRACT: FakeAccount(1, 0, MODULE)}))


def call(runner: Executor) -> Outcome:
    return runner.call(request_to(CONTRACT))


def test_z13_a_module_prints_on_a_development_chain(development: Executor) -> None:
    outcome = call(development)
    assert (outcome.error, outcome.console) == (None, LINES)
    assert send(development, None, MODULE).error is None


def test_z13_a_line_costs_what_a_log_costs(development: Executor) -> None:
    """What is kept until the block is told of is bounded by the gas that it costs."""
    assert call(development).gas_used > 21_000 + 700 + 5 * 375 + 8 * 7


@pytest.mark.parametrize("key", CONSOLE_HOST_FUNCTIONS, ids=lambda key: key[1])
def test_z13_elsewhere_each_is_refused_by_its_name(key: tuple[str, str]) -> None:
    row, kinds = CONSOLE_HOST_FUNCTIONS[key], {"i": "i32", "I": "i64", "": ""}
    parameters = " ".join(kinds[kind] for kind in row.parameters)
    result = f"(result {kinds[row.result]})" if row.result else ""
    module = bytes(
        wat2wasm(f"""(module (import "{key[0]}" "{key[1]}" (func (param {parameters}) {result}))
          (memory (export "memory") 1 1) (func (export "user_entrypoint") (param i32) (result i32) (local.get 0)))""")
    )
    for schedule in PRICE_TABLES.values():
        with pytest.raises(ModuleRefusedError, match=f"{key[0]}.{key[1]} is available on development chains only"):
            prepare(module, schedule)
        assert prepare(module, schedule.with_console()).imports == (key,)


def test_z13_a_chain_without_development_refuses_the_creation() -> None:
    outcome = send(executor({}), None, MODULE)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.INVALID_MODULE


def test_z13_floats_are_not_printed() -> None:
    with pytest.raises(ModuleRefusedError):
        prepare(bytes(wat2wasm('(module (import "console" "log_f64" (func (param f64))))')), ZVM.with_console())


def test_z13_the_default_chain_is_for_development() -> None:
    chain = Chain(Database.open(None), load_default_genesis(), None, Clock(lambda: 1_900_000_000))
    assert chain.zvm is not None
    assert chain.zvm.price_table.console
    chain.close()
