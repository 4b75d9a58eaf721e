"""What every host function does: its result, the edges of memory, static calls, and what running out leaves."""

import pytest

from chain.forks import Fork
from chain.types import Log
from chain.vm.interface import Outcome, VmErrorKind
from chain.zvm.hook_table import HOOKS
from storage.keccak import EMPTY_KECCAK, keccak256
from tests.chain.vm.support import COINBASE, CONTRACT, ETHER, GWEI, SENDER, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    RELAYS,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    evm_returning,
    executor,
    invoke,
    module,
    path,
    relay_accounts,
    request_to,
    returning,
    run_wasm,
    send,
    slots,
    unwrapped,
    wasm_relay,
    word,
)

PAGE = 65_536
HUGE = -1
"""An i32 with every bit set: 4,294,967,295 as a length or pointer."""
RANDAO = bytes(range(32))


def returned(instructions: str, size: int = 32, **options: object) -> bytes:
    data = options.pop("data", {})
    request_data = options.pop("call_data", b"")
    outcome = run_wasm(returning(instructions, size, data=data), data=request_data, **options)  # type: ignore[arg-type]
    assert outcome.error is None, outcome.error
    return outcome.output


def number(name: str, *arguments: int, **options: object) -> int:
    """The result of a host function."""
    row = next(row for (_, known), row in HOOKS.items() if known == name)
    store = "i64.store" if row.result == "I" else "i32.store"
    output = returned(f"({store} (i32.const 0) {invoke(name, *arguments)})", 8, **options)
    return int.from_bytes(output, "little")


# Call data and output


def test_call_data_arrives_and_its_length_is_the_argument() -> None:
    code = contract(invoke("read_args", 100) + invoke("write_result", 100, "(local.get $n)"))
    for data in (b"", b"\x01", bytes(range(1, 200))):
        outcome = run_wasm(code, data=data)
        assert (outcome.error, outcome.output) == (None, data)


def test_the_last_result_counts_and_the_contract_goes_on() -> None:
    code = contract(invoke("write_result", 0, 32) + invoke("write_result", 0, 3), data={0: b"abc"})
    assert run_wasm(code).output == b"abc"
    assert run_wasm(contract("")).output == b""


@pytest.mark.parametrize("status", [0, 1, 2, 77, -1])
def test_exit_early_ends_with_its_status_and_the_output_so_far(status: int) -> None:
    code = contract(
        invoke("write_result", 0, 3) + invoke("exit_early", status) + invoke("write_result", 0, 1) + "(unreachable)",
        data={0: b"abc"},
    )
    outcome = run_wasm(code)
    assert outcome.output == b"abc"
    assert (outcome.error is None) == (status == 0)
    if outcome.error is not None:
        assert (outcome.error.kind, outcome.error.status) == (VmErrorKind.REVERT, status & 0xFFFFFFFF)


# Block, transaction, message


@pytest.mark.parametrize(
    ("name", "expected"),
    [("chainid", 31_337), ("block_gas_limit", 60_000_000), ("block_number", 1), ("block_timestamp", 1_000)],
)
def test_the_block_in_numbers(name: str, expected: int) -> None:
    assert number(name) == expected


def test_the_block_and_the_message_in_memory() -> None:
    names = ["block_basefee", "msg_value", "tx_gas_price", "blobbasefee", "prevrandao"]
    addresses = ["block_coinbase", "contract_address", "msg_sender", "tx_origin"]
    body = "".join(invoke(name, 32 * index) for index, name in enumerate(names + addresses))
    runner = executor(
        {CONTRACT: FakeAccount(nonce=1, code=returning(body, 32 * 9))} | relay_accounts(),
        prev_randao=RANDAO,
        blob_base_fee=77,
    )
    relay = RELAYS["evm", "CALL"]
    # a transaction has no output to look at, so the relay's receipt is a log of the words
    logger = contract(body + invoke("emit_log", 0, 288, 0))
    runner.state.set_code(TARGET, logger)
    outcome = send(runner, relay, path(TARGET), value=5)
    content = outcome.logs[0].data
    words = [content[start : start + 32] for start in range(0, 288, 32)]
    assert words[:5] == [word(GWEI), word(5), word(2 * GWEI), word(77), RANDAO]
    assert words[5:] == [address + bytes(12) for address in (COINBASE, TARGET, relay, SENDER)]


def test_ink_and_gas_left_agree() -> None:
    body = f"(i64.store (i32.const 0) {invoke('evm_ink_left')}) (i64.store (i32.const 8) {invoke('evm_gas_left')})"
    output = returned(body, 16)
    ink, gas = int.from_bytes(output[:8], "little"), int.from_bytes(output[8:], "little")
    assert gas == (ink - (2_450 + 950 + 1 + 3_800 + 38_400)) // 10_000
    assert number("tx_ink_price") == 10_000


