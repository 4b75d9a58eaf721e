"""The price tables against numbers written down from Stylus' own, and what the other tables change in them."""

import pytest

from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.price_table import (
    BR_TABLE,
    CALL,
    CALL_INDIRECT,
    COVENANT,
    INK_PER_GAS,
    MEMORY_COPY,
    MEMORY_FILL,
    PRICE_TABLES,
    STYLUS,
    ZVM,
    PageModel,
    PriceTable,
)

STYLUS_FUNCTIONS = {
    "read_args": 13_440,
    "write_result": 41_162,
    "exit_early": 0,
    "storage_load_bytes32": 18_480,
    "storage_cache_bytes32": 18_480,
    "storage_flush_cache": 68_073,
    "transient_load_bytes32": 78_153,
    "transient_store_bytes32": 78_153,
    "call_contract": 115_955,
    "delegate_call_contract": 115_955,
    "static_call_contract": 115_955,
    "create1": 115_955,
    "create2": 120_995,
    "read_return_data": 73_113,
    "return_data_size": 8_400,
    "emit_log": 84_454,
    "account_balance": 78_153,
    "account_codehash": 78_153,
    "account_code": 73_113,
    "account_code_size": 68_073,
    **dict.fromkeys(
        [
            "evm_gas_left",
            "evm_ink_left",
            "chainid",
            "block_gas_limit",
            "block_number",
            "block_timestamp",
            "msg_reentrant",
            "tx_ink_price",
        ],
        8_400,
    ),
    **dict.fromkeys(
        ["block_basefee", "block_coinbase", "contract_address", "msg_sender", "msg_value", "tx_gas_price", "tx_origin"],
        13_440,
    ),
    "native_keccak256": 121_800,
    "math_div": 43_520,
    "math_mod": 43_520,
    "math_pow": 44_020,
    "math_add_mod": 49_560,
    "math_mul_mod": 52_660,
    "pay_for_memory_grow": 0,
}
HEAVY = {name for name in STYLUS_FUNCTIONS if name.startswith("math_")} | {"native_keccak256"}


def test_every_function_of_stylus_is_there_at_its_price() -> None:
    assert {name for module, name in HOST_FUNCTIONS if module == "vm_hooks"} == set(STYLUS_FUNCTIONS)
    for name, ink in STYLUS_FUNCTIONS.items():
        assert HOST_FUNCTIONS["vm_hooks", name].static_ink(STYLUS) == ink, name


@pytest.mark.parametrize("schedule", [ZVM, COVENANT], ids=["zvm", "covenant"])
def test_the_others_add_three_gas_to_a_host_function_and_six_to_a_heavy_one(schedule: PriceTable) -> None:
    for (module, name), row in HOST_FUNCTIONS.items():
        added = 60_000 if name in HEAVY else 30_000
        assert row.static_ink(schedule) == row.static_ink(STYLUS) + added, (module, name)


KECCAK = {10: 121_800, 64: 121_800, 65: 142_800, 100: 163_800, 1_000: 751_800}
RETURN_DATA = {10: 73_113, 100: 75_153, 1_000: 102_153, 10_000: 372_153}
LOGS = {(0, 0): 3_834_454, (0, 10): 4_634_454, (1, 100): 15_589_954, (4, 100): 26_845_234}
"""By topics and bytes behind them."""
POWER = {1: 61_520, 2: 79_020, 10: 219_020, 32: 604_020}


def test_prices_of_lengths_are_those_measured_on_stylus() -> None:
    prices = STYLUS.host_functions
    for length, ink in KECCAK.items():
        assert HOST_FUNCTIONS["vm_hooks", "native_keccak256"].static_ink(STYLUS) + prices.keccak(length) == ink
    for length, ink in RETURN_DATA.items():
        assert HOST_FUNCTIONS["vm_hooks", "read_return_data"].static_ink(STYLUS) + prices.write(length) == ink
    for length, ink in POWER.items():
        assert HOST_FUNCTIONS["vm_hooks", "math_pow"].static_ink(STYLUS) + length * prices.power_byte == ink
    for (topics, length), ink in LOGS.items():
        data = HOST_FUNCTIONS["vm_hooks", "emit_log"].static_ink(STYLUS) + prices.read(length + 32 * topics)
        assert data + (375 * (1 + topics) + 8 * length) * INK_PER_GAS == ink


def test_z3_a_power_costs_by_its_exponent_as_in_the_evm() -> None:
    for schedule in (ZVM, COVENANT):
        assert schedule.host_functions.power_byte == 50 * INK_PER_GAS
        assert (
            HOST_FUNCTIONS["vm_hooks", "math_pow"].static_ink(schedule) + schedule.host_functions.power_byte * 32
            > 1_600 * INK_PER_GAS
        )
    assert [table.host_functions.growth_of_none for table in (STYLUS, ZVM, COVENANT)] == [8_400, 60_000, 60_000]


def test_prices_of_storage_are_those_measured_on_stylus() -> None:
    load = HOST_FUNCTIONS["vm_hooks", "storage_load_bytes32"].static_ink(STYLUS)
    miss = STYLUS.host_functions.storage_miss_gas
    assert load + (2_100 + miss) * INK_PER_GAS == 21_068_480
    assert load + (100 + miss) * INK_PER_GAS == 1_068_480
    flush = HOST_FUNCTIONS["vm_hooks", "storage_flush_cache"].static_ink(STYLUS)
    for gas, ink in ((22_100, 221_068_073), (5_000, 50_068_073), (100, 1_068_073)):
        assert flush + gas * INK_PER_GAS == ink
    assert HOST_FUNCTIONS["vm_hooks", "transient_load_bytes32"].static_ink(STYLUS) + 100 * INK_PER_GAS == 1_078_153
    assert STYLUS.host_functions.storage_read_tiers == ((32, 2), (128, 10))
    assert STYLUS.host_functions.storage_write_tiers == ((8, 7), (64, 10))


