"""Host functions at their limits: the edges of memory, static calls, and gas that runs out."""

import pytest

from tests.chain.vm.support import CONTRACT, FakeAccount
from tests.chain.zvm.contracts import (
    OTHER,
    RELAYS,
    TARGET,
    accounts_of,
    contract,
    entry_gas,
    evm_returning,
    executor,
    invoke,
    path,
    relay_accounts,
    request_to,
    run_wasm,
    send,
    slots,
    unwrapped,
    word,
)
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.host_table import HOST_FUNCTIONS

PAGE = 65_536
HUGE = -1
"""An i32 with every bit set: 4,294,967,295 as a length or pointer."""


# Edges of memory. (name, arguments with None for the pointer under test, bytes that it stands for)

POINTERS: list[tuple[str, list[int | None], int]] = [
    ("read_args", [None], 5),
    ("write_result", [None, 5], 5),
    ("storage_load_bytes32", [None, 0], 32),
    ("storage_load_bytes32", [0, None], 32),
    ("storage_cache_bytes32", [None, 0], 32),
    ("storage_cache_bytes32", [0, None], 32),
    ("transient_load_bytes32", [None, 0], 32),
    ("transient_load_bytes32", [0, None], 32),
    ("transient_store_bytes32", [None, 0], 32),
    ("transient_store_bytes32", [0, None], 32),
    ("call_contract", [None, 0, 0, 0, 0, 0], 20),
    ("call_contract", [0, None, 7, 0, 0, 0], 7),
    ("call_contract", [0, 0, 0, None, 0, 0], 32),
    ("call_contract", [0, 0, 0, 0, 0, None], 4),
    ("delegate_call_contract", [None, 0, 0, 0, 0], 20),
    ("delegate_call_contract", [0, None, 7, 0, 0], 7),
    ("delegate_call_contract", [0, 0, 0, 0, None], 4),
    ("static_call_contract", [None, 0, 0, 0, 0], 20),
    ("static_call_contract", [0, None, 7, 0, 0], 7),
    ("static_call_contract", [0, 0, 0, 0, None], 4),
    ("create1", [None, 7, 0, 0, 0], 7),
    ("create1", [0, 0, None, 0, 0], 32),
    ("create1", [0, 0, 0, None, 0], 20),
    ("create1", [0, 0, 0, 0, None], 4),
    ("create2", [None, 7, 0, 0, 0, 0], 7),
    ("create2", [0, 0, None, 0, 0, 0], 32),
    ("create2", [0, 0, 0, None, 0, 0], 32),
    ("create2", [0, 0, 0, 0, None, 0], 20),
    ("create2", [0, 0, 0, 0, 0, None], 4),
    ("read_return_data", [None, 0, 10], 0),
    ("emit_log", [None, 40, 1], 40),
    ("account_balance", [None, 0], 20),
    ("account_balance", [0, None], 32),
    ("account_codehash", [None, 0], 20),
    ("account_codehash", [0, None], 32),
    ("account_code", [None, 0, 0, 0], 20),
    ("account_code", [64, 0, 100, None], 4),
    ("account_code_size", [None], 20),
    *[(name, [None], 32) for name in ("block_basefee", "msg_value", "tx_gas_price", "blobbasefee", "prevrandao")],
    *[(name, [None], 20) for name in ("block_coinbase", "contract_address", "code_address", "msg_sender", "tx_origin")],
    ("native_keccak256", [None, 7, 0], 7),
    ("native_keccak256", [0, 0, None], 32),
    ("math_div", [None, 0], 32),
    ("math_div", [0, None], 32),
    ("math_mod", [None, 0], 32),
    ("math_mod", [0, None], 32),
    ("math_pow", [None, 0], 32),
    ("math_pow", [0, None], 32),
    *[
        (name, [None if at == position else 0 for at in range(3)], 32)
        for name in ("math_add_mod", "math_mul_mod")
        for position in range(3)
    ],
    ("blockhash", [0, None], 32),
    ("selfdestruct", [None], 20),
]


def test_every_pointer_has_a_row() -> None:
    numbers = {
        *("exit_early", "storage_flush_cache", "return_data_size", "evm_gas_left", "evm_ink_left", "chainid"),
        *("block_gas_limit", "block_number", "block_timestamp", "msg_reentrant", "tx_ink_price"),
        *("pay_for_memory_grow", "is_constructing"),
    }
    assert {name for name, _, _ in POINTERS} | numbers == {name for _, name in HOST_FUNCTIONS}


def at_pointer(name: str, arguments: list[int | None], pointer: int) -> Outcome:
    call = invoke(name, *[pointer if argument is None else argument for argument in arguments])
    row = next(row for (_, known), row in HOST_FUNCTIONS.items() if known == name)
    code = contract(f"(drop {call})" if row.result else call, data={64: TARGET})
    return run_wasm(code, data=b"12345", others={TARGET: FakeAccount(nonce=1, code=b"\x01\x02\x03\x04")})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments", "size"), POINTERS)
