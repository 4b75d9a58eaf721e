"""Every function that a module may import: signature, fixed price, and whether it may change state.

The fixed part of a price (`HostFunction.static_ink`) is charged by the instrumented module in front of the call; what
depends on lengths, and every cost of the EVM, is charged by the function itself.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from zevm.chain.zvm.price_table import PriceTable

VM_HOOKS = "vm_hooks"
EXTENSION = "zvm"
CONSOLE = "console"


class HostFunction(NamedTuple):
    """One host function. In signatures `i` is i32 and `I` is i64; pointers and lengths are i32, gas is i64."""

    parameters: str
    result: str
    summary: str
    may_write: bool = False
    """Whether a static call can make it fail."""
    calls: int = 1
    pointers: int = 0
    api: int = 0
    reads: int = 0
    writes: int = 0
    keccaks: int = 0
    extra_ink: int = 0
    """The part of the price beyond multiples of `HostPrices`."""
    powers: int = 0
    heavy: bool = False
    apart: bool = False
    """Whether no brief run may call it (brief_runs.py): it tells the gas left, runs other code, or reads blocks."""

    def static_ink(self, price_table: PriceTable) -> int:
        """The fixed price under a price table, charged before the function runs."""
        prices = price_table.host_functions
        return (
            self.calls * prices.call
            + self.pointers * prices.pointer
            + self.api * prices.api
            + self.reads * prices.read_base
            + self.writes * prices.write_base
            + self.keccaks * prices.keccak_base
            + self.powers * prices.power_base
            + self.extra_ink
            + (prices.heavy_surcharge if self.heavy else prices.surcharge)
        )


def _clock(summary: str) -> HostFunction:
    return HostFunction("", "I", summary)


def _word(summary: str) -> HostFunction:
    return HostFunction("i", "", summary, pointers=1)


_VM_HOOKS: dict[str, HostFunction] = {
    "read_args": HostFunction("i", "", "(dest): write the call data", writes=1),
    "write_result": HostFunction("ii", "", "(data, length): set the output; does not exit", reads=2),
    "exit_early": HostFunction("i", "", "(status): stop as if the entry point had returned status", calls=0),
    "storage_load_bytes32": HostFunction(
        "ii", "", "(key, dest): read a slot through the frame's cache; access gas when the cache misses", pointers=2
    ),
    "storage_cache_bytes32": HostFunction(
        "ii", "", "(key, value): write a slot into the frame's cache; needs 2310 gas left", pointers=2
    ),
    "storage_flush_cache": HostFunction(
        "i", "", "(clear): write changed slots to the state, at the EVM's price each", may_write=True, api=1
    ),
    "transient_load_bytes32": HostFunction("ii", "", "(key, dest): TLOAD, 100 gas", pointers=2, api=1),
    "transient_store_bytes32": HostFunction(
        "ii", "", "(key, value): TSTORE, 100 gas", may_write=True, pointers=2, api=1
    ),
    "call_contract": HostFunction(
        "iiiiIi",
        "i",
        "(address, data, length, value, gas, return_length): CALL at the EVM's price; 0 is success",
        may_write=True,
        pointers=3,
        api=1,
        reads=2,
        apart=True,
    ),
    "delegate_call_contract": HostFunction(
        "iiiIi",
        "i",
        "(address, data, length, gas, return_length): DELEGATECALL",
        pointers=3,
        api=1,
        reads=2,
        apart=True,
    ),
    "static_call_contract": HostFunction(
        "iiiIi", "i", "(address, data, length, gas, return_length): STATICCALL", pointers=3, api=1, reads=2, apart=True
    ),
    "create1": HostFunction(
        "iiiii",
        "",
        "(code, length, endowment, address_out, return_length): CREATE",
        may_write=True,
        pointers=3,
        api=1,
        reads=2,
        apart=True,
    ),
    "create2": HostFunction(
        "iiiiii",
        "",
        "(code, length, endowment, salt, address_out, return_length): CREATE2",
        may_write=True,
        pointers=4,
        api=1,
        reads=2,
        apart=True,
    ),
    "read_return_data": HostFunction(
        "iii", "i", "(dest, offset, size): copy output of the last call; returns the bytes copied", api=1, writes=1
    ),
    "return_data_size": HostFunction("", "i", "(): length of the last call's output"),
    "emit_log": HostFunction(
        "iii",
        "",
        "(data, length, topics): log data that begins with this number of 32-byte topics; LOG's gas",
        may_write=True,
        api=1,
        reads=1,
    ),
    "account_balance": HostFunction("ii", "", "(address, dest): balance; access gas", pointers=2, api=1),
    "account_codehash": HostFunction("ii", "", "(address, dest): code hash; access gas", pointers=2, api=1),
    "account_code": HostFunction(
        "iiii", "i", "(address, offset, size, dest): copy code; access and 700 gas; bytes copied", api=1, writes=1
    ),
    "account_code_size": HostFunction("i", "i", "(address): code length; access and 700 gas", api=1),
    "evm_gas_left": HostFunction("", "I", "(): gas left", apart=True),
    "evm_ink_left": HostFunction("", "I", "(): ink left", apart=True),
    "chainid": _clock("(): chain id"),
    "block_gas_limit": _clock("(): the block's gas limit"),
    "block_number": _clock("(): the block's number"),
    "block_timestamp": _clock("(): the block's time in seconds"),
    "block_basefee": _word("(dest): base fee in wei, 32 bytes"),
    "block_coinbase": _word("(dest): the block's fee recipient, 20 bytes"),
    "contract_address": _word("(dest): the acting account, 20 bytes"),
    "msg_sender": _word("(dest): the caller, 20 bytes"),
    "msg_value": _word("(dest): value in wei, 32 bytes"),
    "tx_gas_price": _word("(dest): gas price in wei, 32 bytes"),
    "tx_origin": _word("(dest): the transaction's sender, 20 bytes"),
    "msg_reentrant": HostFunction("", "i", "(): whether the acting account is open more than once"),
    "tx_ink_price": HostFunction("", "i", "(): ink for one gas"),
    "native_keccak256": HostFunction("iii", "", "(data, length, dest): Keccak-256", calls=0, keccaks=1, heavy=True),
    "math_div": HostFunction("ii", "", "(a, b): a becomes a / b", pointers=3, extra_ink=20_000, heavy=True),
    "math_mod": HostFunction("ii", "", "(a, b): a becomes a % b", pointers=3, extra_ink=20_000, heavy=True),
    "math_pow": HostFunction(
        "ii",
        "",
        "(a, b): a becomes a ** b, more for each byte of b",
        pointers=3,
        extra_ink=3_000,
        powers=1,
        heavy=True,
    ),
    "math_add_mod": HostFunction(
        "iii", "", "(a, b, c): a becomes (a + b) % c", pointers=4, extra_ink=21_000, heavy=True
    ),
    "math_mul_mod": HostFunction("iii", "", "(a, b, c): a becomes a * b % c", pointers=4, extra_ink=24_100, heavy=True),
    "pay_for_memory_grow": HostFunction(
        "i", "", "(pages): pay for growth by this number of pages; for 0, one host call's price", calls=0
    ),
}

_EXTENSION: dict[str, HostFunction] = {
    "selfdestruct": HostFunction(
        "i",
        "",
        "(beneficiary): SELFDESTRUCT by EIP-6780 at the EVM's price; stops",
        may_write=True,
        pointers=1,
        api=1,
        apart=True,
    ),
    "blockhash": HostFunction(
        "Ii", "", "(number, dest): hash of a recent block or zeros; 20 gas", pointers=1, api=1, apart=True
    ),
    "blobbasefee": _word("(dest): blob base fee in wei, 32 bytes"),
    "prevrandao": _word("(dest): the block's random value, 32 bytes"),
    "is_constructing": HostFunction("", "i", "(): 1 while the account is being created"),
    "code_address": _word("(dest): the account whose code runs, 20 bytes"),
}

HOST_FUNCTIONS: Mapping[tuple[str, str], HostFunction] = MappingProxyType(
    {(VM_HOOKS, name): row for name, row in _VM_HOOKS.items()}
    | {(EXTENSION, name): row for name, row in _EXTENSION.items()}
)
"""Host functions by (module, name)."""

_LINE_INK = 3_750_000
"""375 gas, as for a log: a line is kept until its block has been told of."""

CONSOLE_HOST_FUNCTIONS: Mapping[tuple[str, str], HostFunction] = MappingProxyType(
    {
        (CONSOLE, "log_txt"): HostFunction(
            "ii", "", "(text, length): print; 8 gas a byte", reads=1, extra_ink=_LINE_INK
        ),
        (CONSOLE, "log_i32"): HostFunction("i", "", "(value): print", extra_ink=_LINE_INK),
        (CONSOLE, "log_i64"): HostFunction("I", "", "(value): print", extra_ink=_LINE_INK),
        (CONSOLE, "tee_i32"): HostFunction("i", "i", "(value): print it and give it back", extra_ink=_LINE_INK),
        (CONSOLE, "tee_i64"): HostFunction("I", "I", "(value): print it and give it back", extra_ink=_LINE_INK),
    }
)
"""Host functions of development chains alone: Stylus' console, but for its floats."""

ALL_HOST_FUNCTIONS: Mapping[tuple[str, str], HostFunction] = MappingProxyType(
    {**HOST_FUNCTIONS, **CONSOLE_HOST_FUNCTIONS}
)