def test_block_hashes_reach_back_256_blocks() -> None:
    for asked, known in ((299, True), (44, True), (43, False), (300, False), (2**64 - 1, False)):
        code = returning(invoke("blockhash", "(i64.load (i32.const 64))", 0), data={64: asked.to_bytes(8, "little")})
        runner = executor(accounts_of({CONTRACT: code} | {TARGET: evm_relay("CALL")}), number=300)
        outcome = runner.call(request_to(TARGET, path(CONTRACT)))
        expected = keccak256(str(asked).encode()) if known else bytes(32)
        assert unwrapped(outcome.output, 1) == ([1], expected)


# Accounts


ACCOUNTS = {
    OTHER: FakeAccount(balance=3 * ETHER),
    TARGET: FakeAccount(nonce=1, code=b"\x60\x01\x02\x03"),
}


@pytest.mark.parametrize(
    ("address", "balance", "code", "code_hash"),
    [
        (OTHER, 3 * ETHER, b"", EMPTY_KECCAK),
        (TARGET, 0, b"\x60\x01\x02\x03", keccak256(b"\x60\x01\x02\x03")),
        (NOBODY, 0, b"", bytes(32)),
    ],
)
def test_accounts_are_what_they_are_to_the_evm(address: bytes, balance: int, code: bytes, code_hash: bytes) -> None:
    body = (
        invoke("account_balance", 256, 0)
        + invoke("account_codehash", 256, 32)
        + f"(i32.store (i32.const 64) {invoke('account_code_size', 256)})"
        + f"(i32.store (i32.const 68) {invoke('account_code', 256, 0, 100, 72)})"
    )
    output = returned(body, 80, data={256: address}, others=ACCOUNTS)
    assert output[:32] == word(balance)
    assert output[32:64] == code_hash
    assert [int.from_bytes(output[at : at + 4], "little") for at in (64, 68)] == [len(code)] * 2
    assert output[72:80] == code.ljust(8, b"\0")


@pytest.mark.parametrize(
    ("offset", "size", "part"),
    [(1, 2, b"\x01\x02"), (3, 100, b"\x03"), (4, 1, b""), (HUGE, HUGE, b""), (0, 0, b""), (2, HUGE, b"\x02\x03")],
)
def test_a_part_of_an_accounts_code_never_reaches_past_its_end(offset: int, size: int, part: bytes) -> None:
    body = f"(i32.store (i32.const 0) {invoke('account_code', 256, offset, size, 4)})"
    output = returned(body, 12, data={256: TARGET, 4: b"\xee" * 8}, others=ACCOUNTS)
    assert output == len(part).to_bytes(4, "little") + part.ljust(8, b"\xee")


# Arithmetic

WORDS = [0, 1, 2, 3, 255, 1 << 128, (1 << 255) + 5, (1 << 256) - 1]
BINARY = {
    "math_div": lambda a, b: a // b if b else 0,
    "math_mod": lambda a, b: a % b if b else 0,
    "math_pow": lambda a, b: pow(a, b, 1 << 256),
}
TERNARY = {
    "math_add_mod": lambda a, b, c: (a + b) % c if c else 0,
    "math_mul_mod": lambda a, b, c: a * b % c if c else 0,
}


@pytest.mark.parametrize("name", [*BINARY, *TERNARY])
def test_arithmetic_is_the_evms(name: str) -> None:
    operands = 2 if name in BINARY else 3
    count = operands * 32
    body = invoke("read_args", 0) + invoke(name, *range(0, count, 32))
    code = returning(body, count)
    function = (BINARY | TERNARY)[name]
    for position, first in enumerate(WORDS):
        numbers = [first, WORDS[(position * 3 + 1) % len(WORDS)], WORDS[(position * 5 + 2) % len(WORDS)]][:operands]
        for arguments in (numbers, [*numbers[:-1], 0], [first] * operands):
            output = run_wasm(code, data=b"".join(map(word, arguments))).output
            assert output == word(function(*arguments)) + b"".join(map(word, arguments[1:]))


def test_operands_may_be_one_and_overlap() -> None:
    body = invoke("math_mul_mod", 0, 0, 16)
    data = bytes(range(1, 49))
    first, third = int.from_bytes(data[:32], "big"), int.from_bytes(data[16:48], "big")
    assert returned(body, 32, data={0: data}) == word(first * first % third)


def test_hashing() -> None:
    body = "".join(invoke("native_keccak256", 0, size, 1_024 + 32 * index) for index, size in enumerate((0, 3, 200)))
    code = contract(body + invoke("write_result", 1_024, 96), data={0: b"abc"})
    expected = [keccak256(content) for content in (b"", b"abc", b"abc" + bytes(197))]
    assert run_wasm(code).output == b"".join(expected)
    assert returned(invoke("native_keccak256", 0, 32, 0)) == keccak256(bytes(32))