def test_memory_ends_where_it_ends(name: str, arguments: list[int | None], size: int) -> None:
    assert at_pointer(name, arguments, PAGE - size).error is None
    for pointer in (PAGE - size + 1, HUGE):
        error = at_pointer(name, arguments, pointer).error
        assert error is not None
        assert error.kind is VmErrorKind.TRAP
        assert "memory access up to byte" in error.message


@pytest.mark.parametrize(
    "call",
    [
        invoke("write_result", 0, HUGE),
        invoke("native_keccak256", 0, HUGE, 0),
        invoke("emit_log", 0, HUGE, 0),
        f"(drop {invoke('call_contract', 0, 0, HUGE, 0, -1, 0)})",
        f"(drop {invoke('static_call_contract', 0, 0, HUGE, -1, 0)})",
        f"(drop {invoke('delegate_call_contract', 0, 0, HUGE, -1, 0)})",
        invoke("create1", 0, HUGE, 0, 0, 0),
        invoke("create2", 0, HUGE, 0, 0, 0, 0),
    ],
)
def test_a_huge_length_runs_out_of_gas_before_memory_is_looked_at(call: str) -> None:
    outcome = run_wasm(contract(call))
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.OUT_OF_GAS
    assert outcome.gas_used == 1_000_000


def test_a_huge_length_that_is_paid_for_is_a_trap() -> None:
    outcome = run_wasm(contract(invoke("emit_log", 0, 1 << 24, 0)), gas_limit=16_000_000)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.TRAP
    assert outcome.gas_used < 200_000


# Static calls

WRITES = {
    "storage_flush_cache": invoke("storage_cache_bytes32", 0, 0) + invoke("storage_flush_cache", 0),
    "transient_store_bytes32": invoke("transient_store_bytes32", 0, 0),
    "emit_log": invoke("emit_log", 0, 0, 0),
    "call_contract": f"(drop {invoke('call_contract', 0, 0, 0, 0, -1, 0)})",
    "create1": invoke("create1", 0, 0, 0, 0, 0),
    "create2": invoke("create2", 0, 0, 0, 0, 0, 0),
    "selfdestruct": invoke("selfdestruct", 0),
}
VALUE_1 = {0: word(1)}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("static", [("evm", "STATICCALL"), ("wasm", "STATICCALL")])
@pytest.mark.parametrize(
    "between", [None, ("evm", "CALL"), ("wasm", "CALL"), ("evm", "DELEGATECALL"), ("wasm", "DELEGATECALL")]
)
def test_what_writes_is_refused_in_a_static_call(
    name: str, static: tuple[str, str], between: tuple[str, str] | None
) -> None:
    """Also behind further calls. The gas comes back, as after any trap."""
    writer = contract(WRITES[name], data=VALUE_1)
    runner = executor({CONTRACT: FakeAccount(1, 10, writer)} | relay_accounts() | {OTHER: FakeAccount(1, 10)})
    way = [RELAYS[static]] + ([] if between is None else [RELAYS[between]])
    outcome = runner.call(request_to(way[0], path(*way[1:], CONTRACT)))
    assert outcome.error is None
    assert unwrapped(outcome.output, len(way)) == ([1] * (len(way) - 1) + [0], b"")
    assert outcome.gas_used < 200_000
    assert HOST_FUNCTIONS.get(("vm_hooks", name), HOST_FUNCTIONS.get(("zvm", name))).may_write
    if between is None or between[1] == "CALL":
        plain = runner.call(request_to(RELAYS["evm", "CALL"], path(CONTRACT)))
        assert unwrapped(plain.output, 1)[0] == [1]


def test_the_rows_that_may_write_are_those() -> None:
    assert {name for (_, name), row in HOST_FUNCTIONS.items() if row.may_write} == set(WRITES)


@pytest.mark.parametrize(
    "allowed",
    [
        invoke("storage_cache_bytes32", 0, 0),
        invoke("storage_load_bytes32", 0, 0) + invoke("storage_flush_cache", 1),
        invoke("transient_load_bytes32", 0, 0),
        f"(drop {invoke('call_contract', 64, 0, 0, 32, -1, 64)})",
        f"(drop {invoke('delegate_call_contract', 64, 0, 0, -1, 64)})",
    ],
)
def test_what_only_reads_goes_through_in_a_static_call(allowed: str) -> None:
    runner = executor({CONTRACT: FakeAccount(1, 10, contract(allowed, data=VALUE_1))} | relay_accounts())
    outcome = runner.call(request_to(RELAYS["evm", "STATICCALL"], path(CONTRACT)))
    assert unwrapped(outcome.output, 1)[0] == [1]


# Running out


