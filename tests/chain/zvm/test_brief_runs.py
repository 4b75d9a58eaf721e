"""Functions on a thread that others wait for: they end as on any other, or are given back."""

import time
from dataclasses import fields
from types import SimpleNamespace

import pytest

from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount
from tests.chain.zvm.contracts import contract, executor, invoke, machine, module, returning, word
from tests.chain.zvm.test_outcomes import ENDINGS, LIMIT
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.zvm.brief_runs import BRIEF_GAS, BRIEF_PAGES, BRIEF_STACK_WORDS
from zevm.chain.zvm.functions import FunctionCall, FunctionResult, run_function
from zevm.chain.zvm.host_table import HOST_FUNCTIONS, VM_HOOKS
from zevm.chain.zvm.runtime import native_stack

COUNTED = """(func (export "count") (param i32) (result i32) (local $i i32)
  (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0)))) (local.get $i))"""
DEEP = """(func $deep (export "deep") (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0))
  (then (i32.const 7)) (else (call $deep (i32.sub (local.get 0) (i32.const 1))))))"""


def brief() -> BriefDeadline:
    """One whose time does not come."""
    return BriefDeadline(time.monotonic() + 60, Cancellation())


def function_of(code: bytes, deadline: Deadline | None = None, **call: object) -> FunctionResult | None:
    """The result on a worker, or under a BriefDeadline; None if the run is given back."""
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code)})
    request = FunctionCall(**({"address": CONTRACT, "sender": SENDER, "gas_limit": LIMIT} | call))
    reader = runner.state.fork_reader()
    try:
        return run_function(machine(), runner.environment, reader, request, deadline=deadline or Deadline.after(60))
    except NotBriefError:
        return None


def is_brief(code: bytes, **call: object) -> bool:
    """Whether it runs briefly; it must then end as on a worker, which runs it first."""
    whole, found = function_of(code, **call), function_of(code, brief(), **call)
    assert whole is not None
    for field in fields(FunctionResult):
        if found is not None and field.name != "before":
            assert getattr(found, field.name) == getattr(whole, field.name), field.name
    return found is not None


@pytest.mark.parametrize("name", ENDINGS)
def test_every_end_is_the_same(name: str) -> None:
    for gas_limit in (LIMIT, BRIEF_GAS, 1_000, 710, 700, 100):
        is_brief(ENDINGS[name][0], gas_limit=gas_limit)


def test_what_is_short_is_not_given_back() -> None:
    short = {name for name in ENDINGS if is_brief(ENDINGS[name][0])}
    assert {"success", "exit with 0", "status 1", "unreachable", "division by zero"} <= short
    assert not short & {"loop", "recursion"}


def test_gas_about_its_share_changes_nothing() -> None:
    code = module(COUNTED)
    call = {"address": None, "module": code, "name": "count"}
    found = [
        is_brief(b"", **call, arguments=[count], gas_limit=gas_limit)
        for count in range(1, 200_000, 19_000)
        for gas_limit in (LIMIT, BRIEF_GAS + 700, BRIEF_GAS, 2_000)
    ]
    assert True in found
    assert False in found


def test_what_the_gas_pays_beyond_the_run_is_no_part_of_its_share() -> None:
    """Slots that are written cost more than the share."""
    write = invoke("storage_cache_bytes32", 0, 32) + invoke("storage_flush_cache", 0)
    code = returning(write, data={32: word(5)})
    assert not is_brief(code)
    assert is_brief(returning(invoke("storage_load_bytes32", 0, 32)))


@pytest.mark.parametrize("row", [row for row, function in HOST_FUNCTIONS.items() if function.apart])
def test_what_may_tell_of_the_share_is_given_back(row: tuple[str, str]) -> None:
    function = HOST_FUNCTIONS[row]
    kinds = {"i": "i32", "I": "i64"}
    parameters = "".join(f"(param {kinds[kind]})" for kind in function.parameters)
    result = f"(result {kinds[function.result]})" if function.result else ""
    imported = f'(import "{row[0]}" "{row[1]}" (func $it {parameters} {result}))'
    code = module('(func (export "one") (result i32) (i32.const 1))', imports=imported)
    assert not is_brief(b"", address=None, module=code, name="one", arguments=[])


def test_the_functions_that_tell_the_gas_are_apart() -> None:
    rows = {name: row for (where, name), row in HOST_FUNCTIONS.items() if where == VM_HOOKS}
    assert all(rows[name].apart for name in ("evm_gas_left", "evm_ink_left"))
    # the calls, which take gas as a parameter
    assert all(row.apart for row in rows.values() if "I" in row.parameters)


def test_stack_and_pages_are_bounded() -> None:
    code = module(DEEP)
    call = {"address": None, "module": code, "name": "deep"}
    assert is_brief(b"", **call, arguments=[10])
    assert not is_brief(b"", **call, arguments=[BRIEF_STACK_WORDS])
    for pages in (BRIEF_PAGES, BRIEF_PAGES + 1):
        assert is_brief(contract("", memory=f"{pages} {pages}")) == (pages == BRIEF_PAGES)


@pytest.mark.parametrize("size", [0, 512 * 1024])
def test_a_thread_that_may_lack_the_native_stack_runs_nothing(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """0: the platform does not tell the size. Workers are started with the stack that they need."""
    code = ENDINGS["success"][0]
    assert is_brief(code)
    with monkeypatch.context() as patch:
        patch.setattr(native_stack, "_bounds", SimpleNamespace(low=0, size=size))
        assert function_of(code, brief()) is None
    assert function_of(code, brief()) is not None


def test_no_module_is_compiled_under_a_brief_deadline() -> None:
    code = module('(func (export "unseen") (result i32) (i32.const 20261130))')
    call = {"address": None, "module": code, "name": "unseen", "arguments": []}
    assert function_of(b"", brief(), **call) is None
    assert function_of(b"", **call) is not None
    assert function_of(b"", brief(), **call) is not None


def test_a_brief_deadline_that_has_passed_gives_the_run_back() -> None:
    code = ENDINGS["success"][0]
    assert is_brief(code)
    assert function_of(code, BriefDeadline(time.monotonic() - 1, Cancellation())) is None