# Storage


def storing(*steps: str, size: int = 32, at: int = 512) -> bytes:
    return returning("".join(steps), size, at, data={0: word(1), 32: word(2), 64: word(3), 96: word(0)})


KEY, TWO, THREE, NOTHING, OUT = 0, 32, 64, 96, 512


def stored(code: bytes, value: int = 9, status: int = 1) -> tuple[bytes, int]:
    """(output, slot 1 afterwards) of a transaction; the slot has `value` before."""
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code, storage={1: value})} | relay_accounts())
    logged = runner.call(request_to(RELAYS["evm", "CALL"], path(CONTRACT)))
    words, output = unwrapped(logged.output, 1)
    assert words == [status]
    send(runner, CONTRACT)
    return output, runner.state.get_storage(CONTRACT, 1)


LOAD = invoke("storage_load_bytes32", KEY, OUT)
WRITE_TWO, WRITE_THREE = invoke("storage_cache_bytes32", KEY, TWO), invoke("storage_cache_bytes32", KEY, THREE)
FLUSH, CLEAR = invoke("storage_flush_cache", 0), invoke("storage_flush_cache", 1)


def test_a_write_is_read_back_but_lost_without_a_flush() -> None:
    assert stored(storing(WRITE_TWO, LOAD)) == (word(2), 9)
    assert stored(storing(WRITE_TWO, FLUSH, WRITE_THREE, LOAD)) == (word(3), 2)


def test_a_flush_writes_the_last_value() -> None:
    assert stored(storing(WRITE_THREE, WRITE_TWO, FLUSH, LOAD)) == (word(2), 2)
    assert stored(storing(LOAD, WRITE_TWO, CLEAR, LOAD)) == (word(2), 2)
    assert stored(storing(WRITE_TWO, FLUSH, WRITE_THREE, CLEAR)) == (bytes(32), 3)


def test_a_flush_is_what_later_writes_are_compared_with() -> None:
    """Read 9, write and flush 2, write and flush 9: the last one is a change again."""
    back = invoke("storage_cache_bytes32", KEY, OUT)
    assert stored(storing(LOAD, WRITE_TWO, FLUSH, back, FLUSH), value=9)[1] == 9
    assert stored(storing(LOAD, WRITE_TWO, FLUSH, FLUSH, LOAD)) == (word(2), 2)


def test_a_cleared_cache_has_nothing_left_to_flush() -> None:
    other = invoke("storage_cache_bytes32", TWO, THREE)
    assert stored(storing(WRITE_TWO, CLEAR, other, FLUSH, LOAD)) == (word(2), 2)


def test_a_value_written_back_is_not_dirty() -> None:
    """Read 9, write 2, write 9: nothing changed, so a static call may flush it."""
    back = invoke("storage_cache_bytes32", KEY, OUT)
    clean = storing(LOAD, WRITE_TWO, back, FLUSH)
    dirty = storing(LOAD, WRITE_TWO, FLUSH)
    unread = storing(WRITE_TWO, FLUSH)
    accounts = {
        address: FakeAccount(nonce=1, code=code, storage={1: 9})
        for address, code in ((CONTRACT, clean), (TARGET, dirty), (OTHER, unread))
    }
    runner = executor(accounts | relay_accounts())
    for address, succeeded in ((CONTRACT, 1), (TARGET, 0), (OTHER, 0)):
        outcome = runner.call(request_to(RELAYS["wasm", "STATICCALL"], path(address)))
        assert unwrapped(outcome.output, 1)[0] == [succeeded]


def test_the_cache_does_not_see_what_others_write_until_it_is_cleared() -> None:
    """A contract that delegates to code which stores 7 in slot 1 goes on with its own copy."""
    storer = assemble("7 1 SSTORE")
    call = f"(drop {invoke('delegate_call_contract', 128, 0, 0, -1, 256)})"
    for between, seen in (("", 9), (FLUSH, 9), (CLEAR, 7)):
        code = returning(LOAD + call + between + LOAD, 32, OUT, data={0: word(1), 128: TARGET})
        accounts = {CONTRACT: FakeAccount(1, 0, code, {1: 9}), TARGET: FakeAccount(1, 0, storer)}
        outcome = executor(accounts).call(request_to(CONTRACT, b""))
        assert (outcome.error, outcome.output) == (None, word(seen))