CONTROL = {
    **dict.fromkeys((0x00, 0x01, 0x02, 0x03, 0x05, 0x0B, 0x0F, 0x41, 0x42), 1),
    0x04: 765, 0x0C: 765, 0x0D: 765, BR_TABLE: 2_400, CALL: 3_800, CALL_INDIRECT: 13_610,
    MEMORY_COPY: 950, MEMORY_FILL: 950, 0x3F: 3_000, 0x40: 8_050,
}  # fmt: skip


OPCODES = {
    *CONTROL, 0x1A, 0x1B, *range(0x20, 0x25), 0x28, 0x29, *range(0x2C, 0x38), *range(0x3A, 0x3F), *range(0x45, 0x5B),
    *range(0x67, 0x8B), 0xA7, 0xAC, 0xAD, *range(0xC0, 0xC5),
}  # fmt: skip
"""Integers, their memory and control; no floats, vectors, references or tables."""


def test_operations_cost_what_they_cost_on_stylus() -> None:
    """What an instruction costs when it runs is measured in test_metering; here, that there is no other."""
    for opcode, ink in CONTROL.items():
        assert STYLUS.operations[opcode] == ink
    assert set(STYLUS.operations) == OPCODES
    fixed = (STYLUS.block_header, STYLUS.branch_target, STYLUS.indirect_parameter, STYLUS.bulk_byte)
    assert fixed == (2_450, 325, 650, 100)
    for schedule in (ZVM, COVENANT):
        assert schedule.operations is STYLUS.operations
        assert (schedule.block_header, schedule.branch_target, schedule.indirect_parameter, schedule.bulk_byte) == fixed


def test_pages_of_stylus_cost_a_curve_that_ends_at_31874000_gas() -> None:
    pages = STYLUS.pages
    assert len(pages.curve) == 129
    assert pages.curve[128] == 31_874_000
    assert pages.curve[0] == 1
    assert (pages.instance_pages_limit, pages.transaction_pages_limit) == (128, 128)
    assert all(after >= before for before, after in zip(pages.curve, pages.curve[1:], strict=False))
    for count in range(1, 128):
        # the exponential through both ends, rounded down: no float decides it
        assert pages.curve[count] ** 128 <= 31_874_000**count < (pages.curve[count] + 1) ** 128


def test_pages_of_zvm_cost_half_their_square() -> None:
    for pages in (ZVM.pages, COVENANT.pages):
        assert (pages.instance_pages_limit, pages.transaction_pages_limit) == (1_024, 4_096)
        assert [pages.curve[count] for count in (0, 1, 2, 3, 10, 1_024, 4_096)] == [0, 0, 2, 4, 50, 524_288, 8_388_608]
        assert pages.gas(1_024, 0, 0) == 1_022_000 + 524_288


LINEAR = PageModel(free_pages=2, page_gas=1_000, curve=tuple(range(0, 1_010, 10)), instance_pages_limit=50)


@pytest.mark.parametrize(
    ("added", "open_pages", "ever_pages", "gas"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 10),
        (2, 0, 0, 20),
        (3, 0, 0, 1_000 + 30),
        (1, 1, 1, 10),
        (2, 1, 1, 1_000 + 20),
        (5, 10, 10, 5_000 + 50),
        (5, 10, 12, 5_000 + 30),
        (5, 10, 15, 5_000),
        (5, 0, 100, 3_000),
        (0, 7, 9, 0),
    ],
)
def test_a_page_costs_when_it_is_opened_and_more_when_so_many_are_open_for_the_first_time(
    added: int, open_pages: int, ever_pages: int, gas: int
) -> None:
    assert LINEAR.gas(added, open_pages, ever_pages) == gas
    assert LINEAR.transaction_pages_limit == 100


def test_entering_a_module_costs_by_its_data() -> None:
    assert [STYLUS.entry.price(size, 0) for size in (0, 63, 64, 100_000)] == [352] * 4
    for schedule in (ZVM, COVENANT):
        assert [schedule.entry.price(size, 0) for size in (0, 63, 64, 6_400)] == [700, 700, 701, 800]


def test_z2_entering_a_module_costs_by_its_compiled_size() -> None:
    for schedule in (STYLUS, ZVM, COVENANT):
        least = schedule.entry.price(0, 0)
        prices = [schedule.entry.price(0, activation) for activation in (255, 256, 30_000, 4_000_000)]
        assert prices == [least, least + 1, least + 117, least + 15_625]


def test_covenant_has_flat_prices_for_state_and_the_others_none() -> None:
    state = COVENANT.state
    assert state is not None
    flat = (state.storage_load, state.storage_store, state.call, state.create, state.transfer)
    assert flat == (800, 5_000, 700, 32_000, 21_000)
    assert STYLUS.state is None
    assert ZVM.state is None
    assert dict(PRICE_TABLES) == {"stylus": STYLUS, "zvm": ZVM, "covenant": COVENANT}
    assert [table.stack_counts_parameters for table in (STYLUS, ZVM, COVENANT)] == [False, True, True]


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        STYLUS.operations[0] = 5
    with pytest.raises(AttributeError):
        ZVM.block_header = 1  # type: ignore[misc]
