"""What every host function costs, in ink, on the chain: the figures that Arbitrum Stylus pins, and ZVM's surcharges."""

import pytest

from tests.chain.vm.support import CONTRACT, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    CALL,
    CONSTANT,
    HEADER,
    INTRINSIC_GAS,
    NOBODY,
    OTHER,
    SURCHARGE,
    TARGET,
    code_gas,
    contract,
    entry_gas,
    evm_relay,
    executor,
    invoke,
    measured,
    measuring,
    request_to,
    run_wasm,
    send,
    unwrapped,
    word,
)
from zevm.chain.types import AccessListEntry
from zevm.chain.zvm.host_table import HOST_FUNCTIONS

GAS = 10_000
H, P, A = 8_400, 5_040, 59_673
HEAVY = {"native_keccak256", "math_div", "math_mod", "math_pow", "math_add_mod", "math_mul_mod"}

# what memory holds: at 0 a small word, at 32 a zero, at 64 the address of an account without code, at 96 that of a
# contract, at 128 that of nobody, from 256 on words of 1, 2, 10 and 32 significant bytes
DATA = {
    0: word(7),
    64: OTHER,
    96: TARGET,
    128: NOBODY,
    256: word(0xFF),
    288: word(0x0102),
    320: word(1 << 72),
    352: word(1 << 255),
    400: word(1),
}
SMALL, ZERO, ACCOUNT, CODE, ABSENT, ONE = 0, 32, 64, 96, 128, 400
BYTES_1, BYTES_2, BYTES_10, BYTES_32 = 256, 288, 320, 352
OUT, LENGTH = 4_096, 4_000
CODE_SIZE = 100
OTHERS = {
    OTHER: FakeAccount(balance=5),
    TARGET: FakeAccount(nonce=1, code=b"\x5f" * (CODE_SIZE - 5) + bytes.fromhex("6127105ff3")),  # returns 10,000 bytes
}
RETURNING_GAS = (CODE_SIZE - 5) * 2 + 3 + 2 + 3 * 313 + 313 * 313 // 512


def call_to(target: int, value: int = ZERO, length: int = 0) -> str:
    return f"(drop {invoke('call_contract', target, 512, length, value, -1, LENGTH)})"


def pure(name: str, *arguments: int) -> str:
    call = invoke(name, *arguments)
    row = next(row for (_, known), row in HOST_FUNCTIONS.items() if known == name)
    return f"(drop {call})" if row.result else call


