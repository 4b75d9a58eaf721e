"""What every host function does."""

from random import Random

import pytest

from tests.chain.vm.support import COINBASE, CONTRACT, ETHER, GWEI, SENDER, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    NOBODY,
    OTHER,
    RELAYS,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    module,
    path,
    relay_accounts,
    request_to,
    returning,
    run_wasm,
    send,
    unwrapped,
    wasm_relay,
    word,
)
from zevm.chain.types import Log
from zevm.chain.vm.interface import VmErrorKind
from zevm.chain.zvm.host.functions.computation import power
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.storage.keccak import EMPTY_KECCAK, keccak256

HUGE = -1
"""An i32 with every bit set: 4,294,967,295 as a length or pointer."""
RANDAO = bytes(range(32))


def returned(instructions: str, size: int = 32, **options: object) -> bytes:
    data = options.pop("data", {})
    request_data = options.pop("call_data", b"")
    outcome = run_wasm(returning(instructions, size, data=data), data=request_data, **options)
    assert outcome.error is None, outcome.error
    return outcome.output


def number(name: str, *arguments: int, **options: object) -> int:
    """The result of a host function."""
    row = next(row for (_, known), row in HOST_FUNCTIONS.items() if known == name)
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
    addresses = ["block_coinbase", "contract_address", "msg_sender", "tx_origin", "code_address"]
    body = "".join(invoke(name, 32 * index) for index, name in enumerate(names + addresses))
    runner = executor(
        {CONTRACT: FakeAccount(nonce=1, code=returning(body, 32 * 10))} | relay_accounts(),
        prev_randao=RANDAO,
        blob_base_fee=77,
    )
    relay = RELAYS["evm", "CALL"]
    # a transaction has no output to look at, so the relay's receipt is a log of the words
    logger = contract(body + invoke("emit_log", 0, 320, 0))
    runner.state.set_code(TARGET, logger)
    outcome = send(runner, relay, path(TARGET), value=5)
    content = outcome.logs[0].data
    words = [content[start : start + 32] for start in range(0, 320, 32)]
    assert words[:5] == [word(GWEI), word(5), word(2 * GWEI), word(77), RANDAO]
    assert words[5:] == [address + bytes(12) for address in (COINBASE, TARGET, relay, SENDER, TARGET)]


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


def test_z3_powers_are_those_of_the_integers() -> None:
    random = Random(3)
    edges = (0, 1, 2, 15, 16, 17, 255, 256, 2**128, 2**255, 2**256 - 1)
    pairs = [(base, exponent) for base in edges for exponent in edges]
    pairs += [
        (random.getrandbits(random.randrange(257)), random.getrandbits(random.randrange(257))) for _ in range(500)
    ]
    for base, exponent in pairs:
        assert power(base, exponent) == pow(base, exponent, 2**256)
