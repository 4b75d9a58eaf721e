"""Prices of WebAssembly: three price tables as data.

Ink is the unit inside a module; `INK_PER_GAS` ink are one gas. `STYLUS` is Arbitrum Stylus' table, `ZVM` (the
default) adds what a host function costs this node, `COVENANT` has the guide's flat prices for state.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

INK_PER_GAS = 10_000

MEMORY_COPY = 0xFC0A
MEMORY_FILL = 0xFC0B
"""Keys of `PriceTable.operations` for the two bulk operations: prefix byte, then the second opcode."""

MEMORY_GROW = 0x40
BR_TABLE = 0x0E
CALL = 0x10
CALL_INDIRECT = 0x11


@dataclass(frozen=True, slots=True)
class HostPrices:
    """Prices of host functions in ink. Costs of the EVM itself (access, logs, calls) are gas, and not in here.

    A read or write of `n` bytes of the module's memory costs its base, which is part of the fixed price, and
    `read_byte` or `write_byte` for each of the `n` bytes over 32.
    """

    call: int = 8_400
    pointer: int = 5_040
    api: int = 59_673
    read_base: int = 16_381
    read_byte: int = 55
    write_base: int = 5_040
    write_byte: int = 30
    keccak_base: int = 121_800
    keccak_word: int = 21_000
    """For each 32-byte word over two."""
    power_base: int = 17_500
    power_byte: int = 17_500
    """For each byte of math_pow's exponent."""
    growth_of_none: int = 8_400
    """On pay_for_memory_grow of no pages."""
    surcharge: int = 0
    """On every host function."""
    heavy_surcharge: int = 0
    """In place of `surcharge` on math and hashing."""
    storage_miss_gas: int = 5
    """Gas, not ink: for a storage load that misses the frame's cache, in addition to the EVM's access cost."""
    storage_read_tiers: tuple[tuple[int, int], ...] = ((32, 2), (128, 10))
    """(loads so far in the frame, gas on each further one)."""
    storage_write_tiers: tuple[tuple[int, int], ...] = ((8, 7), (64, 10))
    """(writes to the cache so far in the frame, gas on each further one)."""

    def read(self, length: int) -> int:
        """Ink for reading `length` bytes beyond the fixed price."""
        return self.read_byte * max(0, length - 32)

    def write(self, length: int) -> int:
        """Ink for writing `length` bytes beyond the fixed price."""
        return self.write_byte * max(0, length - 32)

    def keccak(self, length: int) -> int:
        """Ink for hashing `length` bytes beyond the fixed price."""
        return self.keccak_word * max(0, (length + 31) // 32 - 2)


@dataclass(frozen=True, slots=True)
class PageModel:
    """Gas of memory. Pages are 64 KiB; open pages are summed over the transaction's open frames."""

    free_pages: int
    page_gas: int
    curve: tuple[int, ...]
    """Gas that `n` pages ever open in the transaction have cost together, by `n`."""
    instance_pages_limit: int
    """Maximum pages of one instance."""
    ramp: int = 0
    """Arbitrum's number for how steep an exponential curve is; 0 for any other."""

    @property
    def transaction_pages_limit(self) -> int:
        """Maximum open pages of one transaction."""
        return len(self.curve) - 1

    def gas(self, added: int, open_pages: int, ever_pages: int) -> int:
        """The price of `added` pages on `open_pages`, when at most `ever_pages` were open before.

        The caller has checked `open_pages + added` against `transaction_pages_limit`.
        """
        total = open_pages + added
        linear = max(0, total - max(self.free_pages, open_pages)) * self.page_gas
        return linear + self.curve[max(total, ever_pages)] - self.curve[ever_pages]


ACTIVATION_GAS_PER_ENTRY_GAS = 256


@dataclass(frozen=True, slots=True)
class CallEntry:
    """Gas for entering a module, in addition to its initial pages, whether its compiled code is in memory or on disk.

    `gas`, one per `data_bytes_per_gas` of its data, and one per ACTIVATION_GAS_PER_ENTRY_GAS of what its activation
    costs, which its compiled size goes by.
    """

    gas: int
    data_bytes_per_gas: int | None

    def price(self, data_bytes: int, activation_gas: int) -> int:
        """Gas for a module with this number of bytes in its data segments, and this price of its activation."""
        data = data_bytes // self.data_bytes_per_gas if self.data_bytes_per_gas else 0
        return self.gas + data + activation_gas // ACTIVATION_GAS_PER_ENTRY_GAS


@dataclass(frozen=True, slots=True)
class StateGas:
    """Flat prices for state, in gas, in place of the EVM's rules; what host functions change has no refund.

    storage_load: on a load that the frame's cache cannot answer. storage_store: for each changed slot of a flush.
    call: for reaching the account; its value costs what it costs in the EVM. create, transfer: as the EVM has them,
    the latter for a transaction.
    """

    storage_load: int
    storage_store: int
    call: int
    create: int
    transfer: int


@dataclass(frozen=True, slots=True, eq=False)
class PriceTable:
    """One complete price table, compared by identity. Prices are ink unless they say gas."""

    name: str
    block_header: int
    operations: Mapping[int, int]
    """Ink by opcode; every opcode that a module may use is a key."""
    branch_target: int
    """For each target of br_table except its default."""
    indirect_parameter: int
    """For each parameter of call_indirect's type."""
    bulk_byte: int
    """For each byte of memory.copy and memory.fill, charged before the work."""
    stack_counts_parameters: bool
    """Whether a frame's stack words count parameters as they count locals."""
    host_functions: HostPrices
    pages: PageModel
    entry: CallEntry
    state: StateGas | None = None
    """Flat prices for state; None: the EVM's of the fork."""
    console: bool = False
    """Whether modules may print, as on a development chain."""

    def with_console(self) -> "PriceTable":
        """The same prices for a development chain."""
        return replace(self, console=True)


_CONTROL = (0x00, 0x01, 0x02, 0x03, 0x05, 0x0B, 0x0F, 0x41, 0x42)

_PRICES: tuple[tuple[int, tuple[int, ...]], ...] = (
    (1, _CONTROL),
    (9, (0x1A,)),
    (765, (0x04, 0x0C, 0x0D)),
    (1_250, (0x1B,)),
    (2_400, (BR_TABLE,)),
    (3_800, (CALL,)),
    (13_610, (CALL_INDIRECT,)),
    (75, (0x20, 0x22)),
    (210, (0x21,)),
    (225, (0x23,)),
    (575, (0x24,)),
    (670, (0x28, *range(0x2C, 0x30))),
    (680, (0x29, *range(0x30, 0x36))),
    (825, (0x36, 0x3A, 0x3B)),
    (950, (0x37, *range(0x3C, 0x3F), MEMORY_COPY, MEMORY_FILL)),
    (3_000, (0x3F,)),
    (8_050, (MEMORY_GROW,)),
    (170, tuple(range(0x45, 0x50))),
    (225, tuple(range(0x50, 0x5B))),
    (210, (0x67, 0x68, 0x79, 0x7A)),
    (2_650, (0x69,)),
    (6_000, (0x7B,)),
    (70, (0x6A, 0x6B, *range(0x71, 0x79))),
    (100, (0x7C, 0x7D, *range(0x83, 0x8B))),
    (160, (0x6C, 0x7E)),
    (1_120, tuple(range(0x6D, 0x71))),
    (1_270, tuple(range(0x7F, 0x83))),
    (100, (0xA7, 0xAC, 0xAD, *range(0xC0, 0xC5))),
)

_OPERATIONS = MappingProxyType({opcode: ink for ink, opcodes in _PRICES for opcode in opcodes})


def _root(value: int, degree: int) -> int:
    """The largest integer whose `degree`-th power does not exceed `value`."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle)
    return low


STYLUS_PAGES = 128
_STYLUS_LAST_PAGE_GAS = 31_874_000
ZVM_INSTANCE_PAGES = 1_024
ZVM_TRANSACTION_PAGES = 4_096

STYLUS = PriceTable(
    name="stylus",
    block_header=2_450,
    operations=_OPERATIONS,
    branch_target=325,
    indirect_parameter=650,
    bulk_byte=100,
    stack_counts_parameters=False,
    host_functions=HostPrices(),
    pages=PageModel(
        free_pages=2,
        page_gas=1_000,
        curve=tuple(_root(_STYLUS_LAST_PAGE_GAS**pages, STYLUS_PAGES) for pages in range(STYLUS_PAGES + 1)),
        instance_pages_limit=STYLUS_PAGES,
        ramp=620_674_314,
    ),
    entry=CallEntry(gas=352, data_bytes_per_gas=None),
)
"""Arbitrum Stylus' prices. Entering a module costs what a cached program costs there, without the measured part."""

ZVM = replace(
    STYLUS,
    name="zvm",
    stack_counts_parameters=True,
    host_functions=HostPrices(
        surcharge=3 * INK_PER_GAS,
        heavy_surcharge=6 * INK_PER_GAS,
        power_byte=50 * INK_PER_GAS,
        growth_of_none=6 * INK_PER_GAS,
    ),
    pages=PageModel(
        free_pages=2,
        page_gas=1_000,
        curve=tuple(pages * pages // 2 for pages in range(ZVM_TRANSACTION_PAGES + 1)),
        instance_pages_limit=ZVM_INSTANCE_PAGES,
    ),
    entry=CallEntry(gas=700, data_bytes_per_gas=64),
)
"""The default: operations as Stylus', host functions at what they cost this node, 64 MiB reachable."""

COVENANT = replace(
    ZVM,
    name="covenant",
    state=StateGas(storage_load=800, storage_store=5_000, call=700, create=32_000, transfer=21_000),
)
"""The guide's table for state, over the operations and memory of `ZVM`."""

PRICE_TABLES: Mapping[str, PriceTable] = MappingProxyType({table.name: table for table in (STYLUS, ZVM, COVENANT)})