PRICES: list[tuple[list[str], list[int]]] = [
    # reading and writing what comes in and goes out
    ([pure("read_args", OUT)], [H + 5_040]),
    (
        [pure("write_result", 0, 0), pure("write_result", 0, 32), pure("write_result", 0, 100)],
        [H + 2 * 16_381, H + 2 * 16_381, H + 2 * (16_381 + 55 * 68)],
    ),
    # storage, as pinned: cold, cached, cleared and warm
    (
        [
            pure("storage_load_bytes32", SMALL, OUT),
            pure("storage_load_bytes32", SMALL, OUT),
            pure("storage_flush_cache", 1),
            pure("storage_load_bytes32", SMALL, OUT),
        ],
        [21_068_480, 18_480, H + A, 1_068_480],
    ),
    # 0 -> x cold, then dirty, then back to 0
    (
        [
            pure("storage_cache_bytes32", ONE, SMALL),
            pure("storage_flush_cache", 0),
            pure("storage_cache_bytes32", ONE, BYTES_1),
            pure("storage_flush_cache", 1),
            pure("storage_cache_bytes32", ONE, ZERO),
            pure("storage_flush_cache", 1),
        ],
        [18_480, 221_068_073, 18_480, 1_068_073, 18_480, 1_068_073],
    ),
    # x -> y cold (slot 255 has a value), then dirty
    (
        [
            pure("storage_cache_bytes32", BYTES_1, SMALL),
            pure("storage_flush_cache", 0),
            pure("storage_cache_bytes32", BYTES_1, BYTES_2),
            pure("storage_flush_cache", 0),
        ],
        [18_480, 50_068_073, 18_480, 1_068_073],
    ),
    (
        [pure("transient_store_bytes32", SMALL, SMALL), pure("transient_load_bytes32", SMALL, OUT)],
        [1_078_153, 1_078_153],
    ),
    # logs, as pinned: (topics, data) = (0, 0), (0, 10), (1, 100), (4, 100)
    (
        [
            pure("emit_log", 0, 0, 0),
            pure("emit_log", 0, 10, 0),
            pure("emit_log", 0, 132, 1),
            pure("emit_log", 0, 228, 4),
        ],
        [3_834_454, 4_634_454, 15_589_954, 26_845_234],
    ),
    # accounts, cold and warm
    (
        [pure("account_balance", ACCOUNT, OUT), pure("account_balance", ACCOUNT, OUT)],
        [H + 2 * P + A + 2_600 * GAS, H + 2 * P + A + 100 * GAS],
    ),
    (
        [pure("account_codehash", ACCOUNT, OUT), pure("account_codehash", ACCOUNT, OUT)],
        [H + 2 * P + A + 2_600 * GAS, H + 2 * P + A + 100 * GAS],
    ),
    (
        [pure("account_code_size", CODE), pure("account_code_size", CODE)],
        [H + A + 3_300 * GAS, H + A + 800 * GAS],
    ),
    # the whole code is paid for, however little of it is copied
    (
        [pure("account_code", CODE, 0, 0, OUT), pure("account_code", CODE, 0, CODE_SIZE, OUT)],
        [H + A + 3_300 * GAS + 5_040 + 30 * 68, H + A + 800 * GAS + 5_040 + 30 * 68],
    ),
    # calls: cold, warm, with data; to code; with value to an account and to nobody, whose stipend comes back
    (
        [call_to(ACCOUNT), call_to(ACCOUNT), call_to(ACCOUNT, length=100)],
        [
            115_955 + 2_600 * GAS,
            115_955 + 100 * GAS,
            115_955 + 2 * 55 * 68 + 100 * GAS,
        ],
    ),
    (
        [call_to(ACCOUNT, value=ONE), call_to(ABSENT, value=ONE), call_to(ABSENT, value=ONE)],
        [
            115_955 + (2_600 + 9_000 - 2_300) * GAS,
            115_955 + (2_600 + 9_000 + 25_000 - 2_300) * GAS,
            115_955 + (100 + 9_000 - 2_300) * GAS,
        ],
    ),
    (
        [f"(drop {invoke('static_call_contract', CODE, 512, 0, -1, LENGTH)})"],
        [115_955 + (2_600 + RETURNING_GAS) * GAS],
    ),
    (
        [f"(drop {invoke('delegate_call_contract', CODE, 512, 0, -1, LENGTH)})"],
        [115_955 + (2_600 + RETURNING_GAS) * GAS],
    ),
    # what came back, as pinned
    (
        [
            call_to(CODE),
            pure("return_data_size"),
            *[pure("read_return_data", OUT, 0, size) for size in (10, 100, 1_000, 10_000, 20_000)],
            pure("read_return_data", OUT, 9_990, 100),
        ],
        [
            115_955 + (2_600 + RETURNING_GAS) * GAS,
            H,
            73_113,
            75_153,
            102_153,
            372_153,
            372_153,
            73_113,
        ],
    ),
    # creations: no code, and 33 bytes that STOP: EIP-3860's two words at 2, EIP-1014's at 6
    (
        [pure("create1", 512, 0, ZERO, OUT, LENGTH), pure("create1", 512, 33, ZERO, OUT, LENGTH)],
        [115_955 + 32_000 * GAS, 115_955 + 2 * 55 + (32_000 + 4) * GAS],
    ),
    (
        [pure("create2", 512, 0, ZERO, SMALL, OUT, LENGTH), pure("create2", 512, 33, ZERO, SMALL, OUT, LENGTH)],
        [120_995 + 32_000 * GAS, 120_995 + 2 * 55 + (32_000 + 16) * GAS],
    ),
    *[
        ([pure(name)], [H])
        for name in (
            "return_data_size",
            "evm_gas_left",
            "evm_ink_left",
            "chainid",
            "block_gas_limit",
            "block_number",
            "block_timestamp",
            "msg_reentrant",
            "tx_ink_price",
            "is_constructing",
        )
    ],
    *[
        ([pure(name, OUT)], [H + P])
        for name in (
            "block_basefee",
            "block_coinbase",
            "contract_address",
            "msg_sender",
            "msg_value",
            "tx_gas_price",
            "tx_origin",
            "blobbasefee",
            "prevrandao",
            "code_address",
        )
    ],
    (
        [pure("native_keccak256", 0, size, OUT) for size in (0, 10, 64, 65, 100, 1_000)],
        [121_800, 121_800, 121_800, 142_800, 163_800, 751_800],
    ),
    ([pure("math_div", SMALL, ONE), pure("math_mod", SMALL, ONE)], [43_520, 43_520]),
    (
        [pure("math_pow", SMALL, exponent) for exponent in (ZERO, BYTES_1, BYTES_2, BYTES_10, BYTES_32)],
        [44_020, 61_520, 79_020, 219_020, 604_020],
    ),
    ([pure("math_add_mod", SMALL, ONE, ONE), pure("math_mul_mod", SMALL, ONE, ONE)], [49_560, 52_660]),
    ([pure("blockhash", 0, OUT)], [H + P + A + 20 * GAS]),
    # one page is open, the second is free, the third is not; Stylus' curve begins flat
    (
        [pure("pay_for_memory_grow", pages) for pages in (0, 1, 1, 2)],
        [H, 0, 1_000 * GAS, 2_000 * GAS],
    ),
]


