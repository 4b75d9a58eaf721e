"""The instructions that instrumentation adds to a module."""

from typing import NamedTuple

from zevm.chain.zvm.module.binary import FunctionType, signed, unsigned
from zevm.chain.zvm.price_table import INK_PER_GAS, MEMORY_COPY, MEMORY_GROW, PriceTable


class Places(NamedTuple):
    """Indices in the instrumented module. helpers: of the first one."""

    ink: int
    stack: int
    fault: int
    out_of_ink: int
    out_of_stack: int
    helpers: int
    pay_for_growth: int | None


class Helper(NamedTuple):
    """A function that instrumentation adds: its type, and its body without its size."""

    signature: FunctionType
    code: bytes


class Writer:
    """The instructions that instrumentation adds, for one module under one price table.

    What growing and the bulk operations cost depends on an operand. The code that charges it stands once in the module,
    in a helper that does the operation too: the compiler needs milliseconds for a thousand copies of it, and more than
    in proportion where they stand in one function. helpers: those that are called, in the order of their indices.

    can_grow: whether the memory's maximum is above its minimum. Growing one that cannot is free, and fails.
    """

    def __init__(self, places: Places, price_table: PriceTable, *, can_grow: bool) -> None:
        self._get_ink, self._set_ink = b"\x23" + unsigned(places.ink), b"\x24" + unsigned(places.ink)
        self._get_stack, self._set_stack = b"\x23" + unsigned(places.stack), b"\x24" + unsigned(places.stack)
        self._no_ink = b"\x04\x40\x10" + unsigned(places.out_of_ink) + b"\x00\x0b"
        self._no_stack = b"\x04\x40\x10" + unsigned(places.out_of_stack) + b"\x00\x0b"
        self._pay = places.pay_for_growth
        self._bulk_byte = price_table.bulk_byte
        self._page_ink = price_table.pages.page_gas * INK_PER_GAS
        self._can_grow = can_grow
        self._first_helper = places.helpers
        self._charges: dict[int, bytes] = {}
        self._calls: dict[int, bytes] = {}
        self.helpers: list[Helper] = []

    def charge(self, ink: int) -> bytes:
        """Check and debit a constant price."""
        code = self._charges.get(ink)
        if code is None:
            code = self._charges[ink] = self._debit(b"\x42" + signed(ink))
        return code

    def _debit(self, price: bytes) -> bytes:
        check = self._get_ink + price + b"\x54" + self._no_ink
        return check + self._get_ink + price + b"\x7d" + self._set_ink

    def operation(self, opcode: int) -> bytes:
        """Charge for and do MEMORY_GROW, MEMORY_COPY or MEMORY_FILL: a call of its helper."""
        call = self._calls.get(opcode)
        if call is None:
            call = self._calls[opcode] = b"\x10" + unsigned(self._first_helper + len(self.helpers))
            self.helpers.append(self._growth() if opcode == MEMORY_GROW else self._bulk(opcode))
        return call

    def _debit_each(self, local: bytes, ink: int) -> bytes:
        return self._debit(local + b"\xad\x42" + signed(ink) + b"\x7e")

    def _growth(self) -> Helper:
        """Pay for the pages: by the host function, or linearly where none is imported."""
        pages = b"\x20\x00"
        charge = b""
        if self._can_grow:
            charge = (
                self._debit_each(pages, self._page_ink) if self._pay is None else pages + b"\x10" + unsigned(self._pay)
            )
        return Helper(FunctionType("i", "i"), b"\x00" + charge + pages + b"\x40\x00\x0b")

    def _bulk(self, opcode: int) -> Helper:
        operation = b"\xfc\x0a\x00\x00" if opcode == MEMORY_COPY else b"\xfc\x0b\x00"
        charge = self._debit_each(b"\x20\x02", self._bulk_byte)
        return Helper(FunctionType("iii", ""), b"\x00" + charge + b"\x20\x00\x20\x01\x20\x02" + operation + b"\x0b")

    def enter(self, words: int) -> bytes:
        """Check and debit a frame's stack words."""
        amount = b"\x41" + signed(words)
        check = self._get_stack + amount + b"\x4d" + self._no_stack
        return check + self._get_stack + amount + b"\x6b" + self._set_stack

    def leave(self, words: int) -> bytes:
        """Give a frame's stack words back."""
        return self._get_stack + b"\x41" + signed(words) + b"\x6a" + self._set_stack


def fault(places: Places, code: int, *, clear_ink: bool) -> bytes:
    """Body of a function that records why execution ends, and traps."""
    clear = b"\x42\x00\x24" + unsigned(places.ink) if clear_ink else b""
    return b"\x00" + clear + b"\x41" + signed(code) + b"\x24" + unsigned(places.fault) + b"\x00\x0b"