def test_transient_slots_last_the_transaction_and_belong_to_the_account() -> None:
    """The same contract, called twice by a relay in one transaction, finds what it left; the next one does not."""
    add = invoke("transient_load_bytes32", KEY, OUT) + (
        f"(i32.store8 (i32.const {OUT + 31}) (i32.add (i32.load8_u (i32.const {OUT + 31})) (i32.const 1)))"
        + invoke("transient_store_bytes32", KEY, OUT)
    )
    code = storing(add)
    twice = assemble(
        f"0 0 0 0 0 0x{CONTRACT.hex()} GAS CALL POP 32 0 0 0 0 0x{CONTRACT.hex()} GAS CALL POP 32 0 RETURN"
    )
    runner = executor(accounts_of({CONTRACT: code, TARGET: twice}))
    for _ in range(2):
        assert runner.call(request_to(TARGET, b"")).output == word(2)


def test_logs_have_their_topics_and_the_acting_account() -> None:
    topics = [bytes([index]) * 32 for index in range(1, 5)]
    body = "".join(invoke("emit_log", 0, 32 * count + size, count) for count, size in ((0, 0), (0, 7), (2, 9), (4, 0)))
    code = contract(body, data={0: b"".join(topics) + bytes(100)})
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code)} | relay_accounts())
    flat = b"".join(topics) + bytes(100)
    expected = [((), b""), ((), flat[:7]), (tuple(topics[:2]), flat[64:73]), (tuple(topics), b"")]
    assert send(runner, CONTRACT).logs == tuple(Log(CONTRACT, *part) for part in expected)
    delegating = RELAYS["evm", "DELEGATECALL"]
    assert send(runner, delegating, path(CONTRACT)).logs == tuple(Log(delegating, *part) for part in expected)


@pytest.mark.parametrize(("length", "topics"), [(160, 5), (31, 1), (127, 4), (0, HUGE), (HUGE, 5)])
def test_a_log_without_room_for_its_topics_is_a_trap(length: int, topics: int) -> None:
    outcome = run_wasm(contract(invoke("emit_log", 0, length, topics)))
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.TRAP


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
    *[(name, [None], 20) for name in ("block_coinbase", "contract_address", "msg_sender", "tx_origin")],
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
    assert {name for name, _, _ in POINTERS} | numbers == {name for _, name in HOOKS}


def at_pointer(name: str, arguments: list[int | None], pointer: int) -> Outcome:
    call = invoke(name, *[pointer if argument is None else argument for argument in arguments])
    row = next(row for (_, known), row in HOOKS.items() if known == name)
    code = contract(f"(drop {call})" if row.result else call, data={64: TARGET})
    return run_wasm(code, data=b"12345", others={TARGET: FakeAccount(nonce=1, code=b"\x01\x02\x03\x04")})


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
    assert HOOKS.get(("vm_hooks", name), HOOKS.get(("zvm", name))).may_write  # type: ignore[union-attr]
    if between is None or between[1] == "CALL":
        plain = runner.call(request_to(RELAYS["evm", "CALL"], path(CONTRACT)))
        assert unwrapped(plain.output, 1)[0] == [1]


def test_the_rows_that_may_write_are_those() -> None:
    assert {name for (_, name), row in HOOKS.items() if row.may_write} == set(WRITES)


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
    entry_and_block = 700 * 10_000 + 2_450 + 2 + 3_800 + 48_480
    gas = -(-entry_and_block // 10_000)
    outcome = run_wasm(code, gas_limit=21_000 + gas + gas_left)
    assert (outcome.error is None) == succeeds


@pytest.mark.parametrize(("gas_left", "succeeds"), [(2_301, True), (2_300, False)])
def test_a_flush_needs_more_than_2300_gas_left(gas_left: int, succeeds: bool) -> None:
    code = contract(invoke("storage_flush_cache", 0))
    gas = -(-(700 * 10_000 + 2_450 + 1 + 3_800 + 98_073) // 10_000)
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


# Under other names


def test_host_functions_work_from_a_table_and_as_exports() -> None:
    code = module(
        """(table 1 funcref) (elem (i32.const 0) $first) (type $number (func (result i64)))
        (func (export "user_entrypoint") (param i32) (result i32)
          (i64.store (i32.const 0) (call_indirect (type $number) (i32.const 0)))
          (call $write_result (i32.const 0) (i32.const 8)) (i32.const 0))""",
        imports='(import "vm_hooks" "chainid" (func $first (result i64)))',
    )
    assert run_wasm(code).output == (31_337).to_bytes(8, "little")


def test_relays_agree_on_what_they_pass_on() -> None:
    """The WebAssembly relay is as good as the EVM's: the tests of the bridge stand on it."""
    echo = contract(invoke("read_args", 0) + invoke("write_result", 0, "(local.get $n)"))
    runner = executor(accounts_of({TARGET: echo, OTHER: wasm_relay("CALL"), NOBODY: evm_relay("CALL")}))
    for relay in (OTHER, NOBODY):
        outcome = runner.call(request_to(relay, path(TARGET, payload=b"hello")))
        assert unwrapped(outcome.output, 1) == ([1], b"hello")


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