def name_of(step: str) -> str:
    return step[step.index("$") + 1 :].split()[0].rstrip(")")


IDS = [f"{name_of(steps[-1])}-{index}" for index, (steps, _) in enumerate(PRICES)]


def measure(steps: list[str], schedule: str) -> list[int]:
    outcome = run_wasm(
        measuring(steps, data=DATA),
        schedule=schedule,
        others=OTHERS | {CONTRACT: FakeAccount(1, 10, measuring(steps, data=DATA), {255: 3})},
    )
    assert outcome.error is None, outcome.error
    return measured(outcome.output, steps, schedule)


@pytest.mark.parametrize(("steps", "expected"), PRICES, ids=IDS)
def test_prices_are_those_of_stylus(steps: list[str], expected: list[int]) -> None:
    assert measure(steps, "stylus") == expected


@pytest.mark.parametrize(("steps", "expected"), PRICES, ids=IDS)
def test_zvm_adds_three_gas_to_each_and_six_to_arithmetic_and_hashing(steps: list[str], expected: list[int]) -> None:
    added = [60_000 if name_of(step) in HEAVY else 30_000 for step in steps]
    curve = [0, 2 * GAS, (4 - 2) * GAS, (12 - 4) * GAS]  # pages**2 // 2 of the pages ever open: 1, 2, 3, 5
    growth = [0] * len(steps)
    if name_of(steps[0]) == "pay_for_memory_grow":
        growth = [60_000 - H, *curve[1:]]
    elif name_of(steps[0]) == "math_pow":
        # EXP's 50 gas for each byte of the exponent, in place of 17,500 ink
        growth = [(ink - 44_020) // 17_500 * (50 * GAS - 17_500) for ink in expected]
    assert measure(steps, "zvm") == [sum(row) for row in zip(expected, added, growth, strict=True)]


def test_every_host_function_is_measured() -> None:
    measured_names = {name_of(step) for steps, _ in PRICES for step in steps}
    assert {name for _, name in HOST_FUNCTIONS} == measured_names | {"exit_early", "selfdestruct"}
    assert len(HOST_FUNCTIONS) == 42 + 6


@pytest.mark.parametrize("schedule", ["stylus", "zvm"])
def test_exit_early_costs_its_block_alone(schedule: str) -> None:
    code = contract(invoke("exit_early", 0))
    outcome = run_wasm(code, schedule=schedule)
    ink = HEADER + CONSTANT + CALL + SURCHARGE[schedule]
    assert code_gas(outcome) == entry_gas(code, schedule) + -(-ink // GAS)


@pytest.mark.parametrize("schedule", ["stylus", "zvm"])
def test_selfdestruct_costs_the_beneficiarys_access(schedule: str) -> None:
    code = contract(invoke("selfdestruct", ACCOUNT), data=DATA)
    outcome = run_wasm(code, schedule=schedule, others=OTHERS)
    ink = HEADER + CONSTANT + CALL + H + P + A + SURCHARGE[schedule]
    data_gas = sum(map(len, DATA.values())) // 64 if schedule == "zvm" else 0
    assert code_gas(outcome) == entry_gas(code, schedule) + data_gas + 5_000 + 2_600 + -(-ink // GAS)


def test_long_call_data_is_paid_by_the_byte() -> None:
    steps = [pure("read_args", OUT)]
    outcome = run_wasm(measuring(steps), schedule="stylus", data=bytes(100))
    assert measured(outcome.output, steps) == [H + 5_040 + 30 * 68]


def test_reads_and_writes_of_the_cache_cost_more_after_many() -> None:
    loads = [pure("storage_load_bytes32", SMALL, OUT)] * 140
    costs = measure(loads, "stylus")
    assert costs[1:32] == [18_480] * 31
    assert costs[32:128] == [18_480 + 2 * GAS] * 96
    assert costs[128:] == [18_480 + 10 * GAS] * 12
    stores = [pure("storage_cache_bytes32", SMALL, SMALL)] * 70
    costs = measure(stores, "stylus")
    assert costs[:8] == [18_480] * 8
    assert costs[8:64] == [18_480 + 7 * GAS] * 56
    assert costs[64:] == [18_480 + 10 * GAS] * 6


def test_the_tiers_count_in_each_frame_anew_and_a_clear_does_not_reset_them() -> None:
    steps = [pure("storage_load_bytes32", SMALL, OUT)] * 33 + [
        pure("storage_flush_cache", 1),
        pure("storage_load_bytes32", SMALL, OUT),
    ]
    assert measure(steps, "stylus")[-1] == 1_068_480 + 2 * GAS
    assert measure(steps[:32], "stylus")[-1] == 18_480


def test_a_flush_pays_for_every_changed_slot() -> None:
    steps = [
        pure("storage_cache_bytes32", SMALL, ONE),
        pure("storage_cache_bytes32", BYTES_1, ONE),
        pure("storage_cache_bytes32", BYTES_2, ZERO),
        pure("storage_flush_cache", 0),
    ]
    # slot 7: 0 -> 1, slot 255: 3 -> 1, slot 0x0102: 0 -> 0, unknown to the cache, and cold
    assert measure(steps, "stylus")[-1] == H + A + (22_100 + 5_000 + 2_200) * GAS


def test_refunds_are_those_of_sstore() -> None:
    clearing = contract(
        invoke("storage_cache_bytes32", BYTES_1, ZERO) + invoke("storage_flush_cache", 0),
        data=DATA,
    )
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=clearing, storage={255: 3})}, schedule="stylus")
    outcome = send(runner, CONTRACT)
    assert outcome.gas_used_before_refund - outcome.gas_used == 4_800
    assert runner.state.get_storage(CONTRACT, 255) == 0
    back = contract(
        invoke("storage_cache_bytes32", ONE, SMALL)
        + invoke("storage_flush_cache", 0)
        + invoke("storage_cache_bytes32", ONE, ZERO)
        + invoke("storage_flush_cache", 0),
        data=DATA,
    )
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=back)}, schedule="stylus")
    outcome = send(runner, CONTRACT)
    assert outcome.gas_used_before_refund - outcome.gas_used == min(19_900, outcome.gas_used_before_refund // 5)


def test_an_access_list_warms_slots_and_accounts_for_both_machines() -> None:
    steps = [pure("storage_load_bytes32", SMALL, OUT), pure("account_balance", ACCOUNT, OUT)]
    outcome = run_wasm(
        measuring(steps, data=DATA),
        schedule="stylus",
        others=OTHERS,
        access_list=(AccessListEntry(CONTRACT, (word(7),)), AccessListEntry(OTHER, ())),
    )
    assert measured(outcome.output, steps) == [1_068_480, H + 2 * P + A + 100 * GAS]


def test_a_charge_in_ink_is_rounded_up_to_gas_only_at_the_end() -> None:
    """Ten cheap calls cost what their ink says, not ten times a whole gas."""
    body = "".join(f"(drop {invoke('tx_ink_price')})" for _ in range(10))
    code = contract(body)
    outcome = run_wasm(code, schedule="stylus")
    ink = 10 * (HEADER + CALL + H) + 10 * 9 + HEADER + 2 * CONSTANT
    assert code_gas(outcome) == entry_gas(code, "stylus") + -(-ink // GAS)
    assert outcome.gas_used == INTRINSIC_GAS + code_gas(outcome)


def test_covenant_has_flat_prices_for_state() -> None:
    """The guide's: 800 for a read, 5,000 for a write, 700 for a call, whatever is warm; all else as `zvm`."""
    call = call_to(ACCOUNT)
    steps = [
        pure("storage_load_bytes32", SMALL, OUT),
        pure("storage_flush_cache", 1),
        pure("storage_load_bytes32", SMALL, OUT),
        pure("storage_cache_bytes32", SMALL, ONE),
        pure("storage_cache_bytes32", BYTES_1, ZERO),
        pure("storage_flush_cache", 1),
        call,
        call,
        f"(drop {invoke('static_call_contract', ACCOUNT, 512, 0, -1, LENGTH)})",
        f"(drop {invoke('delegate_call_contract', ACCOUNT, 512, 0, -1, LENGTH)})",
        call_to(ABSENT, value=ONE),
        pure("create1", 512, 0, ZERO, OUT, LENGTH),
        pure("account_balance", ACCOUNT, OUT),
    ]
    code = measuring(steps, data=DATA)
    accounts = OTHERS | {CONTRACT: FakeAccount(1, 10, code, {255: 3})}
    outcome = run_wasm(code, schedule="covenant", others=accounts)
    assert outcome.error is None
    assert measured(outcome.output, steps, "zvm") == [
        48_480 + 800 * GAS,
        98_073,
        48_480 + 800 * GAS,
        48_480,
        48_480,
        98_073 + 10_000 * GAS,
        *[145_955 + 700 * GAS] * 4,
        145_955 + (700 + 9_000 + 25_000 - 2_300) * GAS,
        145_955 + 32_000 * GAS,
        108_153 + 100 * GAS,
    ]
    assert outcome.gas_used == outcome.gas_used_before_refund


def test_flat_prices_keep_the_evms_effects() -> None:
    """Slots are written, warm for the EVM, and not in a static call; running out is running out."""
    storing = contract(invoke("storage_cache_bytes32", ONE, SMALL) + invoke("storage_flush_cache", 0), data=DATA)
    runner = executor(
        {CONTRACT: FakeAccount(1, 0, storing), TARGET: FakeAccount(1, 0, evm_relay("STATICCALL"))}, schedule="covenant"
    )
    refused = runner.call(request_to(TARGET, CONTRACT))
    assert unwrapped(refused.output, 1)[0] == [0]
    outcome = send(runner, CONTRACT)
    assert runner.state.get_storage(CONTRACT, 1) == 7
    needed = outcome.gas_used
    fresh = executor({CONTRACT: FakeAccount(1, 0, storing)}, schedule="covenant")
    assert send(fresh, CONTRACT, gas_limit=needed - 1).error is not None
    assert fresh.state.get_storage(CONTRACT, 1) == 0
    delegating = contract(
        invoke("storage_load_bytes32", ONE, OUT) + f"(drop {invoke('delegate_call_contract', CODE, 0, 0, -1, LENGTH)})"
        "(drop (call $read_return_data (i32.const 0) (i32.const 0) (i32.const 32)))" + invoke("write_result", 0, 32),
        data=DATA,
    )
    reader = assemble("GAS 1 SLOAD POP GAS SWAP1 SUB 0 MSTORE 32 0 RETURN")
    accounts = {CONTRACT: FakeAccount(1, 0, delegating), TARGET: FakeAccount(1, 0, reader)}
    output = executor(accounts, schedule="covenant").call(request_to(CONTRACT)).output
    assert int.from_bytes(output, "big") == 100 + 3 + 2 + 2