@pytest.mark.parametrize(
    "instructions",
    [
        invoke("storage_load_bytes32", 0, 0),
        invoke("storage_cache_bytes32", 0, 32) + invoke("storage_flush_cache", 0),
        invoke("emit_log", 0, 100, 1),
        invoke("native_keccak256", 0, 10_000, 0),
        invoke("account_balance", 0, 0),
        invoke("create1", 0, 0, 64, 0, 0),
        invoke("blockhash", 0, 0),
        invoke("transient_store_bytes32", 0, 0),
        f"(drop {invoke('read_return_data', 0, 0, 0)})",
        invoke("math_pow", 0, 0),
        invoke("pay_for_memory_grow", 3),
    ],
)
def test_one_gas_short_is_out_of_gas_with_nothing_left_and_nothing_done(instructions: str) -> None:
    code = contract(instructions, data={0: word(1), 32: word(5)})
    needed = run_wasm(code).gas_used_before_refund
    assert run_wasm(code, gas_limit=needed).error is None
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code)})
    outcome = send(runner, CONTRACT, gas_limit=needed - 1)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.OUT_OF_GAS
    assert (outcome.gas_used, outcome.logs, outcome.output) == (needed - 1, (), b"")
    assert slots(runner, CONTRACT, [1]) == [0]
    assert runner.state.get_nonce(CONTRACT) == 1


@pytest.mark.parametrize(("gas_left", "succeeds"), [(2_310, True), (2_309, False)])
def test_a_cached_write_needs_2310_gas_left(gas_left: int, succeeds: bool) -> None:
    """As the call's stipend, 2,300, must not suffice."""
    code = contract(invoke("storage_cache_bytes32", 0, 0))
    entry_and_block = entry_gas(code) * 10_000 + 2_450 + 2 + 3_800 + 48_480
    gas = -(-entry_and_block // 10_000)
    outcome = run_wasm(code, gas_limit=21_000 + gas + gas_left)
    assert (outcome.error is None) == succeeds


@pytest.mark.parametrize(("gas_left", "succeeds"), [(2_301, True), (2_300, False)])
def test_a_flush_needs_more_than_2300_gas_left(gas_left: int, succeeds: bool) -> None:
    code = contract(invoke("storage_flush_cache", 0))
    gas = -(-(entry_gas(code) * 10_000 + 2_450 + 1 + 3_800 + 98_073) // 10_000)
    outcome = run_wasm(code, gas_limit=21_000 + gas + gas_left)
    assert (outcome.error is None) == succeeds


def test_instructions_of_later_forks_are_traps_before_them() -> None:
    """A chain may have contracts in WebAssembly under any fork."""
    cases = [
        (Fork.SHANGHAI, invoke("transient_load_bytes32", 0, 0)),
        (Fork.FRONTIER, f"(drop {invoke('static_call_contract', 0, 0, 0, -1, 64)})"),
        (Fork.FRONTIER, f"(drop {invoke('delegate_call_contract', 0, 0, 0, -1, 64)})"),
        (Fork.BYZANTIUM, invoke("create2", 0, 0, 64, 64, 0, 0)),
        (Fork.BYZANTIUM, invoke("account_codehash", 0, 0)),
    ]
    for fork, instructions in cases:
        runner = executor(accounts_of({CONTRACT: contract(instructions)}), fork=fork)
        outcome = runner.call(request_to(CONTRACT, b""))
        assert outcome.error is not None
        assert outcome.error.kind is VmErrorKind.TRAP
        assert outcome.gas_used < 1_000_000


@pytest.mark.parametrize("fork", list(Fork))
def test_storage_calls_and_logs_work_under_every_fork(fork: Fork) -> None:
    code = contract(
        invoke("storage_load_bytes32", 0, 64)
        + invoke("storage_cache_bytes32", 0, 0)
        + invoke("storage_flush_cache", 1)
        + f"(drop {invoke('call_contract', 96, 0, 0, 128, 50000, 160)})"
        + invoke("create1", 0, 0, 128, 200, 260)
        + invoke("account_balance", 96, 300)
        + invoke("emit_log", 0, 32, 1),
        data={0: word(1), 96: TARGET},
    )
    runner = executor(accounts_of({CONTRACT: code, TARGET: evm_returning("1")}), fork=fork)
    outcome = runner.call(request_to(CONTRACT, b"", sender=OTHER))
    assert outcome.error is None
    assert len(outcome.logs) == 1
    assert runner.state.get_storage(CONTRACT, 1) == 1


@pytest.mark.parametrize(
    "first",
    [
        invoke("read_args", 0),
        f"(drop {invoke('read_return_data', 0, 0, 0)})",
        f"(drop {invoke('account_code', 0, 0, 0, 0)})",
        invoke("write_result", 0, 0),
        invoke("native_keccak256", 0, 0, 0),
        invoke("emit_log", 0, 0, 0),
    ],
)
def test_nothing_may_be_read_and_written_before_anything_else(first: str) -> None:
    assert run_wasm(contract(first)).error is None
